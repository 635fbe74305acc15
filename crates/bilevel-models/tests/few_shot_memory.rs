//! What MAML holds in memory against the number of inner steps. Alone in its binary: it counts
//! every allocation.

use std::sync::Mutex;

use bilevel_backend::{Cpu, Tape};
use bilevel_core::Checkpointing;
use bilevel_models::meta::{
    Conv4, Episode, Filter, Learner, Loss, Maml, Normalization, Samples, StepLosses, StepSizes,
    Upper,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static ALONE: Mutex<()> = Mutex::new(());

fn learner(steps: usize, keep: Checkpointing) -> Maml<Conv4> {
    Maml {
        network: Conv4 {
            channels: 32,
            side: 28,
            classes: Some(5),
            kept_steps: 1,
        },
        loss: Loss::CrossEntropy,
        normalization: Normalization::Transductive,
        steps,
        step_sizes: StepSizes::Fixed(0.05),
        checkpointing: keep,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    }
}

fn episode() -> Episode<Cpu> {
    let samples = |each: usize| {
        let labels: Vec<usize> = (0..5 * each).map(|i| i / each).collect();
        let rows: Vec<f32> = (0..5 * each * 784)
            .map(|i| ((i * 37) % 101) as f32 / 100.0)
            .collect();
        Samples::classes(&rows, 784, &labels, 5, &Default::default()).expect("labels fit")
    };
    Episode {
        support: samples(1),
        query: samples(3),
    }
}

/// Most bytes above what is held before.
fn peak(steps: usize, keep: Checkpointing) -> f64 {
    let learner = learner(steps, keep);
    let weights = learner.network.init::<Tape<Cpu>>(0, &Default::default());
    let x: Upper<Cpu, Conv4> = Learner::<Cpu>::begin(&learner, weights);
    let episode = episode();
    // Once to fill caches.
    let _ = learner.gradient(&x, &episode);
    let before = MEMORY.current_usage() as f64;
    MEMORY.reset_peak_usage();
    let found = learner.gradient(&x, &episode);
    assert!(found.failure.is_none());
    MEMORY.peak_usage() as f64 - before
}

/// Bytes of the weights, once: 32·9 + 3·32·32·9 filters, 8·32 of the norms, 32·5 + 5 of the head.
const WEIGHTS: f64 = 4.0 * (288.0 + 27648.0 + 256.0 + 165.0);

#[test]
fn memory_does_not_grow_with_the_steps_under_a_budget() {
    let _alone = ALONE.lock();
    let budget = Checkpointing::Bytes(3 * WEIGHTS as usize);
    let [few, many] = [4, 32].map(|steps| peak(steps, budget));
    let [some, all] = [4, 32].map(|steps| peak(steps, Checkpointing::All));
    println!("peak bytes under a budget: {few:.0} for 4 steps, {many:.0} for 32");
    println!("peak bytes, all kept: {some:.0} for 4 steps, {all:.0} for 32");
    assert!(many < 1.1 * few, "{many} after {few}");
    // With everything kept, memory grows with every step: there is something to save.
    assert!(all > some + 28.0 * WEIGHTS, "{all} after {some}");
}

/// The budget changes what is stored, not what is found.
#[test]
fn a_budget_changes_no_bit() {
    let _alone = ALONE.lock();
    let of = |keep: Checkpointing| {
        let learner = learner(6, keep);
        let weights = learner.network.init::<Tape<Cpu>>(0, &Default::default());
        let x: Upper<Cpu, Conv4> = Learner::<Cpu>::begin(&learner, weights);
        learner.gradient(&x, &episode()).gradient.into_data()
    };
    of(Checkpointing::Bytes(2 * WEIGHTS as usize)).assert_eq(&of(Checkpointing::All), true);
}
