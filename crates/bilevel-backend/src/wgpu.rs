//! Graphics processors: Burn's `Wgpu` with the operations mended that are wrong in Burn 0.21.

mod transposed_convolution;

use burn_backend::TensorMetadata;

use crate::delegate::prelude::*;
use transposed_convolution::{adjoint, transposed_convolution};

type Inner = burn_wgpu::Wgpu<f32, i32, u32>;

/// A graphics processor, by Vulkan, Metal or WebGPU: `f32`.
///
/// Burn's own backend of that name, but for
///
/// | operation | what Burn 0.21 gives | here |
/// |---|---|---|
/// | sums, means, products, maxima and minima | other numbers where axes were exchanged and a short one is last | entries are put in order first |
/// | transposed convolutions, and gradients of convolutions in their input, where the stride is longer than the kernel | zeros | zeros are put behind the kernel |
/// | gradients of average pooling and of nearest neighbours | entries mixed up where a gradient comes in another order of memory, as it does in second derivatives | the gradient is put in order first |
/// | sums of floats by `scatter_nd`, the gradient of `gather_nd` | terms get lost where an index is repeated | row by row |
/// | `asin`, `acos` | to 7e-5, as the shading language allows | by the inverse tangent, to 3e-5 on the driver that was measured |
///
/// Left as they are: products, minima, maxima and sums of integers by `scatter_nd` where an index
/// is repeated; the kernel for gradients of deformable convolutions, which [`Tape`](crate::Tape)
/// does not use.
///
/// What is asked of it is done later, in order; who reads a tensor waits. One thread at a time
/// should ask: CubeCL 0.10 does not keep the order between threads
/// ([`computes_on_threads`](crate::computes_on_threads) is false).
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

    int_reduction_ops!(Inner, int_in_order);
}

impl BoolTensorOps<Self> for Wgpu {
    bool_ops!(Inner);
}

impl QTensorOps<Self> for Wgpu {
    quantised_ops!(Inner);
}

/// Burn has no kernels for these: its compositions, of the operations here.
impl ActivationOps<Self> for Wgpu {}

impl TransactionOps<Self> for Wgpu {}

impl FloatTensorOps<Self> for Wgpu {
    float_ops!(Inner);
    arithmetic_ops!(Inner);
    composed_float_ops!(Inner);
    reduction_ops!(Inner, in_order);
    product_ops!(Inner, in_order);

    delegate! { Inner, FloatTensorOps:
        fn float_div_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self>;
        fn float_exp(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_tanh(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    delegate_after! { Inner, FloatTensorOps, in_order:
        fn float_sum(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_sum_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
        fn float_mean(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
        fn float_mean_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
    }

    /// `asin x = atan2(x, √((1 − x)(1 + x)))`
    fn float_asin(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Inner::float_atan2(x.clone(), cosine_of_sine(x))
    }

    /// `acos x = atan2(√((1 − x)(1 + x)), x)`
    fn float_acos(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Inner::float_atan2(cosine_of_sine(x.clone()), x)
    }

    /// Sums row by row: the number of a row is `Σ_j i_j Π_{l > j} n_l` for an index `i` into axes
    /// of `n` entries.
    fn float_scatter_nd(
        data: FloatTensor<Self>,
        indices: IntTensor<Self>,
        values: FloatTensor<Self>,
        reduction: IndexingUpdateOp,
    ) -> FloatTensor<Self> {
        let IndexingUpdateOp::Add = reduction else {
            return Inner::float_scatter_nd(data, indices, values, reduction);
        };
        let (shape, index_shape) = (data.shape(), indices.shape());
        let axes = index_shape[index_shape.num_dims() - 1];
        assert!(axes > 0, "an index has an axis, got shape {index_shape:?}");
        let updates = index_shape.num_elements() / axes;
        let indices = Inner::int_reshape(indices, Shape::new([updates, axes]));
        let number = |j: usize| {
            let column = [Slice::from(0..updates), Slice::from(j..j + 1)];
            let column = Inner::int_slice(indices.clone(), &column);
            let behind: usize = shape[j + 1..axes].iter().product();
            Inner::int_mul_scalar(column, (behind as i32).into())
        };
        let rows = (0..axes).map(number).reduce(Inner::int_add);
        let rows = rows.expect("there is an axis");
        let rows = Inner::int_reshape(rows, Shape::new([updates]));
        let count: usize = shape[..axes].iter().product();
        let length: usize = shape[axes..].iter().product();
        let table = Inner::float_reshape(data, Shape::new([count, length]));
        let values = Inner::float_reshape(values, Shape::new([updates, length]));
        Inner::float_reshape(Inner::float_select_add(table, 0, rows, values), shape)
    }
}

impl ModuleOps<Self> for Wgpu {
    module_ops!(Inner);
    pooling_ops!(Inner);
    convolution_ops!(Inner);
    backward_ops!(Inner);

    delegate! { Inner, ModuleOps:
        fn conv1d(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: Option<FloatTensor<Self>>,
            options: ConvOptions<1>,
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

    // Burn's compositions of its own reductions.
    delegate_after! { Inner, ModuleOps, in_order:
        fn linear_bias_backward(output_grad: FloatTensor<Self>) -> FloatTensor<Self>;
        fn layer_norm(
            tensor: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: Option<FloatTensor<Self>>,
            epsilon: f64,
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

    fn conv_transpose1d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<1>,
    ) -> FloatTensor<Self> {
        transposed_convolution(Inner::conv_transpose1d, x, weight, bias, options)
    }

    fn conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        transposed_convolution(Inner::conv_transpose2d, x, weight, bias, options)
    }

    fn conv_transpose3d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<3>,
    ) -> FloatTensor<Self> {
        transposed_convolution(Inner::conv_transpose3d, x, weight, bias, options)
    }

    fn conv1d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<1>,
    ) -> FloatTensor<Self> {
        let options = adjoint(&x, &weight, &output_grad, options);
        Self::conv_transpose1d(output_grad, weight, None, options)
    }

    fn conv2d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let options = adjoint(&x, &weight, &output_grad, options);
        Self::conv_transpose2d(output_grad, weight, None, options)
    }

    fn conv3d_x_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_grad: FloatTensor<Self>,
        options: ConvOptions<3>,
    ) -> FloatTensor<Self> {
        let options = adjoint(&x, &weight, &output_grad, options);
        Self::conv_transpose3d(output_grad, weight, None, options)
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

/// `√((1 − x)(1 + x))`
fn cosine_of_sine(x: FloatTensor<Wgpu>) -> FloatTensor<Wgpu> {
    let one_more = Inner::float_add_scalar(x.clone(), 1.0.into());
    let one_less = Inner::float_neg(Inner::float_sub_scalar(x, 1.0.into()));
    Inner::float_sqrt(Inner::float_mul(one_less, one_more))
}

/// The tensor with its entries in the order of its axes: a row of all entries always has them so.
fn in_order(tensor: FloatTensor<Wgpu>) -> FloatTensor<Wgpu> {
    let shape = tensor.shape();
    let row = Inner::float_reshape(tensor, Shape::new([shape.num_elements()]));
    Inner::float_reshape(row, shape)
}

/// The same of integers.
fn int_in_order(tensor: IntTensor<Wgpu>) -> IntTensor<Wgpu> {
    let shape = tensor.shape();
    let row = Inner::int_reshape(tensor, Shape::new([shape.num_elements()]));
    Inner::int_reshape(row, shape)
}
