//! Learn to learn sine waves from ten points by MAML: `cargo run --example sinusoids`.

use bilevel::backend::{Cpu, Tape};
use bilevel::burn::optim::AdamConfig;
use bilevel::hypergradient::Checkpointing;
use bilevel::models::meta::{
    Episode, Filter, Learner, Loss, Maml, MetaState, Normalization, Perceptron, Rates, Sinusoids,
    StepLosses, meta_step,
};

/// Meta-steps, of four waves each; the first argument, if there is one.
const STEPS: u64 = 12_000;

fn maml(steps: usize) -> Maml<Perceptron> {
    Maml {
        network: Perceptron {
            widths: vec![1, 40, 40, 1],
        },
        loss: Loss::MeanSquare,
        normalization: Normalization::default(),
        steps,
        rates: Rates::Fixed(0.01),
        keep: Checkpointing::All,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    }
}

fn main() {
    let meta_steps = std::env::args()
        .nth(1)
        .map_or(STEPS, |n| n.parse().expect("a number of steps"));
    let device = Default::default();
    let waves = Sinusoids {
        shots: 10,
        queries: 10,
    };
    // Four waves at once: a wave keeps no core busy.
    let learner = maml(1).stacked(4);
    let weights = learner.network.network.init::<Tape<Cpu>>(0, &device);
    let mut state = MetaState {
        x: Learner::<Cpu>::begin(&learner, weights),
        optimizer: AdamConfig::new().init(),
        step: 0,
    };
    for step in 0..meta_steps {
        let episodes = (0..4).map(|i| waves.episode(0, 4 * step + i, &device));
        let episodes = Episode::joined(episodes.collect()).expect("as many points each");
        let rate = 0.003 * (1.0 - step as f64 / meta_steps as f64) + 1e-4;
        let (next, report) = meta_step(&learner, state, vec![episodes], rate);
        if let Some(failure) = report.failure {
            panic!("step {}: {failure}", report.step);
        }
        state = next;
    }
    println!("steps on ten points of a new wave   mean square error");
    for steps in [0, 1, 2, 5, 10] {
        let error = |i: u64| {
            let wave = waves.episode(1, i, &device);
            let outputs = maml(steps).outputs(&state.x, &wave);
            Loss::MeanSquare
                .of(outputs, wave.query.targets)
                .into_scalar()
        };
        let mean = (0..100).map(error).sum::<f32>() / 100.0;
        println!("{steps:>35}   {mean:.3}");
    }
}
