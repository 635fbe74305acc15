//! States in files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::AdboState;
use crate::error::{Error, ErrorKind};
use crate::message::{decode, encode};

/// Where a run keeps its state, and how often it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The file. Another one beside it is written first and takes its place when it is whole.
    pub path: PathBuf,
    /// Every so many iterations, and at the end. With 1 no iteration is ever lost.
    pub every: usize,
}

/// A file's word for what it is.
#[derive(Serialize, Deserialize)]
struct File<S> {
    kind: String,
    state: S,
}

const KIND: &str = "ADBO";

impl AdboState {
    /// Writes the state: the file is the old one or the new one, whenever the machine stops.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let file = File {
            kind: KIND.to_owned(),
            state: self,
        };
        let bytes = encode(&file);
        let write = || {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e: std::io::Error| failed(path, &e))
    }

    /// The state of a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not one of ours, whole and unchanged.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|e| failed(path, &e))?;
        let file: File<Self> = decode(&bytes, usize::MAX).map_err(|e| failed(path, &e))?;
        if file.kind != KIND {
            return Err(failed(path, &format!("it is of a run of {}", file.kind)));
        }
        Ok(file.state)
    }
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    ErrorKind::Checkpoint {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
    .into()
}
