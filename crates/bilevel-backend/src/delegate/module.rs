//! The lists of operations that neural network modules are made of.
//!
//! `conv1d` and the gradients of 1-d and 2-d convolutions and transposed convolutions are in no
//! list: every decorator has its own.

/// What every decorator forwards.
macro_rules! module_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn embedding(weights: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self>;
            fn linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
            ) -> FloatTensor<Self>;
            fn conv3d(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: ConvOptions<3>,
            ) -> FloatTensor<Self>;
            fn unfold4d(
                x: FloatTensor<Self>,
                kernel_size: [usize; 2],
                options: UnfoldOptions,
            ) -> FloatTensor<Self>;
            fn adaptive_avg_pool2d(
                x: FloatTensor<Self>,
                output_size: [usize; 2],
            ) -> FloatTensor<Self>;
            fn ctc_loss(
                log_probs: FloatTensor<Self>,
                targets: IntTensor<Self>,
                input_lengths: IntTensor<Self>,
                target_lengths: IntTensor<Self>,
                blank: usize,
            ) -> FloatTensor<Self>;
            fn has_ctc_loss_backward() -> bool;
            fn ctc_loss_backward(
                log_probs: FloatTensor<Self>,
                targets: IntTensor<Self>,
                input_lengths: IntTensor<Self>,
                target_lengths: IntTensor<Self>,
                grad_loss: FloatTensor<Self>,
                blank: usize,
            ) -> FloatTensor<Self>;
        }
    };
}

/// What a decorator with kernels for maxima writes itself.
macro_rules! pooling_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn max_pool2d(
                x: FloatTensor<Self>,
                kernel_size: [usize; 2],
                stride: [usize; 2],
                padding: [usize; 2],
                dilation: [usize; 2],
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
        }

        fn max_pool2d_with_indices(
            x: FloatTensor<Self>,
            kernel_size: [usize; 2],
            stride: [usize; 2],
            padding: [usize; 2],
            dilation: [usize; 2],
            ceil_mode: bool,
        ) -> MaxPool2dWithIndices<Self> {
            let inner = <$inner as ModuleOps<$inner>>::max_pool2d_with_indices(
                x,
                kernel_size,
                stride,
                padding,
                dilation,
                ceil_mode,
            );
            MaxPool2dWithIndices::new(inner.output, inner.indices)
        }
    };
}

/// What a decorator with convolution kernels writes itself.
macro_rules! convolution_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn conv2d(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: ConvOptions<2>,
            ) -> FloatTensor<Self>;
        }
    };
}

/// The rest of what such a decorator writes itself; `Wgpu` mends it.
macro_rules! transposed_convolution_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn conv_transpose1d(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: ConvTransposeOptions<1>,
            ) -> FloatTensor<Self>;
            fn conv_transpose2d(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: ConvTransposeOptions<2>,
            ) -> FloatTensor<Self>;
        }
    };
}

/// What only `Wgpu` writes itself, because its inner backend's is not right.
macro_rules! patched_module_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn layer_norm(
                tensor: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: Option<FloatTensor<Self>>,
                epsilon: f64,
            ) -> FloatTensor<Self>;
            fn conv_transpose3d(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Option<FloatTensor<Self>>,
                options: ConvTransposeOptions<3>,
            ) -> FloatTensor<Self>;
        }
    };
}

/// More backward passes that a tape writes itself, which `Wgpu` mends.
macro_rules! patched_backward_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn linear_bias_backward(output_grad: FloatTensor<Self>) -> FloatTensor<Self>;
            fn conv3d_x_backward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<3>,
            ) -> FloatTensor<Self>;
            fn avg_pool2d_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                kernel_size: [usize; 2],
                stride: [usize; 2],
                padding: [usize; 2],
                count_include_pad: bool,
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
            fn interpolate_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                output_size: [usize; 2],
                options: InterpolateOptions,
            ) -> FloatTensor<Self>;
        }
    };
}

/// What a tape writes itself, so that it can be differentiated once more: backward passes, and the
/// operations that burn-autodiff has no (right) derivative for.
macro_rules! backward_ops {
    ($inner:ty) => {
        delegate! { $inner, ModuleOps:
            fn deform_conv2d(
                x: FloatTensor<Self>,
                offset: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                mask: Option<FloatTensor<Self>>,
                bias: Option<FloatTensor<Self>>,
                options: DeformConvOptions<2>,
            ) -> FloatTensor<Self>;
            fn embedding_backward(
                weights: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                indices: IntTensor<Self>,
            ) -> FloatTensor<Self>;
            fn linear_x_backward(
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn linear_weight_backward(
                x: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn conv3d_weight_backward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvOptions<3>,
            ) -> FloatTensor<Self>;
            fn conv3d_bias_backward(
                x: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn conv_transpose3d_x_backward(
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvTransposeOptions<3>,
            ) -> FloatTensor<Self>;
            fn conv_transpose3d_weight_backward(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
                options: ConvTransposeOptions<3>,
            ) -> FloatTensor<Self>;
            fn conv_transpose3d_bias_backward(
                x: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                output_grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn avg_pool1d(
                x: FloatTensor<Self>,
                kernel_size: usize,
                stride: usize,
                padding: usize,
                count_include_pad: bool,
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
            fn avg_pool2d(
                x: FloatTensor<Self>,
                kernel_size: [usize; 2],
                stride: [usize; 2],
                padding: [usize; 2],
                count_include_pad: bool,
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
            fn adaptive_avg_pool1d(x: FloatTensor<Self>, output_size: usize) -> FloatTensor<Self>;
            fn max_pool1d(
                x: FloatTensor<Self>,
                kernel_size: usize,
                stride: usize,
                padding: usize,
                dilation: usize,
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
            fn attention(
                query: FloatTensor<Self>,
                key: FloatTensor<Self>,
                value: FloatTensor<Self>,
                mask: Option<BoolTensor<Self>>,
                attn_bias: Option<FloatTensor<Self>>,
                options: AttentionModuleOptions,
            ) -> FloatTensor<Self>;
            fn avg_pool1d_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                kernel_size: usize,
                stride: usize,
                padding: usize,
                count_include_pad: bool,
                ceil_mode: bool,
            ) -> FloatTensor<Self>;
            fn adaptive_avg_pool1d_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn adaptive_avg_pool2d_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn interpolate(
                x: FloatTensor<Self>,
                output_size: [usize; 2],
                options: InterpolateOptions,
            ) -> FloatTensor<Self>;
            fn rfft(
                signal: FloatTensor<Self>,
                dim: usize,
                n: Option<usize>,
            ) -> (FloatTensor<Self>, FloatTensor<Self>);
            fn irfft(
                spectrum_re: FloatTensor<Self>,
                spectrum_im: FloatTensor<Self>,
                dim: usize,
                n: Option<usize>,
            ) -> FloatTensor<Self>;
        }

        fn max_pool1d_with_indices(
            x: FloatTensor<Self>,
            kernel_size: usize,
            stride: usize,
            padding: usize,
            dilation: usize,
            ceil_mode: bool,
        ) -> MaxPool1dWithIndices<Self> {
            let inner = <$inner as ModuleOps<$inner>>::max_pool1d_with_indices(
                x,
                kernel_size,
                stride,
                padding,
                dilation,
                ceil_mode,
            );
            MaxPool1dWithIndices::new(inner.output, inner.indices)
        }

        fn max_pool1d_with_indices_backward(
            x: FloatTensor<Self>,
            kernel_size: usize,
            stride: usize,
            padding: usize,
            dilation: usize,
            ceil_mode: bool,
            output_grad: FloatTensor<Self>,
            indices: IntTensor<Self>,
        ) -> MaxPool1dBackward<Self> {
            let inner = <$inner as ModuleOps<$inner>>::max_pool1d_with_indices_backward(
                x,
                kernel_size,
                stride,
                padding,
                dilation,
                ceil_mode,
                output_grad,
                indices,
            );
            MaxPool1dBackward::new(inner.x_grad)
        }

        fn deform_conv2d_backward(
            x: FloatTensor<Self>,
            offset: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            mask: Option<FloatTensor<Self>>,
            bias: Option<FloatTensor<Self>>,
            output_grad: FloatTensor<Self>,
            options: DeformConvOptions<2>,
        ) -> DeformConv2dBackward<Self> {
            let inner = <$inner as ModuleOps<$inner>>::deform_conv2d_backward(
                x,
                offset,
                weight,
                mask,
                bias,
                output_grad,
                options,
            );
            DeformConv2dBackward::new(
                inner.x_grad,
                inner.offset_grad,
                inner.weight_grad,
                inner.mask_grad,
                inner.bias_grad,
            )
        }
    };
}
