//! What SUSTAIN and MRBO have in common: STORM on both levels.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Estimated, Oracle, Pair, Rule, Series};
use crate::{Decay, Error};

/// Steps on both levels along directions that STORM follows.
///
/// ```text
/// d ← D_ξ(x, y) + (1 − η_t) (d − D_ξ(x⁻, y⁻))       D = (a series' hypergradient, ∇y g)
/// x ← Π(x − γ_t d_x),   y ← y − ρ_t d_y
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RecursiveMomentum {
    pub lower_step: Decay,
    pub upper_step: Decay,
    pub eta: Decay,
    pub series: Series,
}

/// A direction that is followed and the point it belongs to.
#[derive(Record, Clone, Debug)]
pub struct Followed<B: Backend> {
    /// d.
    pub direction: Pair<B>,
    /// The point that d belongs to.
    pub before: Pair<B>,
}

impl RecursiveMomentum {
    pub fn checked(self) -> Result<Self, Error> {
        Ok(Self {
            lower_step: self.lower_step.checked("lower_step")?,
            upper_step: self.upper_step.checked("upper_step")?,
            eta: self.eta.checked_fraction("eta")?,
            ..self
        })
    }
}

impl<B: Backend> Rule<B> for RecursiveMomentum {
    type Memory = Option<Followed<B>>;

    fn start(&self, _: &dyn Oracle<B>, _: &Pair<B>) -> Option<Followed<B>> {
        None
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Pair<B>,
        memory: Option<Followed<B>>,
    ) -> (Pair<B>, Option<Followed<B>>) {
        let (i, on) = (draws.lower(), self.series.draw(draws));
        let directions = |at: &Pair<B>| Pair {
            x: self.series.hypergradient(oracle, &on, at),
            y: oracle.lower_gradient(i, at),
        };
        let fresh = directions(&at);
        let direction = match memory {
            None => fresh,
            Some(Followed { direction, before }) => {
                fresh.followed(direction, directions(&before), self.eta.at(t))
            }
        };
        let next = Pair {
            x: at.x.clone() - direction.x.clone() * self.upper_step.at(t),
            y: at.y.clone() - direction.y.clone() * self.lower_step.at(t),
        };
        let memory = Followed {
            direction,
            before: at,
        };
        (oracle.project(next), Some(memory))
    }
}
