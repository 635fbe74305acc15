//! Graphics processors: Burn's `Wgpu` with the backward passes mended that are wrong in Burn 0.21.

use burn_backend::TensorMetadata;

use crate::delegate::prelude::*;

type Inner = burn_wgpu::Wgpu<f32, i32, u32>;

/// A graphics processor, by Vulkan, Metal or WebGPU: `f32`.
///
/// Burn's own backend of that name, but for
///
/// | operation | what Burn 0.21 gives | here |
/// |---|---|---|
/// | transposed convolutions, and gradients of convolutions in their input, where the stride is longer than the kernel | zeros | zeros are put behind the kernel |
/// | gradients of average pooling and of nearest neighbours | entries mixed up where a gradient comes in another order of memory, as it does in second derivatives | the gradient is put in order first |
///
/// What is asked of it is done later, in order; who reads a tensor waits. One thread at a time should
/// ask: CubeCL 0.10 does not keep the order between threads ([`computes_on_threads`](crate::computes_on_threads) is false).
#[derive(Clone, Copy, Debug, Default)]
pub struct Wgpu;

impl BackendTypes for Wgpu {
    type Device = <Inner as BackendTypes>::Device;

    type FloatTensorPrimitive = <Inner as BackendTypes>::FloatTensorPrimitive;
    type FloatElem = f32;

    type IntTensorPrimitive = <Inner as BackendTypes>::IntTensorPrimitive;
    type IntElem = i32;

    type BoolTensorPrimitive = <Inner as BackendTypes>::BoolTensorPrimitive;
    type BoolElem = <Inner as BackendTypes>::BoolElem;

    type QuantizedTensorPrimitive = <Inner as BackendTypes>::QuantizedTensorPrimitive;
}

impl Backend for Wgpu {
    backend_ops!(Inner);

    fn name(device: &Self::Device) -> String {
        <Inner as Backend>::name(device)
    }
}

impl IntTensorOps<Self> for Wgpu {
    int_ops!(Inner);
}

impl BoolTensorOps<Self> for Wgpu {
    bool_ops!(Inner);
}

impl QTensorOps<Self> for Wgpu {
    quantised_ops!(Inner);
}

impl ActivationOps<Self> for Wgpu {
    activation_ops!(Inner);
    composed_activation_ops!(Inner);
}

impl TransactionOps<Self> for Wgpu {}

impl FloatTensorOps<Self> for Wgpu {
    float_ops!(Inner);
    arithmetic_ops!(Inner);
    composed_float_ops!(Inner);

    delegate! { Inner, FloatTensorOps:
        fn float_div_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self>;
        fn float_exp(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_tanh(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_sum(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_sum_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
        fn float_mean(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_mean_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
    }
}

impl ModuleOps<Self> for Wgpu {
    module_ops!(Inner);
    pooling_ops!(Inner);
    backward_ops!(Inner);

    delegate! { Inner, ModuleOps:
        fn conv1d(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: Option<FloatTensor<Self>>,
            options: ConvOptions<1>,
        ) -> FloatTensor<Self>;
        fn conv2d(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: Option<FloatTensor<Self>>,
            options: ConvOptions<2>,
        ) -> FloatTensor<Self>;
        fn conv1d_weight_backward(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            output_grad: FloatTensor<Self>,
            options: ConvOptions<1>,
        ) -> FloatTensor<Self>;
        fn conv2d_weight_backward(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            output_grad: FloatTensor<Self>,
            options: ConvOptions<2>,
        ) -> FloatTensor<Self>;
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
        let gradient = Inner::max_pool2d_with_indices_backward(
            x,
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
            output_grad,
            indices,
        );
        MaxPool2dBackward::new(gradient.x_grad)
    }

    /// In one dimension as in two, with images of one row.
    fn conv_transpose1d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<1>,
    ) -> FloatTensor<Self> {
        let ConvTransposeOptions {
            stride: [stride],
            padding: [padding],
            padding_out: [padding_out],
            dilation: [dilation],
            groups,
        } = options;
        let options = ConvTransposeOptions::new(
            [1, stride],
            [0, padding],
            [0, padding_out],
            [1, dilation],
            groups,
        );
        let row = |tensor: FloatTensor<Self>| {
            let [a, b, n] = tensor.shape().dims();
            Inner::float_reshape(tensor, Shape::new([a, b, 1, n]))
        };
        let y = Self::conv_transpose2d(row(x), row(weight), bias, options);
        let [a, b, _, n] = y.shape().dims();
        Inner::float_reshape(y, Shape::new([a, b, n]))
    }

    fn conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        let kernel = weight.shape();
        // Steps of the dilation that the kernel lacks to be as long as the stride.
        let lacking = [0, 1].map(|axis| {
            let reach = options.dilation[axis] * (kernel[axis + 2] - 1) + 1;
            let gap = options.stride[axis].saturating_sub(reach);
            gap.div_ceil(options.dilation[axis])
        });
        if lacking == [0, 0] {
            return Inner::conv_transpose2d(x, weight, bias, options);
        }
        // Zeros behind a kernel change no entry; they make the output longer, which ends where it should.
        let input = x.shape();
        let wanted = |axis: usize| {
            let reach = options.dilation[axis] * (kernel[axis + 2] - 1) + 1;
            (input[axis + 2] - 1) * options.stride[axis] + reach + options.padding_out[axis]
                - 2 * options.padding[axis]
        };
        let (height, width) = (wanted(0), wanted(1));
        let mut longer = kernel.clone();
        longer[2] += lacking[0];
        longer[3] += lacking[1];
        let zeros =
            Inner::float_zeros(longer, &Inner::float_device(&weight), weight.dtype().into());
        let whole: Vec<Slice> = kernel.iter().map(|&n| Slice::from(0..n)).collect();
        let weight = Inner::float_slice_assign(zeros, &whole, weight);
        let y = Inner::conv_transpose2d(x, weight, bias, options);
        let [images, channels, ..] = y.shape().dims::<4>();
        let wanted = [images, channels, height, width].map(|n| Slice::from(0..n));
        Inner::float_slice(y, &wanted)
    }

    fn conv1d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        let rest = rests(&x, &weight, &output_grad, &options);
        Self::conv_transpose1d(output_grad, weight, None, transposed(options, rest))
    }

    fn conv2d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let rest = rests(&x, &weight, &output_grad, &options);
        Self::conv_transpose2d(output_grad, weight, None, transposed(options, rest))
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
        let grad = in_order(grad);
        Inner::avg_pool2d_backward(
            x,
            grad,
            kernel_size,
            stride,
            padding,
            count_include_pad,
            ceil_mode,
        )
    }

    fn interpolate_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        output_size: [usize; 2],
        options: InterpolateOptions,
    ) -> FloatTensor<Self> {
        Inner::interpolate_backward(x, in_order(grad), output_size, options)
    }
}

/// Entries of `x` behind the last that a convolution sees, along each axis.
fn rests<const N: usize>(
    x: &FloatTensor<Wgpu>,
    weight: &FloatTensor<Wgpu>,
    output: &FloatTensor<Wgpu>,
    options: &ConvOptions<N>,
) -> [usize; N] {
    let [x, weight, output] = [x, weight, output].map(TensorMetadata::shape);
    std::array::from_fn(|i| {
        let reach = options.dilation[i] * (weight[i + 2] - 1) + 1;
        let seen = (output[i + 2] - 1) * options.stride[i] + reach;
        (x[i + 2] + 2 * options.padding[i]).saturating_sub(seen)
    })
}

/// The transposed convolution that is the gradient of a convolution in its input.
fn transposed<const N: usize>(
    options: ConvOptions<N>,
    rest: [usize; N],
) -> ConvTransposeOptions<N> {
    ConvTransposeOptions::new(
        options.stride,
        options.padding,
        rest,
        options.dilation,
        options.groups,
    )
}

/// The tensor with its entries in the order of its axes: a row of all entries always has them so.
fn in_order(tensor: FloatTensor<Wgpu>) -> FloatTensor<Wgpu> {
    let shape = tensor.shape();
    let row = Inner::float_reshape(tensor, Shape::new([shape.num_elements()]));
    Inner::float_reshape(row, shape)
}
