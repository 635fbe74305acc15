//! The master of a run over a network.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bilevel_distributed::communicator::{Event, MasterCommunicator, Payload, Stamp};
use bilevel_distributed::{AdboState, Error, ErrorKind, Report, Stop};
use serde::Serialize;

use super::{Plan, Saved, Task, WorkerTable};
use crate::args::MasterSettings;
use crate::io::interrupt;

/// Where a master keeps what it knows.
pub(crate) struct Keep<'a> {
    pub path: &'a Path,
    /// Iterations from one time to the next.
    pub every: usize,
    /// Gets a line for each iteration.
    pub log: Option<File>,
    pub quiet: bool,
}

/// A line of the log.
#[derive(Serialize)]
struct Line<'a> {
    iteration: usize,
    seconds: f64,
    active: &'a [usize],
    lost: &'a [usize],
    staleness: usize,
    planes: usize,
    dropped: u64,
    refused: u64,
}

/// Runs to the end, or until Ctrl-C is pressed; says whether it ended. An iteration is in the log
/// when it is saved.
///
/// # Errors
/// If the state does not fit the task, cannot be written, or the network fails.
pub(crate) fn run_master(
    task: &Task,
    plan: &Plan<'_>,
    saved: &mut Saved<MasterSettings>,
    master: impl MasterCommunicator,
    mut keep: Keep<'_>,
) -> Result<bool> {
    saved.check(task)?;
    let settings = saved.progress.settings.course.clone();
    let mut course = saved.progress.histories[0].clone();
    let before = course.seconds;
    let state = saved.states[0].clone();
    let stop = Stop {
        iterations: settings.iterations.unwrap_or(usize::MAX),
        time: Duration::from_secs_f64((settings.seconds - before).max(0.0)),
    };
    let mut table = WorkerTable::new(plan.name, task.locals.len(), settings.seconds, keep.quiet);
    let failed = RefCell::new(None);
    let mut master = Watched {
        inner: master,
        failed: &failed,
    };
    let mut observer = |state: &AdboState, report: &Report| {
        course.observe(task, settings.eval_every, before, state, report);
        table.show(report, course.seconds, course.accuracy());
        let kept = (|| {
            if report.iteration.is_multiple_of(keep.every) {
                saved.progress.histories[0].clone_from(&course);
                saved.states[0].clone_from(state);
                saved.save(keep.path)?;
            }
            keep.write(report, course.seconds)
        })();
        if let Err(error) = kept {
            failed.borrow_mut().get_or_insert(error);
        }
    };
    let ended = plan.adbo.run(state, &mut master, stop, &mut observer);
    if let Some(error) = failed.take() {
        return Err(error);
    }
    if ended.is_err() && interrupt::pressed() {
        return Ok(false);
    }
    let (state, why) = ended?;
    course.end(task, &state, why);
    saved.progress.histories[0] = course;
    saved.states[0] = state;
    saved.save(keep.path)?;
    Ok(true)
}

impl Keep<'_> {
    fn write(&mut self, report: &Report, seconds: f64) -> Result<()> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let line = serde_json::to_string(&Line {
            iteration: report.iteration,
            seconds,
            active: &report.active,
            lost: &report.lost,
            staleness: report.staleness,
            planes: report.planes,
            dropped: report.dropped,
            refused: report.refused,
        })?;
        writeln!(log, "{line}").context("cannot write the log")
    }
}

/// Ends a run when Ctrl-C is pressed, or something failed. Workers are not told then: they wait for
/// the next master.
struct Watched<'a, C> {
    inner: C,
    failed: &'a RefCell<Option<anyhow::Error>>,
}

/// From one look to the next.
const GLANCE: Duration = Duration::from_millis(200);

impl<C> Watched<'_, C> {
    fn breaks(&self) -> bool {
        interrupt::pressed() || self.failed.borrow().is_some()
    }
}

impl<C: MasterCommunicator> MasterCommunicator for Watched<'_, C> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        loop {
            if self.breaks() {
                return Err(ErrorKind::Closed { side: "master" }.into());
            }
            let glance = self.now() + GLANCE;
            let event = self.inner.next_event(glance.min(deadline))?;
            if event.is_some() || deadline <= glance {
                return Ok(event);
            }
        }
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        self.inner.reply(to, directive);
    }

    fn close(&mut self, farewell: Payload) {
        if !self.breaks() {
            self.inner.close(farewell);
        }
    }
}
