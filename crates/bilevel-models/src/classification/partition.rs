//! Samples dealt out to workers.

use burn::tensor::backend::Backend;

use super::{Batch, Dataset, Minibatch};
use crate::error::Error;

/// Rows of features, one sample after the other, and their labels.
#[derive(Debug, Clone, Copy)]
pub struct LabelledRows<'a> {
    /// `width` numbers a sample.
    pub rows: &'a [f32],
    /// A number below `classes` a sample.
    pub labels: &'a [usize],
    /// Numbers a sample.
    pub width: usize,
    /// How many classes there are.
    pub classes: usize,
}

/// Training and validation samples dealt out to `workers` in equal heaps of neighbours; those left
/// over go to nobody.
///
/// Worker i knows which training samples are its own by [`Minibatch::first`], so that all may share
/// one vector of weights, an entry a training sample.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_models::classification::{LabelledRows, partition};
///
/// let rows = [0.0, 1.0, 2.0, 3.0, 4.0];
/// let samples = LabelledRows { rows: &rows, labels: &[0, 1, 0, 1, 0], width: 1, classes: 2 };
/// let batches = partition::<Cpu>(samples, samples, 2, &Default::default())?;
/// let last = &batches[1].training;
/// assert_eq!((last.first, last.count()), (2, 2));
/// # Ok::<(), bilevel_models::Error>(())
/// ```
///
/// # Errors
/// If there are fewer samples than workers, or a label is not below `classes`.
///
/// # Panics
/// If the numbers do not fill the rows.
pub fn partition<B: Backend>(
    training: LabelledRows<'_>,
    validation: LabelledRows<'_>,
    workers: usize,
    device: &B::Device,
) -> Result<Vec<Batch<B>>, Error> {
    let part = |samples: LabelledRows<'_>, i: usize| -> Result<Minibatch<B>, Error> {
        let LabelledRows {
            rows,
            labels,
            width,
            classes,
        } = samples;
        let share = labels.len() / workers;
        let first = i * share;
        let rows = &rows[first * width..(first + share) * width];
        let labels = &labels[first..first + share];
        let set = Dataset::new(rows, width, labels, classes, share, device)?;
        Ok(Minibatch {
            first,
            ..set.whole().clone()
        })
    };
    let batch = |i| {
        Ok(Batch {
            training: part(training, i)?,
            validation: part(validation, i)?,
        })
    };
    (0..workers).map(batch).collect()
}
