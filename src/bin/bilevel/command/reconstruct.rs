//! `bilevel reconstruct` and `bilevel denoise`: the model at work on photographs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use bilevel_core::{Outcome, Status};
use bilevel_data::{GrayImage, LumaChroma, image_paths, load_channels, save_channels};
use bilevel_models::physics::{Boundary, Mask, MeasurementOperator};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use tracing::info;

use super::model_name;
use crate::args::{PhysicsArguments, PhysicsName, ReconstructArguments};
use crate::imaging::degradation::{Degradation, KernelShape};
use crate::imaging::model_file::{Model, load_model};
use crate::imaging::reconstruct::{Reconstructor, check_finite, reconstruct as reconstruct_images};
use crate::io::interrupt::writing;
use crate::io::output::{one_line, say};
use crate::io::progress::Progress;

/// How a model that was learned by few steps of descent is used on other data than it was learned
/// for.
const MINIMISER: Reconstructor = Reconstructor::Minimiser {
    tolerance: 3e-4,
    max_steps: 500,
};

/// Runs the command.
pub(crate) fn reconstruct<B: Backend>(
    arguments: &ReconstructArguments,
    device: &B::Device,
) -> Result<ExitCode> {
    let ReconstructArguments {
        input,
        output,
        model,
        physics,
    } = arguments;
    let name = model_name(model.as_deref());
    let model = load_model::<B>(model.as_deref(), device)?;
    let model = with_physics(model, physics, device)?;
    let files = files(input, output)?;
    let photographs: Vec<Vec<GrayImage>> = files
        .iter()
        .map(|(from, _)| load_channels(from))
        .collect::<Result<_, _>>()?;
    info!(
        model = name,
        regularizer = model.regularizer.name(),
        photographs = photographs.len(),
        output = %output.display(),
        "reconstructing"
    );
    if input.is_dir() {
        std::fs::create_dir_all(output)
            .with_context(|| format!("cannot make the folder {}", output.display()))?;
    }
    let progress = Progress::new(photographs.iter().map(Vec::len).sum(), "reconstructing");
    for ((from, to), data) in files.iter().zip(photographs) {
        let done = || progress.inc();
        let images = reconstruct_images(&model, &split(data), device, done)
            .and_then(|images| check_finite(&images).map(|()| images))
            .with_context(|| format!("{}", from.display()))?;
        let (channels, outcomes): (Vec<GrayImage>, Vec<Outcome>) = images.into_iter().unzip();
        {
            let _whole = writing();
            save_channels(&join(channels), to)?;
        }
        let status = Outcome::worst(&outcomes).status;
        let to = to.display().to_string();
        let name = one_line(&to);
        match status {
            Status::Converged => say!("{name}"),
            other => say!("{name} ({other}: {})", other.advice()),
        }
    }
    drop(progress);
    Ok(ExitCode::SUCCESS)
}

/// The model for other data than it was learned for, if the call says so.
fn with_physics<B: Backend>(
    mut model: Model<B>,
    arguments: &PhysicsArguments,
    device: &B::Device,
) -> Result<Model<B>> {
    let PhysicsArguments {
        physics,
        kernel,
        mask,
    } = arguments;
    let kernel = kernel
        .as_deref()
        .map(str::parse::<KernelShape>)
        .transpose()?;
    let Some(physics) = physics else {
        ensure!(
            kernel.is_none() && mask.is_none(),
            "--kernel and --mask belong to a physics: add --physics blur, masked or downsampled"
        );
        return Ok(model);
    };
    let needs_kernel = || kernel.context("--kernel is missing: add gaussian:5:1.0 or motion:9:30");
    let boundary = Boundary::Reflect;
    let degradation = match physics {
        PhysicsName::None => Degradation::None,
        PhysicsName::Blur => Degradation::Blur {
            kernel: needs_kernel()?,
            boundary,
            guess: None,
        },
        PhysicsName::Downsampled => Degradation::Downsampled {
            kernel: needs_kernel()?,
            boundary,
        },
        PhysicsName::Masked => Degradation::Masked { kept: 1.0, seed: 0 },
    };
    let operator = match (physics, mask) {
        (PhysicsName::Masked, Some(path)) => MeasurementOperator::Mask(read_mask(path, device)?),
        (PhysicsName::Masked, None) => {
            bail!("--mask is missing: an image that is black where a pixel was lost")
        }
        (_, Some(_)) => bail!("--mask belongs to --physics masked"),
        (_, None) => degradation.operator([1, 1], device)?,
    };
    if degradation != model.degradation
        && let Some(steps) = model.reconstruction.steps()
    {
        ensure!(
            steps.bregman.is_none(),
            "the model was learned for Bregman iteration, without which it takes too much from an image: use another for --physics"
        );
        model.reconstruction = MINIMISER;
    }
    Ok(Model {
        degradation,
        operator: Some(operator),
        ..model
    })
}

/// A mask from an image: black is lost, everything else was seen.
fn read_mask<B: Backend>(path: &Path, device: &B::Device) -> Result<Mask<bilevel_core::Tape<B>>> {
    let image = GrayImage::load(path)?;
    let seen = image.pixels().iter().map(|&v| f32::from(u8::from(v > 0.0)));
    let seen: Vec<f32> = seen.collect();
    let shape = [1, 1, image.height(), image.width()];
    let data = burn::tensor::TensorData::new(seen, shape);
    Ok(Mask {
        seen: Tensor::from_data(data, device),
    })
}

/// Luma and chroma of a colour photograph; a gray one as it is.
fn split(channels: Vec<GrayImage>) -> Vec<GrayImage> {
    match &channels[..] {
        [r, g, b] => LumaChroma::from_rgb([r, g, b]).into(),
        _ => channels,
    }
}

/// The inverse of [`split`].
fn join(channels: Vec<GrayImage>) -> Vec<GrayImage> {
    match &channels[..] {
        [y, c1, c2] => LumaChroma::to_rgb([y, c1, c2]).into(),
        _ => channels,
    }
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
