//! What can be typed behind `distributed master` and `distributed worker`.
#![cfg_attr(
    not(feature = "zenoh"),
    allow(dead_code, reason = "read where there is a network")
)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{DistributedCourse, DistributedProblem};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OneMethod {
    /// Waits for S of N workers.
    Adbo,
    /// Waits for all.
    Sdbo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Loss {
    /// It is waited for at every refresh of the planes: no planes are made until it is back.
    Freeze,
    /// The others go on with a problem without it.
    Drop,
    /// The run ends.
    Abort,
}

/// How processes find each other.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArguments {
    /// The run's name: letters, digits, - and _. Masters and workers of other names do not hear
    /// each other.
    #[arg(long, default_value = "bilevel")]
    pub run: String,
    /// The authority's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert", requires = "tls_key")]
    pub tls_ca: Option<PathBuf>,
    /// This process's certificate (PEM): the master's for its address, worker i's with the common
    /// name `worker-i`.
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_key: Option<PathBuf>,
    /// Allow addresses of other machines without certificates: whoever reaches the master can read
    /// and take part.
    #[arg(long)]
    pub insecure: bool,
    /// Seconds after which a silent worker is lost; the same for the master and all workers.
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
    pub lease: f64,
}

/// What the master computes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct MasterSettings {
    #[command(flatten)]
    pub problem: DistributedProblem,
    #[command(flatten)]
    pub course: DistributedCourse,
    /// Which method is run.
    #[arg(long, short, value_enum, default_value = "adbo")]
    pub method: OneMethod,
    /// What becomes of a lost worker.
    #[arg(long, value_enum, default_value = "freeze")]
    pub on_loss: Loss,
    /// With fewer workers alive the run pauses [default: S].
    #[arg(long)]
    pub min_live: Option<usize>,
    /// Seconds for which the first iteration waits for all workers, and a run for enough of them.
    #[arg(long, default_value_t = 600.0, allow_negative_numbers = true)]
    pub patience: f64,
    /// Whether it was taken up.
    #[arg(skip)]
    pub resumed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MasterArguments {
    #[command(flatten)]
    pub settings: MasterSettings,
    #[command(flatten)]
    pub network: NetworkArguments,
    /// Where to listen [default: $MASTER_ADDR:$MASTER_PORT, or 127.0.0.1:7447].
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// The folder for the state, the report and the plot.
    #[arg(long, short, value_name = "DIR", default_value = "runs/distributed")]
    pub output: PathBuf,
    /// The state is saved every so many iterations: with 1 none is ever lost.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint: u32,
    /// The folder of another run that has ended, drawn in the same plot: SDBO beside ADBO.
    #[arg(long, alias = "beside", value_name = "DIR")]
    pub compare_with: Option<PathBuf>,
    /// A file that gets a line of JSON for each iteration: who was heard, and when.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "task", "method", "data", "workers", "active", "staleness", "samples", "corruption", "seed",
        "seconds", "iterations", "refresh", "eval_every", "dim", "on_loss", "min_live", "patience"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    #[command(flatten)]
    pub problem: DistributedProblem,
    #[command(flatten)]
    pub network: NetworkArguments,
    /// Where the master listens [default: $MASTER_ADDR:$MASTER_PORT, or 127.0.0.1:7447].
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Option<String>,
    /// Which worker this is, from 0 [default: $RANK or $SLURM_PROCID, less 1].
    #[arg(long, value_name = "ID")]
    pub worker: Option<u32>,
    /// Seconds to wait for a master to listen, and for each reply of it.
    #[arg(long, default_value_t = 600.0, allow_negative_numbers = true)]
    pub patience: f64,
    /// Milliseconds to wait before each step: a worker that is slow.
    #[arg(long, default_value_t = 0)]
    pub pause: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The folder of a run of `distributed master` that has ended.
    #[arg(long, short, value_name = "DIR", default_value = "runs/distributed")]
    pub output: PathBuf,
}
