//! How much multipliers are held back.

use serde::{Deserialize, Serialize};

use crate::error::{Error, not_negative};

/// `c^t`, the weight of `−½ c^t ‖multiplier‖²` in the Lagrangian, η being the multiplier's step.
///
/// ```
/// use bilevel_distributed::Regularization;
///
/// let falling = Regularization::Falling { floor: 0.5 };
/// assert_eq!(falling.at(0, 0.5), 2.0);
/// assert_eq!(falling.at(15, 0.5), 1.0);
/// assert_eq!(falling.at(1 << 20, 0.5), 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Regularization {
    /// The same always, as in the authors' program; 0 for none.
    Constant(
        /// c.
        f64,
    ),
    /// `max(1 / (η (t + 1)^¼), floor)`, the paper's.
    Falling {
        /// The smallest c.
        floor: f64,
    },
}

impl Regularization {
    /// `c^t` for the multiplier's step η.
    pub fn at(&self, t: usize, eta: f64) -> f64 {
        match *self {
            Regularization::Constant(c) => c,
            Regularization::Falling { floor } => {
                (1.0 / (eta * (t as f64 + 1.0).powf(0.25))).max(floor)
            }
        }
    }

    pub(crate) fn check(&self, name: &'static str) -> Result<(), Error> {
        let (Regularization::Constant(c) | Regularization::Falling { floor: c }) = *self;
        not_negative(name, c)?;
        Ok(())
    }
}
