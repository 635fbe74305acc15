//! Step sizes and accuracies that depend on the step's number alone.

use std::f64::consts::E;

use crate::{Error, ErrorKind, positive};

/// A sequence of positive numbers that does not rise, for step sizes, weights and accuracies; `t`
/// counts steps (or batches) from 0.
///
/// ```text
/// Constant      a
/// Polynomial    a (t + 1)^(−q)
/// Logarithmic   a / ln(t + e)
/// Geometric     a cᵗ
/// ```
///
/// All of them begin at `a`. Stochastic methods with a step size of power `q` in (½, 1] and
/// accuracies that vanish converge; a constant step size leaves noise, a constant accuracy a bias.
///
/// ```
/// use bilevel_core::Schedule;
///
/// let decay = Schedule::Polynomial { initial: 8.0, power: 0.5 };
/// assert_eq!([0, 3, 15].map(|t| decay.at(t)), [8.0, 4.0, 2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// `a`.
    Constant(f64),
    /// `a (t + 1)^(−q)`.
    Polynomial {
        /// `a`.
        initial: f64,
        /// `q`, at least 0.
        power: f64,
    },
    /// `a / ln(t + e)`.
    Logarithmic {
        /// `a`.
        initial: f64,
    },
    /// `a cᵗ`.
    Geometric {
        /// `a`.
        initial: f64,
        /// `c`, in (0, 1].
        factor: f64,
    },
}

impl Schedule {
    /// The value of step `t`.
    pub fn at(self, t: usize) -> f64 {
        let t = t as f64;
        match self {
            Schedule::Constant(a) => a,
            Schedule::Polynomial { initial, power } => initial * (t + 1.0).powf(-power),
            Schedule::Logarithmic { initial } => initial / (t + E).ln(),
            Schedule::Geometric { initial, factor } => initial * factor.powf(t),
        }
    }

    /// The sequence, if it is one of positive numbers that does not rise; `name` is what it is used
    /// for.
    pub(super) fn checked(self, name: &'static str) -> Result<Self, Error> {
        match self {
            Schedule::Constant(initial) | Schedule::Logarithmic { initial } => {
                positive(name, initial)?
            }
            Schedule::Polynomial { initial, power } => {
                if !(power >= 0.0 && power.is_finite()) {
                    let (name, value, range) = ("power", power, "finite and >= 0");
                    return Err(ErrorKind::OutOfRange { name, value, range }.into());
                }
                positive(name, initial)?
            }
            Schedule::Geometric { initial, factor } => {
                fraction("factor", factor)?;
                positive(name, initial)?
            }
        };
        Ok(self)
    }

    /// The sequence, if it is one of shares: in (0, 1].
    pub(super) fn checked_fraction(self, name: &'static str) -> Result<Self, Error> {
        let decay = self.checked(name)?;
        // The first is the largest.
        fraction(name, decay.at(0))?;
        Ok(decay)
    }
}

/// `value` if it is a share: in (0, 1].
pub(super) fn fraction(name: &'static str, value: f64) -> Result<f64, Error> {
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        let range = "in (0, 1]";
        Err(ErrorKind::OutOfRange { name, value, range }.into())
    }
}
