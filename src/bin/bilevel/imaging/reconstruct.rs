//! Solving the lower problem for whole images.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use bilevel_core::hypergradient::LowerMap;
use bilevel_core::vector::norms;
use bilevel_core::{
    Accelerated, LowerObjective, LowerSolver, Outcome, Point, Status, Tolerance, parallel,
};
use bilevel_data::{GrayImage, from_tensor, to_tensor};
use bilevel_models::physics::{CurvatureBound, ImagePairs, Learned, Measurement, Reconstruction};
use bilevel_models::regularizer::Architecture;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::imaging::model_file::Model;
use crate::imaging::steps::{MOST_STEPS, Map, Steps};
use crate::io::memory::check_memory;

/// How an image is reconstructed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Reconstructor {
    /// The lower problem is solved.
    Minimiser {
        /// Stop: root mean square of `∇y g` over the pixels.
        tolerance: f64,
        /// Steps at most.
        max_steps: usize,
    },
    /// Gradient descent on the lower problem is stopped early, as it was in training.
    Descent(Steps),
    /// The same on the eight symmetries of the data, turned back and averaged: eight times the
    /// cost, and a little better, for what is learned is not quite as symmetric as photographs are.
    /// After Timofte, Rothe, Van Gool (2016), "Seven ways to improve example-based single image
    /// super resolution", CVPR, arXiv:1511.02228.
    AveragedDescent(Steps),
}

impl Reconstructor {
    /// The steps of descent, if it is not the minimiser.
    pub fn steps(&self) -> Option<Steps> {
        match *self {
            Self::Minimiser { .. } => None,
            Self::Descent(steps) | Self::AveragedDescent(steps) => Some(steps),
        }
    }

    /// Whether it makes sense where `physics` is to be undone.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn check(&self, physics: Measurement) -> Result<()> {
        match *self {
            Self::Minimiser {
                tolerance,
                max_steps,
            } => check_solver("reconstruction", tolerance, max_steps),
            Self::Descent(steps) | Self::AveragedDescent(steps) => steps.check(physics),
        }
    }

    /// The symmetries of the data to reconstruct from.
    fn symmetries(&self) -> Range<u8> {
        match self {
            Self::Minimiser { .. } | Self::Descent(_) => 0..1,
            Self::AveragedDescent(_) => 0..8,
        }
    }
}

/// Whether a solver that a file describes can be run: `what` names it.
///
/// # Errors
/// If its tolerance is not positive and finite, or it makes no steps or too many.
pub(crate) fn check_solver(what: &str, tolerance: f64, max_steps: usize) -> Result<()> {
    ensure!(
        tolerance.is_finite() && tolerance > 0.0,
        "{what}: the tolerance must be finite and > 0, got {tolerance}"
    );
    ensure!(
        (1..=MOST_STEPS).contains(&max_steps),
        "{what}: the steps at most must be from 1 to {MOST_STEPS}, got {max_steps}"
    );
    Ok(())
}

/// About how many bytes it takes to reconstruct from `pixels` pixels: so many for each, and more
/// for each feature that the regularizer looks at. Measured at 0.07 to 0.6 megapixels with the
/// models on board: 510 to 800 bytes a pixel where this says 830 to 1020.
pub(crate) fn bytes(regularizer: &Architecture, pixels: usize) -> u64 {
    const PIXEL: u64 = 250;
    const FEATURE: u64 = 12;
    (pixels as u64).saturating_mul(PIXEL + FEATURE * regularizer.features() as u64)
}

/// Whether images of so many pixels can be reconstructed, some side by side.
///
/// # Errors
/// If there is no memory for it.
pub(crate) fn check_sizes(
    regularizer: &Architecture,
    pixels: impl ExactSizeIterator<Item = usize>,
) -> Result<()> {
    let together = pixels.len().min(rayon::current_num_threads()) as u64;
    let largest = pixels.max().unwrap_or(0);
    check_memory(
        "the reconstruction",
        bytes(regularizer, largest).saturating_mul(together),
    )
    .context("crop the images or make them smaller")
}

/// Pixels by which data are mirrored at their edges before reconstruction where that makes them the
/// data of a larger image, and which are cut off after: the filters of a regularizer see zeros
/// beyond an edge, and better beyond a mirrored margin. More than 8 do not help, not even networks
/// that see further.
const MIRROR: usize = 8;

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
        tolerance: Tolerance::Absolute(tolerance * (pixels as f64).sqrt()),
    }
}

/// An image from each of `data`, several at a time; `done` is told of each.
///
/// # Errors
/// If what the model undoes does not fit the data.
pub(crate) fn reconstruct<B: Backend>(
    model: &Model<B>,
    data: &[GrayImage],
    device: &B::Device,
    done: impl Fn() + Sync,
) -> Result<Vec<(GrayImage, Outcome)>> {
    let physics = model.degradation.measurement();
    let kernel = model.degradation.symmetric_blur();
    let mirrored = |data: &GrayImage| {
        let side = data.width().min(data.height());
        match physics {
            Measurement::Identity(_) => (data.mirrored(MIRROR.min(side)), MIRROR.min(side)),
            // A kernel larger than the image stays a mistake.
            _ if kernel.is_some_and(|size| size <= side) => {
                let margin = MIRROR.min(side - 1);
                (data.reflected(margin), margin)
            }
            _ => (data.clone(), 0),
        }
    };
    let problem = Reconstruction::of(physics, model.regularizer.clone(), 0);
    let prepared = |data: &GrayImage, k: u8| {
        let (data, mirror) = mirrored(&data.symmetry(k));
        let size @ [height, width] = model.degradation.image_size([data.height(), data.width()]);
        let batch = ImagePairs {
            clean: Tensor::zeros([1, 1, height, width], device),
            data: to_tensor::<B>(&[data], device),
        };
        let operator = model.operator_for(size, device)?;
        let x = Learned::new(model.parameters.clone(), operator);
        problem.check(&x, &batch)?;
        // Each thread has leaves of its own.
        Ok((Learned::from_inner(x.valid()), batch, size, mirror))
    };
    let pixels = |data: &GrayImage| {
        let [height, width] = model.degradation.image_size([data.height(), data.width()]);
        height * width
    };
    check_sizes(&model.regularizer, data.iter().map(pixels))?;
    let symmetries = model.reconstruction.symmetries();
    ensure!(
        symmetries.len() == 1 || kernel.is_some() || matches!(physics, Measurement::Identity(_)),
        "reconstructions are averaged over symmetries where noise or a Gaussian blur is undone, with boundary reflect: use descent"
    );
    let work = data
        .iter()
        .map(|data| symmetries.clone().map(|k| prepared(data, k)).collect())
        .collect::<Result<Vec<Vec<_>>>>()?;
    Ok(parallel::map::<B, _, _>(work, |turned| {
        let count = turned.len() as f32;
        let images = (0..).zip(turned).map(|(k, (x, batch, size, mirror))| {
            let start = problem.start(&x, &batch);
            let point = Point {
                problem: &problem,
                x: &x,
                y: &start,
                batch: &batch,
            };
            let (pixels, outcome) = match model.reconstruction {
                Reconstructor::Minimiser {
                    tolerance,
                    max_steps,
                } => {
                    let pixels = size[0] * size[1];
                    let solution = lower_solver(tolerance, max_steps, pixels).solve(point);
                    let outcome = solution.outcome();
                    (solution.value.pixels.val().inner(), outcome)
                }
                Reconstructor::Descent(steps) | Reconstructor::AveragedDescent(steps) => {
                    match steps.map() {
                        Map::Nesterov(map) => descend(point, steps, map),
                        Map::Bregman(map) => descend(point, steps, map),
                    }
                }
            };
            let image = from_tensor(pixels).remove(0);
            let [height, width] = size.map(|side| side - 2 * mirror);
            let image = image.crop(mirror, mirror, width, height);
            (image.symmetry_undone(k), outcome)
        });
        let mean = images.reduce(|(sum, one), (image, other)| {
            let pixels = sum.pixels().iter().zip(image.pixels());
            let sum = pixels.map(|(a, b)| a + b).collect();
            (
                GrayImage::new(image.width(), image.height(), sum),
                worse(one, other),
            )
        });
        let (sum, outcome) = mean.expect("there is one symmetry at least");
        done();
        let pixels = sum.pixels().iter().map(|sum| sum / count).collect();
        (GrayImage::new(sum.width(), sum.height(), pixels), outcome)
    }))
}

/// Whether reconstructions are images.
///
/// # Errors
/// If a solve failed, or a pixel is not finite: what came out must neither be saved nor scored.
pub(crate) fn check_finite(images: &[(GrayImage, Outcome)]) -> Result<()> {
    for (_, outcome) in images {
        let status = outcome.status;
        ensure!(
            !status.is_failure() || status == Status::NonFinite,
            "the reconstruction ended with {status}: {}",
            status.advice()
        );
    }
    let finite = |(image, outcome): &(GrayImage, Outcome)| {
        !outcome.status.is_failure() && image.pixels().iter().all(|v| v.is_finite())
    };
    ensure!(
        images.iter().all(finite),
        "the reconstruction is not finite: the model is damaged, or was learned for other data"
    );
    Ok(())
}

/// The outcome that a person has to know of.
fn worse(a: Outcome, b: Outcome) -> Outcome {
    if a.status.is_failure() || b.residual <= a.residual {
        a
    } else {
        b
    }
}

/// All of `steps`, which is what is asked for: the status is that of success.
fn descend<B: Backend>(
    point: Point<'_, B, Reconstruction<Measurement, Architecture>>,
    steps: Steps,
    map: impl LowerMap<B>,
) -> (Tensor<B, 4>, Outcome) {
    let objective = LowerObjective::new(point);
    let start = objective.start();
    let eta = Tensor::full([1, 1], steps.step_size, &start.device());
    let mut state = map.start(start);
    for k in 0..steps.steps {
        let gradient = objective.gradient(map.query(&state));
        state = map.step(k, &state, &gradient, &eta);
    }
    let y = state.remove(0);
    let residual = norms(objective.gradient(y.clone()))[0];
    let status = if residual.is_finite() {
        Status::Converged
    } else {
        Status::NonFinite
    };
    let outcome = Outcome {
        status,
        steps: steps.steps,
        residual,
    };
    (objective.module(y).pixels.val().inner(), outcome)
}

#[cfg(test)]
mod tests {
    use bilevel_backend::Cpu;
    use bilevel_models::regularizer::{Regularizer, Tv};

    use super::*;
    use crate::imaging::degradation::{Degradation, KernelShape};
    use crate::imaging::model_file::load_model;
    use crate::imaging::steps::Feedback;

    fn deblurring() -> Model<Cpu> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/assets/models/deblur-wcrr-sigma25.safetensors"
        );
        let mut model = load_model::<Cpu>(Some(path.as_ref()), &Default::default()).expect("ours");
        let steps = model.reconstruction.steps().expect("descent");
        model.reconstruction = Reconstructor::AveragedDescent(steps);
        model
    }

    fn only(model: &Model<Cpu>, data: GrayImage) -> Result<GrayImage> {
        let images = reconstruct(model, &[data], &Default::default(), || ())?;
        Ok(images.into_iter().next().expect("one image").0)
    }

    /// Averaged over all symmetries, what is made of a turned image is turned: a Gaussian blur has
    /// no direction.
    #[test]
    fn averages_turn_with_their_data() {
        let model = deblurring();
        let pixels = (0..24 * 18).map(|p| ((p * p) % 97) as f32 / 97.0).collect();
        let data = GrayImage::new(24, 18, pixels);
        let straight = only(&model, data.clone()).expect("a Gaussian blur");
        for k in 1..8 {
            let turned = only(&model, data.symmetry(k)).expect("a Gaussian blur");
            let turned_back = turned.symmetry_undone(k);
            for (a, b) in straight.pixels().iter().zip(turned_back.pixels()) {
                assert!((a - b).abs() < 1e-4, "symmetry {k}: {a} and {b}");
            }
        }
    }

    /// The second solution is that of the problem whose data are larger by a part of what is
    /// missing from them.
    #[test]
    fn bregman_iteration_is_the_next_problem_solved() {
        let device = Default::default();
        let mut model = load_model::<Cpu>(None, &device).expect("on board");
        model.regularizer = Tv.into();
        model.parameters = model.regularizer.init(&device);
        let data: Vec<f32> = (0..40 * 40).map(|p| ((p * p) % 97) as f32 / 97.0).collect();
        // ηL = 0.67 for TV's weight of 0.08 and smoothing of 0.01; 0.9 is right for it.
        let solve = Steps {
            steps: 400,
            step_size: 0.01,
            momentum: 0.9,
            bregman: None,
        };
        let mut by = |steps: Steps, data: &[f32]| {
            model.reconstruction = Reconstructor::Descent(steps);
            let image = GrayImage::new(40, 40, data.to_vec());
            only(&model, image).expect("noisy images").pixels().to_vec()
        };
        let first = by(solve, &data);
        let given = data.iter().zip(&first);
        let larger: Vec<f32> = given.map(|(d, u)| d + 0.6 * (d - u)).collect();
        let next = by(solve, &larger);
        let feedback = Feedback {
            every: 400,
            feedback: 0.6,
        };
        let second = Steps {
            steps: 800,
            bregman: Some(feedback),
            ..solve
        };
        let second = by(second, &data);
        // Data are mirrored at their edges before the first solution; here they were again before the next.
        let inside = |p: usize| (8..32).contains(&(p / 40)) && (8..32).contains(&(p % 40));
        let largest = |a: &[f32], b: &[f32]| {
            let pixels = a.iter().zip(b).enumerate().filter(|(p, _)| inside(*p));
            pixels.map(|(_, (a, b))| (a - b).abs()).fold(0.0, f32::max)
        };
        let error = largest(&second, &next);
        assert!(error < 1e-4, "{error}");
        assert!(largest(&second, &first) > 0.02, "something is given back");
    }

    #[test]
    fn blurs_with_a_direction_are_not_averaged() {
        let mut model = deblurring();
        let Degradation::Blur { kernel, .. } = &mut model.degradation else {
            panic!("a blur");
        };
        *kernel = KernelShape::Motion {
            length: 5.0,
            angle: 30.0,
        };
        let data = GrayImage::new(24, 18, vec![0.5; 24 * 18]);
        let error = only(&model, data).expect_err("a direction").to_string();
        assert!(error.contains("use descent"), "{error}");
    }
}
