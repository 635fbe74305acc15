//! A grey image and its geometry.

use std::fmt;

/// A grey image: `width * height` intensities, row by row from the top left.
///
/// Intensities are nominally in [0, 1] (0 black, 1 white). They are not clipped, so that a noisy
/// image and an intermediate result are images as well. An image has at least one pixel.
#[derive(Clone, PartialEq)]
pub struct GrayImage {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl GrayImage {
    /// An image from its pixels in row-major order.
    ///
    /// # Panics
    ///
    /// If `width * height` is zero or is not the number of pixels.
    pub fn new(width: usize, height: usize, pixels: Vec<f32>) -> Self {
        assert!(
            width > 0 && height > 0,
            "an image needs a pixel, got {width}x{height}"
        );
        assert!(
            width.checked_mul(height) == Some(pixels.len()),
            "a {width}x{height} image cannot have {} pixels",
            pixels.len()
        );
        Self {
            width,
            height,
            pixels,
        }
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The intensities; column `x` of row `y` is at `y * width + x`.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// The image at another size: every new pixel is the mean of what it covers, old ones in part.
    ///
    /// ```
    /// use bilevel_data::GrayImage;
    ///
    /// let image = GrayImage::new(3, 1, vec![0.0, 0.6, 0.3]);
    /// let half = image.resized(2, 1);
    /// assert!((half.pixels()[0] - 0.2).abs() < 1e-6 && (half.pixels()[1] - 0.4).abs() < 1e-6);
    /// ```
    ///
    /// # Panics
    ///
    /// If a size is zero.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        // New pixel `i` of `count` covers [i, i + 1) · length / count of the old ones.
        let cover = |i: usize, count: usize, length: usize| {
            let from = i as f64 * length as f64 / count as f64;
            let to = (i + 1) as f64 * length as f64 / count as f64;
            let old = from.floor() as usize..(to.ceil() as usize).min(length);
            old.map(move |old| (old, to.min((old + 1) as f64) - from.max(old as f64)))
        };
        let area = self.width as f64 * self.height as f64 / (width * height) as f64;
        let pixel = |p: usize| {
            let rows = cover(p / width, height, self.height);
            let sum: f64 = rows
                .flat_map(|(y, part)| {
                    let columns = cover(p % width, width, self.width);
                    columns.map(move |(x, q)| (y * self.width + x, part * q))
                })
                .map(|(old, part)| part * f64::from(self.pixels[old]))
                .sum();
            (sum / area) as f32
        };
        Self::new(width, height, (0..width * height).map(pixel).collect())
    }

    /// The `width` x `height` window whose top left pixel is column `x` of row `y`.
    ///
    /// # Panics
    ///
    /// If the window is empty or leaves the image.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let inside = |start: usize, length: usize, end: usize| {
            start.checked_add(length).is_some_and(|stop| stop <= end)
        };
        assert!(
            inside(x, width, self.width) && inside(y, height, self.height),
            "a {width}x{height} crop at ({x}, {y}) leaves the {}x{} image",
            self.width,
            self.height
        );
        Self::from_fn(width, height, |column, row| self.at(x + column, y + row))
    }

    /// The `size` x `size` window in the middle, half a pixel to the top left where the margins
    /// cannot be equal.
    ///
    /// # Panics
    ///
    /// If `size` is zero or larger than a side of the image.
    pub fn center_crop(&self, size: usize) -> Self {
        assert!(
            size <= self.width && size <= self.height,
            "a {size}x{size} crop is larger than the {}x{} image",
            self.width,
            self.height
        );
        self.crop(
            (self.width - size) / 2,
            (self.height - size) / 2,
            size,
            size,
        )
    }

    /// The image with `margin` pixels more at each edge, mirrored there: the pixel at the edge
    /// comes twice.
    ///
    /// ```
    /// use bilevel_data::GrayImage;
    ///
    /// let image = GrayImage::new(3, 1, vec![0.1, 0.2, 0.3]);
    /// assert_eq!(image.mirrored(1).pixels()[5..10], [0.1, 0.1, 0.2, 0.3, 0.3]);
    /// ```
    ///
    /// # Panics
    ///
    /// If `margin` is larger than the image.
    pub fn mirrored(&self, margin: usize) -> Self {
        self.extended(margin, 0)
    }

    /// The image with `margin` pixels more at each edge, reflected there: the pixel at the edge
    /// comes once.
    ///
    /// What a symmetric blur that reflects at its edges makes of a reflected image is the
    /// reflection of what it makes of the image.
    ///
    /// ```
    /// use bilevel_data::GrayImage;
    ///
    /// let image = GrayImage::new(3, 2, vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    /// assert_eq!(image.reflected(1).pixels()[5..10], [0.2, 0.1, 0.2, 0.3, 0.2]);
    /// ```
    ///
    /// # Panics
    ///
    /// If `margin` is not smaller than the image.
    pub fn reflected(&self, margin: usize) -> Self {
        self.extended(margin, 1)
    }

    /// `margin` pixels more at each edge, from the other side of it; `left_out` pixels at the edge
    /// do not come again.
    fn extended(&self, margin: usize, left_out: usize) -> Self {
        assert!(
            margin + left_out <= self.width.min(self.height),
            "a margin of {margin} pixels is too large for an image of {}x{}",
            self.width,
            self.height
        );
        // Where a coordinate of the larger image comes from; mirrored, −1 is 0 and `side` is `side − 1`.
        let from = |i: usize, side: usize| {
            if i < margin {
                margin - 1 - i + left_out
            } else if i < margin + side {
                i - margin
            } else {
                2 * side + margin - 1 - i - left_out
            }
        };
        Self::from_fn(self.width + 2 * margin, self.height + 2 * margin, |x, y| {
            self.at(from(x, self.width), from(y, self.height))
        })
    }

    /// Every intensity limited to [0, 1].
    pub fn clipped(&self) -> Self {
        let pixels = self.pixels.iter().map(|v| v.clamp(0.0, 1.0)).collect();
        Self::new(self.width, self.height, pixels)
    }

    /// One of the 8 symmetries of the square, the augmentation that costs natural images nothing.
    ///
    /// ```text
    /// symmetry(r + 4 m) = ρʳ μᵐ,   r in 0..4,  m in 0..2
    /// ```
    ///
    /// First μ, the mirror that swaps left and right, then r quarter turns ρ counter-clockwise. So
    /// 0 is the identity and 1, 2, 3 are turns by 90, 180 and 270 degrees; 4 and 6 swap left-right
    /// and top-bottom, 5 and 7 reflect in a diagonal. Odd `k` exchanges width and height. As μ ρ =
    /// ρ⁻¹ μ, `k = (r, m)` followed by `k' = (r', m')` is `(r' ± r mod 4, m + m' mod 2)`, minus if
    /// m' = 1.
    ///
    /// # Panics
    ///
    /// If `k` is not in 0..8.
    pub fn symmetry(&self, k: u8) -> Self {
        assert!(k < 8, "a square has the symmetries 0 to 7, got {k}");
        let (right, bottom) = (self.width - 1, self.height - 1);
        let (width, height) = if k.is_multiple_of(2) {
            (self.width, self.height)
        } else {
            (self.height, self.width)
        };
        Self::from_fn(width, height, |x, y| {
            // Where the pixel that lands on (x, y) was before the turn, then before the mirror.
            let (x, y) = match k % 4 {
                0 => (x, y),
                1 => (right - y, x),
                2 => (right - x, bottom - y),
                _ => (y, bottom - x),
            };
            self.at(if k < 4 { x } else { right - x }, y)
        })
    }

    /// The image whose [`symmetry`](GrayImage::symmetry) `k` this is.
    ///
    /// # Panics
    ///
    /// If `k` is not in 0..8.
    pub fn symmetry_undone(&self, k: u8) -> Self {
        // A turn is undone by turning on; a mirrored one undoes itself.
        self.symmetry(if k < 4 { (4 - k) % 4 } else { k })
    }

    fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> f32) -> Self {
        let pixel = &pixel;
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| pixel(x, y)))
            .collect();
        Self::new(width, height, pixels)
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.pixels[y * self.width + x]
    }
}

/// The size only: thousands of pixels help nobody in a message.
impl fmt::Debug for GrayImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrayImage({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// No two pixels are equal, so an image shows where each of its pixels came from.
    fn numbered(width: usize, height: usize) -> GrayImage {
        GrayImage::new(
            width,
            height,
            (0..width * height).map(|i| i as f32).collect(),
        )
    }

    #[test]
    #[should_panic(expected = "a 3x2 image cannot have 5 pixels")]
    fn new_names_both_sizes() {
        GrayImage::new(3, 2, vec![0.0; 5]);
    }

    #[test]
    #[should_panic(expected = "got 0x2")]
    fn new_refuses_an_empty_image() {
        GrayImage::new(0, 2, vec![]);
    }

    #[test]
    fn crop_is_the_window() {
        let crop = numbered(4, 3).crop(1, 1, 2, 2);
        assert_eq!(crop, GrayImage::new(2, 2, vec![5.0, 6.0, 9.0, 10.0]));
    }

    #[test]
    fn center_crop_rounds_to_the_top_left() {
        let image = numbered(6, 5);
        assert_eq!(image.center_crop(3), image.crop(1, 1, 3, 3));
        assert_eq!(image.center_crop(5), image.crop(0, 0, 5, 5));
    }

    #[test]
    #[should_panic(expected = "a 2x2 crop at (3, 0) leaves the 4x3 image")]
    fn crop_names_both_sizes() {
        numbered(4, 3).crop(3, 0, 2, 2);
    }

    #[test]
    #[should_panic(expected = "a 4x4 crop is larger than the 4x3 image")]
    fn center_crop_names_both_sizes() {
        numbered(4, 3).center_crop(4);
    }

    #[test]
    fn clipping_leaves_what_is_inside() {
        let image = GrayImage::new(4, 1, vec![-0.5, 0.25, 1.0, 1.5]);
        assert_eq!(image.clipped().pixels(), [0.0, 0.25, 1.0, 1.0]);
    }

    #[test]
    fn every_symmetry_is_undone() {
        let image = numbered(5, 3);
        for k in 0..8 {
            assert_eq!(image.symmetry(k).symmetry_undone(k), image, "{k}");
        }
    }

    #[test]
    fn quarter_turn_and_mirror_are_what_they_are_called() {
        let image = GrayImage::new(2, 2, vec![0.1, 0.2, 0.3, 0.4]);
        assert_eq!(image.symmetry(1).pixels(), [0.2, 0.4, 0.1, 0.3]);
        assert_eq!(image.symmetry(4).pixels(), [0.2, 0.1, 0.4, 0.3]);
        assert_eq!(image.symmetry(6).pixels(), [0.3, 0.4, 0.1, 0.2]);
    }

    #[test]
    fn symmetries_are_distinct() {
        let image = numbered(3, 3);
        for j in 0..8 {
            for k in 0..j {
                assert_ne!(image.symmetry(j), image.symmetry(k), "{j} and {k}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "got 8")]
    fn ninth_symmetry_is_refused() {
        numbered(1, 1).symmetry(8);
    }

    proptest! {
        #[test]
        fn symmetries_compose_as_documented(
            width in 1usize..6, height in 1usize..6, first in 0u8..8, second in 0u8..8,
        ) {
            let image = numbered(width, height);
            let (r, r_next) = (first % 4, second % 4);
            let (m, m_next) = (first / 4, second / 4);
            let turn = if m_next == 0 { r_next + r } else { r_next + 4 - r } % 4;
            let product = turn + 4 * ((m + m_next) % 2);
            prop_assert_eq!(image.symmetry(first).symmetry(second), image.symmetry(product));
        }
    }

    #[test]
    fn another_size_keeps_the_mean() {
        let pixels: Vec<f32> = (0..105 * 70)
            .map(|i| ((i * 37) % 11) as f32 / 10.0)
            .collect();
        let mean = |pixels: &[f32]| {
            pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / pixels.len() as f64
        };
        let image = GrayImage::new(105, 70, pixels);
        for (width, height) in [(28, 28), (210, 7), (105, 70)] {
            let other = image.resized(width, height);
            assert!((mean(other.pixels()) - mean(image.pixels())).abs() < 1e-6);
        }
        assert_eq!(image.resized(105, 70), image);
    }
}
