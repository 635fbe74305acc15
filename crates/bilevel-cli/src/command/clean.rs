//! `bilevel clean`: which labels of a data set can be trusted?

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bilevel_core::Pair;
use bilevel_core::algorithm::rule::Calls;
use bilevel_data::{GrayImage, Labelled, Standardization, corrupt_labels, load_labelled};
use burn::tensor::backend::Backend;
use serde::Serialize;

use super::bar;
use crate::arguments::CleanArguments;
use crate::cleaning::{Judgement, Sets, Workshop, kept, workshop};
use crate::cleaning_preset::{Preset, preset};
use crate::comparison::jsonl;
use crate::draw::{CleaningPoint, SheetCell, SheetRow, cleaning_curves, comparison_sheet, save};
use crate::interrupt;
use crate::method::{runner, table_bytes};
use crate::run_folder::check_writable;

/// What is known at a moment of a run.
#[derive(Debug, Clone, Copy, Serialize)]
struct Moment {
    step: usize,
    /// Time spent on steps, judging left out.
    seconds: f64,
    calls: u64,
    #[serde(flatten)]
    judgement: Judgement,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    method: &'static str,
    /// Samples to be cleaned, trusted, to test on.
    samples: [usize; 3],
    corruption: f64,
    seed: u64,
    steps: usize,
    seconds: f64,
    lower_gradients: u64,
    upper_gradients: u64,
    hessian_products: u64,
    cross_products: u64,
    /// Bytes of what the method remembers of every block, at most.
    table_bytes: usize,
    /// Samples kept.
    kept: usize,
    #[serde(flatten)]
    judgement: Judgement,
    /// Accuracy on the test set after training on the samples kept and those trusted.
    retrained_accuracy: Option<f64>,
    /// Why the run ended early, if it did.
    failure: Option<String>,
    course: Vec<Moment>,
    output: String,
}

/// Files of a run.
struct Files {
    weights: PathBuf,
    suspects: PathBuf,
    curves: PathBuf,
    course: PathBuf,
    report: PathBuf,
}

impl Files {
    fn new(arguments: &CleanArguments) -> Result<Self> {
        let folder = &arguments.output;
        let files = Self {
            weights: folder.join("weights.csv"),
            suspects: folder.join("suspects.png"),
            curves: folder.join("curves"),
            course: folder.join("course.jsonl"),
            report: folder.join("report.json"),
        };
        ensure!(
            arguments.overwrite || !files.weights.exists(),
            "{} already holds a run: replace it with --overwrite, or give another --output",
            folder.display()
        );
        check_writable(folder)?;
        Ok(files)
    }
}

/// Runs the command.
pub(crate) fn clean<B: Backend>(
    arguments: &CleanArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let first = arguments.first_weight;
    ensure!(
        first > 0.0 && first < 1.0,
        "--first-weight must be in (0, 1), got {first}"
    );
    let sets = sets(arguments)?;
    let Preset {
        tuning,
        steps,
        batch,
    } = preset(arguments, sets.training.len(), sets.trusted.len());
    let block = (!arguments.method.sees_all()).then_some(batch);
    let workshop = workshop::<B>(
        arguments.classifier,
        &sets,
        arguments.regularization,
        block,
        arguments.seed,
        device,
    )?;
    let oracle = workshop.oracle();
    let start = workshop.start(arguments.first_weight);
    let table_bytes = table_bytes(arguments.method, &*oracle, &start)?;
    let mut run = runner(arguments.method, &tuning, &*oracle, start, arguments.seed)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let files = Files::new(arguments)?;
    interrupt::watch()?;

    let progress = bar(steps, "cleaning");
    let mut snapshots: Vec<(usize, f64, Calls, Pair<B>)> = Vec::new();
    let (mut seconds, mut failure, mut taken) = (0.0, None, 0);
    for step in 1..=steps {
        let start = Instant::now();
        failure = run.step();
        seconds += start.elapsed().as_secs_f64();
        if failure.is_some() || interrupt::pressed() {
            break;
        }
        taken = step;
        if step % steps.div_ceil(arguments.snapshots as usize) == 0 {
            snapshots.push((step, seconds, oracle.calls(), run.at().clone()));
            let weights = workshop.weights(run.at());
            let count = kept(&weights).iter().filter(|kept| **kept).count();
            progress.set_message(format!("keeps {count} of {}", weights.len()));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let last = (taken, seconds, oracle.calls(), run.at().clone());
    if snapshots.last().is_none_or(|(step, ..)| *step < taken) {
        snapshots.push(last.clone());
    }
    let weights = workshop.weights(run.at());
    save(&files.weights, &table(&sets, &weights)?)?;

    let course = course(&*workshop, &snapshots)?;
    let judgement = course.last().expect("the last iterate is judged").judgement;
    let (_, _, calls, _) = last;
    let report = Report {
        method: arguments.method.title(),
        samples: [
            sets.training.len(),
            sets.trusted.len(),
            sets.test.as_ref().map_or(0, Labelled::len),
        ],
        corruption: arguments.corruption,
        seed: arguments.seed,
        steps: taken,
        seconds,
        lower_gradients: calls.lower_gradients,
        upper_gradients: calls.upper_gradients,
        hessian_products: calls.hessian_products,
        cross_products: calls.cross_products,
        table_bytes,
        kept: kept(&weights).iter().filter(|kept| **kept).count(),
        judgement,
        retrained_accuracy: workshop.retrained(&weights)?,
        failure: failure.map(|failure| failure.to_string()),
        course,
        output: arguments.output.display().to_string(),
    };
    save(&files.course, jsonl(&report.course)?.as_bytes())?;
    save(
        &files.report,
        serde_json::to_string_pretty(&report)?.as_bytes(),
    )?;
    let point = |moment: &Moment| CleaningPoint {
        seconds: moment.seconds,
        solved: moment.judgement.test_accuracy,
        own: moment.judgement.own_accuracy,
        f1: moment.judgement.f1,
    };
    cleaning_curves(
        &report.course.iter().map(point).collect::<Vec<_>>(),
        &files.curves,
    )?;
    if let Some(size) = sets.training.picture() {
        suspects(&sets.training, size, &weights, &files.suspects)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    if let Some(failure) = &report.failure {
        eprintln!(
            "error: step {}: {failure}; the weights after step {taken} are saved: lower --lower-step or \
             --upper-step",
            taken + 1
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The samples, divided and corrupted as the call says.
fn sets(arguments: &CleanArguments) -> Result<Sets> {
    let data = load_labelled(&arguments.data)?;
    let (training, trusted) = match &arguments.trusted {
        Some(path) => {
            let trusted = load_labelled(path)?.train;
            ensure!(
                trusted.classes() == data.train.classes() && trusted.width() == data.train.width(),
                "--trusted has {} classes and {} features, --data has {} and {}: they must be the same",
                trusted.class_count(),
                trusted.width(),
                data.train.class_count(),
                data.train.width()
            );
            (data.train, trusted)
        }
        None => {
            let n = data.train.len();
            let first = arguments.training.unwrap_or(n / 2);
            ensure!(
                (1..n).contains(&first),
                "--training must leave samples to trust: 1 to {}, got {first}",
                n.saturating_sub(1)
            );
            (data.train.subset(0..first)?, data.train.subset(first..n)?)
        }
    };
    let labels = corrupt_labels(
        training.labels(),
        training.class_count(),
        arguments.corruption,
        arguments.seed,
    )
    .context("--corruption")?;
    let right = (arguments.corruption > 0.0).then(|| {
        labels
            .iter()
            .zip(training.labels())
            .map(|(a, b)| a == b)
            .collect()
    });
    let training = training.with_labels(labels)?;
    let sets = Sets {
        training,
        trusted,
        test: data.test,
        right,
    };
    if sets.training.picture().is_some() {
        return Ok(sets);
    }
    // Features of a table have units of their own.
    let scale = Standardization::of(&sets.training);
    Ok(Sets {
        training: scale.apply(&sets.training)?,
        trusted: scale.apply(&sets.trusted)?,
        test: sets.test.map(|test| scale.apply(&test)).transpose()?,
        ..sets
    })
}

/// The snapshots, judged.
fn course<B: Backend>(
    workshop: &dyn Workshop<B>,
    snapshots: &[(usize, f64, Calls, Pair<B>)],
) -> Result<Vec<Moment>> {
    let progress = bar(snapshots.len(), "judging");
    let mut solved = None;
    let judged = snapshots.iter().map(|(step, seconds, calls, at)| {
        let judgement = workshop.judge(at, &mut solved)?;
        progress.inc(1);
        Ok(Moment {
            step: *step,
            seconds: *seconds,
            calls: calls.total(),
            judgement,
        })
    });
    let course = judged.collect();
    progress.finish_and_clear();
    course
}

/// The weight of every sample, as CSV.
fn table(sets: &Sets, weights: &[f64]) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["sample", "label", "weight", "kept"];
    header.extend(sets.right.as_ref().map(|_| "right"));
    csv.write_record(&header)?;
    let kept = kept(weights);
    for (i, weight) in weights.iter().enumerate() {
        let training = &sets.training;
        let mut row = vec![
            training.name(i).to_string(),
            training.classes()[training.label(i)].clone(),
            format!("{weight:.6}"),
            kept[i].to_string(),
        ];
        row.extend(sets.right.as_ref().map(|right| right[i].to_string()));
        csv.write_record(&row)?;
    }
    csv.into_inner().context("the table of weights")
}

/// Rows and columns of the sheet of suspects, and how much pictures are enlarged.
const SUSPECTS: [usize; 2] = [5, 8];
const SUSPECT_SIDE: usize = 72;

/// The samples of least weight, with their labels.
fn suspects(
    training: &Labelled,
    [height, width]: [usize; 2],
    weights: &[f64],
    path: &std::path::Path,
) -> Result<()> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*a].total_cmp(&weights[*b]));
    let [rows, columns] = SUSPECTS;
    let scale = (SUSPECT_SIDE / height.max(width)).max(1);
    let cell = |&i: &usize| {
        let pixel = |p: usize| {
            let (x, y) = (p % (width * scale), p / (width * scale));
            training.row(i)[y / scale * width + x / scale]
        };
        let pixels = (0..height * width * scale * scale).map(pixel).collect();
        SheetCell {
            image: GrayImage::new(width * scale, height * scale, pixels),
            caption: format!(
                "{}: {:.3}",
                training.classes()[training.label(i)],
                weights[i]
            ),
        }
    };
    let shown = &order[..order.len().min(rows * columns)];
    let rows: Vec<SheetRow> = shown
        .chunks(columns)
        .map(|row| SheetRow {
            name: String::new(),
            cells: row.iter().map(cell).collect(),
        })
        .collect();
    let mut titles = vec![""; columns.min(shown.len())];
    titles[0] = "label: weight";
    comparison_sheet(&titles, &rows, path)
}

fn print(report: &Report) {
    let percent = |share: Option<f64>| match share {
        Some(share) => format!("{:.2} %", 100.0 * share),
        None => "not known".to_string(),
    };
    let Judgement {
        own_accuracy,
        test_accuracy,
        f1,
        threshold,
        ..
    } = report.judgement;
    println!(
        "{}: {} steps in {:.1} s, keeps {} of {} samples, those with weights above {threshold:.2}",
        report.method, report.steps, report.seconds, report.kept, report.samples[0]
    );
    if report.table_bytes > 0 {
        let megabytes = report.table_bytes as f64 / 1e6;
        println!("its table of derivatives takes {megabytes:.1} MB");
    }
    println!("accuracy on the test set of");
    println!(
        "  a classifier trained with the weights    {}",
        percent(test_accuracy)
    );
    println!(
        "  one trained on what is kept and trusted  {}",
        percent(report.retrained_accuracy)
    );
    println!(
        "  the method's own iterate                 {}",
        percent(own_accuracy)
    );
    let f1 = f1.map_or("not known".to_string(), |f1| format!("{f1:.3}"));
    println!("F1 of the samples kept                     {f1}");
    println!("weights and pictures: {}", report.output);
}
