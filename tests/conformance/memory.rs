//! Whether a long run holds more and more memory.

use std::fs;

use bilevel::burn::optim::AdamConfig;
use bilevel::burn::tensor::backend::Backend;
use bilevel::models::physics::{Denoising, ImagePairs};
use bilevel::models::regularizer::{FieldsOfExperts, Potential};
use bilevel::{
    Accelerated, Backtracking, ConjugateGradient, DoubleBackward, DoubleLoop,
    ImplicitDifferentiation, State, Tape, Task, Tolerance,
};

use crate::images::pairs;
use crate::row::Rows;

/// Steps before memory is looked at, and steps that must not add to it.
const WARM: usize = 60;
const STEPS: usize = 200;

/// Resident memory of the process, which on a software driver is the device's too. A step makes
/// about two hundred tensors of 9 KiB: leaking one tape in four would show.
pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Memory: MiB that 200 steps add to the process (Linux)");
    let regularizer = FieldsOfExperts {
        filters: 4,
        size: 3,
        potential: Potential::StudentT,
    };
    let x = regularizer.init_for::<Tape<B>>(0.1, &Default::default());
    let method = DoubleLoop {
        problem: Denoising::new(regularizer, 1),
        lower: Accelerated {
            smoothness: Backtracking {
                initial: Some(10.0),
                growth: 2.0,
            },
            strong_convexity: 1.0,
            max_steps: 3,
            tolerance: Tolerance::Absolute(0.0),
        },
        hypergradient: ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: 2,
                tolerance: Tolerance::Relative(0.0),
            },
        },
    };
    let batch: ImagePairs<B> = pairs(16);
    let mut state = State::new(x, AdamConfig::new().init());
    let mut tasks = vec![Task::new(batch.clone(), batch.start())];
    let mut before = 0.0;
    for step in 0..WARM + STEPS {
        if step == WARM {
            before = resident();
        }
        (state, tasks, _) = method.step(state, tasks, 1e-3);
    }
    let growth = (resident() - before).max(0.0);
    rows.known("double loop on images", vec![growth], vec![0.0], [8.0, 8.0]);
}

/// MiB; zero where the system does not say.
fn resident() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok());
    resident.unwrap_or(0.0) * 4096.0 / f64::from(1 << 20)
}
