//! Transposed convolutions in any number of dimensions, right where the stride is longer than the
//! kernel too.

use burn_backend::TensorMetadata;

use super::{Inner, Wgpu};
use crate::delegate::prelude::*;

/// A transposed convolution of Burn's.
type Transposed<const N: usize> = fn(
    FloatTensor<Wgpu>,
    FloatTensor<Wgpu>,
    Option<FloatTensor<Wgpu>>,
    ConvTransposeOptions<N>,
) -> FloatTensor<Wgpu>;

/// `inner` with zeros behind a kernel that is shorter than the stride: they change no entry, but
/// make the output longer, which then ends where it should.
pub(super) fn transposed_convolution<const N: usize>(
    inner: Transposed<N>,
    x: FloatTensor<Wgpu>,
    weight: FloatTensor<Wgpu>,
    bias: Option<FloatTensor<Wgpu>>,
    options: ConvTransposeOptions<N>,
) -> FloatTensor<Wgpu> {
    let kernel = weight.shape();
    let mut longer = kernel.clone();
    for axis in 0..N {
        let gap = options.stride[axis].saturating_sub(reach(&kernel, axis, options.dilation));
        longer[axis + 2] += gap.div_ceil(options.dilation[axis]);
    }
    if longer == kernel {
        return inner(x, weight, bias, options);
    }
    let input = x.shape();
    let size: [usize; N] = std::array::from_fn(|axis| {
        let inside = (input[axis + 2] - 1) * options.stride[axis];
        inside + reach(&kernel, axis, options.dilation) + options.padding_out[axis]
            - 2 * options.padding[axis]
    });
    let zeros = Inner::float_zeros(longer, &Inner::float_device(&weight), weight.dtype().into());
    let whole: Vec<Slice> = kernel.iter().map(|&n| Slice::from(0..n)).collect();
    let weight = Inner::float_slice_assign(zeros, &whole, weight);
    let y = inner(x, weight, bias, options);
    let [images, channels] = [y.shape()[0], y.shape()[1]];
    let wanted = [images, channels].into_iter().chain(size);
    let wanted: Vec<Slice> = wanted.map(|n| Slice::from(0..n)).collect();
    Inner::float_slice(y, &wanted)
}

/// The transposed convolution that is the gradient of a convolution in its input `x`: what the
/// convolution left over at the end of an axis is padding of the output.
pub(super) fn adjoint<const N: usize>(
    x: &FloatTensor<Wgpu>,
    weight: &FloatTensor<Wgpu>,
    output: &FloatTensor<Wgpu>,
    options: ConvOptions<N>,
) -> ConvTransposeOptions<N> {
    let [x, weight, output] = [x, weight, output].map(TensorMetadata::shape);
    let rest = std::array::from_fn(|axis| {
        let seen =
            (output[axis + 2] - 1) * options.stride[axis] + reach(&weight, axis, options.dilation);
        (x[axis + 2] + 2 * options.padding[axis]).saturating_sub(seen)
    });
    let ConvOptions {
        stride,
        padding,
        dilation,
        groups,
    } = options;
    ConvTransposeOptions::new(stride, padding, rest, dilation, groups)
}

/// Pixels from the first that a kernel sees to the last, both included.
fn reach<const N: usize>(kernel: &Shape, axis: usize, dilation: [usize; N]) -> usize {
    dilation[axis] * (kernel[axis + 2] - 1) + 1
}
