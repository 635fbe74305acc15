//! The settings of a few-shot training, as a TOML file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bilevel_backend::Cpu;
use bilevel_data::EpisodeShape;
use bilevel_models::meta::{AnyNetwork, Normalization};
use serde::{Deserialize, Serialize};

use super::Method;
use crate::io::memory::check_memory;
use crate::training::recipe::{MOST_COUNT, cosine, count, is_one, one, parse};

/// Everything that decides what a training computes, but for the pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewShotRecipe {
    /// Seed of the first weights and of the episodes.
    pub seed: u64,
    /// Steps of the optimizer, Adam.
    pub steps: usize,
    /// Episodes a step.
    pub batch: usize,
    /// How many of them MAML takes in one go: more than one for graphics adapters; a processor has
    /// tasks on all cores without it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tasks_at_once: usize,
    /// Learning rate at the start; it falls to a hundredth along a cosine.
    pub learning_rate: f64,
    /// Steps from one validation to the next.
    pub validate_every: usize,
    /// Whether every class is learned turned by 90, 180 and 270 degrees too, as classes of their
    /// own.
    pub rotations: bool,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
    /// Those to learn from.
    pub training: EpisodeRecipe,
    /// Those to choose the model by.
    pub validation: EpisodeRecipe,
    /// The learner.
    pub method: Method,
    /// The network.
    pub network: AnyNetwork,
}

/// How large episodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpisodeRecipe {
    /// Classes.
    pub ways: usize,
    /// Samples of each to learn from.
    pub shots: usize,
    /// Samples of each to be judged by.
    pub queries: usize,
}

/// The most episodes a step, and samples of a class in one.
const MOST_EPISODES: usize = 10_000;
const MOST_SAMPLES: usize = 10_000;

impl EpisodeRecipe {
    /// # Errors
    /// If a number makes no sense.
    pub fn check(&self) -> Result<()> {
        count("ways", self.ways, 2, MOST_SAMPLES)?;
        count("shots", self.shots, 1, MOST_SAMPLES)?;
        count("queries", self.queries, 1, MOST_SAMPLES)
    }
}

impl From<EpisodeRecipe> for EpisodeShape {
    fn from(recipe: EpisodeRecipe) -> Self {
        Self {
            ways: recipe.ways,
            shots: recipe.shots,
            queries: recipe.queries,
        }
    }
}

impl FewShotRecipe {
    /// The recipe in a file.
    ///
    /// # Errors
    /// If it cannot be read, has an unknown key or a number that makes no sense.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the recipe {}", path.display()))?;
        Self::from_text(&text).with_context(|| format!("the recipe {}", path.display()))
    }

    /// The recipe in a text.
    ///
    /// # Errors
    /// If it has an unknown key or a number that makes no sense.
    pub fn from_text(text: &str) -> Result<Self> {
        let recipe: Self = parse(text)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// # Errors
    /// If a number makes no sense.
    pub fn check(&self) -> Result<()> {
        count("steps", self.steps, 1, MOST_COUNT)?;
        count("batch", self.batch, 1, MOST_EPISODES)?;
        count("validate_every", self.validate_every, 1, MOST_COUNT)?;
        self.network.check().context("network")?;
        for (name, episodes) in [("training", self.training), ("validation", self.validation)] {
            episodes.check().context(name)?;
        }
        ensure!(
            self.tasks_at_once > 0 && self.batch.is_multiple_of(self.tasks_at_once),
            "tasks_at_once must divide the batch of {}, got {}",
            self.batch,
            self.tasks_at_once
        );
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "learning_rate must be finite and > 0, got {}",
            self.learning_rate
        );
        self.method
            .in_training::<Cpu>(&self.network, self.normalization, self.tasks_at_once)?;
        check_memory("a batch of episodes", self.bytes()).context("batch, ways, shots, queries")?;
        let classes = self.network.classes();
        ensure!(
            self.network.side().is_some(),
            "network: pictures need conv4 or resnet12"
        );
        if self.method.has_head() {
            for episodes in [self.training, self.validation] {
                ensure!(
                    classes == Some(episodes.ways),
                    "network: classes must be the {} ways of the episodes",
                    episodes.ways
                );
            }
        } else {
            ensure!(
                classes.is_none(),
                "network: this method uses the embedding, leave classes out"
            );
        }
        Ok(())
    }

    /// About the bytes that the episodes need at least which are learned from side by side: the
    /// maps of the first block, before and after what is done with them.
    fn bytes(&self) -> u64 {
        const NUMBER: u64 = 16;
        let EpisodeRecipe {
            ways,
            shots,
            queries,
        } = self.training;
        let together = self.batch.min(rayon::current_num_threads()) * self.tasks_at_once;
        let pixels = self.network.side().unwrap_or(1).pow(2);
        let factors = [
            ways,
            shots + queries,
            together,
            pixels,
            self.network.features(),
        ];
        let product = factors.iter().map(|&factor| factor as u64);
        product.fold(NUMBER, u64::saturating_mul)
    }

    /// Cosine from `learning_rate` to a hundredth of it; `step` counts from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        cosine(self.learning_rate, step, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_recipes_are_recipes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/few-shot");
        let files = std::fs::read_dir(folder).expect("the folder");
        let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        assert!(paths.len() >= 4);
        for path in paths {
            let recipe = FewShotRecipe::read(&path).unwrap_or_else(|e| panic!("{e:#}"));
            let text = toml::to_string(&recipe).expect("serialises");
            assert_eq!(FewShotRecipe::from_text(&text).expect("reads"), recipe);
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        let text = include_str!("../../../../recipes/few-shot/maml.toml");
        for (good, bad, said) in [
            ("batch", "bach", "bach"),
            ("classes = 5", "classes = 6", "classes must be the 5 ways"),
            ("start = 0.1", "start = -0.1", "step_sizes"),
            ("channels", "chanels", "chanels"),
            ("steps = 2000", "steps = 0", "steps"),
            (
                "batch = 2",
                "batch = 2\ntasks_at_once = 3",
                "divide the batch of 2",
            ),
        ] {
            let changed = text.replacen(good, bad, 1);
            assert_ne!(changed, text);
            let error = FewShotRecipe::from_text(&changed).expect_err("a mistake");
            let error = format!("{error:#}");
            assert!(error.contains(said) && !error.contains('\n'), "{error}");
        }
    }
}
