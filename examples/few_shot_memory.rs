//! Plot the memory of one MAML gradient against the number of inner steps, with all tapes kept and
//! in a budget: `cargo run --release --example few_shot_memory`. Writes `few-shot-memory.svg`; the
//! first argument is another path.

mod plot;

use std::error::Error;

use bilevel::Checkpointing;
use bilevel::backend::{Cpu, Tape};
use bilevel::models::meta::{
    Conv4, Episode, Filter, Learner, Loss, Maml, Normalization, Samples, StepLosses, StepSizes,
};
use peak_alloc::PeakAlloc;
use plot::Words;
use plotters::prelude::{BLUE, RED, SeriesLabelPosition};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const STEPS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Five classes, one picture of each to learn from and three to ask for.
fn episode() -> Episode<Cpu> {
    let samples = |each: usize| {
        let labels: Vec<usize> = (0..5 * each).map(|i| i / each).collect();
        let pixel = |i: usize| ((i * 37) % 101) as f32 / 100.0;
        let rows: Vec<f32> = (0..5 * each * 784).map(pixel).collect();
        Samples::classes(&rows, 784, &labels, 5, &Default::default()).expect("labels fit")
    };
    Episode {
        support: samples(1),
        query: samples(3),
    }
}

/// Most megabytes held during one gradient, above what is held before it.
fn peak(steps: usize, keep: Checkpointing) -> f64 {
    let network = Conv4 {
        channels: 32,
        side: 28,
        classes: Some(5),
        kept_steps: 1,
    };
    let learner = Maml {
        network,
        loss: Loss::CrossEntropy,
        normalization: Normalization::Transductive,
        steps,
        step_sizes: StepSizes::Fixed(0.05),
        checkpointing: keep,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    };
    let weights = network.init::<Tape<Cpu>>(0, &Default::default());
    let x = Learner::<Cpu>::begin(&learner, weights);
    let episode = episode();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let found = learner.gradient(&x, &episode);
    assert!(found.failure.is_none());
    (MEMORY.peak_usage() - before) as f64 / 1e6
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "few-shot-memory.svg".to_owned());
    // Three sets of the network's 28,357 weights.
    let budget = Checkpointing::Bytes(3 * 4 * 28_357);
    let curves = [
        ("everything kept", Checkpointing::All, RED),
        ("states in a budget of three", budget, BLUE),
    ]
    .map(|(name, keep, colour)| {
        let points: Vec<_> = STEPS.map(|steps| (steps as f64, peak(steps, keep))).into();
        (name, points, colour)
    });
    println!("steps  {}, MB  {}, MB", curves[0].0, curves[1].0);
    for (all, some) in curves[0].1.iter().zip(&curves[1].1) {
        println!("{:5}  {:19.2}  {:31.2}", all.0, all.1, some.1);
    }

    let highest = curves[0].1.iter().map(|point| point.1).fold(0.0, f64::max);
    let words = Words {
        title: "Memory of one MAML gradient, Conv4-32",
        x: "inner steps",
        y: "peak, MB",
        legend: SeriesLabelPosition::UpperLeft,
    };
    let lines = curves.map(|(name, points, colour)| (name.to_owned(), points, colour));
    plot::lines(&path, words, 0.0..64.0, 0.0..1.05 * highest, lines)?;
    println!("{path}");
    Ok(())
}
