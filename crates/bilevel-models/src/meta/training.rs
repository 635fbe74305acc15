//! Steps over many episodes.

use std::num::NonZero;
use std::thread;

use bilevel_core::parameters::{
    fresh_leaves, load_values, named_values, paths_by_id, unpack_gradients,
};
use bilevel_core::vector::norms;
use bilevel_core::{Failure, Tape, parallel};
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;

use super::episode::accuracy;
use super::normalization::RunningStatistics;
use super::{Episode, Learner, Network, Upper};

/// Where meta-learning stands.
pub struct MetaState<B: Backend, N: Network, O> {
    /// What is learned.
    pub x: Upper<B, N>,
    /// The optimizer with its moments.
    pub optimizer: O,
    /// Steps taken.
    pub step: usize,
}

/// A step in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct MetaReport {
    /// The step, from 1.
    pub step: usize,
    /// Mean loss of the queries after learning from the support, before the step.
    pub loss: f64,
    /// Mean share of queries whose class was found; of no meaning for regressions.
    pub accuracy: f64,
    /// Norm of the mean gradient.
    pub gradient_norm: f64,
    /// Set if the step was not taken because its numbers are of no use.
    pub failure: Option<Failure>,
}

/// One step of the optimizer along the mean gradient of `episodes`.
///
/// Episodes run side by side, as many as there are cores, and are added up as they come: memory
/// does not grow with their number, and the sum does not depend on how many cores there are.
/// Statistics that layers keep move a tenth of the way to what was seen. If the numbers are of no
/// use, the state comes back as it was.
///
/// # Panics
/// If there is no episode.
pub fn meta_step<B, L, O>(
    learner: &L,
    state: MetaState<B, L::Network, O>,
    episodes: Vec<Episode<B>>,
    learning_rate: f64,
) -> (MetaState<B, L::Network, O>, MetaReport)
where
    B: Backend,
    L: Learner<B> + ?Sized,
    O: Optimizer<Upper<B, L::Network>, Tape<B>>,
    Upper<B, L::Network>: AutodiffModule<Tape<B>>,
{
    let count = episodes.len();
    assert!(count > 0, "a step needs an episode");
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut loss, mut right) = (0.0, 0.0);
    let mut gradient = None;
    let mut failure = None;
    let mut seen = Vec::new();
    let mut left = episodes.into_iter().peekable();
    while left.peek().is_some() {
        let now: Vec<_> = left.by_ref().take(cores).collect();
        // A module is not shared between threads: each gets its own handle.
        let now = now.into_iter().map(|e| (state.x.clone(), e)).collect();
        let found = parallel::map::<B, _, _>(now, |(x, episode)| {
            let found = learner.gradient(&x, &episode);
            let accuracy = accuracy(found.outputs.clone(), episode.query.targets);
            (found, accuracy)
        });
        for (found, accuracy) in found {
            loss += found.loss / count as f64;
            right += accuracy / count as f64;
            failure = failure.or(found.failure);
            seen.push(found.seen);
            gradient = Some(match gradient {
                Some(sum) => sum + found.gradient,
                None => found.gradient,
            });
        }
    }
    let gradient = gradient.expect("there is an episode") / count as f64;
    let report = MetaReport {
        step: state.step + 1,
        loss,
        accuracy: right,
        gradient_norm: norms(gradient.clone())[0],
        failure,
    };
    if report.failure.is_some() {
        return (state, report);
    }
    let MetaState {
        x, mut optimizer, ..
    } = state;
    let gradients = unpack_gradients(&x, gradient);
    // Ties what is shared again: the optimizer moves its first place alone.
    let x = fresh_leaves(optimizer.step(learning_rate, x, gradients));
    let state = MetaState {
        x: keep(x, seen),
        optimizer,
        step: report.step,
    };
    (state, report)
}

/// How far kept statistics move to what a step has seen.
const MOMENTUM: f32 = 0.1;

/// The module with its kept statistics moved.
fn keep<B: Backend, M: AutodiffModule<Tape<B>>>(module: M, seen: Vec<RunningStatistics>) -> M {
    let seen: Vec<_> = seen
        .into_iter()
        .flat_map(RunningStatistics::means)
        .collect();
    if seen.is_empty() {
        return module;
    }
    let paths = paths_by_id(&module);
    let mut values = named_values(&module);
    let mut sums: std::collections::BTreeMap<(String, usize), (Vec<f32>, usize)> =
        Default::default();
    for (id, step, [mean, variance]) in seen {
        let path = paths.get(&id).expect("the layer is of this module").clone();
        let both: Vec<f32> = mean.into_iter().chain(variance).collect();
        let (sum, count) = sums
            .entry((path, step))
            .or_insert_with(|| (vec![0.0; both.len()], 0));
        sum.iter_mut().zip(both).for_each(|(sum, new)| *sum += new);
        *count += 1;
    }
    for ((path, step), (sum, count)) in sums {
        let data = values.remove(&path).expect("the path is of this module");
        let shape = data.shape.clone();
        let mut kept: Vec<f32> = data.iter::<f32>().collect();
        let at = step.min(shape[0] - 1) * sum.len();
        for (kept, sum) in kept[at..].iter_mut().zip(sum) {
            *kept += MOMENTUM * (sum / count as f32 - *kept);
        }
        values.insert(path, TensorData::new(kept, shape));
    }
    load_values(module, &values).expect("they are this module's own values")
}

/// Share of queries whose class was found, for each episode, side by side on all cores; NaN where a
/// score was not finite.
pub fn evaluate<B: Backend, L: Learner<B> + ?Sized>(
    learner: &L,
    x: &Upper<B, L::Network>,
    episodes: Vec<Episode<B>>,
) -> Vec<f64> {
    let episodes = episodes.into_iter().map(|e| (x.clone(), e)).collect();
    parallel::map::<B, _, _>(episodes, |(x, episode)| {
        let outputs = learner.outputs(&x, &episode);
        let scores = outputs.clone().into_data();
        match scores.iter::<f64>().all(f64::is_finite) {
            true => accuracy(outputs, episode.query.targets),
            false => f64::NAN,
        }
    })
}

/// The mean of `values`, and half of its 95 % interval: `1.96 s/√n`. The half is NaN for fewer than
/// two values.
///
/// ```
/// let (mean, half) = bilevel_models::meta::mean_and_interval(&[0.8, 1.0, 0.9, 0.9]);
/// assert!((mean - 0.9).abs() < 1e-12 && (half - 1.96 * (0.02f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
/// ```
pub fn mean_and_interval(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, 1.96 * (squares / (n - 1.0) / n).sqrt())
}
