//! `bilevel`: learn image regularizers and denoise with them, from the command line.

mod arguments;
mod audit_report;
mod ball;
mod baseline;
mod cleaning;
mod cleaning_preset;
mod cleaning_run;
mod command;
mod comparison;
mod contender;
mod contest;
mod data;
mod degradation;
mod distributed;
mod draw;
mod estimator;
mod few_shot;
mod interrupt;
mod method;
mod metrics;
mod model_file;
mod quadratic_preset;
mod recipe;
mod reconstruct;
mod run_folder;
mod score;
mod small_problem;
mod state_file;
mod steps;
mod task;
mod tensor_file;
mod training;

use std::error::Error;
use std::process::ExitCode;

use anyhow::anyhow;
use bilevel_backend::{Cpu, NdArray};
use burn::tensor::backend::Backend;
use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use task::TaskName;

use arguments::{
    Arguments, AuditTask, BackendName, BenchTask, Command, CompareTask, DistributedPlace,
    FewShotTask, SingleCommand, TrainTask,
};

/// Tensors come and go by the megabyte; the system's allocator hands each back to the kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cpu::join_pool();
    let result = match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) => Err(in_one_line(error)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
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
            BackendName::Cpu | BackendName::Ndarray if $device != 0 => {
                Err(anyhow!("--device: `cpu` and `ndarray` have only the device 0"))
            }
            BackendName::Cpu => $($function)::+::<Cpu>($argument, &Default::default()),
            BackendName::Ndarray => $($function)::+::<NdArray<f32>>($argument, &Default::default()),
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => {
                let adapter = bilevel_backend::adapter($device)?;
                $($function)::+::<bilevel_backend::Wgpu>($argument, &adapter.device)
            }
            #[cfg(not(feature = "wgpu"))]
            BackendName::Wgpu => command::without_graphics(),
        }
    };
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let device = arguments.device;
    match (arguments.command, arguments.backend) {
        // These compute in f64 on `NdArray`, which must not meet `NdArray<f32>` in one process.
        (Command::Audit { task }, _) => {
            let AuditTask::Denoise(arguments) = task;
            command::audit(&arguments)
        }
        (Command::Bench { task }, _) => {
            let BenchTask::Stochastic(arguments) = task;
            command::bench_stochastic(&arguments)
        }
        (
            Command::Compare {
                task: CompareTask::Estimators(arguments),
            },
            _,
        ) => command::compare_estimators(&arguments),
        (
            Command::Compare {
                task: CompareTask::Algorithms(arguments),
            },
            backend,
        ) => on_backend!(backend, device, command::compare_algorithms(&arguments)),
        (Command::InSingle(command), backend) => on_backend!(backend, device, run_on(command)),
        (Command::Devices, _) => command::devices(),
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
