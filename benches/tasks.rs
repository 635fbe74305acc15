//! MAML's gradient over several tasks: side by side on all cores, or all in one go by a `Stack`.
//!
//! `cargo bench --bench tasks`, with `--features wgpu` also on the first graphics adapter, where
//! tasks come one after the other without a stack. Times are the shortest of five; the ratio is
//! what counts.

use std::time::{Duration, Instant};

use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::optim::SgdConfig;
use bilevel::burn::tensor::backend::Backend;
use bilevel::hypergradient::Checkpointing;
use bilevel::models::meta::{
    Conv4, Episode, Filter, Learner, Loss, Maml, MetaState, Normalization, Perceptron, Samples,
    Sinusoids, StackedNetwork, StepLosses, StepSizes, TwiceDifferentiableNetwork, Upper, meta_step,
};

fn main() {
    Cpu::join_pool();
    println!("| network | backend | tasks | one by one, ms | at once, ms | ratio |");
    println!("|---|---|---|---|---|---|");
    rows::<Cpu>("Cpu");
    #[cfg(feature = "wgpu")]
    rows::<bilevel::backend::Wgpu>("Wgpu");
}

fn rows<B: Backend>(backend: &str) {
    let device = Default::default();
    let perceptron = Perceptron {
        widths: vec![1, 40, 40, 1],
    };
    let waves = Sinusoids {
        shots: 10,
        queries: 10,
    };
    let episodes = |n| (0..n).map(|i| waves.episode(0, i, &device)).collect();
    for tasks in [4, 25] {
        let weights = perceptron.init::<Tape<B>>(0, &device);
        let name = format!("perceptron 1-40-40-1, 1 step | {backend}");
        row::<B, _>(
            &name,
            &maml(&perceptron, 1, Loss::MeanSquare),
            weights,
            episodes(tasks),
        );
    }
    let channels = 32;
    let conv4 = Conv4 {
        channels,
        side: 28,
        classes: Some(5),
        kept_steps: 1,
    };
    let weights = conv4.init::<Tape<B>>(0, &device);
    let name = format!("Conv4-{channels}, 2 steps, 5 ways, 1 shot, 5 queries | {backend}");
    let episodes = (0..4).map(pictures).collect();
    row::<B, _>(
        &name,
        &maml(&conv4, 2, Loss::CrossEntropy),
        weights,
        episodes,
    );
}

fn maml<N: Clone>(network: &N, steps: usize, loss: Loss) -> Maml<N> {
    Maml {
        network: network.clone(),
        loss,
        normalization: Normalization::Transductive,
        steps,
        step_sizes: StepSizes::Fixed(0.01),
        checkpointing: Checkpointing::All,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    }
}

/// Noise of five classes.
fn pictures<B: Backend>(seed: u64) -> Episode<B> {
    let samples = |each: usize, shift: usize| {
        let labels: Vec<usize> = (0..5 * each).map(|i| i / each).collect();
        let pixel = |i: usize| ((i + shift) * 7919 % 1009) as f32 / 1009.0;
        let rows: Vec<f32> = (0..labels.len() * 784).map(pixel).collect();
        Samples::classes(&rows, 784, &labels, 5, &Default::default()).expect("rows and labels")
    };
    Episode {
        support: samples(1, seed as usize * 13),
        query: samples(5, seed as usize * 17 + 5),
    }
}

fn row<B: Backend, N: StackedNetwork + TwiceDifferentiableNetwork<B>>(
    name: &str,
    maml: &Maml<N>,
    weights: N::Weights<Tape<B>>,
    episodes: Vec<Episode<B>>,
) where
    Upper<B, N>: AutodiffModule<Tape<B>>,
{
    let tasks = episodes.len();
    let stacked = maml.clone().stacked(tasks);
    let joined = Episode::joined(episodes.clone()).expect("as many samples each");
    let one_by_one = time(maml, &weights, episodes);
    let at_once = time(&stacked, &weights, vec![joined]);
    println!(
        "| {name} | {tasks} | {:.2} | {:.2} | {:.2} |",
        one_by_one.as_secs_f64() * 1e3,
        at_once.as_secs_f64() * 1e3,
        at_once.as_secs_f64() / one_by_one.as_secs_f64()
    );
}

/// The shortest of five steps, after one that makes what is made once.
fn time<B: Backend, L: Learner<B>>(
    learner: &L,
    weights: &<L::Network as bilevel::models::meta::Network>::Weights<Tape<B>>,
    episodes: Vec<Episode<B>>,
) -> Duration
where
    Upper<B, L::Network>: AutodiffModule<Tape<B>>,
{
    let once = || {
        let state = MetaState {
            x: learner.begin(weights.clone()),
            optimizer: SgdConfig::new().init(),
            step: 0,
        };
        let start = Instant::now();
        let (state, report) = meta_step(learner, state, episodes.clone(), 0.0);
        let time = start.elapsed();
        assert_eq!(report.failure, None);
        drop(state);
        time
    };
    once();
    (0..5).map(|_| once()).min().expect("five steps")
}
