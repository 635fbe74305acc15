//! The program `bilevel`: image regularizers, data cleaning, few-shot learning, audits and
//! comparisons.
// Macros that panic where nobody reads: `output` has others.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(fuzzing, no_main, allow(dead_code))]

mod args;
mod clean;
mod command;
mod compare;
#[cfg(any(test, fuzzing))]
mod damage;
mod distributed;
mod few_shot;
mod imaging;
mod io;
mod plot;
mod training;

use std::error::Error;
use std::process::ExitCode;

use anyhow::anyhow;
use bilevel_backend::Cpu;
use burn::tensor::backend::Backend;
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use tracing::info;

use io::output::{one_line, tell};
use io::{interrupt, logging, progress};
use training::task::TaskName;

use args::{
    Arguments, AuditTask, BackendName, BenchTask, Command, CompareTask, DistributedPlace,
    FewShotTask, SingleCommand, TrainTask,
};

/// Tensors come and go by the megabyte; the system's allocator hands each back to the kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cpu::join_pool();
    let result = interrupt::watch().and_then(|()| match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) => Err(in_one_line(error)),
    });
    result.unwrap_or_else(|error| {
        tell!("error: {}", one_line(&format!("{error:#}")));
        ExitCode::from(2)
    })
}

/// A value that cannot be, in one line; other mistakes, and calls for help, are left to clap.
fn in_one_line(error: clap::Error) -> anyhow::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    };
    let named = text(ContextKind::InvalidArg).zip(text(ContextKind::InvalidValue));
    match (named, error.get(ContextKind::ValidValue), error.source()) {
        (Some((argument, value)), Some(ContextValue::Strings(names)), _) => {
            anyhow!("{argument}: `{value}` is none of {}", names.join(", "))
        }
        (Some((argument, value)), _, Some(why)) => anyhow!("{argument}: `{value}`: {why}"),
        _ => error.exit(),
    }
}

/// `function::<B>(argument, &device)` for the type `B` that the name stands for.
macro_rules! on_backend {
    ($name:expr, $device:expr, $($function:ident)::+ ($argument:expr)) => {
        match $name {
            BackendName::Cpu if $device != 0 => Err(anyhow!("--device: `cpu` has only the device 0")),
            BackendName::Cpu => {
                info!(threads = rayon::current_num_threads(), "computing in f32 on the processor");
                $($function)::+::<Cpu>($argument, &Default::default())
            }
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => {
                let adapter = bilevel_backend::adapter($device)?;
                info!(%adapter, "computing in f32 on a graphics adapter");
                $($function)::+::<bilevel_backend::Wgpu>($argument, &adapter.device)
            }
            #[cfg(not(feature = "wgpu"))]
            BackendName::Wgpu => command::without_graphics(),
        }
    };
}

/// Makes the processor compute in `f64`.
fn use_f64() -> anyhow::Result<()> {
    info!(
        threads = rayon::current_num_threads(),
        "computing in f64 on the processor"
    );
    Ok(Cpu::use_f64()?)
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::start(arguments.quiet, arguments.verbose)?;
    if arguments.quiet {
        progress::be_quiet();
    }
    let device = arguments.device;
    match (arguments.command, arguments.backend) {
        (Command::Audit { task }, _) => {
            use_f64()?;
            let AuditTask::Denoise(arguments) = task;
            command::audit(&arguments)
        }
        (Command::Bench { task }, _) => {
            use_f64()?;
            let BenchTask::Stochastic(arguments) = task;
            command::bench_stochastic(&arguments)
        }
        (
            Command::Compare {
                task: CompareTask::Estimators(arguments),
            },
            _,
        ) => {
            use_f64()?;
            command::compare_estimators(&arguments)
        }
        (
            Command::Compare {
                task: CompareTask::Algorithms(arguments),
            },
            backend,
        ) => on_backend!(backend, device, command::compare_algorithms(&arguments)),
        (Command::InSingle(command), backend) => on_backend!(backend, device, run_on(command)),
        (Command::Devices, _) => command::devices(),
        (Command::Methods { json }, _) => command::methods(json),
        (Command::Completions { shell }, _) => command::completions(shell),
        (Command::Man { folder }, _) => command::man(&folder),
    }
}

fn run_on<B: Backend>(command: SingleCommand, device: &B::Device) -> anyhow::Result<ExitCode> {
    match command {
        SingleCommand::Train { task } => {
            let (task, arguments) = match task {
                TrainTask::Denoise(arguments) => (TaskName::Denoise, arguments),
                TrainTask::Deblur(arguments) => (TaskName::Deblur, arguments),
                TrainTask::Inpaint(arguments) => (TaskName::Inpaint, arguments),
                TrainTask::Upscale(arguments) => (TaskName::Upscale, arguments),
            };
            command::train::<B>(task, &arguments, device)
        }
        SingleCommand::FewShot { task } => match task {
            FewShotTask::Train(arguments) => command::few_shot_train::<B>(&arguments, device),
            FewShotTask::Evaluate(arguments) => command::few_shot_evaluate::<B>(&arguments, device),
            FewShotTask::Adapt(arguments) => command::few_shot_adapt::<B>(&arguments, device),
        },
        SingleCommand::Clean(arguments) => command::clean::<B>(&arguments, device),
        SingleCommand::Distributed { place } => match place {
            DistributedPlace::Local(arguments) => {
                command::distributed_local::<B>(&arguments, device)
            }
            DistributedPlace::Replay(arguments) => {
                command::distributed_replay::<B>(&arguments, device)
            }
            #[cfg(feature = "zenoh")]
            DistributedPlace::Master(arguments) => {
                command::distributed_master::<B>(&arguments, device)
            }
            #[cfg(feature = "zenoh")]
            DistributedPlace::Worker(arguments) => {
                command::distributed_worker::<B>(&arguments, device)
            }
            #[cfg(not(feature = "zenoh"))]
            DistributedPlace::Master(_) | DistributedPlace::Worker(_) => command::without_network(),
        },
        SingleCommand::Evaluate(arguments) => command::evaluate::<B>(&arguments, device),
        SingleCommand::Denoise(arguments) => command::reconstruct::<B>(&arguments.into(), device),
        SingleCommand::Reconstruct(arguments) => command::reconstruct::<B>(&arguments, device),
    }
}
