//! `bilevel few-shot adapt`: learn from a few pictures of each class, name others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use bilevel_data::{GrayImage, Labelled, image_paths, load_class_folders};
use bilevel_models::meta::{Episode, Samples};
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::Serialize;
use tracing::info;

use crate::args::FewShotAdaptArguments;
use crate::few_shot::load_few_shot_model;
use crate::io::output::{one_line, say};
use crate::plot::{EpisodePicture, QueryPicture, episode_sheet};

/// A picture with what it was taken for.
#[derive(Debug, Serialize)]
struct Answer {
    file: String,
    class: String,
    /// Of the class, by the softmax of the scores.
    probability: f64,
}

/// Runs the command.
pub(crate) fn few_shot_adapt<B: Backend>(
    arguments: &FewShotAdaptArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let model = load_few_shot_model::<B>(&arguments.model, device)?;
    let side = model.side()?;
    let given = load_class_folders(&arguments.support)?;
    ensure!(
        given.class_count() >= 2,
        "{} has one class: give a sub-folder for each of two or more",
        arguments.support.display()
    );
    model.check_ways(given.class_count())?;
    let files = files(&arguments.inputs)?;
    for file in &files {
        ensure!(
            !file.starts_with(&arguments.support),
            "{} is in both support and queries: what is learned from cannot judge",
            file.display()
        );
    }
    let seen = |image: GrayImage| {
        let small = image.resized(side, side);
        let pixel = |p: &f32| if arguments.dark_on_light { 1.0 - p } else { *p };
        GrayImage::new(side, side, small.pixels().iter().map(pixel).collect())
    };
    info!(
        model = %arguments.model.display(),
        classes = given.class_count(),
        pictures = given.len(),
        queries = files.len(),
        "adapting"
    );
    let [height, width] = given.picture().expect("they are pictures");
    let support: Vec<GrayImage> = (0..given.len())
        .map(|i| seen(GrayImage::new(width, height, given.row(i).to_vec())))
        .collect();
    let queries = files.iter().map(|file| Ok(seen(GrayImage::load(file)?)));
    let queries: Vec<GrayImage> = queries.collect::<Result<_>>()?;

    let episode = episode::<B>(&given, &support, &queries, device)?;
    let scores = model.learner()?.outputs(&model.x, &episode);
    let probabilities: Vec<f64> = softmax(scores, 1).into_data().iter::<f64>().collect();
    ensure!(
        probabilities.iter().all(|p| p.is_finite()),
        "the model's scores are not finite: it is damaged, or its step sizes are too large for these pictures"
    );
    let classes = given.class_count();
    let answers: Vec<(usize, f64)> = probabilities
        .chunks(classes)
        .map(|row| {
            let largest = row.iter().copied().enumerate();
            largest
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .expect("there are classes")
        })
        .collect();
    if let Some(path) = &arguments.picture {
        let sheet = EpisodePicture {
            classes: given.classes().to_vec(),
            support: support
                .into_iter()
                .zip(given.labels().iter().copied())
                .collect(),
            queries: queries
                .into_iter()
                .zip(&answers)
                .map(|(image, &(answer, _))| QueryPicture {
                    image,
                    class: None,
                    answer,
                })
                .collect(),
        };
        episode_sheet(&sheet, path)?;
    }
    let answers: Vec<Answer> = files
        .iter()
        .zip(answers)
        .map(|(file, (class, probability))| Answer {
            file: file.display().to_string(),
            class: given.classes()[class].clone(),
            probability,
        })
        .collect();
    if arguments.json {
        say!("{}", serde_json::to_string(&answers)?);
    } else {
        for answer in &answers {
            say!(
                "{}: {} ({:.0} %)",
                one_line(&answer.file),
                one_line(&answer.class),
                100.0 * answer.probability
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pictures that were named, and those of folders that were.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if Path::is_dir(input) {
            files.extend(image_paths(input)?);
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

/// Support and queries as tensors; nobody knows the queries' classes, and nobody looks at their
/// targets.
fn episode<B: Backend>(
    given: &Labelled,
    support: &[GrayImage],
    queries: &[GrayImage],
    device: &B::Device,
) -> Result<Episode<B>> {
    let rows = |images: &[GrayImage]| -> Vec<f32> {
        images.iter().flat_map(GrayImage::pixels).copied().collect()
    };
    let classes = given.class_count();
    let width = support[0].pixels().len();
    let learned = Samples::classes(&rows(support), width, given.labels(), classes, device)?;
    let inputs = TensorData::new(rows(queries), [queries.len(), width]);
    Ok(Episode {
        support: learned,
        query: Samples {
            inputs: Tensor::from_data(inputs, device),
            targets: Tensor::zeros([queries.len(), classes], device),
        },
    })
}
