//! How close an image is to its reference.

use crate::GrayImage;

/// Peak signal-to-noise ratio in decibels, for a peak of 1.
///
/// ```text
/// PSNR = −10 log₁₀ ( 1/N Σ_i (u_i − v_i)² )
/// ```
///
/// Infinite for equal images. Nothing is clipped or rounded first; sums are in f64.
///
/// ```
/// use bilevel_data::{GrayImage, psnr};
///
/// let black = GrayImage::new(2, 2, vec![0.0; 4]);
/// let dark = GrayImage::new(2, 2, vec![0.1; 4]);
/// assert!((psnr(&dark, &black) - 20.0).abs() < 1e-6);
/// ```
///
/// # Panics
///
/// If the sizes differ.
pub fn psnr(image: &GrayImage, reference: &GrayImage) -> f64 {
    assert_same_size(image, reference);
    let difference = |(&u, &v): (&f32, &f32)| f64::from(u) - f64::from(v);
    let squares = image
        .pixels()
        .iter()
        .zip(reference.pixels())
        .map(difference)
        .map(|d| d * d);
    let mean = squares.sum::<f64>() / image.pixels().len() as f64;
    -10.0 * mean.log10()
}

/// Mean structural similarity: 1 for equal images, near 0 for unrelated ones.
///
/// ```text
///               (2 μx μy + C1) (2 σxy + C2)
/// SSIM(x, y) = ─────────────────────────────────,   C1 = (0.01 L)²,  C2 = (0.03 L)²,  L = 1
///              (μx² + μy² + C1) (σx² + σy² + C2)
/// ```
///
/// Means μ, variances σ² and the covariance σxy are local, weighted by an 11x11 Gaussian window of
/// standard deviation 1.5 pixels. The result is the mean over all positions where the window lies
/// inside the image. In f64; the window is separable, so a pixel costs 5 filters of 22
/// multiplications.
///
/// # Panics
///
/// If the sizes differ or a side is shorter than 11 pixels.
///
/// # References
///
/// Wang, Bovik, Sheikh, Simoncelli (2004), "Image Quality Assessment: From Error Visibility to
/// Structural Similarity", IEEE Transactions on Image Processing 13(4):600-612, equations 13 to 17.
///
/// # Differences from the paper
///
/// None in the formula. The authors' program first shrinks images larger than 256 pixels; this does
/// not, like `structural_similarity` of scikit-image with `gaussian_weights=True`,
/// `use_sample_covariance=False`.
pub fn ssim(image: &GrayImage, reference: &GrayImage) -> f64 {
    const C1: f64 = 0.01 * 0.01;
    const C2: f64 = 0.03 * 0.03;
    assert_same_size(image, reference);
    let (width, height) = (image.width(), image.height());
    assert!(
        width >= SSIM_WINDOW && height >= SSIM_WINDOW,
        "SSIM needs images of at least {SSIM_WINDOW}x{SSIM_WINDOW}, got {width}x{height}"
    );

    let weights = gaussian_window();
    let local_mean = |value: fn(f64, f64) -> f64| {
        let pairs = image.pixels().iter().zip(reference.pixels());
        let map: Vec<f64> = pairs
            .map(|(&x, &y)| value(f64::from(x), f64::from(y)))
            .collect();
        filter(&map, width, &weights)
    };
    let (x, y) = (local_mean(|x, _| x), local_mean(|_, y| y));
    let (xx, yy) = (local_mean(|x, _| x * x), local_mean(|_, y| y * y));
    let xy = local_mean(|x, y| x * y);

    let similarity = |i: usize| {
        let (mu_x, mu_y) = (x[i], y[i]);
        let (var_x, var_y) = (xx[i] - mu_x * mu_x, yy[i] - mu_y * mu_y);
        let cov = xy[i] - mu_x * mu_y;
        (2.0 * mu_x * mu_y + C1) * (2.0 * cov + C2)
            / ((mu_x * mu_x + mu_y * mu_y + C1) * (var_x + var_y + C2))
    };
    (0..x.len()).map(similarity).sum::<f64>() / x.len() as f64
}

/// The side of the window of [`ssim`], and so the smallest side of an image that it takes, in
/// pixels.
pub const SSIM_WINDOW: usize = 11;

/// w_k ∝ exp(−k² / 2σ²), σ = 1.5, with sum 1.
fn gaussian_window() -> [f64; SSIM_WINDOW] {
    const SIGMA: f64 = 1.5;
    let center = (SSIM_WINDOW / 2) as f64;
    let weight = |k: usize| (-(k as f64 - center).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let weights: [f64; SSIM_WINDOW] = std::array::from_fn(weight);
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// Correlates rows, then columns, of a row-major map; only where the window fits.
fn filter(map: &[f64], width: usize, weights: &[f64; SSIM_WINDOW]) -> Vec<f64> {
    let weighted = |values: &mut dyn Iterator<Item = f64>| -> f64 {
        values
            .zip(weights)
            .map(|(value, weight)| value * weight)
            .sum()
    };
    let rows: Vec<f64> = map
        .chunks_exact(width)
        .flat_map(|row| {
            row.windows(SSIM_WINDOW)
                .map(|part| weighted(&mut part.iter().copied()))
        })
        .collect();
    let width = width - SSIM_WINDOW + 1;
    let height = rows.len() / width - SSIM_WINDOW + 1;
    (0..width * height)
        .map(|i| weighted(&mut rows[i..].iter().step_by(width).copied()))
        .collect()
}

fn assert_same_size(image: &GrayImage, reference: &GrayImage) {
    let (a, b) = (
        (image.width(), image.height()),
        (reference.width(), reference.height()),
    );
    assert!(
        a == b,
        "the image is {}x{}, its reference {}x{}",
        a.0,
        a.1,
        b.0,
        b.1
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::add_gaussian_noise;

    fn camera() -> GrayImage {
        let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/images");
        GrayImage::load(format!("{assets}/test/camera.png")).unwrap()
    }

    /// The image plus 0.05 sin(i) at pixel i.
    fn perturbed(image: &GrayImage) -> GrayImage {
        let wave = |(i, &v): (usize, &f32)| v + (0.05 * (i as f64).sin()) as f32;
        let pixels = image.pixels().iter().enumerate().map(wave).collect();
        GrayImage::new(image.width(), image.height(), pixels)
    }

    /// The numbers of scikit-image 0.26.0:
    ///
    /// ```python
    /// import numpy as np
    /// from skimage.io import imread
    /// from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    /// r = imread("assets/images/test/camera.png").astype(np.float32) / np.float32(255)
    /// p = r + (0.05 * np.sin(np.arange(r.size))).astype(np.float32).reshape(r.shape)
    /// r, p = r.astype(np.float64), p.astype(np.float64)
    /// print(peak_signal_noise_ratio(r, p, data_range=1))
    /// print(structural_similarity(r, p, gaussian_weights=True, sigma=1.5, win_size=11,
    ///                             use_sample_covariance=False, data_range=1))
    /// ```
    #[test]
    fn golden_values_of_scikit_image() {
        let (reference, image) = (camera(), perturbed(&camera()));
        let (psnr, ssim) = (psnr(&image, &reference), ssim(&image, &reference));
        assert!((psnr - 29.030910357418833).abs() < 1e-8, "{psnr}");
        assert!((ssim - 0.6204842338118722).abs() < 1e-8, "{ssim}");
    }

    /// PSNR = −20 log₁₀ σ, up to 10 / ln 10 · √(2/N) · 5 = 0.12 dB (5 standard errors).
    #[test]
    fn psnr_of_noise_is_its_level() {
        for sigma in [15.0, 25.0, 50.0].map(|level| level / 255.0) {
            let noisy = add_gaussian_noise(&camera(), sigma, 0, 0);
            let expected = -20.0 * f64::from(sigma).log10();
            assert!(
                (psnr(&noisy, &camera()) - expected).abs() < 0.12,
                "sigma {sigma}"
            );
        }
    }

    #[test]
    fn equal_images() {
        let image = camera();
        assert!(psnr(&image, &image) == f64::INFINITY);
        assert!((ssim(&image, &image) - 1.0).abs() < 1e-12);
    }

    /// Without variance SSIM is its luminance term, (2ab + C1) / (a² + b² + C1).
    #[test]
    fn ssim_of_constant_images() {
        let constant = |level| GrayImage::new(11, 12, vec![level; 132]);
        let expected = (2.0 * 0.25 * 0.5 + 1e-4) / (0.0625 + 0.25 + 1e-4);
        assert!((ssim(&constant(0.25), &constant(0.5)) - expected).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "the image is 3x2, its reference 2x3")]
    fn psnr_names_both_sizes() {
        psnr(
            &GrayImage::new(3, 2, vec![0.0; 6]),
            &GrayImage::new(2, 3, vec![0.0; 6]),
        );
    }

    #[test]
    #[should_panic(expected = "the image is 12x11, its reference 11x12")]
    fn ssim_names_both_sizes() {
        ssim(
            &GrayImage::new(12, 11, vec![0.0; 132]),
            &GrayImage::new(11, 12, vec![0.0; 132]),
        );
    }

    #[test]
    #[should_panic(expected = "at least 11x11, got 11x10")]
    fn ssim_needs_a_window() {
        let small = GrayImage::new(11, 10, vec![0.0; 110]);
        ssim(&small, &small);
    }

    proptest! {
        #[test]
        fn psnr_of_an_offset_is_its_level(offset in 1e-3f32..1.0) {
            let black = GrayImage::new(5, 4, vec![0.0; 20]);
            let grey = GrayImage::new(5, 4, vec![offset; 20]);
            prop_assert!((psnr(&grey, &black) + 20.0 * f64::from(offset).log10()).abs() < 1e-9);
        }

        #[test]
        fn ssim_is_symmetric_bounded_and_blind_to_symmetries(
            width in 11usize..16, height in 11usize..16, seed: u64, k in 0u8..8,
        ) {
            let black = GrayImage::new(width, height, vec![0.0; width * height]);
            let [a, b] = [0, 1].map(|stream| add_gaussian_noise(&black, 0.3, seed, stream));
            let similarity = ssim(&a, &b);
            prop_assert!(similarity.abs() <= 1.0);
            prop_assert!((similarity - ssim(&b, &a)).abs() < 1e-12);
            prop_assert!((similarity - ssim(&a.symmetry(k), &b.symmetry(k))).abs() < 1e-12);
        }
    }
}
