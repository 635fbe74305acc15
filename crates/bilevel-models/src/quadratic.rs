//! A benchmark of update rules: random quadratics, whose hypergradient is a formula.
//!
//! ```text
//! g_i = ½ yᵀ A_i y + xᵀ C_i y + a_iᵀ y
//! f_i = ½ (x, y)ᵀ H_i (x, y) + h_iᵀ (x, y)
//! y*(x) = −A⁻¹ (Cᵀ x + a),   ∇F = ∇x f − C A⁻¹ ∇y f              A, C, a: means over the samples
//! ```
//!
//! `A_i` and `H_i` are a multiple of the identity plus a product `z zᵀ` of a random vector whose
//! entries have variances from 1 down, so that the means have eigenvalues between about `μ` and 1.
//! As `f` is convex in both variables together, `F` is convex. The recipe of the quadratic
//! benchmark of Dagréou, Ablin, Vaiter, Moreau (2022), NeurIPS, arXiv:2201.13409, with other random
//! matrices.

use bilevel_core::algorithm::rule::{Block, Blocks, Counter, OracleCalls, SecondDerivatives};
use bilevel_core::vector::{norms, read};
use bilevel_core::{
    ConjugateGradient, Iterate, LinearOperator, LinearSolver, LossGradients, Oracle, Tolerance,
    Vector,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The size of a benchmark and the seed of its matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuadraticSettings {
    /// Samples of each loss, a multiple of `block`.
    pub samples: usize,
    /// Samples a block.
    pub block: usize,
    /// Entries of x and of y.
    pub dim: usize,
    /// `μ`.
    pub strong_convexity: f64,
    /// Size of `C`.
    pub coupling: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for QuadraticSettings {
    /// 1024 samples in blocks of 64, 100 entries, `μ = 0.1`, coupling 0.1.
    fn default() -> Self {
        Self {
            samples: 1024,
            block: 64,
            dim: 100,
            strong_convexity: 0.1,
            coupling: 0.1,
            seed: 0,
        }
    }
}

/// The matrices of some samples, means over them.
#[derive(Debug, Clone)]
struct Lower<B: Backend> {
    /// `A`: `[dim, dim]`.
    a: Tensor<B, 2>,
    /// `C`: `[dim, dim]`.
    c: Tensor<B, 2>,
    /// `a`: `[1, dim]`.
    linear: Vector<B>,
}

#[derive(Debug, Clone)]
struct Upper<B: Backend> {
    /// `H`: `[2 dim, 2 dim]`.
    h: Tensor<B, 2>,
    /// `h`: `[1, 2 dim]`.
    linear: Vector<B>,
}

/// The [`Oracle`] of the benchmark, and what its answer should be.
#[derive(Debug)]
pub struct Quadratic<B: Backend> {
    lower: Vec<Lower<B>>,
    upper: Vec<Upper<B>>,
    all_lower: Lower<B>,
    all_upper: Upper<B>,
    counter: Counter,
}

/// Accuracy of the exact hypergradient.
const EXACT: f64 = 1e-13;

impl<B: Backend> Quadratic<B> {
    /// The benchmark.
    ///
    /// # Panics
    /// If `samples` is not a multiple of `block`.
    pub fn new(settings: QuadraticSettings, device: &B::Device) -> Self {
        let QuadraticSettings {
            samples,
            block,
            dim,
            strong_convexity: mu,
            coupling,
            seed,
        } = settings;
        assert!(
            block > 0 && samples.is_multiple_of(block),
            "{samples} samples do not make blocks of {block}"
        );
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = |rows: usize, columns: usize| -> Tensor<B, 2> {
            let data = TensorData::random::<f64, _, _>(
                [rows, columns],
                Distribution::Normal(0.0, 1.0),
                &mut rng,
            );
            Tensor::from_data(data, device)
        };
        // Variances from 1 − μ down to a hundredth of that.
        let deviations = |n: usize| -> Tensor<B, 2> {
            let entries: Vec<f64> = (0..n)
                .map(|j| ((1.0 - mu) * 0.01f64.powf(j as f64 / n as f64)).sqrt())
                .collect();
            let data = TensorData::new(entries, [1, n]);
            Tensor::from_data(data, device)
        };
        // μ I + mean z zᵀ.
        let curved = |z: Tensor<B, 2>| -> Tensor<B, 2> {
            let [count, n] = z.dims();
            z.clone().transpose().matmul(z) / count as f64 + Tensor::eye(n, device) * mu
        };
        let shared = normal(dim, dim) * (coupling / (dim as f64).sqrt() / 2.0);
        let lower: Vec<Lower<B>> = (0..samples / block)
            .map(|_| Lower {
                a: curved(normal(block, dim) * deviations(dim)),
                c: shared.clone()
                    + normal(dim, dim) * (coupling / (dim as f64 * block as f64).sqrt()),
                linear: normal(block, dim).mean_dim(0),
            })
            .collect();
        let upper: Vec<Upper<B>> = (0..samples / block)
            .map(|_| Upper {
                h: curved(normal(block, 2 * dim) * deviations(2 * dim)),
                linear: normal(block, 2 * dim).mean_dim(0) + 1.0 / (dim as f64).sqrt(),
            })
            .collect();
        let mean = |parts: Vec<Tensor<B, 2>>| {
            let count = parts.len() as f64;
            Tensor::stack::<3>(parts, 0).sum_dim(0).squeeze_dim::<2>(0) / count
        };
        Self {
            all_lower: Lower {
                a: mean(lower.iter().map(|l| l.a.clone()).collect()),
                c: mean(lower.iter().map(|l| l.c.clone()).collect()),
                linear: mean(lower.iter().map(|l| l.linear.clone()).collect()),
            },
            all_upper: Upper {
                h: mean(upper.iter().map(|u| u.h.clone()).collect()),
                linear: mean(upper.iter().map(|u| u.linear.clone()).collect()),
            },
            lower,
            upper,
            counter: Counter::default(),
        }
    }

    /// Zeros.
    pub fn start(&self) -> Iterate<B> {
        let zero = self.all_lower.linear.zeros_like();
        Iterate {
            x: zero.clone(),
            y: zero,
        }
    }

    /// `∇F(x)`: `[1, dim]`. Not counted.
    pub fn hypergradient(&self, x: &Vector<B>) -> Vector<B> {
        let Lower { a, c, linear } = &self.all_lower;
        let solve = |b: Vector<B>| {
            let solver = ConjugateGradient {
                max_steps: 20 * b.dims()[1],
                tolerance: Tolerance::Relative(EXACT),
            };
            solver.solve(&Matrix(a.clone()), b, None).value
        };
        let y = solve(-(x.clone().matmul(c.clone()) + linear.clone()));
        let f = Self::upper(&self.all_upper, &Iterate { x: x.clone(), y });
        f.x - solve(f.y).matmul(c.clone().transpose())
    }

    /// `‖∇F(x)‖`. Not counted.
    pub fn hypergradient_norm(&self, x: &Vector<B>) -> f64 {
        norms(self.hypergradient(x))[0]
    }

    fn lower_on(&self, on: Block) -> &Lower<B> {
        match on {
            Block::One(i) => &self.lower[i],
            Block::All => &self.all_lower,
        }
    }

    fn gradient(part: &Lower<B>, at: &Iterate<B>) -> Vector<B> {
        at.y.clone().matmul(part.a.clone())
            + at.x.clone().matmul(part.c.clone())
            + part.linear.clone()
    }

    fn upper(part: &Upper<B>, at: &Iterate<B>) -> LossGradients<B> {
        let [_, dim] = at.x.dims();
        let both = Tensor::cat(vec![at.x.clone(), at.y.clone()], 1);
        let product = both.clone().matmul(part.h.clone());
        let value = (both * (product.clone() * 0.5 + part.linear.clone())).sum_dim(1);
        let gradient = product + part.linear.clone();
        LossGradients {
            loss: read(value)[0],
            x: gradient.clone().narrow(1, 0, dim),
            y: gradient.narrow(1, dim, dim),
        }
    }
}

/// A symmetric matrix as an operator on rows.
struct Matrix<B: Backend>(Tensor<B, 2>);

impl<B: Backend> LinearOperator<B> for Matrix<B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        v.matmul(self.0.clone())
    }
}

impl<B: Backend> Oracle<B> for Quadratic<B> {
    fn blocks(&self) -> Blocks {
        Blocks {
            lower: self.lower.len(),
            upper: self.upper.len(),
        }
    }

    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B> {
        self.counter
            .count(on, self.lower.len(), |calls| calls.lower_gradients += 1);
        Self::gradient(self.lower_on(on), at)
    }

    fn lower_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        let y = self.lower_gradient(on, at);
        let part = self.lower_on(on);
        let cross = at.y.clone().matmul(part.c.clone().transpose());
        // ½ yᵀA y + xᵀC y + aᵀy = ½ yᵀ(∇y g + Cᵀx + a)
        let right = at.x.clone().matmul(part.c.clone()) + part.linear.clone();
        let value = (at.y.clone() * (y.clone() + right) * 0.5).sum_dim(1);
        LossGradients {
            loss: read(value)[0],
            x: cross,
            y,
        }
    }

    fn upper_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.counter
            .count(on, self.upper.len(), |calls| calls.upper_gradients += 1);
        let part = match on {
            Block::One(j) => &self.upper[j],
            Block::All => &self.all_upper,
        };
        Self::upper(part, at)
    }

    fn hessian(&self, on: Block, _: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter
            .count(on, self.lower.len(), |calls| calls.hessian_products += 1);
        v.clone().matmul(self.lower_on(on).a.clone())
    }

    fn cross(&self, on: Block, _: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter
            .count(on, self.lower.len(), |calls| calls.cross_products += 1);
        v.clone().matmul(self.lower_on(on).c.clone().transpose())
    }

    fn second(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> SecondDerivatives<B> {
        SecondDerivatives {
            gradient: self.lower_gradient(on, at),
            hessian: self.hessian(on, at, v),
            cross: self.cross(on, at, v),
        }
    }

    fn calls(&self) -> OracleCalls {
        self.counter.calls()
    }

    fn project(&self, at: Iterate<B>) -> Iterate<B> {
        at
    }
}
