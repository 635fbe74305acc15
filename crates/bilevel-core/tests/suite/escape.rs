//! Leaving saddle points: closed forms of Φ whose saddles and minima are known.

use std::cell::Cell;

use bilevel_core::algorithm::escape::{
    Escape, EscapeEnd, Ineon, IneonSearch, LanczosSettings, Minimax, MinimaxProblem, Objective,
    Perturbation, PerturbedAid, PerturbedGdMax, Prgda, ReducedObjective, ValueAndGradient, in_ball,
    lowest_curvature,
};
use bilevel_core::vector::{norm, read};
use bilevel_core::{
    BilevelProblem, Cause, GradientDescent, PartialGradient, Phase, Tape, Task, Tolerance, Vector,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use double_precision::Number;
use rand_chacha::rand_core::Rng;

use crate::{B, generator, normal, row};

#[derive(Module, Debug)]
struct Matrix<B: Backend> {
    m: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
struct Target<B: Backend> {
    m: Tensor<B, 2>,
}

fn matrix(m: Tensor<B, 2>) -> Matrix<Tape<B>> {
    Matrix {
        m: Param::from_tensor(Tensor::from_inner(m).require_grad()),
    }
}

fn nothing() -> Target<B> {
    Target {
        m: Tensor::zeros([1, 1], &Default::default()),
    }
}

/// `g = ½ (y + x₂/2)²,  f = ½ x₁² + x₂ y + ¼ x₂⁴ + c x₂²`:  `Φ = ½ x₁² + (c − ½) x₂² + ¼ x₂⁴`.
///
/// For `c = 0` a saddle at 0 and minima `(0, ±1)` of −¼; for `c = 1` a minimum at 0.
#[derive(Debug)]
struct Hidden {
    c: f64,
}

fn entries<B: Backend>(x: &Matrix<B>) -> [Tensor<B, 2>; 2] {
    [0, 1].map(|i| x.m.val().narrow(1, i, 1))
}

impl BilevelProblem for Hidden {
    type Upper<B: Backend> = Matrix<B>;
    type Lower<B: Backend> = Matrix<B>;
    type Batch<B: Backend> = Target<B>;

    fn upper_loss<B: Backend>(&self, x: &Matrix<B>, y: &Matrix<B>, _: &Target<B>) -> Tensor<B, 1> {
        let [x1, x2] = entries(x);
        let own = x2.clone().powi_scalar(4) * 0.25 + x2.clone().square() * self.c;
        (x1.square() * 0.5 + x2 * y.m.val() + own).sum()
    }

    fn lower_loss<B: Backend>(&self, x: &Matrix<B>, y: &Matrix<B>, _: &Target<B>) -> Tensor<B, 1> {
        let [_, x2] = entries(x);
        (y.m.val() + x2 * 0.5).square().sum() * 0.5
    }
}

const PERTURBATION: Perturbation = Perturbation {
    step_size: 0.1,
    epsilon: 1e-4,
    radius: 1e-3,
    scaled: false,
    window: 50,
    decrease: None,
};

fn aid(perturbation: Perturbation) -> PerturbedAid {
    PerturbedAid {
        lower_step_size: 1.0,
        lower_steps: 3,
        linear_steps: 2,
        perturbation,
    }
}

/// Perturbed AID on [`Hidden`] from `(1, x₂)`; with the step at which `|x₂|` passes a half.
fn escape(
    c: f64,
    x2: f64,
    perturbation: Perturbation,
    steps: usize,
    seed: u64,
) -> (Escape<B>, usize) {
    let (problem, batch, method) = (Hidden { c }, nothing(), aid(perturbation));
    let (x, y) = (matrix(row(&[1.0, x2])), matrix(row(&[0.0])));
    let mut objective = method.objective(&problem, x, Task::new(batch, y));
    let passed = Cell::new(usize::MAX);
    let end = method.run(&mut objective, steps, seed, &mut |visit| {
        if read(visit.x.clone())[1].abs() > 0.5 && passed.get() == usize::MAX {
            passed.set(visit.step);
        }
    });
    (end, passed.get())
}

#[test]
fn descent_stays_at_a_saddle_and_a_displacement_leaves_it() {
    let never = Perturbation {
        epsilon: 1e-300,
        ..PERTURBATION
    };
    let (stuck, _) = escape(0.0, 0.0, never, 2000, 0);
    let x = read(stuck.x.clone());
    assert!(x[0].abs() < 1e-9 && x[1].to_bits() == 0, "{x:?}");
    let (problem, batch) = (Hidden { c: 0.0 }, nothing());
    let mut objective = aid(PERTURBATION).objective(
        &problem,
        matrix(row(&[1.0, 0.0])),
        Task::new(batch, matrix(row(&[0.0]))),
    );
    let probe = LanczosSettings {
        steps: 2,
        radius: 1e-3,
    };
    let saddle = lowest_curvature(&mut objective, &stuck.x, probe, 0);
    assert!((saddle.value + 1.0).abs() < 1e-5, "{}", saddle.value);
    assert!(!saddle.is_local_minimum(0.0, 1e-4, 0.1));

    let mut signs = Vec::new();
    for seed in 0..5 {
        let (end, passed) = escape(0.0, 0.0, PERTURBATION, 2000, seed);
        println!(
            "seed {seed}: |x2| > 0.5 at step {passed}, {} displacements",
            end.displacements
        );
        // 89 steps to the first small gradient, then growth by 1.1 a step from about 1e-3.
        assert!((140..200).contains(&passed), "{passed}");
        let x = read(end.x.clone());
        assert!(
            x[0].abs() < 1e-3 && (x[1].abs() - 1.0).abs() < 1e-3,
            "{x:?}"
        );
        assert!((end.loss + 0.25).abs() < 1e-6);
        signs.push(x[1] > 0.0);
        let minimum = lowest_curvature(&mut objective, &end.x, probe, 0);
        assert!(
            minimum.is_local_minimum(end.gradient_norm, 1e-2, 0.0),
            "{}",
            minimum.value
        );
    }
    assert!(
        signs.contains(&true) && signs.contains(&false),
        "both minima are found"
    );
}

/// Without the implicit term descent ends at `1/√2`, where Φ has no minimum.
#[test]
fn a_missing_implicit_term_is_seen() {
    let (problem, batch) = (Hidden { c: 0.0 }, nothing());
    let lower = GradientDescent {
        step_size: 1.0,
        max_steps: 3,
        tolerance: Tolerance::Absolute(0.0),
    };
    let (x, y) = (matrix(row(&[1.0, 0.1])), matrix(row(&[0.0])));
    let mut objective =
        ReducedObjective::new(&problem, (lower, PartialGradient), x, Task::new(batch, y));
    let x = objective.first();
    let end = PERTURBATION.run(&mut objective, x, 1000, 0, &mut |_| ());
    assert!((read(end.x)[1] - 0.5f64.sqrt()).abs() < 1e-3);
}

/// `ln(0.5/s)/ln(1 + η)` steps from an offset s.
#[test]
fn the_time_of_an_escape() {
    let never = Perturbation {
        epsilon: 1e-300,
        ..PERTURBATION
    };
    for s in [1e-2, 1e-4, 1e-6] {
        let (_, passed) = escape(0.0, s, never, 2000, 0);
        let expected = (0.5 / s).ln() / 1.1f64.ln();
        // The quartic term slows the last steps.
        let late = passed as f64 - expected;
        assert!((0.0..4.0).contains(&late), "{passed}, not {expected}");
    }
}

/// Around a minimum displacements die out, and there are no more than the window allows; with a
/// decrease to be reached the first one ends the run.
#[test]
fn a_minimum_is_not_left() {
    let (end, _) = escape(1.0, 0.5, PERTURBATION, 2000, 1);
    assert!(norm(end.x.clone()).number() < 2e-3);
    assert!(end.displacements <= 2000 / 50);
    let judged = Perturbation {
        decrease: Some(1e-6),
        ..PERTURBATION
    };
    let (end, _) = escape(1.0, 0.5, judged, 2000, 1);
    assert_eq!(end.end, EscapeEnd::LocalMinimum);
    assert_eq!(end.displacements, 1);
    let (end, _) = escape(0.0, 0.0, judged, 2000, 1);
    assert_eq!(end.end, EscapeEnd::LocalMinimum);
    assert!((end.loss + 0.25).abs() < 1e-6, "{}", end.loss);
}

/// `g = ½ ‖Y − X‖²,  f = ¼ ‖XYᵀ − M‖²,  M = 2 q₁q₁ᵀ + q₂q₂ᵀ`:  `Φ = ¼ ‖XXᵀ − M‖²`, a saddle where a
/// column is zero.
#[test]
fn a_matrix_is_factored() {
    #[derive(Debug)]
    struct Factors;
    impl BilevelProblem for Factors {
        type Upper<B: Backend> = Matrix<B>;
        type Lower<B: Backend> = Matrix<B>;
        type Batch<B: Backend> = Target<B>;
        fn upper_loss<B: Backend>(
            &self,
            x: &Matrix<B>,
            y: &Matrix<B>,
            target: &Target<B>,
        ) -> Tensor<B, 1> {
            let product = x.m.val().matmul(y.m.val().transpose());
            (product - target.m.clone()).square().sum() * 0.25
        }
        fn lower_loss<B: Backend>(
            &self,
            x: &Matrix<B>,
            y: &Matrix<B>,
            _: &Target<B>,
        ) -> Tensor<B, 1> {
            (y.m.val() - x.m.val()).square().sum() * 0.5
        }
    }
    let rng = &mut generator(11);
    let a: Tensor<B, 2> = normal([10, 1], rng);
    let q1 = a.clone() / a.square().sum().sqrt().reshape([1, 1]);
    let b: Tensor<B, 2> = normal([10, 1], rng);
    let b = b.clone() - q1.clone().matmul(q1.clone().transpose().matmul(b));
    let q2 = b.clone() / b.square().sum().sqrt().reshape([1, 1]);
    let outer = |q: &Tensor<B, 2>| q.clone().matmul(q.clone().transpose());
    let batch = Target {
        m: outer(&q1) * 2.0 + outer(&q2),
    };
    let start = Tensor::cat(vec![q1.clone() * 1.2, q1.zeros_like()], 1);
    let run = |epsilon: f64, steps: usize, seed: u64| {
        let method = PerturbedAid {
            lower_step_size: 0.5,
            lower_steps: 3,
            linear_steps: 2,
            perturbation: Perturbation {
                step_size: 0.05,
                epsilon,
                window: 100,
                ..PERTURBATION
            },
        };
        let (x, y) = (matrix(start.clone()), matrix(start.clone()));
        let mut objective = method.objective(&Factors, x, Task::new(batch.clone(), y));
        let passed = Cell::new(usize::MAX);
        let end = method.run(&mut objective, steps, seed, &mut |visit| {
            if visit.loss < 0.01 {
                passed.set(passed.get().min(visit.step));
            }
        });
        (end, passed.get())
    };
    let (stuck, _) = run(1e-300, 1000, 0);
    assert!((stuck.loss - 0.25).abs() < 1e-12, "{}", stuck.loss);
    let second = stuck.x.reshape([10, 2]).narrow(1, 1, 1);
    assert!(
        read(second).iter().all(|v| v.to_bits() << 1 == 0),
        "the second column stays zero"
    );
    for seed in 0..5 {
        let (end, passed) = run(1e-3, 1000, seed);
        println!(
            "seed {seed}: Φ < 0.01 at step {passed}, ends at {:.2e}",
            end.loss
        );
        assert!((150..320).contains(&passed), "{passed}");
        assert!(end.loss < 1e-6, "{}", end.loss);
    }
}

/// `f = ½ x₁² − x₂² + ¼ x₂⁴ + x₂ y − ½ y²`:  `y* = x₂` and the Φ of [`Hidden`].
#[test]
fn a_minimax_saddle_is_left() {
    #[derive(Debug)]
    struct Game;
    impl MinimaxProblem for Game {
        type Upper<B: Backend> = Matrix<B>;
        type Lower<B: Backend> = Matrix<B>;
        type Batch<B: Backend> = Target<B>;
        fn loss<B: Backend>(&self, x: &Matrix<B>, y: &Matrix<B>, _: &Target<B>) -> Tensor<B, 1> {
            let [x1, x2] = entries(x);
            let y = y.m.val();
            let own = x2.clone().powi_scalar(4) * 0.25 - x2.clone().square();
            (x1.square() * 0.5 + own + x2 * y.clone() - y.square() * 0.5).sum()
        }
    }
    let (problem, batch) = (Minimax(Game), nothing());
    let run = |epsilon: f64, seed: u64| {
        let method = PerturbedGdMax {
            ascent: GradientDescent {
                step_size: 0.5,
                max_steps: 10,
                tolerance: Tolerance::Absolute(0.0),
            },
            perturbation: Perturbation {
                epsilon,
                ..PERTURBATION
            },
        };
        let (x, y) = (matrix(row(&[1.0, 0.0])), matrix(row(&[0.0])));
        let mut objective = method.objective::<B, Game>(&problem, x, Task::new(batch.clone(), y));
        let end = method.run(&mut objective, 1500, seed, &mut |_| ());
        (read(end.x), read(objective.y())[0], end.loss)
    };
    let (x, y, _) = run(1e-300, 0);
    assert!(
        x[1].to_bits() << 1 == 0 && y.to_bits() << 1 == 0,
        "{x:?}, {y}"
    );
    for seed in 0..3 {
        let (x, y, loss) = run(1e-4, seed);
        assert!(
            (x[1].abs() - 1.0).abs() < 2e-3 && (y - x[1]).abs() < 2e-3,
            "{x:?}, {y}"
        );
        assert!((loss + 0.25).abs() < 1e-5);
    }
}

/// PRGDA's way out of the same saddle, and its verdict at a minimum.
#[test]
fn prgda_leaves_a_saddle_and_not_a_minimum() {
    let method = Prgda {
        step_size: 0.01,
        epsilon: 0.011,
        radius: 1e-3,
        escape_step: 0.1,
        movement: 4e-6,
        window: 200,
    };
    let run = |c: f64, seed: u64| {
        let mut objective = |x: &Vector<B>, _: u64| {
            let v = read(x.clone());
            let loss = 0.5 * v[0] * v[0] + (c - 0.5) * v[1] * v[1] + 0.25 * v[1].powi(4);
            let slope = [v[0], (2.0 * c - 1.0) * v[1] + v[1].powi(3)];
            (loss, row(&slope))
        };
        method.run(&mut objective, row(&[1.0, 0.0]), 3000, seed, &mut |_| ())
    };
    for seed in 0..3 {
        let end = run(0.0, seed);
        assert_eq!(end.end, EscapeEnd::LocalMinimum);
        assert!((end.loss + 0.25).abs() < 1e-3, "{}", end.loss);
        let end = run(1.0, seed);
        assert_eq!(end.end, EscapeEnd::LocalMinimum);
        assert!(end.loss < 1e-3 && end.displacements == 1);
    }
}

const SEARCH: IneonSearch = IneonSearch {
    step_size: 0.5,
    steps: 300,
    radius: 1e-3,
    limit: 0.1,
    decrease: 1.8e-4,
};

const INEON: Ineon = Ineon {
    step_size: 0.1,
    epsilon: 1e-4,
    length: 0.1,
    search: IneonSearch {
        step_size: 0.3,
        decrease: 1e-4,
        ..SEARCH
    },
    attempts: 1,
    window: 0,
};

/// `Φ = ½ Σ h_i x_i²`, with noise that `noise(draw)` adds to the gradient.
fn bowl(
    h: [f64; 3],
    mut noise: impl FnMut(u64) -> [f64; 3],
) -> impl FnMut(&Vector<B>, u64) -> (f64, Vector<B>) {
    move |x, draw| {
        let v = read(x.clone());
        let loss = v.iter().zip(h).map(|(v, h)| 0.5 * h * v * v).sum();
        let noise = noise(draw);
        let slope: Vec<f64> = (0..3).map(|i| h[i] * v[i] + noise[i]).collect();
        (loss, row(&slope))
    }
}

fn quiet(_: u64) -> [f64; 3] {
    [0.0; 3]
}

/// Of a seed: the same for the same one.
fn of_seed(seed: u64) -> [f64; 3] {
    let rng = &mut generator(seed);
    [(); 3].map(|()| f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5)
}

fn direction(objective: &mut dyn Objective<B>, draw: u64) -> Option<Vec<f64>> {
    let x = row(&[0.0; 3]);
    let here: ValueAndGradient<B> = objective.evaluate(&x, draw);
    let found = SEARCH.direction(objective, &x, &here, draw);
    found.expect("finite").map(read)
}

#[test]
fn neon_finds_negative_curvature_and_none_where_there_is_none() {
    let rayleigh = |u: &[f64]| u[0] * u[0] + 0.5 * u[1] * u[1] - 0.1 * u[2] * u[2];
    for draw in 0..5 {
        let u = direction(&mut bowl([1.0, 0.5, -0.1], quiet), draw).expect("there is one");
        assert!((rayleigh(&u) + 0.1).abs() < 1e-9, "{u:?}");
        for flat in [[1.0, 0.5, 0.2], [1.0, 0.5, 0.0]] {
            assert_eq!(direction(&mut bowl(flat, quiet), draw), None);
        }
        // Noise that both gradients share cancels, however large; noise of each alone does not.
        let loud = |draw: u64| of_seed(draw).map(|v| 100.0 * v);
        let mut shared = bowl([1.0, 0.5, -0.1], loud);
        let x = row(&[0.0; 3]);
        let here = shared.evaluate(&x, draw);
        // The value does not see the noise, the linear part must not either.
        let here = ValueAndGradient {
            gradient: here.gradient,
            ..here
        };
        let mut consistent = |x: &Vector<B>, draw: u64| {
            let (loss, gradient) = bowl([1.0, 0.5, -0.1], loud)(x, draw);
            let tilt: f64 = read(x.clone())
                .iter()
                .zip(loud(draw))
                .map(|(x, n)| x * n)
                .sum();
            (loss + tilt, gradient)
        };
        let u = SEARCH
            .direction(&mut consistent, &x, &here, draw)
            .expect("finite")
            .map(read)
            .expect("it cancels");
        assert!((rayleigh(&u) + 0.1).abs() < 1e-6, "{u:?}");
        let mut calls = 0;
        let mut alone = bowl([1.0, 0.5, 0.2], |_| {
            calls += 1;
            of_seed(1000 * draw + calls)
        });
        let here = alone.evaluate(&x, draw);
        let wrong = SEARCH
            .direction(&mut alone, &x, &here, draw)
            .expect("finite");
        // No curvature is negative here: whatever independent noise finds is wrong, and it leaves the ball at once.
        assert!(wrong.is_none_or(|u| rayleigh(&read(u)) > 0.0));
    }
}

#[test]
fn ineon_goes_from_a_saddle_to_a_minimum() {
    let mut objective = |x: &Vector<B>, _: u64| {
        let v = read(x.clone());
        let loss = 0.5 * v[0] * v[0] - 0.5 * v[1] * v[1] + 0.25 * v[1].powi(4);
        (loss, row(&[v[0], v[1].powi(3) - v[1]]))
    };
    let end = INEON.run(&mut objective, row(&[1.0, 0.0]), 2000, 3, &mut |_| ());
    assert_eq!(end.end, EscapeEnd::LocalMinimum);
    assert!((end.loss + 0.25).abs() < 1e-6, "{}", end.loss);
    assert_eq!(
        end.displacements, 2,
        "one search at the saddle, one at the minimum"
    );
}

/// Where a gradient is small but no saddle is near, a search finds nothing: the paper's method
/// ends, one of more attempts goes on.
#[test]
fn ineon_searches_again_further_on() {
    let method = Ineon {
        epsilon: 2.0,
        window: 30,
        ..INEON
    };
    // Curved up along b at a = 1, a saddle at 0, minima of -1/4 at (0, ±1).
    let mut objective = |x: &Vector<B>, _: u64| {
        let v = read(x.clone());
        let (a, b) = (v[0], v[1]);
        let c = 4.0 * a * a - 1.0;
        let loss = 0.5 * a * a + 0.5 * c * b * b + 0.25 * b.powi(4);
        (loss, row(&[a + 4.0 * a * b * b, c * b + b.powi(3)]))
    };
    let end = method.run(&mut objective, row(&[1.0, 0.0]), 2000, 3, &mut |_| ());
    assert_eq!((end.end, end.steps), (EscapeEnd::LocalMinimum, 0));
    let patient = Ineon {
        attempts: 3,
        ..method
    };
    let end = patient.run(&mut objective, row(&[1.0, 0.0]), 2000, 3, &mut |_| ());
    assert_eq!(end.end, EscapeEnd::LocalMinimum);
    assert!((end.loss + 0.25).abs() < 1e-5, "{}", end.loss);
}

/// With D lower steps warm starts keep `‖y − y*‖` at `q/(1 − q) ‖x₊ − x‖`, `q = (1 − τμ)^D`; cold
/// ones do not.
#[test]
fn warm_starts_follow() {
    /// `g = ½ Σ h (y − x)²`, `f = ½ ‖y − c‖²`.
    #[derive(Debug)]
    struct Following;
    impl BilevelProblem for Following {
        type Upper<B: Backend> = Matrix<B>;
        type Lower<B: Backend> = Matrix<B>;
        type Batch<B: Backend> = Target<B>;
        fn upper_loss<B: Backend>(
            &self,
            _: &Matrix<B>,
            y: &Matrix<B>,
            target: &Target<B>,
        ) -> Tensor<B, 1> {
            (y.m.val() - target.m.clone()).square().sum() * 0.5
        }
        fn lower_loss<B: Backend>(
            &self,
            x: &Matrix<B>,
            y: &Matrix<B>,
            target: &Target<B>,
        ) -> Tensor<B, 1> {
            let h = Tensor::<B, 1>::from_floats([1.0, 0.4, 0.2], &target.m.device()).unsqueeze();
            ((y.m.val() - x.m.val()).square() * h).sum() * 0.5
        }
    }
    let batch = Target {
        m: row(&[3.0, -2.0, 1.0]),
    };
    let method = aid(PERTURBATION);
    let zero = || matrix(row(&[0.0; 3]));
    let (q, eta) = (0.8f64.powi(3), 0.1);
    let mut warm = method.objective(&Following, zero(), Task::new(batch.clone(), zero()));
    let mut x = warm.first();
    let mut bound = 0.0;
    for _ in 0..60 {
        let here = warm.evaluate(&x, 0);
        let off = |y: Vector<B>, x: &Vector<B>| norm(y - x.clone()).number();
        assert!(
            off(warm.y(), &x) <= bound + 1e-12,
            "{} > {bound}",
            off(warm.y(), &x)
        );
        let mut cold = method.objective(&Following, zero(), Task::new(batch.clone(), zero()));
        cold.evaluate(&x, 0);
        let (warm_error, cold_error) = (off(warm.y(), &x), off(cold.y(), &x));
        assert!(
            warm_error <= cold_error + 1e-12,
            "{warm_error} > {cold_error}"
        );
        let moved = eta * norm(here.gradient.clone()).number();
        bound = q * (bound + moved);
        x = x - here.gradient * eta;
    }
    assert!(bound < 0.05, "{bound}");
}

/// Uniform in the ball: mean length `r d/(d + 1)`, variance `r²/(d + 2)` in every direction.
#[test]
fn displacements_fill_the_ball() {
    let like = row(&[0.0; 4]);
    let (count, r) = (20_000, 2.0);
    let draws: Vec<Vec<f64>> = (0..count)
        .map(|k| read(in_ball::<B>(&like, r, 5, k)))
        .collect();
    let size = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mean = draws.iter().map(|v| size(v)).sum::<f64>() / count as f64;
    assert!((mean - r * 4.0 / 5.0).abs() < 0.01, "{mean}");
    assert!(draws.iter().all(|v| size(v) <= r));
    for i in 0..4 {
        for j in 0..=i {
            let moment = draws.iter().map(|v| v[i] * v[j]).sum::<f64>() / count as f64;
            let expected = if i == j { r * r / 6.0 } else { 0.0 };
            assert!((moment - expected).abs() < 0.02, "{i} {j}: {moment}");
        }
    }
}

/// The settings of the theory keep its promise: at a saddle with `λ ≤ −√(ρε)` Φ falls by half of
/// the decrease within the window, with at least the probability that the theory gives.
#[test]
fn the_theory_keeps_its_promise() {
    // ½ x₁² − ¼ x₂² + ¼ x₂⁴ where |x₂| ≤ 1: curvature at most 3, its slope at most 6.
    let (l, rho, tolerance, iota) = (3.0, 6.0, 0.04, 24.0);
    let settings = Perturbation::of_constants(l, rho, tolerance, iota).unwrap();
    let curvature = (rho * tolerance).sqrt();
    assert!(0.5 >= curvature);
    let phi = |v: &[f64]| 0.5 * v[0] * v[0] - 0.25 * v[1] * v[1] + 0.25 * v[1].powi(4);
    let runs = 200;
    let fallen = (0..runs)
        .filter(|seed| {
            let mut v = read(in_ball::<B>(
                &row(&[0.0; 2]),
                settings.step_size * settings.radius,
                *seed,
                0,
            ));
            for _ in 0..settings.window {
                let slope = [v[0], v[1].powi(3) - 0.5 * v[1]];
                v = v
                    .iter()
                    .zip(slope)
                    .map(|(v, s)| v - settings.step_size * s)
                    .collect();
            }
            phi(&v) <= -0.5 * settings.decrease.unwrap()
        })
        .count();
    let promised = 1.0 - l * 2f64.sqrt() / curvature * iota * iota * 2f64.powf(8.0 - iota);
    assert!(promised > 0.9, "{promised}");
    assert!(
        fallen as f64 >= promised * runs as f64,
        "{fallen} of {runs}"
    );
    assert!(
        Perturbation::of_constants(1.0, 1.0, 4.0, 2.0).is_err(),
        "√(ρε) above l"
    );
    assert!(
        Perturbation::of_constants(1.0, 1.0, 0.1, 0.5).is_err(),
        "ι below 1"
    );
}

/// `‖ĥ − ∇Φ‖ ≤ (L + Lκ + (ρM/μ)(1 + κ)) ‖y − y*‖ + L ‖q − q̂‖` on random problems with a quartic
/// term, where all constants are known on the region that is visited.
#[test]
fn the_error_of_the_hypergradient_is_bounded() {
    /// `g = ½ yᵀHy + ¼ c Σ y⁴ − (x B) yᵀ`, `f = ½ ‖y − t‖²`; batch: H above B.
    #[derive(Debug)]
    struct Quartic {
        c: f64,
    }
    impl BilevelProblem for Quartic {
        type Upper<B: Backend> = Matrix<B>;
        type Lower<B: Backend> = Matrix<B>;
        type Batch<B: Backend> = Target<B>;
        fn upper_loss<B: Backend>(
            &self,
            _: &Matrix<B>,
            y: &Matrix<B>,
            _: &Target<B>,
        ) -> Tensor<B, 1> {
            (y.m.val() - 0.7).square().sum() * 0.5
        }
        fn lower_loss<B: Backend>(
            &self,
            x: &Matrix<B>,
            y: &Matrix<B>,
            data: &Target<B>,
        ) -> Tensor<B, 1> {
            let n = y.m.val().dims()[1];
            let (h, b) = (
                data.m.clone().narrow(0, 0, n),
                data.m.clone().narrow(0, n, n),
            );
            let y = y.m.val();
            let linear = (x.m.val().matmul(b) * y.clone()).sum();
            let quartic = y.clone().powi_scalar(4).sum() * (0.25 * self.c);
            (y.clone().matmul(h) * y).sum() * 0.5 + quartic - linear
        }
    }
    for seed in 0..20 {
        let rng = &mut generator(seed);
        let n = 4;
        let root: Tensor<B, 2> = normal([n, n], rng);
        let h = root.clone().transpose().matmul(root) * 0.1
            + Tensor::<B, 2>::eye(n, &Default::default()) * 0.5;
        let b: Tensor<B, 2> = normal([n, n], rng) * 0.5;
        let (problem, batch) = (
            Quartic { c: 0.3 },
            Target {
                m: Tensor::cat(vec![h.clone(), b.clone()], 0),
            },
        );
        let x: Vector<B> = normal([1, n], rng);
        let zero = || matrix(row(&[0.0; 4]));
        let at = |lower_steps: usize, linear_steps: usize| {
            let method = PerturbedAid {
                lower_step_size: 0.2,
                lower_steps,
                linear_steps,
                perturbation: PERTURBATION,
            };
            let mut objective =
                method.objective(&problem, zero(), Task::new(batch.clone(), zero()));
            let gradient = objective.evaluate(&x, 0).gradient;
            (gradient, objective.y())
        };
        let (exact, best) = at(3000, 20);
        let size = |t: Vector<B>| norm(t).number();
        // Norms of matrices by Frobenius', which is the larger one.
        let frobenius = |m: &Tensor<B, 2>| m.clone().square().sum().number().sqrt();
        for lower_steps in [1, 3, 10, 30] {
            // Exact linear solves: only the error of y is left.
            let (found, y) = at(lower_steps, 20);
            let reach = read(y.clone().abs())
                .into_iter()
                .chain(read(best.clone().abs()));
            let reach = reach.fold(0.0, f64::max);
            let mu = 0.5;
            let lipschitz = (frobenius(&h) + 0.9 * reach * reach)
                .max(frobenius(&b))
                .max(1.0);
            let rho = 6.0 * 0.3 * reach;
            let slope = size(y.clone() - 0.7).max(size(best.clone() - 0.7));
            let kappa = lipschitz / mu;
            let bound = (lipschitz + lipschitz * kappa + rho * slope / mu * (1.0 + kappa))
                * size(y - best.clone());
            let error = size(found - exact.clone());
            assert!(
                error <= bound + 1e-9,
                "seed {seed}, {lower_steps} steps: {error} > {bound}"
            );
        }
        // Few linear steps at the solution: only the error of q is left.
        let (found, _) = at(3000, 1);
        assert!(size(found - exact.clone()) > 1e-9, "one step is not exact");
    }
}

/// Numbers that are of no use end a run at the last point where they were, and never pass for a
/// minimum.
#[test]
fn a_failure_is_not_a_minimum() {
    let prgda = Prgda {
        step_size: 0.01,
        epsilon: 0.011,
        radius: 1e-3,
        escape_step: 0.1,
        movement: 4e-6,
        window: 200,
    };
    let ineon = Ineon {
        search: SEARCH,
        ..INEON
    };
    // A bowl in x₁ that is no number off the axis x₂ = 0: descent sees nothing of it, what looks aside does.
    let bowl = |x: &Vector<B>, _: u64| {
        let v = read(x.clone());
        let hole = if v[1].to_bits() << 1 == 0 {
            1.0
        } else {
            f64::NAN
        };
        (0.5 * v[0] * v[0] * hole, row(&[v[0], 0.0]))
    };
    let start = || row(&[1.0, 0.0]);
    let ends = [
        PERTURBATION.run(&mut { bowl }, start(), 500, 0, &mut |_| ()),
        prgda.run(&mut { bowl }, start(), 500, 0, &mut |_| ()),
        ineon.run(&mut { bowl }, start(), 500, 0, &mut |_| ()),
    ];
    for end in ends {
        let EscapeEnd::Failed(failure) = &end.end else {
            panic!("{:?} at {:?}", end.end, read(end.x));
        };
        assert_eq!(
            (failure.phase, failure.cause),
            (Phase::UpperLoss, Cause::NonFinite)
        );
        let x = read(end.x.clone());
        assert!(x[0].abs() < 0.02 && x[1].to_bits() << 1 == 0, "{x:?}");
        assert!(end.loss.is_finite() && end.gradient_norm.is_finite());
    }
}

/// Named, and before anything runs.
#[test]
fn settings_that_make_no_sense_are_errors() {
    let never = Perturbation {
        window: 0,
        ..PERTURBATION
    };
    let message = never.checked().unwrap_err().to_string();
    assert_eq!(message, "window must be finite and > 0, got 0");
    let ineon = Ineon {
        search: IneonSearch {
            radius: f64::NAN,
            ..SEARCH
        },
        ..INEON
    };
    let message = ineon.checked().unwrap_err().to_string();
    assert_eq!(message, "search.radius must be finite and > 0, got NaN");
    let prgda = Prgda {
        step_size: 0.01,
        epsilon: 0.011,
        radius: 1e-3,
        escape_step: -0.1,
        movement: 4e-6,
        window: 200,
    };
    let message = prgda.checked().unwrap_err().to_string();
    assert_eq!(message, "escape_step must be finite and > 0, got -0.1");
}
