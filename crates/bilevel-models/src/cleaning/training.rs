//! Training a classifier with given weights: the lower problem, solved.

use bilevel_core::projection::Projection;
use bilevel_core::{
    Accelerated, Backtracking, FixedLipschitz, LowerSolver, Point, ProjectedGradient, Solution,
    Tape, Tolerance,
};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use super::{Cleaning, SampleWeights};
use crate::classification::{Batch, Classifier, Minibatch};

/// `y*(x)`, from `start`: accelerated gradient steps until `‖∇y g‖ ≤ tolerance`, `max_steps` at
/// most.
///
/// With [`Linear`](crate::classification::Linear) the step size comes from a bound on the
/// curvature; other classifiers find theirs by backtracking, and a minimum near the start.
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
    match smoothness(problem, &batch.training) {
        Some(smoothness) => {
            let solver = Accelerated {
                smoothness: FixedLipschitz(smoothness),
                strong_convexity: 0.0, // biases are not kept small
                max_steps,
                tolerance: Tolerance::Absolute(tolerance),
            };
            solver.solve(point)
        }
        None => {
            let solver = Accelerated {
                smoothness: Backtracking {
                    initial: Some(1.0),
                    growth: 2.0,
                },
                strong_convexity: 0.0,
                max_steps,
                tolerance: Tolerance::Absolute(tolerance),
            };
            solver.solve(point)
        }
    }
}

/// `argmin_{y ∈ Y} g(x, y)`, from `start`: projected accelerated steps until the gradient mapping
/// is no longer than `tolerance`, `max_steps` at most. `None` if no bound on the classifier's
/// curvature is known, from which the step size would come.
///
/// # Panics
/// If Y is a set of vectors of another length than y.
pub fn train_within<B: Backend, C: Classifier>(
    problem: &Cleaning<C>,
    x: &SampleWeights<Tape<B>>,
    start: &C::Parameters<Tape<B>>,
    batch: &Batch<B>,
    set: impl Projection<B>,
    tolerance: f64,
    max_steps: usize,
) -> Option<Solution<C::Parameters<Tape<B>>>>
where
    C::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = C::Parameters<B>>,
{
    let solver = ProjectedGradient {
        projection: set,
        step_size: 1.0 / smoothness(problem, &batch.training)?,
        momentum: true,
        max_steps,
        tolerance: Tolerance::Absolute(tolerance),
    };
    Some(solver.solve(Point {
        problem,
        x,
        y: start,
        batch,
    }))
}

/// A bound on the curvature of g in y, whatever x is.
fn smoothness<B: Backend, C: Classifier>(
    problem: &Cleaning<C>,
    part: &Minibatch<B>,
) -> Option<f64> {
    let features = part.features.clone();
    let samples = features.dims()[0] as f64;
    let curvature = problem.classifier.curvature_bound(features)?;
    // The bound is for a mean over the samples; weights are at most 1.
    Some(curvature * samples / part.share + 2.0 * problem.regularization())
}
