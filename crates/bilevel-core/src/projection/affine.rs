//! Solutions of linear equations.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

use super::{Projection, row};
use crate::{Error, ErrorKind, Vector};

/// `{ y : A y = b }`.
///
/// ```text
/// P(z) = N z + c,   N = I − A⁺A,   c = A⁺b;      D = N
/// ```
///
/// N is kept as a matrix, `dim²` numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// `N`, row by row.
    along: Vec<f64>,
    /// `c`.
    start: Vec<f64>,
}

impl Affine {
    /// The solutions of `A y = b`; `a` has A's rows.
    ///
    /// # Errors
    /// If there are none, or rows and right sides do not fit together.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_core::Vector;
    /// use bilevel_core::projection::{Affine, Projection};
    ///
    /// Cpu::use_f64().expect("the first tensors");
    /// // y₁ + y₂ = 2
    /// let line = Affine::new(&[vec![1.0, 1.0]], &[2.0])?;
    /// let z = Vector::<Cpu>::from_data([[3.0, 1.0]], &Default::default());
    /// let y = line.project(z).into_data().to_vec::<f64>().unwrap();
    /// assert!((y[0] - 2.0).abs() < 1e-12 && y[1].abs() < 1e-12);
    /// assert!(Affine::new(&[vec![1.0, 1.0], vec![1.0, 1.0]], &[2.0, 3.0]).is_err());
    /// # Ok::<(), bilevel_core::Error>(())
    /// ```
    pub fn new(a: &[Vec<f64>], b: &[f64]) -> Result<Self, Error> {
        let dim = a.first().map_or(0, Vec::len);
        if let Some(other) = a.iter().find(|row| row.len() != dim) {
            let (expected, found) = (dim, other.len());
            return Err(ErrorKind::ConstraintDimension { expected, found }.into());
        }
        if a.len() != b.len() || dim == 0 {
            let (expected, found) = (a.len(), b.len());
            return Err(ErrorKind::ConstraintDimension { expected, found }.into());
        }
        let matrix = DMatrix::from_row_iterator(a.len(), dim, a.iter().flatten().copied());
        let right = DVector::from_column_slice(b);
        let size = matrix.norm();
        let inverse = matrix
            .clone()
            .pseudo_inverse(1e-12 * size.max(f64::MIN_POSITIVE))
            .expect("the tolerance is positive");
        let start = &inverse * &right;
        let missed = (&matrix * &start - &right).norm();
        if !missed.is_finite() || missed > 1e-9 * (size * start.norm() + right.norm()) {
            let reason =
                format!("no vector solves the equations, the nearest misses them by {missed:.3e}");
            return Err(ErrorKind::EmptySet { reason }.into());
        }
        let along = DMatrix::identity(dim, dim) - inverse * matrix;
        Ok(Self {
            along: along.transpose().as_slice().to_vec(),
            start: start.as_slice().to_vec(),
        })
    }

    /// `N v`. (N is symmetric.)
    fn along<B: Backend>(&self, v: Vector<B>) -> Vector<B> {
        let dim = self.start.len();
        let data = TensorData::new(self.along.clone(), [dim, dim]);
        let device = v.device();
        v.matmul(Tensor::from_data(data, &device))
    }
}

impl<B: Backend> Projection<B> for Affine {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        let start = row(&self.start, &z);
        self.along(z) + start
    }

    fn jacobian(&self, _: &Vector<B>, v: Vector<B>) -> Vector<B> {
        self.along(v)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.start.len())
    }
}
