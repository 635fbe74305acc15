//! `bilevel bench stochastic`: all update rules on one problem whose hypergradient is known.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use bilevel_backend::Cpu;
use bilevel_core::Oracle;
use bilevel_models::quadratic::{Quadratic, QuadraticSettings};
use clap::ValueEnum;
use serde::Serialize;
use tracing::info;

use super::comparison_files::Files;
use crate::args::BenchStochasticArguments;
use crate::clean::method::{MethodName, Runner, Start, runner};
use crate::compare::estimators::comparison::jsonl;
use crate::compare::quadratic_preset::preset;
use crate::io::file::save;
use crate::io::output::{say, shown};
use crate::io::progress::Progress;
use crate::plot::{TradeoffAxes, TradeoffFamily, TradeoffPoint, TradeoffSeries, tradeoff_curves};

/// A method at a moment.
#[derive(Debug, Clone, Serialize)]
struct Row {
    method: &'static str,
    step: usize,
    /// Calls of the oracle, one on all samples counting as all blocks.
    calls: u64,
    /// Time of the steps.
    seconds: f64,
    /// `‖∇F(x)‖`; unknown where the method failed.
    gradient: Option<f64>,
    /// Why the method stopped there, if it failed.
    failure: Option<String>,
}

/// The most calls that can be asked for.
const MOST_CALLS: u64 = 1_000_000_000_000_000;
/// A row is made whenever the calls grew by this factor.
const SPACING: f64 = 1.5;
/// Norms of the gradient whose cost the table gives.
const LEVELS: [f64; 2] = [1e-2, 1e-4];

/// What the picture shows.
const AXES: TradeoffAxes = TradeoffAxes {
    error: "norm of the hypergradient",
    panels: &[
        (
            "Suboptimality against oracle calls",
            "calls on a block of samples",
            |p| p.cost,
        ),
        ("Suboptimality against time", "seconds", |p| p.seconds),
    ],
};

/// Runs the command.
pub(crate) fn bench_stochastic(arguments: &BenchStochasticArguments) -> Result<ExitCode> {
    let methods: Vec<MethodName> = match &arguments.method[..] {
        [] => MethodName::value_variants().to_vec(),
        some => some.to_vec(),
    };
    let settings = QuadraticSettings {
        seed: arguments.seed,
        ..QuadraticSettings::default()
    };
    ensure!(
        (1..=MOST_CALLS).contains(&arguments.calls),
        "--calls must be from 1 to {MOST_CALLS}, got {}",
        arguments.calls
    );
    for &method in &methods {
        let problem = Quadratic::<Cpu>::new(settings, &Default::default());
        begin(method, &problem, arguments)?;
    }
    // Everything that can be wrong with the call has been found: only now is anything written.
    let files = Files::new(&arguments.output, "stochastic", arguments.overwrite)?;
    let progress = Progress::new(methods.len(), "comparing");
    let mut courses = Vec::new();
    for &method in &methods {
        info!(method = method.title(), calls = arguments.calls, "running");
        progress.set_message(method.title());
        courses.push((method, course(method, settings, arguments)?));
        progress.inc();
    }
    drop(progress);

    let rows = || courses.iter().flat_map(|(_, rows)| rows);
    save(&files.csv, &csv(rows())?)?;
    save(&files.jsonl, jsonl(rows())?.as_bytes())?;
    tradeoff_curves(AXES, &families(&courses), &files.picture)?;
    if arguments.json {
        say!("{}", serde_json::to_string(&rows().collect::<Vec<_>>())?);
    } else {
        say!("{}", table(&courses).trim_end());
        for row in rows() {
            if let Some(failure) = &row.failure {
                say!("{}, step {}: {failure}", row.method, row.step);
            }
        }
        say!("numbers and pictures: {}", shown(&arguments.output));
    }
    Ok(ExitCode::SUCCESS)
}

/// A method before its first step.
///
/// # Errors
/// If a number of its tuning is out of its range.
fn begin<'a>(
    method: MethodName,
    problem: &'a Quadratic<Cpu>,
    arguments: &BenchStochasticArguments,
) -> Result<Box<dyn Runner<Cpu> + 'a>> {
    let tuning = arguments.tuning.over(preset(method));
    let start = Start::Fresh(problem.start());
    runner(method, &tuning, problem, start, arguments.seed)
}

/// A method until its calls are spent or its numbers are of no use.
fn course(
    method: MethodName,
    settings: QuadraticSettings,
    arguments: &BenchStochasticArguments,
) -> Result<Vec<Row>> {
    // A problem for each: its counter begins at zero.
    let problem = Quadratic::<Cpu>::new(settings, &Default::default());
    let mut run = begin(method, &problem, arguments)?;
    let (mut seconds, mut next) = (0.0, 1.0);
    let mut rows = Vec::new();
    for step in 1.. {
        let start = Instant::now();
        let failure = run.step();
        seconds += start.elapsed().as_secs_f64();
        let calls = problem.calls().blocks;
        let done = calls >= arguments.calls || failure.is_some();
        if calls as f64 >= next || done {
            next = calls as f64 * SPACING;
            rows.push(Row {
                method: method.title(),
                step,
                calls,
                seconds,
                gradient: Some(problem.hypergradient_norm(&run.at().x))
                    .filter(|norm| failure.is_none() && norm.is_finite()),
                failure: failure.map(|failure| failure.to_string()),
            });
        }
        if done {
            break;
        }
    }
    Ok(rows)
}

fn csv<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.serialize(row)?;
    }
    Ok(csv.into_inner()?)
}

/// A line a method: where it ended, and the first calls with which it was below each level.
fn table(courses: &[(MethodName, Vec<Row>)]) -> String {
    let mut table = format!(
        "{:<9} {:>8} {:>10} {:>8} {:>9}",
        "method", "steps", "calls", "seconds", "gradient"
    );
    for level in LEVELS {
        table += &format!(" {:>12}", format!("to {level:.0e}"));
    }
    table += "\n";
    for (method, rows) in courses {
        let last = rows.last().expect("a run has a step");
        table += &format!(
            "{:<9} {:>8} {:>10} {:>8.2} {:>9}",
            method.title(),
            last.step,
            last.calls,
            last.seconds,
            last.gradient
                .map_or("failed".to_string(), |norm| format!("{norm:.1e}"))
        );
        for level in LEVELS {
            let reached = rows
                .iter()
                .find(|row| row.gradient.is_some_and(|norm| norm <= level));
            let calls = reached.map_or("-".to_string(), |row| row.calls.to_string());
            table += &format!(" {calls:>12}");
        }
        table += "\n";
    }
    table +=
        "calls: derivatives on a block of 64 of 1024 samples; one on all samples counts as 16\n";
    table
}

/// The courses as the picture wants them.
fn families(courses: &[(MethodName, Vec<Row>)]) -> Vec<TradeoffFamily> {
    let series = |wanted: &dyn Fn(MethodName) -> bool| {
        let courses = courses.iter().filter(|(method, _)| wanted(*method));
        let series = courses.map(|(method, rows)| TradeoffSeries {
            name: method.title().to_string(),
            points: rows
                .iter()
                .map(|row| TradeoffPoint {
                    cost: row.calls as f64,
                    seconds: row.seconds,
                    bytes: f64::NAN,
                    error: row.gradient.unwrap_or(f64::NAN),
                })
                .collect(),
        });
        series.collect::<Vec<_>>()
    };
    let families = [
        TradeoffFamily {
            title: "with an adjoint",
            series: series(&|method| method.has_adjoint()),
        },
        TradeoffFamily {
            title: "with a series",
            series: series(&|method| method.has_series()),
        },
        TradeoffFamily {
            title: "first derivatives",
            series: series(&|method| !method.has_adjoint() && !method.has_series()),
        },
    ];
    families
        .into_iter()
        .filter(|family| !family.series.is_empty())
        .collect()
}
