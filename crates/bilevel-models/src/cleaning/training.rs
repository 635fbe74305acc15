//! Training a classifier with given weights: the lower problem, solved.

use bilevel_core::{Accelerated, Backtracking, Known, LowerSolver, Point, Solution, Tape};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use super::{Cleaning, SampleWeights};
use crate::classification::{Batch, Classifier, Part};

/// `y*(x)`, from `start`: accelerated gradient steps until `‖∇y g‖ ≤ tolerance`, `max_steps` at most.
///
/// With [`Linear`](crate::classification::Linear) the step size comes from a bound on the curvature; other classifiers find theirs
/// by backtracking, and a minimum near the start.
pub fn train<B: Backend, C: Classifier>(
    problem: &Cleaning<C>,
    x: &SampleWeights<Tape<B>>,
    start: &C::Parameters<Tape<B>>,
    batch: &Batch<B>,
    tolerance: f64,
    max_steps: usize,
) -> Solution<C::Parameters<Tape<B>>>
where
    C::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = C::Parameters<B>>,
{
    let point = Point {
        problem,
        x,
        y: start,
        batch,
    };
    let Part {
        features, share, ..
    } = &batch.training;
    match problem.classifier.curvature_bound(features.clone()) {
        Some(curvature) => {
            // The bound is for a mean over the samples; weights are at most 1.
            let samples = features.dims()[0] as f64;
            let smoothness = curvature * samples / share + 2.0 * problem.regularization();
            let solver = Accelerated {
                smoothness: Known(smoothness),
                strong_convexity: 0.0, // biases are not kept small
                max_steps,
                tolerance,
            };
            solver.solve(point)
        }
        None => {
            let solver = Accelerated {
                smoothness: Backtracking {
                    initial: 1.0,
                    growth: 2.0,
                },
                strong_convexity: 0.0,
                max_steps,
                tolerance,
            };
            solver.solve(point)
        }
    }
}
