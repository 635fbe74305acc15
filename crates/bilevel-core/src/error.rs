//! Mistakes a caller can mend: configurations and files that do not fit.

/// What is wrong, and what to change. One line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting must be a finite number above zero.
    #[error("{name} must be finite and > 0, got {value}")]
    NotPositive {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// A setting is not in its range.
    #[error("{name} must be {range}, got {value}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f64,
        /// Where it must be.
        range: &'static str,
    },
    /// An algorithm needs constants of the problem that nobody states.
    #[error(
        "the problem does not state {}: implement `BilevelProblem::constants`, or give the algorithm \
         a `Probe`; if it has one, none could be found here",
        names.join(", ")
    )]
    MissingConstants {
        /// Fields of [`Constants`](crate::Constants).
        names: Vec<&'static str>,
    },
    /// A budget of memory is too small to work with.
    #[error(
        "a budget of {budget} bytes holds no two states of the lower solver: give at least {needed}"
    )]
    MemoryBudget {
        /// Bytes given.
        budget: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// A constraint that nothing meets.
    #[error("the constraint set is empty: {reason}")]
    EmptySet {
        /// Which of its conditions exclude each other.
        reason: String,
    },
    /// A constraint on vectors of another length.
    #[error("a constraint on {expected} entries was given {found}")]
    ConstraintDimension {
        /// Entries of the constraint.
        expected: usize,
        /// Entries that were to be constrained.
        found: usize,
    },
    /// A stored set of parameters lacks one that the module has.
    #[error("parameter `{path}` is missing: the values belong to another kind of module")]
    MissingParameter {
        /// Path of the parameter in the module, with dots.
        path: String,
    },
    /// A stored parameter has another shape than the module's.
    #[error("parameter `{path}` has shape {found:?}, the module expects {expected:?}")]
    ParameterShape {
        /// Path of the parameter in the module, with dots.
        path: String,
        /// Shape in the module.
        expected: Vec<usize>,
        /// Shape of the stored values.
        found: Vec<usize>,
    },
}

impl Error {
    /// The kind, to match on.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

/// `value` if it is finite and above zero.
///
/// # Errors
/// [`ErrorKind::NotPositive`] otherwise, with `name` in the message.
pub fn positive(name: &'static str, value: f64) -> Result<f64, Error> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(ErrorKind::NotPositive { name, value }.into())
    }
}
