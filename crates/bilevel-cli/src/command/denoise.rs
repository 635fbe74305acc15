//! `bilevel denoise`: the model at work on photographs.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bilevel_core::Status;
use bilevel_data::{GrayImage, NamedImage, load_folder};
use burn::tensor::backend::Backend;

use super::bar;
use crate::arguments::DenoiseArguments;
use crate::model_file::load_model;
use crate::reconstruct::reconstruct;

/// Runs the command.
pub(crate) fn denoise<B: Backend>(
    arguments: &DenoiseArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let DenoiseArguments { input, output, model } = arguments;
    let model = load_model::<B>(model.as_deref(), device)?;
    let folder = input.is_dir();
    let images = if folder {
        load_folder(input)?
    } else {
        ensure!(
            output.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")),
            "{}: the output is a PNG file, give it a name that ends in .png",
            output.display()
        );
        let image = GrayImage::load(input)?;
        vec![NamedImage { name: String::new(), image }]
    };
    if folder {
        std::fs::create_dir_all(output)
            .with_context(|| format!("cannot make the folder {}", output.display()))?;
    }

    let progress = bar(images.len(), "denoising");
    let noisy: Vec<GrayImage> = images.iter().map(|named| named.image.clone()).collect();
    let denoised =
        reconstruct::<B, _>(&model.regularizer, &model.parameters, &noisy, device, || {
            progress.inc(1);
        });
    progress.finish_and_clear();
    for (named, (image, outcome)) in images.iter().zip(denoised) {
        let path = if folder {
            output.join(format!("{}.png", named.name))
        } else {
            output.clone()
        };
        image.save_png(&path)?;
        report(&path, outcome.status);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(path: &Path, status: Status) {
    match status {
        Status::Converged => println!("{}", path.display()),
        other => println!("{} ({other}: {})", path.display(), other.advice()),
    }
}
