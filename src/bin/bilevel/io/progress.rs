//! How far a command is: a bar where standard error is a terminal, a line now and then elsewhere.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::io::output::tell;

/// From one line to the next, in seconds.
const LINES: f64 = 30.0;
/// An environment variable: seconds from one line to the next, for tests.
const LINES_VARIABLE: &str = "BILEVEL_PROGRESS_SECONDS";
/// From one sign of life of a spinner to the next.
const TICK: Duration = Duration::from_millis(250);
/// How long it may take to take the bars down.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// All bars that are shown.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on nothing is shown.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether nothing is to be shown.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Where bars are drawn; `None` where they are not, or nothing is to be shown.
pub(crate) fn bars() -> Option<&'static MultiProgress> {
    (!is_quiet() && !BARS.is_hidden()).then_some(&*BARS)
}

/// `write`, while no bar is in its way.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// Takes the bars down for good, in the middle of the work.
pub(crate) fn take_down() {
    let (done, is_done) = channel();
    // Somebody may hold the bars who cannot write: that is not waited for.
    thread::spawn(move || {
        let _ = BARS.clear();
        BARS.set_draw_target(ProgressDrawTarget::hidden());
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(LAST_LOOK);
}

/// How far a piece of work is, shown until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Prints lines until the sender is dropped.
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Of work with `length` parts, called `what`.
    pub fn new(length: usize, what: &'static str) -> Self {
        let template = "{prefix} [{elapsed_precise}] {wide_bar} {pos}/{len}, {eta} left {msg}";
        Self::of(ProgressBar::new(length as u64), template, what)
    }

    /// Of work whose length is not known.
    pub fn spinner(what: &'static str) -> Self {
        let template = "{prefix} [{elapsed_precise}] {spinner}";
        let progress = Self::of(ProgressBar::new_spinner(), template, what);
        if bars().is_some() {
            progress.bar.enable_steady_tick(TICK);
        }
        progress
    }

    fn of(bar: ProgressBar, template: &str, what: &'static str) -> Self {
        let style = ProgressStyle::with_template(template).expect("a valid template");
        let bar = bar.with_style(style).with_prefix(what);
        match bars() {
            Some(bars) => Self {
                bar: bars.add(bar),
                lines: None,
            },
            None => Self {
                lines: (!is_quiet()).then(|| lines(bar.clone())),
                bar,
            },
        }
    }

    /// `parts` are done before the work begins.
    pub fn begin_at(&self, parts: usize) {
        self.bar.set_position(parts as u64);
        self.bar.reset_eta();
    }

    /// One more part is done.
    pub fn inc(&self) {
        self.bar.inc(1);
    }

    /// So many parts are done.
    pub fn set_position(&self, parts: u64) {
        self.bar.set_position(parts);
    }

    /// What is known so far.
    pub fn set_message(&self, message: impl Into<Cow<'static, str>>) {
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.lines.take() {
            drop(end);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
        if let Some(bars) = bars() {
            bars.remove(&self.bar);
        }
    }
}

/// The seconds that a variable of the environment says, or `otherwise` if it says none.
pub(crate) fn seconds_of(variable: &str, otherwise: f64) -> Duration {
    let said = std::env::var(variable).ok();
    let said = said.and_then(|text| text.parse().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    said.filter(|every| !every.is_zero())
        .unwrap_or(Duration::from_secs_f64(otherwise))
}

/// A thread that prints a line now and then, and what ends it when it is dropped.
fn lines(bar: ProgressBar) -> (Sender<()>, JoinHandle<()>) {
    let every = seconds_of(LINES_VARIABLE, LINES);
    let (end, ended) = channel();
    let print = move || {
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            tell!("{}", line(&bar));
        }
    };
    (end, thread::spawn(print))
}

/// Such as `training [02:31] 120/400, 04:10 left, loss 2.1e-3`.
fn line(bar: &ProgressBar) -> String {
    let mut line = format!("{} [{}]", bar.prefix(), clock(bar.elapsed()));
    if let Some(length) = bar.length() {
        let _ = write!(line, " {}/{length}", bar.position());
        let left = bar.eta();
        if !left.is_zero() {
            let _ = write!(line, ", {} left", clock(left));
        }
    }
    let message = bar.message();
    if !message.is_empty() {
        let _ = write!(line, ", {message}");
    }
    line
}

/// Minutes and seconds, and hours where there are any.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_have_hours_where_they_need_them() {
        let clock = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!(clock(0), "00:00");
        assert_eq!(clock(151), "02:31");
        assert_eq!(clock(3600 + 62), "1:01:02");
        assert_eq!(clock(100 * 3600), "100:00:00");
    }

    #[test]
    fn a_line_says_what_is_known() {
        let bar = ProgressBar::hidden().with_prefix("training");
        bar.set_length(400);
        assert_eq!(line(&bar), "training [00:00] 0/400");
        bar.set_message("loss 2.1e-3");
        assert_eq!(line(&bar), "training [00:00] 0/400, loss 2.1e-3");
        let spinner = ProgressBar::new_spinner().with_prefix("auditing");
        assert_eq!(line(&spinner), "auditing [00:00]");
    }
}
