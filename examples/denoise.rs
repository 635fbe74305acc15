//! Learn a small denoiser from the shipped photographs and use it on one of them.
//!
//! `cargo run --release --example denoise` (about half a minute); with an argument, that many
//! steps.

use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::optim::AdamConfig;
use bilevel::data::{GrayImage, RandomCrops, add_gaussian_noise, load_folder, psnr, to_tensor};
use bilevel::models::physics::{ClosedForm, CurvatureBound, Denoising, ImagePairs};
use bilevel::models::regularizer::{FieldsOfExperts, Potential};
use bilevel::{
    Accelerated, ConjugateGradient, DoubleLoop, ImplicitDifferentiation, LowerSolver, Point, State,
    Task, Tolerance,
};

const SIGMA: f32 = 25.0 / 255.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: usize = std::env::args()
        .nth(1)
        .map_or(Ok(60), |text| text.parse())?;
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/images");
    let crops = RandomCrops::new(load_folder(format!("{images}/train"))?, 48, 0)?;
    let device = Default::default();

    // The problem, and the parts that solve and differentiate it.
    let regularizer = FieldsOfExperts {
        filters: 24,
        size: 5,
        potential: Potential::StudentT,
    };
    let x = regularizer.init_for::<Tape<Cpu>>(SIGMA.into(), &device);
    let parts = DoubleLoop {
        problem: Denoising::new(regularizer, 4),
        lower: Accelerated {
            smoothness: CurvatureBound,
            strong_convexity: 0.0,
            max_steps: 100,
            tolerance: Tolerance::Absolute(0.04),
        },
        hypergradient: ImplicitDifferentiation {
            second_order: ClosedForm,
            solver: ConjugateGradient {
                max_steps: 10,
                tolerance: Tolerance::Relative(1e-3),
            },
        },
    };

    // Fresh crops each step; Adam takes the step.
    let pairs = |clean: &[GrayImage], seed: u64| {
        let noise = |(i, c): (u64, &GrayImage)| add_gaussian_noise(c, SIGMA, seed, i);
        let noisy: Vec<GrayImage> = (0..).zip(clean).map(noise).collect();
        ImagePairs {
            clean: to_tensor::<Cpu>(clean, &device),
            data: to_tensor(&noisy, &device),
        }
    };
    let mut state = State::new(x, AdamConfig::new().with_beta_2(0.99).init());
    for step in 0..steps as u64 {
        let batch = pairs(&crops.batch(step, 4), 1000 + step);
        let task = Task::new(batch.clone(), batch.start());
        let report;
        (state, _, report) = parts.step(state, vec![task], 0.03);
        if report.step.is_multiple_of(10) {
            println!("step {:3}  loss {:.5}", report.step, report.upper_loss);
        }
    }

    // Use it: one more lower solve, on an image it has not seen.
    let clean = GrayImage::load(format!("{images}/test/monarch.png"))?.center_crop(128);
    let batch = pairs(std::slice::from_ref(&clean), 1);
    let start = batch.start();
    let point = Point {
        problem: &parts.problem,
        x: &state.x,
        y: &start,
        batch: &batch,
    };
    let solution = LowerSolver::<Cpu, _>::solve(&parts.lower, point);
    let denoised = bilevel::data::from_tensor(solution.value.valid().pixels.val()).remove(0);
    let noisy = bilevel::data::from_tensor(batch.data).remove(0);
    let (before, after) = (psnr(&noisy, &clean), psnr(&denoised, &clean));
    println!(
        "monarch: noisy {before:.2} dB, denoised {after:.2} dB ({})",
        solution.status
    );
    assert!(after > before + 3.0);
    Ok(())
}
