//! Steps of descent on the lower problem, the same in training and in use.

use anyhow::{Result, ensure};
use bilevel_core::hypergradient::{Bregman, Nesterov};
use bilevel_core::positive;
use bilevel_models::physics::Measurement;
use serde::{Deserialize, Serialize};

/// The most steps that a solver of a file can be given.
pub(crate) const MOST_STEPS: usize = 1_000_000;

/// Some steps of gradient descent, with Nesterov's momentum if it is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steps {
    /// How many.
    pub steps: usize,
    /// Their size.
    pub step_size: f64,
    /// Momentum, in [0, 1).
    #[serde(default)]
    pub momentum: f64,
    /// Bregman iteration, for denoising: what was taken from the data is given back on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bregman: Option<Feedback>,
}

/// What a step of [`Steps`] is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Map {
    /// Towards the minimiser.
    Nesterov(Nesterov),
    /// Towards one minimiser after the other.
    Bregman(Bregman),
}

/// How [`Bregman`] iteration gives back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feedback {
    /// Steps from one addition to the next.
    pub every: usize,
    /// The part of what is missing from the data that is given back: in (0, 1].
    pub feedback: f64,
}

impl Steps {
    /// Whether they make sense where `physics` is to be undone.
    ///
    /// # Errors
    /// If there is none of them, a number is out of its range, or Bregman iteration is to undo more
    /// than noise.
    pub fn check(&self, physics: Measurement) -> Result<()> {
        ensure!(
            (1..=MOST_STEPS).contains(&self.steps),
            "steps must be from 1 to {MOST_STEPS}, got {}",
            self.steps
        );
        positive("step_size", self.step_size)?;
        ensure!(
            (0.0..1.0).contains(&self.momentum),
            "momentum must be in [0, 1), got {}",
            self.momentum
        );
        if let Some(Feedback { every, feedback }) = self.bregman {
            ensure!(
                0.0 < feedback && feedback <= 1.0,
                "bregman: feedback must be above 0 and at most 1, got {feedback}"
            );
            ensure!(
                (1..self.steps).contains(&every),
                "bregman: every must be at least 1 and less than steps = {}, got {every}",
                self.steps
            );
            ensure!(
                matches!(physics, Measurement::Identity(_)),
                "bregman is for denoising (degradation none): remove it from [reconstruction] and the stages"
            );
        }
        Ok(())
    }

    /// What a step is.
    pub fn map(&self) -> Map {
        let momentum = self.momentum;
        match self.bregman {
            None => Map::Nesterov(Nesterov { momentum }),
            Some(Feedback { every, feedback }) => Map::Bregman(Bregman {
                momentum,
                every,
                feedback,
            }),
        }
    }
}
