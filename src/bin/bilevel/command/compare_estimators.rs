//! `bilevel compare estimators`: all estimators on one problem.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use tracing::info;

use super::comparison_files::Files;
use crate::args::CompareEstimatorsArguments;
use crate::compare::estimators::comparison::{Reference, Row, csv, jsonl, table};
use crate::compare::estimators::estimator::{EstimatorName, Family};
use crate::compare::estimators::problem::SmallProblem;
use crate::io::file::save;
use crate::io::output::say;
use crate::io::progress::Progress;
use crate::plot::{TradeoffAxes, TradeoffFamily, TradeoffSeries, tradeoff_curves};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Comparison<'a> {
    output: String,
    crop: usize,
    images: usize,
    seed: u64,
    reference: ReferenceFacts,
    rows: &'a [Row],
}

/// How good the reference is.
#[derive(Debug, Serialize)]
struct ReferenceFacts {
    norm: f64,
    lower_steps: usize,
    adjoint_residual: f64,
}

/// What the picture shows.
const AXES: TradeoffAxes = TradeoffAxes {
    error: "relative error of the hypergradient",
    panels: &[
        (
            "Error against work",
            "gradients + 2.2 (Hessian products + cross terms)",
            |p| p.cost,
        ),
        ("Error against time", "seconds", |p| p.seconds),
        ("Error against memory", "bytes of vectors kept", |p| p.bytes),
    ],
};

/// Runs the command.
pub(crate) fn compare_estimators(arguments: &CompareEstimatorsArguments) -> Result<ExitCode> {
    let problem = SmallProblem::new(&arguments.problem, None)?;
    let files = Files::new(&arguments.output, "compare", arguments.overwrite)?;
    let reference = Reference::new(&problem)?;
    let names = EstimatorName::value_variants();
    let progress = Progress::new(
        names.iter().map(|name| name.budgets().len()).sum(),
        "comparing",
    );
    let mut rows = Vec::new();
    for &name in names {
        for &budget in name.budgets() {
            info!(estimator = name.name(), budget, "measuring");
            progress.set_message(name.name());
            rows.push(reference.measure(name, budget, &problem));
            progress.inc();
        }
    }
    drop(progress);

    save(&files.csv, csv(&rows).as_bytes())?;
    save(&files.jsonl, jsonl(&rows)?.as_bytes())?;
    tradeoff_curves(AXES, &families(&rows), &files.picture)?;
    if arguments.json {
        let comparison = Comparison {
            output: arguments.output.display().to_string(),
            crop: arguments.problem.crop,
            images: arguments.problem.images,
            seed: arguments.problem.seed,
            reference: ReferenceFacts {
                norm: reference.norm,
                lower_steps: reference.lower_steps,
                adjoint_residual: reference.residual,
            },
            rows: &rows,
        };
        say!("{}", serde_json::to_string(&comparison)?);
    } else {
        say!("{}", table(&rows));
        say!(
            "\nlower: steps that solved the lower problem before the estimate (0: it begins at the \
             noisy image)\nreference: conjugate gradients to {:.0e}, norm {:.6e}\nnumbers and \
             pictures: {}",
            reference.residual,
            reference.norm,
            arguments.output.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows as the picture wants them.
fn families(rows: &[Row]) -> Vec<TradeoffFamily> {
    let series = |family: Family| -> Vec<TradeoffSeries> {
        rows.chunk_by(|a, b| a.name == b.name)
            .filter(|rows| rows[0].name.family() == family)
            .map(|rows| TradeoffSeries {
                name: rows[0].estimator.clone(),
                points: rows.iter().map(Row::point).collect(),
            })
            .collect()
    };
    [
        ("adjoint system, at the lower solution", Family::Adjoint),
        ("lower steps, from the noisy image", Family::Steps),
        ("one step, samples or differences", Family::Cheap),
    ]
    .map(|(title, family)| TradeoffFamily {
        title,
        series: series(family),
    })
    .into()
}
