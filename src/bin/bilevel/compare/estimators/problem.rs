//! A denoising problem small enough to be solved to the last digits, in f64.

use anyhow::{Context, Result, ensure};
use bilevel_backend::{Cpu, Tape};
use bilevel_core::{Accelerated, Hypergradient, LowerSolver, Point, Solution, Status, Tolerance};
use bilevel_data::{
    GrayImage, NamedImage, RandomCrops, add_gaussian_noise, load_folder, to_tensor,
};
use bilevel_models::physics::{CurvatureBound, Denoising, Image, ImagePairs};
use bilevel_models::regularizer::{
    Architecture, ArchitectureParameters, FieldsOfExperts, Potential, Regularizer,
};
use burn::module::AutodiffModule;

use crate::args::SmallProblemArguments;
use crate::imaging::model_file::Model;
use crate::imaging::reconstruct::bytes;
use crate::io::memory::check_memory;
use crate::training::task::TaskName;

/// The problem.
pub(crate) type Problem = Denoising<Architecture>;
/// Any estimator of its hypergradient.
pub(crate) type Estimator = Box<dyn Hypergradient<Cpu, Problem>>;

/// The noise, on the scale of 0 to 255, where no model says another.
const SIGMA: f64 = 25.0;
/// What is looked at without a model: few parameters, and convex.
const REGULARIZER: FieldsOfExperts = FieldsOfExperts {
    filters: 3,
    size: 3,
    potential: Potential::SmoothedAbs,
};
/// Steps of a lower solve at most.
const LOWER_STEPS: usize = 5000;

/// The problem with its data and its upper variables.
pub(crate) struct SmallProblem {
    /// The losses.
    pub problem: Problem,
    /// The upper variables.
    pub x: ArchitectureParameters<Tape<Cpu>>,
    /// Clean and noisy crops.
    pub batch: ImagePairs<Cpu>,
    /// `L`: an upper bound on the eigenvalues of `∇²yy g`.
    pub smoothness: f64,
}

impl SmallProblem {
    /// The problem of the arguments, with the parameters of `model` or those to start learning
    /// from.
    ///
    /// # Errors
    /// If the images cannot be read, or a crop does not fit into one of them or is too small.
    pub fn new(arguments: &SmallProblemArguments, model: Option<Model<Cpu>>) -> Result<Self> {
        let device = Default::default();
        let (regularizer, x, sigma) = match model {
            Some(model) => {
                let task = model.degradation.task();
                ensure!(
                    task == TaskName::Denoise,
                    "the model was trained to {task}: give one that denoises"
                );
                (model.regularizer, model.parameters, model.sigma)
            }
            None => {
                let regularizer = Architecture::from(REGULARIZER);
                let x = regularizer.init_for(SIGMA / 255.0, &device);
                (regularizer, x, SIGMA)
            }
        };
        let size = regularizer.size();
        let margin = size / 2 + 1;
        let least = size.max(2 * margin + 1);
        ensure!(
            arguments.crop >= least,
            "--crop must be at least {least}, got {}",
            arguments.crop
        );
        // In f64.
        let pixels = 2 * arguments.images * arguments.crop * arguments.crop;
        check_memory("the crops", bytes(&regularizer, pixels)).context("--images, --crop")?;
        let (clean, noisy) = crops(arguments, sigma / 255.0)?;
        Ok(Self {
            smoothness: 1.0
                + regularizer.curvature_bound(&x.valid()).with_context(|| {
                    let name = regularizer.name();
                    format!("the curvature of a {name} is not bounded: give another model")
                })?,
            problem: Denoising::new(regularizer, margin),
            x,
            batch: ImagePairs {
                clean: to_tensor(&clean, &device),
                data: to_tensor(&noisy, &device),
            },
        })
    }

    /// The problem at `y`.
    pub fn at<'a>(&'a self, y: &'a Image<Tape<Cpu>>) -> Point<'a, Cpu, Problem> {
        Point {
            problem: &self.problem,
            x: &self.x,
            y,
            batch: &self.batch,
        }
    }

    /// `μ`: how strongly convex `g` is known to be, 0 if it need not be convex.
    pub fn strong_convexity(&self) -> f64 {
        let convexity = self.problem.regularizer.convexity(&self.x.valid());
        convexity.map_or(0.0, |m| (1.0 + m).max(0.0))
    }

    /// A solver that goes on until `‖∇y g‖ ≤ tolerance` for every crop.
    pub fn lower(&self, tolerance: f64) -> Accelerated<CurvatureBound> {
        Accelerated {
            smoothness: CurvatureBound,
            strong_convexity: self.strong_convexity(),
            max_steps: LOWER_STEPS,
            tolerance: Tolerance::Absolute(tolerance),
        }
    }

    /// `y*` from the noisy crops.
    ///
    /// # Errors
    /// If the solver does not get there.
    pub fn solve(&self, tolerance: f64) -> Result<Solution<Image<Tape<Cpu>>>> {
        let solution = self.lower(tolerance).solve(self.at(&self.batch.start()));
        ensure!(
            solution.status == Status::Converged,
            "the lower solve ended with {} at {:.1e}: try another --seed or --image",
            solution.status,
            solution.residual
        );
        Ok(solution)
    }
}

/// Crops at random places and their noisy versions; the seed decides both.
fn crops(
    arguments: &SmallProblemArguments,
    sigma: f64,
) -> Result<(Vec<GrayImage>, Vec<GrayImage>)> {
    let SmallProblemArguments {
        image,
        crop,
        images,
        seed,
    } = arguments;
    let photographs = if image.is_file() {
        vec![NamedImage {
            name: image.display().to_string(),
            image: GrayImage::load(image)?,
        }]
    } else {
        load_folder(image)?
    };
    let clean = RandomCrops::new(photographs, *crop, *seed)?.batch(0, *images);
    let noisy = (0..)
        .zip(&clean)
        .map(|(i, crop)| add_gaussian_noise(crop, sigma as f32, *seed, i))
        .collect();
    Ok((clean, noisy))
}
