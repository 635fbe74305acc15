//! Products of matrices.

use burn_backend::{Shape, TensorMetadata};
use burn_flex::{FlexTensor, Layout};

use super::tensor::{from_vec, slice};
use crate::kernel::element::Element;
use crate::kernel::product::{Matrices, products};
use crate::kernel::skinny_matmul;

/// `lhs · rhs` over the last two axes; `None` where shapes, or the order of memory, are others than
/// the kernels know.
pub fn product<E: Element>(lhs: &FlexTensor, rhs: &FlexTensor) -> Option<FlexTensor> {
    if lhs.rank() != rhs.rank() || lhs.rank() < 2 {
        return None;
    }
    narrow_product::<E>(lhs, rhs).or_else(|| general_product::<E>(lhs, rhs))
}

/// The product of two matrices, when the first is long and the second narrow.
fn narrow_product<E: Element>(lhs: &FlexTensor, rhs: &FlexTensor) -> Option<FlexTensor> {
    if lhs.rank() != 2 {
        return None;
    }
    let [[rows, inner], [rhs_rows, columns]] = [lhs.shape().dims(), rhs.shape().dims()];
    let long = rows.max(inner) >= 256 && rows.min(inner) >= 32;
    if !long || columns == 0 || columns > skinny_matmul::WIDEST || inner != rhs_rows {
        return None;
    }
    let b = slice::<E>(rhs)?;
    let values = match slice::<E>(lhs) {
        Some(a) => skinny_matmul::product(a, b, [rows, inner, columns]),
        None => {
            let lhs = lhs.transpose(0, 1);
            skinny_matmul::transposed_product(slice::<E>(&lhs)?, b, [inner, rows, columns])
        }
    };
    Some(from_vec(values, Shape::new([rows, columns])))
}

/// The products of many matrices, or of many and one.
fn general_product<E: Element>(lhs: &FlexTensor, rhs: &FlexTensor) -> Option<FlexTensor> {
    let (left, right) = (lhs.shape(), rhs.shape());
    let rank = left.num_dims();
    let batch: Vec<usize> = (0..rank - 2)
        .map(|axis| match (left[axis], right[axis]) {
            (l, r) if l == r || r == 1 => Some(l),
            (1, r) => Some(r),
            _ => None,
        })
        .collect::<Option<_>>()?;
    if left[rank - 1] != right[rank - 2] {
        return None;
    }
    let a = matrices::<E>(lhs, &batch)?;
    let b = matrices::<E>(rhs, &batch)?;
    let shape = [&batch[..], &[a.rows, b.columns]].concat();
    Some(from_vec(products(&a, &b), Shape::from(shape)))
}

/// The matrices of a tensor, repeated to the axes `batch`; `None` where a stride is negative.
fn matrices<'a, E: Element>(tensor: &'a FlexTensor, batch: &[usize]) -> Option<Matrices<'a, E>> {
    let layout: &Layout = tensor.layout();
    let strides: Vec<usize> = layout
        .strides()
        .iter()
        .map(|stride| usize::try_from(*stride).ok())
        .collect::<Option<_>>()?;
    let shape = layout.shape();
    let mut starts = vec![layout.start_offset()];
    for (axis, &count) in batch.iter().enumerate() {
        let stride = if shape[axis] == 1 { 0 } else { strides[axis] };
        let each = |start: &usize| {
            let start = *start;
            (0..count).map(move |index| start + index * stride)
        };
        starts = starts.iter().flat_map(each).collect();
    }
    let [row, column] = [batch.len(), batch.len() + 1];
    Some(Matrices {
        entries: tensor.storage(),
        starts,
        rows: shape[row],
        columns: shape[column],
        row_stride: strides[row],
        column_stride: strides[column],
    })
}
