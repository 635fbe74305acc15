//! `bilevel man`: a manual page for each command.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::Arguments;
use crate::io::output::{say, shown};

/// Runs the command.
pub(crate) fn man(folder: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .with_context(|| format!("cannot write to {}: give another folder", folder.display()))?;
    say!("manual pages: {}", shown(folder));
    Ok(ExitCode::SUCCESS)
}
