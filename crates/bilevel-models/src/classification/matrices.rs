//! Samples with their labels, as matrices.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::{Error, ErrorKind};

/// # Errors
/// If a label is not below `classes`.
///
/// # Panics
/// If the numbers do not fill the rows.
pub(crate) fn check(
    rows: &[f32],
    width: usize,
    labels: &[usize],
    classes: usize,
) -> Result<(), Error> {
    let n = labels.len();
    assert_eq!(
        rows.len(),
        n * width,
        "{n} samples of {width} numbers need {} of them, got {}",
        n * width,
        rows.len()
    );
    let wrong = labels.iter().enumerate().find(|(_, l)| **l >= classes);
    wrong.map_or(Ok(()), |(sample, &label)| {
        Err(ErrorKind::Label {
            sample,
            label,
            classes,
        }
        .into())
    })
}

/// `[samples, width]`, and a one in the column of the label: `[samples, classes]`. What passed
/// [`check`].
pub(crate) fn matrices<B: Backend>(
    rows: &[f32],
    width: usize,
    labels: &[usize],
    classes: usize,
    device: &B::Device,
) -> [Tensor<B, 2>; 2] {
    let n = labels.len();
    let mut targets = vec![0f32; n * classes];
    for (i, label) in labels.iter().enumerate() {
        targets[i * classes + label] = 1.0;
    }
    let tensor = |values: Vec<f32>, columns: usize| {
        let data = TensorData::new(values, [n, columns]);
        Tensor::from_data(data, device)
    };
    [tensor(rows.to_vec(), width), tensor(targets, classes)]
}
