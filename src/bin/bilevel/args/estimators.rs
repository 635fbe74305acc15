//! What can be typed to look at hypergradients.

use std::path::PathBuf;

use clap::Args;

use crate::compare::estimators::estimator::EstimatorName;

use super::count;

#[derive(Debug, Args)]
pub(crate) struct SmallProblemArguments {
    /// A clean image, or a folder of them, that crops are cut from.
    #[arg(long, value_name = "FILE_OR_DIR", default_value = "assets/images/val")]
    pub image: PathBuf,
    /// Side of the crops in pixels.
    #[arg(long, default_value_t = 16, value_parser = count(1, 512))]
    pub crop: usize,
    /// Crops, each a lower problem of its own.
    #[arg(long, default_value_t = 2, value_parser = count(1, 10_000))]
    pub images: usize,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// The estimator.
    #[arg(long, short, value_enum, value_name = "NAME")]
    pub estimator: EstimatorName,
    /// Its steps (terms, rank, directions, weight) [default: enough, where enough is possible].
    #[arg(long, value_parser = count(1, 1_000_000))]
    pub steps: Option<usize>,
    /// The model at whose parameters to look; without it three filters of 3x3, not yet trained.
    #[arg(long, short, value_name = "FILE")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub problem: SmallProblemArguments,
    /// Random directions along which the hypergradient is measured.
    #[arg(long, default_value_t = 4, value_parser = count(1, 1_000_000))]
    pub directions: usize,
    /// Relative error up to which two derivatives agree.
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Estimates that are averaged, for estimators that draw at random.
    #[arg(long, default_value_t = 1, value_parser = count(1, 1_000_000))]
    pub draws: usize,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareEstimatorsArguments {
    #[command(flatten)]
    pub problem: SmallProblemArguments,
    /// The folder for the numbers and the pictures.
    #[arg(long, short, value_name = "DIR", default_value = "runs/compare")]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
