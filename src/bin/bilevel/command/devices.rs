//! `devices`: what `--backend wgpu` can compute on.

use std::process::ExitCode;

use anyhow::Result;
use bilevel_backend::{AdapterError, adapters};

use crate::io::output::say;

/// # Errors
/// If there is no adapter, with what to install.
pub(crate) fn devices() -> Result<ExitCode> {
    let adapters = adapters();
    if adapters.is_empty() {
        return Err(AdapterError::None.into());
    }
    for (i, adapter) in adapters.iter().enumerate() {
        say!("{i}: {adapter}");
    }
    Ok(ExitCode::SUCCESS)
}
