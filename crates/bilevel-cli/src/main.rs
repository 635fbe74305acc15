//! `bilevel`: learn image regularizers and denoise with them, from the command line.

mod arguments;
mod baseline;
mod command;
mod draw;
mod interrupt;
mod metrics;
mod model_file;
mod recipe;
mod reconstruct;
mod run_folder;
mod score;
mod state_file;
mod training;

use std::process::ExitCode;

use bilevel_backend::{Cpu, NdArray};
use burn::tensor::backend::Backend;
use clap::Parser;

use arguments::{Arguments, BackendName, Command, TrainTask};

/// Tensors come and go by the megabyte; the system's allocator hands each back to the kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.backend {
        BackendName::Cpu => run::<Cpu>(arguments.command),
        BackendName::Ndarray => run::<NdArray<f32>>(arguments.command),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run<B: Backend>(command: Command) -> anyhow::Result<ExitCode> {
    let device = B::Device::default();
    match command {
        Command::Train {
            task: TrainTask::Denoise(arguments),
        } => command::train::<B>(&arguments, &device),
        Command::Evaluate(arguments) => command::evaluate::<B>(&arguments, &device),
        Command::Denoise(arguments) => command::denoise::<B>(&arguments, &device),
    }
}
