//! The folder of a run and the files in it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::io::file::UNFINISHED;
use crate::io::interrupt::writing;

/// A run's folder. Every file in it opens elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _claim: Arc<Claim>,
}

/// The file that is locked as long as a run writes to its folder.
const LOCK: &str = ".lock";

/// The age at which a file that is half written is nobody's any more.
const LEFT: Duration = Duration::from_secs(60);

/// A folder that nobody else writes to as long as this lives.
///
/// The lock is the system's: that of a program that was killed is gone with it.
#[derive(Debug)]
pub(crate) struct Claim {
    _lock: File,
}

impl Claim {
    /// Makes the folder, if it is not there, and removes what a killed program left half written.
    ///
    /// # Errors
    /// If it cannot be made or written to, or another run writes to it.
    pub fn new(folder: &Path) -> Result<Self> {
        let _whole = writing();
        let unusable = || {
            format!(
                "cannot write to {}: give another --output",
                folder.display()
            )
        };
        std::fs::create_dir_all(folder).with_context(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))
            .with_context(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another run writes to {}: wait for its end, or give another --output",
                folder.display()
            ),
            // Some file systems know no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, folder = %folder.display(), "cannot be locked");
            }
        }
        for entry in std::fs::read_dir(folder).with_context(unusable)?.flatten() {
            // What is new may be of a program that writes a picture here and claims nothing.
            let age = entry.metadata().and_then(|data| data.modified()).ok();
            let old = age
                .and_then(|time| time.elapsed().ok())
                .is_some_and(|age| age > LEFT);
            if old && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        // The file of the lock may be of another time.
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)
            .with_context(unusable)?;
        Ok(Self { _lock: lock })
    }
}

/// What `--resume` needs.
const STATE: &str = "state.safetensors";

/// The files of a run, and what they are.
const FILES: [&str; 15] = [
    "model.safetensors", // the best model so far
    STATE,
    "metrics.jsonl", // one line a step
    "recipe.toml",   // the settings
    "curves.svg",
    "curves.png",
    "filters.png",
    "comparison.png",
    "episode.png",
    "evaluation.json", // the numbers on the test images
    "weights.csv",     // of samples
    "suspects.png",    // the samples of least weight
    "history.jsonl",   // evaluations during the run
    "course.jsonl",    // the same, in runs of older versions
    "report.json",     // what they are worth
];

impl RunFolder {
    /// A folder for a new run. What it holds of an older one stays until the new one
    /// [begins](Self::begin).
    ///
    /// # Errors
    /// If it already holds a run (unless `overwrite`), or cannot be written to.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let run = Self::claimed(path)?;
        let old = FILES.iter().any(|name| path.join(name).exists());
        if old && !overwrite {
            bail!(
                "{} already holds a run: go on with --resume, replace it with --overwrite, or \
                 give another --output",
                path.display()
            );
        }
        Ok(run)
    }

    /// The new run has a state: everything else is of an older one and removed.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn begin(&self) -> Result<()> {
        for file in FILES.map(|name| self.file(name)) {
            if file != self.state() && file.exists() {
                std::fs::remove_file(&file)
                    .with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        Ok(())
    }

    fn claimed(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            _claim: Arc::new(Claim::new(path)?),
        })
    }

    /// The folder of a run to go on with.
    ///
    /// # Errors
    /// If it cannot be written to. Whether there is a run is for the state file to say.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(STATE).exists() {
            bail!(
                "{} holds no run to resume: start one without --resume",
                path.display()
            );
        }
        Self::claimed(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        debug_assert!(FILES.iter().any(|file| file.starts_with(name)));
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The best model so far.
    pub fn model(&self) -> PathBuf {
        self.file("model.safetensors")
    }

    /// What `--resume` needs.
    pub fn state(&self) -> PathBuf {
        self.file(STATE)
    }

    /// What was written of the metrics reaches the disk.
    ///
    /// # Errors
    /// If it does not.
    pub fn sync_metrics(&self) -> Result<()> {
        let path = self.metrics();
        let synced = File::options().append(true).open(&path);
        synced
            .and_then(|file| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// One line a step.
    pub fn metrics(&self) -> PathBuf {
        self.file("metrics.jsonl")
    }

    /// The settings.
    pub fn recipe(&self) -> PathBuf {
        self.file("recipe.toml")
    }

    /// The training curves, without `.svg` or `.png`.
    pub fn curves(&self) -> PathBuf {
        self.file("curves")
    }

    /// The learned filters, of models that consist of one bank of them.
    pub fn filters(&self) -> PathBuf {
        self.file("filters.png")
    }

    /// Data, TV, learned, clean.
    pub fn comparison(&self) -> PathBuf {
        self.file("comparison.png")
    }

    /// An episode with what was answered.
    pub fn episode(&self) -> PathBuf {
        self.file("episode.png")
    }

    /// The weights of the samples.
    pub fn weights(&self) -> PathBuf {
        self.file("weights.csv")
    }

    /// The samples of least weight.
    pub fn suspects(&self) -> PathBuf {
        self.file("suspects.png")
    }

    /// What weights were worth on the way.
    pub fn history(&self) -> PathBuf {
        self.file("history.jsonl")
    }

    /// What weights are worth.
    pub fn report(&self) -> PathBuf {
        self.file("report.json")
    }

    /// The numbers on what was never learned from.
    pub fn evaluation(&self) -> PathBuf {
        self.file("evaluation.json")
    }
}
