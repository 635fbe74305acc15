//! Learning a denoiser from a few fixed crops: the problem on which algorithms are compared.

use anyhow::{Context, Result, bail, ensure};
use bilevel_backend::Tape;
use bilevel_core::{Accelerated, BilevelProblem, LowerSolver, Point, Task, Tolerance, parallel};
use bilevel_data::{RandomCrops, add_gaussian_noise, from_tensor, load_folder, psnr, to_tensor};
use bilevel_models::physics::{CurvatureBound, Denoising, Image, ImagePairs};
use bilevel_models::regularizer::{
    Architecture, FieldsOfExperts, FieldsOfExpertsParameters, Potential,
};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use crate::args::CompareAlgorithmsArguments;
use crate::imaging::reconstruct::bytes;
use crate::io::memory::check_memory;

/// The problem.
pub(crate) type Problem = Denoising<FieldsOfExperts>;
/// Its upper variables.
pub(crate) type Upper<B> = FieldsOfExpertsParameters<Tape<B>>;

/// The regularizer: convex, so that the lower problem is 1-strongly convex.
const REGULARIZER: FieldsOfExperts = FieldsOfExperts {
    filters: 8,
    size: 5,
    potential: Potential::SmoothedAbs,
};
/// Pixels at each edge that neither losses nor scores look at.
const MARGIN: usize = 3;
/// The largest budget.
const MOST_COST: u64 = 1_000_000_000_000_000;
/// Smallest side of a crop.
const LEAST_CROP: usize = 8;
/// The noise.
const SIGMA: f64 = 25.0 / 255.0;
/// The noise that the start has in mind: far too little, so that there is something to learn.
const START_SIGMA: f64 = 10.0 / 255.0;
/// Crops that are scored and not learned from.
const TEST_CROPS: usize = 8;
/// Noise for the test must not be that of the training.
const TEST_NOISE: u64 = 1 << 40;
/// Where a solve for a score stops: its error, `‖∇y g‖/μ`, changes the PSNR by some thousandths of
/// a dB.
const SCORE_TOLERANCE: f64 = 1e-3;
/// Steps of any lower solve at most.
const LOWER_STEPS: usize = 500;

/// The problem with its data and where learning starts.
pub(crate) struct Contest<B: Backend> {
    /// The losses.
    pub problem: Problem,
    /// Where every algorithm starts.
    pub start: Upper<B>,
    /// Crops to learn from, each with the same noise for good.
    training: Vec<ImagePairs<B>>,
    /// Crops of other photographs.
    test: Vec<ImagePairs<B>>,
}

/// How good upper variables are, by lower solves of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    /// The upper loss on all training crops.
    pub loss: f64,
    /// Mean PSNR of the training crops in dB.
    pub training_psnr: f64,
    /// Mean PSNR of the test crops in dB.
    pub test_psnr: f64,
}

impl<B: Backend> Contest<B> {
    /// The problem of the arguments.
    ///
    /// # Errors
    /// If the images cannot be read, or a crop does not fit into one of them or is too small.
    pub fn new(arguments: &CompareAlgorithmsArguments, device: &B::Device) -> Result<Self> {
        let CompareAlgorithmsArguments {
            images, crop, seed, ..
        } = *arguments;
        ensure!(
            crop >= LEAST_CROP,
            "--crop must be at least {LEAST_CROP}, got {crop}"
        );
        let budget = arguments.budget;
        ensure!(
            (1..=MOST_COST).contains(&budget),
            "--budget must be from 1 to {MOST_COST}, got {budget}"
        );
        let features = Architecture::from(REGULARIZER);
        check_memory("the crops", bytes(&features, images * crop * crop))
            .context("--images, --crop")?;
        let pairs = |folder, count, noise| -> Result<Vec<ImagePairs<B>>> {
            let clean = RandomCrops::new(load_folder(folder)?, crop, seed)?.batch(0, count);
            let pair = |(number, clean)| {
                let noisy = add_gaussian_noise(clean, SIGMA as f32, seed, number);
                ImagePairs {
                    clean: to_tensor(std::slice::from_ref(clean), device),
                    data: to_tensor(&[noisy], device),
                }
            };
            Ok((noise..).zip(&clean).map(pair).collect())
        };
        Ok(Self {
            problem: Denoising::new(REGULARIZER, MARGIN),
            start: REGULARIZER.init_for(START_SIGMA, device),
            training: pairs(&arguments.train, images, 0)?,
            test: pairs(&arguments.test, TEST_CROPS, TEST_NOISE)?,
        })
    }

    /// The training crops, one a task, nobody having worked on them.
    pub fn tasks(&self) -> Vec<Task<B, Problem>> {
        let task = |pairs: &ImagePairs<B>| Task::new(pairs.clone(), pairs.start());
        self.training.iter().map(task).collect()
    }

    /// The lower solver of all algorithms; its tolerance is theirs to set.
    pub fn lower(&self) -> Accelerated<CurvatureBound> {
        Accelerated {
            smoothness: CurvatureBound,
            strong_convexity: 1.0,
            max_steps: LOWER_STEPS,
            tolerance: Tolerance::Absolute(SCORE_TOLERANCE),
        }
    }

    /// One that scores upper variables.
    pub fn judge(&self) -> Evaluator<'_, B> {
        let crops = self.training.iter().chain(&self.test);
        Evaluator {
            contest: self,
            images: crops.map(ImagePairs::start).collect(),
        }
    }
}

/// Scores upper variables, with images of its own: what an algorithm left undone does not count for
/// it or against it, nor do these solves count as its cost.
pub(crate) struct Evaluator<'a, B: Backend> {
    contest: &'a Contest<B>,
    /// Where the next solves begin.
    images: Vec<Image<Tape<B>>>,
}

impl<B: Backend> Evaluator<'_, B> {
    /// The scores at `x`.
    ///
    /// # Errors
    /// If a lower solve does not get there.
    pub fn score(&mut self, x: &Upper<B>) -> Result<Scored> {
        let Contest {
            problem,
            training,
            test,
            ..
        } = self.contest;
        let lower = self.contest.lower();
        let crops = training.iter().chain(test).zip(&self.images);
        let work = crops.map(|(batch, y)| (Upper::<B>::from_inner(x.valid()), batch, y));
        let solved = parallel::map::<B, _, _>(work.collect(), |(x, batch, y)| {
            let solution = lower.solve(Point {
                problem,
                x: &x,
                y,
                batch,
            });
            let y = solution.value.valid();
            let loss = problem.upper_loss(&x.valid(), &y, batch);
            let loss = loss.into_data().iter::<f64>().next().expect("one number");
            (
                solution.value,
                solution.status,
                loss,
                inside_psnr(&y, batch),
            )
        });
        let failed = solved.iter().find(|(_, status, ..)| status.is_failure());
        if let Some((_, status, ..)) = failed {
            bail!("the lower solve of a score ended with {status}");
        }
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f64> = values.collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let n = training.len();
        let scored = Scored {
            loss: mean(&mut solved[..n].iter().map(|s| s.2)),
            training_psnr: mean(&mut solved[..n].iter().map(|s| s.3)),
            test_psnr: mean(&mut solved[n..].iter().map(|s| s.3)),
        };
        self.images = solved.into_iter().map(|s| s.0).collect();
        Ok(scored)
    }
}

/// PSNR of what the loss looks at.
fn inside_psnr<B: Backend>(y: &Image<B>, batch: &ImagePairs<B>) -> f64 {
    let image = from_tensor(y.pixels.val()).remove(0);
    let clean = from_tensor(batch.clean.clone()).remove(0);
    let size = clean.width() - 2 * MARGIN;
    psnr(&image.center_crop(size), &clean.center_crop(size))
}
