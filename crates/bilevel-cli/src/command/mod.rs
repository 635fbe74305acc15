//! What the tool does: one file a command.

mod audit;
mod compare;
mod denoise;
mod evaluate;
mod train;

pub(crate) use audit::audit;
pub(crate) use compare::compare;
pub(crate) use denoise::denoise;
pub(crate) use evaluate::evaluate;
pub(crate) use train::train;

use std::time::Duration;

use bilevel_data::{GrayImage, NamedImage, add_gaussian_noise};
use indicatif::{ProgressBar, ProgressStyle};

/// Noisy versions of `clean`, on the scale of the pixels: noise `i` of `seed` for image `i`.
pub(crate) fn with_noise(clean: &[NamedImage], sigma: f64, seed: u64) -> Vec<GrayImage> {
    let noisy = |(i, c): (u64, &NamedImage)| add_gaussian_noise(&c.image, sigma as f32, seed, i);
    (0..).zip(clean).map(noisy).collect()
}

/// A bar on standard error, with the time left; nothing where that is no terminal.
fn bar(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} [{elapsed_precise}] {wide_bar} {pos}/{len}, {eta} left {msg}",
    );
    ProgressBar::new(length as u64)
        .with_style(style.expect("a valid template"))
        .with_prefix(what)
}

/// A sign of life for work whose length is not known.
fn spinner(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{elapsed_precise}] {spinner}");
    let spinner = ProgressBar::new_spinner()
        .with_style(style.expect("a valid template"))
        .with_prefix(what);
    spinner.enable_steady_tick(Duration::from_millis(250));
    spinner
}
