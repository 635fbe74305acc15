//! Certificates: what was measured, and bounds that hold.

use bilevel_core::parameters::unpack;
use bilevel_core::{
    Bound, Checkpointing, ConjugateGradient, Constants, DoubleBackward, Hypergradient,
    ImplicitDifferentiation, JacobianFree, Neumann, Point, Probe, Tolerance, Unrolled,
    hypergradient::{Adam, Descent},
};
use proptest::prelude::*;

use crate::closed_forms::{Coupled, logistic_setup};
use crate::matrices::numbers;
use crate::{B, generator, length, minus, row, rows, size};

fn cg(max_steps: usize) -> ImplicitDifferentiation<DoubleBackward, ConjugateGradient> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps,
            tolerance: Tolerance::Relative(1e-13),
        },
    }
}

fn known(bound: &Bound) -> f64 {
    match bound {
        Bound::Known(omega) => *omega,
        other => panic!("no bound: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Theorem 2.1 on the quadratic problem: the bound holds for any y and any adjoint.
    #[test]
    fn the_bound_holds(seed in any::<u64>(), steps in 0..6usize, distance in -6.0..1.0f64) {
        let problem = Coupled::random(15.0, seed);
        let rng = &mut generator(!seed);
        let x = numbers(4, rng);
        let exact = problem.exact(&x);
        let e: Vec<f64> = numbers(5, rng).iter().map(|e| e * 10f64.powf(distance)).collect();
        let y: Vec<f64> = problem.solution(&x).iter().zip(&e).map(|(y, e)| y + e).collect();
        let setup = problem.setup::<B>(&x, &y);
        let estimate = cg(steps).estimate(setup.point(), None, 0);
        let error = length(&minus(&rows(&estimate.gradient)[0], &exact));
        let omega = known(&estimate.certificate.bound);
        prop_assert!(error <= omega * (1.0 + 1e-9) + 1e-12, "{error:.2e} > {omega:.2e}");
    }
}

/// M1: `h = (μ/2)(y − x)²`, `f = ½ (y − 1)²`: the error is ε + δ, and so is the bound.
#[test]
fn the_bound_is_tight_on_the_scalar_example() {
    let mu = 2.0;
    let mut problem = Coupled::scalar(); // g = y² − xy + …: H = 2, C = −1
    problem.m = vec![vec![mu]]; // g = (μ/2)(y − x)² up to a function of x
    problem.c = vec![1.0];
    let (theta, e) = (0.3, 0.07);
    let setup = problem.setup::<B>(&[theta], &[theta + e]);
    let estimate = cg(1).estimate(setup.point(), None, 0);
    let error = (rows(&estimate.gradient)[0][0] - (theta - 1.0)).abs();
    assert!((error - e).abs() < 1e-14);
    assert!((known(&estimate.certificate.bound) - e).abs() < 1e-14);
    // No adjoint at all: δ = ‖∇y f‖ and the error |θ − 1|.
    let estimate = cg(0).estimate(setup.point(), None, 0);
    let delta = (theta + e - 1.0f64).abs();
    assert!((known(&estimate.certificate.bound) - (e + delta)).abs() < 1e-14);
}

/// What it says it measured is what there is.
#[test]
fn the_evidence_is_right() {
    let problem = Coupled::random(15.0, 3);
    let x = numbers(4, &mut generator(4));
    let (mu, l) = (problem.mu(), problem.smoothness());
    let setup = problem.setup::<B>(&x, &[0.3; 5]);
    let estimate = cg(2).estimate(setup.point(), None, 0);
    let c = &estimate.certificate;
    let gy = setup.point().lower_gradients().y;
    assert!((c.lower_gradient_norm() - size(&gy)).abs() < 1e-13 * size(&gy));
    let fy = setup.point().upper_gradients().y;
    assert!((c.evidence[0].upper_gradient - size(&fy)).abs() < 1e-13 * size(&fy));
    let adjoint = c.adjoint.expect("an adjoint");
    assert_eq!(adjoint.steps, 2);
    assert_eq!(c.adjoint_residual(), Some(adjoint.residual));
    let q = &rows(&estimate.adjoint.expect("an adjoint"))[0];
    let residual = length(&minus(&rows(&fy)[0], &setup.problem.a.times(q)));
    assert!((adjoint.residual - residual).abs() < 1e-12 * size(&fy));
    let curvature = c.curvature.expect("products were made");
    assert!(mu * (1.0 - 1e-12) <= curvature.smallest && curvature.largest <= l * (1.0 + 1e-12));
    assert!(curvature.smallest < curvature.largest);
    // A Krylov space that is complete has seen nearly everything.
    let curvature = cg(5)
        .estimate(setup.point(), None, 0)
        .certificate
        .curvature
        .unwrap();
    assert!(
        curvature.largest > 0.3 * l && curvature.smallest < 5.0 * mu,
        "{curvature:?}"
    );
}

#[test]
fn missing_constants_are_named() {
    let setup = logistic_setup(1);
    let c = cg(9).estimate(setup.point(), None, 0).certificate;
    let all = Constants::default().missing();
    assert_eq!(all.len(), 6);
    assert_eq!(c.bound, Bound::Missing(all));
    let some = Constants {
        strong_convexity: Some(1.0),
        direct_lipschitz: Some(0.0),
        ..Constants::default()
    };
    let rest = [
        "upper_smoothness",
        "cross_norm",
        "cross_lipschitz",
        "hessian_lipschitz",
    ];
    assert_eq!(c.bound_for(&some), Bound::Missing(rest.into()));
    // Estimates of another form are not covered.
    let unrolled = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.1,
        steps: 3,
        keep: Checkpointing::All,
    };
    let c = unrolled.estimate(setup.point(), None, 0).certificate;
    assert_eq!(c.bound, Bound::NotCovered);
    let lower = c.lower.expect("lower steps");
    assert_eq!((lower.steps, lower.residual), (3, c.lower_gradient_norm()));
}

/// Probes find the constants of a quadratic problem, from the right side.
#[test]
fn probes_find_the_constants() {
    let problem = Coupled::random(15.0, 5);
    let x = numbers(4, &mut generator(6));
    let mu = problem.mu();
    let cross = problem.m.clone();
    let setup = problem.setup::<B>(&x, &[0.3; 5]);
    let probe = Probe {
        probes: 300,
        radius: 1e-3,
        seed: 0,
    };
    let found = probe.constants(setup.point(), &DoubleBackward);
    let near = |found: Option<f64>, value: f64, what: &str| {
        let found = found.expect(what);
        assert!(
            (found - value).abs() < 1e-3 * value,
            "{what}: {found} {value}"
        );
    };
    near(found.strong_convexity, mu, "μ");
    near(found.upper_smoothness, 1.0, "L_f");
    // ‖M‖₂ by power iteration on the host.
    let mut v = vec![1.0; 4];
    for _ in 0..500 {
        let mv: Vec<f64> = cross
            .iter()
            .map(|row| row.iter().zip(&v).map(|(m, v)| m * v).sum())
            .collect();
        v = (0..4)
            .map(|j| cross.iter().zip(&mv).map(|(row, m)| row[j] * m).sum())
            .collect();
        let scale = length(&v);
        v.iter_mut().for_each(|v| *v /= scale);
    }
    let mv: Vec<f64> = cross
        .iter()
        .map(|row| row.iter().zip(&v).map(|(m, v)| m * v).sum())
        .collect();
    near(found.cross_norm, length(&mv), "J");
    let zeros = (
        found.hessian_lipschitz,
        found.cross_lipschitz,
        found.direct_lipschitz,
    );
    assert_eq!(zeros, (Some(0.0), Some(0.0), Some(0.0)));
    // Known ones take precedence.
    let stated = Constants {
        strong_convexity: Some(7.0),
        ..Constants::default()
    };
    assert_eq!(stated.or(found).strong_convexity, Some(7.0));
    assert_eq!(stated.or(found).missing(), Vec::<&str>::new());
}

/// On a problem that is not quadratic: a bound from probed constants holds near the solution.
#[test]
fn a_probed_bound_holds_on_logistic_regression() {
    let setup = logistic_setup(7);
    let solve = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.05,
        steps: 3000,
        keep: Checkpointing::Last(0),
    };
    let solved = solve.estimate(setup.point(), None, 0).y;
    let at = |y| unpack(setup.y.clone(), y);
    let y = at(solved.clone());
    let exact = cg(50)
        .estimate(
            Point {
                y: &y,
                ..setup.point()
            },
            None,
            0,
        )
        .gradient;
    let probe = Probe {
        probes: 60,
        radius: 0.1,
        seed: 1,
    };
    for (seed, distance) in [(1, 1e-1), (2, 1e-2), (3, 1e-4)] {
        let e = numbers(4, &mut generator(seed));
        let y = at(solved.clone() + row(&e) * distance);
        let point = Point {
            y: &y,
            ..setup.point()
        };
        let constants = probe.constants(point, &DoubleBackward);
        let rough = JacobianFree {
            second_order: DoubleBackward,
            step_size: 0.05,
        };
        let series = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: Neumann {
                step_size: 0.05,
                terms: 30,
            },
        };
        for estimate in [
            cg(50).estimate(point, None, 0),
            rough.estimate(point, None, 0),
            series.estimate(point, None, 0),
        ] {
            let error = size(&(estimate.gradient - exact.clone()));
            let omega = known(&estimate.certificate.bound_for(&constants));
            assert!(error <= omega, "{distance}: {error:.2e} > {omega:.2e}");
            assert!(
                omega < 1e3 * (error + distance),
                "useless: {omega:.2e} for {error:.2e}"
            );
        }
    }
}

/// Near a solution Adam's differentiated step is as long as η/ε: the certificate says so, and says
/// nothing where steps contract.
#[test]
fn an_adjoint_that_grows_is_in_the_certificate() {
    let problem = Coupled::random(5.0, 3);
    let x = [0.5, 0.1, -0.2, 0.3];
    let solution = problem.solution(&x);
    let setup = problem.setup::<B>(&x, &solution);
    let adam = |epsilon: f64| Unrolled {
        second_order: DoubleBackward,
        map: Adam {
            epsilon,
            ..Adam::default()
        },
        step_size: 0.01,
        steps: 4,
        keep: Checkpointing::All,
    };
    let certificate = adam(1e-8).estimate(setup.point(), None, 0).certificate;
    assert!(certificate.adjoint_growth.unwrap() > 1e6, "{certificate:?}");
    assert!(certificate.to_string().contains("enlarge Adam's ε"));
    let certificate = adam(1.0).estimate(setup.point(), None, 0).certificate;
    assert!(certificate.adjoint_growth.unwrap() < 2.0, "{certificate:?}");
    let descent = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.1,
        steps: 4,
        keep: Checkpointing::All,
    };
    let certificate = descent.estimate(setup.point(), None, 0).certificate;
    assert!(certificate.adjoint_growth.unwrap() < 1.0, "{certificate:?}");
    assert!(!certificate.to_string().contains("grew"));
    let implicit = cg(5).estimate(setup.point(), None, 0).certificate;
    assert_eq!(implicit.adjoint_growth, None);
}
