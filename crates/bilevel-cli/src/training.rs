//! The training loop's state: what a step needs and what it changes.

use anyhow::Result;
use bilevel_backend::Tape;
use bilevel_core::{
    ConjugateGradient, DoubleLoop, ImplicitDifferentiation, Report, Spent, State, Task,
};
use bilevel_data::{GrayImage, NamedImage, RandomCrops, add_gaussian_noise, to_tensor};
use bilevel_models::physics::{ClosedForm, CurvatureBound, Denoising, ImagePairs};
use bilevel_models::regularizer::{FieldsOfExperts, FieldsOfExpertsParameters};
use burn::module::Module;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{Adam, AdamConfig, Optimizer};
use burn::tensor::backend::Backend;

use crate::command::with_noise;
use crate::model_file::Model;
use crate::recipe::Recipe;
use crate::reconstruct::{lower_solver, reconstruct};
use crate::score::Scores;
use crate::state_file::{Progress, restore, save_state};

type Problem = Denoising<FieldsOfExperts>;
type Upper<B> = FieldsOfExpertsParameters<Tape<B>>;
type AdamFor<B> = OptimizerAdaptor<Adam, Upper<B>, Tape<B>>;
type Parts = DoubleLoop<
    Problem,
    bilevel_core::Accelerated<CurvatureBound>,
    ImplicitDifferentiation<ClosedForm, ConjugateGradient>,
>;

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
    parts: Parts,
    state: State<B, Problem, AdamFor<B>>,
    device: B::Device,
}

/// Clean images and noisy versions of them, in the same order.
pub(crate) struct Pairs {
    /// The truth.
    pub clean: Vec<NamedImage>,
    /// The data.
    pub noisy: Vec<GrayImage>,
}

impl<B: Backend> Training<B> {
    /// A run before its first step.
    ///
    /// # Errors
    /// If a training image is smaller than the crops.
    pub fn new(
        recipe: Recipe,
        train: Vec<NamedImage>,
        val: Vec<NamedImage>,
        device: &B::Device,
    ) -> Result<Self> {
        let crops = RandomCrops::new(train, recipe.crop, recipe.seed)?;
        let center = |NamedImage { name, image }| {
            let size = VALIDATION_CROP.min(image.width()).min(image.height());
            NamedImage {
                name,
                image: image.center_crop(size),
            }
        };
        let clean: Vec<NamedImage> = val.into_iter().map(center).collect();
        let seed = recipe.seed.wrapping_add(VALIDATION_NOISE);
        let noisy = with_noise(&clean, recipe.sigma_of_pixels(), seed);
        let parts = DoubleLoop {
            problem: Denoising::new(recipe.regularizer.clone(), recipe.margin),
            lower: lower_solver(
                recipe.lower_tolerance,
                recipe.lower_steps,
                recipe.crop * recipe.crop,
            ),
            hypergradient: ImplicitDifferentiation {
                second_order: ClosedForm,
                solver: ConjugateGradient {
                    max_steps: recipe.adjoint_steps,
                    tolerance: recipe.adjoint_tolerance,
                },
            },
        };
        let x = recipe
            .regularizer
            .init_for::<Tape<B>>(recipe.sigma_of_pixels(), device);
        let adam = AdamConfig::new().with_beta_2(BETA_2).init();
        Ok(Self {
            crops,
            validation: Pairs { clean, noisy },
            parts,
            state: State::new(x, adam),
            recipe,
            device: device.clone(),
        })
    }

    /// The run where it was saved, at `step` and having spent `spent`: `x` and `optimizer` are the records of [`save`](Self::save).
    ///
    /// # Errors
    /// If the records are damaged.
    pub fn resumed(
        mut self,
        step: usize,
        spent: Spent,
        x: Vec<u8>,
        optimizer: Vec<u8>,
    ) -> Result<Self> {
        let State {
            x: fresh,
            optimizer: adam,
            ..
        } = self.state;
        self.state = State {
            x: fresh.load_record(restore::<Tape<B>, _>(x, &self.device)?),
            optimizer: adam.load_record(restore::<Tape<B>, _>(optimizer, &self.device)?),
            step,
            spent,
        };
        Ok(self)
    }

    /// Writes the run to a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &std::path::Path, progress: &Progress) -> Result<()> {
        let State { x, optimizer, .. } = &self.state;
        let record = Optimizer::<Upper<B>, Tape<B>>::to_record(optimizer);
        save_state::<Tape<B>, _, _>(path, progress, x.clone(), record)
    }

    /// Upper steps taken.
    pub fn step_count(&self) -> usize {
        self.state.step
    }

    /// What was spent on them.
    pub fn spent(&self) -> Spent {
        self.state.spent
    }

    /// Whether all steps are taken.
    pub fn is_done(&self) -> bool {
        self.state.step >= self.recipe.steps
    }

    /// One upper step. Its data depend on the seed and the number of the step alone.
    pub fn step(self) -> (Self, Report) {
        let step = self.state.step;
        let tasks = self.tasks(step as u64);
        let learning_rate = self.recipe.learning_rate_at(step);
        let (state, _, report) = self.parts.step(self.state, tasks, learning_rate);
        (Self { state, ..self }, report)
    }

    fn tasks(&self, step: u64) -> Vec<Task<B, Problem>> {
        let Recipe {
            batch, tasks, seed, ..
        } = self.recipe;
        let sigma = self.recipe.sigma_of_pixels() as f32;
        let noise = seed.wrapping_add(TRAINING_NOISE);
        let clean = self.crops.batch(step, batch);
        let noisy: Vec<GrayImage> = (step * batch as u64..)
            .zip(&clean)
            .map(|(number, crop)| add_gaussian_noise(crop, sigma, noise, number))
            .collect();
        let share = batch.div_ceil(tasks);
        clean
            .chunks(share)
            .zip(noisy.chunks(share))
            .map(|(clean, noisy)| {
                let batch = ImagePairs {
                    clean: to_tensor(clean, &self.device),
                    data: to_tensor(noisy, &self.device),
                };
                let start = batch.start();
                Task::new(batch, start)
            })
            .collect()
    }

    /// The model as it is now.
    pub fn model(&self) -> Model<B> {
        Model {
            regularizer: self.recipe.regularizer.clone(),
            parameters: self.state.x.clone(),
            sigma: self.recipe.sigma,
        }
    }

    /// What the model was chosen by.
    pub fn into_validation(self) -> Pairs {
        self.validation
    }

    /// Mean PSNR on the validation images, in dB.
    pub fn validation_psnr(&self) -> f64 {
        let Pairs { clean, noisy } = &self.validation;
        let (regularizer, x) = (&self.recipe.regularizer, &self.state.x);
        let images = reconstruct::<B, _>(regularizer, x, noisy, &self.device, || ());
        Scores::new(clean, images.iter().map(|(image, _)| image)).psnr_mean
    }
}
