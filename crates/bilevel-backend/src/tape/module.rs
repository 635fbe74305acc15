//! Neural network operations on the tape.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_backend::TensorMetadata;
use burn_backend::ops::InterpolateMode;
use burn_backend::ops::attention::attention_fallback;

use super::bilinear::bilinear;
use super::convolution::{self, recorded_convolution_gradients};
use super::linear::linear;
use super::{Tape, deformable, fourier, pooling, separable};
use crate::delegate::prelude::*;

/// The gradients of `linear` and those in the biases of convolutions are Burn's own compositions,
/// which burn-autodiff replaces by a panic.
impl<B: Backend, C: CheckpointStrategy> ModuleOps<Self> for Tape<B, C> {
    module_ops!(Autodiff<B, C>);
    pooling_ops!(Autodiff<B, C>);
    convolution_ops!(Autodiff<B, C>);
    transposed_convolution_ops!(Autodiff<B, C>);
    patched_module_ops!(Autodiff<B, C>);

    recorded_convolution_gradients!(
        1,
        conv1d,
        conv1d_x_backward,
        conv1d_weight_backward by convolution::weight_gradient_1d::<B>,
        conv_transpose1d_weight_backward
    );
    recorded_convolution_gradients!(
        2,
        conv2d,
        conv2d_x_backward,
        conv2d_weight_backward by B::conv2d_weight_backward,
        conv_transpose2d_weight_backward
    );
    recorded_convolution_gradients!(
        3,
        conv3d,
        conv3d_x_backward,
        conv3d_weight_backward by B::conv3d_weight_backward,
        conv_transpose3d_weight_backward
    );

    /// With several groups by way of two dimensions: see `convolution::weight_gradient_1d`.
    fn conv1d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        if options.groups == 1 {
            Autodiff::<B, C>::conv1d(x, weight, bias, options)
        } else {
            convolution::conv1d_as_2d::<Self>(x, weight, bias, &options)
        }
    }

    fn embedding_backward(
        weights: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        indices: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let rows = indices.clone();
        linear::<B, C, _>(
            output_grad,
            |g| B::embedding_backward(weights.primitive, g, indices),
            |u| B::embedding(u, rows),
        )
    }

    /// The 1-d pools and their gradients are Burn's compositions of the 2-d ones.
    ///
    /// With `ceil_mode` the kernels for the transpose disagree about the divisor at the border
    /// (`Flex` ignores the mode): then it is transposed as a matrix.
    fn avg_pool2d(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        count_include_pad: bool,
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        let (size, pad) = (kernel_size, padding);
        if !ceil_mode {
            return Autodiff::<B, C>::avg_pool2d(x, size, stride, pad, count_include_pad, false);
        }
        let [_, _, height, width] = x.shape().dims();
        linear::<B, C, _>(
            x,
            |x| B::avg_pool2d(x, size, stride, pad, count_include_pad, true),
            move |g| {
                separable::transposed::<B>(g, [height, width], |axis, x, _| {
                    let (size, stride) = ([size[axis], 1], [stride[axis], 1]);
                    B::avg_pool2d(x, size, stride, [pad[axis], 0], count_include_pad, true)
                })
            },
        )
    }

    fn avg_pool2d_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        count_include_pad: bool,
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        let (size, pad) = (kernel_size, padding);
        linear::<B, C, _>(
            grad,
            |g| {
                let x = x.primitive;
                B::avg_pool2d_backward(x, g, size, stride, pad, count_include_pad, ceil_mode)
            },
            move |u| B::avg_pool2d(u, size, stride, pad, count_include_pad, ceil_mode),
        )
    }

    fn adaptive_avg_pool2d_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, _, height, width] = grad.shape().dims();
        linear::<B, C, _>(
            grad,
            |g| B::adaptive_avg_pool2d_backward(x.primitive, g),
            move |u| B::adaptive_avg_pool2d(u, [height, width]),
        )
    }

    fn max_pool2d_with_indices_backward(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
        output_grad: FloatTensor<Self>,
        indices: IntTensor<Self>,
    ) -> MaxPool2dBackward<Self> {
        let maxima = indices.clone();
        let x_grad = linear::<B, C, _>(
            output_grad,
            |g| {
                let (x, size, pad) = (x.primitive, kernel_size, padding);
                B::max_pool2d_with_indices_backward(
                    x, size, stride, pad, dilation, ceil_mode, g, indices,
                )
                .x_grad
            },
            |u| pooling::pick::<B>(u, maxima),
        );
        MaxPool2dBackward::new(x_grad)
    }

    /// Backends have a kernel for the transpose of some modes only (`NdArray` for nearest
    /// neighbours alone): all others are transposed as matrices.
    fn interpolate(
        x: FloatTensor<Self>,
        output_size: [usize; 2],
        options: InterpolateOptions,
    ) -> FloatTensor<Self> {
        if let InterpolateMode::Nearest = options.mode {
            return Autodiff::<B, C>::interpolate(x, output_size, options);
        }
        let [_, _, height, width] = x.shape().dims();
        let in_backward = options.clone();
        linear::<B, C, _>(
            x,
            |x| B::interpolate(x, output_size, options),
            move |g| {
                separable::transposed::<B>(g, [height, width], |_, x, length| {
                    B::interpolate(x, [length, 1], in_backward.clone())
                })
            },
        )
    }

    fn interpolate_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        output_size: [usize; 2],
        options: InterpolateOptions,
    ) -> FloatTensor<Self> {
        let forward = options.clone();
        linear::<B, C, _>(
            grad,
            |g| B::interpolate_backward(x.primitive, g, output_size, options),
            move |u| B::interpolate(u, output_size, forward),
        )
    }

    /// Burn's composition, of the operations of this tape.
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        mask: Option<BoolTensor<Self>>,
        attn_bias: Option<FloatTensor<Self>>,
        options: AttentionModuleOptions,
    ) -> FloatTensor<Self> {
        attention_fallback::<Self>(query, key, value, mask, attn_bias, options)
    }

    /// A composition: the derivative of Burn's backward pass, one kernel, is written nowhere.
    fn deform_conv2d(
        x: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mask: Option<FloatTensor<Self>>,
        bias: Option<FloatTensor<Self>>,
        options: DeformConvOptions<2>,
    ) -> FloatTensor<Self> {
        deformable::convolution::<Self>(x, offset, weight, mask, bias, options)
    }

    fn deform_conv2d_backward(
        _x: FloatTensor<Self>,
        _offset: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _mask: Option<FloatTensor<Self>>,
        _bias: Option<FloatTensor<Self>>,
        _output_grad: FloatTensor<Self>,
        _options: DeformConvOptions<2>,
    ) -> DeformConv2dBackward<Self> {
        panic!("call `deform_conv2d`: it is a composition, which records its own gradient")
    }

    fn rfft(
        signal: FloatTensor<Self>,
        dim: usize,
        n: Option<usize>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fourier::rfft::<B, C>(signal, dim, n)
    }

    fn irfft(
        spectrum_re: FloatTensor<Self>,
        spectrum_im: FloatTensor<Self>,
        dim: usize,
        n: Option<usize>,
    ) -> FloatTensor<Self> {
        fourier::irfft::<B, C>(spectrum_re, spectrum_im, dim, n)
    }
}
