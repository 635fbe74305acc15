//! What can be typed behind `train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// Clean images to learn from [default: assets/images/train; with --resume those of the run].
    #[arg(long, value_name = "DIR")]
    pub train: Option<PathBuf>,
    /// Clean images to choose the model by [default: assets/images/val; with --resume those of the
    /// run].
    #[arg(long, value_name = "DIR")]
    pub val: Option<PathBuf>,
    /// Clean images to report on; never used for learning or choosing [default: assets/images/test;
    /// with --resume those of the run].
    #[arg(long, value_name = "DIR")]
    pub test: Option<PathBuf>,
    /// The folder of the run [default: runs/ and the task].
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How much to learn.
    #[arg(long, value_enum, default_value = "default")]
    pub preset: Preset,
    /// What to learn and how, as a TOML file: a preset of your own. `recipe.toml` of a run is one.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub recipe: Option<PathBuf>,
    /// A model to go on learning from, of the recipe's regularizer.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Standard deviation of the noise, on the scale of 0 to 255, in place of the recipe's.
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<f64>,
    /// Upper steps of the last stage, in place of the recipe's.
    #[arg(long)]
    pub steps: Option<usize>,
    /// Side of the training crops in pixels, in place of the recipe's.
    #[arg(long)]
    pub crop: Option<usize>,
    /// Learning rate at the start of the last stage, in place of the recipe's.
    #[arg(long, allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,
    /// Seed of crops and noise: the same seed gives the same run; in place of the recipe's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Steps of a solver from one look at its residual to the next, in place of the recipe's: more
    /// than one spares a graphics adapter waits, and may cost steps that are not needed. For
    /// estimators that solve: not `unrolled`, not `score-matching`.
    #[arg(long, value_name = "STEPS")]
    pub read_every: Option<usize>,
    /// Stop after this many steps of this call, as Ctrl-C does; --resume goes on.
    #[arg(long, value_name = "STEPS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "preset", "recipe", "from", "sigma", "steps", "crop", "learning_rate", "seed",
        "read_every"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// A few seconds: does everything work here?
    Smoke,
    /// A few minutes.
    Default,
    /// More and larger filters, up to half an hour.
    Long,
}
