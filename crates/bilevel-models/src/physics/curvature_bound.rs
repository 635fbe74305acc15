//! How curved the lower loss is at most.

use bilevel_backend::Tape;
use bilevel_core::{FixedLipschitz, LipschitzConstant, LowerObjective, PowerIteration, Vector};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use super::{Physics, Reconstruction, size_of};
use crate::regularizer::Regularizer;

/// The Lipschitz constant of `∇y g` from what is known of both parts: `L = ‖A‖² + bound on ∇²R`.
///
/// Regularizers that know none get an estimate by [`PowerIteration`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CurvatureBound;

/// Where no bound is known.
const WITHOUT_BOUND: PowerIteration = PowerIteration {
    steps: 10,
    margin: 1.5,
};

impl<B: Backend, A: Physics, R: Regularizer> LipschitzConstant<B, Reconstruction<A, R>>
    for CurvatureBound
where
    A::Upper<Tape<B>, R::Parameters<Tape<B>>>:
        AutodiffModule<Tape<B>, InnerModule = A::Upper<B, R::Parameters<B>>>,
{
    fn constant(
        &self,
        objective: &LowerObjective<'_, B, Reconstruction<A, R>>,
        y: &Vector<B>,
    ) -> Vector<B> {
        let problem = objective.problem();
        let (parameters, operator) = problem.parts(objective.x());
        match problem.regularizer.curvature_bound(parameters) {
            Some(bound) => {
                let size = size_of(&objective.module(y.clone()).pixels.val());
                let fidelity = problem.physics.norm_squared_bound(operator, size);
                FixedLipschitz(fidelity + bound).constant(objective, y)
            }
            None => WITHOUT_BOUND.constant(objective, y),
        }
    }
}
