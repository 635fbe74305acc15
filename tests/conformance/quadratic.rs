//! A problem whose hypergradient is a formula.

use bilevel::burn::module::{Module, Param};
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Tensor, TensorData};
use bilevel::{BilevelProblem, Point, Tape, Task};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub const SYSTEMS: usize = 2;
pub const DIM: usize = 6;
/// Eigenvalues of the lower Hessian lie between.
pub const MU: f64 = 1.0;
pub const L: f64 = 10.0;
/// `ρ`.
const RIDGE: f64 = 0.3;

/// ```text
/// g = Σ_r ½ y_rᵀ A_r y_r − (b_r + m_r ∘ x)ᵀ y_r        f = Σ_r ½ ‖y_r − c_r‖² + ½ ρ ‖x‖²
/// y_r* = A_r⁻¹ (b_r + m_r ∘ x)                          dF/dx = Σ_r m_r ∘ A_r⁻¹ (y_r* − c_r) + ρ x
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Quadratic;

#[derive(Module, Debug)]
pub struct Numbers<B: Backend> {
    pub rows: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
pub struct Data<B: Backend> {
    a: Tensor<B, 3>,
    b: Tensor<B, 2>,
    m: Tensor<B, 2>,
    c: Tensor<B, 2>,
}

impl BilevelProblem for Quadratic {
    type Upper<B: Backend> = Numbers<B>;
    type Lower<B: Backend> = Numbers<B>;
    type Batch<B: Backend> = Data<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &Numbers<B>,
        y: &Numbers<B>,
        data: &Data<B>,
    ) -> Tensor<B, 1> {
        let distance = (y.rows.val() - data.c.clone()).square().sum();
        (distance + x.rows.val().square().sum() * RIDGE) * 0.5
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Numbers<B>,
        y: &Numbers<B>,
        data: &Data<B>,
    ) -> Tensor<B, 1> {
        let y = y.rows.val();
        let right = data.b.clone() + data.m.clone() * x.rows.val();
        (y.clone() * (multiply(&data.a, y) * 0.5 - right)).sum()
    }

    fn systems<B: Backend>(&self, _: &Numbers<B>) -> usize {
        SYSTEMS
    }
}

/// `A_r v_r`
pub fn multiply<B: Backend>(a: &Tensor<B, 3>, v: Tensor<B, 2>) -> Tensor<B, 2> {
    a.clone().matmul(v.unsqueeze_dim(2)).squeeze_dim(2)
}

/// The problem's numbers, and a point that is no solution: `A_r = R diag(λ_r) R` with `R = I − 2 u
/// uᵀ`, `‖u‖ = 1`.
pub struct Instance {
    eigenvalues: Vec<Vec<f64>>,
    u: Vec<f64>,
    b: Vec<Vec<f64>>,
    m: Vec<Vec<f64>>,
    c: Vec<Vec<f64>>,
    x: Vec<f64>,
    y: Vec<Vec<f64>>,
}

impl Instance {
    pub fn new(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut numbers = || -> Vec<f64> {
            let number = |_| f64::from(rng.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
            (0..DIM).map(number).collect()
        };
        let eigenvalue = |i: usize| MU * (L / MU).powf(i as f64 / (DIM - 1) as f64);
        let one: Vec<f64> = (0..DIM).map(eigenvalue).collect();
        let other = one.iter().rev().copied().collect();
        let u = numbers();
        let length = u.iter().map(|u| u * u).sum::<f64>().sqrt();
        let mut rows = || (0..SYSTEMS).map(|_| numbers()).collect();
        let [b, m, c, y] = [(); 4].map(|()| rows());
        Self {
            eigenvalues: vec![one, other],
            u: u.iter().map(|u| u / length).collect(),
            b,
            m,
            c,
            y,
            x: numbers(),
        }
    }

    fn reflect(&self, v: &[f64]) -> Vec<f64> {
        let along = 2.0 * self.u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
        v.iter().zip(&self.u).map(|(v, u)| v - along * u).collect()
    }

    /// `h(A_r) v`
    pub fn function(&self, r: usize, h: impl Fn(f64) -> f64, v: &[f64]) -> Vec<f64> {
        let inside = self.reflect(v);
        let scaled = inside
            .iter()
            .zip(&self.eigenvalues[r])
            .map(|(v, l)| h(*l) * v);
        self.reflect(&scaled.collect::<Vec<_>>())
    }

    /// `A_r⁻¹ v`
    pub fn solve(&self, r: usize, v: &[f64]) -> Vec<f64> {
        self.function(r, f64::recip, v)
    }

    /// `b`, row by row.
    pub fn right(&self) -> &[Vec<f64>] {
        &self.b
    }

    /// `y*`, row by row.
    pub fn solution(&self) -> Vec<Vec<f64>> {
        let right = |r: usize| -> Vec<f64> {
            let mx = self.m[r].iter().zip(&self.x).map(|(m, x)| m * x);
            self.b[r].iter().zip(mx).map(|(b, mx)| b + mx).collect()
        };
        (0..SYSTEMS).map(|r| self.solve(r, &right(r))).collect()
    }

    /// `Σ_r m_r ∘ h(A_r) (y_r − c_r) + ρ x`: for `h(λ) = 1/λ` at `y*` the hypergradient.
    pub fn hypergradient(&self, y: &[Vec<f64>], h: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut sum: Vec<f64> = self.x.iter().map(|x| RIDGE * x).collect();
        for (r, y) in y.iter().enumerate() {
            let p: Vec<f64> = y.iter().zip(&self.c[r]).map(|(y, c)| y - c).collect();
            let q = self.function(r, &h, &p);
            for (sum, (m, q)) in sum.iter_mut().zip(self.m[r].iter().zip(q)) {
                *sum += m * q;
            }
        }
        sum
    }

    /// `A`: `[systems, dim, dim]`.
    pub fn matrices<B: Backend>(&self) -> Tensor<B, 3> {
        let column = |r: usize, j: usize| {
            let unit: Vec<f64> = (0..DIM).map(|i| f64::from(u8::from(i == j))).collect();
            self.function(r, |l| l, &unit)
        };
        let entries = (0..SYSTEMS).flat_map(|r| (0..DIM).flat_map(move |j| column(r, j)));
        let data = TensorData::new(entries.collect::<Vec<_>>(), [SYSTEMS, DIM, DIM]);
        Tensor::from_data(data, &Default::default())
    }

    pub fn data<B: Backend>(&self) -> Data<B> {
        Data {
            a: self.matrices(),
            b: tensor(&self.b),
            m: tensor(&self.m),
            c: tensor(&self.c),
        }
    }

    /// The upper variable, `[1, dim]`.
    pub fn x<B: Backend>(&self) -> Numbers<Tape<B>> {
        module(std::slice::from_ref(&self.x))
    }

    /// The lower variable where it is no solution.
    pub fn y<B: Backend>(&self) -> Numbers<Tape<B>> {
        module(&self.y)
    }

    /// A task that begins there.
    pub fn task<B: Backend>(&self) -> Task<B, Quadratic> {
        Task::new(self.data(), self.y())
    }
}

/// A problem at a point.
pub struct At<B: Backend> {
    pub x: Numbers<Tape<B>>,
    pub y: Numbers<Tape<B>>,
    pub batch: Data<B>,
}

impl<B: Backend> At<B> {
    pub fn point(&self) -> Point<'_, B, Quadratic> {
        Point {
            problem: &Quadratic,
            x: &self.x,
            y: &self.y,
            batch: &self.batch,
        }
    }
}

pub fn tensor<B: Backend>(rows: &[Vec<f64>]) -> Tensor<B, 2> {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    Tensor::from_data(data, &Default::default())
}

pub fn module<B: Backend>(rows: &[Vec<f64>]) -> Numbers<Tape<B>> {
    Numbers {
        rows: Param::from_tensor(Tensor::from_inner(tensor(rows))),
    }
}
