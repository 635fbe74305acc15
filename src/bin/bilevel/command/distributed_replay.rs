//! `bilevel distributed replay`: a run over a network once more, in one process.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use bilevel_distributed::communicator::{InProcess, Replay, WorkerId};
use bilevel_distributed::{AdboState, Report, Stop, Worker};
use burn::tensor::backend::Backend;

use crate::args::{MasterSettings, ReplayArguments};
use crate::distributed::{Saved, master_method, task};
use crate::io::output::say;
use crate::io::progress::Progress;
use crate::io::run_folder::RunFolder;

/// How long a thread waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Runs the command.
pub(crate) fn distributed_replay<B: Backend>(
    arguments: &ReplayArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let folder = RunFolder::open(&arguments.output)?;
    let saved = Saved::<MasterSettings>::load(&folder.state())?;
    let settings = &saved.progress.settings;
    ensure!(
        !settings.resumed,
        "a run that was taken up is not replayed: its log does not say where"
    );
    let method = master_method(settings)?;
    let task = task::<B>(&settings.problem, device)?;
    saved.check(&task)?;
    let [state] = &saved.states[..] else {
        unreachable!("a master runs one method")
    };
    let (v, z) = task.start.clone();
    let start = AdboState::new(task.locals.len(), v, z);
    let progress = Progress::new(state.iteration, method.name);
    let (inner, hub) = InProcess::new();
    let again = thread::scope(|scope| {
        for (i, local) in task.locals.iter().enumerate() {
            let mut end = hub.connect(WorkerId(i as u32));
            scope.spawn(move || Worker::new(&**local).serve(&mut end, PATIENCE));
        }
        let mut master = Replay::new(inner, &state.log);
        let mut observer = |_: &AdboState, _: &Report| progress.inc();
        let stop = Stop::after(state.iteration);
        method
            .plan()
            .adbo
            .run(start, &mut master, stop, &mut observer)
    });
    let (again, _) = again?;
    drop(progress);
    // What was taken after the last iteration was not used.
    let log = state.log[..again.log.len().min(state.log.len())].to_vec();
    ensure!(
        again
            == AdboState {
                log,
                ..state.clone()
            },
        "{} iterations of {} once more end elsewhere: were the data or the program others?",
        state.iteration,
        method.name
    );
    say!(
        "{} iterations of {} once more, in one process: the same bits",
        state.iteration,
        method.name
    );
    Ok(ExitCode::SUCCESS)
}
