//! Where runs stand, in a file.

use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use bilevel_distributed::AdboState;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{History, Task};
use crate::io::state_file::{Counters, load_state, save_state};

/// What a kind of run is started with.
pub(crate) trait Settings: Serialize + DeserializeOwned {
    /// Its name, and the version of its file.
    const FORMAT: &'static str;
}

/// What a run goes on with beside the masters' states.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress<S> {
    pub settings: S,
    pub histories: Vec<History>,
}

/// What holds the records. They are binary: JSON may change the last bit of a number.
#[derive(Debug, Serialize, Deserialize)]
struct Format(String);

impl Counters for Format {
    const KEY: &'static str = "bilevel-distributed";
}

/// A run at a checkpoint.
pub(crate) struct Saved<S> {
    pub progress: Progress<S>,
    /// The masters' states, with the logs of who was heard.
    pub states: Vec<AdboState>,
}

impl<S: Settings> Saved<S> {
    /// Of each method, before its first iteration.
    pub fn new(settings: S, methods: &[&str], task: &Task) -> Self {
        let (v, z) = task.start.clone();
        Self {
            progress: Progress {
                settings,
                histories: methods.iter().map(|name| History::new(name)).collect(),
            },
            states: vec![AdboState::new(task.locals.len(), v, z); methods.len()],
        }
    }

    /// # Errors
    /// If the file cannot be read, is damaged or that of another kind of run.
    pub fn load(path: &Path) -> Result<Self> {
        let (Format(format), [progress, states]) = load_state(path, ["progress", "states"])?;
        let name = path.display();
        ensure!(
            format == S::FORMAT,
            "{name} is of another kind of run or version: start again with --overwrite"
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
        save_state(path, &Format(S::FORMAT.to_owned()), &records)
    }

    /// Iterations of all methods so far.
    pub fn iterations(&self) -> usize {
        let histories = self.progress.histories.iter();
        histories.map(|course| course.iterations).sum()
    }

    /// Whether the states are of this task.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self, task: &Task) -> Result<()> {
        let (n, m) = (task.start.0.len(), task.start.1.len());
        ensure!(
            self.states
                .iter()
                .all(|state| state.v.len() == n && state.z.len() == m),
            "the data are not those the run was started with: start again with --overwrite"
        );
        Ok(())
    }
}
