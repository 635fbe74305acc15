//! Problems whose derivatives are known.

use bilevel_distributed::{AdboState, LocalProblem, LowerProducts, UpperGradients};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

#[path = "../../doc/scalar.rs"]
mod scalar;
pub use scalar::Scalar;

/// Two scalars with weights 1 and 2 and targets 1 and 3: with consensus `y = 1.5 v`.
pub const PAIR: [Scalar; 2] = [Scalar { a: 1.0, t: 1.0 }, Scalar { a: 2.0, t: 3.0 }];

/// `G = ½ ‖y − t‖² + ¼ ‖x‖²,   g = ½ yᵀHy + Σⱼ sin(yⱼ) (C v)ⱼ`
#[derive(Debug, Clone)]
pub struct Bent {
    pub h: Vec<Vec<f64>>,
    pub c: Vec<Vec<f64>>,
    pub t: Vec<f64>,
}

impl Bent {
    /// One for each worker.
    pub fn several(workers: usize, upper: usize, lower: usize, seed: u64) -> Vec<Self> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let one = |_| {
            let root = normals(lower, lower, rng);
            let entry = |i: usize, j: usize| {
                let product: f64 = (0..lower).map(|k| root[k][i] * root[k][j]).sum();
                0.1 * product + if i == j { 1.0 } else { 0.0 }
            };
            let row = |i| (0..lower).map(|j| entry(i, j)).collect();
            Self {
                h: (0..lower).map(row).collect(),
                c: normals(lower, upper, rng),
                t: normals(1, lower, rng).remove(0),
            }
        };
        (0..workers).map(one).collect()
    }

    fn bend(&self, v: &[f64]) -> Vec<f64> {
        self.c.iter().map(|row| product(row, v)).collect()
    }
}

pub fn normals(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let mut row = |_| {
        (0..columns)
            .map(|_| StandardNormal.sample(rng))
            .collect::<Vec<f64>>()
    };
    (0..rows).map(&mut row).collect()
}

pub fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl LocalProblem for Bent {
    fn upper_dim(&self) -> usize {
        self.c[0].len()
    }

    fn lower_dim(&self) -> usize {
        self.h.len()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let far: Vec<f64> = y.iter().zip(&self.t).map(|(y, t)| y - t).collect();
        UpperGradients {
            loss: product(&far, &far) / 2.0 + product(x, x) / 4.0,
            x: x.iter().map(|x| x / 2.0).collect(),
            y: far,
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        let bend = self.bend(v);
        let entry = |i: usize| product(&self.h[i], y) + y[i].cos() * bend[i];
        (0..y.len()).map(entry).collect()
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        let bend = self.bend(v);
        let hessian = |i: usize| product(&self.h[i], w) - y[i].sin() * bend[i] * w[i];
        let cross = |j: usize| (0..w.len()).map(|i| self.c[i][j] * y[i].cos() * w[i]).sum();
        LowerProducts {
            hessian: (0..w.len()).map(hessian).collect(),
            cross: (0..v.len()).map(cross).collect(),
        }
    }
}

/// A run's start at zero.
pub fn at_zero<P: LocalProblem>(problems: &[P]) -> AdboState {
    let (n, m) = (problems[0].upper_dim(), problems[0].lower_dim());
    AdboState::new(problems.len(), vec![0.0; n], vec![0.0; m])
}
