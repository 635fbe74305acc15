//! What can be typed.

mod algorithms;
mod bench;
mod clean;
mod count;
mod distributed;
mod distributed_network;
mod estimators;
mod few_shot;
mod reconstruct;
mod train;
mod tuning;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use count::count;

pub(crate) use algorithms::CompareAlgorithmsArguments;
pub(crate) use bench::BenchStochasticArguments;
pub(crate) use clean::{CleanArguments, CleanSettings};
pub(crate) use distributed::{
    Clock, DistributedCourse, DistributedLocalArguments, DistributedProblem, DistributedSettings,
    DistributedTaskName, MethodChoice, check_seconds,
};
#[cfg(feature = "zenoh")]
pub(crate) use distributed_network::NetworkArguments;
pub(crate) use distributed_network::{
    Loss, MasterArguments, MasterSettings, OneMethod, ReplayArguments, WorkerArguments,
};
pub(crate) use estimators::{AuditArguments, CompareEstimatorsArguments, SmallProblemArguments};
pub(crate) use few_shot::{
    FewShotAdaptArguments, FewShotEvaluateArguments, FewShotPreset, FewShotTrainArguments,
};
pub(crate) use reconstruct::{
    DenoiseArguments, EvaluateArguments, PhysicsArguments, PhysicsName, ReconstructArguments,
};
pub(crate) use train::{Preset, TrainArguments};
pub(crate) use tuning::TuningArguments;

use crate::io::version::with_features;

/// Under which help lists what every command takes.
const GLOBAL: &str = "Global options";

/// Learn image regularizers and few-shot learners by bilevel optimization and use them, clean data.
#[derive(Debug, Parser)]
#[command(name = "bilevel", version, long_version = with_features(), max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to compute; `audit`, `bench` and `compare estimators` compute in f64 on all cores,
    /// whatever is said here.
    #[arg(long, value_enum, default_value = "cpu", global = true, help_heading = GLOBAL)]
    pub backend: BackendName,
    /// Which graphics adapter, with `--backend wgpu`: a number in the list of `bilevel devices`.
    #[arg(long, value_name = "N", default_value_t = 0, global = true, help_heading = GLOBAL)]
    pub device: usize,
    /// Show no progress; results and errors are printed all the same.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Tell on standard error what is loaded, computed and written; twice: of every step too. The
    /// environment variable RUST_LOG says it in detail, as `bilevel=debug,warn`.
    #[arg(
        long,
        short,
        action = ArgAction::Count,
        global = true,
        help_heading = GLOBAL,
        conflicts_with = "quiet"
    )]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BackendName {
    /// f32 on all cores.
    Cpu,
    /// f32 on a graphics adapter, by Vulkan or Metal (needs the cargo feature `wgpu`).
    Wgpu,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    InSingle(SingleCommand),
    /// Is a hypergradient right? Compare it with differences of the solved problem, in f64.
    ///
    /// Exits with 0 if the hypergradient is sound, with 1 if it is not.
    Audit {
        #[command(subcommand)]
        task: AuditTask,
    },
    /// How fast are methods on a problem whose answer is known?
    Bench {
        #[command(subcommand)]
        task: BenchTask,
    },
    /// What do estimators of the hypergradient, or whole algorithms, cost, and how good are they?
    Compare {
        #[command(subcommand)]
        task: CompareTask,
    },
    /// List the update rules, their papers, and with which numbers `bench stochastic` and `clean`
    /// run them.
    Methods {
        /// Print one JSON array and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// List the graphics adapters that `--backend wgpu --device N` can compute on.
    #[cfg_attr(not(feature = "wgpu"), command(hide = true))]
    Devices,
    /// Print what a shell needs to complete calls: `bilevel completions bash > FILE`.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write manual pages, one for each command.
    Man {
        /// The folder for them.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// What computes in f32 on the backend of choice.
#[derive(Debug, Subcommand)]
pub(crate) enum SingleCommand {
    /// Learn a regularizer from clean images.
    Train {
        #[command(subcommand)]
        task: TrainTask,
    },
    /// Learn to learn from a few pictures, and use it.
    FewShot {
        #[command(subcommand)]
        task: FewShotTask,
    },
    /// Find the labels of a data set that are wrong, with the help of a few that are known to be
    /// right.
    Clean(CleanArguments),
    /// Solve a problem whose data lie on many workers, without waiting for the slow ones.
    Distributed {
        #[command(subcommand)]
        place: DistributedPlace,
    },
    /// Degrade clean images as a model was trained to undo, reconstruct them, report PSNR and SSIM.
    Evaluate(EvaluateArguments),
    /// Denoise a photograph, or every photograph of a folder.
    Denoise(DenoiseArguments),
    /// Undo what happened to a photograph: noise, blur, lost pixels, half of the resolution.
    Reconstruct(ReconstructArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum FewShotTask {
    /// Learn over many small tasks how to learn from a few pictures.
    Train(FewShotTrainArguments),
    /// How often is a model right on tasks of classes it never saw?
    Evaluate(FewShotEvaluateArguments),
    /// Learn from a folder with a few pictures of each class, and say what other pictures show.
    Adapt(FewShotAdaptArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DistributedPlace {
    /// Master and workers in this process; compares ADBO with the synchronous SDBO and with one
    /// process.
    Local(Box<DistributedLocalArguments>),
    /// The master of a run whose workers are processes, on this machine or others.
    #[cfg_attr(not(feature = "zenoh"), command(hide = true))]
    Master(Box<MasterArguments>),
    /// A worker of such a run.
    #[cfg_attr(not(feature = "zenoh"), command(hide = true))]
    Worker(Box<WorkerArguments>),
    /// Such a run once more in one process, from the log of who was heard when: it must end with
    /// the same bits.
    Replay(ReplayArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditTask {
    /// On learning to remove Gaussian noise. Always in f64 on all cores, whatever --backend says.
    Denoise(AuditArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchTask {
    /// All update rules on random quadratics: 1024 samples of each loss, 100 entries of x and of y.
    /// Always in f64 on all cores, whatever --backend says.
    Stochastic(BenchStochasticArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CompareTask {
    /// All estimators of one hypergradient, that of learning to remove Gaussian noise. Always in
    /// f64 on all cores, whatever --backend says.
    #[command(alias = "denoise")]
    Estimators(CompareEstimatorsArguments),
    /// MAID, ISGD and HOAG on learning to remove Gaussian noise from a few crops, at the same cost.
    Algorithms(CompareAlgorithmsArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrainTask {
    /// Learn to remove Gaussian noise.
    Denoise(TrainArguments),
    /// Learn to undo a blur, with noise after it.
    Deblur(TrainArguments),
    /// Learn to fill in lost pixels, the others being noisy.
    Inpaint(TrainArguments),
    /// Learn to double the resolution, with noise after it was halved.
    Upscale(TrainArguments),
}
