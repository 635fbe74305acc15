//! The transpose of picking maxima.

use burn_backend::tensor::{FloatTensor, IntTensor};
use burn_backend::{Backend, Shape, TensorMetadata};

/// The entries of each channel of `x` at `indices`, which count through all of the channel's axes.
///
/// ```text
/// y_i = x_{indices_i}
/// ```
///
/// Max pooling once its maxima are known, hence the transpose of its gradient.
pub(super) fn pick<B: Backend>(x: FloatTensor<B>, indices: IntTensor<B>) -> FloatTensor<B> {
    let shape = indices.shape();
    let flat = |shape: &Shape| Shape::new([shape[0], shape[1], shape[2..].iter().product()]);
    let indices = B::int_reshape(indices, flat(&shape));
    let in_channels = flat(&x.shape());
    let picked = B::float_gather(2, B::float_reshape(x, in_channels), indices);
    B::float_reshape(picked, shape)
}
