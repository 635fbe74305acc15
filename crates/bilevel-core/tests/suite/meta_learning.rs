//! MAML and its kin on one-dimensional quadratic tasks (E8): the estimators are all they need.
//!
//! The adapted weights are `θ + d`. The initialisation θ is the upper variable, the displacement d
//! the lower one, which starts at 0 whatever θ is.

use bilevel_core::hypergradient::Descent;
use bilevel_core::{
    BilevelProblem, Checkpointing, ConjugateGradient, DoubleBackward, Hypergradient,
    ImplicitDifferentiation, Tolerance, Unrolled,
};
use burn::module::Param;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::closed_forms::On;
use crate::problems::{Nothing, Shift};
use crate::{B, rows};

/// ```text
/// f = L(θ + d),   g = L(θ + d) + ½ λ d²,   L(φ) = ½ a (φ − c)²
/// ```
#[derive(Debug)]
struct Adaptation {
    a: f64,
    c: f64,
    /// λ: 0 for MAML, positive for iMAML.
    proximity: f64,
}

impl BilevelProblem for Adaptation {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let e = x.x.val() + y.x.val() - self.c;
        e.clone() * e * (0.5 * self.a)
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, b: &Nothing<B>) -> Tensor<B, 1> {
        let d = y.x.val();
        self.upper_loss(x, y, b) + d.clone() * d * (0.5 * self.proximity)
    }
}

const THETA: f64 = 1.7;
const ALPHA: f64 = 0.15;

fn task(a: f64, c: f64, proximity: f64, d: f64) -> On<B, Adaptation> {
    let number = |v: f64| Shift {
        x: Param::from_data(TensorData::from([v]), &Default::default()),
    };
    On {
        problem: Adaptation { a, c, proximity },
        x: number(THETA),
        y: number(d),
        batch: Nothing::new(),
    }
}

fn steps(steps: usize, keep: Checkpointing) -> Unrolled<DoubleBackward, Descent, f64> {
    Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: ALPHA,
        steps,
        keep,
    }
}

const TASKS: [(f64, f64); 3] = [(2.0, 0.3), (0.5, -1.0), (4.0, 2.5)];

fn assert_near(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() < 1e-14 * (1.0 + expected.abs()),
        "{value} {expected}"
    );
}

/// One step: `(1 − αa)² a (θ − c)`; without second derivatives, (FOMAML) `(1 − αa) a (θ − c)`.
#[test]
fn maml_and_its_first_order_form() {
    for (a, c) in TASKS {
        let task = task(a, c, 0.0, 0.0);
        let gradient = |keep| rows(&steps(1, keep).estimate(task.point(), None, 0).gradient)[0][0];
        assert_near(
            gradient(Checkpointing::All),
            (1.0 - ALPHA * a).powi(2) * a * (THETA - c),
        );
        assert_near(
            gradient(Checkpointing::Last(0)),
            (1.0 - ALPHA * a) * a * (THETA - c),
        );
    }
}

/// Reptile's direction after K steps: `θ − θ_K = (1 − (1 − αa)^K) (θ − c)`.
#[test]
fn reptile() {
    for (a, c) in TASKS {
        for k in [1, 3, 10] {
            let task = task(a, c, 0.0, 0.0);
            let d = rows(
                &steps(k, Checkpointing::Last(0))
                    .estimate(task.point(), None, 0)
                    .y,
            )[0][0];
            assert_near(-d, (1.0 - (1.0 - ALPHA * a).powi(k as i32)) * (THETA - c));
        }
    }
}

/// iMAML at its solution: `a λ²/(a + λ)² (θ − c)`.
#[test]
fn implicit_maml() {
    let method = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 1,
            tolerance: Tolerance::Relative(0.0),
        },
    };
    for (a, c) in TASKS {
        for lambda in [0.5, 2.0] {
            let d = a * (c - THETA) / (a + lambda);
            let task = task(a, c, lambda, d);
            let gradient = rows(&method.estimate(task.point(), None, 0).gradient)[0][0];
            assert_near(gradient, a * (lambda / (a + lambda)).powi(2) * (THETA - c));
        }
    }
}
