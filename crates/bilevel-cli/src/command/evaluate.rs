//! `bilevel evaluate`: add noise, denoise, measure.

use std::process::ExitCode;

use anyhow::Result;
use bilevel_core::{Status, positive};
use bilevel_data::load_folder;
use burn::tensor::backend::Backend;
use serde::Serialize;

use super::{bar, with_noise};
use crate::arguments::EvaluateArguments;
use crate::model_file::load_model;
use crate::reconstruct::reconstruct;
use crate::score::{Scores, table};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Evaluation {
    sigma: f64,
    seed: u64,
    #[serde(flatten)]
    denoised: Scores,
    noisy: Scores,
    /// Names of the images whose solve did not reach its tolerance.
    not_converged: Vec<String>,
}

/// Runs the command.
pub(crate) fn evaluate<B: Backend>(
    arguments: &EvaluateArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let model = load_model::<B>(arguments.model.as_deref(), device)?;
    let sigma = positive("--sigma", arguments.sigma.unwrap_or(model.sigma))?;
    let clean = load_folder(&arguments.images)?;
    let noisy = with_noise(&clean, sigma / 255.0, arguments.seed);
    let progress = bar(clean.len(), "denoising");
    let denoised = reconstruct::<B, _>(
        &model.regularizer,
        &model.parameters,
        &noisy,
        device,
        || {
            progress.inc(1);
        },
    );
    progress.finish_and_clear();

    let unfinished =
        |(c, (_, outcome)): (&bilevel_data::NamedImage, &(_, bilevel_core::Outcome))| {
            (outcome.status != Status::Converged).then(|| c.name.clone())
        };
    let evaluation = Evaluation {
        sigma,
        seed: arguments.seed,
        not_converged: clean.iter().zip(&denoised).filter_map(unfinished).collect(),
        denoised: Scores::new(&clean, denoised.iter().map(|(image, _)| image)),
        noisy: Scores::new(&clean, &noisy),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&evaluation)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{}",
        table(&[
            ("noisy", &evaluation.noisy),
            ("denoised", &evaluation.denoised)
        ])
    );
    if (sigma - model.sigma).abs() > 1e-9 {
        println!(
            "The model was trained for sigma {}, the noise is {sigma}.",
            model.sigma
        );
    }
    if !evaluation.not_converged.is_empty() {
        println!(
            "Not solved to the tolerance: {}.",
            evaluation.not_converged.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}
