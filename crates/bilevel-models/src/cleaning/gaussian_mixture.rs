//! Two heaps of numbers told apart.

use std::f64::consts::SQRT_2;

/// Two normal distributions fitted to numbers, the lower one first.
///
/// ```text
/// p(t) = π₁ N(t; μ₁, σ₁²) + π₂ N(t; μ₂, σ₂²)        μ₁ ≤ μ₂
/// ```
///
/// Learned log odds of samples fall into such heaps: those of wrong labels far below zero and wide,
/// those of right ones above it and narrow, so that the place between them is not zero and moves
/// while the weights are learned. Mixtures are the usual way to tell noisy labels from the losses
/// of samples; here they are fitted to what bilevel optimization learned instead.
///
/// ```
/// use bilevel_models::cleaning::GaussianMixture;
///
/// let heap = |center: f64| (-10..=10).map(move |i| center + 0.1 * f64::from(i));
/// let numbers: Vec<f64> = heap(-4.0).chain(heap(2.0)).collect();
/// let mixture = GaussianMixture::fit(&numbers).expect("they differ");
/// assert!(mixture.separation() > 2.0);
/// assert!((mixture.threshold() + 1.0).abs() < 1e-3);
/// ```
///
/// # References
/// Arazo, Ortego, Albert, O'Connor, McGuinness (2019), "Unsupervised Label Noise Modeling and Loss
/// Correction", ICML, arXiv:1904.11238; Li, Socher, Hoi (2020), "DivideMix", ICLR,
/// arXiv:2002.07394.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianMixture {
    /// Shares π.
    pub share: [f64; 2],
    /// Means μ.
    pub mean: [f64; 2],
    /// Standard deviations σ.
    pub deviation: [f64; 2],
}

/// Iterations at most, and the change of a mean, in deviations of all numbers, below which they
/// end.
const ITERATIONS: usize = 1000;
const TOLERANCE: f64 = 1e-9;
/// Smallest deviation of a heap, in deviations of all numbers: a heap of equal numbers would have
/// none.
const NARROWEST: f64 = 1e-3;
/// Halvings of an interval: to the last bit.
const HALVINGS: usize = 60;

impl GaussianMixture {
    /// By expectation maximization, from the quartiles; `None` if the numbers do not differ or are
    /// not finite.
    ///
    /// Costs two exponentials a number and iteration, some dozens of them.
    pub fn fit(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let variance = numbers.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / n;
        let whole = variance.sqrt();
        // Not so for NaN either.
        if !(whole.is_finite() && whole > f64::EPSILON * mean.abs()) {
            return None;
        }
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut mixture = Self {
            share: [0.5; 2],
            mean: [sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4]],
            deviation: [whole / 2.0; 2],
        };
        for _ in 0..ITERATIONS {
            let before = mixture.mean;
            mixture = mixture.improved(numbers, NARROWEST * whole);
            let moved = (0..2).map(|k| (mixture.mean[k] - before[k]).abs());
            if moved.fold(0.0, f64::max) < TOLERANCE * whole {
                break;
            }
        }
        let finite = mixture.mean.iter().all(|mean| mean.is_finite());
        (finite && mixture.mean[0] < mixture.mean[1]).then_some(mixture)
    }

    /// One iteration of expectation maximization.
    fn improved(&self, numbers: &[f64], narrowest: f64) -> Self {
        // Σ r, Σ r t and Σ r t² of each heap, r the probability that t belongs to it.
        let mut sums = [[0.0; 3]; 2];
        for &t in numbers {
            let upper = self.upper(t);
            for (sum, r) in sums.iter_mut().zip([1.0 - upper, upper]) {
                sum[0] += r;
                sum[1] += r * (t - self.mean[0]);
                sum[2] += r * (t - self.mean[0]).powi(2);
            }
        }
        let shift = sums.map(|[r, rt, _]| rt / r);
        let variance = |k: usize| sums[k][2] / sums[k][0] - shift[k].powi(2);
        Self {
            share: sums.map(|[r, ..]| r / numbers.len() as f64),
            mean: shift.map(|shift| self.mean[0] + shift),
            deviation: [0, 1].map(|k| variance(k).max(0.0).sqrt().max(narrowest)),
        }
    }

    /// `log πₖ N(t; μₖ, σₖ²)` of the upper heap less that of the lower one.
    fn log_ratio(&self, t: f64) -> f64 {
        let log = |k: usize| {
            let z = (t - self.mean[k]) / self.deviation[k];
            (self.share[k] / self.deviation[k]).ln() - z * z / 2.0
        };
        log(1) - log(0)
    }

    /// The probability that `t` belongs to the upper heap.
    pub fn upper(&self, t: f64) -> f64 {
        1.0 / (1.0 + (-self.log_ratio(t)).exp())
    }

    /// Ashman's D: `√2 (μ₂ − μ₁) / √(σ₁² + σ₂²)`; above 2 the heaps are apart.
    ///
    /// # References
    /// Ashman, Bird, Zepf (1994), "Detecting bimodality in astronomical datasets", Astronomical
    /// Journal 108, arXiv:astro-ph/9408030.
    pub fn separation(&self) -> f64 {
        let [a, b] = self.deviation;
        SQRT_2 * (self.mean[1] - self.mean[0]) / a.hypot(b)
    }

    /// The number between the two means that belongs to either heap with the same probability; the
    /// mean that is nearer to such a number if there is none between.
    pub fn threshold(&self) -> f64 {
        let [mut low, mut high] = self.mean;
        for _ in 0..HALVINGS {
            let middle = low.midpoint(high);
            if self.log_ratio(middle) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        low.midpoint(high)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, Normal};

    use super::*;

    /// Drawn numbers give back what they were drawn from, to the accuracy of ten thousand draws.
    #[test]
    fn a_mixture_is_found_again() {
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let mut draw = |mean, deviation, count| -> Vec<f64> {
            let normal = Normal::new(mean, deviation).expect("a deviation");
            (0..count).map(|_| normal.sample(rng)).collect()
        };
        let mut numbers = draw(-4.0, 1.0, 4000);
        numbers.extend(draw(1.5, 0.5, 6000));
        let found = GaussianMixture::fit(&numbers).expect("they differ");
        let near = |a: [f64; 2], b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.05);
        assert!(near(found.mean, [-4.0, 1.5]), "{found:?}");
        assert!(near(found.deviation, [1.0, 0.5]), "{found:?}");
        assert!(near(found.share, [0.4, 0.6]), "{found:?}");
        let t = found.threshold();
        assert!((found.upper(t) - 0.5).abs() < 1e-9);
        // The wide heap reaches further: the place is nearer to the narrow one.
        assert!(t > -1.25 && t < 1.5, "{t}");
    }

    #[test]
    fn one_heap_is_not_two() {
        let rng = &mut ChaCha8Rng::seed_from_u64(4);
        let normal = Normal::new(0.5, 1.0).expect("a deviation");
        let numbers: Vec<f64> = (0..5000).map(|_| normal.sample(rng)).collect();
        let found = GaussianMixture::fit(&numbers).expect("they differ");
        assert!(found.separation() < 2.0, "{found:?}");
        assert_eq!(GaussianMixture::fit(&[0.3; 10]), None);
        assert_eq!(GaussianMixture::fit(&[]), None);
        assert_eq!(GaussianMixture::fit(&[0.0, f64::NAN, 1.0]), None);
    }

    /// Two heaps of equal numbers, which have no width of their own.
    #[test]
    fn numbers_of_two_kinds() {
        let numbers = [[0.0; 7], [1.0; 7]].concat();
        let found = GaussianMixture::fit(&numbers).expect("they differ");
        assert!((found.threshold() - 0.5).abs() < 1e-3, "{found:?}");
    }
}
