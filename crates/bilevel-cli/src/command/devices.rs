//! `devices`: what `--backend wgpu` can compute on.

use std::process::ExitCode;

use anyhow::Result;

/// # Errors
/// If there is no adapter, with what to install.
#[cfg(feature = "wgpu")]
pub(crate) fn devices() -> Result<ExitCode> {
    use bilevel_backend::{AdapterError, adapters};

    let adapters = adapters();
    if adapters.is_empty() {
        return Err(AdapterError::None.into());
    }
    for (i, adapter) in adapters.iter().enumerate() {
        println!("{i}: {adapter}");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "wgpu"))]
pub(crate) use super::without_graphics::without_graphics as devices;
