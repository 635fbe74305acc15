//! A run of `clean`: steps, looks at the iterate on the way, and the file it goes on from.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use bilevel_core::algorithm::rule::OracleCalls;
use bilevel_core::{Failure, Iterate, Oracle};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use crate::args::CleanSettings;
use crate::clean::experiment::{CleaningExperiment, Sets, kept};
use crate::clean::method::{Runner, Start, runner};
use crate::clean::preset::Preset;
use crate::io::checksum::Checksum;
use crate::io::file::save;
use crate::io::interrupt::{self, Held, Kept};
use crate::io::progress;
use crate::io::run_folder::RunFolder;
use crate::io::state_file::{Counters, load_state, record, restore, save_state};

/// [`OracleCalls`], as they are written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "OracleCalls")]
struct CallsRecord {
    lower_gradients: u64,
    upper_gradients: u64,
    hessian_products: u64,
    cross_products: u64,
    blocks: u64,
}

/// What a run has cost at a moment.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Steps taken.
    pub step: usize,
    /// Time spent on them.
    pub seconds: f64,
    #[serde(with = "CallsRecord")]
    pub calls: OracleCalls,
}

/// What the counters of a run say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub settings: CleanSettings,
    /// Samples to be cleaned, trusted.
    samples: [usize; 2],
    /// Of their features and labels.
    checksum: u32,
    spent: Spent,
    /// When the iterate was evaluated.
    #[serde(alias = "looks")]
    evaluations: Vec<Spent>,
}

impl Counters for Progress {
    const KEY: &'static str = "bilevel-cleaning";
}

/// A run that was saved.
pub(crate) struct Saved {
    pub progress: Progress,
    run: Vec<u8>,
    seen: Vec<u8>,
}

impl Saved {
    /// From the file that a run leaves.
    ///
    /// # Errors
    /// If it cannot be read, is damaged or that of another kind of run.
    pub fn load(path: &Path) -> Result<Self> {
        let (progress, [run, seen]) = load_state(path, ["run", "seen"])?;
        Ok(Self {
            progress,
            run,
            seen,
        })
    }
}

/// What a run leaves between two steps, beside its state.
pub(crate) struct Leaves<'a, B: Backend> {
    pub folder: &'a RunFolder,
    /// The file of the weights.
    pub weights: &'a dyn Fn(&Iterate<B>) -> Result<Vec<u8>>,
    /// What is said when it stopped after a step.
    pub stopped: &'a dyn Fn(usize) -> String,
}

/// A run between two steps.
pub(crate) struct CleaningRun<'a, B: Backend> {
    oracle: &'a dyn Oracle<B>,
    rule: Box<dyn Runner<B> + 'a>,
    progress: Progress,
    /// Calls before those that the oracle has counted.
    before: OracleCalls,
    /// The iterates that were looked at.
    seen: Vec<Iterate<B>>,
}

/// Why a run ended.
pub(crate) enum End {
    /// All steps were taken.
    Done,
    /// Ctrl-C or `--stop-after`.
    Stopped,
    /// The numbers of a step were of no use.
    Failed(Failure),
}

impl<'a, B: Backend> CleaningRun<'a, B> {
    /// A run before its first step, or where it was `saved`.
    ///
    /// # Errors
    /// If a number of the settings is out of its range, or what was saved is damaged or that of
    /// other samples.
    pub fn new(
        settings: &CleanSettings,
        preset: &Preset,
        sets: &Sets,
        oracle: &'a dyn Oracle<B>,
        start: Iterate<B>,
        saved: Option<Saved>,
        device: &B::Device,
    ) -> Result<Self> {
        let samples = [sets.training.len(), sets.trusted.len()];
        let mut checksum = Checksum::default();
        checksum.add_samples(&sets.training);
        checksum.add_samples(&sets.trusted);
        let checksum = checksum.value();
        let shapes = |pair: &Iterate<B>| (pair.x.shape(), pair.y.shape());
        let expected = shapes(&start);
        let (begin, progress, seen) = match saved {
            Some(saved) => (
                Start::Resumed(saved.run, device.clone()),
                saved.progress,
                restore::<B, _>(saved.seen, device)?,
            ),
            None => {
                let progress = Progress {
                    settings: settings.clone(),
                    samples,
                    checksum,
                    spent: Spent::default(),
                    evaluations: Vec::new(),
                };
                (Start::Fresh(start), progress, Vec::new())
            }
        };
        let Preset { tuning, .. } = preset;
        let rule = runner(settings.method, tuning, oracle, begin, settings.seed)?;
        ensure!(
            progress.samples == samples
                && progress.checksum == checksum
                && shapes(rule.at()) == expected,
            "the samples of {} are not those the run was started with ({} to be cleaned and {} trusted): start again with \
             --overwrite",
            progress.settings.data.display(),
            progress.samples[0],
            progress.samples[1]
        );
        let (step, steps) = (progress.spent.step, preset.steps);
        ensure!(
            step <= steps,
            "the run is at step {step} of {steps}: start again with --overwrite"
        );
        Ok(Self {
            oracle,
            rule,
            before: progress.spent.calls,
            progress,
            seen,
        })
    }

    /// Takes the steps that are left of `steps`, `stop_after` of them at most, and `leaves` its
    /// state and the weights now and then and at the end.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn take_steps(
        &mut self,
        experiment: &dyn CleaningExperiment<B>,
        steps: usize,
        stop_after: Option<usize>,
        leaves: &Leaves<'_, B>,
        held: &mut Held,
    ) -> Result<End> {
        let evaluations = self.progress.settings.snapshots as usize;
        let look_every = (evaluations > 0).then(|| steps.div_ceil(evaluations));
        let first = self.progress.spent.step;
        let bar = progress::Progress::new(steps, "cleaning");
        bar.begin_at(first);
        let mut end = End::Done;
        held.keep(true, || self.kept(leaves))?;
        if first == 0 {
            held.save()?;
            leaves.folder.begin()?;
            held.save()?; // the weights too
        }
        while self.progress.spent.step < steps {
            let taken = self.progress.spent.step - first;
            if interrupt::pressed() || stop_after.is_some_and(|most| taken >= most) {
                end = End::Stopped;
                break;
            }
            let start = Instant::now();
            let failure = self.rule.step();
            self.progress.spent.seconds += start.elapsed().as_secs_f64();
            self.progress.spent.calls = self.before + self.oracle.calls();
            if let Some(failure) = failure {
                end = End::Failed(failure);
                break;
            }
            self.progress.spent.step += 1;
            bar.inc();
            let Spent { step, calls, .. } = self.progress.spent;
            debug!(step, calls = calls.total(), "step");
            let look = look_every.is_some_and(|every| step.is_multiple_of(every));
            if look {
                self.progress.evaluations.push(self.progress.spent);
                self.seen.push(self.at().clone());
            }
            held.keep(look, || self.kept(leaves))?;
            if look {
                held.save()?;
                let kept = kept(&experiment.weights(self.at()));
                let count = kept.iter().filter(|kept| **kept).count();
                info!(step, kept = count, samples = kept.len(), "weights");
                bar.set_message(format!("keeps {count} of {}", kept.len()));
            }
        }
        drop(bar);
        held.keep(true, || self.kept(leaves))?;
        held.save()?;
        Ok(end)
    }

    /// The iterate.
    pub fn at(&self) -> &Iterate<B> {
        self.rule.at()
    }

    /// What was spent.
    pub fn spent(&self) -> Spent {
        self.progress.spent
    }

    /// The iterates that were looked at, and the last, each with what was spent up to it.
    pub fn history(&self) -> Vec<(Spent, Iterate<B>)> {
        let evaluations = self.progress.evaluations.iter().copied();
        let mut history: Vec<_> = evaluations.zip(self.seen.iter().cloned()).collect();
        let spent = self.spent();
        if history
            .last()
            .is_none_or(|(look, _)| look.step < spent.step)
        {
            history.push((spent, self.at().clone()));
        }
        history
    }

    /// How the run is saved as it is now.
    fn kept(&self, leaves: &Leaves<'_, B>) -> Result<Kept> {
        let progress = self.progress.clone();
        let records = [
            ("run", self.rule.save()?),
            ("seen", record::<B, _>(self.seen.clone())?),
        ];
        let weights = (leaves.weights)(self.at())?;
        let files = (leaves.folder.state(), leaves.folder.weights());
        let line = (leaves.stopped)(progress.spent.step);
        Ok(Kept::new(line, move || {
            save_state(&files.0, &progress, &records)?;
            save(&files.1, &weights)
        }))
    }
}
