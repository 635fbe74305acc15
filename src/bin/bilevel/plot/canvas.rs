//! A white RGB picture to draw on, and its PNG file.

use std::path::Path;

use anyhow::{Context, Result};
use bilevel_data::GrayImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea};

use super::text::TextMask;
use crate::io::file::save;

/// Colour as red, green and blue, 0 to 255 each.
pub(crate) type Colour = [u8; 3];

/// Colour of titles and names.
pub(crate) const INK: Colour = [34, 34, 34];

/// Colour of captions and notes.
pub(crate) const FAINT: Colour = [96, 96, 96];

/// A picture in memory. Coordinates are in pixels from the upper left corner; what is outside is
/// not drawn.
pub(crate) struct Canvas {
    picture: RgbImage,
}

impl Canvas {
    /// A white canvas of `width × height` pixels.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self {
            picture: RgbImage::from_pixel(width, height, Rgb([255; 3])),
        }
    }

    /// plotters' view of the canvas; what it draws is here once the area is dropped.
    pub(crate) fn area(&mut self) -> DrawingArea<BitMapBackend<'_>, Shift> {
        let size = self.picture.dimensions();
        BitMapBackend::with_buffer(&mut self.picture, size).into_drawing_area()
    }

    /// The canvas made smaller by a whole factor: each pixel is the mean of `factor × factor` old
    /// ones.
    pub(crate) fn shrunk(&self, factor: u32) -> Self {
        let (width, height) = self.picture.dimensions();
        let mean = |x, y, channel: usize| {
            let inside = |i| (x * factor + i % factor, y * factor + i / factor);
            let sum: u32 = (0..factor * factor)
                .map(|i| u32::from(self.picture[inside(i)][channel]))
                .sum();
            ((sum + factor * factor / 2) / (factor * factor)) as u8
        };
        let pixel = |x, y| Rgb([mean(x, y, 0), mean(x, y, 1), mean(x, y, 2)]);
        Self {
            picture: RgbImage::from_fn(width / factor, height / factor, pixel),
        }
    }

    /// Fills a rectangle whose upper left corner is at `(x, y)`.
    pub(crate) fn fill(&mut self, (x, y): (u32, u32), width: u32, height: u32, colour: Colour) {
        for y in y..y + height {
            for x in x..x + width {
                self.blend(i64::from(x), i64::from(y), colour, 1.0);
            }
        }
    }

    /// Draws a grey image, each of its pixels as a square of `scale × scale`. Values outside \[0,
    /// 1\] are clipped.
    pub(crate) fn gray(&mut self, image: &GrayImage, (x, y): (u32, u32), scale: u32) {
        for (i, value) in image.pixels().iter().enumerate() {
            let (column, row) = (i % image.width(), i / image.width());
            let corner = (x + column as u32 * scale, y + row as u32 * scale);
            let gray = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            self.fill(corner, scale, scale, [gray; 3]);
        }
    }

    /// Writes a line of text, its em `em` pixels, on the baseline through `(x, y)`, centred there.
    pub(crate) fn text(&mut self, text: &str, em: f64, colour: Colour, (x, y): (u32, u32)) {
        let mask = TextMask::new(text, em);
        let left = i64::from(x) - mask.width as i64 / 2;
        let top = i64::from(y) - mask.baseline as i64;
        for v in 0..mask.height {
            for u in 0..mask.width {
                self.blend(left + u as i64, top + v as i64, colour, mask.at(u, v));
            }
        }
    }

    /// Like [`Canvas::text`], turned to run upwards: the baseline is the column `x`, the letters
    /// are left of it.
    pub(crate) fn text_upwards(&mut self, text: &str, em: f64, colour: Colour, (x, y): (u32, u32)) {
        let mask = TextMask::new(text, em);
        let bottom = i64::from(y) + mask.width as i64 / 2;
        let left = i64::from(x) - mask.baseline as i64;
        for v in 0..mask.height {
            for u in 0..mask.width {
                self.blend(left + v as i64, bottom - u as i64, colour, mask.at(u, v));
            }
        }
    }

    /// Writes the canvas as a PNG file, whole or not at all; grey if nothing on it has a colour.
    pub(crate) fn save_png(&self, path: &Path) -> Result<()> {
        let mut picture = DynamicImage::ImageRgb8(self.picture.clone());
        if self.picture.pixels().all(|Rgb([r, g, b])| r == g && g == b) {
            picture = DynamicImage::ImageLuma8(picture.into_luma8());
        }
        let mut bytes = Vec::new();
        let (compression, filter) = (CompressionType::Best, FilterType::Adaptive);
        picture
            .write_with_encoder(PngEncoder::new_with_quality(
                &mut bytes,
                compression,
                filter,
            ))
            .with_context(|| format!("cannot encode {} as PNG", path.display()))?;
        save(path, &bytes)
    }

    /// Lets a pixel move to `colour` by the share `coverage`, 0 to 1.
    fn blend(&mut self, x: i64, y: i64, colour: Colour, coverage: f32) {
        let (width, height) = self.picture.dimensions();
        if !(0..i64::from(width)).contains(&x) || !(0..i64::from(height)).contains(&y) {
            return;
        }
        let Rgb(old) = self.picture.get_pixel_mut(x as u32, y as u32);
        for (old, new) in old.iter_mut().zip(colour) {
            let (from, to) = (f32::from(*old), f32::from(new));
            *old = (from + coverage * (to - from)).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_values_are_magnified_clipped_and_rounded() {
        let image = GrayImage::new(2, 2, vec![0.0, 0.5, 2.0, f32::NAN]);
        let mut canvas = Canvas::new(8, 8);
        canvas.gray(&image, (1, 1), 3);
        let at = |x, y| canvas.picture.get_pixel(x, y).0;
        assert_eq!(
            [at(1, 1), at(3, 3), at(4, 1), at(3, 4)],
            [[0; 3], [0; 3], [128; 3], [255; 3]]
        );
        assert_eq!(at(0, 0), [255; 3], "the margin stays white");
        assert_eq!(at(7, 7), [255; 3], "the margin stays white");
    }

    #[test]
    fn what_is_outside_is_not_drawn() {
        let mut canvas = Canvas::new(4, 4);
        canvas.fill((3, 3), 10, 10, [0; 3]);
        canvas.text("wide text", 20.0, INK, (0, 2));
        canvas.text_upwards("wide text", 20.0, INK, (2, 0));
        assert_eq!(canvas.picture.get_pixel(3, 3).0, [0; 3]);
    }

    #[test]
    fn upward_text_is_the_text_turned_left() {
        let mut flat = Canvas::new(80, 30);
        flat.text("Turn", 16.0, INK, (40, 20));
        let mut upright = Canvas::new(30, 80);
        upright.text_upwards("Turn", 16.0, INK, (20, 79 - 40));
        assert_eq!(image::imageops::rotate270(&flat.picture), upright.picture);
    }

    #[test]
    fn shrinking_takes_means() {
        let mut canvas = Canvas::new(4, 2);
        canvas.fill((0, 0), 1, 1, [0, 0, 0]);
        let small = canvas.shrunk(2);
        assert_eq!(small.picture.dimensions(), (2, 1));
        assert_eq!(small.picture.get_pixel(0, 0).0, [191; 3]);
        assert_eq!(small.picture.get_pixel(1, 0).0, [255; 3]);
    }

    #[test]
    fn the_file_is_gray_unless_there_is_colour() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("canvas.png");
        let mut canvas = Canvas::new(30, 20);
        canvas.text("g", 12.0, INK, (2, 15));
        canvas.save_png(&path).expect("written");
        let read = image::open(&path).expect("a picture");
        assert_eq!(
            (read.width(), read.height(), read.color()),
            (30, 20, image::ColorType::L8)
        );
        canvas.fill((0, 0), 1, 1, [255, 0, 0]);
        canvas.save_png(&path).expect("written");
        let read = image::open(&path).expect("a picture");
        assert_eq!(read.color(), image::ColorType::Rgb8);
    }
}
