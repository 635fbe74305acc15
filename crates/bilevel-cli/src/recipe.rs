//! The settings of a training run.

use anyhow::{Result, ensure};
use bilevel_core::positive;
use bilevel_models::regularizer::{FieldsOfExperts, Potential};
use serde::{Deserialize, Serialize};

use crate::arguments::{Preset, TrainArguments};

/// Everything that decides what a run computes, but for the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Standard deviation of the noise, on the scale of 0 to 255.
    pub sigma: f64,
    /// What is learned.
    pub regularizer: FieldsOfExperts,
    /// Side of a training crop in pixels.
    pub crop: usize,
    /// Pixels at each edge of a crop that the upper loss does not look at.
    pub margin: usize,
    /// Crops an upper step.
    pub batch: usize,
    /// Into how many tasks the crops of a step are divided; they run side by side.
    pub tasks: usize,
    /// Upper steps.
    pub steps: usize,
    /// Learning rate of Adam at the start; it falls to a hundredth along a cosine.
    pub learning_rate: f64,
    /// Stop of the lower solver: root mean square of `∇y g` over the pixels of an image.
    pub lower_tolerance: f64,
    /// Steps of the lower solver at most.
    pub lower_steps: usize,
    /// Stop of the conjugate gradients, relative to the right side.
    pub adjoint_tolerance: f64,
    /// Steps of the conjugate gradients at most.
    pub adjoint_steps: usize,
    /// Upper steps from one validation to the next.
    pub validate_every: usize,
    /// Seed of crops and noise.
    pub seed: u64,
}

impl Recipe {
    /// The preset with what the command line changes.
    ///
    /// # Errors
    /// If a setting makes no sense.
    pub fn new(arguments: &TrainArguments) -> Result<Self> {
        let preset = Self::preset(arguments.preset);
        let recipe = Self {
            sigma: arguments.sigma.unwrap_or(preset.sigma),
            steps: arguments.steps.unwrap_or(preset.steps),
            crop: arguments.crop.unwrap_or(preset.crop),
            learning_rate: arguments.learning_rate.unwrap_or(preset.learning_rate),
            seed: arguments.seed.unwrap_or(preset.seed),
            ..preset
        };
        positive("--sigma", recipe.sigma)?;
        positive("--learning-rate", recipe.learning_rate)?;
        ensure!(recipe.steps > 0, "--steps must be at least 1");
        let least = recipe.regularizer.size.max(2 * recipe.margin + 1);
        ensure!(
            recipe.crop >= least,
            "--crop must be at least {least}, got {}",
            recipe.crop
        );
        Ok(recipe)
    }

    fn preset(preset: Preset) -> Self {
        let default = Self {
            sigma: 25.0,
            regularizer: FieldsOfExperts {
                filters: 24,
                size: 5,
                potential: Potential::StudentT,
            },
            crop: 64,
            margin: 6,
            batch: 8,
            tasks: 2,
            steps: 200,
            learning_rate: 0.03,
            lower_tolerance: 8e-4,
            lower_steps: 100,
            adjoint_tolerance: 1e-3,
            adjoint_steps: 10,
            validate_every: 25,
            seed: 0,
        };
        match preset {
            Preset::Default => default,
            Preset::Smoke => Self {
                regularizer: FieldsOfExperts {
                    filters: 8,
                    size: 3,
                    ..default.regularizer
                },
                crop: 32,
                batch: 4,
                steps: 6,
                validate_every: 3,
                ..default
            },
            Preset::Long => Self {
                regularizer: FieldsOfExperts {
                    filters: 48,
                    size: 7,
                    ..default.regularizer
                },
                steps: 400,
                ..default
            },
        }
    }

    /// Noise on the scale of the pixels, `[0, 1]`.
    pub fn sigma_of_pixels(&self) -> f64 {
        self.sigma / 255.0
    }

    /// Cosine from `learning_rate` to a hundredth of it; `step` counts from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let t = step as f64 / self.steps as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * t).cos());
        self.learning_rate * (0.01 + 0.99 * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_from_all_to_a_hundredth() {
        let recipe = Recipe::preset(Preset::Default);
        assert!((recipe.learning_rate_at(0) - recipe.learning_rate).abs() < 1e-15);
        let last = recipe.learning_rate_at(recipe.steps);
        assert!((last - 0.01 * recipe.learning_rate).abs() < 1e-15);
        let rates: Vec<f64> = (0..recipe.steps)
            .map(|s| recipe.learning_rate_at(s))
            .collect();
        assert!(rates.windows(2).all(|w| w[1] < w[0]));
    }

    #[test]
    fn a_recipe_survives_its_file() {
        let recipe = Recipe::preset(Preset::Long);
        let text = serde_json::to_string(&recipe).expect("serialises");
        assert_eq!(
            serde_json::from_str::<Recipe>(&text).expect("reads"),
            recipe
        );
    }
}
