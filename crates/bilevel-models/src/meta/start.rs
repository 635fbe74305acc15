//! Weights to begin with.

use burn::module::Param;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::classification::LinearParameters;

/// Normal numbers of variance `2 / fan_in`, the same on every backend.
pub(super) fn he<B: Backend, const D: usize>(
    shape: [usize; D],
    fan_in: usize,
    rng: &mut ChaCha8Rng,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let normal = Distribution::Normal(0.0, (2.0 / fan_in as f64).sqrt());
    let data = TensorData::random::<f32, _, _>(shape, normal, rng);
    Param::from_tensor(Tensor::from_data(data, device))
}

/// The affine map to zero: all classes begin alike.
pub(super) fn zero_affine<B: Backend>(
    inputs: usize,
    outputs: usize,
    device: &B::Device,
) -> LinearParameters<B> {
    LinearParameters {
        weight: Param::from_tensor(Tensor::zeros([inputs, outputs], device)),
        bias: Param::from_tensor(Tensor::zeros([outputs], device)),
    }
}

/// An affine map, biases zero.
pub(super) fn affine<B: Backend>(
    inputs: usize,
    outputs: usize,
    rng: &mut ChaCha8Rng,
    device: &B::Device,
) -> LinearParameters<B> {
    LinearParameters {
        weight: he([inputs, outputs], inputs, rng, device),
        bias: Param::from_tensor(Tensor::zeros([outputs], device)),
    }
}

/// Rows of so many tasks, one after the other, each by an affine map of its own.
pub(super) fn affine_each<B: Backend>(
    tasks: usize,
    rows: Tensor<B, 2>,
    map: &LinearParameters<B>,
) -> Tensor<B, 2> {
    if tasks == 1 {
        return rows.matmul(map.weight.val()) + map.bias.val().unsqueeze();
    }
    let [count, inputs] = rows.dims();
    let [_, outputs] = map.weight.dims();
    let rows = rows.reshape([tasks, count / tasks, inputs]);
    let weights = map.weight.val().reshape([tasks, inputs, outputs]);
    let shifts = map.bias.val().reshape([tasks, 1, outputs]);
    (rows.matmul(weights) + shifts).reshape([count, outputs])
}

/// # Panics
/// If four halvings leave nothing of pictures of this side.
pub(super) fn check_side(side: usize) {
    assert!(
        side >= 16,
        "four halvings need pictures of 16x16, got {side}x{side}"
    );
}
