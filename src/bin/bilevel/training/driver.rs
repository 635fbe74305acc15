//! The training loop's state: what a step needs and what it changes.

use anyhow::Result;
use bilevel_backend::Tape;
use bilevel_core::hypergradient::{Descent, LowerMap};
use bilevel_core::{
    Accelerated, Checkpointing, ConjugateGradient, Cost, DoubleLoop, Hypergradient,
    ImplicitDifferentiation, JacobianFree, LinearSolver, LowerSolver, Minres, Point, ReadEvery,
    Report, Solution, State, Status, Task, Tolerance, Unrolled,
};
use bilevel_data::{GrayImage, NamedImage, RandomCrops};
use bilevel_models::physics::{
    ClosedForm, CurvatureBound, Image, ImagePairs, Learned, Measurement, MeasurementOperator,
    Reconstruction,
};
use bilevel_models::regularizer::{Architecture, ArchitectureParameters};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{Adam, AdamConfig, Optimizer};
use burn::tensor::backend::Backend;

use crate::imaging::data::{Pairs, degrade, pairs};
use crate::imaging::degradation::Degradation;
use crate::imaging::model_file::Model;
use crate::imaging::reconstruct::{lower_solver, reconstruct};
use crate::imaging::score::Scores;
use crate::imaging::steps::{Map, Steps};
use crate::io::state_file::{record, restore};
use crate::training::recipe::{Estimator, LinearSolverName, Recipe, Stage};

type Problem = Reconstruction<Measurement, Architecture>;
type Upper<B> = Learned<Tape<B>, ArchitectureParameters<Tape<B>>, MeasurementOperator<Tape<B>>>;
type AdamFor<B> = OptimizerAdaptor<Adam, Upper<B>, Tape<B>>;
type AnyEstimator<B> = Box<dyn Hypergradient<B, Problem> + Send + Sync>;
type Parts<B> = DoubleLoop<Problem, StageSolver, AnyEstimator<B>>;

/// Adam's memory of squares: shorter than usual, for runs of some hundred steps.
const BETA_2: f32 = 0.99;
/// Side of the crops that validation looks at, at most: a quarter of the time of whole images.
const VALIDATION_CROP: usize = 96;
/// Noise for training, for validation and for the test must not be the same numbers.
const TRAINING_NOISE: u64 = 1 << 40;
const VALIDATION_NOISE: u64 = 1 << 41;

/// A run of training.
pub(crate) struct Training<B: Backend> {
    recipe: Recipe,
    crops: RandomCrops,
    validation: Pairs,
    /// What degrades the crops.
    truth: MeasurementOperator<B>,
    parts: Parts<B>,
    state: State<B, Problem, AdamFor<B>>,
    device: B::Device,
}

/// The lower solver of a stage.
#[derive(Debug, Clone, Copy)]
enum StageSolver {
    /// Solves.
    Solve(ReadEvery<Accelerated<CurvatureBound>>),
    /// Leaves y where it is, for estimators that make their own lower steps.
    Stay,
}

impl<B: Backend> LowerSolver<B, Problem> for StageSolver {
    fn solve(&self, point: Point<'_, B, Problem>) -> Solution<Image<Tape<B>>> {
        match self {
            Self::Solve(solver) => solver.solve(point),
            Self::Stay => Solution {
                value: point.y.clone(),
                status: Status::Converged,
                steps: 0,
                residual: 0.0,
            },
        }
    }
}

/// Solver and estimator of a stage.
fn parts<B: Backend>(recipe: &Recipe, stage: &Stage) -> Parts<B> {
    let solve = |tolerance, steps| {
        StageSolver::Solve(ReadEvery {
            steps: recipe.read_every,
            solver: lower_solver(tolerance, steps, recipe.crop * recipe.crop),
        })
    };
    let (lower, hypergradient): (_, AnyEstimator<B>) = match stage.estimator {
        Estimator::Implicit {
            solver,
            lower_tolerance,
            lower_steps,
            adjoint_tolerance: tolerance,
            adjoint_steps: max_steps,
        } => (
            solve(lower_tolerance, lower_steps),
            match solver {
                LinearSolverName::ConjugateGradient => implicit(
                    recipe,
                    ConjugateGradient {
                        max_steps,
                        tolerance: Tolerance::Relative(tolerance),
                    },
                ),
                LinearSolverName::Minres => implicit(
                    recipe,
                    Minres {
                        max_steps,
                        tolerance: Tolerance::Relative(tolerance),
                    },
                ),
            },
        ),
        Estimator::JacobianFree {
            lower_tolerance,
            lower_steps,
        } => (
            solve(lower_tolerance, lower_steps),
            Box::new(JacobianFree {
                second_order: ClosedForm,
                step_size: 1.0,
            }),
        ),
        Estimator::Unrolled(steps) => {
            let estimator = match steps.map() {
                Map::Nesterov(map) => unrolled(steps, map),
                Map::Bregman(map) => unrolled(steps, map),
            };
            (StageSolver::Stay, estimator)
        }
        Estimator::ScoreMatching => {
            let one = Steps {
                steps: 1,
                step_size: 1.0,
                momentum: 0.0,
                bregman: None,
            };
            (StageSolver::Stay, unrolled(one, Descent))
        }
    };
    DoubleLoop {
        problem: Reconstruction {
            physics: recipe.degradation.measurement(),
            regularizer: recipe.regularizer.clone(),
            margin: recipe.margin,
            loss: recipe.loss,
        },
        lower,
        hypergradient,
    }
}

/// Steps from the data, differentiated.
fn unrolled<B: Backend, M>(steps: Steps, map: M) -> AnyEstimator<B>
where
    M: LowerMap<B> + Send + Sync + 'static,
{
    Box::new(Unrolled {
        second_order: ClosedForm,
        map,
        step_size: steps.step_size,
        steps: steps.steps,
        keep: Checkpointing::All,
    })
}

/// Implicit differentiation with a solver that looks as often as the recipe says.
fn implicit<B: Backend, S>(recipe: &Recipe, solver: S) -> AnyEstimator<B>
where
    ReadEvery<S>: LinearSolver<B> + Send + Sync + 'static,
{
    Box::new(ImplicitDifferentiation {
        second_order: ClosedForm,
        solver: ReadEvery {
            steps: recipe.read_every,
            solver,
        },
    })
}

fn adam<B: Backend>(stage: &Stage) -> AdamFor<B> {
    AdamConfig::new()
        .with_beta_2(BETA_2)
        .with_grad_clipping(
            stage
                .clip
                .map(|clip| GradientClippingConfig::Norm(clip as f32)),
        )
        .init()
}

impl<B: Backend> Training<B> {
    /// A run before its first step. Learning starts from `start`, or from what the regularizer
    /// begins with.
    ///
    /// # Errors
    /// If a training image is smaller than the crops, or the degradation makes no sense for them.
    pub fn new(
        recipe: Recipe,
        start: Option<ArchitectureParameters<Tape<B>>>,
        train: Vec<NamedImage>,
        val: Vec<NamedImage>,
        device: &B::Device,
    ) -> Result<Self> {
        let size = [recipe.crop, recipe.crop];
        let truth = recipe.degradation.operator(size, device)?;
        let believed = recipe.degradation.believed(size, device)?;
        let crops = RandomCrops::new(train, recipe.crop, recipe.seed)?;
        let smallest = |side: fn(&GrayImage) -> usize| {
            let sides = val.iter().map(|named| side(&named.image));
            sides.min().unwrap_or(VALIDATION_CROP)
        };
        let side = VALIDATION_CROP
            .min(smallest(GrayImage::width))
            .min(smallest(GrayImage::height));
        let center = |NamedImage { name, image }: NamedImage| NamedImage {
            name,
            image: image.center_crop(side),
        };
        let validation = pairs::<B>(
            val.into_iter().map(center).collect(),
            &recipe.degradation,
            recipe.sigma_of_pixels(),
            recipe.seed.wrapping_add(VALIDATION_NOISE),
        )?;
        let sigma = recipe.sigma_of_pixels();
        let parameters = start.unwrap_or_else(|| recipe.regularizer.init_for(sigma, device));
        let first = recipe.stage_at(0).0;
        let (parts, optimizer) = (parts(&recipe, first), adam(first));
        Ok(Self {
            crops,
            validation,
            truth,
            parts,
            state: State::new(Learned::new(parameters, believed), optimizer),
            recipe,
            device: device.clone(),
        })
    }

    /// The run where it was saved, at `step` and having spent `spent`: `x` and `optimizer` are the
    /// the [`records`](Self::records).
    ///
    /// # Errors
    /// If the records are damaged.
    pub fn resumed(
        mut self,
        step: usize,
        cost: Cost,
        x: Vec<u8>,
        optimizer: Vec<u8>,
    ) -> Result<Self> {
        let last = self.recipe.steps() - 1;
        let (stage, _) = self.recipe.stage_at(step.min(last));
        let fresh = self.state.x;
        self.state = State {
            x: fresh.load_record(restore::<Tape<B>, _>(x, &self.device)?),
            optimizer: adam(stage).load_record(restore::<Tape<B>, _>(optimizer, &self.device)?),
            step,
            cost,
        };
        self.parts = parts(&self.recipe, stage);
        Ok(self)
    }

    /// What the run goes on from, for [`save_state`](crate::io::state_file::save_state).
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn records(&self) -> Result<[(&'static str, Vec<u8>); 2]> {
        let State { x, optimizer, .. } = &self.state;
        let moments = Optimizer::<Upper<B>, Tape<B>>::to_record(optimizer);
        Ok([
            ("x", record::<Tape<B>, _>(x.clone().into_record())?),
            ("optimizer", record::<Tape<B>, _>(moments)?),
        ])
    }

    /// Upper steps taken.
    pub fn step_count(&self) -> usize {
        self.state.step
    }

    /// What was spent on them.
    pub fn spent(&self) -> Cost {
        self.state.cost
    }

    /// Whether all steps are taken.
    pub fn is_done(&self) -> bool {
        self.state.step >= self.recipe.steps()
    }

    /// One upper step. Its data depend on the seed and the number of the step alone.
    ///
    /// # Errors
    /// If the degradation does not fit the crops.
    pub fn step(mut self) -> Result<(Self, Report)> {
        let step = self.state.step;
        let (stage, in_stage) = self.recipe.stage_at(step);
        let learning_rate = stage.learning_rate_at(in_stage);
        if in_stage == 0 && step > 0 {
            self.parts = parts(&self.recipe, stage);
            self.state.optimizer = adam(stage);
        }
        let tasks = self.tasks(step as u64)?;
        let (state, _, report) = self.parts.step(self.state, tasks, learning_rate);
        Ok((Self { state, ..self }, report))
    }

    fn tasks(&self, step: u64) -> Result<Vec<Task<B, Problem>>> {
        let Recipe {
            batch, tasks, seed, ..
        } = self.recipe;
        let clean = self.crops.batch(step, batch);
        let noise = seed.wrapping_add(TRAINING_NOISE);
        let sigma = self.recipe.sigma_of_pixels();
        let share = batch.div_ceil(tasks);
        let numbers = (step * batch as u64..).step_by(share);
        clean
            .chunks(share)
            .zip(numbers)
            .map(|(clean, first)| {
                let measurement = self.recipe.degradation.measurement();
                let batch: ImagePairs<B> = degrade(
                    clean,
                    &measurement,
                    &self.truth,
                    sigma,
                    noise,
                    first,
                    &self.device,
                )?;
                let start = self.parts.problem.start(&self.state.x, &batch);
                Ok(Task::new(batch, start))
            })
            .collect()
    }

    /// The model as it is now.
    pub fn model(&self) -> Model<B> {
        Model {
            regularizer: self.recipe.regularizer.clone(),
            parameters: self.state.x.regularizer.clone(),
            degradation: self.recipe.degradation.clone(),
            operator: match self.recipe.degradation {
                Degradation::Masked { .. } => None,
                _ => Some(self.state.x.operator.clone()),
            },
            reconstruction: self.recipe.reconstruction,
            sigma: self.recipe.sigma,
        }
    }

    /// What the model was chosen by.
    pub fn into_validation(self) -> Pairs {
        self.validation
    }

    /// Mean PSNR on the validation images, in dB.
    ///
    /// # Errors
    /// If the degradation does not fit them.
    pub fn validation_psnr(&self) -> Result<f64> {
        let Pairs { clean, data } = &self.validation;
        let images = reconstruct(&self.model(), data, &self.device, || ())?;
        Ok(Scores::of(clean, &images).psnr_mean)
    }
}
