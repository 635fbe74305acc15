//! `bilevel compare algorithms`: MAID, ISGD and HOAG on one problem, for the same cost.

use std::process::ExitCode;

use anyhow::Result;
use burn::tensor::backend::Backend;
use serde::Serialize;
use tracing::info;

use super::comparison_files::Files;
use crate::args::CompareAlgorithmsArguments;
use crate::compare::algorithms::problem::Contest;
use crate::compare::algorithms::runner::{AlgorithmName, Level, Row, csv, levels, run, table};
use crate::compare::estimators::comparison::jsonl;
use crate::io::file::save;
use crate::io::output::say;
use crate::io::progress::Progress;
use crate::plot::{ProgressPoint, ProgressSeries, progress_curves};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Comparison<'a> {
    output: String,
    crop: usize,
    images: usize,
    budget: u64,
    seed: u64,
    /// In the order of the costs in `levels`.
    algorithms: Vec<&'static str>,
    levels: &'a [Level],
    rows: Vec<&'a Row>,
}

/// Runs the command.
pub(crate) fn compare_algorithms<B: Backend>(
    arguments: &CompareAlgorithmsArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let CompareAlgorithmsArguments {
        images,
        crop,
        budget,
        seed,
        ..
    } = *arguments;
    let contest = Contest::<B>::new(arguments, device)?;
    let files = Files::new(&arguments.output, "algorithms", arguments.overwrite)?;
    let names = AlgorithmName::ALL;
    let progress = Progress::new(budget as usize * names.len(), "comparing");
    let mut courses = Vec::new();
    for (before, name) in (0..).zip(names) {
        info!(algorithm = name.title(), budget, "running");
        progress.set_message(name.title());
        let spent = |cost| progress.set_position(before * budget + cost);
        courses.push(run(name, &contest, budget, seed, &spent)?);
    }
    drop(progress);

    let levels = levels(&courses);
    save(&files.csv, csv(&courses).as_bytes())?;
    save(&files.jsonl, jsonl(courses.iter().flatten())?.as_bytes())?;
    progress_curves(&series(&courses), &files.picture)?;
    if arguments.json {
        let comparison = Comparison {
            output: arguments.output.display().to_string(),
            crop,
            images,
            budget,
            seed,
            algorithms: names.map(AlgorithmName::title).into(),
            levels: &levels,
            rows: courses.iter().flatten().collect(),
        };
        say!("{}", serde_json::to_string(&comparison)?);
    } else {
        say!("{}", table(&courses, &levels));
        say!(
            "\ncost: (lower steps + linear steps) times images; the last columns are what a training PSNR \
             cost\ntraining, test: mean PSNR in dB at the learned parameters, by solves that do not \
             count as cost\ncapped: lower solves that ended at their limit of steps\nnumbers and \
             pictures: {}",
            arguments.output.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows as the picture wants them.
fn series(courses: &[Vec<Row>]) -> Vec<ProgressSeries> {
    let point = |row: &Row| ProgressPoint {
        cost: row.cost as f64,
        training_psnr: row.training_psnr,
        test_psnr: row.test_psnr,
    };
    let courses = courses.iter().map(|rows| ProgressSeries {
        name: rows[0].algorithm,
        points: rows.iter().map(point).collect(),
    });
    courses.collect()
}
