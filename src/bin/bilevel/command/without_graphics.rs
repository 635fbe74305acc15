//! What `--backend wgpu` and `devices` say where there is no such backend.

use std::process::ExitCode;

use anyhow::{Result, bail};

/// # Errors
/// Always.
pub(crate) fn without_graphics() -> Result<ExitCode> {
    bail!(
        "this program was built without graphics adapters: build it with `cargo install --path . --features wgpu`"
    )
}
