//! What is left of a run: files, and words.

use std::process::ExitCode;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::compare::estimators::comparison::jsonl;
use crate::distributed::{Centralised, Evaluation, History, Task};
use crate::io::file::save;
use crate::io::output::{say, tell};
use crate::io::run_folder::RunFolder;
use crate::plot::{AccuracySeries, accuracy_curves};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct DistributedReport<'a, S> {
    settings: &'a S,
    workers: usize,
    active: usize,
    /// Samples to train on, trusted, to test on.
    samples: [usize; 3],
    methods: &'a [History],
    /// All data in one process, as many steps as the longest run took.
    centralised: Option<Centralised>,
    /// Percentage points that ADBO is above the centralised result.
    adbo_above_centralised: Option<f64>,
    /// When SDBO's last accuracy was reached.
    race: Option<Race>,
    output: String,
}

/// When SDBO's last accuracy was reached, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Race {
    accuracy: f64,
    sdbo: f64,
    adbo: Option<f64>,
    /// ADBO's share of SDBO's time.
    share: Option<f64>,
}

/// A line of the course.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    method: String,
    #[serde(flatten)]
    evaluation: Evaluation,
}

impl<'a, S: Serialize> DistributedReport<'a, S> {
    /// Of `workers` N, of whom S were waited for.
    pub fn new(
        settings: &'a S,
        [workers, active]: [usize; 2],
        task: &Task,
        histories: &'a [History],
        alone: Option<Centralised>,
    ) -> Self {
        let gain = alone.and_then(|alone| {
            let adbo = find(histories, "ADBO")?.evaluations.last()?;
            Some(100.0 * (adbo.accuracy - alone.accuracy))
        });
        Self {
            settings,
            workers,
            active,
            samples: task.samples,
            methods: histories,
            centralised: alone,
            adbo_above_centralised: gain,
            race: race(histories),
            output: String::new(),
        }
    }

    /// Writes all files, and says it. Another run's course is drawn `beside` this one's.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(
        mut self,
        folder: &RunFolder,
        clock: &'static str,
        json: bool,
        beside: &[Row],
    ) -> Result<ExitCode> {
        self.output = folder.path().display().to_string();
        let rows = self.methods.iter().flat_map(|course| {
            let row = |evaluation: &Evaluation| Row {
                method: course.method.clone(),
                evaluation: *evaluation,
            };
            course.evaluations.iter().map(row)
        });
        let rows: Vec<_> = rows.collect();
        save(&folder.history(), jsonl(&rows)?.as_bytes())?;
        let pretty = serde_json::to_string_pretty(&self)?;
        save(&folder.report(), pretty.as_bytes())?;
        let own = self.methods.iter().map(|course| AccuracySeries {
            name: &course.method,
            points: points(course.evaluations.iter()),
        });
        let other = beside.first().map(|row| AccuracySeries {
            name: &row.method,
            points: points(beside.iter().map(|row| &row.evaluation)),
        });
        let racers: Vec<_> = own.chain(other).collect();
        let goal = self.centralised.map(|alone| alone.accuracy);
        accuracy_curves(&racers, goal, clock, &folder.curves())?;
        if json {
            say!("{}", serde_json::to_string(&self)?);
        } else {
            print(&self);
        }
        let failed: Vec<_> = self.methods.iter().filter(|course| course.failed).collect();
        for course in &failed {
            let why = course.ended.as_deref().unwrap_or_default();
            tell!(
                "error: {} after iteration {}: {why}",
                course.method,
                course.iterations
            );
        }
        Ok(if failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn points<'a>(evaluations: impl Iterator<Item = &'a Evaluation>) -> Vec<(f64, f64)> {
    evaluations
        .map(|evaluation| (evaluation.seconds, evaluation.accuracy))
        .collect()
}

fn find<'a>(histories: &'a [History], method: &str) -> Option<&'a History> {
    histories.iter().find(|course| course.method == method)
}

fn race(histories: &[History]) -> Option<Race> {
    let (adbo, sdbo) = (find(histories, "ADBO")?, find(histories, "SDBO")?);
    let accuracy = sdbo.evaluations.last()?.accuracy;
    let when = |course: &History| {
        let mut evaluations = course.evaluations.iter();
        Some(
            evaluations
                .find(|evaluation| evaluation.accuracy >= accuracy)?
                .seconds,
        )
    };
    let sdbo = when(sdbo)?;
    let adbo = when(adbo);
    Some(Race {
        accuracy,
        sdbo,
        adbo,
        share: adbo.map(|adbo| adbo / sdbo),
    })
}

fn print<S>(report: &DistributedReport<'_, S>) {
    say!(
        "{:16} {:>10} {:>9} {:>10}",
        "",
        "iterations",
        "seconds",
        "accuracy"
    );
    for course in report.methods {
        let accuracy = course
            .evaluations
            .last()
            .map_or(f64::NAN, |evaluation| 100.0 * evaluation.accuracy);
        say!(
            "{:16} {:10} {:9.1} {accuracy:8.2} %",
            course.method,
            course.iterations,
            course.seconds
        );
    }
    if let Some(alone) = report.centralised {
        let accuracy = 100.0 * alone.accuracy;
        say!(
            "{:16} {:10} {:>9} {accuracy:8.2} %",
            "one process",
            alone.steps,
            ""
        );
    }
    if let Some(race) = report.race {
        let accuracy = 100.0 * race.accuracy;
        match race.adbo.zip(race.share) {
            Some((adbo, share)) => say!(
                "{accuracy:.2} %: SDBO after {:.1} s, ADBO after {adbo:.1} s ({:.0} % of that)",
                race.sdbo,
                100.0 * share
            ),
            None => say!("{accuracy:.2} %: SDBO after {:.1} s, ADBO never", race.sdbo),
        }
    }
    say!("{}", report.output);
}
