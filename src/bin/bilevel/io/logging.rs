//! What the program tells of its work on standard error when it is asked to: `-v`, `-vv`,
//! `RUST_LOG`.

use std::io::{IsTerminal, Result as IoResult, Write, stderr};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::io::progress::aside;

/// The variable that says what is told; it goes before the flags.
const VARIABLE: &str = "RUST_LOG";

/// From now on events are told: warnings, or more if the call is `verbose`, or less if `quiet`.
///
/// # Errors
/// If `RUST_LOG` is no filter.
pub(crate) fn start(quiet: bool, verbose: u8) -> Result<()> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text).context(VARIABLE)?,
        // Of this program and its libraries; others are asked by the variable.
        _ => EnvFilter::new(match (quiet, verbose) {
            (true, _) => "bilevel=error",
            (false, 0) => "bilevel=warn",
            (false, 1) => "bilevel=info",
            (false, _) => "bilevel=debug",
        }),
    };
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Beside)
        .with_ansi(colours)
        .with_target(false)
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// Standard error, beside the progress bars.
struct Beside;

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        aside(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> IoResult<()> {
        stderr().flush()
    }
}
