//! What can be typed behind `clean`.

use std::path::{PathBuf, absolute};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::TuningArguments;
use super::count;
use crate::clean::ball::Ball;
use crate::clean::experiment::ClassifierName;
use crate::clean::method::MethodName;

/// Everything that decides what a run computes, but for the samples.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct CleanSettings {
    /// The samples: a folder with IDX files as MNIST's, a folder with a sub-folder of pictures for
    /// each class, a CSV file with the class in a column (all may be gzipped), or an IDX file of
    /// pictures.
    #[arg(long, value_name = "PATH", default_value = "assets/mnist")]
    pub data: PathBuf,
    /// Samples that are known to be right; without it half of --data, of each class by lot.
    #[arg(long, value_name = "PATH", conflicts_with = "training")]
    pub trusted: Option<PathBuf>,
    /// The column of a table that holds the classes, its name or its number from 1 [default: the
    /// one called label, class, target or y, else the last].
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// How many samples of --data are to be cleaned, the first in their order, those behind them
    /// being trusted [default: half of each class, by lot].
    #[arg(long, value_name = "SAMPLES")]
    pub training: Option<usize>,
    /// The method.
    #[arg(long, short, value_enum, default_value = "soba")]
    pub method: MethodName,
    /// What is trained on the samples.
    #[arg(long, value_enum, default_value = "linear")]
    pub classifier: ClassifierName,
    /// Share of the labels to be cleaned that are redrawn at random first, to see whether they are
    /// found.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub corruption: f64,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// A ball that the linear classifier is kept in, `l1:RADIUS` or `l2:RADIUS`, with --method
    /// dmlcbo.
    #[arg(long, value_name = "BALL")]
    pub ball: Option<Ball>,
    /// Weight of the squares of the classifier's weights.
    #[arg(long, default_value_t = 1e-3, allow_negative_numbers = true)]
    pub regularization: f64,
    /// Steps, in place of the method's own number.
    #[arg(long, value_parser = count(1, 1_000_000_000))]
    pub steps: Option<usize>,
    /// Samples a block, for methods that see blocks, in place of the method's own number.
    #[arg(long, value_parser = count(1, 1_000_000_000))]
    pub batch: Option<usize>,
    #[command(flatten)]
    pub tuning: TuningArguments,
    /// Weight of every sample at the start, in (0, 1).
    #[arg(long, default_value_t = 0.5, allow_negative_numbers = true)]
    pub first_weight: f64,
    /// How often the weights are judged on the way, which takes a classifier trained anew each
    /// time; 0 for the last ones alone.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub snapshots: u32,
}

impl CleanSettings {
    /// The settings with paths that lead to the same from every folder.
    ///
    /// # Errors
    /// If a path is empty.
    pub fn with_absolute_paths(self) -> std::io::Result<Self> {
        Ok(Self {
            data: absolute(&self.data)?,
            trusted: self.trusted.map(absolute).transpose()?,
            ..self
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct CleanArguments {
    #[command(flatten)]
    pub settings: CleanSettings,
    /// The folder for weights and pictures.
    #[arg(long, short, value_name = "DIR", default_value = "runs/clean")]
    pub output: PathBuf,
    /// Stop after this many steps of this call, as Ctrl-C does; --resume goes on.
    #[arg(long, value_name = "STEPS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "data", "trusted", "label", "training", "method", "classifier", "ball", "corruption",
        "seed", "regularization", "steps", "batch", "lower_step", "upper_step", "lower_power",
        "upper_power", "weight", "inner_steps", "terms", "series_step", "first_weight", "snapshots"
    ])]
    pub resume: bool,
    /// Train without weights too, on all samples, on those that are right and on those trusted, to
    /// compare with.
    #[arg(long, alias = "references")]
    pub baselines: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
