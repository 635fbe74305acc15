//! Random numbers and vectors.

use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::Vector;
use crate::vector::norm;

/// A number below `n`, each as likely as the others: the leading bits of a product with 64 random bits,
/// which favour none by more than `n / 2⁶⁴`.
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
