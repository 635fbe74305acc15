//! What a plot is drawn on: an SVG or a bitmap, in the same units and with texts at the same
//! places.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};
use plotters::style::TextStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::font;

/// A part of a plot; its coordinates are pixels of the medium.
pub(crate) type Area<DB> = DrawingArea<DB, Shift>;

/// What differs between plotters' backends. Lengths are in units, one pixel of an SVG at its own
/// size.
#[derive(Clone, Copy)]
pub(crate) struct Medium {
    /// Pixels per unit.
    scale: i32,
    /// plotters' font size per em.
    size: f64,
    /// From the anchor at the top of a text down to its baseline, in em.
    baseline: f64,
    /// By how much a vertically centred capital stands too high, in em.
    raised: f64,
}

/// A text of one line on a baseline.
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    /// In units.
    pub(crate) em: f64,
    pub(crate) colour: RGBColor,
}

impl Medium {
    /// An SVG: texts hang by `dy`, `0.76em` at the top and `0.5ex` (0.264 em in Roboto) in the
    /// middle.
    pub(crate) const SVG: Self = Self {
        scale: 1,
        size: font::SVG_SIZE,
        baseline: 0.76,
        raised: font::CAPITAL / 2.0 - 0.264,
    };

    /// A bitmap: texts hang by a box 1 / 1.24 sizes high whose top is half a size above the
    /// baseline.
    pub(crate) const fn bitmap(scale: i32) -> Self {
        Self {
            scale,
            size: font::BITMAP_SIZE,
            baseline: font::BITMAP_SIZE / 2.0,
            raised: font::CAPITAL / 2.0 - font::BITMAP_SIZE * (0.5 - 0.5 / 1.24),
        }
    }

    /// A length in pixels.
    pub(crate) fn pixels(self, units: i32) -> i32 {
        units * self.scale
    }

    /// Width of a stroke in pixels.
    pub(crate) fn stroke(self, units: u32) -> u32 {
        units * self.scale as u32
    }

    /// Width and height of an area in units.
    pub(crate) fn size<DB: DrawingBackend>(self, area: &Area<DB>) -> (i32, i32) {
        let (width, height) = area.dim_in_pixel();
        (width as i32 / self.scale, height as i32 / self.scale)
    }

    /// The font, its em given in units.
    pub(crate) fn font(self, em: f64, colour: RGBColor) -> TextStyle<'static> {
        font::sized(em * self.size * f64::from(self.scale)).color(&colour)
    }

    /// How many pixels plotters' vertically centred texts have to be moved down.
    pub(crate) fn raised(self, em: f64) -> i32 {
        (self.raised * em * f64::from(self.scale)).round() as i32
    }

    /// Writes a text on the baseline through `(x, y)`, in units.
    pub(crate) fn write<DB: DrawingBackend>(
        self,
        area: &Area<DB>,
        Text { text, em, colour }: Text,
        (x, y): (i32, i32),
        align: HPos,
    ) -> Result<()> {
        let top = (f64::from(y) - self.baseline * em) * f64::from(self.scale);
        let style = self.font(em, colour).pos(Pos::new(align, VPos::Top));
        let place = (self.pixels(x), top.round() as i32);
        area.draw_text(text, &style, place).map_err(failure)
    }
}

/// plotters' error as a message: its own type is tied to the backend.
pub(crate) fn failure(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw the plot: {error}")
}

#[cfg(test)]
mod tests {
    use plotters::prelude::{BitMapBackend, IntoDrawingArea, WHITE};

    use super::*;

    /// Row below the ink of an `H` of 40 units on the baseline 60, on a bitmap of 2 pixels a unit.
    #[test]
    fn bitmap_text_stands_on_its_baseline() {
        let (width, height) = (100usize, 160usize);
        let mut rgb = vec![0; width * height * 3];
        let backend = BitMapBackend::with_buffer(&mut rgb, (width as u32, height as u32));
        let area = backend.into_drawing_area();
        area.fill(&WHITE).expect("drawn");
        let text = Text {
            text: "H",
            em: 40.0,
            colour: RGBColor(0, 0, 0),
        };
        Medium::bitmap(2)
            .write(&area, text, (5, 60), HPos::Left)
            .expect("drawn");
        drop(area);
        let rows: Vec<usize> = rgb
            .chunks_exact(3 * width)
            .enumerate()
            .filter(|(_, row)| row.iter().any(|&value| value < 128))
            .map(|(y, _)| y)
            .collect();
        let (top, bottom) = (rows[0], rows[rows.len() - 1] + 1);
        assert!(bottom.abs_diff(120) <= 1, "{top} to {bottom}");
        let capital = (80.0 * font::CAPITAL) as usize;
        assert!((bottom - top).abs_diff(capital) <= 1, "{top} to {bottom}");
    }
}
