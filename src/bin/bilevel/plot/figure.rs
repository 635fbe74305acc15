//! A plot as two files: an SVG, and a PNG for dense screens.

use std::path::{Path, PathBuf};

use anyhow::Result;
use plotters::prelude::{DrawingBackend, IntoDrawingArea, SVGBackend, WHITE};

use super::canvas::Canvas;
use super::medium::{Area, Medium, failure};
use crate::io::file::save;

/// Pixels of the PNG file per unit, for dense screens.
const PNG_SCALE: u32 = 2;
/// The PNG is drawn this much larger and averaged down, so that sloping lines are smooth.
const OVERSAMPLING: u32 = 2;

/// A picture that is drawn on every medium alike.
pub(super) trait Plot {
    /// Width and height in units, one pixel of the SVG at its own size.
    const SIZE: (u32, u32);

    /// Draws it over all of a white `area`.
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()>;
}

/// Writes the plot as `stem.svg` and `stem.png`.
pub(super) fn save_plot<P: Plot>(plot: &P, stem: &Path) -> Result<()> {
    let (width, height) = P::SIZE;
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, P::SIZE).into_drawing_area();
    draw(plot, area, Medium::SVG)?;
    save(&with_suffix(stem, ".svg"), svg.as_bytes())?;

    let scale = PNG_SCALE * OVERSAMPLING;
    let mut canvas = Canvas::new(width * scale, height * scale);
    draw(plot, canvas.area(), Medium::bitmap(scale as i32))?;
    canvas
        .shrunk(OVERSAMPLING)
        .save_png(&with_suffix(stem, ".png"))
}

fn draw<P: Plot, DB: DrawingBackend>(plot: &P, area: Area<DB>, medium: Medium) -> Result<()> {
    area.fill(&WHITE).map_err(failure)?;
    plot.draw(&area, medium)?;
    area.present().map_err(failure)
}

/// The path with `suffix` behind it; a point in the stem's own name is not an extension.
pub(super) fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
