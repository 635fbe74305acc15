//! `bilevel denoise`: the model at work on photographs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bilevel_core::Outcome;
use bilevel_data::{GrayImage, image_paths, load_channels, save_channels};
use burn::tensor::backend::Backend;

use super::bar;
use crate::arguments::DenoiseArguments;
use crate::model_file::load_model;
use crate::reconstruct::reconstruct;

/// Runs the command: each colour of each photograph is an image of its own.
pub(crate) fn denoise<B: Backend>(
    arguments: &DenoiseArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let DenoiseArguments {
        input,
        output,
        model,
    } = arguments;
    let model = load_model::<B>(model.as_deref(), device)?;
    let files = files(input, output)?;
    let photographs: Vec<Vec<GrayImage>> = files
        .iter()
        .map(|(from, _)| load_channels(from))
        .collect::<Result<_, _>>()?;
    if input.is_dir() {
        std::fs::create_dir_all(output)
            .with_context(|| format!("cannot make the folder {}", output.display()))?;
    }
    let progress = bar(photographs.iter().map(Vec::len).sum(), "denoising");
    for ((_, to), noisy) in files.iter().zip(photographs) {
        let done = || progress.inc(1);
        let (regularizer, x) = (&model.regularizer, &model.parameters);
        let denoised = reconstruct::<B, _>(regularizer, x, &noisy, device, done);
        let (channels, outcomes): (Vec<GrayImage>, Vec<Outcome>) = denoised.into_iter().unzip();
        save_channels(&channels, to)?;
        let status = Outcome::worst(&outcomes).status;
        progress.suspend(|| match status {
            bilevel_core::Status::Converged => println!("{}", to.display()),
            other => println!("{} ({other}: {})", to.display(), other.advice()),
        });
    }
    progress.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

/// Which file becomes which.
fn files(input: &Path, output: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !input.is_dir() {
        ensure!(
            output
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("png")),
            "{}: the output is a PNG file, give it a name that ends in .png",
            output.display()
        );
        return Ok(vec![(input.to_owned(), output.to_owned())]);
    }
    let paths = image_paths(input)?;
    let to = |from: &PathBuf| {
        let twins = paths
            .iter()
            .filter(|path| path.file_stem() == from.file_stem())
            .count();
        let name = if twins > 1 {
            from.file_name()
        } else {
            from.file_stem()
        };
        let mut name = name.expect("an image has a name").to_owned();
        name.push(".png");
        output.join(name)
    };
    Ok(paths.iter().map(|from| (from.clone(), to(from))).collect())
}
