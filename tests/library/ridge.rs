//! Ridge regression with one learned weight per coefficient: the hypergradient has a closed form.
//!
//! ```text
//! g = ½‖M w − t‖² + ½ Σⱼ e^{xⱼ} wⱼ²      w* = (MᵀM + diag eˣ)⁻¹ Mᵀ t
//! f = ½‖C w − d‖²                        dF/dxⱼ = −qⱼ e^{xⱼ} w*ⱼ,   (MᵀM + diag eˣ) q = Cᵀ(C w* − d)
//! ```

use bilevel::backend::Tape;
use bilevel::burn::module::{Module, Param};
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Distribution, Tensor, TensorData};
use bilevel::burn::{self};
use bilevel::vector::read;
use bilevel::{
    Accelerated, BilevelProblem, CentralDifference, ConjugateGradient, DoubleBackward,
    Hypergradient, ImplicitDifferentiation, LowerSolver, Point, PowerIteration, SecondOrder,
    Status, Tolerance,
};
use double_precision::B;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const DIM: usize = 7;

#[derive(Module, Debug)]
struct Column<B: Backend> {
    value: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
struct Data<B: Backend> {
    m: Tensor<B, 2>,
    t: Tensor<B, 2>,
    c: Tensor<B, 2>,
    d: Tensor<B, 2>,
}

struct Ridge;

impl BilevelProblem for Ridge {
    type Upper<B: Backend> = Column<B>;
    type Lower<B: Backend> = Column<B>;
    type Batch<B: Backend> = Data<B>;

    fn upper_loss<B: Backend>(&self, _: &Column<B>, y: &Column<B>, data: &Data<B>) -> Tensor<B, 1> {
        let error = data.c.clone().matmul(y.value.val()) - data.d.clone();
        error.square().sum() * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Column<B>, y: &Column<B>, data: &Data<B>) -> Tensor<B, 1> {
        let w = y.value.val();
        let error = data.m.clone().matmul(w.clone()) - data.t.clone();
        (error.square().sum() + (x.value.val().exp() * w.square()).sum()) * 0.5
    }
}

/// Row-major dense matrices, enough of them for the closed form.
mod dense {
    pub type Matrix = Vec<Vec<f64>>;

    pub fn transpose(a: &Matrix) -> Matrix {
        (0..a[0].len())
            .map(|j| a.iter().map(|row| row[j]).collect())
            .collect()
    }

    pub fn times(a: &Matrix, v: &[f64]) -> Vec<f64> {
        a.iter()
            .map(|row| row.iter().zip(v).map(|(a, v)| a * v).sum())
            .collect()
    }

    /// `A⁻¹ b` by elimination with pivots.
    pub fn solve(mut a: Matrix, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()));
            let pivot = pivot.expect("rows are left");
            a.swap(k, pivot);
            b.swap(k, pivot);
            for i in k + 1..n {
                let factor = a[i][k] / a[k][k];
                let row = a[k].clone();
                a[i].iter_mut()
                    .zip(&row)
                    .for_each(|(a, k)| *a -= factor * k);
                b[i] -= factor * b[k];
            }
        }
        for k in (0..n).rev() {
            let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
            b[k] = (b[k] - known) / a[k][k];
        }
        b
    }
}

fn matrix(t: &Tensor<B, 2>) -> dense::Matrix {
    let [_, columns] = t.dims();
    read(t.clone())
        .chunks(columns)
        .map(<[f64]>::to_vec)
        .collect()
}

/// `w*` and `dF/dx` by dense algebra.
fn closed_form(x: &[f64], data: &Data<B>) -> (Vec<f64>, Vec<f64>) {
    let [m, c] = [&data.m, &data.c].map(matrix);
    let [t, d] = [&data.t, &data.d].map(|column| read(column.clone()));
    let mt = dense::transpose(&m);
    let mut a: dense::Matrix = mt.iter().map(|row| dense::times(&mt, row)).collect();
    for (j, x) in x.iter().enumerate() {
        a[j][j] += x.exp();
    }
    let w = dense::solve(a.clone(), dense::times(&mt, &t));
    let error: Vec<f64> = dense::times(&c, &w)
        .iter()
        .zip(&d)
        .map(|(cw, d)| cw - d)
        .collect();
    let q = dense::solve(a, dense::times(&dense::transpose(&c), &error));
    let gradient = (0..DIM).map(|j| -q[j] * x[j].exp() * w[j]).collect();
    (w, gradient)
}

fn relative_error(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// The relative errors of `w*` and of the hypergradient.
fn errors<D: SecondOrder<B, Ridge>>(second_order: D) -> (f64, f64) {
    let device = Default::default();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut normal = |shape: [usize; 2]| {
        let distribution = Distribution::Normal(0.0, 1.0);
        let data = TensorData::random::<f64, _, _>(shape, distribution, &mut rng);
        Tensor::<B, 2>::from_data(data, &device)
    };
    let data = Data {
        m: normal([9, DIM]),
        t: normal([9, 1]),
        c: normal([5, DIM]),
        d: normal([5, 1]),
    };
    let column = |value| Column {
        value: Param::from_tensor(Tensor::from_inner(value)),
    };
    let x: Column<Tape<B>> = column(normal([DIM, 1]) * 0.5);
    let y: Column<Tape<B>> = column(Tensor::zeros([DIM, 1], &device));
    let (w, gradient) = closed_form(&read(x.value.val().inner()), &data);

    let lower = Accelerated {
        smoothness: PowerIteration {
            steps: 30,
            margin: 1.1,
        },
        strong_convexity: 0.0,
        max_steps: 5000,
        tolerance: Tolerance::Absolute(1e-12),
    };
    let solver = ConjugateGradient {
        max_steps: 50,
        tolerance: Tolerance::Relative(1e-13),
    };
    let start = Point {
        problem: &Ridge,
        x: &x,
        y: &y,
        batch: &data,
    };
    let y = lower.solve(start);
    assert_eq!(y.status, Status::Converged);
    let estimator = ImplicitDifferentiation {
        second_order,
        solver,
    };
    let estimate = estimator.estimate(
        Point {
            y: &y.value,
            ..start
        },
        None,
        0,
    );
    (
        relative_error(&read(y.value.value.val().inner()), &w),
        relative_error(&read(estimate.gradient), &gradient),
    )
}

#[test]
fn the_implicit_hypergradient_is_the_closed_form() {
    let (solution, hypergradient) = errors(DoubleBackward);
    assert!(solution < 1e-11, "{solution:.1e}");
    assert!(hypergradient < 1e-9, "{hypergradient:.1e}");
}

#[test]
fn differences_get_as_close_as_their_rounding_lets_them() {
    let (_, hypergradient) = errors(CentralDifference::for_precision_of::<B>(&Default::default()));
    assert!(hypergradient < 1e-7, "{hypergradient:.1e}");
}
