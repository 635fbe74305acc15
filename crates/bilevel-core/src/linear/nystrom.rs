//! The Nyström approximation.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::dense::unit_products;
use super::{LinearOperator, LinearSolver, begin, residuals};
use crate::vector::largest;
use crate::{Solution, Status, Vector};

/// Low-rank approximation from a sample of columns, inverted in closed form.
///
/// ```text
/// C = A[:, K],  M = A[K, K]              A ≈ C M⁺ Cᵀ
/// q = b/ρ − C (M + CᵀC/ρ)⁻¹ Cᵀb / ρ²  =  (C M⁺ Cᵀ + ρI)⁻¹ b
/// ```
///
/// For `A` with few large eigenvalues, as Hessians of networks have: no iteration, and all products
/// are independent. Exact, up to `ρ`, when the columns span the range of `A`; elsewhere it divides
/// by `ρ` what it does not see. Rounding costs `ε‖b‖/ρ`, so `ρ` should not be tiny. Costs `rank`
/// products, one for the residual, one more for a warm start; holds `rank` vectors. There is no
/// tolerance to reach: the status is [`Status::Truncated`], the residual says how good it is.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{LinearSolver, Nystrom, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// type B = Cpu;
/// let d = Vector::<B>::from_data([[1.0, 3.0]], &Default::default());
/// let b = Vector::<B>::from_data([[2.0, 8.0]], &Default::default());
/// let solver = Nystrom { rank: 2, damping: 1.0, seed: 0 };
/// let q = solver.solve(&|v: Vector<B>| v * d.clone(), b, None);
/// let value = q.value.into_data().to_vec::<f64>().unwrap();
/// assert!((value[0] - 1.0).abs() < 1e-12 && (value[1] - 2.0).abs() < 1e-12); // 2/(1+1), 8/(3+1)
/// ```
///
/// # References
/// Hataya, Yamada (2023), "Nyström Method for Accurate and Scalable Implicit Differentiation",
/// AISTATS, arXiv:2302.09726, equation 6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nystrom {
    /// Columns sampled; all of them if there are fewer.
    pub rank: usize,
    /// ρ > 0.
    pub damping: f64,
    /// Seed of the sample.
    pub seed: u64,
}

impl<B: Backend> LinearSolver<B> for Nystrom {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let rho = self.damping;
        let (first, r) = begin(a, &b, start);
        let [systems, dim] = b.dims();
        let sample = sample(self.rank.min(dim), dim, self.seed);
        let rank = sample.len();
        let columns: Vec<Vector<B>> = unit_products(a, &b, &sample).collect();
        let c: Tensor<B, 3> = Tensor::stack(columns, 2); // [systems, dim, rank]
        let ct = c.clone().swap_dims(1, 2);
        let gram = to_host(ct.clone().matmul(c.clone()));
        let right = to_host(ct.matmul(r.clone().unsqueeze_dim(2)));
        let m: Vec<Vec<f64>> = sample
            .iter()
            .map(|&i| to_host(c.clone().slice([0..systems, i..i + 1, 0..rank])))
            .collect();

        let mut finite = gram.iter().chain(&right).all(|v| v.is_finite());
        let small = (0..systems).flat_map(|row| {
            let right = DVector::from_column_slice(&right[row * rank..][..rank]);
            if !finite {
                return vec![0.0; rank];
            }
            let matrix = DMatrix::from_fn(rank, rank, |i, j| {
                // Symmetric up to rounding; made so.
                let m = 0.5 * (m[i][row * rank + j] + m[j][row * rank + i]);
                m * rho + gram[(row * rank + i) * rank + j]
            });
            solve_semidefinite(matrix, right)
        });
        let small = TensorData::new(small.collect::<Vec<f64>>(), [systems, rank, 1]);
        let small = Tensor::<B, 3>::from_data(small, &b.device());
        let correction = (r - c.matmul(small).squeeze_dim(2)) / rho;
        let mut q = first.clone() + correction;
        let mut residual = largest(&residuals(a, &b, &q));
        if !residual.is_finite() || !finite {
            finite = false;
            q = first;
            residual = largest(&residuals(a, &b, &q));
        }
        Solution {
            value: q,
            status: if finite {
                Status::Truncated
            } else {
                Status::NonFinite
            },
            steps: rank,
            residual,
        }
    }

    fn vectors(&self, dim: usize) -> usize {
        2 * self.rank.min(dim) + 4
    }
}

/// `rank` different indices below `dim`.
fn sample(rank: usize, dim: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut indices: Vec<usize> = (0..dim).collect();
    for i in 0..rank {
        let j = i + (rng.next_u64() % (dim - i) as u64) as usize;
        indices.swap(i, j);
    }
    indices.truncate(rank);
    indices
}

/// Solves with a matrix that is positive semidefinite up to rounding: by Cholesky's factors, or
/// where they fail by the eigenvalues that are not rounding.
fn solve_semidefinite(matrix: DMatrix<f64>, right: DVector<f64>) -> Vec<f64> {
    if let Some(factors) = matrix.clone().cholesky() {
        return factors.solve(&right).as_slice().to_vec();
    }
    let eigen = matrix.symmetric_eigen();
    let floor = eigen.eigenvalues.amax() * f64::EPSILON * right.len() as f64;
    let parts = eigen.eigenvectors.tr_mul(&right);
    let parts = parts.zip_map(
        &eigen.eigenvalues,
        |p, l| if l > floor { p / l } else { 0.0 },
    );
    (eigen.eigenvectors * parts).as_slice().to_vec()
}

fn to_host<B: Backend>(tensor: Tensor<B, 3>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
