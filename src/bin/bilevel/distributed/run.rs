//! Master and workers in this process, from one checkpoint to the next.
//!
//! A checkpoint is made where planes are refreshed: that waits for all workers, so that nothing is
//! under way, and a run that goes on from there is the run that was not stopped. Delays are drawn
//! anew after each checkpoint, whether the run was stopped there or not.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use bilevel_distributed::communicator::{
    InProcess, Latency, Simulated, SimulationSettings, WorkerId,
};
use bilevel_distributed::{Adbo, AdboState, Observer, Report, Stop, Stopped, Worker};

use super::{Saved, Settings, Shared, Task, WorkerTable};
use crate::args::{Clock, DistributedSettings};
use crate::io::interrupt;

/// How long a thread waits for its master.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Settings for DistributedSettings {
    const FORMAT: &'static str = "local 2";
}

/// A method that is to be run.
pub(crate) struct Plan<'a> {
    pub name: &'static str,
    pub adbo: &'a Adbo,
}

/// Runs the method in place `k` of `saved` to its end, or until `left` iterations are done or
/// Ctrl-C is pressed; says whether it ended. The state is at `path` after each checkpoint.
///
/// # Errors
/// If the state does not fit the task, or cannot be written.
pub(crate) fn run(
    task: &Task,
    plan: &Plan<'_>,
    saved: &mut Saved<DistributedSettings>,
    k: usize,
    left: &mut usize,
    path: &Path,
    quiet: bool,
) -> Result<bool> {
    let settings = saved.progress.settings.clone();
    saved.check(task)?;
    let mut table = WorkerTable::new(plan.name, task.locals.len(), settings.course.seconds, quiet);
    let block = settings.course.refresh * settings.checkpoint as usize;
    let most = settings.course.iterations.unwrap_or(usize::MAX);
    while saved.progress.histories[k].ended.is_none() {
        if *left == 0 || interrupt::pressed() {
            return Ok(false);
        }
        let mut course = saved.progress.histories[k].clone();
        let before = course.seconds;
        let first = course.iterations;
        let state = saved.states[k].clone();
        let stop = Stop {
            iterations: (first / block + 1).saturating_mul(block).min(most),
            time: Duration::from_secs_f64((settings.course.seconds - before).max(0.0)),
        };
        let mut observer = |state: &AdboState, report: &Report| {
            course.observe(task, settings.course.eval_every, before, state, report);
            table.show(report, course.seconds, course.accuracy());
        };
        let (state, stopped) = segment(
            &settings,
            &task.locals,
            plan.adbo,
            state,
            stop,
            &mut observer,
        )?;
        *left = left.saturating_sub(course.iterations - first);
        match stopped {
            Stopped::Iterations if course.iterations < most => {}
            why => course.end(task, &state, why),
        }
        saved.progress.histories[k] = course;
        saved.states[k] = state;
        saved.save(path)?;
    }
    Ok(true)
}

/// From one checkpoint to the next.
fn segment(
    settings: &DistributedSettings,
    locals: &[Shared],
    adbo: &Adbo,
    state: AdboState,
    stop: Stop,
    observer: &mut dyn Observer,
) -> Result<(AdboState, Stopped)> {
    match settings.clock {
        Clock::Simulated => {
            let delays = SimulationSettings {
                latency: Latency::LogNormal {
                    median: Duration::from_secs_f64(settings.delay / 1000.0),
                    sigma: settings.sigma,
                },
                slowness: vec![settings.straggler_factor; settings.stragglers],
                // Other delays than before the checkpoint.
                seed: settings
                    .problem
                    .seed
                    .wrapping_add((state.iteration as u64) << 32),
                ..SimulationSettings::ideal()
            };
            let make = |worker: WorkerId| Worker::new(&*locals[worker.index()]);
            let mut communicator = Simulated::new(delays, locals.len(), make)?;
            Ok(adbo.run(state, &mut communicator, stop, observer)?)
        }
        Clock::Threads => {
            let (mut communicator, hub) = InProcess::new();
            thread::scope(|scope| {
                for (i, local) in locals.iter().enumerate() {
                    let mut end = hub.connect(WorkerId(i as u32));
                    scope.spawn(move || Worker::new(&**local).serve(&mut end, PATIENCE));
                }
                Ok(adbo.run(state, &mut communicator, stop, observer)?)
            })
        }
    }
}
