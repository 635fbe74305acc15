//! What learning is for: a weight that nobody tuned is as good as the best of a grid.

use bilevel_backend::Tape;
use bilevel_core::{
    Accelerated, ConjugateGradient, LowerSolver, Maid, MaidSettings, MaidState, Point, Probe,
    Report, Status, Stop, Task, Tolerance,
};
use bilevel_models::physics::{ClosedForm, CurvatureBound, Denoising, Image, ImagePairs};
use bilevel_models::regularizer::{Tv, TvParameters};
use burn::module::AutodiffModule;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::{B, Number};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const IMAGES: usize = 8;
const SIDE: usize = 32;
const SIGMA: f64 = 0.1;
/// Logarithms of the weights that a person would try.
const GRID: [f64; 5] = [-5.0, -4.0, -3.0, -2.0, -1.0];
/// Logarithm of the smoothing, there and at the start.
const SMOOTHING: f64 = -4.0;

fn lower(tolerance: f64) -> Accelerated<CurvatureBound> {
    Accelerated {
        smoothness: CurvatureBound,
        strong_convexity: 1.0,
        max_steps: 5000,
        tolerance: Tolerance::Absolute(tolerance),
    }
}

/// A rectangle, a disc and a background in three grey values, and what noise makes of it.
fn pairs(number: usize, rng: &mut ChaCha8Rng) -> ImagePairs<B> {
    let device = Default::default();
    let shift = number as f64;
    let pixel = |i: usize| {
        let (x, y) = ((i % SIDE) as f64, (i / SIDE) as f64);
        let (u, v) = (x - 12.0 - shift, y - 20.0 + shift);
        if u * u + v * v < 40.0 + 5.0 * shift {
            0.8 - 0.05 * shift
        } else if x > 4.0 + shift && y < 9.0 + shift {
            0.5
        } else {
            0.1 + 0.03 * shift
        }
    };
    let shape = [1, 1, SIDE, SIDE];
    let clean: Vec<f64> = (0..SIDE * SIDE).map(pixel).collect();
    let clean = Tensor::from_data(TensorData::new(clean, shape), &device);
    let noise = TensorData::random::<f64, _, _>(shape, Distribution::Normal(0.0, SIGMA), rng);
    ImagePairs {
        data: clean.clone() + Tensor::from_data(noise, &device),
        clean,
    }
}

fn psnr(image: Tensor<B, 4>, clean: Tensor<B, 4>) -> f64 {
    let mse = (image - clean).square().mean().number();
    -10.0 * mse.log10()
}

/// Mean PSNR of the minimisers at `x`, in dB.
fn score(x: &TvParameters<Tape<B>>, images: &[ImagePairs<B>]) -> f64 {
    let one = |batch: &ImagePairs<B>| {
        let solution = lower(1e-4).solve(Point {
            problem: &Denoising::new(Tv, 0),
            x,
            y: &batch.start(),
            batch,
        });
        assert_eq!(solution.status, Status::Converged);
        let image: Image<B> = solution.value.valid();
        psnr(image.pixels.val(), batch.clean.clone())
    };
    images.iter().map(one).sum::<f64>() / images.len() as f64
}

#[test]
fn maid_learns_a_weight_of_total_variation_that_no_grid_beats() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let images: Vec<_> = (0..IMAGES).map(|number| pairs(number, &mut rng)).collect();
    let noisy = images.iter().map(|i| psnr(i.data.clone(), i.clean.clone()));
    let noisy = noisy.sum::<f64>() / IMAGES as f64;
    let with = |weight| Tv::with::<Tape<B>>(weight, SMOOTHING, &Default::default());
    let grid = GRID.map(|weight| score(&with(weight), &images));
    let best = grid.iter().copied().fold(0.0, f64::max);

    let settings = MaidSettings {
        convex: true,
        probe: Some(Probe {
            probes: 3,
            radius: 1e-3,
            seed: 0,
        }),
        ..MaidSettings::default()
    };
    let solver = ConjugateGradient {
        max_steps: 500,
        tolerance: Tolerance::Relative(0.0),
    };
    let maid = Maid::new(
        Denoising::new(Tv, 0),
        lower(0.0),
        ClosedForm,
        solver,
        settings,
    );
    // From the worst of the grid.
    let state = MaidState {
        delta: 1e-3,
        step_size: 100.0,
        ..MaidState::new(with(GRID[0]))
    };
    let tasks = images.iter().map(|i| Task::new(i.clone(), i.start()));
    let mut log = |report: &Report| assert_eq!(report.failure, None);
    let (state, ..) = maid
        .unwrap()
        .run(
            state,
            tasks.collect(),
            Stop {
                cost: 30_000,
                ..Stop::after(40)
            },
            &mut log,
        )
        .unwrap();
    let learned = score(&state.x, &images);
    assert!(
        learned >= best - 0.1,
        "{learned:.2} dB, of the grid {grid:.2?}"
    );
    assert!(
        learned >= noisy + 3.0,
        "{learned:.2} dB, noisy {noisy:.2} dB"
    );
}
