//! `bilevel distributed local`: master and workers in one process.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use bilevel_distributed::{Adbo, AdboState, Sdbo};
use burn::tensor::backend::Backend;
use serde::Serialize;

use super::bar;
use crate::arguments::{
    Clock, DistributedLocalArguments, DistributedSettings, DistributedTaskName, MethodChoice,
};
use crate::comparison::jsonl;
use crate::distributed::{
    Centralised, Course, Look, Plan, Progress, Saved, centralised, preset, run, task,
};
use crate::draw::{Racer, race_curves, save};
use crate::interrupt;
use crate::run_folder::RunFolder;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    settings: &'a DistributedSettings,
    workers: usize,
    active: usize,
    /// Samples to train on, trusted, to test on.
    samples: [usize; 3],
    methods: &'a [Course],
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
#[derive(Serialize)]
struct Row<'a> {
    method: &'a str,
    #[serde(flatten)]
    look: Look,
}

/// Runs the command.
pub(crate) fn distributed_local<B: Backend>(
    arguments: &DistributedLocalArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let old = if arguments.resume {
        let folder = RunFolder::open(&arguments.output)?;
        Some((Saved::load(&folder.state())?, folder))
    } else {
        None
    };
    let settings = match &old {
        Some((saved, _)) => saved.progress.settings.clone(),
        None => arguments.settings.clone(),
    };
    let workers = settings.workers.unwrap_or(match settings.task {
        DistributedTaskName::Clean => 18,
        DistributedTaskName::Select => 24,
    });
    let active = settings.active.unwrap_or(workers.div_ceil(2));
    check(&settings, workers, active)?;
    let preset = preset(&settings, workers, active);
    let (adbo, sdbo) = (Adbo::new(preset, workers)?, Sdbo::new(preset, workers)?);
    let adbo = Plan {
        name: "ADBO",
        adbo: &adbo,
    };
    let sdbo = Plan {
        name: "SDBO",
        adbo: sdbo.as_adbo(),
    };
    let plans = match settings.method {
        MethodChoice::Adbo => vec![adbo],
        MethodChoice::Sdbo => vec![sdbo],
        MethodChoice::Both => vec![adbo, sdbo],
    };
    let task = task::<B>(&settings, workers, device)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (mut saved, folder) = match old {
        Some(old) => old,
        None => {
            let (v, z) = task.start.clone();
            let saved = Saved {
                progress: Progress {
                    settings: settings.clone(),
                    courses: plans.iter().map(|plan| Course::new(plan.name)).collect(),
                },
                states: vec![AdboState::new(workers, v, z); plans.len()],
            };
            let folder = RunFolder::create(&arguments.output, arguments.overwrite)?;
            (saved, folder)
        }
    };
    interrupt::watch()?;

    let mut left = arguments.stop_after.unwrap_or(usize::MAX);
    for (k, plan) in plans.iter().enumerate() {
        let path = folder.state();
        if !run(&task, plan, &mut saved, k, &mut left, &path, arguments.json)? {
            return Ok(stopped(arguments));
        }
    }
    let courses = &saved.progress.courses;
    let steps = courses.iter().map(|course| course.iterations).max();
    let steps = steps.unwrap_or(0);
    let alone = centralised(&task, &preset, steps, &bar(steps, "one process"))?;
    if interrupt::pressed() {
        return Ok(stopped(arguments));
    }

    let gain = alone.and_then(|alone| {
        let adbo = find(courses, "ADBO")?.looks.last()?;
        Some(100.0 * (adbo.accuracy - alone.accuracy))
    });
    let report = Report {
        settings: &settings,
        workers,
        active,
        samples: task.samples,
        methods: courses,
        centralised: alone,
        adbo_above_centralised: gain,
        race: race(courses),
        output: arguments.output.display().to_string(),
    };
    let rows = courses.iter().flat_map(|course| {
        let row = |look: &Look| Row {
            method: &course.method,
            look: *look,
        };
        course.looks.iter().map(row)
    });
    let rows: Vec<_> = rows.collect();
    save(&folder.course(), jsonl(&rows)?.as_bytes())?;
    let pretty = serde_json::to_string_pretty(&report)?;
    save(&folder.report(), pretty.as_bytes())?;
    let racers = plans.iter().zip(courses).map(|(plan, course)| Racer {
        name: plan.name,
        points: course
            .looks
            .iter()
            .map(|l| (l.seconds, l.accuracy))
            .collect(),
    });
    let clock = match settings.clock {
        Clock::Simulated => "seconds of simulated time",
        Clock::Threads => "seconds",
    };
    let goal = alone.map(|alone| alone.accuracy);
    race_curves(&racers.collect::<Vec<_>>(), goal, clock, &folder.curves())?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    let failed: Vec<_> = courses.iter().filter(|course| course.failed).collect();
    for course in &failed {
        let why = course.ended.as_deref().unwrap_or_default();
        eprintln!(
            "error: {} after iteration {}: {why}",
            course.method, course.iterations
        );
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What neither clap nor the method looks at.
fn check(settings: &DistributedSettings, workers: usize, active: usize) -> Result<()> {
    ensure!(workers > 0, "--workers must be at least 1");
    ensure!(
        (1..=workers).contains(&active),
        "--active must be from 1 to the {workers} workers, got {active}"
    );
    ensure!(settings.staleness > 0, "--staleness must be at least 1");
    ensure!(settings.refresh > 0, "--refresh must be at least 1");
    ensure!(
        settings.stragglers <= workers,
        "--stragglers must be at most the {workers} workers, got {}",
        settings.stragglers
    );
    for (name, value) in [
        ("--seconds", settings.seconds),
        ("--delay", settings.delay),
        ("--look", settings.look),
        ("--straggler-factor", settings.straggler_factor),
    ] {
        // Up to a thousand years, which a clock can count.
        ensure!(
            value > 0.0 && value < 3e10,
            "{name} must be > 0 and below 3e10, got {value}"
        );
    }
    let sigma = settings.sigma;
    ensure!(
        (0.0..=10.0).contains(&sigma),
        "--sigma must be from 0 to 10, got {sigma}"
    );
    Ok(())
}

fn stopped(arguments: &DistributedLocalArguments) -> ExitCode {
    eprintln!(
        "stopped at a checkpoint; go on with: bilevel distributed local --resume --output {}",
        arguments.output.display()
    );
    ExitCode::from(if interrupt::pressed() { 130 } else { 0 })
}

fn find<'a>(courses: &'a [Course], method: &str) -> Option<&'a Course> {
    courses.iter().find(|course| course.method == method)
}

fn race(courses: &[Course]) -> Option<Race> {
    let (adbo, sdbo) = (find(courses, "ADBO")?, find(courses, "SDBO")?);
    let accuracy = sdbo.looks.last()?.accuracy;
    let when = |course: &Course| {
        let mut looks = course.looks.iter();
        Some(looks.find(|look| look.accuracy >= accuracy)?.seconds)
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

fn print(report: &Report<'_>) {
    println!(
        "{:16} {:>10} {:>9} {:>10}",
        "", "iterations", "seconds", "accuracy"
    );
    for course in report.methods {
        let accuracy = course
            .looks
            .last()
            .map_or(f64::NAN, |look| 100.0 * look.accuracy);
        println!(
            "{:16} {:10} {:9.1} {accuracy:8.2} %",
            course.method, course.iterations, course.seconds
        );
    }
    if let Some(alone) = report.centralised {
        let accuracy = 100.0 * alone.accuracy;
        println!(
            "{:16} {:10} {:>9} {accuracy:8.2} %",
            "one process", alone.steps, ""
        );
    }
    if let Some(race) = report.race {
        let accuracy = 100.0 * race.accuracy;
        match race.adbo.zip(race.share) {
            Some((adbo, share)) => println!(
                "{accuracy:.2} %: SDBO after {:.1} s, ADBO after {adbo:.1} s ({:.0} % of that)",
                race.sdbo,
                100.0 * share
            ),
            None => println!("{accuracy:.2} %: SDBO after {:.1} s, ADBO never", race.sdbo),
        }
    }
    println!("{}", report.output);
}
