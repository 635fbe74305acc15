use bilevel_core::vector::read;
use bilevel_core::{
    Accelerated, Backtracking, Differentiable, FixedLipschitz, GradientDescent, LipschitzConstant,
    LowerObjective, LowerSolver, Phase, PowerIteration, Status, Tape, Tolerance,
};
use burn::module::Param;
use burn::tensor::TensorData;
use proptest::prelude::*;

use crate::matrices::{Symmetric, numbers};
use crate::problems::{Fragile, Nothing, Pair, Quadratic, Setup, minimisers, shift};
use crate::{B, generator, length, minus};

/// Some systems with the same extreme eigenvalues μ and L, and a start for each.
#[derive(Debug, Clone)]
struct Convex {
    matrices: Vec<Symmetric>,
    b: Vec<Vec<f64>>,
    start: Vec<Vec<f64>>,
    mu: f64,
    l: f64,
}

impl Convex {
    fn new(systems: usize, dim: usize, mu: f64, condition: f64, seed: u64) -> Self {
        let rng = &mut generator(seed);
        let mut points = || (0..systems).map(|_| numbers(dim, rng)).collect();
        let (b, start) = (points(), points());
        let matrices = (0..systems)
            .map(|_| Symmetric::positive(dim, mu, condition, rng))
            .collect();
        let l = mu * condition;
        Self {
            matrices,
            b,
            start,
            mu,
            l,
        }
    }

    fn setup(&self) -> Setup<Quadratic> {
        Setup::quadratic(&self.matrices, &self.b, &self.start)
    }

    /// Distance of each row from its minimiser.
    fn errors(&self, y: &[Vec<f64>]) -> Vec<f64> {
        let exact = minimisers(&self.matrices, &self.b, &vec![0.0; self.b[0].len()]);
        y.iter()
            .zip(&exact)
            .map(|(y, e)| length(&minus(y, e)))
            .collect()
    }

    /// Largest `‖A y − b‖`.
    fn residual(&self, y: &[Vec<f64>]) -> f64 {
        let pairs = self.matrices.iter().zip(&self.b).zip(y);
        let norms = pairs.map(|((a, b), y)| length(&minus(&a.times(y), b)));
        norms.fold(0.0, f64::max)
    }
}

fn convex(condition_exponent: f64) -> impl Strategy<Value = Convex> {
    let exponent = 0.1..condition_exponent;
    (1..=3usize, 2..=6usize, -2.0..2.0, exponent, any::<u64>()).prop_map(
        |(systems, dim, mu, condition, seed)| {
            Convex::new(systems, dim, 10f64.powf(mu), 10f64.powf(condition), seed)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// `‖y_k − y*‖ ≤ (1 − μ/L)^k ‖y_0 − y*‖` with the step 1/L.
    #[test]
    fn gradient_descent_contracts_as_promised(problem in convex(2.0)) {
        let setup = problem.setup();
        let first = problem.errors(&problem.start);
        for k in [1, 2, 5, 10, 40] {
            let solver = GradientDescent {
                step_size: 1.0 / problem.l,
                max_steps: k,
                tolerance: Tolerance::Absolute(0.0),
            };
            let y = solver.solve(setup.point());
            prop_assert!(y.steps == k || y.residual.abs() < f64::MIN_POSITIVE);
            let rate = (1.0 - problem.mu / problem.l).powi(k as i32);
            for (error, first) in problem.errors(&setup.rows(&y)).iter().zip(&first) {
                prop_assert!(*error <= rate * first * (1.0 + 1e-9) + 1e-12 * first);
            }
        }
    }

    /// `‖y_k − y*‖² ≤ min{(1+√q)(1−√q)^k, 4/(k+1)²} (L/μ) ‖y_0 − y*‖²` with μ known, also to the
    /// systems whose momentum restarts.
    #[test]
    fn acceleration_keeps_its_bound(problem in convex(4.0)) {
        let setup = problem.setup();
        let first = problem.errors(&problem.start);
        let q = (problem.mu / problem.l).sqrt();
        for k in [1, 2, 3, 5, 8, 13, 21, 34, 47, 60] {
            let solver = Accelerated {
                smoothness: FixedLipschitz(problem.l),
                strong_convexity: problem.mu,
                max_steps: k,
                tolerance: Tolerance::Absolute(0.0),
            };
            let y = solver.solve(setup.point());
            prop_assert!(y.steps == k || y.residual.abs() < f64::MIN_POSITIVE);
            let linear = (1.0 + q) * (1.0 - q).powi(k as i32);
            let bound = linear.min(4.0 / (k as f64 + 1.0).powi(2)) / (q * q);
            for (error, first) in problem.errors(&setup.rows(&y)).iter().zip(&first) {
                let limit = (bound * (1.0 + 1e-9) + 1e-22) * first.powi(2);
                let error = error.powi(2);
                prop_assert!(error <= limit, "k = {k}: {error:.3e} > {limit:.3e}");
            }
        }
    }

    /// Every solver says how good its value is, wherever it stops.
    #[test]
    fn residuals_are_of_the_value(problem in convex(3.0), max_steps in 0..30usize) {
        let setup = problem.setup();
        let l = problem.l;
        let tolerance = 1e-3 * problem.residual(&problem.start);
        let descent = GradientDescent { step_size: 1.0 / l, max_steps, tolerance: Tolerance::Absolute(tolerance) };
        let solutions = [
            descent.solve(setup.point()),
            accelerated(FixedLipschitz(l), max_steps, tolerance).solve(setup.point()),
            accelerated(Backtracking { initial: Some(0.1 * l), growth: 2.0 }, max_steps, tolerance)
                .solve(setup.point()),
        ];
        for y in solutions {
            let residual = problem.residual(&setup.rows(&y));
            prop_assert!((y.residual - residual).abs() <= 1e-12 * problem.residual(&problem.start));
            let expected = if residual <= tolerance { Status::Converged } else { Status::MaxSteps };
            prop_assert_eq!(y.status, expected);
            prop_assert!(y.steps == max_steps || y.status == Status::Converged);
        }
    }

    /// Each system has its own constant. Power iteration comes from below, and the margin covers
    /// that.
    #[test]
    fn power_iteration_finds_every_constant(dim in 1..=6usize, seed in any::<u64>()) {
        let rng = &mut generator(seed);
        let scales = [1.0, 1e3, 1e-2];
        let condition = if dim == 1 { 1.0 } else { 30.0 };
        let matrices = scales.map(|mu| Symmetric::positive(dim, mu, condition, rng));
        let points: Vec<Vec<f64>> = (0..3).map(|_| numbers(dim, rng)).collect();
        let setup = Setup::quadratic(&matrices, &points, &points);
        let objective = LowerObjective::new(setup.point());
        let power = PowerIteration { steps: 300, margin: 1.1 };
        let found = read(power.constant(&objective, &objective.start()));
        for (found, a) in found.iter().zip(&matrices) {
            let l = a.eigenvalues[dim - 1];
            prop_assert!((1.05 * l..=1.1001 * l).contains(found), "{found} for {l}");
        }
    }

    /// A first guess a thousand times too small costs trials, not convergence.
    #[test]
    fn backtracking_recovers_from_a_bad_guess(problem in convex(1.5)) {
        let setup = problem.setup();
        let tolerance = 1e-5 * problem.residual(&problem.start);
        let guess = Backtracking { initial: Some(1e-3 * problem.l), growth: 2.0 };
        let y = accelerated(guess, 2000, tolerance).solve(setup.point());
        prop_assert_eq!(y.status, Status::Converged, "{:?}", y.outcome());
        let error = problem.errors(&setup.rows(&y)).into_iter().fold(0.0, f64::max);
        prop_assert!(error <= 1.001 * tolerance / problem.mu);
    }
}

fn accelerated<S>(smoothness: S, max_steps: usize, tolerance: f64) -> Accelerated<S> {
    Accelerated {
        smoothness,
        strong_convexity: 0.0,
        max_steps,
        tolerance: Tolerance::Absolute(tolerance),
    }
}

/// The defaults reach their tolerance whatever the curvature, with no number set.
#[test]
fn the_default_finds_its_own_step_size() {
    for (mu, condition) in [(1e-3, 30.0), (1.0, 100.0), (1e3, 30.0)] {
        let problem = Convex::new(2, 5, mu, condition, 3);
        let setup = problem.setup();
        let y = setup.point().solve(&Accelerated::default());
        assert_eq!(y.status, Status::Converged, "{mu}: {:?}", y.outcome());
        assert!(
            y.residual <= 1e-5 && y.steps < 300,
            "{mu}: {:?}",
            y.outcome()
        );
        let off = problem.errors(&setup.rows(&y));
        assert!(off.iter().all(|e| *e <= 1e-5 / mu), "{mu}: {off:?}");
    }
}

/// The point of acceleration: √κ instead of κ steps, whether μ is known or restarts have to find
/// it.
#[test]
fn acceleration_needs_fewer_steps() {
    let problem = Convex::new(2, 6, 1.0, 1000.0, 11);
    let setup = problem.setup();
    let tolerance = 1e-6;
    let (max_steps, l) = (100_000, problem.l);
    let descent = GradientDescent {
        step_size: 1.0 / l,
        max_steps,
        tolerance: Tolerance::Absolute(tolerance),
    };
    let with_mu = Accelerated {
        strong_convexity: problem.mu,
        ..accelerated(FixedLipschitz(l), max_steps, tolerance)
    };
    let plain = descent.solve(setup.point()).outcome();
    let without_mu = accelerated(FixedLipschitz(l), max_steps, tolerance);
    for outcome in [
        with_mu.solve(setup.point()).outcome(),
        without_mu.solve(setup.point()).outcome(),
    ] {
        assert_eq!(
            (plain.status, outcome.status),
            (Status::Converged, Status::Converged)
        );
        assert!(outcome.steps * 8 < plain.steps, "{outcome:?} {plain:?}");
    }
}

/// A step that is too long makes gradient descent diverge: it is reported, and no NaN is handed
/// out.
#[test]
fn divergence_is_reported() {
    let problem = Convex::new(2, 3, 1.0, 10.0, 12);
    let setup = problem.setup();
    let descent = GradientDescent {
        step_size: 10.0 / problem.l,
        max_steps: 2000,
        tolerance: Tolerance::Absolute(1e-9),
    };
    let hasty = accelerated(FixedLipschitz(0.05 * problem.l), 2000, 1e-9);
    for y in [descent.solve(setup.point()), hasty.solve(setup.point())] {
        assert_eq!(y.status, Status::NonFinite, "{:?}", y.outcome());
        assert!(y.steps < 2000);
        assert!(setup.rows(&y).concat().iter().all(|y| y.is_finite()));
    }
}

/// `½ (y − a)² + 0 · √(b y)` from y = 3: not a number where `b y ≤ 0`.
fn fragile(a: f64, b: f64) -> Setup<Fragile> {
    let number = |value: f64| Param::from_data(TensorData::from([value]), &Default::default());
    Setup {
        problem: Fragile {
            breaks: Phase::Lower,
        },
        x: Pair {
            a: number(a),
            b: number(b),
        },
        y: shift(&[3.0]),
        batch: Nothing::new(),
    }
}

/// Where a NaN appears is said, and the value is the last one that was good.
#[test]
fn a_loss_that_is_not_a_number_is_reported() {
    fn check(solver: impl LowerSolver<B, Fragile>) {
        // At the start already.
        let setup = fragile(1.0, -1.0);
        let y = solver.solve(setup.point());
        assert_eq!((y.status, y.steps), (Status::NonFinite, 0));
        assert!(y.residual.is_nan());
        assert_eq!(setup.rows(&y), [[3.0]]);
        // With the step ½ from 3 to 1 to 0, where the slope of the root is infinite.
        let setup = fragile(-1.0, 1.0);
        let y = solver.solve(setup.point());
        assert_eq!((y.status, y.steps), (Status::NonFinite, 2));
        assert_eq!(setup.rows(&y), [[1.0]]);
        assert!((y.residual - 2.0).abs() < 1e-15);
    }
    for max_steps in [2, 10] {
        check(GradientDescent {
            step_size: 0.5,
            max_steps,
            tolerance: Tolerance::Absolute(1e-9),
        });
        check(accelerated(FixedLipschitz(2.0), max_steps, 1e-9));
        let backtracking = Backtracking {
            initial: Some(2.0),
            growth: 2.0,
        };
        check(accelerated(backtracking, max_steps, 1e-9));
    }
}

/// Solvers hand back a module of the same parameters, ready for the next backward pass.
#[test]
fn the_solution_is_a_leaf_of_the_same_parameter() {
    fn check<P: Differentiable<B, Lower<Tape<B>> = crate::problems::Rows<Tape<B>>>>(
        setup: &Setup<P>,
        solver: impl LowerSolver<B, P>,
    ) {
        let y = solver.solve(setup.point()).value.y;
        assert_eq!(y.id, setup.y.y.id);
        assert!(y.is_require_grad());
    }
    let problem = Convex::new(2, 3, 1.0, 10.0, 13);
    check(
        &problem.setup(),
        accelerated(FixedLipschitz(problem.l), 5, 0.0),
    );
}
