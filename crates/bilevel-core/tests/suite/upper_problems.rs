//! Problems whose upper level is known in closed form: its values, gradients and minimisers.

use bilevel_core::{
    BilevelProblem, Constants, LinearOperator, LinearSolver, Report, Solution, Status, Tape, Task,
    Tolerance, Vector, WithTolerance, vector,
};
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

use crate::matrices::numbers;
use crate::problems::{Shift, shift};
use crate::{B, generator, row};

/// ```text
/// g = ‖A₂ y + A₃ x − b₂‖²,   f = ‖A₁ y − b₁‖²
/// y* = P (b₂ − A₃ x),  P = A₂⁺        F = ‖b₁ − A₁ P b₂ + M x‖²,  M = A₁ P A₃
/// ```
#[derive(Debug, Clone)]
pub struct LeastSquares {
    a1: DMatrix<f64>,
    a2: DMatrix<f64>,
    a3: DMatrix<f64>,
    b1: DVector<f64>,
    b2: DVector<f64>,
    /// P.
    p: DMatrix<f64>,
    /// M.
    m: DMatrix<f64>,
}

#[derive(Module, Debug)]
pub struct Systems<B: Backend> {
    a1: Tensor<B, 2>,
    a2: Tensor<B, 2>,
    a3: Tensor<B, 2>,
    b1: Tensor<B, 2>,
    b2: Tensor<B, 2>,
}

impl BilevelProblem for LeastSquares {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Systems<B>;

    fn upper_loss<B: Backend>(&self, _: &Shift<B>, y: &Shift<B>, d: &Systems<B>) -> Tensor<B, 1> {
        let y = y.x.val().unsqueeze_dim(1);
        (d.a1.clone().matmul(y) - d.b1.clone()).square().sum()
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, d: &Systems<B>) -> Tensor<B, 1> {
        let (x, y) = (x.x.val().unsqueeze_dim(1), y.x.val().unsqueeze_dim(1));
        let residual = d.a2.clone().matmul(y) + d.a3.clone().matmul(x) - d.b2.clone();
        residual.square().sum()
    }

    fn lower_gradient<B: Backend>(
        &self,
        x: &Shift<B>,
        y: &Shift<B>,
        d: &Systems<B>,
    ) -> Option<Vector<B>> {
        let (x, y) = (x.x.val().unsqueeze_dim(1), y.x.val().unsqueeze_dim(1));
        let residual = d.a2.clone().matmul(y) + d.a3.clone().matmul(x) - d.b2.clone();
        Some((d.a2.clone().transpose().matmul(residual) * 2.0).transpose())
    }

    fn constants<B: Backend>(&self, _: &Shift<B>, _: &Systems<B>) -> Constants {
        Constants {
            strong_convexity: Some(2.0 * smallest(&self.a2).powi(2)),
            upper_smoothness: Some(2.0 * largest(&self.a1).powi(2)),
            cross_norm: Some(2.0 * largest(&(self.a3.transpose() * &self.a2))),
            cross_lipschitz: Some(0.0),
            hessian_lipschitz: Some(0.0),
            direct_lipschitz: Some(0.0),
        }
    }
}

impl LeastSquares {
    /// `A_i = Q_i diag(s)` of `n` rows and 4 columns, `s` from 1 to `condition`; the right sides
    /// are those of a solution at both levels, and noise of the size `noise`.
    pub fn conditioned(n: usize, condition: f64, noise: f64, seed: u64) -> Self {
        let rng = &mut generator(seed);
        let mut a = || {
            let q = DMatrix::from_vec(n, 4, numbers(n * 4, rng)).qr().q();
            let s = (0..4).map(|i| condition.powf(f64::from(i) / 3.0));
            q * DMatrix::from_diagonal(&DVector::from_iterator(4, s))
        };
        let (a1, a2, a3) = (a(), a(), a());
        let mut random = |n| DVector::from_vec(numbers(n, rng));
        let (x, y) = (random(4), random(4));
        let b1 = &a1 * &y + random(n) * noise;
        let b2 = &a2 * &y + &a3 * x + random(n) * noise;
        Self::new(a1, a2, a3, b1, b2)
    }

    /// Entries between 0 and 1: an awkward angle between the columns.
    pub fn uniform(n: usize, seed: u64) -> Self {
        let rng = &mut generator(seed);
        let mut a = || {
            // The normal numbers' fractions are even enough here.
            let entries = numbers(n * 4, rng)
                .into_iter()
                .map(|v| (v * 7.0).rem_euclid(1.0));
            DMatrix::from_iterator(n, 4, entries.collect::<Vec<_>>())
        };
        let (a1, a2, a3) = (a(), a(), a());
        let (b1, b2) = (numbers(n, rng), numbers(n, rng));
        Self::new(a1, a2, a3, DVector::from_vec(b1), DVector::from_vec(b2))
    }

    fn new(
        a1: DMatrix<f64>,
        a2: DMatrix<f64>,
        a3: DMatrix<f64>,
        b1: DVector<f64>,
        b2: DVector<f64>,
    ) -> Self {
        let p = (a2.transpose() * &a2).try_inverse().unwrap() * a2.transpose();
        let m = &a1 * &p * &a3;
        Self {
            a1,
            a2,
            a3,
            b1,
            b2,
            p,
            m,
        }
    }

    /// `L` of g.
    pub fn smoothness(&self) -> f64 {
        2.0 * largest(&self.a2).powi(2)
    }

    /// The largest eigenvalue of `∇²F`.
    pub fn upper_curvature(&self) -> f64 {
        2.0 * largest(&self.m).powi(2)
    }

    fn residual(&self, x: &[f64]) -> DVector<f64> {
        &self.b1 - &self.a1 * &self.p * &self.b2 + &self.m * DVector::from_column_slice(x)
    }

    /// `F(x)`.
    pub fn value(&self, x: &[f64]) -> f64 {
        self.residual(x).norm_squared()
    }

    /// `∇F(x)`.
    pub fn gradient(&self, x: &[f64]) -> Vec<f64> {
        (self.m.transpose() * self.residual(x) * 2.0)
            .as_slice()
            .to_vec()
    }

    /// `argmin F`.
    pub fn minimiser(&self) -> Vec<f64> {
        let gram = (self.m.transpose() * &self.m).try_inverse().unwrap();
        let right = &self.a1 * &self.p * &self.b2 - &self.b1;
        (gram * self.m.transpose() * right).as_slice().to_vec()
    }

    /// `(F(x) − min F) / (F(1) − min F)`.
    pub fn gap(&self, x: &[f64]) -> f64 {
        let least = self.value(&self.minimiser());
        (self.value(x) - least) / (self.value(&[1.0; 4]) - least)
    }

    /// `y*(x)`.
    pub fn solution(&self, x: &[f64]) -> Vec<f64> {
        let right = &self.b2 - &self.a3 * DVector::from_column_slice(x);
        (&self.p * right).as_slice().to_vec()
    }

    /// From the lower start zero.
    pub fn task(&self) -> Task<B, Self> {
        let matrix = |m: &DMatrix<f64>| {
            let entries = m.transpose().as_slice().to_vec(); // nalgebra goes column by column
            Tensor::from_data(
                TensorData::new(entries, [m.nrows(), m.ncols()]),
                &Default::default(),
            )
        };
        let column = |v: &DVector<f64>| {
            let data = TensorData::new(v.as_slice().to_vec(), [v.len(), 1]);
            Tensor::from_data(data, &Default::default())
        };
        let data = Systems {
            a1: matrix(&self.a1),
            a2: matrix(&self.a2),
            a3: matrix(&self.a3),
            b1: column(&self.b1),
            b2: column(&self.b2),
        };
        Task::new(data, shift(&[0.0; 4]))
    }
}

fn largest(m: &DMatrix<f64>) -> f64 {
    m.singular_values().max()
}

fn smallest(m: &DMatrix<f64>) -> f64 {
    m.singular_values().min()
}

/// The lower level hands x on, so that `F = f`; x must not fall below `low`.
///
/// ```text
/// g = ½ ‖y − x‖²,   f = ½ ‖y − c‖²:   F = ½ ‖x − c‖²
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Tracking {
    pub low: f64,
}

#[derive(Module, Debug)]
pub struct Center<B: Backend> {
    pub c: Tensor<B, 1>,
}

impl BilevelProblem for Tracking {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Center<B>;

    fn upper_loss<B: Backend>(&self, _: &Shift<B>, y: &Shift<B>, d: &Center<B>) -> Tensor<B, 1> {
        (y.x.val() - d.c.clone()).square().sum() * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Center<B>) -> Tensor<B, 1> {
        (y.x.val() - x.x.val()).square().sum() * 0.5
    }

    fn constants<B: Backend>(&self, _: &Shift<B>, _: &Center<B>) -> Constants {
        UNIT
    }

    fn project<B: Backend>(&self, x: Shift<B>) -> Shift<B> {
        let low = self.low;
        Shift {
            x: x.x.map(|x| x.clamp_min(low)),
        }
    }
}

impl Tracking {
    /// Without a bound on x.
    pub const FREE: Self = Self { low: -1e300 };

    pub fn task(c: &[f64]) -> Task<B, Self> {
        let batch = Center {
            c: Tensor::from_data(c, &Default::default()),
        };
        Task::new(batch, shift(&vec![0.0; c.len()]))
    }
}

/// A problem, and the constants that it does not state itself.
#[derive(Debug, Clone, Copy)]
pub struct Stated<P>(pub P, pub Constants);

impl<P: BilevelProblem> BilevelProblem for Stated<P> {
    type Upper<B: Backend> = P::Upper<B>;
    type Lower<B: Backend> = P::Lower<B>;
    type Batch<B: Backend> = P::Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &P::Upper<B>,
        y: &P::Lower<B>,
        d: &P::Batch<B>,
    ) -> Tensor<B, 1> {
        self.0.upper_loss(x, y, d)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &P::Upper<B>,
        y: &P::Lower<B>,
        d: &P::Batch<B>,
    ) -> Tensor<B, 1> {
        self.0.lower_loss(x, y, d)
    }

    fn systems<B: Backend>(&self, y: &P::Lower<B>) -> usize {
        self.0.systems(y)
    }

    fn constants<B: Backend>(&self, _: &P::Upper<B>, _: &P::Batch<B>) -> Constants {
        self.1
    }
}

/// Of problems whose curvatures are all 1.
pub const UNIT: Constants = Constants {
    strong_convexity: Some(1.0),
    upper_smoothness: Some(1.0),
    cross_norm: Some(1.0),
    cross_lipschitz: Some(0.0),
    hessian_lipschitz: Some(0.0),
    direct_lipschitz: Some(0.0),
};

/// Solves exactly, and then spoils the solution so that the residual in the first system is the
/// tolerance it was given, in a direction that changes with the right side.
#[derive(Debug, Clone, Copy)]
pub struct Adversary {
    pub tolerance: Tolerance,
}

impl WithTolerance for Adversary {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        let tolerance = other(self.tolerance);
        Self { tolerance }
    }
}

impl LinearSolver<B> for Adversary {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        _: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let dim = b.dims()[1];
        let columns: Vec<f64> = (0..dim)
            .flat_map(|i| {
                let mut unit = vec![0.0; dim];
                unit[i] = 1.0;
                vector::read(a.apply(row(&unit)))
            })
            .collect();
        let b = DVector::from_vec(vector::read(b));
        let seed = (b[0].abs() * 1e6) as u64;
        let e = DVector::from_vec(numbers(dim, &mut generator(seed)));
        let e = &e * (self.tolerance.bound(b.norm()) / e.norm());
        let lu = DMatrix::from_vec(dim, dim, columns).lu();
        let q = lu.solve(&(&b + &e)).unwrap();
        let value = row(q.as_slice());
        a.apply_at_solution(value.clone());
        Solution {
            value,
            status: Status::Converged,
            steps: 1,
            residual: e.norm(),
        }
    }

    fn vectors(&self, dim: usize) -> usize {
        dim
    }
}

/// x as numbers.
pub fn entries(x: &Shift<Tape<B>>) -> Vec<f64> {
    x.x.val().into_data().iter::<f64>().collect()
}

/// Collects reports.
pub fn collect(reports: &mut Vec<Report>) -> impl FnMut(&Report) {
    |report| reports.push(report.clone())
}
