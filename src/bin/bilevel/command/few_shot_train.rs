//! `bilevel few-shot train`: learn over many episodes, keep the best, say how good it is.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bilevel_backend::Tape;
use bilevel_core::parameters::{load_values, named_values, sizes};
use bilevel_core::{Failure, Status};
use bilevel_data::{EpisodeSampler, EpisodeShape};
use bilevel_models::meta::{AnyNetwork, Upper, mean_and_interval};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use super::few_shot_evaluate::{Answered, picture};
use crate::args::{FewShotPreset, FewShotTrainArguments};
use crate::few_shot::{
    FewShotProgress, FewShotRecipe, FewShotTraining, check_side, load_few_shot,
    load_few_shot_model, save_few_shot_model,
};
use crate::io::checksum::Checksum;
use crate::io::file::save;
use crate::io::interrupt::{self, Held, Kept};
use crate::io::output::{say, shown, tell};
use crate::io::progress::Progress;
use crate::io::resume::Resume;
use crate::io::run_folder::RunFolder;
use crate::io::state_file::{load_state, save_state};
use crate::plot::{CurvePoint, Measure, training_curves};
use crate::training::metrics::{Metrics, MetricsLine};

/// Episodes of the report at the end, and their seed: the defaults of `few-shot evaluate`.
const TEST_EPISODES: u64 = 600;
const TEST_SEED: u64 = 1;
/// Steps whose mean accuracy the bar shows.
const RECENT: usize = 50;

/// A line of `metrics.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    step: usize,
    loss: f64,
    accuracy: f64,
    gradient_norm: f64,
    learning_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    validation_accuracy: Option<f64>,
}

impl MetricsLine for Line {
    fn point(&self) -> CurvePoint {
        CurvePoint {
            step: self.step,
            loss: self.loss,
            validation: self.validation_accuracy.map(|found| 100.0 * found),
        }
    }
}

/// What is said in the end.
#[derive(Debug, Serialize)]
struct Outcome {
    run: String,
    steps: usize,
    training_seconds: f64,
    best_step: usize,
    validation_accuracy: f64,
    test_ways: usize,
    test_shots: usize,
    test_accuracy: f64,
    test_interval: f64,
}

impl FewShotPreset {
    fn recipe(self) -> &'static str {
        match self {
            Self::Smoke => include_str!("../../../../recipes/few-shot/smoke.toml"),
            Self::Default => include_str!("../../../../recipes/few-shot/default.toml"),
            Self::Prototypes => include_str!("../../../../recipes/few-shot/prototypes.toml"),
            Self::Maml => include_str!("../../../../recipes/few-shot/maml.toml"),
        }
    }
}

/// Runs the command.
pub(crate) fn few_shot_train<B: Backend>(
    arguments: &FewShotTrainArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let saved = if arguments.resume {
        let run = RunFolder::open(&arguments.output)?;
        let state = load_state::<FewShotProgress, _>(&run.state(), ["x", "optimizer"])?;
        Some((state, run))
    } else {
        None
    };
    let progress = match &saved {
        Some(((progress, _), _)) => progress.clone(),
        None => FewShotProgress {
            recipe: recipe(arguments)?,
            data: std::path::absolute(&arguments.data).context("--data")?,
            step: 0,
            best: None,
            seconds: 0.0,
            pictures: 0,
            metrics: 0,
        },
    };
    let recipe = progress.recipe.clone();
    let splits = load_few_shot(&progress.data)?;
    let mut checksum = Checksum::default();
    checksum.add_samples(splits.train.samples());
    checksum.add_samples(splits.val.samples());
    let pictures = checksum.value();
    if let Some((_, run)) = &saved {
        check_saved(&progress, pictures).with_context(|| {
            let state = run.state();
            format!(
                "cannot resume from {}: start again with --overwrite",
                state.display()
            )
        })?;
    }
    let progress = FewShotProgress {
        pictures,
        ..progress
    };
    check_side(&recipe.network, &splits.train)?;
    info!(
        data = %progress.data.display(),
        training = splits.train.class_count(),
        validation = splits.val.class_count(),
        test = splits.test.class_count(),
        "classes loaded"
    );
    let train = if recipe.rotations {
        splits.train.rotated()?
    } else {
        splits.train
    };
    let sampler = EpisodeSampler::new(&train, recipe.training.into())?;
    let validation = EpisodeSampler::new(&splits.val, recipe.validation.into())?;
    let test_shape = EpisodeShape {
        queries: 15,
        ..recipe.validation.into()
    };
    let test = EpisodeSampler::new(&splits.test, test_shape)?;

    let mut training = FewShotTraining::<B>::new(recipe.clone(), [sampler, validation], device)?;
    let sizes = sizes(&training.x().weights);
    let entries: usize = sizes.iter().map(|(_, n)| n).sum();
    recipe
        .method
        .check_memory(entries * size_of::<B::FloatElem>())?;
    if let Some(path) = &arguments.from {
        let model = load_few_shot_model::<B>(path, device)?;
        let x = begin_with(training.x().clone(), &model.x)
            .with_context(|| format!("{} cannot be begun with", path.display()))?;
        training = training.beginning_with(x);
    }
    // Everything that can be wrong with the call has been found: only now is anything written.
    let (run, training) = match saved {
        Some(((_, [x, optimizer]), run)) => (run, training.resumed(progress.step, x, optimizer)?),
        None => {
            let run = RunFolder::create(&arguments.output, arguments.overwrite)?;
            (run, training)
        }
    };
    let resume = Resume::new("few-shot train", &run);
    info!(
        output = %run.path().display(),
        step = progress.step,
        steps = recipe.steps,
        "training"
    );
    let mut held = interrupt::hold();
    let (end, progress) = learn(
        &run,
        training,
        progress,
        arguments.stop_after,
        &mut held,
        &resume,
    )?;
    match end {
        End::Done => {}
        End::Stopped => {
            let line = resume.after(progress.step);
            resume.say(&line, progress.step, Some(recipe.steps), arguments.json)?;
            return Ok(interrupt::exit_code());
        }
        End::Failed { step, failure } => {
            tell!(
                "error: step {step}: {failure}; the state after step {} is saved in {}: {}",
                progress.step,
                run.path().display(),
                Status::NonFinite.advice()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    held.saved(resume.line("after the last step"));
    info!(episodes = TEST_EPISODES, "evaluating");
    let (best_step, validation_accuracy) = progress.best.context("no validation gave a number")?;
    let model = load_few_shot_model::<B>(&run.model(), device)?;
    let answered = Answered::new(&model, &test, TEST_SEED, TEST_EPISODES, device)?;
    picture(&model, &test.episode(TEST_SEED, 0), &run.episode(), device)?;
    let (test_accuracy, test_interval) = mean_and_interval(&answered.accuracies);
    let outcome = Outcome {
        run: run.path().display().to_string(),
        steps: progress.step,
        training_seconds: progress.seconds,
        best_step,
        validation_accuracy,
        test_ways: test_shape.ways,
        test_shots: test_shape.shots,
        test_accuracy,
        test_interval,
    };
    save(
        &run.evaluation(),
        serde_json::to_string_pretty(&outcome)?.as_bytes(),
    )?;
    if arguments.json {
        say!("{}", serde_json::to_string(&outcome)?);
    } else {
        say!(
            "{}-way {}-shot on classes that were never seen: {:.1} ± {:.1} % ({TEST_EPISODES} tasks, 95 % interval)",
            outcome.test_ways,
            outcome.test_shots,
            100.0 * test_accuracy,
            100.0 * test_interval
        );
        say!(
            "{} steps in {:.0} s; best on the validation classes after step {best_step} ({:.1} %)",
            outcome.steps,
            outcome.training_seconds,
            100.0 * validation_accuracy
        );
        say!("model, metrics and pictures: {}", shown(run.path()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether counters that were read are those of a run on these `pictures`.
///
/// # Errors
/// If they are not.
fn check_saved(progress: &FewShotProgress, pictures: u32) -> Result<()> {
    progress.recipe.check()?;
    let (step, steps) = (progress.step, progress.recipe.steps);
    ensure!(step <= steps, "it is at step {step} of {steps}");
    ensure!(
        progress.pictures == pictures,
        "{} does not hold the pictures that the run was started with",
        progress.data.display()
    );
    Ok(())
}

/// The recipe that the call names, with what it changes.
fn recipe(arguments: &FewShotTrainArguments) -> Result<FewShotRecipe> {
    let mut recipe = match &arguments.recipe {
        Some(path) => FewShotRecipe::read(path)?,
        None => FewShotRecipe::from_text(arguments.preset.recipe())?,
    };
    recipe.steps = arguments.steps.unwrap_or(recipe.steps);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    recipe.check()?;
    Ok(recipe)
}

/// Why training ended.
enum End {
    /// All steps were taken.
    Done,
    /// Ctrl-C or `--stop-after`.
    Stopped,
    /// The numbers of a step were of no use.
    Failed { step: usize, failure: Failure },
}

/// How the run is saved as it is now.
fn kept<B: Backend>(
    run: &RunFolder,
    training: &FewShotTraining<'_, B>,
    progress: &FewShotProgress,
    resume: &Resume,
) -> Result<Kept>
where
    Upper<B, AnyNetwork>: AutodiffModule<Tape<B>>,
{
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
    mut training: FewShotTraining<'_, B>,
    mut progress: FewShotProgress,
    stop_after: Option<usize>,
    held: &mut Held,
    resume: &Resume,
) -> Result<(End, FewShotProgress)>
where
    Upper<B, AnyNetwork>: AutodiffModule<Tape<B>>,
{
    held.keep(true, || kept(run, &training, &progress, resume))?;
    if progress.step == 0 {
        held.save()?;
        run.begin()?;
        save(&run.recipe(), toml::to_string(&progress.recipe)?.as_bytes())?;
    }
    let mut metrics = Metrics::<Line>::open(&run.metrics(), progress.step, progress.metrics)?;
    let steps = progress.recipe.steps;
    let validate_every = progress.recipe.validate_every;
    let bar = Progress::new(steps, "learning");
    bar.begin_at(progress.step);
    let (first, before) = (progress.step, progress.seconds);
    let start = Instant::now();
    let mut end = End::Done;
    while progress.step < steps {
        if interrupt::pressed() || stop_after.is_some_and(|n| progress.step - first >= n) {
            end = End::Stopped;
            break;
        }
        let (report, learning_rate);
        (training, report, learning_rate) = training.step()?;
        if let Some(failure) = report.failure {
            let step = report.step;
            end = End::Failed { step, failure };
            break;
        }
        progress.step = training.step_count();
        debug!(
            step = report.step,
            loss = report.loss,
            accuracy = report.accuracy,
            gradient = report.gradient_norm,
            learning_rate,
            "step"
        );
        let validates = |step: usize| step.is_multiple_of(validate_every) || step == steps;
        let validate = validates(progress.step);
        let found = validate
            .then(|| training.validation_accuracy())
            .transpose()?;
        if let Some(found) = found
            && found.is_finite()
            && progress.best.is_none_or(|(_, best)| found > best)
        {
            progress.best = Some((progress.step, found));
            save_few_shot_model(&training.model(), &run.model())?;
        }
        if let Some(accuracy) = found {
            let best = progress.best.map(|(step, _)| step);
            info!(step = progress.step, accuracy, best, "validation");
        }
        metrics.push(Line {
            step: report.step,
            loss: report.loss,
            accuracy: report.accuracy,
            gradient_norm: report.gradient_norm,
            learning_rate,
            validation_accuracy: found,
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
        training_curves(&metrics.curve(), Measure::ACCURACY, &run.curves())?;
    }
    Ok((end, progress))
}

fn show(bar: &Progress, metrics: &Metrics<Line>, progress: &FewShotProgress) {
    let lines = metrics.lines();
    let recent = &lines[lines.len().saturating_sub(RECENT)..];
    let recent: Vec<f64> = recent.iter().map(|line| line.accuracy).collect();
    let (mean, half) = mean_and_interval(&recent);
    let best = progress.best.map_or(String::new(), |(_, best)| {
        format!(", validation {:.1} %", 100.0 * best)
    });
    bar.set_message(format!(
        "accuracy {:.1} ± {:.1} %{best}",
        100.0 * mean,
        100.0 * half
    ));
    bar.set_position(progress.step as u64);
}

/// The numbers of `from` wherever the two have a parameter in common; a head of its own keeps its
/// start.
fn begin_with<B: Backend>(
    x: Upper<B, AnyNetwork>,
    from: &Upper<B, AnyNetwork>,
) -> Result<Upper<B, AnyNetwork>>
where
    Upper<B, AnyNetwork>: AutodiffModule<Tape<B>>,
{
    let mut values = named_values(&x);
    let given = named_values(from);
    let mut common = 0;
    for (path, value) in &mut values {
        if let Some(given) = given.get(path)
            && given.shape == value.shape
        {
            *value = given.clone();
            common += 1;
        }
    }
    ensure!(
        common > 0,
        "its network has no parameter of the recipe's: give a model of the same network"
    );
    Ok(load_values(x, &values)?)
}
