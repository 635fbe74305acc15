//! The settings of a training run, as a TOML file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bilevel_core::positive;
use bilevel_models::physics::{Measurement, UpperLoss};
use bilevel_models::regularizer::Architecture;
use serde::{Deserialize, Serialize};

use crate::args::TrainArguments;
use crate::imaging::degradation::{Degradation, noise_level};
use crate::imaging::reconstruct::{Reconstructor, check_solver};
use crate::imaging::steps::Steps;
use crate::training::task::TaskName;

/// Everything that decides what a run computes, but for the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Standard deviation of the noise, on the scale of 0 to 255.
    pub sigma: f64,
    /// Seed of crops and noise.
    pub seed: u64,
    /// Side of a training crop in pixels.
    pub crop: usize,
    /// Pixels at each edge of a crop that the upper loss does not look at.
    pub margin: usize,
    /// Crops an upper step.
    pub batch: usize,
    /// Into how many tasks the crops of a step are divided; they run side by side.
    pub tasks: usize,
    /// What the crops are judged by.
    pub loss: UpperLoss,
    /// Upper steps from one validation to the next.
    pub validate_every: usize,
    /// Steps of a solver from one look at its residual to the next; a look makes a graphics adapter
    /// wait.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub read_every: usize,
    /// What happens to an image before the noise.
    pub degradation: Degradation,
    /// What is learned.
    pub regularizer: Architecture,
    /// How an image is reconstructed with what was learned.
    pub reconstruction: Reconstructor,
    /// What is done, one after the other.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
}

/// The most steps, and whatever else is counted.
pub(crate) const MOST_COUNT: usize = 1_000_000_000;
/// The largest side of a crop, and the most crops a step.
const MOST_CROP: usize = 4096;
const MOST_CROPS: usize = 100_000;

/// Whether a count of a recipe or of the command line is from `least` to `most`.
///
/// # Errors
/// If it is not.
pub(crate) fn count(name: &str, value: usize, least: usize, most: usize) -> Result<()> {
    ensure!(
        (least..=most).contains(&value),
        "{name} must be from {least} to {most}, got {value}"
    );
    Ok(())
}

/// What a count of a recipe is if it is not given.
pub(crate) fn one() -> usize {
    1
}

/// Whether a count need not be written down.
pub(crate) fn is_one(count: &usize) -> bool {
    *count == one()
}

/// Some upper steps with one estimator of the hypergradient; the optimizer is Adam, afresh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// Upper steps.
    pub steps: usize,
    /// Learning rate of Adam at the start; it falls to a hundredth along a cosine.
    pub learning_rate: f64,
    /// Largest norm of the gradient in one parameter (a bank of filters, a layer): longer ones are
    /// shortened. A crop on which unrolled steps are unstable can spoil a deep regularizer in one
    /// step without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// How the hypergradient is made.
    pub estimator: Estimator,
}

/// How a stage makes its hypergradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Estimator {
    /// The lower problem is solved, the adjoint too: implicit differentiation.
    Implicit {
        /// The solver for the adjoint.
        solver: LinearSolverName,
        /// Stop of the lower solver: root mean square of `∇y g` over the pixels of an image.
        lower_tolerance: f64,
        /// Steps of the lower solver at most.
        lower_steps: usize,
        /// Stop of the adjoint's solver, relative to the right side.
        adjoint_tolerance: f64,
        /// Steps of the adjoint's solver at most.
        adjoint_steps: usize,
    },
    /// The lower problem is solved, the adjoint is taken to be `∇y f`.
    JacobianFree {
        /// Stop of the lower solver: root mean square of `∇y g` over the pixels of an image.
        lower_tolerance: f64,
        /// Steps of the lower solver at most.
        lower_steps: usize,
    },
    /// Steps of gradient descent from the start are differentiated.
    Unrolled(Steps),
    /// One gradient step from the data has to denoise them: for denoising, score matching.
    ScoreMatching,
}

impl Estimator {
    /// Whether its numbers make sense where `physics` is to be undone.
    ///
    /// # Errors
    /// If one does not.
    fn check(&self, physics: Measurement) -> Result<()> {
        match *self {
            Self::Implicit {
                lower_tolerance,
                lower_steps,
                adjoint_tolerance,
                adjoint_steps,
                ..
            } => {
                check_solver("lower solver", lower_tolerance, lower_steps)?;
                check_solver("adjoint", adjoint_tolerance, adjoint_steps)
            }
            Self::JacobianFree {
                lower_tolerance,
                lower_steps,
            } => check_solver("lower solver", lower_tolerance, lower_steps),
            Self::Unrolled(steps) => steps.check(physics),
            Self::ScoreMatching => Ok(()),
        }
    }
}

/// A solver for the adjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LinearSolverName {
    /// Conjugate gradients.
    ConjugateGradient,
    /// Minimal residuals, for Hessians that may be indefinite.
    Minres,
}

impl Recipe {
    /// The recipe that the call names, with what it changes.
    ///
    /// # Errors
    /// If there is no such file, it is not a recipe or one for another task, or a setting makes no
    /// sense.
    pub fn new(task: TaskName, arguments: &TrainArguments) -> Result<Self> {
        let mut recipe = match &arguments.recipe {
            Some(path) => Self::read(path)?,
            None => parse(task.preset(arguments.preset)).expect("a preset is a recipe"),
        };
        let given = recipe.degradation.task();
        ensure!(
            given == task,
            "the recipe is for another task: run it with `train {given}`"
        );
        recipe.sigma = arguments.sigma.unwrap_or(recipe.sigma);
        recipe.crop = arguments.crop.unwrap_or(recipe.crop);
        recipe.seed = arguments.seed.unwrap_or(recipe.seed);
        recipe.read_every = arguments.read_every.unwrap_or(recipe.read_every);
        if let Some(last) = recipe.stages.last_mut() {
            last.steps = arguments.steps.unwrap_or(last.steps);
            last.learning_rate = arguments.learning_rate.unwrap_or(last.learning_rate);
        }
        recipe.check()?;
        Ok(recipe)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the recipe {}", path.display()))?;
        parse(&text).with_context(|| format!("the recipe {}", path.display()))
    }

    /// Whether its numbers make sense.
    ///
    /// # Errors
    /// If one does not, with its name.
    pub fn check(&self) -> Result<()> {
        noise_level("--sigma", self.sigma)?;
        self.regularizer.check().context("regularizer")?;
        self.degradation.check().context("degradation")?;
        ensure!(!self.stages.is_empty(), "a recipe needs a [[stage]]");
        let physics = self.degradation.measurement();
        self.reconstruction.check(physics)?;
        for stage in &self.stages {
            positive("--learning-rate", stage.learning_rate)?;
            count("--steps", stage.steps, 1, MOST_COUNT)?;
            stage.clip.map(|clip| positive("clip", clip)).transpose()?;
            stage.estimator.check(physics)?;
        }
        let bregman = self.reconstruction.steps().and_then(|steps| steps.bregman);
        if let Some(Stage {
            estimator: Estimator::Unrolled(steps),
            ..
        }) = self.stages.last()
        {
            ensure!(
                steps.bregman == bregman,
                "bregman must be the same in [reconstruction] and in the last stage"
            );
        }
        count("batch", self.batch, 1, MOST_CROPS)?;
        count("tasks", self.tasks, 1, MOST_COUNT)?;
        count("validate_every", self.validate_every, 1, MOST_COUNT)?;
        count("--read-every", self.read_every, 1, MOST_COUNT)?;
        count("margin", self.margin, 0, MOST_CROP)?;
        count("--crop", self.crop, 2 * self.margin + 1, MOST_CROP)
    }

    /// Upper steps of all stages.
    pub fn steps(&self) -> usize {
        let steps = self.stages.iter().map(|stage| stage.steps);
        steps.fold(0, usize::saturating_add)
    }

    /// The stage of a step, which counts from 0, and the number of the step in it.
    pub fn stage_at(&self, step: usize) -> (&Stage, usize) {
        let mut first = 0;
        for stage in &self.stages {
            if step < first + stage.steps {
                return (stage, step - first);
            }
            first += stage.steps;
        }
        panic!("step {step} is behind the last of {first}")
    }

    /// Noise on the scale of the pixels, `[0, 1]`.
    pub fn sigma_of_pixels(&self) -> f64 {
        self.sigma / 255.0
    }
}

impl Stage {
    /// Cosine from `learning_rate` to a hundredth of it; `step` counts from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        cosine(self.learning_rate, step, self.steps)
    }
}

/// The learning rate of `step` (from 0) of `steps`, falling from `start` to a hundredth of it along
/// a cosine.
pub(crate) fn cosine(start: f64, step: usize, steps: usize) -> f64 {
    let t = step as f64 / steps as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * t).cos());
    start * (0.01 + 0.99 * cosine)
}

/// A recipe from TOML; the error is one line and names the place.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count());
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        anyhow::anyhow!("{place}{}", error.message().replace('\n', " "))
    })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::args::Preset;
    use crate::imaging::steps::Feedback;

    /// Those that made the models on board too, which no preset names.
    #[test]
    fn the_files_of_recipes_are_recipes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let files = std::fs::read_dir(folder).expect("the folder");
        let paths = files.map(|file| file.expect("a file").path());
        let paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
        assert!(paths.len() > 12, "presets and more");
        for path in paths {
            Recipe::read(&path)
                .and_then(|recipe| recipe.check())
                .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        }
    }

    #[test]
    fn the_presets_are_recipes_and_survive_their_files() {
        for task in [TaskName::Denoise, TaskName::Deblur, TaskName::Inpaint] {
            for preset in Preset::value_variants() {
                let recipe: Recipe = parse(task.preset(*preset)).expect("a recipe");
                recipe.check().expect("it makes sense");
                assert_eq!(recipe.degradation.task(), task);
                let text = toml::to_string(&recipe).expect("serialises");
                assert_eq!(parse::<Recipe>(&text).expect("reads"), recipe);
            }
        }
    }

    #[test]
    fn bregman_iteration_is_for_denoising_and_for_training_and_use_alike() {
        let without = Steps {
            steps: 8,
            step_size: 0.1,
            momentum: 0.0,
            bregman: None,
        };
        let with = |every, feedback| Steps {
            bregman: Some(Feedback { every, feedback }),
            ..without
        };
        let recipe = |task: TaskName, used, trained| {
            let mut recipe: Recipe = parse(task.preset(Preset::Default)).expect("a recipe");
            recipe.reconstruction = Reconstructor::Descent(used);
            recipe.stages.last_mut().expect("a stage").estimator = Estimator::Unrolled(trained);
            recipe.check().map_err(|error| error.to_string())
        };
        let good = with(4, 0.5);
        assert_eq!(recipe(TaskName::Denoise, good, good), Ok(()));
        assert_eq!(recipe(TaskName::Deblur, without, without), Ok(()));
        for (task, used, trained, word) in [
            (TaskName::Deblur, good, good, "is for denoising"),
            (TaskName::Deblur, without, good, "is for denoising"),
            (TaskName::Denoise, good, without, "the same"),
            (TaskName::Denoise, without, good, "the same"),
            (TaskName::Denoise, good, with(2, 0.5), "the same"),
            (
                TaskName::Denoise,
                with(8, 0.5),
                with(8, 0.5),
                "less than steps = 8",
            ),
            (TaskName::Denoise, with(0, 0.5), with(0, 0.5), "at least 1"),
            (TaskName::Denoise, with(4, 1.5), with(4, 1.5), "at most 1"),
            (TaskName::Denoise, with(4, 0.0), with(4, 0.0), "above 0"),
        ] {
            let error = recipe(task, used, trained).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_learning_rate_falls_from_all_to_a_hundredth() {
        let recipe: Recipe = parse(TaskName::Denoise.preset(Preset::Default)).expect("a recipe");
        let stage = recipe.stages.last().expect("a stage");
        assert!((stage.learning_rate_at(0) - stage.learning_rate).abs() < 1e-15);
        let last = stage.learning_rate_at(stage.steps);
        assert!((last - 0.01 * stage.learning_rate).abs() < 1e-15);
        let rates: Vec<f64> = (0..stage.steps)
            .map(|s| stage.learning_rate_at(s))
            .collect();
        assert!(rates.windows(2).all(|w| w[1] < w[0]));
    }

    #[test]
    fn an_unknown_key_is_an_error_in_one_line() {
        let text = TaskName::Denoise.preset(Preset::Smoke);
        for (good, bad) in [("margin", "magrin"), ("learning_rate", "learning_rat")] {
            let error = parse::<Recipe>(&text.replacen(good, bad, 1)).expect_err("no such key");
            let error = format!("{error:#}");
            assert!(error.contains(bad) && !error.contains('\n'), "{error}");
            assert!(error.starts_with("line "), "{error}");
        }
    }
}
