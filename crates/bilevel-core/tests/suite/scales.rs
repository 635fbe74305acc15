//! What does not depend on the units of the losses: solutions, hypergradients and verdicts.

use bilevel_core::{
    AuditSettings, BilevelProblem, ConjugateGradient, DoubleBackward, Finding, Gmres,
    GradientDescent, Hypergradient, ImplicitDifferentiation, LinearSolver, LowerSolver, Minres,
    Point, Status, Tolerance, audit,
};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use double_precision::in_single_precision;

use crate::problems::{Nothing, Shift, shift};
use crate::{B, rows};

/// `g = s (½ y² + ¼ y⁴ − x y)`, `f = r (½ (y − 2)² + ½ x²)`: at `x = 2`, `y* = 1`, `dF/dx = r (2 −
/// 1/4)`.
#[derive(Debug, Clone)]
struct Scaled {
    upper: f64,
    lower: f64,
}

impl BilevelProblem for Scaled {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let f = (y.x.val() - 2.0).square() + x.x.val().square();
        f * (0.5 * self.upper)
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let y = y.x.val();
        let square = y.clone().square();
        let g = square.clone() * 0.5 + square.square() * 0.25 - x.x.val() * y;
        g * self.lower
    }
}

fn implicit<S>(solver: S) -> ImplicitDifferentiation<DoubleBackward, S> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver,
    }
}

/// The hypergradient with `f` and `g` in other units, scaled back; `accuracy` is what the float
/// type allows.
fn check<S: LinearSolver<B>>(solver: S, powers: [i32; 5], accuracy: f64) {
    let method = implicit(solver);
    for upper in powers {
        for lower in powers {
            let problem = Scaled {
                upper: 10f64.powi(upper),
                lower: 10f64.powi(lower),
            };
            let (x, start, batch) = (shift(&[2.0]), shift(&[0.0]), Nothing::new());
            let point = Point {
                problem: &problem,
                x: &x,
                y: &start,
                batch: &batch,
            };
            let solver = GradientDescent {
                step_size: 0.1 / problem.lower,
                max_steps: 500,
                tolerance: Tolerance::Relative(accuracy),
            };
            let solved = LowerSolver::<B, _>::solve(&solver, point);
            let at = format!("f · 1e{upper}, g · 1e{lower}");
            assert_eq!(solved.status, Status::Converged, "{at}");
            assert!(solved.steps > 10, "{at}: {} steps", solved.steps);
            let there = Point {
                y: &solved.value,
                ..point
            };
            let estimate = method.estimate(there, None, 0);
            assert_eq!(estimate.failure, None, "{at}");
            let adjoint = estimate.certificate.adjoint.expect("an adjoint");
            assert_eq!(adjoint.status, Status::Converged, "{at}");
            let gradient = rows(&estimate.gradient)[0][0] / problem.upper;
            let off = (gradient - 1.75).abs();
            assert!(off < 10.0 * accuracy, "{at}: dF/dx off by {off:.1e}");
        }
    }
}

fn every_solver(powers: [i32; 5], accuracy: f64) {
    let (max_steps, tolerance) = (5, accuracy);
    check(
        ConjugateGradient {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        },
        powers,
        accuracy,
    );
    check(
        Minres {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        },
        powers,
        accuracy,
    );
    check(
        Gmres {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        },
        powers,
        accuracy,
    );
}

#[test]
fn units_of_the_losses_do_not_matter() {
    every_solver([-12, -6, 0, 6, 12], 1e-9);
}

#[test]
fn units_of_the_losses_do_not_matter_in_single_precision() {
    in_single_precision(|| every_solver([-8, -4, 0, 4, 8], 1e-5));
}

fn judged(lower: f64, tolerance: f64) -> Vec<Finding> {
    let problem = Scaled { upper: 1.0, lower };
    let (x, start, batch) = (shift(&[2.0]), shift(&[0.0]), Nothing::new());
    let point = Point {
        problem: &problem,
        x: &x,
        y: &start,
        batch: &batch,
    };
    let solver = GradientDescent {
        step_size: 0.25 / lower,
        max_steps: 500,
        tolerance: Tolerance::Absolute(tolerance),
    };
    let estimator = implicit(ConjugateGradient {
        max_steps: 5,
        tolerance: Tolerance::Relative(1e-10),
    });
    audit(point, &solver, &estimator, &AuditSettings::default()).findings
}

/// An absolute tolerance has the units of `g`: where it is above every gradient nothing is solved,
/// and the audit says so.
#[test]
fn an_audit_notices_that_nothing_was_solved() {
    assert_eq!(judged(1.0, 1e-10), []);
    assert_eq!(judged(1e-12, 1e-22), []);
    let findings = judged(1e-12, 1e-10);
    let message = findings[0].to_string();
    assert_eq!(
        message,
        "no lower solve moved y: its tolerance is above every ‖∇y g‖ it met, 2.0e-12 at first; lower it"
    );
}
