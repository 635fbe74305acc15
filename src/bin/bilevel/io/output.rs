//! What the program says: results on standard output, everything else on standard error.
//!
//! The macros of the standard library panic where nobody reads any more. Here a closed standard
//! output ends the program without a word, as it ends other tools of a shell, and a closed
//! standard error is nobody's loss. Progress bars make room for each line. Names of files and
//! classes come from elsewhere: what a terminal would take for a command is escaped.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;

use crate::io::interrupt::leave;
use crate::io::progress::aside;

/// What a shell reports of a tool that wrote where nobody reads: 128 + SIGPIPE.
const CLOSED: u8 = 141;

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::io::output::to_output(format_args!($($text)*))
    };
}

/// Prints a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::io::output::to_error(format_args!($($text)*))
    };
}

pub(crate) use {say, tell};

/// `text` with every control character but line ends and tabs escaped.
fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(text, harmful))
}

/// `text` as a part of one line: line ends and other control characters are escaped.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(text, char::is_control))
}

/// A path as a part of one line.
pub(crate) fn shown(path: &Path) -> String {
    one_line(&path.display().to_string()).into_owned()
}

/// `text` with the characters escaped that are `harmful`.
fn escaped(text: &str, harmful: impl Fn(char) -> bool) -> String {
    let shown = |c: char| match harmful(c) {
        // As JSON escapes them, which may be what the text is.
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// See [`say`].
pub(crate) fn to_output(text: Arguments<'_>) {
    let written = aside(|| {
        let text = text.to_string();
        let mut out = stdout().lock();
        writeln!(out, "{}", harmless(&text)).and_then(|()| out.flush())
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
    let line = format!("{}\n", harmless(&text.to_string()));
    // Where standard error cannot be written to there is nobody to tell.
    let _ = aside(|| stderr().write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_the_terminal_are_escaped() {
        assert_eq!(harmless("two\nlines,\ttab"), "two\nlines,\ttab");
        assert_eq!(harmless("a\u{1b}[31mb\u{9b}2J"), "a\\u001b[31mb\\u009b2J");
        assert_eq!(one_line("two\nlines\r"), "two\\u000alines\\u000d");
        assert_eq!(one_line("Größe ±"), "Größe ±");
    }
}
