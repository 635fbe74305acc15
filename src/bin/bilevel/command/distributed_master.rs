//! `bilevel distributed master`: waits for workers over a network.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bilevel_distributed::communicator::ZenohMaster;
use burn::tensor::backend::Backend;

use super::distributed_report::{DistributedReport, Row};
use crate::args::{MasterArguments, MasterSettings};
use crate::distributed::{Keep, Launch, Saved, master_method, network, run_master, task};
use crate::io::interrupt::{self, Kept};
use crate::io::output::tell;
use crate::io::progress;
use crate::io::resume::Resume;
use crate::io::run_folder::RunFolder;

/// Runs the command.
pub(crate) fn distributed_master<B: Backend>(
    arguments: &MasterArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let launch = Launch::from_environment()?;
    let old = if arguments.resume {
        let folder = RunFolder::open(&arguments.output)?;
        let saved = Saved::<MasterSettings>::load(&folder.state())?;
        let over = saved.progress.histories[0].ended.is_some();
        ensure!(!over, "the run in {} is over", arguments.output.display());
        Some((saved, folder))
    } else {
        None
    };
    let mut settings = match &old {
        Some((saved, _)) => saved.progress.settings.clone(),
        None => arguments.settings.clone(),
    };
    let problem = &mut settings.problem;
    problem.workers = problem.workers.or(launch.workers);
    let workers = problem.workers();
    problem.workers = Some(workers);
    settings.resumed |= arguments.resume;
    let method = master_method(&settings)?;
    let address = launch.address(arguments.listen.as_ref());
    let network = network(&arguments.network, address)?;
    let beside = arguments.compare_with.as_deref().map(rows).transpose()?;
    let beside = beside.unwrap_or_default();
    let task = task::<B>(&settings.problem, device)?;
    let log = arguments.log.as_ref().map(|path| {
        let file = File::options().append(true).create(true).open(path);
        file.with_context(|| format!("cannot write {}", path.display()))
    });
    let log = log.transpose()?;
    let master = ZenohMaster::listen(&network, workers)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (mut saved, folder) = match old {
        Some(old) => old,
        None => {
            let saved = Saved::new(settings.clone(), &[method.name], &task);
            let folder = RunFolder::create(&arguments.output, arguments.overwrite)?;
            saved.save(&folder.state())?;
            (saved, folder)
        }
    };
    if saved.iterations() == 0 {
        folder.begin()?;
    }
    saved.progress.settings.resumed = settings.resumed;
    if let Some(log) = log.as_ref().filter(|_| !arguments.resume) {
        // A pipe has no length.
        let _ = log.set_len(0);
    }
    let resume = Resume::new("distributed master", &folder);
    let stopped = resume.line("while workers wait");
    // Until its report is written: a run that is over is not resumed.
    let mut held = interrupt::hold();
    held.keep(true, || Ok(Kept::new(stopped.clone(), || Ok(()))))?;
    if !arguments.json && !progress::is_quiet() {
        tell!(
            "listening on {} for {workers} workers of run {}",
            network.address,
            network.run
        );
    }
    let keep = Keep {
        path: &folder.state(),
        every: arguments.checkpoint as usize,
        log,
        quiet: arguments.json,
    };
    if !run_master(&task, &method.plan(), &mut saved, master, keep)? {
        resume.say(&stopped, saved.iterations(), None, arguments.json)?;
        return Ok(interrupt::exit_code());
    }
    let histories = &saved.progress.histories;
    let active = method.plan().adbo.settings().participation.active;
    let report = DistributedReport::new(&settings, [workers, active], &task, histories, None);
    report.finish(&folder, "seconds", arguments.json, &beside)
}

/// The history of the run in a folder.
///
/// # Errors
/// If it cannot be read.
fn rows(folder: &Path) -> Result<Vec<Row>> {
    let names = ["history.jsonl", "course.jsonl"].map(|name| folder.join(name));
    let [path, older] = names;
    let path = if older.exists() && !path.exists() {
        older
    } else {
        path
    };
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: has that run ended?", path.display()))?;
    let rows = text.lines().map(serde_json::from_str).collect();
    let rows: Result<Vec<Row>, _> = rows;
    rows.with_context(|| format!("{} is of no such run", path.display()))
}
