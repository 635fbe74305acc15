//! The audit: right estimators are called sound, and every kind of mistake is found and named.

use std::cell::Cell;

use bilevel_core::hypergradient::Descent;
use bilevel_core::{
    Audit, AuditSettings, BilevelProblem, Checkpointing, ConjugateGradient, DoubleBackward,
    Finding, GradientDescent, Hypergradient, ImplicitDifferentiation, JacobianFree, Neumann,
    NeumannForm, Penalty, Point, Status, StochasticNeumann, Tolerance, Unrolled, ZerothOrder,
    audit,
};
use burn::module::Param;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::B;
use crate::closed_forms::{Logistic, On, logistic_setup};
use crate::problems::{Nothing, Pair, Shift};

const LOWER: GradientDescent = GradientDescent {
    step_size: 0.05,
    max_steps: 20_000,
    tolerance: Tolerance::Absolute(1e-11),
};

fn implicit() -> ImplicitDifferentiation<DoubleBackward, ConjugateGradient> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-11),
        },
    }
}

fn of<H: Hypergradient<B, Logistic>>(estimator: &H, settings: AuditSettings) -> Audit {
    audit(logistic_setup(3).point(), &LOWER, estimator, &settings)
}

#[test]
fn right_estimators_are_sound() {
    let itd = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.05,
        steps: 600,
        keep: Checkpointing::All,
    };
    let itd = of(&itd, AuditSettings::default());
    let aid = of(&implicit(), AuditSettings::default());
    for audit in [itd, aid] {
        assert!(audit.is_sound(), "{:?}", audit.findings);
        assert!(audit.error < 1e-6, "{:.1e}", audit.error);
        assert!(audit.first_order_error < 1e-9 && audit.second_order_error[1] < 1e-7);
        assert_eq!(
            (audit.slopes.len(), audit.lower.status),
            (4, Status::Converged)
        );
    }
}

/// The error is measured, not only judged: the truncated series' is known.
#[test]
fn wrong_estimators_are_told_by_how_much() {
    let rough = JacobianFree {
        second_order: DoubleBackward,
        step_size: 0.05,
    };
    let audit = of(&rough, AuditSettings::default());
    assert!(matches!(audit.findings[..], [Finding::Inconsistent { error, .. }] if error > 0.1));
    let biased = Penalty {
        lower: LOWER,
        weight: 50.0,
    };
    let audit = of(&biased, AuditSettings::default());
    assert!(matches!(audit.findings[..], [Finding::Inconsistent { error, .. }] if error < 0.2));
    let wide = AuditSettings {
        max_error: 0.3,
        ..AuditSettings::default()
    };
    assert!(of(&biased, wide).is_sound());
    let diverging = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: Neumann {
            step_size: 5.0,
            terms: 90,
        },
    };
    let audit = of(&diverging, AuditSettings::default());
    assert!(
        matches!(audit.findings[0], Finding::Failed(_)),
        "{:?}",
        audit.findings
    );
}

/// Estimators that draw: their mean is what is compared.
#[test]
fn draws_are_averaged() {
    let setup = logistic_setup(3);
    let batch = setup.batch.clone();
    let series = StochasticNeumann {
        second_order: DoubleBackward,
        step_size: 0.05,
        terms: 200,
        form: NeumannForm::Sum,
        batches: |_| batch.clone(),
    };
    assert!(of(&series, AuditSettings::default()).is_sound());
    let lower = GradientDescent {
        max_steps: 100,
        tolerance: Tolerance::Absolute(0.0),
        ..LOWER
    };
    let noisy = ZerothOrder {
        lower,
        directions: 5,
        radius: 1e-4,
    };
    let error = |draws| {
        of(
            &noisy,
            AuditSettings {
                draws,
                ..AuditSettings::default()
            },
        )
        .error
    };
    assert!(error(30) < 0.5 * error(1));
}

#[test]
fn a_lower_solver_that_stops_early_is_found() {
    let lower = GradientDescent {
        max_steps: 3,
        ..LOWER
    };
    let audit = audit(
        logistic_setup(3).point(),
        &lower,
        &implicit(),
        &AuditSettings::default(),
    );
    assert!(matches!(audit.findings[0], Finding::NotConverged(o) if o.status == Status::MaxSteps));
}

/// `g = ½ (y − a)² (1 + b²)` and `f = ½ (y − 1)²`, spoilt.
#[derive(Debug)]
struct Spoilt(Fault);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// g does not see x.
    NoCoupling,
    /// Nothing sees b.
    Unused,
    /// g does not see y.
    NoY,
    /// a is detached in g.
    DetachedX,
    /// The slope in y is right, its derivative is not: a detached factor.
    DetachedSlope,
    /// Every call gives another number.
    Random,
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl BilevelProblem for Spoilt {
    type Upper<B: Backend> = Pair<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, _: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let e = y.x.val() - 1.0;
        e.clone() * e * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let (a, b, y) = (x.a.val(), x.b.val(), y.x.val());
        let half = |e: Tensor<B, 1>| e.clone() * e * 0.5;
        let weight = b.clone() * b + 1.0;
        match self.0 {
            Fault::None => half(y - a) * weight,
            Fault::NoCoupling => half(y - 3.0),
            Fault::Unused => half(y - a),
            Fault::NoY => half(a) * weight,
            Fault::DetachedX => half(y - a.detach()) * weight,
            Fault::DetachedSlope => {
                // e · e.detach() has the slope of ½e² at every point, and no curvature.
                let e = y - a;
                (e.clone() * e.detach()) * weight
            }
            Fault::Random => {
                CALLS.set(CALLS.get() + 1);
                half(y - a) * weight + f64::from(CALLS.get() % 7) * 0.1
            }
        }
    }
}

fn findings(fault: Fault) -> Vec<String> {
    let number = |v: f64| Param::from_data(TensorData::from([v]), &Default::default());
    let setup = On::<B, Spoilt> {
        problem: Spoilt(fault),
        x: Pair {
            a: number(3.0),
            b: number(0.5),
        },
        y: Shift { x: number(0.0) },
        batch: Nothing::new(),
    };
    let lower = GradientDescent {
        step_size: 0.5,
        max_steps: 500,
        tolerance: Tolerance::Absolute(1e-12),
    };
    let point: Point<'_, B, Spoilt> = setup.point();
    let audit = audit(point, &lower, &implicit(), &AuditSettings::default());
    audit.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_is_found_and_named() {
    let has = |fault, text: &str| {
        let findings = findings(fault);
        assert!(
            findings.iter().any(|f| f.contains(text)),
            "{fault:?}: {findings:?}"
        );
    };
    assert_eq!(findings(Fault::None), Vec::<String>::new());
    has(Fault::NoCoupling, "x does not enter the lower loss");
    has(Fault::NoCoupling, "no loss depends on `a`, `b`");
    has(Fault::Unused, "no loss depends on `b`");
    has(Fault::NoY, "does not depend on `x` of y");
    has(Fault::DetachedX, "no loss depends on `a`");
    has(Fault::DetachedX, "first derivatives differ");
    has(Fault::DetachedSlope, "second derivatives differ");
    // And nothing else: what is random has no derivative to compare with.
    let random = findings(Fault::Random);
    assert_eq!(random.len(), 1, "{random:?}");
    has(
        Fault::Random,
        "the loss is random: two evaluations at one point differ by 1.0e-1",
    );
}

/// `g = ½ (y − x)²`, `f = ½ y²`: at `x = 0` the hypergradient is zero, and so is everything that it
/// is made of.
#[derive(Debug)]
struct Parabola;

impl BilevelProblem for Parabola {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, _: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        y.x.val().square() * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        (y.x.val() - x.x.val()).square() * 0.5
    }
}

#[test]
fn a_stationary_point_is_judged_too() {
    let at = |x: f64, estimator: &dyn Hypergradient<B, Parabola>| {
        let number = |v: f64| Shift {
            x: Param::from_data([v], &Default::default()),
        };
        let (x, y, batch) = (number(x), number(0.3), Nothing::new());
        let point = Point {
            problem: &Parabola,
            x: &x,
            y: &y,
            batch: &batch,
        };
        audit(point, &LOWER, estimator, &AuditSettings::default())
    };
    for x in [0.0, 1e-9, 1.0] {
        let audit = at(x, &implicit());
        assert!(audit.is_sound(), "{x}: {:?}", audit.findings);
    }
    // Half of dF/dx = x is wrong wherever it is not zero.
    let half = JacobianFree {
        second_order: DoubleBackward,
        step_size: 0.5,
    };
    assert!(!at(1.0, &half).is_sound());
}
