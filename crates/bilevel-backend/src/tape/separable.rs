//! The transpose of maps that work on the rows and the columns of an image separately.
//!
//! Such a map is a matrix for each axis, and its transpose needs no kernel but a matrix product:
//!
//! ```text
//! y = H x Wᵀ        x̄ = Hᵀ ȳ W
//! ```
//!
//! The matrices are what the backend's own forward pass makes of the columns of the identity: the
//! transpose belongs to that kernel, whatever its conventions at the border.

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, Shape, TensorData, TensorMetadata};

/// `Hᵀ ȳ W` for images of size `[height, width]`.
///
/// `along(axis, image, length)` applies the map for that axis (0: rows, 1: columns) to the first
/// spatial axis of an image one pixel wide, which it brings to `length`.
pub(super) fn transposed<B: Backend>(
    grad: FloatTensor<B>,
    [height, width]: [usize; 2],
    along: impl Fn(usize, FloatTensor<B>, usize) -> FloatTensor<B>,
) -> FloatTensor<B> {
    let [_, _, rows, columns] = grad.shape().dims();
    let (device, dtype) = (B::float_device(&grad), grad.dtype());
    // The matrix of one axis, transposed: [1, 1, before, after].
    let matrix = |axis, before: usize, after: usize| {
        let mut identity = vec![0.0; before * before];
        identity
            .iter_mut()
            .step_by(before + 1)
            .for_each(|v| *v = 1.0);
        let identity = TensorData::new(identity, [1, before, before, 1]).convert_dtype(dtype);
        let columns = along(axis, B::float_from_data(identity, &device), after);
        B::float_reshape(columns, Shape::new([1, 1, before, after]))
    };
    let h = matrix(0, height, rows);
    let w = matrix(1, width, columns);
    B::float_matmul(h, B::float_matmul(grad, B::float_transpose(w)))
}
