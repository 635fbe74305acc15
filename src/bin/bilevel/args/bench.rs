//! What can be typed behind `bench`.

use std::path::PathBuf;

use clap::Args;

use super::TuningArguments;
use crate::clean::method::MethodName;

#[derive(Debug, Args)]
pub(crate) struct BenchStochasticArguments {
    /// Only these methods; may be given several times.
    #[arg(long, short, value_enum)]
    pub method: Vec<MethodName>,
    /// What every method may ask: derivatives on a block of samples; one on all samples counts as
    /// all blocks.
    #[arg(long, default_value_t = 200_000)]
    pub calls: u64,
    /// Seed of the problem and of the blocks.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub tuning: TuningArguments,
    /// The folder for the numbers and the picture.
    #[arg(
        long,
        short,
        value_name = "DIR",
        default_value = "runs/bench-stochastic"
    )]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON array and nothing else.
    #[arg(long)]
    pub json: bool,
}
