//! `bilevel train denoise`: learn a regularizer, keep the best, say how good it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bilevel_core::{Cost, Failure, Status, Tape};
use bilevel_data::{GrayImage, NamedImage, load_folder};
use bilevel_models::regularizer::{Architecture, ArchitectureParameters};
use burn::tensor::backend::Backend;
use serde::Serialize;
use tracing::{debug, info};

use crate::args::TrainArguments;
use crate::imaging::data::{Pairs, pairs};
use crate::imaging::model_file::{Model, load_model, save_model};
use crate::imaging::reconstruct::{bytes, check_finite, check_sizes, reconstruct};
use crate::imaging::score::{Scores, check_scored, table};
use crate::io::checksum::Checksum;
use crate::io::file::save;
use crate::io::interrupt::{self, Held, Kept};
use crate::io::memory::check_memory;
use crate::io::output::{say, shown, tell};
use crate::io::progress;
use crate::io::resume::Resume;
use crate::io::run_folder::RunFolder;
use crate::io::state_file::{Best, Images, Progress, load_state, save_state};
use crate::plot::{
    Filter, Measure, SheetCell, SheetRow, comparison_sheet, filter_picture, training_curves,
};
use crate::training::baseline::best_tv;
use crate::training::driver::Training;
use crate::training::metrics::{Line, Metrics};
use crate::training::recipe::Recipe;
use crate::training::task::TaskName;

/// Seed of the noise on the test images: the default of `bilevel evaluate`.
const TEST_SEED: u64 = 1;
/// Rows of the comparison sheet at most.
const SHEET_ROWS: usize = 4;

/// Runs the command.
pub(crate) fn train<B: Backend>(
    task: TaskName,
    arguments: &TrainArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let output = arguments.output.clone();
    let output = output.unwrap_or_else(|| format!("runs/{task}").into());
    let saved = if arguments.resume {
        let run = RunFolder::open(&output)?;
        Some((
            load_state::<Progress, _>(&run.state(), ["x", "optimizer"])?,
            run,
        ))
    } else {
        None
    };
    let recipe = match &saved {
        Some(((progress, _), run)) => {
            check_saved(progress).with_context(|| {
                let state = run.state();
                format!(
                    "cannot resume from {}: start again with --overwrite",
                    state.display()
                )
            })?;
            progress.recipe.clone()
        }
        None => Recipe::new(task, arguments)?,
    };
    let known = saved.as_ref().map(|((progress, _), _)| &progress.images);
    let pixels = recipe.crop * recipe.crop * recipe.batch;
    check_memory("a step", bytes(&recipe.regularizer, pixels)).context("crop, batch")?;
    let (images, [train, val, test]) = load_images(arguments, known, &recipe)?;
    let start = arguments.from.as_deref();
    let start = start
        .map(|path| start_from(path, &recipe, device))
        .transpose()?;
    let training = Training::<B>::new(recipe.clone(), start, train, val, device)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (run, training, progress) = match saved {
        Some(((progress, [x, optimizer]), run)) => (
            run,
            training.resumed(
                progress.step,
                Cost {
                    steps: progress.cost,
                    truncated_solves: progress.capped,
                },
                x,
                optimizer,
            )?,
            Progress { images, ..progress },
        ),
        None => (
            RunFolder::create(&output, arguments.overwrite)?,
            training,
            Progress {
                recipe,
                images,
                step: 0,
                cost: 0,
                capped: 0,
                best: None,
                seconds: 0.0,
                metrics: 0,
            },
        ),
    };
    let resume = Resume::new(&format!("train {task}"), &run);
    info!(
        output = %run.path().display(),
        step = progress.step,
        steps = progress.recipe.steps(),
        "training"
    );
    let mut held = interrupt::hold();
    let outcome = learn(
        &run,
        training,
        progress,
        arguments.stop_after,
        &mut held,
        &resume,
    )?;
    match &outcome.end {
        End::Done => {}
        End::Stopped => {
            let step = outcome.progress.step;
            let line = resume.after(step);
            resume.say(
                &line,
                step,
                Some(outcome.progress.recipe.steps()),
                arguments.json,
            )?;
            return Ok(interrupt::exit_code());
        }
        End::Failed { step, failure } => {
            tell!(
                "error: upper step {step}: {failure}; the state after step {} is saved in {}: {}",
                outcome.progress.step,
                run.path().display(),
                Status::NonFinite.advice()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    held.saved(resume.line("after the last step"));
    let model = load_model::<B>(Some(&run.model()), device)?;
    info!(images = test.len(), "evaluating");
    let evaluation = evaluate(&run, &model, &outcome, &test, device)?;
    save(
        &run.evaluation(),
        serde_json::to_string_pretty(&evaluation)?.as_bytes(),
    )?;
    if arguments.json {
        say!("{}", serde_json::to_string(&evaluation)?);
    } else {
        print(&run, &evaluation);
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether counters that were read are those of a run.
///
/// # Errors
/// If they are not.
fn check_saved(progress: &Progress) -> Result<()> {
    progress.recipe.check()?;
    let steps = progress.recipe.steps();
    ensure!(
        progress.step <= steps,
        "it is at step {} of {steps}",
        progress.step
    );
    Ok(())
}

/// The images of the call, or of the run that is `known`: to learn from, to choose by, to report
/// on.
///
/// # Errors
/// If a folder cannot be read, or has other images than the run was started with.
fn load_images(
    arguments: &TrainArguments,
    known: Option<&Images>,
    recipe: &Recipe,
) -> Result<(Images, [Vec<NamedImage>; 3])> {
    let folder = |typed: &Option<PathBuf>, known: Option<&PathBuf>, name: &str| {
        let given = typed.as_ref().or(known).cloned();
        let given = given.unwrap_or_else(|| format!("assets/images/{name}").into());
        // Wherever the run is resumed from.
        std::path::absolute(&given).with_context(|| given.display().to_string())
    };
    let folders = [
        folder(&arguments.train, known.map(|k| &k.train), "train")?,
        folder(&arguments.val, known.map(|k| &k.val), "val")?,
        folder(&arguments.test, known.map(|k| &k.test), "test")?,
    ];
    let mut images = [const { Vec::new() }; 3];
    for (images, folder) in images.iter_mut().zip(&folders) {
        *images = load_folder(folder)?;
        info!(images = images.len(), folder = %folder.display(), "images loaded");
    }
    for (images, folder) in images.iter().zip(&folders).skip(1) {
        let trimmed = |named: &NamedImage| NamedImage {
            name: named.name.clone(),
            image: recipe.degradation.trimmed(&named.image),
        };
        let scored: Vec<NamedImage> = images.iter().map(trimmed).collect();
        let pixels = scored.iter().map(|named| named.image.pixels().len());
        check_scored(&scored)
            .and_then(|()| check_sizes(&recipe.regularizer, pixels))
            .with_context(|| folder.display().to_string())?;
    }
    let mut checksum = Checksum::default();
    checksum.add_images(&images[0]);
    checksum.add_images(&images[1]);
    let checksum = checksum.value();
    let [train, val, test] = folders;
    if let Some(known) = known {
        ensure!(
            known.checksum == checksum,
            "{} and {} do not hold the images that the run was started with: give them with --train and --val, or start \
             again with --overwrite",
            train.display(),
            val.display()
        );
    }
    let found = Images {
        train,
        val,
        test,
        checksum,
    };
    Ok((found, images))
}

/// The parameters of a model with the recipe's regularizer.
fn start_from<B: Backend>(
    path: &Path,
    recipe: &Recipe,
    device: &B::Device,
) -> Result<ArchitectureParameters<Tape<B>>> {
    let model = load_model::<B>(Some(path), device)?;
    ensure!(
        model.regularizer == recipe.regularizer,
        "{} has another regularizer than the recipe: {:?}",
        path.display(),
        model.regularizer
    );
    Ok(model.parameters)
}

/// Why training ended.
enum End {
    /// All steps were taken.
    Done,
    /// Ctrl-C or `--stop-after`.
    Stopped,
    /// The numbers of an upper step were of no use.
    Failed { step: usize, failure: Failure },
}

/// Where training ended.
struct Learned {
    end: End,
    progress: Progress,
    metrics: Metrics<Line>,
    validation: Pairs,
}

/// How the run is saved as it is now.
fn kept<B: Backend>(
    run: &RunFolder,
    training: &Training<B>,
    progress: &Progress,
    resume: &Resume,
) -> Result<Kept> {
    let (run, progress) = (run.clone(), progress.clone());
    let records = training.records()?;
    Ok(Kept::new(resume.after(progress.step), move || {
        if progress.step > 0 {
            run.sync_metrics()?;
        }
        save_state(&run.state(), &progress, &records)
    }))
}

/// Takes the steps that are left, and leaves state, metrics and best model on disk.
fn learn<B: Backend>(
    run: &RunFolder,
    mut training: Training<B>,
    mut progress: Progress,
    stop_after: Option<usize>,
    held: &mut Held,
    resume: &Resume,
) -> Result<Learned> {
    held.keep(true, || kept(run, &training, &progress, resume))?;
    if progress.step == 0 {
        held.save()?;
        run.begin()?;
        save(&run.recipe(), toml::to_string(&progress.recipe)?.as_bytes())?;
    }
    let mut metrics = Metrics::open(&run.metrics(), progress.step, progress.metrics)?;
    let recipe = progress.recipe.clone();
    let steps = recipe.steps();
    let bar = progress::Progress::new(steps, "training");
    bar.begin_at(progress.step);
    let first = progress.step;
    let before = progress.seconds;
    let start = Instant::now();
    let mut end = End::Done;
    while !training.is_done() {
        if interrupt::pressed() || stop_after.is_some_and(|n| progress.step - first >= n) {
            end = End::Stopped;
            break;
        }
        let report;
        (training, report) = training.step()?;
        if let Some(failure) = report.failure {
            end = End::Failed {
                step: report.step,
                failure,
            };
            break;
        }
        progress.step = training.step_count();
        let spent = training.spent();
        (progress.cost, progress.capped) = (spent.steps, spent.truncated_solves);
        let line = Line::new(&report, None);
        debug!(
            step = line.step,
            loss = line.upper_loss,
            hypergradient = line.hypergradient_norm,
            learning_rate = line.learning_rate,
            lower_steps = line.lower.steps,
            lower = line.lower.status,
            "step"
        );
        let validates = |step: usize| step.is_multiple_of(recipe.validate_every) || step == steps;
        let validate = validates(progress.step);
        let psnr = validate.then(|| training.validation_psnr()).transpose()?;
        if let Some(psnr) = psnr
            && !psnr.is_nan()
            && progress.best.is_none_or(|best| psnr > best.psnr)
        {
            progress.best = Some(Best {
                step: progress.step,
                psnr,
            });
            save_model(&training.model(), &run.model())?;
        }
        if let Some(psnr) = psnr {
            let best = progress.best.map(|best| best.step);
            info!(step = progress.step, psnr, best, "validation");
        }
        metrics.push(Line {
            validation_psnr: psnr,
            ..line
        })?;
        progress.metrics = metrics.checksum();
        progress.seconds = before + start.elapsed().as_secs_f64();
        // A validation takes as long as many steps.
        let must = validate || validates(progress.step + 1);
        held.keep(must, || kept(run, &training, &progress, resume))?;
        if validate {
            held.save()?;
        }
        show(&bar, &metrics, &progress);
    }
    drop(bar);
    held.keep(true, || kept(run, &training, &progress, resume))?;
    held.save()?;
    if progress.step > 0 {
        training_curves(&metrics.curve(), Measure::PSNR, &run.curves())?;
    }
    let validation = training.into_validation();
    Ok(Learned {
        end,
        progress,
        metrics,
        validation,
    })
}

/// Steps whose mean loss the bar shows.
const RECENT: usize = 20;

fn show(bar: &progress::Progress, metrics: &Metrics<Line>, progress: &Progress) {
    let lines = metrics.lines();
    let recent = &lines[lines.len().saturating_sub(RECENT)..];
    let loss = recent.iter().map(|line| line.upper_loss).sum::<f64>() / recent.len() as f64;
    let best = progress
        .best
        .map_or(String::new(), |b| format!(", validation {:.2} dB", b.psnr));
    bar.set_message(format!("loss {loss:.2e}{best}"));
    bar.set_position(progress.step as u64);
}

/// The numbers of a run on the test images.
#[derive(Debug, Serialize)]
struct Evaluation {
    run: String,
    sigma: f64,
    steps: usize,
    training_seconds: f64,
    best_step: usize,
    #[serde(with = "crate::io::number")]
    validation_psnr: f64,
    /// Upper steps in which a lower solve ran out of steps.
    lower_not_converged: usize,
    /// Weight of TV that is best on the validation images, in units of sigma.
    tv_weight: f64,
    test_seed: u64,
    /// Of the data themselves, where they are as large as the image.
    data: Option<Scores>,
    tv: Scores,
    learned: Scores,
}

fn evaluate<B: Backend>(
    run: &RunFolder,
    model: &Model<B>,
    learned: &Learned,
    test: &[NamedImage],
    device: &B::Device,
) -> Result<Evaluation> {
    let Learned {
        progress,
        metrics,
        validation,
        ..
    } = learned;
    let best = progress
        .best
        .context("no validation gave a number: nothing to evaluate")?;
    let bar = progress::Progress::new(2 * test.len(), "evaluating");
    let (tv_weight, tv) = best_tv(model, validation, device)?;
    let sigma = model.sigma / 255.0;
    let Pairs { clean: test, data } =
        pairs::<B>(test.to_vec(), &model.degradation, sigma, TEST_SEED)?;
    let done = || bar.inc();
    let by_tv = reconstruct(&tv, &data, device, done)?;
    let by_model = reconstruct(model, &data, device, done)?;
    check_finite(&by_model)?;
    drop(bar);
    let evaluation = Evaluation {
        run: run.path().display().to_string(),
        sigma: model.sigma,
        steps: progress.step,
        training_seconds: progress.seconds,
        best_step: best.step,
        validation_psnr: best.psnr,
        lower_not_converged: metrics
            .lines()
            .iter()
            .filter(|line| line.lower.status != Status::Converged.to_string())
            .count(),
        tv_weight,
        test_seed: TEST_SEED,
        data: (data.first().map(GrayImage::width) == test.first().map(|t| t.image.width()))
            .then(|| Scores::new(&test, &data)),
        tv: Scores::of(&test, &by_tv),
        learned: Scores::of(&test, &by_model),
    };
    if let Some(filters) = filters(model) {
        filter_picture(&filters, &run.filters())?;
    }
    let cell = |image: &GrayImage, caption: String| SheetCell {
        image: image.clone(),
        caption,
    };
    let psnr = |scores: &Scores, i: usize| format!("{:.2} dB", scores.images[i].psnr);
    let rows: Vec<SheetRow> = (0..test.len().min(SHEET_ROWS))
        .map(|i| SheetRow {
            name: test[i].name.clone(),
            cells: vec![
                match &evaluation.data {
                    Some(scores) => cell(&data[i], psnr(scores, i)),
                    None => cell(&enlarged(&data[i], &test[i].image), String::new()),
                },
                cell(&by_tv[i].0, psnr(&evaluation.tv, i)),
                cell(&by_model[i].0, psnr(&evaluation.learned, i)),
                cell(&test[i].image, String::new()),
            ],
        })
        .collect();
    comparison_sheet(
        &["data", "TV", "learned", "clean"],
        &rows,
        &run.comparison(),
    )?;
    Ok(evaluation)
}

/// Small data at the size of the image, every pixel repeated.
fn enlarged(data: &GrayImage, image: &GrayImage) -> GrayImage {
    let (width, height) = (image.width(), image.height());
    let pixels = (0..width * height)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            data.pixels()[y * data.height() / height * data.width() + x * data.width() / width]
        })
        .collect();
    GrayImage::new(width, height, pixels)
}

/// The filters of a model that consists of one bank of them.
fn filters<B: Backend>(model: &Model<B>) -> Option<Vec<Filter>> {
    let (taps, log_weights) = match (&model.regularizer, &model.parameters) {
        (Architecture::FieldsOfExperts(r), ArchitectureParameters::FieldsOfExperts(x)) => {
            (r.scaled_filters(x), x.log_weights.val())
        }
        (Architecture::Ridge(r), ArchitectureParameters::Ridge(x)) => {
            (r.scaled_filters(x), x.log_weights.val())
        }
        _ => return None,
    };
    let size = taps.dims()[2];
    let taps: Vec<f32> = taps.into_data().iter::<f32>().collect();
    let weights = log_weights.exp().into_data();
    let filter = |(taps, weight): (&[f32], f32)| Filter {
        size,
        taps: taps.to_vec(),
        weight,
    };
    let filters = taps.chunks(size * size).zip(weights.iter::<f32>());
    Some(filters.map(filter).collect())
}

fn print(run: &RunFolder, e: &Evaluation) {
    let data = e.data.iter().map(|data| ("data", data));
    let columns: Vec<_> = data
        .chain([("TV", &e.tv), ("learned", &e.learned)])
        .collect();
    say!("{}", table(&columns));
    say!(
        "{} steps in {:.0} s; best on the validation images after step {} ({:.2} dB); TV weight {} sigma",
        e.steps,
        e.training_seconds,
        e.best_step,
        e.validation_psnr,
        e.tv_weight
    );
    if e.lower_not_converged > 0 {
        say!(
            "{} lower solves did not reach their tolerance (see metrics.jsonl)",
            e.lower_not_converged
        );
    }
    say!("model, metrics and pictures: {}", shown(run.path()));
}
