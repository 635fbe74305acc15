//! `bilevel distributed local`: master and workers in one process.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use bilevel_backend::computes_on_threads;
use bilevel_distributed::{Adbo, Sdbo};
use burn::tensor::backend::Backend;
use tracing::info;

use super::distributed_report::DistributedReport;
use crate::args::{
    Clock, DistributedLocalArguments, DistributedSettings, MethodChoice, check_seconds,
};
use crate::distributed::{Plan, Saved, centralised, preset, run, task};
use crate::io::interrupt::{self, Kept};
use crate::io::progress::Progress;
use crate::io::resume::Resume;
use crate::io::run_folder::RunFolder;

/// Runs the command.
pub(crate) fn distributed_local<B: Backend>(
    arguments: &DistributedLocalArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let old = if arguments.resume {
        let folder = RunFolder::open(&arguments.output)?;
        Some((Saved::<DistributedSettings>::load(&folder.state())?, folder))
    } else {
        None
    };
    let settings = match &old {
        Some((saved, _)) => saved.progress.settings.clone(),
        None => arguments.settings.clone(),
    };
    let workers = settings.problem.workers();
    let active = settings.course.active(workers);
    check(&settings, workers, active)?;
    ensure!(
        settings.clock == Clock::Simulated || computes_on_threads::<B>(),
        "--clock threads: a graphics adapter is asked by one thread; use --clock simulated, or --backend cpu"
    );
    let preset = preset(settings.problem.task, &settings.course, workers, active);
    let (adbo, sdbo) = (Adbo::new(preset, workers)?, Sdbo::new(preset, workers)?);
    let adbo = Plan {
        name: "ADBO",
        adbo: &adbo,
    };
    let sdbo = Plan {
        name: "SDBO",
        adbo: sdbo.as_adbo(),
    };
    let plans = match settings.method {
        MethodChoice::Adbo => vec![adbo],
        MethodChoice::Sdbo => vec![sdbo],
        MethodChoice::Both => vec![adbo, sdbo],
    };
    let task = task::<B>(&settings.problem, device)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (mut saved, folder) = match old {
        Some(old) => old,
        None => {
            let names: Vec<_> = plans.iter().map(|plan| plan.name).collect();
            let saved = Saved::new(settings.clone(), &names, &task);
            let folder = RunFolder::create(&arguments.output, arguments.overwrite)?;
            saved.save(&folder.state())?;
            (saved, folder)
        }
    };
    if saved.iterations() == 0 {
        folder.begin()?;
    }
    info!(
        output = %folder.path().display(),
        workers,
        active,
        samples = task.samples[0],
        "solving"
    );
    let resume = Resume::new("distributed local", &folder);
    let stopped = resume.line("at a checkpoint");
    let mut held = interrupt::hold();
    // The last checkpoint is in its file.
    held.keep(true, || Ok(Kept::new(stopped.clone(), || Ok(()))))?;

    let mut left = arguments.stop_after.unwrap_or(usize::MAX);
    for (k, plan) in plans.iter().enumerate() {
        let path = folder.state();
        if !run(&task, plan, &mut saved, k, &mut left, &path, arguments.json)? {
            resume.say(&stopped, saved.iterations(), None, arguments.json)?;
            return Ok(interrupt::exit_code());
        }
    }
    held.saved(stopped.clone());
    let histories = &saved.progress.histories;
    let steps = histories.iter().map(|course| course.iterations).max();
    let steps = steps.unwrap_or(0);
    let progress = Progress::new(steps, "one process");
    let alone = centralised(&task, &preset, steps, progress)?;
    if interrupt::pressed() {
        resume.say(&stopped, saved.iterations(), None, arguments.json)?;
        return Ok(interrupt::exit_code());
    }

    let clock = match settings.clock {
        Clock::Simulated => "seconds of simulated time",
        Clock::Threads => "seconds",
    };
    let report = DistributedReport::new(&settings, [workers, active], &task, histories, alone);
    report.finish(&folder, clock, arguments.json, &[])
}

/// What neither clap nor the method looks at.
fn check(settings: &DistributedSettings, workers: usize, active: usize) -> Result<()> {
    settings.course.check(workers, active)?;
    ensure!(
        settings.stragglers <= workers,
        "--stragglers must be at most the {workers} workers, got {}",
        settings.stragglers
    );
    for (name, value) in [
        ("--delay", settings.delay),
        ("--straggler-factor", settings.straggler_factor),
    ] {
        check_seconds(name, value)?;
    }
    let sigma = settings.sigma;
    ensure!(
        (0.0..=10.0).contains(&sigma),
        "--sigma must be from 0 to 10, got {sigma}"
    );
    Ok(())
}
