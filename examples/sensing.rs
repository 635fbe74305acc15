//! Robust matrix sensing: `min_U max_{y in the simplex} Σ ½ y_i L_i(U) − (y_i − 1/n)²`, `L_i =
//! (⟨A_i, UUᵀ⟩ − b_i)²`. From a start of rank one, descent of the maximum stays at a saddle;
//! perturbed GDmax leaves it.
//!
//! `cargo run --release --example sensing` (d = 50, about two minutes); with an argument, matrices
//! of that size.

use std::time::Instant;

use bilevel::algorithm::escape::{
    LanczosSettings, Minimax, MinimaxProblem, Perturbation, PerturbedGdMax, lowest_curvature,
};
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::{Module, Param};
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Distribution, Tensor, TensorData};
use bilevel::projection::{Projection, Simplex};
use bilevel::vector::read;
use bilevel::{ProjectedGradient, Task, Tolerance, Vector};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

type B = Cpu;

const RANK: usize = 3;
const STEPS: usize = 1500;

struct Sensing;

#[derive(Module, Debug)]
struct Matrix<B: Backend> {
    m: Param<Tensor<B, 2>>,
}

/// `A_i` as rows `[n, d²]`, `b`: `[n, 1]`.
#[derive(Module, Debug)]
struct Measured<B: Backend> {
    a: Tensor<B, 2>,
    b: Tensor<B, 2>,
}

impl MinimaxProblem for Sensing {
    type Upper<B: Backend> = Matrix<B>;
    type Lower<B: Backend> = Matrix<B>;
    type Batch<B: Backend> = Measured<B>;

    fn loss<B: Backend>(&self, u: &Matrix<B>, y: &Matrix<B>, data: &Measured<B>) -> Tensor<B, 1> {
        let u = u.m.val();
        let [d, _] = u.dims();
        let product = u.clone().matmul(u.transpose()).reshape([d * d, 1]);
        let losses = (data.a.clone().matmul(product) - data.b.clone()).square();
        let y = y.m.val().transpose();
        let [n, _] = y.dims();
        (y.clone() * losses * 0.5 - (y - 1.0 / n as f64).square()).sum()
    }
}

fn normal(shape: [usize; 2], variance: f64, rng: &mut ChaCha8Rng) -> Tensor<B, 2> {
    let normal = Distribution::Normal(0.0, variance.sqrt());
    let data = TensorData::random::<f64, _, _>(shape, normal, rng);
    Tensor::from_data(data, &Default::default())
}

fn module(m: Tensor<B, 2>) -> Matrix<Tape<B>> {
    Matrix {
        m: Param::from_tensor(Tensor::from_inner(m).require_grad()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Cpu::use_f64()?;
    let d: usize = std::env::args()
        .nth(1)
        .map_or(Ok(50), |text| text.parse())?;
    let n = 20 * d;
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let hidden = normal([d, RANK], 1.0 / d as f64, rng);
    let a = normal([n, d * d], 1.0 / d as f64, rng);
    let target = hidden.clone().matmul(hidden.transpose());
    let data = Measured {
        b: a.clone().matmul(target.clone().reshape([d * d, 1])),
        a,
    };
    let first = normal([d, 1], 1.0 / d as f64, rng);
    let start = Tensor::cat(
        vec![first, Tensor::zeros([d, RANK - 1], &Default::default())],
        1,
    );
    let even = || module(Tensor::full([1, n], 1.0 / n as f64, &Default::default()));

    println!("d = {d}, {n} measurements, rank {RANK}, {STEPS} steps");
    println!(
        "{:10} {:>10} {:>12} {:>9} {:>8}",
        "", "Φ", "error", "λ_min", "seconds"
    );
    for (name, epsilon) in [("GDmax", 1e-300), ("perturbed", 1e-2)] {
        let method = PerturbedGdMax {
            // f is quadratic in y with curvature 2: one projected step is the maximum.
            ascent: ProjectedGradient {
                projection: Simplex::new(1.0)?,
                step_size: 0.5,
                momentum: false,
                max_steps: 1,
                tolerance: Tolerance::Absolute(1e-12),
            },
            perturbation: Perturbation {
                step_size: 0.2,
                epsilon,
                radius: 0.01,
                scaled: false,
                window: 20,
                decrease: None,
            },
        };
        let problem = Minimax(Sensing);
        let clock = Instant::now();
        let mut objective = method.objective::<B, Sensing>(
            &problem,
            module(start.clone()),
            Task::new(data.clone(), even()),
        );
        let end = method.run(&mut objective, STEPS, 7, &mut |visit| {
            if visit.step % 250 == 0 {
                eprintln!(
                    "{name} {:4}: Φ = {:.3e}, ‖∇Φ‖ = {:.1e}",
                    visit.step, visit.loss, visit.gradient_norm
                );
            }
        });
        let seconds = clock.elapsed().as_secs_f64();
        let probe = LanczosSettings {
            steps: 40,
            radius: 1e-4,
        };
        let lowest = lowest_curvature::<B>(&mut objective, &end.x, probe, 0).value;
        let u = end.x.clone().reshape([d, RANK]);
        let error = (u.clone().matmul(u.transpose()) - target.clone())
            .square()
            .sum()
            / target.clone().square().sum();
        let y: Vector<B> = objective.y();
        let sum: f64 = read(y.clone()).iter().sum();
        assert!(
            (sum - 1.0).abs() < 1e-9
                && read(Simplex::new(1.0)?.project(y.clone()) - y)
                    .iter()
                    .all(|v| v.abs() < 1e-9)
        );
        println!(
            "{name:10} {:10.3e} {:12.3e} {lowest:9.4} {seconds:8.1}",
            end.loss,
            error.into_scalar()
        );
    }
    Ok(())
}
