//! The training loop's state: what a step of few-shot training needs and what it changes.

use std::path::PathBuf;

use anyhow::Result;
use bilevel_backend::Tape;
use bilevel_data::EpisodeSampler;
use bilevel_models::meta::{
    AnyNetwork, Episode, MetaReport, MetaState, Stack, Upper, evaluate, mean_and_interval,
    meta_step,
};
use burn::module::{AutodiffModule, Module};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{Adam, AdamConfig, Optimizer};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::{About, AnyLearner, FewShotModel, FewShotRecipe, on_device};
use crate::io::state_file::{Counters, record, restore};

type AdamFor<B> = OptimizerAdaptor<Adam, Upper<B, AnyNetwork>, Tape<B>>;

/// Seed of the episodes of validation.
const VALIDATION_SEED: u64 = 1;
/// Episodes a validation.
const VALIDATION_EPISODES: u64 = 200;

/// What the counters of a run say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FewShotProgress {
    /// The settings of the run.
    pub recipe: FewShotRecipe,
    /// Where its pictures are.
    pub data: PathBuf,
    /// Steps taken.
    pub step: usize,
    /// The best model so far: the step it was found at, and its accuracy on the validation classes.
    pub best: Option<(usize, f64)>,
    /// Seconds spent on training.
    pub seconds: f64,
    /// Checksum of the pictures to learn from and to choose by.
    pub pictures: u32,
    /// Checksum of the lines of metrics up to the step.
    pub metrics: u32,
}

impl Counters for FewShotProgress {
    const KEY: &'static str = "bilevel-few-shot-training";
}

/// A run of training.
pub(crate) struct FewShotTraining<'a, B: Backend> {
    /// The method as it learns, and as it is used.
    learners: [AnyLearner<B>; 2],
    /// Episodes to learn from, and to choose the model by.
    samplers: [EpisodeSampler<'a>; 2],
    recipe: FewShotRecipe,
    about: About,
    state: MetaState<B, Stack<AnyNetwork>, AdamFor<B>>,
    device: B::Device,
}

impl<'a, B: Backend> FewShotTraining<'a, B>
where
    Upper<B, AnyNetwork>: AutodiffModule<Tape<B>>,
{
    /// A run before its first step.
    ///
    /// # Errors
    /// If the recipe's method does not fit its network.
    pub fn new(
        recipe: FewShotRecipe,
        samplers: [EpisodeSampler<'a>; 2],
        device: &B::Device,
    ) -> Result<Self> {
        let about = About {
            method: recipe.method.clone(),
            network: recipe.network.clone(),
            normalization: recipe.normalization,
        };
        let About {
            method,
            network,
            normalization,
        } = &about;
        let training = method.in_training::<B>(network, *normalization, recipe.tasks_at_once)?;
        let in_use = method.in_use::<B>(network, *normalization)?;
        let x = training.begin(network.init::<Tape<B>>(recipe.seed, device));
        Ok(Self {
            learners: [training, in_use],
            samplers,
            about,
            state: MetaState {
                x,
                optimizer: AdamConfig::new().init(),
                step: 0,
            },
            recipe,
            device: device.clone(),
        })
    }

    /// What is learned.
    pub fn x(&self) -> &Upper<B, AnyNetwork> {
        &self.state.x
    }

    /// The run with another x to begin with.
    pub fn beginning_with(mut self, x: Upper<B, AnyNetwork>) -> Self {
        self.state.x = x;
        self
    }

    /// The run where it was saved after `step` steps: `x` and `optimizer` are the
    /// [`records`](Self::records).
    ///
    /// # Errors
    /// If the records are damaged.
    pub fn resumed(mut self, step: usize, x: Vec<u8>, optimizer: Vec<u8>) -> Result<Self> {
        let MetaState {
            x: fresh,
            optimizer: adam,
            ..
        } = self.state;
        self.state = MetaState {
            x: fresh.load_record(restore::<Tape<B>, _>(x, &self.device)?),
            optimizer: adam.load_record(restore::<Tape<B>, _>(optimizer, &self.device)?),
            step,
        };
        Ok(self)
    }

    /// What the run goes on from, for [`save_state`](crate::io::state_file::save_state).
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn records(&self) -> Result<[(&'static str, Vec<u8>); 2]> {
        let MetaState { x, optimizer, .. } = &self.state;
        let moments = Optimizer::<Upper<B, AnyNetwork>, Tape<B>>::to_record(optimizer);
        Ok([
            ("x", record::<Tape<B>, _>(x.clone().into_record())?),
            ("optimizer", record::<Tape<B>, _>(moments)?),
        ])
    }

    /// Steps taken.
    pub fn step_count(&self) -> usize {
        self.state.step
    }

    /// One step, and its learning rate. Its episodes depend on the seed and the number of the step
    /// alone.
    ///
    /// # Errors
    /// If an episode cannot be drawn.
    pub fn step(self) -> Result<(Self, MetaReport, f64)> {
        let FewShotRecipe { seed, batch, .. } = self.recipe;
        let step = self.state.step;
        let [sampler, _] = &self.samplers;
        let first = (step * batch) as u64;
        let tasks = self.recipe.tasks_at_once as u64;
        let episode = |i| on_device::<B>(&sampler.episode(seed, i), &self.device);
        let episodes = (first..first + batch as u64)
            .step_by(self.recipe.tasks_at_once)
            .map(|i| match tasks {
                1 => episode(i),
                _ => Ok(Episode::joined(
                    (i..i + tasks).map(episode).collect::<Result<_>>()?,
                )?),
            })
            .collect::<Result<_>>()?;
        let rate = self.recipe.learning_rate_at(step);
        let [learner, _] = &self.learners;
        let (state, report) = meta_step(&**learner, self.state, episodes, rate);
        Ok((Self { state, ..self }, report, rate))
    }

    /// Mean accuracy on the validation classes.
    ///
    /// # Errors
    /// If an episode cannot be drawn.
    pub fn validation_accuracy(&self) -> Result<f64> {
        let [_, in_use] = &self.learners;
        let [_, validation] = &self.samplers;
        let episodes = (0..VALIDATION_EPISODES)
            .map(|i| on_device::<B>(&validation.episode(VALIDATION_SEED, i), &self.device))
            .collect::<Result<_>>()?;
        let found = evaluate(&**in_use, &self.state.x, episodes);
        Ok(mean_and_interval(&found).0)
    }

    /// The model as it is now.
    pub fn model(&self) -> FewShotModel<B> {
        FewShotModel {
            about: self.about.clone(),
            x: self.state.x.clone(),
        }
    }
}
