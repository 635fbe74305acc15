//! What the commands over a network say where there is none.

use std::process::ExitCode;

use anyhow::{Result, bail};

/// # Errors
/// Always.
pub(crate) fn without_network() -> Result<ExitCode> {
    bail!(
        "this program was built without a network: build it with `cargo install --path . --features zenoh`"
    )
}
