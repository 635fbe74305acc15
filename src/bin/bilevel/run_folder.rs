//! The folder of a run and the files in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::interrupt::writing;

/// A run's folder. Every file in it opens elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

/// Makes the folder, if it is not there.
///
/// # Errors
/// If it cannot be made or written to.
pub(crate) fn check_writable(folder: &Path) -> Result<()> {
    let _whole = writing();
    let usable = std::fs::create_dir_all(folder).and_then(|()| {
        tempfile::Builder::new()
            .prefix(".writable-")
            .tempfile_in(folder)
    });
    usable.with_context(|| {
        format!(
            "cannot write to {}: give another --output",
            folder.display()
        )
    })?;
    Ok(())
}

/// The files of a run, and what they are.
const FILES: [&str; 14] = [
    "model.safetensors", // the best model so far
    "state.safetensors", // what --resume needs
    "metrics.jsonl",     // one line a step
    "recipe.toml",       // the settings
    "curves.svg",
    "curves.png",
    "filters.png",
    "comparison.png",
    "episode.png",
    "evaluation.json", // the numbers on the test images
    "weights.csv",     // of samples
    "suspects.png",    // the samples of least weight
    "course.jsonl",    // what weights were worth on the way
    "report.json",     // what they are worth
];

impl RunFolder {
    /// A folder for a new run.
    ///
    /// # Errors
    /// If it already holds a run (unless `overwrite`), or cannot be written to.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let run = Self {
            path: path.to_owned(),
        };
        let old: Vec<PathBuf> = FILES
            .iter()
            .map(|name| run.file(name))
            .filter(|file| file.exists())
            .collect();
        if !old.is_empty() && !overwrite {
            bail!(
                "{} already holds a run: go on with --resume, replace it with --overwrite, or \
                 give another --output",
                path.display()
            );
        }
        check_writable(path)?;
        for file in old {
            std::fs::remove_file(&file)
                .with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(run)
    }

    /// The folder of a run to go on with.
    ///
    /// # Errors
    /// If it cannot be written to. Whether there is a run is for the state file to say.
    pub fn open(path: &Path) -> Result<Self> {
        let run = Self {
            path: path.to_owned(),
        };
        if !run.state().exists() {
            bail!(
                "{} holds no run to resume: start one without --resume",
                path.display()
            );
        }
        check_writable(path)?;
        Ok(run)
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
        self.file("state.safetensors")
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
    pub fn course(&self) -> PathBuf {
        self.file("course.jsonl")
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
