//! The adjoint of a convolution in its kernel: correlations of images and results.

mod along_channels;
mod along_pixels;

use super::gather::planes;
use super::geometry::Geometry;
use super::plane::Plane;
use crate::kernel::element::Element;

/// `w[o, i, k] = sum over n, t of r[n, o, t] x[n, i, stride t + dilation k - padding]`.
///
/// `x` and `r` have the shapes of [`Geometry`]; the result has that of `w`. Work: as many fused
/// multiplications as the convolution's. Rows of whole registers are summed along the pixels, where
/// the results stand in memory; other sizes with a register's worth of channels along the channels.
pub fn kernel_gradient<E: Element>(x: &[E], r: &[E], geometry: &Geometry) -> Vec<E> {
    let mut gradient = vec![E::default(); geometry.kernel_len()];
    if !gradient.is_empty() && !r.is_empty() {
        let plane = Plane::of_image(geometry);
        let x = &planes(
            x,
            geometry.image,
            &plane,
            [geometry.batch * geometry.groups, geometry.inputs],
        );
        let columns = (0..geometry.inputs)
            .flat_map(|i| {
                plane
                    .offsets
                    .iter()
                    .map(move |offset| i * plane.stride + offset)
            })
            .collect::<Vec<_>>();
        let columns = &columns[..];
        let gradient = &mut gradient[..];
        let plane = &plane;
        let correlation = Correlation {
            geometry,
            plane,
            columns,
            x,
            r,
            gradient,
        };
        let lanes = E::machine().lanes;
        if !geometry.output[1].is_multiple_of(lanes) && geometry.outputs >= lanes {
            along_channels::correlate(correlation);
        } else {
            along_pixels::correlate(correlation);
        }
    }
    gradient
}

/// Images, results, and where their correlations go.
struct Correlation<'a, E> {
    geometry: &'a Geometry,
    plane: &'a Plane,
    /// Where every channel and tap begins in the planes of an image's group.
    columns: &'a [usize],
    /// The planes of all images.
    x: &'a [E],
    r: &'a [E],
    gradient: &'a mut [E],
}
