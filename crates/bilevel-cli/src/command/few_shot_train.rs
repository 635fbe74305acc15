//! `bilevel few-shot train`: learn over many episodes, keep the best, say how good it is.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bilevel_backend::Tape;
use bilevel_core::Status;
use bilevel_core::parameters::{load_values, named_values, sizes};
use bilevel_data::{EpisodeSampler, EpisodeShape};
use bilevel_models::meta::{
    AnyNetwork, MetaReport, MetaState, Upper, evaluate, mean_and_interval, meta_step,
};
use burn::module::AutodiffModule;
use burn::optim::AdamConfig;
use burn::tensor::backend::Backend;
use serde::Serialize;

use super::bar;
use super::few_shot_evaluate::{Answered, picture};
use crate::arguments::{FewShotPreset, FewShotTrainArguments};
use crate::draw::{CurvePoint, Measure, save, training_curves};
use crate::few_shot::{
    About, AnyLearner, FewShotModel, FewShotRecipe, check_side, load_few_shot, load_few_shot_model,
    on_device, save_few_shot_model,
};
use crate::interrupt;
use crate::run_folder::RunFolder;

/// Seed of the episodes of validation.
const VALIDATION_SEED: u64 = 1;
/// Episodes a validation.
const VALIDATION_EPISODES: u64 = 200;
/// Episodes of the report at the end, and their seed: the defaults of `few-shot evaluate`.
const TEST_EPISODES: u64 = 600;
const TEST_SEED: u64 = 1;
/// Steps whose mean accuracy the bar shows.
const RECENT: usize = 50;

/// A line of `metrics.jsonl`.
#[derive(Debug, Serialize)]
struct Line {
    step: usize,
    loss: f64,
    accuracy: f64,
    gradient_norm: f64,
    learning_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_accuracy: Option<f64>,
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
            Self::Smoke => include_str!("../../recipes/few-shot/smoke.toml"),
            Self::Default => include_str!("../../recipes/few-shot/default.toml"),
            Self::Prototypes => include_str!("../../recipes/few-shot/prototypes.toml"),
            Self::Maml => include_str!("../../recipes/few-shot/maml.toml"),
        }
    }
}

/// Runs the command.
pub(crate) fn few_shot_train<B: Backend>(
    arguments: &FewShotTrainArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let mut recipe = match &arguments.recipe {
        Some(path) => FewShotRecipe::read(path)?,
        None => FewShotRecipe::from_text(arguments.preset.recipe())?,
    };
    recipe.steps = arguments.steps.unwrap_or(recipe.steps);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    recipe.check()?;
    let splits = load_few_shot(&arguments.data)?;
    check_side(&recipe.network, &splits.train)?;
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

    let about = About {
        method: recipe.method.clone(),
        network: recipe.network.clone(),
        normalization: recipe.normalization,
    };
    let training = about
        .method
        .in_training::<B>(&about.network, about.normalization)?;
    let in_use = about
        .method
        .in_use::<B>(&about.network, about.normalization)?;
    let mut x = training.begin(about.network.init::<Tape<B>>(recipe.seed, device));
    let entries: usize = sizes::<Tape<B>, _>(&x.weights).iter().map(|(_, n)| n).sum();
    recipe
        .method
        .check_memory(entries * size_of::<B::FloatElem>())?;
    if let Some(path) = &arguments.from {
        let model = load_few_shot_model::<B>(path, device)?;
        x = begin_with(x, &model.x)
            .with_context(|| format!("{} cannot be begun with", path.display()))?;
    }
    let run = RunFolder::create(&arguments.output, arguments.overwrite)?;
    save(&run.recipe(), toml::to_string(&recipe)?.as_bytes())?;
    let mut metrics = File::create(run.metrics())
        .with_context(|| format!("cannot write {}", run.metrics().display()))?;

    interrupt::watch()?;
    let accuracy = |learner: &AnyLearner<B>, x: &Upper<B, AnyNetwork>| -> Result<f64> {
        let episodes = (0..VALIDATION_EPISODES)
            .map(|i| on_device::<B>(&validation.episode(VALIDATION_SEED, i), device));
        let found = evaluate(&**learner, x, episodes.collect::<Result<_>>()?);
        Ok(mean_and_interval(&found).0)
    };
    let mut state = MetaState {
        x,
        optimizer: AdamConfig::new().init(),
        step: 0,
    };
    let mut curve = Vec::new();
    let mut recent = Vec::new();
    let mut best: Option<(usize, f64)> = None;
    let progress = bar(recipe.steps, "learning");
    let start = Instant::now();
    while state.step < recipe.steps && !interrupt::pressed() {
        let first = (state.step * recipe.batch) as u64;
        let episodes = (first..first + recipe.batch as u64)
            .map(|i| on_device::<B>(&sampler.episode(recipe.seed, i), device));
        let rate = recipe.learning_rate_at(state.step);
        let report: MetaReport;
        (state, report) = meta_step(&*training, state, episodes.collect::<Result<_>>()?, rate);
        if let Some(failure) = report.failure {
            progress.finish_and_clear();
            eprintln!(
                "error: step {}: {failure}; the best model so far is in {}: {}",
                report.step,
                run.path().display(),
                Status::NonFinite.advice()
            );
            return Ok(ExitCode::FAILURE);
        }
        let validated =
            state.step.is_multiple_of(recipe.validate_every) || state.step == recipe.steps;
        let found = validated.then(|| accuracy(&in_use, &state.x)).transpose()?;
        if let Some(found) = found
            && best.is_none_or(|(_, best)| found > best)
        {
            best = Some((state.step, found));
            let model = FewShotModel::<B> {
                about: about.clone(),
                x: state.x.clone(),
            };
            save_few_shot_model(&model, &run.model())?;
        }
        let line = Line {
            step: report.step,
            loss: report.loss,
            accuracy: report.accuracy,
            gradient_norm: report.gradient_norm,
            learning_rate: rate,
            validation_accuracy: found,
        };
        writeln!(metrics, "{}", serde_json::to_string(&line)?)
            .with_context(|| format!("cannot write {}", run.metrics().display()))?;
        curve.push(CurvePoint {
            step: report.step,
            loss: report.loss,
            validation: found.map(|found| 100.0 * found),
        });
        recent.push(report.accuracy);
        let (mean, half) = mean_and_interval(&recent[recent.len().saturating_sub(RECENT)..]);
        let best = best.map_or(String::new(), |(_, b)| {
            format!(", validation {:.1} %", 100.0 * b)
        });
        progress.set_message(format!(
            "accuracy {:.1} ± {:.1} %{best}",
            100.0 * mean,
            100.0 * half
        ));
        progress.set_position(report.step as u64);
    }
    progress.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    if !curve.is_empty() {
        training_curves(&curve, Measure::ACCURACY, &run.curves())?;
    }
    let Some((best_step, validation_accuracy)) = best else {
        eprintln!("stopped before the first validation: nothing was kept");
        return Ok(ExitCode::from(130));
    };
    if interrupt::pressed() {
        eprintln!(
            "stopped after step {}; the best model is in {}: go on with --from",
            state.step,
            run.model().display()
        );
        return Ok(ExitCode::from(130));
    }
    let model = load_few_shot_model::<B>(&run.model(), device)?;
    let answered = Answered::new(&model, &test, TEST_SEED, TEST_EPISODES, device)?;
    picture(&model, &test.episode(TEST_SEED, 0), &run.episode(), device)?;
    let (test_accuracy, test_interval) = mean_and_interval(&answered.accuracies);
    let outcome = Outcome {
        run: run.path().display().to_string(),
        steps: state.step,
        training_seconds: seconds,
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
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        println!(
            "{}-way {}-shot on classes that were never seen: {:.1} ± {:.1} % ({TEST_EPISODES} tasks, 95 % interval)",
            outcome.test_ways,
            outcome.test_shots,
            100.0 * test_accuracy,
            100.0 * test_interval
        );
        println!(
            "{} steps in {seconds:.0} s; best on the validation classes after step {best_step} ({:.1} %)",
            outcome.steps,
            100.0 * validation_accuracy
        );
        println!("model, metrics and pictures: {}", run.path().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The numbers of `from` wherever the two have a parameter in common; a head of its own keeps its start.
fn begin_with<B: Backend>(
    x: Upper<B, AnyNetwork>,
    from: &Upper<B, AnyNetwork>,
) -> Result<Upper<B, AnyNetwork>>
where
    Upper<B, AnyNetwork>: AutodiffModule<Tape<B>>,
{
    let mut values = named_values::<Tape<B>, _>(&x);
    let given = named_values::<Tape<B>, _>(from);
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
    Ok(load_values::<Tape<B>, _>(x, &values)?)
}
