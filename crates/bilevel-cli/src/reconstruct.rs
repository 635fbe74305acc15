//! Solving the lower problem for whole images.

use bilevel_backend::Tape;
use bilevel_core::{Accelerated, LowerSolver, Outcome, Point, parallel};
use bilevel_data::{GrayImage, from_tensor, to_tensor};
use bilevel_models::physics::{CurvatureBound, Denoising, ImagePairs};
use bilevel_models::regularizer::Regularizer;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The lower solver of training and use alike, for images of `pixels` pixels.
///
/// `tolerance` is the root mean square of `∇y g` over the pixels.
pub(crate) fn lower_solver(
    tolerance: f64,
    max_steps: usize,
    pixels: usize,
) -> Accelerated<CurvatureBound> {
    Accelerated {
        smoothness: CurvatureBound,
        strong_convexity: 0.0, // learned potentials are not convex: restarts instead
        max_steps,
        tolerance: tolerance * (pixels as f64).sqrt(),
    }
}

/// Stop of a reconstruction: root mean square of `∇y g` over the pixels.
const TOLERANCE: f64 = 3e-4;
/// Steps of a reconstruction at most.
const MAX_STEPS: usize = 500;

/// `argmin_y ½‖y − noisy‖² + R(x, y)` for each image, several at a time; `done` is told of each.
pub(crate) fn reconstruct<B, R>(
    regularizer: &R,
    x: &R::Parameters<Tape<B>>,
    noisy: &[GrayImage],
    device: &B::Device,
    done: impl Fn() + Sync,
) -> Vec<(GrayImage, Outcome)>
where
    B: Backend,
    R: Regularizer + Sync,
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    let problem = Denoising::new(regularizer.clone(), 0);
    let work = noisy
        .iter()
        .map(|image| (R::Parameters::<Tape<B>>::from_inner(x.valid()), image))
        .collect();
    parallel::map(work, |(x, image): (R::Parameters<Tape<B>>, &GrayImage)| {
        let data = to_tensor::<B>(std::slice::from_ref(image), device);
        let batch = ImagePairs {
            clean: data.clone(),
            data,
        };
        let start = batch.start();
        let solver = lower_solver(TOLERANCE, MAX_STEPS, image.pixels().len());
        let point = Point {
            problem: &problem,
            x: &x,
            y: &start,
            batch: &batch,
        };
        let solution = solver.solve(point);
        let pixels: Tensor<B, 4> = solution.value.pixels.val().inner();
        done();
        (from_tensor(pixels).remove(0), solution.outcome())
    })
}
