//! `bilevel clean`: which labels of a data set can be trusted?

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bilevel_core::Iterate;
use bilevel_data::{
    GrayImage, LabelColumn, Labelled, LabelledSets, Standardization, corrupt_labels,
    load_labelled_with,
};
use burn::tensor::backend::Backend;
use serde::Serialize;
use tracing::info;

use crate::args::{CleanArguments, CleanSettings};
use crate::clean::experiment::{
    Baselines, CleaningExperiment, Scores, Sets, check_class_count, check_classes, experiment, kept,
};
use crate::clean::method::{MethodName, table_bytes};
use crate::clean::preset::Preset;
use crate::clean::run::{CleaningRun, End, Leaves, Saved, Spent};
use crate::compare::estimators::comparison::jsonl;
use crate::io::file::save;
use crate::io::interrupt;
use crate::io::output::{one_line, say, tell};
use crate::io::progress::Progress;
use crate::io::resume::Resume;
use crate::io::run_folder::RunFolder;
use crate::plot::{CleaningPoint, SheetCell, SheetRow, cleaning_curves, comparison_sheet};

/// What is known at a moment of a run.
#[derive(Debug, Clone, Copy, Serialize)]
struct Moment {
    step: usize,
    /// Time spent on steps, judging left out.
    seconds: f64,
    calls: u64,
    #[serde(flatten)]
    scores: Scores,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    method: &'static str,
    /// The ball that the classifier is kept in.
    ball: Option<String>,
    /// Samples to be cleaned, trusted, to test on.
    samples: [usize; 3],
    /// The column of the classes, of a table.
    label: Option<String>,
    /// Columns that only number the rows, left out.
    dropped: Vec<String>,
    /// The classes, each with its number of samples to be cleaned and trusted.
    classes: Vec<(String, usize, usize)>,
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
    /// F1 of the samples kept, where it is known which are right.
    f1_kept: Option<f64>,
    #[serde(flatten)]
    scores: Scores,
    /// Accuracy on the test set after training on the samples kept and those trusted.
    retrained_accuracy: Option<f64>,
    /// Time spent on judging, the iterates on the way and the last.
    judging_seconds: f64,
    /// What is reached without cleaning, with `--baselines`.
    baselines: Option<Baselines>,
    /// Why the run ended early, if it did.
    failure: Option<String>,
    history: Vec<Moment>,
    output: String,
}

/// Runs the command.
pub(crate) fn clean<B: Backend>(
    arguments: &CleanArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let saved = if arguments.resume {
        let run = RunFolder::open(&arguments.output)?;
        Some((Saved::load(&run.state())?, run))
    } else {
        None
    };
    let (saved, old) = saved.unzip();
    let settings = match &saved {
        Some(saved) => saved.progress.settings.clone(),
        None => arguments.settings.clone().with_absolute_paths()?,
    };
    check_settings(&settings)?;
    let sets = sets(&settings)?;
    info!(
        data = %settings.data.display(),
        training = sets.training.len(),
        trusted = sets.trusted.len(),
        test = sets.test.as_ref().map_or(0, Labelled::len),
        "samples loaded"
    );
    let preset = Preset::of(&settings, sets.training.len(), sets.trusted.len());
    let block = preset.batch;
    let experiment = experiment::<B>(
        settings.classifier,
        &sets,
        settings.regularization,
        settings.ball,
        block,
        settings.seed,
        device,
    )?;
    let oracle = experiment.oracle();
    let start = experiment.start(settings.first_weight);
    let table_bytes = table_bytes(settings.method, &*oracle, &start)?;
    let mut run = CleaningRun::new(&settings, &preset, &sets, &*oracle, start, saved, device)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let folder = match old {
        Some(folder) => folder,
        None => RunFolder::create(&arguments.output, arguments.overwrite)?,
    };
    let resume = Resume::new("clean", &folder);
    let stopped = |step| resume.line(&format!("after step {step}, its weights are saved"));
    info!(
        output = %folder.path().display(),
        method = settings.method.title(),
        step = run.spent().step,
        steps = preset.steps,
        "cleaning"
    );
    let mut held = interrupt::hold();
    let end = run.take_steps(
        &*experiment,
        preset.steps,
        arguments.stop_after,
        &Leaves {
            folder: &folder,
            weights: &|at| {
                let weights = experiment.weights(at);
                table(&sets, &weights, &kept(&weights))
            },
            stopped: &stopped,
        },
        &mut held,
    )?;
    let weights = experiment.weights(run.at());
    let failure = match end {
        End::Done => None,
        End::Failed(failure) => Some(failure),
        End::Stopped => {
            let step = run.spent().step;
            resume.say(&stopped(step), step, Some(preset.steps), arguments.json)?;
            return Ok(interrupt::exit_code());
        }
    };
    held.saved(resume.line("after the last step"));

    let judging = Instant::now();
    let history = history(&*experiment, &run.history())?;
    let cleaned = experiment.cleaned(&weights)?;
    save(&folder.weights(), &table(&sets, &weights, &cleaned.kept)?)?;
    let scores = history.last().expect("the last iterate is judged").scores;
    let Spent {
        step,
        seconds,
        calls,
    } = run.spent();
    let report = Report {
        method: settings.method.title(),
        ball: settings.ball.map(|ball| ball.to_string()),
        samples: [
            sets.training.len(),
            sets.trusted.len(),
            sets.test.as_ref().map_or(0, Labelled::len),
        ],
        label: sets.columns.as_ref().map(|columns| columns.label.clone()),
        dropped: sets
            .columns
            .as_ref()
            .map_or(Vec::new(), |columns| columns.dropped.clone()),
        classes: counts(&sets),
        corruption: settings.corruption,
        seed: settings.seed,
        steps: step,
        seconds,
        lower_gradients: calls.lower_gradients,
        upper_gradients: calls.upper_gradients,
        hessian_products: calls.hessian_products,
        cross_products: calls.cross_products,
        table_bytes,
        kept: cleaned.kept.iter().filter(|kept| **kept).count(),
        f1_kept: cleaned.f1,
        scores,
        retrained_accuracy: cleaned.retrained_accuracy,
        baselines: arguments
            .baselines
            .then(|| experiment.baselines())
            .transpose()?,
        judging_seconds: judging.elapsed().as_secs_f64(),
        failure: failure.map(|failure| failure.to_string()),
        history,
        output: arguments.output.display().to_string(),
    };
    save(&folder.history(), jsonl(&report.history)?.as_bytes())?;
    save(
        &folder.report(),
        serde_json::to_string_pretty(&report)?.as_bytes(),
    )?;
    let point = |moment: &Moment| CleaningPoint {
        seconds: moment.seconds,
        solved: moment.scores.test_accuracy,
        own: moment.scores.own_accuracy,
        f1: moment.scores.f1,
    };
    cleaning_curves(
        &report.history.iter().map(point).collect::<Vec<_>>(),
        &folder.curves(),
    )?;
    if let Some(size) = sets.training.picture() {
        suspects(&sets.training, size, &weights, &folder.suspects())?;
    }
    if arguments.json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    if let Some(failure) = &report.failure {
        tell!(
            "error: step {}: {failure}; the weights after step {step} are saved: lower --lower-step or --upper-step",
            step + 1
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the settings of a call or of a run make sense, whatever the samples.
///
/// # Errors
/// If one does not.
fn check_settings(settings: &CleanSettings) -> Result<()> {
    let first = settings.first_weight;
    ensure!(
        first > 0.0 && first < 1.0,
        "--first-weight must be in (0, 1), got {first}"
    );
    ensure!(
        settings.ball.is_none() || settings.method == MethodName::Dmlcbo,
        "--ball is for --method dmlcbo: {} does not keep the classifier in a set",
        settings.method.title()
    );
    ensure!(
        settings.steps != Some(0) && settings.batch != Some(0),
        "--steps and --batch must be at least 1"
    );
    Ok(())
}

/// The samples, divided and corrupted as the call says.
fn sets(settings: &CleanSettings) -> Result<Sets> {
    let label = settings.label.as_deref();
    let label = label.map_or(LabelColumn::Found, LabelColumn::from);
    let data = load_labelled_with(&settings.data, &label)?;
    ensure!(
        settings.label.is_none() || data.columns.is_some(),
        "--label is for tables: {} is none",
        settings.data.display()
    );
    let (training, trusted) = match &settings.trusted {
        Some(path) => {
            let trusted = like(&data, load_labelled_with(path, &label)?)?;
            (data.train, trusted)
        }
        None => match settings.training {
            Some(first) => {
                let n = data.train.len();
                ensure!(
                    (1..n).contains(&first),
                    "--training must leave samples to trust: 1 to {}, got {first}",
                    n.saturating_sub(1)
                );
                (data.train.subset(0..first)?, data.train.subset(first..n)?)
            }
            None => {
                check_class_count(data.train.class_count(), data.train.len())?;
                data.train.halves(settings.seed)?
            }
        },
    };
    check_classes(
        &training,
        &trusted,
        "without --trusted and --training each class is divided in halves",
    )?;
    let labels = corrupt_labels(
        training.labels(),
        training.class_count(),
        settings.corruption,
        settings.seed,
    )
    .context("--corruption")?;
    let right = (settings.corruption > 0.0).then(|| {
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
        columns: data.columns,
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

/// The samples of `trusted` with the features of `data`: what numbers its rows is left out there,
/// and so here.
///
/// # Errors
/// If features or classes are others or in another order, with what differs first.
fn like(data: &LabelledSets, trusted: LabelledSets) -> Result<Labelled> {
    let LabelledSets { train, columns, .. } = trusted;
    let (mut mine, theirs) = (train, &data.train);
    if let (Some(columns), Some(others)) = (&columns, &data.columns) {
        let kept = |(_, name): &(usize, &String)| !others.dropped.contains(name);
        let (places, names): (Vec<usize>, Vec<&String>) =
            columns.features.iter().enumerate().filter(kept).unzip();
        if places.len() < mine.width() {
            mine = mine.with_features(&places)?;
        }
        let unnamed = |name: &str| name.starts_with("column ");
        let mut pairs = names.iter().zip(&others.features);
        if let Some((a, b)) = pairs.find(|(a, b)| **a != *b && !unnamed(a) && !unnamed(b)) {
            bail!(
                "the columns of --trusted are others, or in another order: `{a}` where --data has `{b}`"
            );
        }
    }
    ensure!(
        mine.width() == theirs.width(),
        "--trusted has {} features, --data has {}: they must be the same",
        mine.width(),
        theirs.width()
    );
    let mut classes = mine.classes().iter().zip(theirs.classes());
    if let Some((a, b)) = classes.find(|(a, b)| a != b) {
        bail!("--trusted has a class `{a}` where --data has `{b}`: they must be the same");
    }
    ensure!(
        mine.class_count() == theirs.class_count(),
        "--trusted has {} classes, --data has {}: they must be the same",
        mine.class_count(),
        theirs.class_count()
    );
    Ok(mine)
}

/// The classes with their numbers of samples.
fn counts(sets: &Sets) -> Vec<(String, usize, usize)> {
    let sizes = sets.training.class_sizes().into_iter();
    let sizes = sizes.zip(sets.trusted.class_sizes());
    let classes = sets.training.classes().iter().cloned().zip(sizes);
    classes.map(|(class, (a, b))| (class, a, b)).collect()
}

/// The iterates that were looked at, judged.
fn history<B: Backend>(
    experiment: &dyn CleaningExperiment<B>,
    evaluations: &[(Spent, Iterate<B>)],
) -> Result<Vec<Moment>> {
    let progress = Progress::new(evaluations.len(), "judging");
    let mut solved = None;
    let judged = evaluations.iter().map(|(spent, at)| {
        let scores = experiment.judge(at, &mut solved)?;
        progress.inc();
        Ok(Moment {
            step: spent.step,
            seconds: spent.seconds,
            calls: spent.calls.total(),
            scores,
        })
    });
    judged.collect()
}

/// The weight of every sample and whether it is kept, as CSV.
fn table(sets: &Sets, weights: &[f64], kept: &[bool]) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["sample", "label", "weight", "kept"];
    header.extend(sets.right.as_ref().map(|_| "right"));
    csv.write_record(&header)?;
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

/// Classes whose numbers are printed.
const SHOWN_CLASSES: usize = 10;

fn print(report: &Report) {
    let percent = |share: Option<f64>| match share {
        Some(share) => format!("{:.2} %", 100.0 * share),
        None => "not known".to_string(),
    };
    let Scores {
        own_accuracy,
        test_accuracy,
        f1,
        f1_agreed,
        threshold,
        ..
    } = report.scores;
    say!(
        "{}: {} steps in {:.1} s, and {:.1} s to judge {} iterates",
        report.method,
        report.steps,
        report.seconds,
        report.judging_seconds,
        report.history.len()
    );
    match report.samples[0] - report.kept {
        _ if report.failure.is_some() => {}
        0 => say!("no wrong labels found among {} samples", report.kept),
        wrong => say!(
            "{wrong} wrong labels found among {} samples: a classifier contradicts them by more than their weights speak \
             for them (small below {threshold:.2})",
            report.samples[0]
        ),
    }
    if report.table_bytes > 0 {
        let megabytes = report.table_bytes as f64 / 1e6;
        say!("its table of derivatives takes {megabytes:.1} MB");
    }
    if let Some(label) = &report.label {
        let classes = report.classes.iter();
        let classes = classes.map(|(class, n, known)| format!("{} {n} + {known}", one_line(class)));
        let classes: Vec<String> = classes.take(SHOWN_CLASSES).collect();
        let more = match report.classes.len() > SHOWN_CLASSES {
            true => ", …",
            false => "",
        };
        say!(
            "classes by `{}`, to be cleaned + trusted: {}{more}",
            one_line(label),
            classes.join(", ")
        );
        if !report.dropped.is_empty() {
            say!("no feature: {}", one_line(&report.dropped.join(", ")));
        }
    }
    let line = |name, value: String| say!("  {name:<47}{value}");
    say!("accuracy on the test set of");
    line(
        "a classifier trained with the weights",
        percent(test_accuracy),
    );
    line(
        "one trained on what is kept and trusted",
        percent(report.retrained_accuracy),
    );
    line("the method's own iterate", percent(own_accuracy));
    if let Some(baselines) = &report.baselines {
        line(
            "one trained on all samples as they are",
            percent(baselines.all),
        );
        line("on those that are right", percent(baselines.right));
        line("on those trusted", percent(baselines.trusted));
        line(
            "on those that are right and those trusted",
            percent(baselines.right_and_trusted),
        );
    }
    let share = |f1: Option<f64>| f1.map_or("not known".to_string(), |f1| format!("{f1:.3}"));
    say!("F1 of");
    line("the samples kept", share(report.f1_kept));
    line("those with weights above the threshold", share(f1));
    line(
        "those whose label the classifier agrees with",
        share(f1_agreed),
    );
    if let Some(baselines) = &report.baselines {
        line(
            "those the trusted samples' classifier does",
            share(baselines.f1_of_trusted),
        );
    }
    say!("weights and pictures: {}", one_line(&report.output));
}
