//! Convolutions and maxima, and the other neural network operations from Flex.

use burn_backend::{Shape, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

use super::Cpu;
use super::pooling::{Window, at_maxima, maxima};
use super::tensor::from_vec;
use crate::delegate::prelude::*;
use crate::kernel::convolution::{Geometry, convolve, image_gradient, kernel_gradient};
use crate::kernel::element::Element;

/// Convolutions in half precision go to Flex.
impl ModuleOps<Self> for Cpu {
    module_ops!(Flex);
    backward_ops!(Flex);
    patched_backward_ops!(Flex);
    patched_module_ops!(Flex);

    fn max_pool2d(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
    ) -> FloatTensor<Self> {
        Self::max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode).output
    }

    fn max_pool2d_with_indices(
        x: FloatTensor<Self>,
        kernel_size: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil_mode: bool,
    ) -> MaxPool2dWithIndices<Self> {
        let window = Window {
            size: kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
        };
        if let Some([values, places]) = maxima(&x, &window) {
            return MaxPool2dWithIndices::new(values, places);
        }
        let inner =
            Flex::max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode);
        MaxPool2dWithIndices::new(inner.output, inner.indices)
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
        let gradient = at_maxima(&output_grad, &indices, x.shape());
        MaxPool2dBackward::new(gradient.unwrap_or_else(|| {
            Flex::max_pool2d_with_indices_backward(
                x,
                kernel_size,
                stride,
                padding,
                dilation,
                ceil_mode,
                output_grad,
                indices,
            )
            .x_grad
        }))
    }

    fn conv1d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        let options = flat(options);
        row(Self::conv2d(plane(x), plane(weight), bias, options))
    }

    fn conv1d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        let (x, weight, grad) = (plane(x), plane(weight), plane(output_grad));
        row(Self::conv2d_x_backward(x, weight, grad, flat(options)))
    }

    fn conv1d_weight_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        let (x, weight, grad) = (plane(x), plane(weight), plane(output_grad));
        row(Self::conv2d_weight_backward(x, weight, grad, flat(options)))
    }

    fn conv_transpose1d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<1>,
    ) -> FloatTensor<Self> {
        let options = ConvTransposeOptions::new(
            [1, options.stride[0]],
            [0, options.padding[0]],
            [0, options.padding_out[0]],
            [1, options.dilation[0]],
            options.groups,
        );
        row(Self::conv_transpose2d(
            plane(x),
            plane(weight),
            bias,
            options,
        ))
    }

    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        fn run<E: Element>(
            x: FlexTensor,
            weight: FlexTensor,
            bias: Option<FlexTensor>,
            geometry: &Geometry,
        ) -> FlexTensor {
            let bias = bias.map(|bias| bias.to_contiguous());
            let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
            let bias = bias.as_ref().map(|bias| bias.storage::<E>());
            let values = convolve::<E>(x.storage(), weight.storage(), bias, geometry);
            from_vec(values, geometry.output_shape())
        }
        let geometry = Geometry::of_convolution(x.shape().dims(), weight.shape().dims(), &options);
        match x.dtype() {
            DType::F32 => run::<f32>(x, weight, bias, &geometry),
            DType::F64 => run::<f64>(x, weight, bias, &geometry),
            _ => Flex::conv2d(x, weight, bias, options),
        }
    }

    fn conv2d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let geometry = Geometry::of_convolution(x.shape().dims(), weight.shape().dims(), &options);
        geometry.check_output(output_grad.shape().dims());
        match x.dtype() {
            DType::F32 => transposed::<f32>(weight, output_grad, None, &geometry),
            DType::F64 => transposed::<f64>(weight, output_grad, None, &geometry),
            _ => Flex::conv2d_x_backward(x, weight, output_grad, options),
        }
    }

    fn conv2d_weight_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        fn run<E: Element>(x: FlexTensor, grad: FlexTensor, geometry: &Geometry) -> FlexTensor {
            let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
            let values = kernel_gradient::<E>(x.storage(), grad.storage(), geometry);
            from_vec(values, geometry.kernel_shape())
        }
        let geometry = Geometry::of_convolution(x.shape().dims(), weight.shape().dims(), &options);
        geometry.check_output(output_grad.shape().dims());
        match x.dtype() {
            DType::F32 => run::<f32>(x, output_grad, &geometry),
            DType::F64 => run::<f64>(x, output_grad, &geometry),
            _ => Flex::conv2d_weight_backward(x, weight, output_grad, options),
        }
    }

    /// `r[n, o, t]` summed over the images and the pixels.
    fn conv2d_bias_backward(
        _x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [batch, channels, height, width] = output_grad.shape().dims();
        let grad = Self::float_reshape(output_grad, Shape::new([batch, channels, height * width]));
        let grad = Self::float_sum_dim(Self::float_sum_dim(grad, 2), 0);
        Self::float_reshape(grad, bias.shape())
    }

    fn conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        let geometry = Geometry::of_transposed(x.shape().dims(), weight.shape().dims(), &options);
        match x.dtype() {
            DType::F32 => transposed::<f32>(weight, x, bias, &geometry),
            DType::F64 => transposed::<f64>(weight, x, bias, &geometry),
            _ => Flex::conv_transpose2d(x, weight, bias, options),
        }
    }
}

/// The adjoint of a convolution, with a bias.
fn transposed<E: Element>(
    weight: FlexTensor,
    x: FlexTensor,
    bias: Option<FlexTensor>,
    geometry: &Geometry,
) -> FlexTensor {
    let bias = bias.map(|bias| bias.to_contiguous());
    let (weight, x) = (weight.to_contiguous(), x.to_contiguous());
    let bias = bias.as_ref().map(|bias| bias.storage::<E>());
    let values = image_gradient::<E>(weight.storage(), x.storage(), bias, geometry);
    from_vec(values, geometry.image_shape())
}

/// `[a, b, length]` as `[a, b, 1, length]`.
fn plane(tensor: FlexTensor) -> FlexTensor {
    let [a, b, length] = tensor.shape().dims();
    tensor.reshape(Shape::new([a, b, 1, length]))
}

/// `[a, b, 1, length]` as `[a, b, length]`.
fn row(tensor: FlexTensor) -> FlexTensor {
    let [a, b, _, length] = tensor.shape().dims();
    tensor.reshape(Shape::new([a, b, length]))
}

/// The options of a convolution along a row, for an image of one row.
fn flat(options: ConvOptions<1>) -> ConvOptions<2> {
    ConvOptions::new(
        [1, options.stride[0]],
        [0, options.padding[0]],
        [1, options.dilation[0]],
        options.groups,
    )
}
