//! `bilevel train denoise`: learn a regularizer, keep the best, say how good it is.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use bilevel_core::{Failure, Spent, Status};
use bilevel_data::{NamedImage, load_folder};
use bilevel_models::regularizer::Tv;
use burn::tensor::backend::Backend;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{bar, with_noise};
use crate::arguments::TrainArguments;
use crate::baseline::best_tv;
use crate::draw::{
    Filter, SheetCell, SheetRow, comparison_sheet, filter_picture, save, training_curves,
};
use crate::interrupt;
use crate::metrics::{Line, Metrics};
use crate::model_file::{Model, load_model, save_model};
use crate::recipe::Recipe;
use crate::reconstruct::reconstruct;
use crate::run_folder::RunFolder;
use crate::score::{Scores, table};
use crate::state_file::{Best, Progress, load_state};
use crate::training::{Pairs, Training};

/// Seed of the noise on the test images: the default of `bilevel evaluate`.
const TEST_SEED: u64 = 1;
/// Rows of the comparison sheet at most.
const SHEET_ROWS: usize = 4;

/// Runs the command.
pub(crate) fn train<B: Backend>(
    arguments: &TrainArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let saved = if arguments.resume {
        let run = RunFolder::open(&arguments.output)?;
        Some((load_state(&run.state())?, run))
    } else {
        None
    };
    let recipe = match &saved {
        Some(((progress, ..), _)) => progress.recipe.clone(),
        None => Recipe::new(arguments)?,
    };
    let train = load_folder(&arguments.train)?;
    let val = load_folder(&arguments.val)?;
    let test = load_folder(&arguments.test)?;
    let training = Training::<B>::new(recipe.clone(), train, val, device)?;
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (run, training, progress) = match saved {
        Some(((progress, x, optimizer), run)) => (
            run,
            training.resumed(
                progress.step,
                Spent {
                    cost: progress.cost,
                    capped: progress.capped,
                },
                x,
                optimizer,
            )?,
            progress,
        ),
        None => {
            let run = RunFolder::create(&arguments.output, arguments.overwrite)?;
            save(
                &run.recipe(),
                serde_json::to_string_pretty(&recipe)?.as_bytes(),
            )?;
            (
                run,
                training,
                Progress {
                    recipe,
                    step: 0,
                    cost: 0,
                    capped: 0,
                    best: None,
                    seconds: 0.0,
                },
            )
        }
    };
    interrupt::watch()?;
    let outcome = learn(&run, training, progress, arguments.stop_after)?;
    match &outcome.end {
        End::Done => {}
        End::Stopped => {
            eprintln!(
                "stopped after step {}; go on with: bilevel train denoise --resume --output {}",
                outcome.progress.step,
                run.path().display()
            );
            return Ok(ExitCode::from(if interrupt::pressed() { 130 } else { 0 }));
        }
        End::Failed { step, failure } => {
            eprintln!(
                "error: upper step {step}: {failure}; the state after step {} is saved in {}: {}",
                outcome.progress.step,
                run.path().display(),
                Status::NonFinite.advice()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    let model = load_model::<B>(Some(&run.model()), device)?;
    let evaluation = evaluate(&run, &model, &outcome, &test, device)?;
    save(
        &run.evaluation(),
        serde_json::to_string_pretty(&evaluation)?.as_bytes(),
    )?;
    if arguments.json {
        println!("{}", serde_json::to_string(&evaluation)?);
    } else {
        print(&run, &evaluation);
    }
    Ok(ExitCode::SUCCESS)
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
    metrics: Metrics,
    validation: Pairs,
}

/// Takes the steps that are left, and leaves state, metrics and best model on disk.
fn learn<B: Backend>(
    run: &RunFolder,
    mut training: Training<B>,
    mut progress: Progress,
    stop_after: Option<usize>,
) -> Result<Learned> {
    let mut metrics = Metrics::open(&run.metrics(), progress.step)?;
    let recipe = progress.recipe.clone();
    let bar = bar(recipe.steps, "training");
    bar.set_position(progress.step as u64);
    bar.reset_eta();
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
        (training, report) = training.step();
        if let Some(failure) = report.failure {
            end = End::Failed {
                step: report.step,
                failure,
            };
            break;
        }
        progress.step = training.step_count();
        let spent = training.spent();
        (progress.cost, progress.capped) = (spent.cost, spent.capped);
        let validate = progress.step.is_multiple_of(recipe.validate_every) || training.is_done();
        let psnr = validate.then(|| training.validation_psnr());
        if let Some(psnr) = psnr
            && progress.best.is_none_or(|best| psnr > best.psnr)
        {
            progress.best = Some(Best {
                step: progress.step,
                psnr,
            });
            save_model(&training.model(), &run.model())?;
        }
        metrics.push(Line::new(&report, psnr))?;
        progress.seconds = before + start.elapsed().as_secs_f64();
        if validate {
            training.save(&run.state(), &progress)?;
        }
        show(&bar, &metrics, &progress);
    }
    bar.finish_and_clear();
    training.save(&run.state(), &progress)?;
    if progress.step > 0 {
        training_curves(&metrics.curve(), &run.curves())?;
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

fn show(bar: &ProgressBar, metrics: &Metrics, progress: &Progress) {
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
    validation_psnr: f64,
    /// Upper steps in which a lower solve ran out of steps.
    lower_not_converged: usize,
    /// Weight of TV that is best on the validation images, in units of sigma.
    tv_weight: f64,
    test_seed: u64,
    noisy: Scores,
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
        .context("no step was taken: nothing to evaluate")?;
    let sigma = model.sigma / 255.0;
    let progress_bar = bar(2 * test.len(), "evaluating");
    let (tv_weight, tv) = best_tv::<B>(&validation.clean, &validation.noisy, sigma, device);
    let noisy = with_noise(test, sigma, TEST_SEED);
    let done = || progress_bar.inc(1);
    let by_tv = reconstruct::<B, _>(&Tv, &tv, &noisy, device, done);
    let by_model = reconstruct::<B, _>(&model.regularizer, &model.parameters, &noisy, device, done);
    progress_bar.finish_and_clear();
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
        noisy: Scores::new(test, &noisy),
        tv: Scores::new(test, by_tv.iter().map(|(image, _)| image)),
        learned: Scores::new(test, by_model.iter().map(|(image, _)| image)),
    };
    filter_picture(&filters(model), &run.filters())?;
    let cell = |image: &bilevel_data::GrayImage, scores: &Scores, i: usize| SheetCell {
        image: image.clone(),
        caption: format!("{:.2} dB", scores.images[i].psnr),
    };
    let rows: Vec<SheetRow> = (0..test.len().min(SHEET_ROWS))
        .map(|i| SheetRow {
            name: test[i].name.clone(),
            cells: vec![
                cell(&noisy[i], &evaluation.noisy, i),
                cell(&by_tv[i].0, &evaluation.tv, i),
                cell(&by_model[i].0, &evaluation.learned, i),
                SheetCell {
                    image: test[i].image.clone(),
                    caption: String::new(),
                },
            ],
        })
        .collect();
    comparison_sheet(
        &["noisy", "TV", "learned", "clean"],
        &rows,
        &run.comparison(),
    )?;
    Ok(evaluation)
}

fn filters<B: Backend>(model: &Model<B>) -> Vec<Filter> {
    let size = model.regularizer.size;
    let taps = model
        .regularizer
        .scaled_filters(&model.parameters)
        .into_data();
    let taps: Vec<f32> = taps.iter::<f32>().collect();
    let weights = model.parameters.log_weights.val().exp().into_data();
    taps.chunks(size * size)
        .zip(weights.iter::<f32>())
        .map(|(taps, weight)| Filter {
            size,
            taps: taps.to_vec(),
            weight,
        })
        .collect()
}

fn print(run: &RunFolder, e: &Evaluation) {
    println!(
        "{}",
        table(&[("noisy", &e.noisy), ("TV", &e.tv), ("learned", &e.learned)])
    );
    println!(
        "{} steps in {:.0} s; best on the validation images after step {} ({:.2} dB); TV weight {} sigma",
        e.steps, e.training_seconds, e.best_step, e.validation_psnr, e.tv_weight
    );
    if e.lower_not_converged > 0 {
        println!(
            "{} lower solves did not reach their tolerance (see metrics.jsonl)",
            e.lower_not_converged
        );
    }
    println!("model, metrics and pictures: {}", run.path().display());
}
