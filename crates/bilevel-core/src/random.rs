//! Random numbers and vectors.

use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Vector;
use crate::vector::norm;

/// A mask for dropout that stays: each entry is `1 / keep` with the probability `keep`, and else 0.
///
/// A loss that draws a mask of its own each time it is evaluated has no gradient that its values
/// agree with, and every estimate of a hypergradient is of no use. Put a mask in the batch instead,
/// a new one for each step of the upper problem, and multiply by it: all evaluations of the step
/// are then of one loss.
///
/// The same `seed` gives the same mask on every backend. `keep` is in (0, 1].
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::dropout_mask;
/// use burn::tensor::Tensor;
///
/// let mask = |seed| -> Tensor<Cpu, 2> { dropout_mask([40, 50], 0.8, seed, &Default::default()) };
/// let sum = mask(1).sum().into_scalar();
/// assert!((sum / 2000.0 - 1.0).abs() < 0.05);
/// assert_eq!(mask(1).into_data(), mask(1).into_data());
/// assert_ne!(mask(1).into_data(), mask(2).into_data());
/// ```
///
/// # Panics
/// If `keep` is not in (0, 1].
///
/// # References
/// Gal, Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent Neural
/// Networks", NIPS, arXiv:1512.05287, where one mask is kept for a sequence for the same reason.
pub fn dropout_mask<B: Backend, const D: usize>(
    shape: [usize; D],
    keep: f64,
    seed: u64,
    device: &B::Device,
) -> Tensor<B, D> {
    assert!(
        0.0 < keep && keep <= 1.0,
        "what is kept is a share in (0, 1], got {keep}"
    );
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    // 2⁵³ numbers, each as likely as the others.
    let mut kept = || ((rng.next_u64() >> 11) as f64) < keep * (1u64 << 53) as f64;
    let count = shape.iter().product();
    let entries = std::iter::repeat_with(|| if kept() { 1.0 / keep } else { 0.0 });
    let entries: Vec<f64> = entries.take(count).collect();
    Tensor::from_data(TensorData::new(entries, shape), device)
}

/// A number below `n`, each as likely as the others: the leading bits of a product with 64 random
/// bits, which favour none by more than `n / 2⁶⁴`.
pub(crate) fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// Standard normal numbers in the shape of `like`.
pub(crate) fn normal<B: Backend>(like: &Vector<B>, rng: &mut ChaCha8Rng) -> Vector<B> {
    let standard = Distribution::Normal(0.0, 1.0);
    let data = TensorData::random::<f64, _, _>(like.dims(), standard, rng);
    Tensor::from_data(data, &like.device())
}

/// A direction of length 1, each row one, if there are several.
pub(crate) fn unit<B: Backend>(like: &Vector<B>, rng: &mut ChaCha8Rng) -> Vector<B> {
    let direction = normal(like, rng);
    direction.clone() / norm(direction)
}

/// Uniform in the ball of a radius about zero: `[1, dim]`.
pub(crate) fn in_ball<B: Backend>(
    like: &Vector<B>,
    radius: f64,
    rng: &mut ChaCha8Rng,
) -> Vector<B> {
    /// Values that the share of the volume within the vector's length may take.
    const VALUES: usize = 1 << 30;
    let direction = unit(like, rng);
    let volume = (below(VALUES, rng) as f64 + 0.5) / VALUES as f64;
    let dim = like.dims()[1] as f64;
    direction * (radius * volume.powf(dim.recip()))
}
