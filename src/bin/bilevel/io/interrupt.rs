//! Signals that ask the program to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP.
//!
//! A command that has nothing to lose ends at once: its files are written whole or not at all. A
//! command with a long loop holds the signal. The loop asks between steps whether it shall stop,
//! and then ends in its own way. A step may take longer than anybody waits, so the loop keeps here
//! how its last complete step is saved. If it has not ended [`GRACE`] after the signal, that is
//! done from here and the program ends. A second signal ends the program at once.

use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::io::output::{one_line, tell};
use crate::io::progress::{seconds_of, take_down};

/// How long a loop has to end in its own way.
const GRACE: Duration = Duration::from_millis(1500);
/// How long a file that is being written is waited for in the end.
const LAST_FILE: Duration = Duration::from_millis(400);
/// Keeping takes one part in so many of the time, at most.
const PARTS: u32 = 50;
/// Seconds from one state on the disk to the next, at most, but for the length of a step.
const SAVES: f64 = 30.0;
/// An environment variable: the same, for tests.
const SAVES_VARIABLE: &str = "BILEVEL_SAVE_SECONDS";

/// The signal that came first, 0 before it.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What would be lost by ending now.
static WORK: Mutex<Work> = Mutex::new(Work::None);
/// Shared by those who write files, owned by who ends the program.
static FILES: RwLock<()> = RwLock::new(());

enum Work {
    /// Nothing.
    None,
    /// Nothing, and the line says how to go on.
    Saved(String),
    /// The steps of a loop.
    Steps(Option<Kept>),
}

/// How the last complete step is saved.
pub(crate) struct Kept {
    line: String,
    save: Box<dyn Fn() -> Result<()> + Send>,
}

impl Kept {
    /// `save` writes the state, `line` says where the run stopped and how to go on.
    pub fn new(line: String, save: impl Fn() -> Result<()> + Send + 'static) -> Self {
        let save = Box::new(save);
        Self { line, save }
    }
}

/// From now on signals are waited for.
///
/// # Errors
/// If the system refuses.
pub(crate) fn watch() -> Result<()> {
    listen().context("cannot listen for signals")
}

#[cfg(unix)]
fn listen() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = vec![SIGINT, SIGTERM];
    signals.extend((!outlives_terminal()).then_some(SIGHUP));
    let mut signals = signal_hook::iterator::Signals::new(signals)?;
    let wait = move || signals.forever().for_each(received);
    thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen() -> Result<(), ctrlc::Error> {
    const SIGINT: i32 = 2;
    ctrlc::set_handler(|| received(SIGINT))
}

/// Whether the program was started by `nohup`: SIGHUP was ignored before it began.
#[cfg(target_os = "linux")]
fn outlives_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (signal_hook::consts::SIGHUP - 1)) != 0)
}

/// Whether the program may have been started by `nohup`, which takes standard error off the
/// terminal.
#[cfg(all(unix, not(target_os = "linux")))]
fn outlives_terminal() -> bool {
    use std::io::IsTerminal;
    !std::io::stderr().is_terminal()
}

fn received(signal: i32) {
    let first = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    if first.is_err() {
        leave(code());
    }
    // Not on this thread, which has to hear a second signal.
    thread::spawn(end);
}

fn end() {
    if matches!(*work(), Work::Steps(_)) {
        thread::sleep(GRACE);
    }
    // Never given back: whoever would save now waits for the end.
    let work = work();
    let mut code = code();
    take_down();
    match &*work {
        Work::None | Work::Steps(None) => {}
        Work::Saved(line) => tell!("{line}"),
        Work::Steps(Some(kept)) => match (kept.save)() {
            Ok(()) => tell!("{}", kept.line),
            Err(error) => {
                tell!("error: {}", one_line(&format!("{error:#}")));
                code = 2;
            }
        },
    }
    let start = Instant::now();
    while start.elapsed() < LAST_FILE {
        match FILES.try_write() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            _owned => leave(code),
        }
    }
    leave(code)
}

/// Ends the program without what is otherwise done at its end: other threads still compute.
pub(crate) fn leave(code: u8) -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(code.into());
    #[cfg(not(unix))]
    std::process::exit(code.into())
}

fn work() -> MutexGuard<'static, Work> {
    WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a signal came.
pub(crate) fn pressed() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

fn code() -> u8 {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => 0,
        signal => 128 + signal as u8,
    }
}

/// The code to end with: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 without a
/// signal.
pub(crate) fn exit_code() -> ExitCode {
    code().into()
}

/// A file is being written as long as what is returned lives; a signal waits for it.
pub(crate) fn writing() -> RwLockReadGuard<'static, ()> {
    FILES.read().unwrap_or_else(PoisonError::into_inner)
}

/// The right to end in one's own way, until it is dropped.
pub(crate) struct Held {
    /// When it is time to keep the next step.
    next: Option<Instant>,
    /// When what was kept was saved.
    saved: Instant,
    /// From one time that it is saved to the next.
    every: Duration,
}

/// From now on a signal waits for the loop of the caller.
pub(crate) fn hold() -> Held {
    *work() = Work::Steps(None);
    Held {
        next: None,
        saved: Instant::now(),
        every: seconds_of(SAVES_VARIABLE, SAVES),
    }
}

impl Held {
    /// Between two steps: keeps what `make` makes in place of what was kept before.
    ///
    /// Unless it `must`, it skips steps so that all keeping takes a fiftieth of the time.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn keep(&mut self, must: bool, make: impl FnOnce() -> Result<Kept>) -> Result<()> {
        let start = Instant::now();
        let due = self.saved.elapsed() >= self.every;
        if !must && !due && self.next.is_some_and(|next| start < next) {
            return Ok(());
        }
        let kept = make()?;
        let now = Instant::now();
        self.next = Some(now + PARTS * (now - start));
        *work() = Work::Steps(Some(kept));
        if due {
            self.save()?;
        }
        Ok(())
    }

    /// Saves what is kept. [`keep`](Self::keep) does every 30 seconds.
    ///
    /// # Errors
    /// Those of saving.
    pub fn save(&mut self) -> Result<()> {
        if let Work::Steps(Some(kept)) = &*work() {
            (kept.save)()?;
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// Nothing would be lost any more: a signal ends the program at once, with this line.
    pub fn saved(&self, line: String) {
        *work() = Work::Saved(line);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *work() = Work::None;
    }
}
