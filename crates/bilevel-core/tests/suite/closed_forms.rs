//! Problems whose hypergradient is a formula, on any backend.

use bilevel_core::{BilevelProblem, Constants, Differentiable, Point, Tape};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::matrices::{Symmetric, numbers};
use crate::problems::Shift;
use crate::{generator, length, minus};

/// ```text
/// g = ½ yᵀA y − (b + M x)ᵀ y        f = ½ ‖y − c‖² + ½ r ‖x‖²
/// y* = A⁻¹ (b + M x)                dF/dx = Mᵀ A⁻¹ (y* − c) + r x
/// ```
#[derive(Debug)]
pub struct Coupled {
    pub a: Symmetric,
    /// Row by row, `[dim y, dim x]`.
    pub m: Vec<Vec<f64>>,
    pub b: Vec<f64>,
    pub c: Vec<f64>,
    pub ridge: f64,
}

/// The matrices of [`Coupled`] on a device.
#[derive(Module, Debug)]
pub struct Matrices<B: Backend> {
    pub a: Tensor<B, 2>,
    pub m: Tensor<B, 2>,
    pub b: Tensor<B, 1>,
    pub c: Tensor<B, 1>,
}

impl BilevelProblem for Coupled {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Matrices<B>;

    fn upper_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, d: &Matrices<B>) -> Tensor<B, 1> {
        let (x, e) = (x.x.val(), y.x.val() - d.c.clone());
        ((e.clone() * e).sum() + (x.clone() * x).sum() * self.ridge) * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, d: &Matrices<B>) -> Tensor<B, 1> {
        let y = y.x.val().unsqueeze_dim::<2>(1);
        let mx = d.m.clone().matmul(x.x.val().unsqueeze_dim(1));
        let right = d.b.clone().unsqueeze_dim(1) + mx;
        (y.clone() * (d.a.clone().matmul(y) * 0.5 - right)).sum()
    }

    fn constants<B: Backend>(&self, _: &Shift<B>, _: &Matrices<B>) -> Constants {
        // ‖M‖₂ ≤ ‖M‖_F.
        let frobenius = length(&self.m.concat());
        Constants {
            strong_convexity: Some(self.mu()),
            upper_smoothness: Some(1.0),
            cross_norm: Some(frobenius),
            cross_lipschitz: Some(0.0),
            hessian_lipschitz: Some(0.0),
            direct_lipschitz: Some(0.0),
        }
    }
}

impl Coupled {
    /// `dim y = 5`, `dim x = 4`, eigenvalues of A from 1 to `condition`.
    pub fn random(condition: f64, seed: u64) -> Self {
        let rng = &mut generator(seed);
        Self {
            a: Symmetric::positive(5, 1.0, condition, rng),
            m: (0..5).map(|_| numbers(4, rng)).collect(),
            b: numbers(5, rng),
            c: numbers(5, rng),
            ridge: 0.3,
        }
    }

    /// `g = y² − x y`, `f = ½ (y − 0.2)²`: `y* = x/2`, `dF/dx = (x/2 − 0.2)/2`.
    pub fn scalar() -> Self {
        Self {
            a: Symmetric::with(vec![2.0], &mut generator(0)),
            m: vec![vec![1.0]],
            b: vec![0.0],
            c: vec![0.2],
            ridge: 0.0,
        }
    }

    pub fn mu(&self) -> f64 {
        self.a.eigenvalues.iter().copied().fold(f64::MAX, f64::min)
    }

    pub fn smoothness(&self) -> f64 {
        self.a.eigenvalues.iter().copied().fold(0.0, f64::max)
    }

    /// `b + M x`.
    fn right(&self, x: &[f64]) -> Vec<f64> {
        let product = |row: &Vec<f64>| row.iter().zip(x).map(|(m, x)| m * x).sum::<f64>();
        self.b
            .iter()
            .zip(&self.m)
            .map(|(b, row)| b + product(row))
            .collect()
    }

    /// `Mᵀ v + r x`.
    pub fn pulled_back(&self, v: &[f64], x: &[f64]) -> Vec<f64> {
        let column = |j: usize| self.m.iter().zip(v).map(|(row, v)| row[j] * v).sum::<f64>();
        x.iter()
            .enumerate()
            .map(|(j, x)| column(j) + self.ridge * x)
            .collect()
    }

    /// `y*(x)`.
    pub fn solution(&self, x: &[f64]) -> Vec<f64> {
        self.a.solve(&self.right(x))
    }

    /// `dF/dx`.
    pub fn exact(&self, x: &[f64]) -> Vec<f64> {
        let q = self.a.solve(&minus(&self.solution(x), &self.c));
        self.pulled_back(&q, x)
    }

    /// `y_K` of gradient descent with step η from `y0`: `y* + (I − ηA)^K (y0 − y*)`.
    pub fn descent(&self, x: &[f64], y0: &[f64], eta: f64, steps: i32) -> Vec<f64> {
        let solution = self.solution(x);
        let left = self
            .a
            .function(|l| (1.0 - eta * l).powi(steps), &minus(y0, &solution));
        solution.iter().zip(left).map(|(s, l)| s + l).collect()
    }

    /// `d f(x, y_K(x))/dx` for those steps.
    pub fn exact_of_descent(&self, x: &[f64], y0: &[f64], eta: f64, steps: i32) -> Vec<f64> {
        let p = minus(&self.descent(x, y0, eta, steps), &self.c);
        let q = self
            .a
            .function(|l| (1.0 - (1.0 - eta * l).powi(steps)) / l, &p);
        self.pulled_back(&q, x)
    }

    pub fn setup<T: Backend>(self, x: &[f64], y: &[f64]) -> On<T, Self> {
        let rows = |rows: &[Vec<f64>]| {
            let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
            Tensor::from_data(data, &Default::default())
        };
        let dim = self.a.dim();
        let unit = |i: usize| {
            (0..dim)
                .map(|j| f64::from(u8::from(i == j)))
                .collect::<Vec<_>>()
        };
        let a: Vec<Vec<f64>> = (0..dim).map(|i| self.a.times(&unit(i))).collect();
        let batch = Matrices {
            a: rows(&a),
            m: rows(&self.m),
            b: list(&self.b),
            c: list(&self.c),
        };
        On {
            problem: self,
            x: Shift {
                x: Param::from_tensor(Tensor::from_inner(list(x))),
            },
            y: Shift {
                x: Param::from_tensor(Tensor::from_inner(list(y))),
            },
            batch,
        }
    }
}

fn list<T: Backend>(v: &[f64]) -> Tensor<T, 1> {
    Tensor::from_data(TensorData::from(v), &Default::default())
}

/// A problem and a point of it, on the backend `T`.
pub struct On<T: Backend, P: Differentiable<T>> {
    pub problem: P,
    pub x: P::Upper<Tape<T>>,
    pub y: P::Lower<Tape<T>>,
    pub batch: P::Batch<T>,
}

impl<T: Backend, P: Differentiable<T>> On<T, P> {
    pub fn point(&self) -> Point<'_, T, P> {
        Point {
            problem: &self.problem,
            x: &self.x,
            y: &self.y,
            batch: &self.batch,
        }
    }
}

/// Logistic regression with a learned weight on every coefficient: strongly convex, not quadratic.
///
/// ```text
/// g = −Σ log σ(s_i a_iᵀy) + ½ Σ e^{x_j} y_j²        f = −Σ log σ(t_i v_iᵀy)
/// ```
#[derive(Debug)]
pub struct Logistic;

/// Samples times their labels: `[samples, dim]`.
#[derive(Module, Debug)]
pub struct Samples<B: Backend> {
    pub training: Tensor<B, 2>,
    pub validation: Tensor<B, 2>,
}

impl BilevelProblem for Logistic {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Samples<B>;

    fn upper_loss<B: Backend>(&self, _: &Shift<B>, y: &Shift<B>, d: &Samples<B>) -> Tensor<B, 1> {
        logistic(d.validation.clone(), y.x.val())
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, d: &Samples<B>) -> Tensor<B, 1> {
        let y = y.x.val();
        let ridge = (x.x.val().exp() * y.clone() * y.clone()).sum() * 0.5;
        logistic(d.training.clone(), y) + ridge
    }
}

/// `Σ log(1 + e^{−margin})`, the samples being small enough for the plain formula.
fn logistic<B: Backend>(samples: Tensor<B, 2>, y: Tensor<B, 1>) -> Tensor<B, 1> {
    let margins = samples.matmul(y.unsqueeze_dim(1));
    ((-margins).exp() + 1.0).log().sum()
}

/// 12 samples in 4 dimensions, from zero.
pub fn logistic_setup(seed: u64) -> On<crate::B, Logistic> {
    let rng = &mut generator(seed);
    let x: Vec<f64> = numbers(4, rng).iter().map(|x| 0.3 * x).collect();
    On {
        problem: Logistic,
        x: Shift {
            x: Param::from_tensor(Tensor::from_inner(list(&x))),
        },
        y: Shift {
            x: Param::from_tensor(Tensor::from_inner(list(&[0.0; 4]))),
        },
        batch: Samples {
            training: crate::normal([12, 4], rng),
            validation: crate::normal([12, 4], rng),
        },
    }
}
