//! The operations on channels from Burn's own.

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, Shape, Slice, TensorMetadata};

/// `α[c] a[n, c, t]`
pub fn scale<B: Backend>(a: FloatTensor<B>, alpha: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(a, along_channels::<B>(alpha))
}

/// `α[c] a[n, c, t] + γ[c]`
pub fn affine<B: Backend>(
    a: FloatTensor<B>,
    alpha: FloatTensor<B>,
    gamma: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_add(scale::<B>(a, alpha), along_channels::<B>(gamma))
}

/// `Σ a[n, c, t]`
pub fn sum<B: Backend>(a: FloatTensor<B>) -> FloatTensor<B> {
    let [_, channels, _] = a.shape().dims();
    let sum = B::float_sum_dim(B::float_sum_dim(a, 2), 0);
    B::float_reshape(sum, Shape::new([channels]))
}

/// `Σ a[n, c, t] b[n, c, t]`
pub fn dot<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    sum::<B>(B::float_mul(a, b))
}

/// `[m, v]`, `m[c] = Σ a[n, c, t] / N` and `v[c] = Σ (a[n, c, t] − m[c])² / N`
pub fn moments<B: Backend>(a: FloatTensor<B>) -> FloatTensor<B> {
    let count = entries(&a.shape());
    let mean = B::float_div_scalar(sum::<B>(a.clone()), count.into());
    let centred = B::float_sub(a, along_channels::<B>(mean.clone()));
    let variance = B::float_div_scalar(dot::<B>(centred.clone(), centred), count.into());
    let row = |vector: FloatTensor<B>| {
        let [channels] = vector.shape().dims();
        B::float_reshape(vector, Shape::new([1, channels]))
    };
    B::float_cat(vec![row(mean), row(variance)], 0)
}

/// A row of `[2, channels]`.
pub fn row<B: Backend>(moments: FloatTensor<B>, row: usize) -> FloatTensor<B> {
    let [_, channels] = moments.shape().dims();
    let slices = [Slice::from(row..row + 1), Slice::from(0..channels)];
    B::float_reshape(B::float_slice(moments, &slices), Shape::new([channels]))
}

/// `N`, the entries of a channel.
pub fn entries(shape: &Shape) -> f64 {
    let [n, _, t] = shape.dims();
    (n * t) as f64
}

/// `[channels]` as `[1, channels, 1]`.
fn along_channels<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let [channels] = vector.shape().dims();
    B::float_reshape(vector, Shape::new([1, channels, 1]))
}
