//! `bilevel distributed worker`: does what its master says.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use bilevel_distributed::communicator::{WorkerId, ZenohSettings, ZenohWorker};
use bilevel_distributed::{LocalProblem, LowerProducts, UpperGradients, Worker};
use burn::tensor::backend::Backend;

use crate::args::{WorkerArguments, check_seconds};
use crate::distributed::{Launch, network, task};
use crate::io::output::tell;

/// Runs the command.
pub(crate) fn distributed_worker<B: Backend>(
    arguments: &WorkerArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let launch = Launch::from_environment()?;
    let worker = launch.worker(arguments.worker)?;
    let mut problem = arguments.problem.clone();
    problem.workers = problem.workers.or(launch.workers);
    let workers = problem.workers();
    ensure!(workers > 0, "--workers must be at least 1");
    ensure!(
        (worker as usize) < workers,
        "--worker must be below the {workers} workers, got {worker}"
    );
    check_seconds("--patience", arguments.patience)?;
    let patience = Duration::from_secs_f64(arguments.patience);
    let settings = ZenohSettings {
        connect_timeout: patience,
        ..network(
            &arguments.network,
            launch.address(arguments.connect.as_ref()),
        )?
    };
    let local = task::<B>(&problem, device)?
        .locals
        .swap_remove(worker as usize);
    let mut end = ZenohWorker::connect(&settings, WorkerId(worker))?;
    let slow = Slow {
        local: &*local,
        pause: Duration::from_millis(arguments.pause),
    };
    let reason = Worker::new(slow).serve(&mut end, patience)?;
    tell!("worker {worker}: {reason}");
    Ok(ExitCode::SUCCESS)
}

/// Waits before each step.
struct Slow<'a> {
    local: &'a dyn LocalProblem,
    pause: Duration,
}

impl LocalProblem for Slow<'_> {
    fn upper_dim(&self) -> usize {
        self.local.upper_dim()
    }

    fn lower_dim(&self) -> usize {
        self.local.lower_dim()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        std::thread::sleep(self.pause);
        self.local.upper_gradients(x, y)
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        self.local.lower_gradient(v, y)
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        self.local.lower_products(v, y, w)
    }
}
