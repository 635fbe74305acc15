//! `bilevel evaluate`: degrade, reconstruct, measure.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use bilevel_core::{Outcome, Status};
use bilevel_data::{GrayImage, NamedImage, load_folder};
use burn::tensor::backend::Backend;
use serde::Serialize;
use tracing::info;

use super::model_name;
use crate::args::EvaluateArguments;
use crate::imaging::data::{Pairs, pairs};
use crate::imaging::degradation::noise_level;
use crate::imaging::model_file::load_model;
use crate::imaging::reconstruct::{check_finite, reconstruct};
use crate::imaging::score::{Scores, check_scored, table};
use crate::io::output::{one_line, say};
use crate::io::progress::Progress;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Evaluation {
    /// What was done to the images.
    task: String,
    /// What they were reconstructed with.
    regularizer: &'static str,
    sigma: f64,
    seed: u64,
    /// Wall time, all images side by side.
    seconds_per_image: f64,
    #[serde(flatten)]
    reconstructed: Scores,
    /// Of the data themselves, where they are as large as the images.
    data: Option<Scores>,
    /// Names of the images whose solve did not reach its tolerance.
    not_converged: Vec<String>,
}

/// Runs the command.
pub(crate) fn evaluate<B: Backend>(
    arguments: &EvaluateArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let model = load_model::<B>(arguments.model.as_deref(), device)?;
    let sigma = noise_level("--sigma", arguments.sigma.unwrap_or(model.sigma))?;
    let clean = load_folder(&arguments.images)?;
    info!(
        model = model_name(arguments.model.as_deref()),
        regularizer = model.regularizer.name(),
        images = clean.len(),
        folder = %arguments.images.display(),
        "reconstructing"
    );
    let Pairs { clean, data } =
        pairs::<B>(clean, &model.degradation, sigma / 255.0, arguments.seed)?;
    check_scored(&clean)?;
    let progress = Progress::new(clean.len(), "reconstructing");
    let start = Instant::now();
    let images = reconstruct(&model, &data, device, || progress.inc())?;
    let seconds_per_image = start.elapsed().as_secs_f64() / clean.len() as f64;
    drop(progress);
    check_finite(&images)?;

    let unfinished = |(c, (_, outcome)): (&NamedImage, &(GrayImage, Outcome))| {
        (outcome.status != Status::Converged).then(|| c.name.clone())
    };
    let same_size = |(c, d): (&NamedImage, &GrayImage)| c.image.width() == d.width();
    let evaluation = Evaluation {
        task: model.degradation.task().to_string(),
        regularizer: model.regularizer.name(),
        sigma,
        seed: arguments.seed,
        seconds_per_image,
        not_converged: clean.iter().zip(&images).filter_map(unfinished).collect(),
        reconstructed: Scores::of(&clean, &images),
        data: clean
            .iter()
            .zip(&data)
            .all(same_size)
            .then(|| Scores::new(&clean, &data)),
    };
    if arguments.json {
        say!("{}", serde_json::to_string(&evaluation)?);
        return Ok(ExitCode::SUCCESS);
    }
    let columns = evaluation.data.iter().map(|data| ("data", data));
    let columns: Vec<_> = columns
        .chain([("reconstructed", &evaluation.reconstructed)])
        .collect();
    say!("{}", table(&columns));
    say!("{seconds_per_image:.2} s an image");
    if (sigma - model.sigma).abs() > 1e-9 {
        say!(
            "The model was trained for sigma {}, the noise is {sigma}.",
            model.sigma
        );
    }
    if !evaluation.not_converged.is_empty() {
        say!(
            "Not solved to the tolerance: {}.",
            one_line(&evaluation.not_converged.join(", "))
        );
    }
    Ok(ExitCode::SUCCESS)
}
