//! Gaussian noise.

use rand::RngExt;
use rand_distr::StandardNormal;

use crate::GrayImage;
use crate::random::{Purpose, generator};

/// Adds independent Gaussian noise to every pixel.
///
/// ```text
/// v_i = u_i + σ n_i,   n_i ~ N(0, 1)
/// ```
///
/// `sigma` is in the unit of the image, whose range is [0, 1]: the noise level 25 of papers that
/// count to 255 is `25.0 / 255.0`. The result is not clipped, so the noise has mean zero
/// everywhere.
///
/// A pure function of its arguments: with the same seed and stream the n_i are the same, whatever
/// the image and `sigma`. So give every image a `stream` of its own (a validation image its index,
/// a training crop `step * batch_size + index`) and each purpose a seed of its own. The n_i are
/// never the numbers that [`RandomCrops`](crate::RandomCrops) draws, not even for the same seed and
/// step: both read the same ChaCha8 stream, but noise starts half a period further on.
///
/// # Panics
///
/// If `sigma` is negative or not finite.
pub fn add_gaussian_noise(image: &GrayImage, sigma: f32, seed: u64, stream: u64) -> GrayImage {
    assert!(
        sigma >= 0.0 && sigma.is_finite(),
        "sigma must be finite and >= 0, got {sigma}"
    );
    let normals = generator(Purpose::Noise, seed, stream).sample_iter::<f32, _>(StandardNormal);
    let pixels = image
        .pixels()
        .iter()
        .zip(normals)
        .map(|(u, n)| u + sigma * n)
        .collect();
    GrayImage::new(image.width(), image.height(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black(size: usize) -> GrayImage {
        GrayImage::new(size, size, vec![0.0; size * size])
    }

    /// Bounds are 5 standard errors: σ/√N of the mean, σ/√2N of the standard deviation and
    /// √(p(1 − p)/N) of the share p = 0.6827 within one σ. The product of neighbours has mean 0.
    #[test]
    fn moments_and_shape_are_those_of_a_normal_distribution() {
        let (size, sigma) = (512, 0.1);
        let count = f64::from(size * size);
        let noise = add_gaussian_noise(&black(size as usize), sigma as f32, 5, 6);
        let n: Vec<f64> = noise
            .pixels()
            .iter()
            .map(|&v| f64::from(v) / sigma)
            .collect();
        let mean_of = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;

        let mean = mean_of(&mut n.iter().copied());
        assert!(mean.abs() < 5.0 / count.sqrt(), "mean {mean}");
        let deviation = mean_of(&mut n.iter().map(|v| (v - mean).powi(2))).sqrt();
        assert!(
            (deviation - 1.0).abs() < 5.0 / (2.0 * count).sqrt(),
            "deviation {deviation}"
        );
        let within = mean_of(&mut n.iter().map(|v| f64::from(u8::from(v.abs() < 1.0))));
        assert!(
            (within - 0.6827).abs() < 5.0 * (0.2166 / count).sqrt(),
            "within {within}"
        );
        let correlation = mean_of(&mut n.windows(2).map(|pair| pair[0] * pair[1]));
        assert!(
            correlation.abs() < 5.0 / count.sqrt(),
            "correlation {correlation}"
        );
    }

    #[test]
    fn same_arguments_same_noise() {
        let noise = |seed, stream| add_gaussian_noise(&black(8), 0.1, seed, stream);
        assert_eq!(noise(1, 2), noise(1, 2));
        assert_ne!(noise(1, 2), noise(1, 3));
        assert_ne!(noise(1, 2), noise(2, 2));
        assert_ne!(noise(1, 2), noise(2, 1));
    }

    #[test]
    fn noise_is_added_scaled_and_not_clipped() {
        let white = GrayImage::new(8, 8, vec![1.0; 64]);
        let small = add_gaussian_noise(&black(8), 0.25, 0, 0);
        let large = add_gaussian_noise(&white, 0.5, 0, 0);
        for (s, l) in small.pixels().iter().zip(large.pixels()) {
            assert!((2.0 * s + 1.0 - l).abs() < 1e-6, "{s} {l}");
        }
        assert!(small.pixels().iter().any(|&v| v < 0.0));
        assert!(large.pixels().iter().any(|&v| v > 1.0));
        assert_eq!(add_gaussian_noise(&white, 0.0, 0, 0), white);
    }

    /// Fails if a release of `rand_distr` gives old seeds a new meaning: that belongs in the
    /// changelog.
    #[test]
    fn golden_noise() {
        let noise = add_gaussian_noise(&black(2), 1.0, 2024, 3);
        assert_eq!(
            noise.pixels(),
            [0.11818194, -1.7946503, 0.51786816, -0.2638702]
        );
    }

    #[test]
    #[should_panic(expected = "got -0.1")]
    fn negative_sigma_is_refused() {
        add_gaussian_noise(&black(1), -0.1, 0, 0);
    }
}
