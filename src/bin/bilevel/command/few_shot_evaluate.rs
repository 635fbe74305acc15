//! `bilevel few-shot evaluate`: how often a model is right on classes it never saw.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use bilevel_data::{
    EpisodeSampler, EpisodeSamples, EpisodeShape, GrayImage, Labelled, load_omniglot_runs,
};
use bilevel_models::meta::{evaluate, mean_and_interval};
use burn::tensor::backend::Backend;
use serde::Serialize;
use tracing::info;

use crate::args::FewShotEvaluateArguments;
use crate::few_shot::{FewShotModel, check_side, load_few_shot, load_few_shot_model, on_device};
use crate::io::output::say;
use crate::io::progress::Progress;
use crate::plot::{EpisodePicture, QueryPicture, episode_sheet};

/// Tasks that are answered before the bar moves.
const AT_ONCE: u64 = 20;

/// Letters of a class's name beside its pictures at most; longer ones become a number.
const LABEL: usize = 24;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Evaluation {
    ways: usize,
    shots: usize,
    episodes: usize,
    seed: u64,
    /// Mean share of right answers.
    accuracy: f64,
    /// Half of the 95 % interval of the mean.
    interval: f64,
    /// Wall time, tasks side by side.
    seconds_per_episode: f64,
}

/// Shares of right answers, task by task.
pub(super) struct Answered {
    pub accuracies: Vec<f64>,
    seconds: f64,
}

impl Answered {
    /// Of episodes `0..count` of `seed`.
    pub fn new<B: Backend>(
        model: &FewShotModel<B>,
        sampler: &EpisodeSampler<'_>,
        seed: u64,
        count: u64,
        device: &B::Device,
    ) -> Result<Self> {
        Self::of(model, count, |i| sampler.episode(seed, i), device)
    }

    fn of<B: Backend>(
        model: &FewShotModel<B>,
        count: u64,
        episode: impl Fn(u64) -> EpisodeSamples,
        device: &B::Device,
    ) -> Result<Self> {
        let learner = model.learner()?;
        info!(tasks = count, "answering");
        let progress = Progress::new(count as usize, "answering");
        let start = Instant::now();
        let mut accuracies = Vec::new();
        let mut first = 0;
        while first < count {
            let last = count.min(first + AT_ONCE);
            let episodes = (first..last).map(|i| on_device::<B>(&episode(i), device));
            accuracies.extend(evaluate(
                &*learner,
                &model.x,
                episodes.collect::<Result<_>>()?,
            ));
            ensure!(
                accuracies.iter().all(|accuracy| accuracy.is_finite()),
                "the model's scores are not finite: it is damaged, or its step sizes are too large for these pictures"
            );
            first = last;
            let (mean, half) = mean_and_interval(&accuracies);
            progress.set_message(format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * half));
            progress.set_position(first);
        }
        drop(progress);
        Ok(Self {
            accuracies,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// Runs the command.
pub(crate) fn few_shot_evaluate<B: Backend>(
    arguments: &FewShotEvaluateArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let model = load_few_shot_model::<B>(&arguments.model, device)?;
    let (ways, shots, answered, first) = if let Some(folder) = &arguments.runs {
        let side = model.side()?;
        let runs = load_omniglot_runs(folder, side)?;
        let ways = runs[0].support().class_count();
        model.check_ways(ways)?;
        let answered = Answered::of(
            &model,
            runs.len() as u64,
            |i| runs[i as usize].clone(),
            device,
        )?;
        (ways, 1, answered, runs[0].clone())
    } else {
        model.check_ways(arguments.ways)?;
        let test = load_few_shot(&arguments.data)?.test;
        check_side(&model.about.network, &test)?;
        let shape = EpisodeShape {
            ways: arguments.ways,
            shots: arguments.shots,
            queries: arguments.queries,
        };
        let sampler = EpisodeSampler::new(&test, shape)?;
        let count = arguments.episodes as u64;
        let answered = Answered::new(&model, &sampler, arguments.seed, count, device)?;
        let first = sampler.episode(arguments.seed, 0);
        (shape.ways, shape.shots, answered, first)
    };
    if let Some(path) = &arguments.picture {
        picture(&model, &first, path, device)?;
    }
    let episodes = answered.accuracies.len();
    let (accuracy, interval) = mean_and_interval(&answered.accuracies);
    let evaluation = Evaluation {
        ways,
        shots,
        episodes,
        seed: arguments.seed,
        accuracy,
        interval,
        seconds_per_episode: answered.seconds / episodes as f64,
    };
    if arguments.json {
        say!("{}", serde_json::to_string(&evaluation)?);
    } else {
        say!(
            "{ways}-way {shots}-shot: {:.2} ± {:.2} % ({episodes} tasks, 95 % interval), {:.3} s a task",
            100.0 * accuracy,
            100.0 * interval,
            evaluation.seconds_per_episode
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Draws an episode with the answers of the model.
pub(super) fn picture<B: Backend>(
    model: &FewShotModel<B>,
    episode: &EpisodeSamples,
    path: &Path,
    device: &B::Device,
) -> Result<()> {
    let outputs = model
        .learner()?
        .outputs(&model.x, &on_device::<B>(episode, device)?);
    let answers: Vec<usize> = outputs
        .argmax(1)
        .into_data()
        .iter::<i64>()
        .map(|answer| answer as usize)
        .collect();
    let image = |part: &Labelled, i: usize| {
        let [height, width] = part.picture().expect("they are pictures");
        GrayImage::new(width, height, part.row(i).to_vec())
    };
    // The font has Latin letters: classes of other scripts are numbered.
    let label = |(number, name): (usize, &String)| {
        let drawable = name.is_ascii() && name.len() <= LABEL;
        if drawable {
            name.clone()
        } else {
            (number + 1).to_string()
        }
    };
    let (support, query) = (episode.support(), episode.query());
    let sheet = EpisodePicture {
        classes: support.classes().iter().enumerate().map(label).collect(),
        support: (0..support.len())
            .map(|i| (image(support, i), support.label(i)))
            .collect(),
        queries: (0..query.len())
            .map(|i| QueryPicture {
                image: image(query, i),
                class: Some(query.label(i)),
                answer: answers[i],
            })
            .collect(),
    };
    episode_sheet(&sheet, path)
}
