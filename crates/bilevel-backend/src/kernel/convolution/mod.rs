//! A convolution and its two adjoints.
//!
//! With `x` the images, `w` the kernels and `r` the results, the three functions are the
//! derivatives of one trilinear form,
//!
//! `T(x, w, r) = sum over n, o, i, t, k of r[n, o, t] w[o, i, k] x[n, i, stride t + dilation k -
//! padding]`,
//!
//! in `r` ([`convolve`]), in `x` ([`image_gradient`], a transposed convolution) and in `w`
//! ([`kernel_gradient`]). So every derivative of any of them, of any order, is one of them again.
//!
//! The kernels keep a block of sums in registers while they run over the taps:
//!
//! - [`gather`]: channels of results x pixels; needs 4 channels of results to be fast;
//! - [`scatter`]: taps x pixels; needs 8 channels of images to be fast, and one of results is
//!   enough;
//! - [`kernel_gradient`]: channels of results x taps, the sum along the pixels in the lanes.
//!
//! The pixels are copied once into [`plane`]s, in which every tap is a shift; the matrix of patches
//! that a matrix product would need (`taps` times the image) is never written.

mod gather;
mod geometry;
mod kernel_gradient;
mod plane;
mod scatter;

mod weights;

pub use geometry::Geometry;
pub use kernel_gradient::kernel_gradient;

use self::gather::Gather;
use self::plane::Plane;
use self::scatter::Scatter;
use self::weights::Weights;
use super::element::Element;

/// Channels of results from which gathering is as fast as scattering.
const GATHERED: usize = 4;

/// Channels of images below which scattering spends more on additions than on products.
const SCATTERED: usize = 8;

/// `r[n, o, t] = bias[o] + sum over i, k of w[o, i, k] x[n, i, stride t + dilation k - padding]`,
/// the convolution of [`Geometry`].
pub fn convolve<E: Element>(x: &[E], w: &[E], bias: Option<&[E]>, geometry: &Geometry) -> Vec<E> {
    let taps = geometry.taps();
    let Geometry {
        batch,
        groups,
        inputs,
        outputs,
        image,
        output,
        ..
    } = *geometry;
    // Results are written, images read.
    let weights = |turned| Weights {
        w,
        group: outputs * inputs * taps,
        written: inputs * taps,
        read: taps,
        taps,
        turned,
    };
    if geometry.stride == [1, 1] && outputs < GATHERED && inputs >= SCATTERED {
        let scatter = Scatter {
            batch,
            groups,
            inputs,
            outputs,
            source: image,
            target: output,
            plane: Plane::of_output(geometry),
            bias,
        };
        scatter.run(x, &weights(true))
    } else {
        let gather = Gather {
            batch,
            groups,
            inputs,
            outputs,
            source: image,
            target: output,
            plane: Plane::of_image(geometry),
            bias,
        };
        gather.run(x, &weights(false))
    }
}

/// `x[n, i, stride t + dilation k - padding] = bias[i] + sum over o, t, k of w[o, i, k] r[n, o,
/// t]`: the adjoint of [`convolve`] in the images, plus one number a channel.
pub fn image_gradient<E: Element>(
    w: &[E],
    r: &[E],
    bias: Option<&[E]>,
    geometry: &Geometry,
) -> Vec<E> {
    let taps = geometry.taps();
    let Geometry {
        batch,
        groups,
        inputs,
        outputs,
        image,
        output,
        ..
    } = *geometry;
    // Images are written, results read.
    let weights = |turned| Weights {
        w,
        group: outputs * inputs * taps,
        written: taps,
        read: inputs * taps,
        taps,
        turned,
    };
    if geometry.stride == [1, 1] && (inputs >= GATHERED || outputs < SCATTERED) {
        let gather = Gather {
            batch,
            groups,
            inputs: outputs,
            outputs: inputs,
            source: output,
            target: image,
            plane: Plane::of_output(geometry),
            bias,
        };
        gather.run(r, &weights(true))
    } else {
        let scatter = Scatter {
            batch,
            groups,
            inputs: outputs,
            outputs: inputs,
            source: output,
            target: image,
            plane: Plane::of_image(geometry),
            bias,
        };
        scatter.run(r, &weights(false))
    }
}
