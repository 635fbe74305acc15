//! What can go wrong beside the numbers.

use std::path::PathBuf;

/// What is wrong, and what to change. One line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is not in its range.
    #[error(transparent)]
    Setting(#[from] bilevel_core::Error),
    /// The other side is gone.
    #[error("the {side} is gone: start it again, a run goes on from its last checkpoint")]
    Closed {
        /// Who: "master" or "workers".
        side: &'static str,
    },
    /// No reply came in time.
    #[error("no reply from the master in {seconds} s: is it alive? Workers may wait longer")]
    Timeout {
        /// How long was waited.
        seconds: f64,
    },
    /// The master does not want to be asked.
    #[error("the master refuses: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// An address is open to others and nothing protects it.
    #[error(
        "{address} is not of this machine and there are no certificates: give them, or allow it as insecure"
    )]
    Insecure {
        /// The address.
        address: String,
    },
    /// The network could not be used.
    #[error("the network: {reason}")]
    Network {
        /// What is wrong.
        reason: String,
    },
    /// A message that does not say what it should.
    #[error("a message cannot be read: {reason}")]
    Message {
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint could not be written or read.
    #[error("checkpoint {}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A state and the settings do not belong together.
    #[error("{reason}")]
    Mismatch {
        /// What differs, and what to change.
        reason: String,
    },
}

impl Error {
    /// The kind, to match on.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl<K: Into<ErrorKind>> From<K> for Error {
    fn from(kind: K) -> Self {
        Self(Box::new(kind.into()))
    }
}

/// `value` if it is finite and not below zero.
pub(crate) fn not_negative(name: &'static str, value: f64) -> Result<f64, Error> {
    in_range(
        name,
        value,
        value.is_finite() && value >= 0.0,
        "finite and >= 0",
    )
}

/// `value` if it is `admissible`, else an error that tells the `range`.
pub(crate) fn in_range(
    name: &'static str,
    value: f64,
    admissible: bool,
    range: &'static str,
) -> Result<f64, Error> {
    if admissible {
        Ok(value)
    } else {
        let kind = bilevel_core::ErrorKind::OutOfRange { name, value, range };
        Err(ErrorKind::Setting(kind.into()).into())
    }
}
