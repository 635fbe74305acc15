//! Tensor operations on the tape.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_backend::TensorMetadata;

use super::Tape;
use super::from_output::from_output;
use super::linear::linear;
use crate::delegate::prelude::*;

impl<B: Backend, C: CheckpointStrategy> FloatTensorOps<Self> for Tape<B, C> {
    float_ops!(Autodiff<B, C>);
    arithmetic_ops!(Autodiff<B, C>);
    patched_float_ops!(Autodiff<B, C>);
    reduction_ops!(Autodiff<B, C>);

    /// burn-autodiff's gradient divides in `f32`, which leaves an error of 3e-8 on an `f64`
    /// backend.
    fn float_div_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        linear::<B, C, _>(
            lhs,
            |x| B::float_div_scalar(x, rhs),
            move |g| B::float_div_scalar(g, rhs),
        )
    }

    /// `Σ x`, whose transpose repeats a number without writing it down; burn-autodiff multiplies it
    /// with a tensor of ones.
    fn float_sum(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = tensor.shape();
        linear::<B, C, _>(tensor, B::float_sum, move |g| {
            let one = Shape::from(vec![1; shape.num_dims()]);
            B::float_expand(B::float_reshape(g, one), shape)
        })
    }

    /// `Σ x` along an axis, which keeps the length 1.
    fn float_sum_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self> {
        let shape = tensor.shape();
        linear::<B, C, _>(
            tensor,
            |x| B::float_sum_dim(x, dim),
            move |g| B::float_expand(g, shape),
        )
    }

    fn float_mean(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        let count = tensor.shape().num_elements() as f64;
        Self::float_div_scalar(Self::float_sum(tensor), count.into())
    }

    fn float_mean_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self> {
        let count = tensor.shape()[dim] as f64;
        Self::float_div_scalar(Self::float_sum_dim(tensor, dim), count.into())
    }

    /// The transpose of a repetition is a sum.
    fn float_expand(tensor: FloatTensor<Self>, shape: Shape) -> FloatTensor<Self> {
        let small = tensor.shape();
        linear::<B, C, _>(
            tensor,
            |x| B::float_expand(x, shape),
            move |g| sum_to::<B>(g, small),
        )
    }

    /// `eˣ` is its own derivative; burn-autodiff computes it a second time.
    fn float_exp(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        from_output::<B, C, _>(tensor, B::float_exp, |g, y| B::float_mul(g, y))
    }

    /// `tanh' = 1 − tanh²`; burn-autodiff computes the tangent a second time.
    fn float_tanh(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        from_output::<B, C, _>(tensor, B::float_tanh, |g, y| {
            let square = B::float_mul(y.clone(), y);
            B::float_mul(g, B::float_add_scalar(B::float_neg(square), 1.0.into()))
        })
    }

    /// burn-autodiff's gradient puts the copies in the wrong order if the axis has more than one
    /// entry.
    fn float_repeat_dim(tensor: FloatTensor<Self>, dim: usize, times: usize) -> FloatTensor<Self> {
        let shape = tensor.shape();
        linear::<B, C, _>(
            tensor,
            |x| B::float_repeat_dim(x, dim, times),
            move |g| {
                let mut copies = shape.clone();
                copies.insert(dim, times);
                let sum = B::float_sum_dim(B::float_reshape(g, copies), dim);
                B::float_reshape(sum, shape)
            },
        )
    }

    fn float_prod(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        let entries = tensor.shape().num_elements();
        Self::float_prod_dim(Self::float_reshape(tensor, Shape::new([entries])), 0)
    }

    /// The product of one half with the other, until one entry is left: right for negative entries
    /// and for zeros, where Burn's `exp Σ log x` is NaN.
    fn float_prod_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self> {
        let mut product = tensor;
        loop {
            let shape = product.shape();
            let length = shape[dim];
            let part = |from: usize, to: usize| {
                let mut slices: Vec<Slice> = shape.iter().map(|&n| Slice::from(0..n)).collect();
                slices[dim] = Slice::from(from..to);
                Self::float_slice(product.clone(), &slices)
            };
            let half = length / 2;
            product = match length {
                0 => {
                    let mut ones = shape.clone();
                    ones[dim] = 1;
                    let device = Self::float_device(&product);
                    return Self::float_ones(ones, &device, product.dtype().into());
                }
                1 => return product,
                _ => {
                    let pairs = Self::float_mul(part(0, half), part(half, 2 * half));
                    if length > 2 * half {
                        Self::float_cat(vec![pairs, part(2 * half, length)], dim)
                    } else {
                        pairs
                    }
                }
            };
        }
    }
}

/// `g` summed over the axes along which a tensor of shape `small` was repeated.
fn sum_to<B: Backend>(g: FloatTensor<B>, small: Shape) -> FloatTensor<B> {
    let large = g.shape();
    let new_axes = large.num_dims() - small.num_dims();
    if small.num_elements() == 1 && large.num_elements() > 1 {
        return B::float_reshape(B::float_sum(g), small);
    }
    let mut sum = g;
    for axis in 0..large.num_dims() {
        if axis < new_axes || small[axis - new_axes] != large[axis] {
            sum = B::float_sum_dim(sum, axis);
        }
    }
    B::float_reshape(sum, small)
}
