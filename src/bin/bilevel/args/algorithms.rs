//! What can be typed behind `compare algorithms`.

use std::path::PathBuf;

use clap::Args;

use super::count;

#[derive(Debug, Args)]
pub(crate) struct CompareAlgorithmsArguments {
    /// Clean images to learn from.
    #[arg(long, value_name = "DIR", default_value = "assets/images/train")]
    pub train: PathBuf,
    /// Clean images for the score on what was not learned from.
    #[arg(long, value_name = "DIR", default_value = "assets/images/test")]
    pub test: PathBuf,
    /// Training crops, each with the same noise for good.
    #[arg(long, default_value_t = 16, value_parser = count(1, 100_000))]
    pub images: usize,
    /// Side of the crops in pixels.
    #[arg(long, default_value_t = 32, value_parser = count(1, 4096))]
    pub crop: usize,
    /// What every algorithm may spend: steps of lower and linear solvers, times images.
    #[arg(long, default_value_t = 40_000)]
    pub budget: u64,
    /// Seed of crops, noise and batches.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The folder for the numbers and the picture.
    #[arg(
        long,
        short,
        value_name = "DIR",
        default_value = "runs/compare-algorithms"
    )]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
