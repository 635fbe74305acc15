use bilevel_core::{
    CentralDifference, ConjugateGradient, DoubleBackward, Estimate, Hypergradient,
    ImplicitDifferentiation, Phase, Point, SecondOrder, Status, Tolerance, Vector,
};
use burn::module::Param;
use burn::tensor::Tensor;

use crate::matrices::{Symmetric, numbers};
use crate::problems::{Fragile, Nothing, Pair, Quadratic, Setup, minimisers, shift};
use crate::{B, generator, length, minus, row, rows, vector};

/// A quadratic problem at its lower solution, with its exact hypergradient.
fn solved(seed: u64) -> (Setup<Quadratic>, Vec<f64>) {
    const DIM: usize = 5;
    let rng = &mut generator(seed);
    let matrices: Vec<Symmetric> = [1.0, 0.1, 10.0]
        .map(|mu| Symmetric::positive(DIM, mu, 20.0, rng))
        .into();
    let [b, c] = [(); 2].map(|()| (0..3).map(|_| numbers(DIM, rng)).collect::<Vec<_>>());
    let x = numbers(DIM, rng);
    let y = minimisers(&matrices, &b, &x);
    let mut exact: Vec<f64> = x.iter().map(|x| 0.7 * x).collect();
    for ((a, y), c) in matrices.iter().zip(&y).zip(&c) {
        let adjoint = a.solve(&minus(y, c));
        exact.iter_mut().zip(adjoint).for_each(|(e, q)| *e += q);
    }
    let mut setup = Setup::quadratic(&matrices, &b, &y);
    setup.problem.ridge = 0.7;
    setup.x = shift(&x);
    setup.batch.c = vector(&c);
    (setup, exact)
}

fn estimate<D: SecondOrder<B, Quadratic>>(
    setup: &Setup<Quadratic>,
    second_order: D,
    max_steps: usize,
    warm: Option<Vector<B>>,
) -> Estimate<B> {
    let method = ImplicitDifferentiation {
        second_order,
        solver: ConjugateGradient {
            max_steps,
            tolerance: Tolerance::Relative(1e-12),
        },
    };
    method.estimate(setup.point(), warm, 0)
}

fn relative_error(estimate: &Estimate<B>, exact: &[f64]) -> f64 {
    length(&minus(&rows(&estimate.gradient)[0], exact)) / length(exact)
}

#[test]
fn equals_the_closed_form_of_a_quadratic_problem() {
    for seed in 0..5 {
        let (setup, exact) = solved(seed);
        let h = estimate(&setup, DoubleBackward, 50, None);
        let error = relative_error(&h, &exact);
        assert!(error < 1e-10, "double backward: {error:.1e}");
        assert_eq!(
            h.certificate.adjoint.expect("an adjoint").status,
            Status::Converged
        );

        // Differences of a quadratic's gradient have no truncation error, but their rounding is too
        // large for a tolerance of 1e-12.
        let h = estimate(
            &setup,
            CentralDifference::for_precision_of::<B>(&Default::default()),
            50,
            None,
        );
        let error = relative_error(&h, &exact);
        assert!(error < 1e-7, "central differences: {error:.1e}");
    }
}

#[test]
fn the_scalar_example_by_hand() {
    // g = y² − x y, f = ½ (y − 0.2)², x = 1: y* = x/2, dF/dx = (x/2 − 0.2)/2.
    let two = Symmetric::with(vec![2.0], &mut generator(0));
    let mut setup = Setup::quadratic(&[two], &[vec![0.0]], &[vec![0.5]]);
    setup.x = shift(&[1.0]);
    setup.batch.c = row(&[0.2]);
    let h = estimate(&setup, DoubleBackward, 1, None);
    assert!((rows(&h.gradient)[0][0] - 0.15).abs() < 1e-15);
    assert!((h.loss - 0.045).abs() < 1e-15);
    assert!((rows(&h.adjoint.expect("an adjoint"))[0][0] - 0.15).abs() < 1e-15);
}

/// The error of a truncated solve falls with its steps and is zero after as many as there are
/// entries.
#[test]
fn truncation_costs_accuracy_and_no_more() {
    let (setup, exact) = solved(7);
    let errors: Vec<f64> = (0..=5)
        .map(|steps| relative_error(&estimate(&setup, DoubleBackward, steps, None), &exact))
        .collect();
    assert!(errors[0] > 0.1, "no step, no adjoint: {errors:?}");
    assert!(errors[3] < 0.2 * errors[0], "{errors:?}");
    assert!(errors[5] < 1e-9, "{errors:?}");
}

#[test]
fn the_adjoint_is_a_warm_start() {
    let (mut setup, _) = solved(8);
    let first = estimate(&setup, DoubleBackward, 50, None);
    let again = estimate(&setup, DoubleBackward, 50, first.adjoint.clone());
    assert_eq!(again.certificate.adjoint.expect("an adjoint").steps, 0);

    // A little further on it is a good start, no more.
    let nearby = setup.y.y.val().inner() + 1e-4;
    setup.y.y = Param::from_tensor(Tensor::from_inner(nearby));
    let method = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-3),
        },
    };
    let steps = |warm| {
        let estimate = method.estimate(setup.point(), warm, 0);
        estimate.certificate.adjoint.expect("an adjoint").steps
    };
    let (cold, warm) = (steps(None), steps(first.adjoint));
    assert!(warm < cold, "{warm} {cold}");
}

/// No number of an estimate that failed can be taken for a hypergradient.
#[test]
fn a_failed_estimate_is_not_a_number() {
    for breaks in [Phase::UpperGradient, Phase::Adjoint] {
        let number = |v: f64| Param::from_data([v], &Default::default());
        let x = Pair {
            a: number(3.0),
            b: number(0.0),
        };
        let (y, batch) = (shift(&[3.0]), Nothing::new());
        let point = Point {
            problem: &Fragile { breaks },
            x: &x,
            y: &y,
            batch: &batch,
        };
        let method = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: 5,
                tolerance: Tolerance::Relative(1e-10),
            },
        };
        let estimate = method.estimate(point, None, 0);
        assert_eq!(estimate.failure.expect("a failure").phase, breaks);
        let gradient = rows(&estimate.gradient).concat();
        assert!(
            gradient.iter().all(|g| g.is_nan()),
            "{breaks}: {gradient:?}"
        );
    }
}
