//! Convolutions and their gradients as one closed family.
//!
//! ```text
//! y = x ∗ w        X(w, ȳ): the gradient in x        W(x, ȳ): the gradient in w
//! ⟨ȳ, x ∗ w⟩ = ⟨X(w, ȳ), x⟩ = ⟨W(x, ȳ), w⟩
//! ```
//!
//! Each of the three maps is linear in both arguments, and the gradients of each are the other two:
//! with kernels for the three, a convolution can be differentiated any number of times. A
//! transposed convolution is `X`, so its gradients are `∗` and `W`.

use burn_backend::ops::{ConvOptions, ConvTransposeOptions};
use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, Shape, Slice, TensorMetadata};

/// The gradients of one kind of convolution, recorded; the value of `W` is computed by the function
/// after `by`. (`conv*_bias_backward` and `conv_transpose*_x_backward` are compositions in Burn's
/// own trait.)
macro_rules! recorded_convolution_gradients {
    ($rank:literal, $conv:ident, $x_backward:ident, $weight_backward:ident by $weight_gradient:path,
     $transpose_weight_backward:ident) => {
        /// `X(w, ȳ)`. Of `x` only the shape matters.
        fn $x_backward(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            output_grad: FloatTensor<Self>,
            options: ConvOptions<$rank>,
        ) -> FloatTensor<Self> {
            let x = x.primitive;
            let like_weight = weight.primitive.clone();
            let [in_weight, in_grad] = [options.clone(), options.clone()];
            bilinear::<B, C, _, _>(
                weight,
                output_grad,
                |w, g| B::$x_backward(x, w, g, options),
                |u, g| $weight_gradient(u, like_weight, g, in_weight),
                |u, w| B::$conv(u, w, None, in_grad),
            )
        }

        /// `W(x, ȳ)`. Of `weight` only the shape matters.
        fn $weight_backward(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            output_grad: FloatTensor<Self>,
            options: ConvOptions<$rank>,
        ) -> FloatTensor<Self> {
            let weight = weight.primitive;
            let like_x = x.primitive.clone();
            let [in_x, in_grad] = [options.clone(), options.clone()];
            bilinear::<B, C, _, _>(
                x,
                output_grad,
                |x, g| $weight_gradient(x, weight, g, options),
                |u, g| B::$x_backward(like_x, u, g, in_x),
                |u, x| B::$conv(x, u, None, in_grad),
            )
        }

        /// `W(ȳ, x)`: in the convolution that this one is the transpose of, `x` is the output.
        fn $transpose_weight_backward(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            output_grad: FloatTensor<Self>,
            options: ConvTransposeOptions<$rank>,
        ) -> FloatTensor<Self> {
            let x = convolution::pad_to_output::<Self, $rank>(x, &options);
            let options = convolution::transposed(options);
            Self::$weight_backward(output_grad, weight, x, options)
        }
    };
}
pub(super) use recorded_convolution_gradients;

/// The convolution that a transposed one is the gradient of.
pub(super) fn transposed<const N: usize>(options: ConvTransposeOptions<N>) -> ConvOptions<N> {
    ConvOptions::new(
        options.stride,
        options.padding,
        options.dilation,
        options.groups,
    )
}

/// `x` with zeros behind it along every axis whose output padding makes room for further steps of
/// the stride: the size of the output of [`transposed`] on the output of the transposed convolution
/// of `x`.
pub(super) fn pad_to_output<B: Backend, const N: usize>(
    x: FloatTensor<B>,
    options: &ConvTransposeOptions<N>,
) -> FloatTensor<B> {
    let shape = x.shape();
    let mut padded = shape.clone();
    for i in 0..N {
        padded[i + 2] += options.padding_out[i] / options.stride[i];
    }
    if padded == shape {
        return x;
    }
    let whole: Vec<Slice> = shape.iter().map(|&n| Slice::from(0..n)).collect();
    let zeros = B::float_zeros(padded, &B::float_device(&x), x.dtype().into());
    B::float_slice_assign(zeros, &whole, x)
}

/// A 1-d convolution as a 2-d one of images with one row.
pub(super) fn conv1d_as_2d<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    options: &ConvOptions<1>,
) -> FloatTensor<B> {
    let y = B::conv2d(row::<B>(x), row::<B>(weight), bias, row_options(options));
    without_rows::<B>(y)
}

/// `W(x, ȳ)` in one dimension.
///
/// With several groups and a stride that leaves a rest of the input over, Burn's default for it is
/// wrong: it panics on `NdArray`, and mixes up the weights on `Flex`. Its default in two dimensions
/// is right.
pub(super) fn weight_gradient_1d<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    options: ConvOptions<1>,
) -> FloatTensor<B> {
    if options.groups == 1 {
        return B::conv1d_weight_backward(x, weight, grad, options);
    }
    let [x, weight, grad] = [x, weight, grad].map(row::<B>);
    without_rows::<B>(B::conv2d_weight_backward(
        x,
        weight,
        grad,
        row_options(&options),
    ))
}

/// `[a, b, n]` as `[a, b, 1, n]`.
fn row<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let [a, b, n] = tensor.shape().dims();
    B::float_reshape(tensor, Shape::new([a, b, 1, n]))
}

/// `[a, b, 1, n]` as `[a, b, n]`.
fn without_rows<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let [a, b, _, n] = tensor.shape().dims();
    B::float_reshape(tensor, Shape::new([a, b, n]))
}

fn row_options(options: &ConvOptions<1>) -> ConvOptions<2> {
    ConvOptions::new(
        [1, options.stride[0]],
        [0, options.padding[0]],
        [1, options.dilation[0]],
        options.groups,
    )
}
