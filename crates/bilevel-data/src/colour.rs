//! Luma and chroma: the axes along which the colours of photographs vary least alike.

use crate::GrayImage;

/// The orthonormal transform between red, green, blue and one luma, two chroma channels.
///
/// ```text
/// Y = (R + G + B)/√3,   C₁ = (R − B)/√2,   C₂ = (R − 2G + B)/√6
/// ```
///
/// White noise stays white with the same standard deviation, and an operator that acts on every
/// channel alike, a blur or a mask, acts on these alike. So a reconstruction of gray images serves
/// for colour: each channel for itself. Most of what can be seen is in Y, where the noise is
/// weakest against it.
pub struct LumaChroma;

const R3: f32 = 0.577_350_26;
const R2: f32 = std::f32::consts::FRAC_1_SQRT_2;
const R6: f32 = 0.408_248_3;
const MATRIX: [[f32; 3]; 3] = [[R3, R3, R3], [R2, 0.0, -R2], [R6, -2.0 * R6, R6]];

impl LumaChroma {
    /// Y, C₁, C₂ of red, green, blue.
    ///
    /// ```
    /// use bilevel_data::{GrayImage, LumaChroma};
    ///
    /// let gray = GrayImage::new(1, 1, vec![0.5]);
    /// let [y, c1, c2] = LumaChroma::from_rgb([&gray, &gray, &gray]);
    /// assert!((y.pixels()[0] - 0.5 * 3f32.sqrt()).abs() < 1e-6);
    /// assert!(c1.pixels()[0].abs() < 1e-6 && c2.pixels()[0].abs() < 1e-6);
    /// ```
    ///
    /// # Panics
    ///
    /// If the channels differ in size.
    pub fn from_rgb(rgb: [&GrayImage; 3]) -> [GrayImage; 3] {
        MATRIX.map(|row| mix(row, rgb))
    }

    /// Red, green, blue of Y, C₁, C₂.
    ///
    /// # Panics
    ///
    /// If the channels differ in size.
    pub fn to_rgb(channels: [&GrayImage; 3]) -> [GrayImage; 3] {
        [0, 1, 2].map(|colour| mix(MATRIX.map(|row| row[colour]), channels))
    }
}

fn mix(weights: [f32; 3], [a, b, c]: [&GrayImage; 3]) -> GrayImage {
    let size = (a.width(), a.height());
    for other in [b, c] {
        assert_eq!(
            (other.width(), other.height()),
            size,
            "channels of one size"
        );
    }
    let pixels = a.pixels().iter().zip(b.pixels()).zip(c.pixels());
    let [wa, wb, wc] = weights;
    let pixels = pixels.map(|((a, b), c)| wa * a + wb * b + wc * c).collect();
    GrayImage::new(size.0, size.1, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_nothing_and_lengths_stay() {
        let image = |values: [f32; 2]| GrayImage::new(2, 1, values.to_vec());
        let rgb = [image([0.1, 0.9]), image([0.5, 0.2]), image([0.7, 0.3])];
        let luma_chroma = LumaChroma::from_rgb([&rgb[0], &rgb[1], &rgb[2]]);
        let [y, c1, c2] = &luma_chroma;
        let back = LumaChroma::to_rgb([y, c1, c2]);
        for (back, rgb) in back.iter().zip(&rgb) {
            for (b, r) in back.pixels().iter().zip(rgb.pixels()) {
                assert!((b - r).abs() < 1e-6);
            }
        }
        let length = |channels: &[GrayImage]| -> f32 {
            channels
                .iter()
                .flat_map(|c| c.pixels())
                .map(|v| v * v)
                .sum()
        };
        assert!((length(&luma_chroma) - length(&rgb)).abs() < 1e-5);
    }
}
