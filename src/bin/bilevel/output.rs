//! What the program says: results on standard output, everything else on standard error.
//!
//! The macros of the standard library panic where nobody reads any more. Here a closed standard
//! output ends the program without a word, as it ends other tools of a shell, and a closed
//! standard error is nobody's loss. Progress bars make room for each line.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

use crate::interrupt::leave;
use crate::progress::aside;

/// What a shell reports of a tool that wrote where nobody reads: 128 + SIGPIPE.
const CLOSED: u8 = 141;

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::to_output(format_args!($($text)*))
    };
}

/// Prints a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::output::to_error(format_args!($($text)*))
    };
}

pub(crate) use {say, tell};

/// See [`say`].
pub(crate) fn to_output(text: Arguments<'_>) {
    let written = aside(|| {
        let mut out = stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush())
    });
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => leave(CLOSED),
        Err(error) => {
            tell!("error: cannot write to standard output: {error}");
            leave(2)
        }
    }
}

/// See [`tell`].
pub(crate) fn to_error(text: Arguments<'_>) {
    let line = format!("{text}\n");
    // Where standard error cannot be written to there is nobody to tell.
    let _ = aside(|| stderr().write_all(line.as_bytes()));
}
