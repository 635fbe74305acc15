//! What can be typed behind `distributed`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::count;

/// The most workers of a run.
const MOST_WORKERS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DistributedTaskName {
    /// Weights for training samples, some of which have wrong labels.
    Clean,
    /// A penalty for each feature of a table.
    Select,
    /// Made of numbers only, as long as --dim says: to try a network out.
    #[value(hide = true)]
    Quadratic,
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

/// What is learned, of which data: the same for the master and all its workers.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct DistributedProblem {
    /// What is learned.
    #[arg(long, value_enum, default_value = "clean")]
    pub task: DistributedTaskName,
    /// The samples, as `clean` takes them [default: assets/mnist, or assets/tabular/digits.csv.gz
    /// to select].
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// N, the workers [default: 18, or 24 to select].
    #[arg(long, short = 'N', value_parser = count(1, MOST_WORKERS))]
    pub workers: Option<usize>,
    /// Training samples a worker, and as many that are trusted [default: all].
    #[arg(long, value_parser = count(1, 1_000_000_000))]
    pub samples: Option<usize>,
    /// Share of the training labels that are redrawn at random [default: 0.1, or 0 to select].
    #[arg(long, allow_negative_numbers = true)]
    pub corruption: Option<f64>,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 34)]
    pub seed: u64,
    /// Entries of the vectors of `quadratic`.
    #[arg(long, default_value_t = 1000, hide = true, value_parser = count(1, 1_000_000_000))]
    pub dim: usize,
}

impl DistributedProblem {
    /// N.
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or(match self.task {
            DistributedTaskName::Clean => 18,
            DistributedTaskName::Select => 24,
            DistributedTaskName::Quadratic => 4,
        })
    }
}

/// How it is learned.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct DistributedCourse {
    /// S, the workers that ADBO waits for [default: half of them].
    #[arg(long, short = 'S')]
    pub active: Option<usize>,
    /// τ: in so many iterations every worker is heard.
    #[arg(long, default_value_t = 15, value_parser = count(1, 1_000_000_000))]
    pub staleness: usize,
    /// Time for each method, in seconds of its clock.
    #[arg(long, default_value_t = 120.0, allow_negative_numbers = true)]
    pub seconds: f64,
    /// Iterations of each method at most.
    #[arg(long)]
    pub iterations: Option<usize>,
    /// Planes are refreshed every so many iterations.
    #[arg(long, default_value_t = 50, value_parser = count(1, 1_000_000_000))]
    pub refresh: usize,
    /// Seconds from one evaluation of the accuracy to the next.
    #[arg(
        long,
        alias = "look",
        value_name = "SECONDS",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    #[serde(alias = "look")]
    pub eval_every: f64,
}

impl DistributedCourse {
    /// S.
    pub fn active(&self, workers: usize) -> usize {
        self.active.unwrap_or(workers.div_ceil(2))
    }

    /// What neither clap nor the method looks at.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn check(&self, workers: usize, active: usize) -> Result<()> {
        ensure!(
            (1..=MOST_WORKERS).contains(&workers),
            "--workers must be from 1 to {MOST_WORKERS}, got {workers}"
        );
        ensure!(
            (1..=workers).contains(&active),
            "--active must be from 1 to the {workers} workers, got {active}"
        );
        check_seconds("--seconds", self.seconds)?;
        check_seconds("--eval-every", self.eval_every)
    }
}

/// Whether a clock can count to `value`: up to a thousand years.
///
/// # Errors
/// If it cannot.
pub(crate) fn check_seconds(name: &str, value: f64) -> Result<()> {
    ensure!(
        value > 0.0 && value < 3e10,
        "{name} must be > 0 and below 3e10, got {value}"
    );
    Ok(())
}

/// Everything that decides what a run in one process computes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct DistributedSettings {
    #[command(flatten)]
    pub problem: DistributedProblem,
    #[command(flatten)]
    pub course: DistributedCourse,
    /// Which method is run.
    #[arg(long, short, value_enum, default_value = "both")]
    pub method: MethodChoice,
    /// What measures the time.
    #[arg(long, value_enum, default_value = "simulated")]
    pub clock: Clock,
    /// Median of the simulated delays, in milliseconds.
    #[arg(long, default_value_t = 30.0, allow_negative_numbers = true)]
    pub delay: f64,
    /// Standard deviation of the logarithm of the simulated delays.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub sigma: f64,
    /// How many workers are slow, in simulated time.
    #[arg(long, default_value_t = 3, value_parser = count(0, MOST_WORKERS))]
    pub stragglers: usize,
    /// How many times as long they take.
    #[arg(long, default_value_t = 4.0, allow_negative_numbers = true)]
    pub straggler_factor: f64,
    /// The state is saved every so many refreshes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint: u32,
}

#[derive(Debug, Args)]
pub(crate) struct DistributedLocalArguments {
    #[command(flatten)]
    pub settings: DistributedSettings,
    /// The folder for the state, the report and the plot.
    #[arg(long, short, value_name = "DIR", default_value = "runs/distributed")]
    pub output: PathBuf,
    /// Stop at the first checkpoint after so many iterations of this call, as Ctrl-C does; --resume
    /// goes on.
    #[arg(long, value_name = "ITERATIONS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "task", "method", "clock", "data", "workers", "active", "staleness", "samples", "corruption",
        "seed", "seconds", "iterations", "delay", "sigma", "stragglers", "straggler_factor", "refresh", "checkpoint",
        "eval_every", "dim"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
