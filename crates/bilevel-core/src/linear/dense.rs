//! The matrix, written out.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

use super::{LinearOperator, LinearSolver, residuals};
use crate::vector::{epsilon, largest, read};
use crate::{Solution, Status, Vector};

/// Gauss elimination with the whole matrix: the oracle of tests, and exact for a few unknowns.
///
/// Costs `dim` products, `dim²` numbers and `dim³` operations a row, in `f64` on the host.
/// [`Status::Breakdown`] if a matrix is singular: that row is zero.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{Dense, LinearSolver, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// type B = Cpu;
/// let swap = |v: Vector<B>| v.flip([1]);
/// let b = Vector::<B>::from_data([[1.0, 2.0]], &Default::default());
/// let q = Dense.solve(&swap, b, None);
/// assert_eq!(q.value.into_data().to_vec::<f64>().unwrap(), [2.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dense;

impl<B: Backend> LinearSolver<B> for Dense {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        if let Some(start) = start {
            assert_eq!(
                start.dims(),
                b.dims(),
                "start and right side differ in shape"
            );
        }
        let [systems, dim] = b.dims();
        let all: Vec<usize> = (0..dim).collect();
        let columns: Vec<Vec<f64>> = unit_products(a, &b, &all).map(read).collect();
        let right = read(b.clone());
        let mut broken = false;
        let rows = (0..systems).flat_map(|row| {
            let matrix = DMatrix::from_fn(dim, dim, |i, j| columns[j][row * dim + i]);
            let right = DVector::from_column_slice(&right[row * dim..][..dim]);
            let q = matrix.lu().solve(&right);
            broken |= q.is_none();
            q.map_or(vec![0.0; dim], |q| q.as_slice().to_vec())
        });
        let q = TensorData::new(rows.collect::<Vec<f64>>(), [systems, dim]);
        let q = Vector::from_data(q, &b.device());
        let residuals = residuals(a, &b, &q);
        let residual = largest(&residuals);
        let size = largest(&right.iter().map(|b| b.abs()).collect::<Vec<f64>>());
        let status = if !residual.is_finite() {
            Status::NonFinite
        } else if broken || residual > epsilon(&b).sqrt() * size * (dim as f64).sqrt() {
            Status::Breakdown
        } else {
            Status::Converged
        };
        Solution {
            value: q,
            status,
            steps: dim,
            residual,
        }
    }

    fn vectors(&self, dim: usize) -> usize {
        dim + 2
    }
}

/// `A e_i` for the unit vectors `i`, in all rows at once.
pub(super) fn unit_products<'a, B: Backend>(
    a: &'a dyn LinearOperator<B>,
    like: &'a Vector<B>,
    indices: &'a [usize],
) -> impl Iterator<Item = Vector<B>> + 'a {
    let [systems, _] = like.dims();
    indices.iter().map(move |&i| {
        let one = Tensor::ones([systems, 1], &like.device());
        a.apply(like.zeros_like().slice_assign([0..systems, i..i + 1], one))
    })
}
