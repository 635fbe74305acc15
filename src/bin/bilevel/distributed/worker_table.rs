//! The workers while they run, a line each, on a terminal; lines of progress elsewhere.

use std::time::{Duration, Instant};

use bilevel_distributed::Report;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::io::output::tell;
use crate::io::progress;

/// From one drawing to the next.
const REDRAW: Duration = Duration::from_millis(250);
/// Lines of progress a run, where there is no terminal.
const LINES: f64 = 12.0;

/// Shows who is heard.
pub(crate) struct WorkerTable {
    method: &'static str,
    seconds: f64,
    rows: Vec<ProgressBar>,
    all: Option<&'static MultiProgress>,
    heard: Vec<Heard>,
    drawn: Option<Instant>,
    /// When the first report came; a run that goes on does not begin at 0.
    began: Option<f64>,
    next_line: f64,
    quiet: bool,
}

/// Of a worker.
#[derive(Clone, Default)]
struct Heard {
    times: usize,
    last: usize,
}

impl WorkerTable {
    /// For a run of `seconds`; `quiet` where standard error is no terminal and nothing shall be
    /// said.
    pub fn new(method: &'static str, workers: usize, seconds: f64, quiet: bool) -> Self {
        let all = progress::bars();
        let row = |all: &MultiProgress| {
            let style = ProgressStyle::with_template("{msg}").expect("a valid template");
            all.add(ProgressBar::new_spinner().with_style(style))
        };
        // One for the method, above.
        let rows = all.iter().flat_map(|all| (0..=workers).map(|_| row(all)));
        Self {
            method,
            seconds,
            rows: rows.collect(),
            heard: vec![Heard::default(); workers],
            drawn: None,
            began: None,
            next_line: 0.0,
            quiet: quiet || progress::is_quiet(),
            all,
        }
    }

    /// An iteration is done, `seconds` after the start; `accuracy` at the last look.
    pub fn show(&mut self, report: &Report, seconds: f64, accuracy: f64) {
        let began = *self.began.get_or_insert(seconds);
        for &i in &report.active {
            self.heard[i].times += 1;
            self.heard[i].last = report.iteration;
        }
        let summary = format!(
            "{} {:6.1} s  iteration {}  {:.2} %  {} planes, {} of {} workers live",
            self.method,
            seconds,
            report.iteration,
            100.0 * accuracy,
            report.planes,
            report.live,
            self.heard.len()
        );
        if self.all.is_none() {
            if !self.quiet && seconds >= self.next_line {
                tell!("{summary}");
                self.next_line = seconds + self.seconds / LINES;
            }
            return;
        }
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return;
        }
        self.drawn = Some(Instant::now());
        self.rows[0].set_message(summary);
        for (i, (row, heard)) in self.rows[1..].iter().zip(&self.heard).enumerate() {
            let age = report.iteration - heard.last;
            let state = match age {
                _ if report.lost.contains(&i) => "lost",
                0 => "heard",
                _ => "computes",
            };
            let rate = heard.times as f64 / (seconds - began).max(1e-3);
            row.set_message(format!(
                "  worker {i:3}  {state:8}  {age:3} iterations old  {rate:6.2} answers a second"
            ));
        }
    }
}

impl Drop for WorkerTable {
    fn drop(&mut self) {
        for row in &self.rows {
            row.finish_and_clear();
            if let Some(all) = self.all {
                all.remove(row);
            }
        }
    }
}
