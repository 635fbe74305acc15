//! What a comparison leaves behind.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::io::run_folder::Claim;

/// The files of a comparison.
pub(super) struct Files {
    /// The numbers.
    pub csv: PathBuf,
    /// The numbers, one JSON object a line.
    pub jsonl: PathBuf,
    /// Without `.svg` or `.png`.
    pub picture: PathBuf,
    _claim: Claim,
}

impl Files {
    /// Files called `name`.
    ///
    /// # Errors
    /// If the folder already holds them (unless `overwrite`), or cannot be written to.
    pub fn new(folder: &Path, name: &str, overwrite: bool) -> Result<Self> {
        let claim = Claim::new(folder)?;
        let file = |end: &str| folder.join(format!("{name}{end}"));
        let old = [".csv", ".jsonl", ".png", ".svg"];
        if !overwrite && old.iter().any(|end| file(end).exists()) {
            bail!(
                "{} already holds a comparison: replace it with --overwrite, or give another \
                 --output",
                folder.display()
            );
        }
        Ok(Self {
            _claim: claim,
            csv: file(".csv"),
            jsonl: file(".jsonl"),
            picture: file(""),
        })
    }
}
