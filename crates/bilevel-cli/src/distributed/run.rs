//! Master and workers in this process, from one checkpoint to the next.
//!
//! A checkpoint is made where planes are refreshed: that waits for all workers, so that nothing is under way, and a run
//! that goes on from there is the run that was not stopped. Delays are drawn anew after each checkpoint, whether the
//! run was stopped there or not.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use bilevel_distributed::communicator::{
    InProcess, Latency, Simulated, SimulationSettings, WorkerId,
};
use bilevel_distributed::{Adbo, AdboState, Observer, Report, Stop, Stopped, Worker};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::{Shared, Task, WorkerTable};
use crate::arguments::{Clock, DistributedSettings};
use crate::interrupt;
use crate::state_file::{Counters, load_state, save_state};

/// How long a thread waits for its master.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A look at the master's z.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub iteration: usize,
    pub seconds: f64,
    /// On the test set.
    pub accuracy: f64,
    /// Mean of the workers' upper losses at their newest known points.
    pub loss: Option<f64>,
    pub planes: usize,
}

/// The course of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub method: String,
    /// Iterations done, and the time they took.
    pub iterations: usize,
    pub seconds: f64,
    /// Numbers sent from workers for their steps, to them, for estimates and for welcomes.
    pub sent: [usize; 4],
    /// The largest counter that an iteration was released with.
    pub stalest: usize,
    /// Why it ended, once it has.
    pub ended: Option<String>,
    /// Whether numbers were not finite.
    pub failed: bool,
    pub looks: Vec<Look>,
}

/// What a run goes on with beside the masters' states.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub settings: DistributedSettings,
    pub courses: Vec<Course>,
}

/// The version of the state file. What it holds is binary: JSON may change the last bit of a number.
#[derive(Debug, Serialize, Deserialize)]
struct Format(u32);

const FORMAT: u32 = 1;

impl Counters for Format {
    const KEY: &'static str = "bilevel-distributed";
}

/// A run at a checkpoint.
pub(crate) struct Saved {
    pub progress: Progress,
    /// The masters' states, with the logs of who was heard.
    pub states: Vec<AdboState>,
}

impl Saved {
    /// # Errors
    /// If the file cannot be read, is damaged or that of another kind of run.
    pub fn load(path: &Path) -> Result<Self> {
        let (Format(version), [progress, states]) = load_state(path, ["progress", "states"])?;
        let name = path.display();
        ensure!(
            version == FORMAT,
            "{name} is of another version: start again with --overwrite"
        );
        let damaged = |e| anyhow!("{name}: {e}: start again with --overwrite");
        Ok(Self {
            progress: postcard::from_bytes(&progress).map_err(damaged)?,
            states: postcard::from_bytes(&states).map_err(damaged)?,
        })
    }

    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let records = [
            ("progress", postcard::to_stdvec(&self.progress)?),
            ("states", postcard::to_stdvec(&self.states)?),
        ];
        save_state(path, &Format(FORMAT), &records)
    }
}

/// A method that is to be run.
pub(crate) struct Plan<'a> {
    pub name: &'static str,
    pub adbo: &'a Adbo,
}

impl Course {
    pub fn new(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            iterations: 0,
            seconds: 0.0,
            sent: [0; 4],
            stalest: 0,
            ended: None,
            failed: false,
            looks: Vec::new(),
        }
    }
}

/// Runs the method in place `k` of `saved` to its end, or until `left` iterations are done or Ctrl-C is pressed; says
/// whether it ended. The state is at `path` after each checkpoint.
///
/// # Errors
/// If the state does not fit the task, or cannot be written.
pub(crate) fn run<B: Backend>(
    task: &Task<B>,
    plan: &Plan<'_>,
    saved: &mut Saved,
    k: usize,
    left: &mut usize,
    path: &Path,
    quiet: bool,
) -> Result<bool> {
    let settings = saved.progress.settings.clone();
    let (n, m) = (task.start.0.len(), task.start.1.len());
    ensure!(
        saved.states[k].v.len() == n && saved.states[k].z.len() == m,
        "the data are not those the run was started with: start again with --overwrite"
    );
    let mut table = WorkerTable::new(plan.name, task.locals.len(), settings.seconds, quiet);
    let block = settings.refresh * settings.checkpoint as usize;
    let most = settings.iterations.unwrap_or(usize::MAX);
    while saved.progress.courses[k].ended.is_none() {
        if *left == 0 || interrupt::pressed() {
            return Ok(false);
        }
        let mut course = saved.progress.courses[k].clone();
        let before = course.seconds;
        let first = course.iterations;
        let state = saved.states[k].clone();
        let stop = Stop {
            iterations: (first / block + 1).saturating_mul(block).min(most),
            time: Duration::from_secs_f64((settings.seconds - before).max(0.0)),
        };
        let mut observer = |state: &AdboState, report: &Report| {
            observe(&mut course, task, &settings, before, state, report);
            let accuracy = course.looks.last().map_or(0.0, |look| look.accuracy);
            table.show(report, course.seconds, accuracy);
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
            why => {
                course.ended = Some(why.to_string());
                course.failed = !matches!(why, Stopped::Iterations | Stopped::Time);
                look(&mut course, task, &state);
            }
        }
        saved.progress.courses[k] = course;
        saved.states[k] = state;
        saved.save(path)?;
    }
    Ok(true)
}

fn observe<B: Backend>(
    course: &mut Course,
    task: &Task<B>,
    settings: &DistributedSettings,
    before: f64,
    state: &AdboState,
    report: &Report,
) {
    let last = course.seconds;
    course.seconds = before + report.time.as_secs_f64();
    course.iterations = report.iteration;
    course.stalest = course.stalest.max(report.stalest);
    let traffic = report.traffic;
    let sent = [traffic.up, traffic.down, traffic.estimate, traffic.welcome];
    course
        .sent
        .iter_mut()
        .zip(sent)
        .for_each(|(sum, n)| *sum += n);
    let due = |seconds: f64| (seconds / settings.look).floor();
    if course.looks.is_empty() || due(course.seconds) > due(last) {
        look(course, task, state);
    }
}

fn look<B: Backend>(course: &mut Course, task: &Task<B>, state: &AdboState) {
    if course
        .looks
        .last()
        .is_some_and(|look| look.iteration == course.iterations)
    {
        return;
    }
    course.looks.push(Look {
        iteration: course.iterations,
        seconds: course.seconds,
        accuracy: task.judge(&state.z),
        loss: state
            .upper_loss()
            .map(|loss| loss / task.locals.len() as f64),
        planes: state.planes.len(),
    });
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
                seed: settings.seed.wrapping_add((state.iteration as u64) << 32),
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
