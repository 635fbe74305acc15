//! Recomputing cheap operations instead of keeping their results changes no derivative.

use bilevel_backend::{BalancedCheckpointing, NoCheckpointing, Tape};
use burn::tensor::backend::Backend;
use burn::tensor::module::{avg_pool2d, conv2d, linear, max_pool2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation};
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_ndarray::NdArray;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::case::normal;

type B = NdArray<f64>;

#[test]
fn checkpointing_changes_no_derivative() {
    let plain = derivatives::<NoCheckpointing>();
    let balanced = derivatives::<BalancedCheckpointing>();
    for (plain, balanced) in plain.into_iter().zip(balanced) {
        let difference = (plain.clone() - balanced).abs().max().into_scalar();
        assert!(difference < 1e-14 * plain.abs().max().into_scalar());
    }
}

/// Gradient and Hessian product of a small network in its input.
fn derivatives<C: CheckpointStrategy>() -> [Tensor<B, 4>; 2] {
    let x = tensor::<Tape<B, C>, 4>(1, [1, 2, 8, 8]).require_grad();
    let outer = Tensor::<Tape<Tape<B, C>, C>, 4>::from_inner(x.clone()).require_grad();
    let gradient = outer
        .grad(&network(outer.clone()).backward())
        .expect("the network depends on x");
    let along_v = (gradient.clone() * tensor(2, [1, 2, 8, 8])).sum();
    let product = x
        .grad(&along_v.backward())
        .expect("the network is not linear");
    [gradient.inner(), product]
}

fn network<T: Backend>(x: Tensor<T, 4>) -> Tensor<T, 1> {
    let same = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let y = conv2d(x, tensor(3, [3, 2, 3, 3]), Some(tensor(4, [3])), same);
    let y = max_pool2d(
        activation::gelu(y) / 0.7,
        [2, 2],
        [2, 2],
        [0, 0],
        [1, 1],
        false,
    );
    let y = avg_pool2d(y.clone() * y.tanh(), [3, 3], [1, 1], [1, 1], false, false);
    let y = linear(y.reshape([3, 16]), tensor(5, [16, 4]), None);
    activation::log_softmax(activation::sigmoid(y), 1)
        .powi_scalar(2)
        .sum()
}

fn tensor<T: Backend, const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<T, D> {
    let values = normal(&mut ChaCha8Rng::seed_from_u64(seed), shape.iter().product());
    Tensor::<T, 1>::from_data(values.as_slice(), &T::Device::default()).reshape(shape)
}
