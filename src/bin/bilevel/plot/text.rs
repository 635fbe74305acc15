//! One line of text as a mask of coverages, to be blended onto a canvas.

use plotters::prelude::{BLACK, BitMapBackend, IntoDrawingArea};

use super::font;

/// Letters are drawn this many times larger and averaged down, so that they sit between pixels too.
const OVERSAMPLING: usize = 4;

/// Coverage of each pixel by one line of text.
pub(crate) struct TextMask {
    /// Pixels from left to right; the text begins at 0.
    pub(crate) width: usize,
    /// Pixels from top to bottom.
    pub(crate) height: usize,
    /// The row just below the letters that have no descender, at most `height`.
    pub(crate) baseline: usize,
    /// `[height, width]`, row-major, 0 (outside the letters) to 1 (inside).
    coverage: Vec<f32>,
}

impl TextMask {
    /// Rasterises `text`, whose em is `em` pixels.
    pub(crate) fn new(text: &str, em: f64) -> Self {
        let size = em * font::BITMAP_SIZE * OVERSAMPLING as f64;
        let width = (advance(text, size) / OVERSAMPLING as f64).ceil() as usize;
        let baseline = em.ceil() as usize;
        let height = (1.3 * em).ceil() as usize;
        let (w, h) = (width * OVERSAMPLING, height * OVERSAMPLING);

        let mut rgb = vec![255u8; w * h * 3];
        if !rgb.is_empty() {
            // plotters puts the baseline half a size below the top anchor.
            let top = (baseline * OVERSAMPLING) as i32 - (size / 2.0) as i32;
            let area = BitMapBackend::with_buffer(&mut rgb, (w as u32, h as u32));
            area.into_drawing_area()
                .draw_text(text, &font::sized(size).color(&BLACK), (0, top))
                .expect("drawing into memory with a registered font cannot fail");
        }
        Self {
            width,
            height,
            baseline,
            coverage: coverage(&rgb, width, height),
        }
    }

    /// Coverage at a pixel, 0 to 1.
    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.coverage[y * self.width + x]
    }
}

/// Width of `text` in pixels, when its em is `em` pixels.
pub(crate) fn width(text: &str, em: f64) -> u32 {
    let size = em * font::BITMAP_SIZE * OVERSAMPLING as f64;
    (advance(text, size) / OVERSAMPLING as f64).ceil() as u32
}

fn advance(text: &str, size: f64) -> f64 {
    let (advance, _) = font::sized(size)
        .box_size(text)
        .expect("the font is registered");
    f64::from(advance)
}

/// Mean darkness of each `OVERSAMPLING × OVERSAMPLING` block of a black on white picture.
fn coverage(rgb: &[u8], width: usize, height: usize) -> Vec<f32> {
    let mut sums = vec![0u32; width * height];
    for (i, pixel) in rgb.chunks_exact(3).enumerate() {
        let (x, y) = (i % (width * OVERSAMPLING), i / (width * OVERSAMPLING));
        sums[(y / OVERSAMPLING) * width + x / OVERSAMPLING] += u32::from(255 - pixel[0]);
    }
    let full = (255 * OVERSAMPLING * OVERSAMPLING) as f32;
    sums.into_iter().map(|sum| sum as f32 / full).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and one past the last row with ink.
    fn ink(mask: &TextMask) -> (usize, usize) {
        let inked = |y: &usize| (0..mask.width).any(|x| mask.at(x, *y) > 0.5);
        let first = (0..mask.height).find(inked).expect("some ink");
        let last = (0..mask.height).rev().find(inked).expect("some ink");
        (first, last + 1)
    }

    #[test]
    fn a_capital_stands_on_the_baseline() {
        let mask = TextMask::new("H", 40.0);
        let (top, bottom) = ink(&mask);
        assert_eq!(bottom, mask.baseline);
        let expected = (40.0 * font::CAPITAL).round();
        assert!(((bottom - top) as f64 - expected).abs() <= 1.0);
    }

    #[test]
    fn descenders_fit() {
        let mask = TextMask::new("gjpqy(", 13.0);
        let (top, bottom) = ink(&mask);
        assert!(top > 0 && bottom < mask.height && bottom > mask.baseline);
    }

    #[test]
    fn empty_text_has_no_width() {
        assert_eq!(TextMask::new("", 13.0).width, 0);
        assert_eq!(width("", 13.0), 0);
    }

    #[test]
    fn the_mask_is_as_wide_as_measured() {
        let text = "27.31 dB";
        assert_eq!(TextMask::new(text, 13.0).width as u32, width(text, 13.0));
    }
}
