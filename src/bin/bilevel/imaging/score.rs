//! PSNR and SSIM of a set of images, for people and for programs.

use anyhow::{Result, ensure};
use bilevel_core::Outcome;
use bilevel_data::{GrayImage, NamedImage, SSIM_WINDOW, psnr, ssim};
use serde::Serialize;

use crate::io::output::one_line;

/// The scores of a set of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Scores {
    /// Mean PSNR in dB; infinite where every image is met exactly.
    #[serde(with = "crate::io::number")]
    pub psnr_mean: f64,
    /// Mean SSIM.
    pub ssim_mean: f64,
    /// Image by image.
    pub images: Vec<Score>,
}

/// The scores of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Score {
    /// Name of the image.
    pub name: String,
    /// PSNR in dB.
    #[serde(with = "crate::io::number")]
    pub psnr: f64,
    /// SSIM.
    pub ssim: f64,
}

impl Scores {
    /// Reconstructions against the clean images, in the same order, clipped to [0, 1] as they are
    /// when they are saved: no photograph lies outside, so that this takes nothing away.
    pub fn of(clean: &[NamedImage], reconstructions: &[(GrayImage, Outcome)]) -> Self {
        let images: Vec<GrayImage> = reconstructions
            .iter()
            .map(|(image, _)| image.clipped())
            .collect();
        Self::new(clean, &images)
    }

    /// `images` as they are against the clean ones, in the same order.
    pub fn new<'a>(clean: &[NamedImage], images: impl IntoIterator<Item = &'a GrayImage>) -> Self {
        let score = |(clean, image): (&NamedImage, &GrayImage)| Score {
            name: clean.name.clone(),
            psnr: psnr(image, &clean.image),
            ssim: ssim(image, &clean.image),
        };
        let images: Vec<Score> = clean.iter().zip(images).map(score).collect();
        let mean =
            |value: fn(&Score) -> f64| images.iter().map(value).sum::<f64>() / images.len() as f64;
        Self {
            psnr_mean: mean(|s| s.psnr),
            ssim_mean: mean(|s| s.ssim),
            images,
        }
    }
}

/// Whether images can be scored.
///
/// # Errors
/// If one is smaller than the window of SSIM.
pub(crate) fn check_scored(images: &[NamedImage]) -> Result<()> {
    for NamedImage { name, image } in images {
        let (width, height) = (image.width(), image.height());
        ensure!(
            width.min(height) >= SSIM_WINDOW,
            "{name} is {width}x{height}, SSIM needs {SSIM_WINDOW}x{SSIM_WINDOW}: leave it out"
        );
    }
    Ok(())
}

/// A table of one row an image and a last row of means: PSNR and SSIM for each column.
pub(crate) fn table(columns: &[(&str, &Scores)]) -> String {
    let images = columns[0].1.images.iter();
    let names: Vec<_> = images.map(|s| one_line(&s.name)).collect();
    let width = names
        .iter()
        .map(|n| n.chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    let mut text = format!("{:width$}", "");
    for (title, _) in columns {
        text.push_str(&format!("  {title:>14}"));
    }
    text.push_str(&format!("\n{:width$}", "image"));
    for _ in columns {
        text.push_str(&format!("  {:>7} {:>6}", "PSNR", "SSIM"));
    }
    let mut row = |name: &str, value: &dyn Fn(&Scores) -> (f64, f64)| {
        text.push_str(&format!("\n{name:width$}"));
        for (_, scores) in columns {
            let (psnr, ssim) = value(scores);
            text.push_str(&format!("  {psnr:>7.2} {ssim:>6.3}"));
        }
    };
    for (i, name) in names.iter().enumerate() {
        row(name, &|s| (s.images[i].psnr, s.images[i].ssim));
    }
    row("mean", &|s| (s.psnr_mean, s.ssim_mean));
    text
}
