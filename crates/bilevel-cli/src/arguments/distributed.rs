//! What can be typed behind `distributed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DistributedTaskName {
    /// Weights for training samples, some of which have wrong labels.
    Clean,
    /// A penalty for each feature of a table.
    Select,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MethodChoice {
    /// Waits for S of N workers.
    Adbo,
    /// Waits for all.
    Sdbo,
    /// One after the other, to compare them.
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clock {
    /// Virtual time with random delays: the same every time.
    Simulated,
    /// A thread a worker, in real time and without delays of ours.
    Threads,
}

/// Everything that decides what a run computes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct DistributedSettings {
    /// What is learned.
    #[arg(long, value_enum, default_value = "clean")]
    pub task: DistributedTaskName,
    /// Which method is run.
    #[arg(long, short, value_enum, default_value = "both")]
    pub method: MethodChoice,
    /// What measures the time.
    #[arg(long, value_enum, default_value = "simulated")]
    pub clock: Clock,
    /// The samples, as `clean` takes them [default: assets/mnist, or assets/tabular/digits.csv.gz to select].
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// N, the workers [default: 18, or 24 to select].
    #[arg(long, short = 'N')]
    pub workers: Option<usize>,
    /// S, the workers that ADBO waits for [default: half of them].
    #[arg(long, short = 'S')]
    pub active: Option<usize>,
    /// τ: in so many iterations every worker is heard.
    #[arg(long, default_value_t = 15)]
    pub staleness: usize,
    /// Training samples a worker, and as many that are trusted [default: all].
    #[arg(long)]
    pub samples: Option<usize>,
    /// Share of the training labels that are redrawn at random [default: 0.1, or 0 to select].
    #[arg(long, allow_negative_numbers = true)]
    pub corruption: Option<f64>,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 34)]
    pub seed: u64,
    /// Time for each method, in seconds of its clock.
    #[arg(long, default_value_t = 120.0, allow_negative_numbers = true)]
    pub seconds: f64,
    /// Iterations of each method at most.
    #[arg(long)]
    pub iterations: Option<usize>,
    /// Median of the simulated delays, in milliseconds.
    #[arg(long, default_value_t = 30.0, allow_negative_numbers = true)]
    pub delay: f64,
    /// Standard deviation of the logarithm of the simulated delays.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub sigma: f64,
    /// How many workers are slow, in simulated time.
    #[arg(long, default_value_t = 3)]
    pub stragglers: usize,
    /// How many times as long they take.
    #[arg(long, default_value_t = 4.0, allow_negative_numbers = true)]
    pub straggler_factor: f64,
    /// Planes are refreshed every so many iterations.
    #[arg(long, default_value_t = 50)]
    pub refresh: usize,
    /// The state is saved every so many refreshes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint: u32,
    /// Seconds from one look at the accuracy to the next.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub look: f64,
}

#[derive(Debug, Args)]
pub(crate) struct DistributedLocalArguments {
    #[command(flatten)]
    pub settings: DistributedSettings,
    /// The folder for the state, the report and the plot.
    #[arg(long, short, value_name = "DIR", default_value = "runs/distributed")]
    pub output: PathBuf,
    /// Stop at the first checkpoint after so many iterations of this call, as Ctrl-C does; --resume goes on.
    #[arg(long, value_name = "ITERATIONS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "task", "method", "clock", "data", "workers", "active", "staleness", "samples", "corruption",
        "seed", "seconds", "iterations", "delay", "sigma", "stragglers", "straggler_factor", "refresh", "checkpoint",
        "look"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
