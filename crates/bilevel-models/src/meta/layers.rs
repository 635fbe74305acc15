//! What the networks share.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::classification::LinearParameters;

/// Rows of so many tasks, one after the other, each by an affine map of its own.
pub(super) fn affine_each<B: Backend>(
    tasks: usize,
    rows: Tensor<B, 2>,
    map: &LinearParameters<B>,
) -> Tensor<B, 2> {
    if tasks == 1 {
        return rows.matmul(map.weight.val()) + map.bias.val().unsqueeze();
    }
    let [count, inputs] = rows.dims();
    let [_, outputs] = map.weight.dims();
    let rows = rows.reshape([tasks, count / tasks, inputs]);
    let weights = map.weight.val().reshape([tasks, inputs, outputs]);
    let shifts = map.bias.val().reshape([tasks, 1, outputs]);
    (rows.matmul(weights) + shifts).reshape([count, outputs])
}

/// # Panics
/// If four halvings leave nothing of pictures of this side.
pub(super) fn check_side(side: usize) {
    assert!(
        side >= 16,
        "four halvings need pictures of 16x16, got {side}x{side}"
    );
}
