//! Symmetric matrices whose eigenvalues are known because they were chosen.

use bilevel_core::{LinearOperator, Vector};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

use crate::{generator, length};

/// `A = Q diag(λ) Qᵀ`.
#[derive(Clone)]
pub struct Symmetric {
    /// λ.
    pub eigenvalues: Vec<f64>,
    /// The columns of Q.
    eigenvectors: Vec<Vec<f64>>,
}

/// Short enough for the report of a failing case.
impl std::fmt::Debug for Symmetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "eigenvalues {:?}", self.eigenvalues)
    }
}

impl Symmetric {
    /// With these eigenvalues and a random orthogonal Q: a product of Householder reflections.
    pub fn with(eigenvalues: Vec<f64>, rng: &mut ChaCha8Rng) -> Self {
        let n = eigenvalues.len();
        let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect();
        let mut eigenvectors: Vec<Vec<f64>> = (0..n).map(unit).collect();
        for _ in 0..n {
            let u = numbers(n, rng);
            let uu = u.iter().map(|u| u * u).sum::<f64>();
            for q in &mut eigenvectors {
                let factor = 2.0 * inner(&u, q) / uu;
                q.iter_mut().zip(&u).for_each(|(q, u)| *q -= factor * u);
            }
        }
        Self {
            eigenvalues,
            eigenvectors,
        }
    }

    /// Positive definite: smallest eigenvalue `mu`, largest `mu · condition`, the others between.
    pub fn positive(dim: usize, mu: f64, condition: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut exponents: Vec<f64> = numbers(dim, rng).iter().map(|e| e.abs().fract()).collect();
        exponents[dim - 1] = 1.0;
        exponents[0] = 0.0;
        let eigenvalues = exponents.iter().map(|&e| mu * condition.powf(e)).collect();
        Self::with(eigenvalues, rng)
    }

    pub fn dim(&self) -> usize {
        self.eigenvalues.len()
    }

    /// `f(A) v = Q diag(f(λ)) Qᵀ v`.
    pub fn function(&self, f: impl Fn(f64) -> f64, v: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; self.dim()];
        for (q, &lambda) in self.eigenvectors.iter().zip(&self.eigenvalues) {
            let factor = f(lambda) * inner(q, v);
            result.iter_mut().zip(q).for_each(|(r, q)| *r += factor * q);
        }
        result
    }

    /// `A v`.
    pub fn times(&self, v: &[f64]) -> Vec<f64> {
        self.function(|lambda| lambda, v)
    }

    /// `A⁻¹ b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        self.function(f64::recip, b)
    }

    /// `√(vᵀ A v)`.
    pub fn norm(&self, v: &[f64]) -> f64 {
        length(&self.function(f64::sqrt, v))
    }

    /// Row by row.
    fn entries(&self) -> Vec<f64> {
        let n = self.dim();
        let entry = |i: usize, j: usize| -> f64 {
            let pairs = self.eigenvectors.iter().zip(&self.eigenvalues);
            pairs.map(|(q, lambda)| q[i] * lambda * q[j]).sum()
        };
        (0..n * n).map(|ij| entry(ij / n, ij % n)).collect()
    }
}

/// One matrix per system, as one operator: `[systems, dim, dim]`.
pub struct Blocks<B: Backend>(pub Tensor<B, 3>);

impl<B: Backend> Blocks<B> {
    pub fn one(matrix: &Symmetric) -> Self {
        Self::new(std::slice::from_ref(matrix))
    }

    pub fn new(matrices: &[Symmetric]) -> Self {
        let shape = [matrices.len(), matrices[0].dim(), matrices[0].dim()];
        let entries: Vec<f64> = matrices.iter().flat_map(Symmetric::entries).collect();
        Self(Tensor::from_data(
            TensorData::new(entries, shape),
            &Default::default(),
        ))
    }
}

impl<B: Backend> LinearOperator<B> for Blocks<B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        let [systems, dim] = v.dims();
        let v = v.reshape([systems, dim, 1]);
        self.0.clone().matmul(v).reshape([systems, dim])
    }
}

/// `A q = b` with a positive definite `A` of any size up to `largest_dim`, any condition number up
/// to `10^largest_exponent`, and any scale.
pub fn systems(
    largest_dim: usize,
    largest_exponent: f64,
) -> impl Strategy<Value = (Symmetric, Vec<f64>)> {
    let exponent = 0.0..=largest_exponent;
    (1..=largest_dim, exponent, -3.0..3.0, any::<u64>()).prop_map(|(dim, kappa, scale, seed)| {
        let rng = &mut generator(seed);
        let a = Symmetric::positive(dim, 10f64.powf(scale), 10f64.powf(kappa), rng);
        (a, numbers(dim, rng))
    })
}

/// Standard normal numbers.
pub fn numbers(count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let data = TensorData::random::<f64, _, _>([count], Distribution::Normal(0.0, 1.0), rng);
    data.to_vec().expect("made so")
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
