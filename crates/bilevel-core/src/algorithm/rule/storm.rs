//! What SUSTAIN and MRBO have in common: STORM on both levels.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, NeumannSeries, Oracle, Rule, VarianceReduced};
use crate::{Error, Schedule};

/// Steps on both levels along directions that STORM follows.
///
/// ```text
/// d ← D_ξ(x, y) + (1 − η_t) (d − D_ξ(x⁻, y⁻))       D = (a series' hypergradient, ∇y g)
/// x ← Π(x − γ_t d_x),   y ← y − ρ_t d_y
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RecursiveMomentum {
    pub lower_step_size: Schedule,
    pub upper_step_size: Schedule,
    pub eta: Schedule,
    pub series: NeumannSeries,
}

/// A direction that is followed and the point it belongs to.
#[derive(Record, Clone, Debug)]
pub struct StormState<B: Backend> {
    /// d.
    pub direction: Iterate<B>,
    /// The point that d belongs to.
    pub before: Iterate<B>,
}

impl RecursiveMomentum {
    pub fn checked(self) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: self.lower_step_size.checked("lower_step_size")?,
            upper_step_size: self.upper_step_size.checked("upper_step_size")?,
            eta: self.eta.checked_fraction("eta")?,
            ..self
        })
    }
}

impl<B: Backend> Rule<B> for RecursiveMomentum {
    type Memory = Option<StormState<B>>;

    fn start(&self, _: &dyn Oracle<B>, _: &Iterate<B>) -> Option<StormState<B>> {
        None
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: Option<StormState<B>>,
    ) -> (Iterate<B>, Option<StormState<B>>) {
        let (i, on) = (draws.lower(), self.series.draw(draws));
        let directions = |at: &Iterate<B>| Iterate {
            x: self.series.hypergradient(oracle, &on, at),
            y: oracle.lower_gradient(i, at),
        };
        let fresh = directions(&at);
        let direction = match memory {
            None => fresh,
            Some(StormState { direction, before }) => {
                fresh.followed(direction, directions(&before), self.eta.at(t))
            }
        };
        let next = Iterate {
            x: at.x.clone() - direction.x.clone() * self.upper_step_size.at(t),
            y: at.y.clone() - direction.y.clone() * self.lower_step_size.at(t),
        };
        let memory = StormState {
            direction,
            before: at,
        };
        (oracle.project(next), Some(memory))
    }
}
