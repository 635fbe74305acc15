//! The shapes of a convolution.

use burn_backend::Shape;
use burn_backend::ops::{ConvOptions, ConvTransposeOptions};

/// What a convolution joins: images `x [batch, groups * inputs, image]`, kernels
/// `w [groups * outputs, inputs, kernel]` and results `r [batch, groups * outputs, output]`,
///
/// `r[n, o, t] = sum over i, k of w[o, i, k] x[n, i, stride t + dilation k - padding]`,
///
/// with `i` over the channels of `o`'s group and `x` zero outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of images.
    pub batch: usize,
    /// Number of groups that the channels fall into.
    pub groups: usize,
    /// Channels of an image in one group.
    pub inputs: usize,
    /// Channels of a result in one group.
    pub outputs: usize,
    /// Height and width of an image.
    pub image: [usize; 2],
    /// Height and width of a kernel.
    pub kernel: [usize; 2],
    /// Height and width of a result.
    pub output: [usize; 2],
    /// Step from one result to the next, in pixels of the image.
    pub stride: [usize; 2],
    /// Zeros before the first row and column of the image.
    pub padding: [usize; 2],
    /// Step from one tap of the kernel to the next, in pixels of the image.
    pub dilation: [usize; 2],
}

impl Geometry {
    /// Number of taps of a kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Number of pixels of a result's channel.
    pub fn output_area(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Number of elements of `w`.
    pub fn kernel_len(&self) -> usize {
        self.groups * self.outputs * self.inputs * self.taps()
    }

    /// Shape of `x`.
    pub fn image_shape(&self) -> Shape {
        let [height, width] = self.image;
        Shape::new([self.batch, self.groups * self.inputs, height, width])
    }

    /// Shape of `w`.
    pub fn kernel_shape(&self) -> Shape {
        let [height, width] = self.kernel;
        Shape::new([self.groups * self.outputs, self.inputs, height, width])
    }

    /// Shape of `r`.
    pub fn output_shape(&self) -> Shape {
        let [height, width] = self.output;
        Shape::new([self.batch, self.groups * self.outputs, height, width])
    }

    /// The geometry of a convolution of `x` with `w`, given their shapes.
    ///
    /// # Panics
    ///
    /// When the channels do not fit.
    pub fn of_convolution(x: [usize; 4], w: [usize; 4], options: &ConvOptions<2>) -> Self {
        let ConvOptions {
            stride,
            padding,
            dilation,
            groups,
        } = *options;
        assert!(
            w[1] * groups == x[1] && w[0].is_multiple_of(groups),
            "a convolution in {groups} groups of images {x:?} with kernels {w:?}"
        );
        let [image, kernel] = [[x[2], x[3]], [w[2], w[3]]];
        let output = [0, 1].map(|d| {
            let reach = kernel[d].checked_sub(1).map(|last| dilation[d] * last + 1);
            match reach.map(|reach| (image[d] + 2 * padding[d]).checked_sub(reach)) {
                Some(Some(room)) => room / stride[d] + 1,
                _ => 0,
            }
        });
        Self {
            batch: x[0],
            groups,
            inputs: w[1],
            outputs: w[0] / groups,
            image,
            kernel,
            output,
            stride,
            padding,
            dilation,
        }
    }

    /// The geometry of the convolution whose adjoint is the transposed convolution of `r` with `w`.
    ///
    /// # Panics
    ///
    /// When the channels do not fit, or when less than nothing is left of an image without its
    /// padding.
    pub fn of_transposed(r: [usize; 4], w: [usize; 4], options: &ConvTransposeOptions<2>) -> Self {
        let ConvTransposeOptions {
            stride,
            padding,
            padding_out,
            dilation,
            groups,
        } = *options;
        assert!(
            w[0] == r[1] && w[0].is_multiple_of(groups),
            "a transposed convolution in {groups} groups of images {r:?} with kernels {w:?}"
        );
        let [output, kernel] = [[r[2], r[3]], [w[2], w[3]]];
        let image = [0, 1].map(|d| {
            let reach =
                (output[d].max(1) - 1) * stride[d] + dilation[d] * (kernel[d].max(1) - 1) + 1;
            let padded = reach + padding_out[d];
            padded.checked_sub(2 * padding[d]).unwrap_or_else(|| {
                panic!("padding {} on both sides of {padded} pixels", padding[d])
            })
        });
        Self {
            batch: r[0],
            groups,
            inputs: w[1],
            outputs: w[0] / groups,
            image,
            kernel,
            output,
            stride,
            padding,
            dilation,
        }
    }

    /// # Panics
    ///
    /// When `r` is not the shape of a result.
    pub fn check_output(&self, r: [usize; 4]) {
        let expected = self.output_shape();
        assert_eq!(
            Shape::new(r),
            expected,
            "the gradient of a convolution's result"
        );
    }
}
