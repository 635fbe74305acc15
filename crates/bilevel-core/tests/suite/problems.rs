//! Problems whose answers are known.

use bilevel_core::parameters::pack;
use bilevel_core::{BilevelProblem, Differentiable, Phase, Point, Solution, Tape};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::matrices::{Blocks, Symmetric};
use crate::{B, generator, minus, normal, rows, vector};

/// A problem and a point of it.
pub struct Setup<P: Differentiable<B>> {
    pub problem: P,
    pub x: P::Upper<Tape<B>>,
    pub y: P::Lower<Tape<B>>,
    pub batch: P::Batch<B>,
}

impl<P: Differentiable<B>> Setup<P> {
    pub fn point(&self) -> Point<'_, B, P> {
        let Self {
            problem,
            x,
            y,
            batch,
        } = self;
        Point {
            problem,
            x,
            y,
            batch,
        }
    }

    /// A lower solution, row by row.
    pub fn rows(&self, solution: &Solution<P::Lower<Tape<B>>>) -> Vec<Vec<f64>> {
        rows(&pack(&solution.value, self.point().systems()))
    }
}

/// Quadratic at both levels, one system a row.
///
/// ```text
/// g = Σ_r ½ y_rᵀ A_r y_r − (b_r + x)ᵀ y_r        f = Σ_r ½ ‖y_r − c_r‖² + ½ ρ ‖x‖²
/// y_r* = A_r⁻¹ (b_r + x)                         dF/dx = Σ_r A_r⁻¹ (y_r* − c_r) + ρ x
/// ```
#[derive(Debug, Clone)]
pub struct Quadratic {
    /// ρ.
    pub ridge: f64,
}

#[derive(Module, Debug)]
pub struct Shift<B: Backend> {
    pub x: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug)]
pub struct Rows<B: Backend> {
    pub y: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
pub struct Coefficients<B: Backend> {
    pub a: Tensor<B, 3>,
    pub b: Tensor<B, 2>,
    pub c: Tensor<B, 2>,
}

impl BilevelProblem for Quadratic {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Rows<B>;
    type Batch<B: Backend> = Coefficients<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &Shift<B>,
        y: &Rows<B>,
        data: &Coefficients<B>,
    ) -> Tensor<B, 1> {
        let distance = (y.y.val() - data.c.clone()).square().sum();
        (distance + x.x.val().square().sum() * self.ridge) * 0.5
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Shift<B>,
        y: &Rows<B>,
        data: &Coefficients<B>,
    ) -> Tensor<B, 1> {
        let y = y.y.val();
        let [systems, dim] = y.dims();
        let column = y.clone().reshape([systems, dim, 1]);
        let ay = data.a.clone().matmul(column).reshape([systems, dim]);
        let linear = data.b.clone() + x.x.val().unsqueeze::<2>();
        (y * (ay * 0.5 - linear)).sum()
    }

    fn systems<B: Backend>(&self, y: &Rows<B>) -> usize {
        y.y.dims()[0]
    }
}

impl Setup<Quadratic> {
    /// With `x = 0`, `c = 0` and the lower start `start`.
    pub fn quadratic(matrices: &[Symmetric], b: &[Vec<f64>], start: &[Vec<f64>]) -> Self {
        let b = vector(b);
        Self {
            problem: Quadratic { ridge: 0.0 },
            x: shift(&vec![0.0; matrices[0].dim()]),
            y: Rows {
                y: Param::from_tensor(Tensor::from_inner(vector(start))),
            },
            batch: Coefficients {
                a: Blocks::new(matrices).0,
                c: b.zeros_like(),
                b,
            },
        }
    }
}

/// `x` as an upper variable of [`Quadratic`].
pub fn shift(x: &[f64]) -> Shift<Tape<B>> {
    Shift {
        x: Param::from_data(TensorData::from(x), &Default::default()),
    }
}

/// `A⁻¹ (b + x)` of each row.
pub fn minimisers(matrices: &[Symmetric], b: &[Vec<f64>], x: &[f64]) -> Vec<Vec<f64>> {
    let negative: Vec<f64> = x.iter().map(|x| -x).collect();
    let pairs = matrices.iter().zip(b);
    pairs.map(|(a, b)| a.solve(&minus(b, &negative))).collect()
}

/// No polynomial in sight: several parameters on both sides, several systems, all of them coupled
/// within a system.
///
/// ```text
/// g = Σ ¼ e^s a⁴ + Σ log(1 + e^{a M}) sin(Σ b) + ½ Σ log(1 + b²) + ½ ‖a − t‖²
/// ```
#[derive(Debug)]
pub struct Curved;

#[derive(Module, Debug)]
pub struct CurvedUpper<B: Backend> {
    /// s: `[3]`.
    pub scale: Param<Tensor<B, 1>>,
    /// M: `[3, 2]`.
    pub mix: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
pub struct CurvedLower<B: Backend> {
    /// `[systems, 3]`.
    pub a: Param<Tensor<B, 2>>,
    /// `[systems, 2, 2]`.
    pub b: Param<Tensor<B, 3>>,
}

#[derive(Module, Debug)]
pub struct Target<B: Backend> {
    /// `[systems, 3]`.
    pub t: Tensor<B, 2>,
}

impl BilevelProblem for Curved {
    type Upper<B: Backend> = CurvedUpper<B>;
    type Lower<B: Backend> = CurvedLower<B>;
    type Batch<B: Backend> = Target<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &CurvedUpper<B>,
        y: &CurvedLower<B>,
        _: &Target<B>,
    ) -> Tensor<B, 1> {
        (y.a.val().sin().sum() + y.b.val().square().sum()) * x.scale.val().sum()
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &CurvedUpper<B>,
        y: &CurvedLower<B>,
        batch: &Target<B>,
    ) -> Tensor<B, 1> {
        let (a, b) = (y.a.val(), y.b.val());
        let [systems, ..] = a.dims();
        let aa = a.clone() * a.clone();
        let quartic = aa.clone() * aa * x.scale.val().exp().unsqueeze::<2>() * 0.25;
        let softplus = (a.clone().matmul(x.mix.val()).exp() + 1.0).log();
        let coupling = softplus * b.clone().sum_dim(2).reshape([systems, 2]).sin();
        let spread = (b.clone() * b + 1.0).log().sum() * 0.5;
        let distance = (a - batch.t.clone()).square().sum() * 0.5;
        quartic.sum() + coupling.sum() + spread + distance
    }

    fn systems<B: Backend>(&self, y: &CurvedLower<B>) -> usize {
        y.a.dims()[0]
    }
}

/// Random numbers everywhere.
pub fn curved(systems: usize, seed: u64) -> Setup<Curved> {
    let rng = &mut generator(seed);
    Setup {
        problem: Curved,
        x: CurvedUpper {
            scale: Param::from_tensor(normal([3], rng)),
            mix: Param::from_tensor(normal([3, 2], rng)),
        },
        y: CurvedLower {
            a: Param::from_tensor(normal([systems, 3], rng)),
            b: Param::from_tensor(normal([systems, 2, 2], rng)),
        },
        batch: Target {
            t: normal([systems, 3], rng),
        },
    }
}

/// Sound while `b` (and `y`) is positive. Descent on `f` lowers `b`, and `√b` then breaks the stage
/// of `breaks`.
///
/// ```text
/// g = ½ (y − a)²        f = ½ (y − 1)² + b
/// ```
#[derive(Debug)]
pub struct Fragile {
    pub breaks: Phase,
}

#[derive(Module, Debug)]
pub struct Pair<B: Backend> {
    pub a: Param<Tensor<B, 1>>,
    pub b: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug)]
pub struct Nothing<B: Backend> {
    unused: Tensor<B, 1>,
}

impl<B: Backend> Nothing<B> {
    pub fn new() -> Self {
        Self {
            unused: Tensor::zeros([1], &Default::default()),
        }
    }
}

impl BilevelProblem for Fragile {
    type Upper<B: Backend> = Pair<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let f = (y.x.val() - 1.0).square() * 0.5 + x.b.val();
        match self.breaks {
            Phase::UpperLoss | Phase::Hypergradient => f + x.b.val().sqrt() * 0.0,
            // Its value is there at zero, its slope is not.
            Phase::UpperGradient => f + (x.b.val() * y.x.val()).sqrt() * 0.0,
            Phase::Lower | Phase::Adjoint => f,
        }
    }

    fn lower_loss<B: Backend>(&self, x: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let y = y.x.val();
        let g = (y.clone() - x.a.val()).square() * 0.5;
        match self.breaks {
            Phase::Lower => g + (x.b.val() * y).sqrt() * 0.0,
            // Its slope √(b y) is there at zero, the slope's slope is not.
            Phase::Adjoint => g + (x.b.val() * y).powf_scalar(1.5) * 0.0,
            Phase::UpperLoss | Phase::UpperGradient | Phase::Hypergradient => g,
        }
    }
}
