use double_precision::in_single_precision;
use std::cell::Cell;

use bilevel_core::{
    ConjugateGradient, LinearOperator, LinearSolver, Solution, Status, Tolerance, Vector,
};
use proptest::prelude::*;

use crate::matrices::{Blocks, Symmetric, numbers, systems};
use crate::{B, generator, length, minus, row, rows, size, vector};

/// Enough steps for whatever rounding does to the systems drawn here.
const MANY: usize = 1000;

fn solve(
    a: &dyn LinearOperator<B>,
    b: Vector<B>,
    start: Option<Vector<B>>,
    max_steps: usize,
    tolerance: f64,
) -> Solution<Vector<B>> {
    let solver = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    solver.solve(a, b, start)
}

/// Counts the products, and gives NaN instead of one of them.
struct Watched<'a> {
    operator: &'a dyn LinearOperator<B>,
    products: Cell<usize>,
    poisoned: Option<usize>,
}

impl<'a> Watched<'a> {
    fn new(operator: &'a dyn LinearOperator<B>) -> Self {
        Self {
            operator,
            products: Cell::new(0),
            poisoned: None,
        }
    }
}

impl LinearOperator<B> for Watched<'_> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.products.set(self.products.get() + 1);
        let av = self.operator.apply(v);
        match self.poisoned {
            Some(k) if k == self.products.get() => av * f64::NAN,
            _ => av,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn solves_to_the_tolerance((a, b) in systems(12, 4.0)) {
        let tolerance = 1e-8;
        let q = solve(&Blocks::one(&a), row(&b), None, MANY, tolerance);
        prop_assert_eq!(q.status, Status::Converged);
        prop_assert!(q.residual <= tolerance * length(&b));
        let exact = a.solve(&b);
        let kappa = a.eigenvalues[a.dim() - 1] / a.eigenvalues[0];
        let error = length(&minus(&rows(&q.value)[0], &exact));
        prop_assert!(error <= 1.01 * kappa * tolerance * length(&exact), "error {error:.1e}");
    }

    /// Catches a returned iterate that is not the one the residual was computed for.
    #[test]
    fn the_residual_is_of_the_value(
        (a, b) in systems(12, 4.0),
        warm in any::<bool>(),
        max_steps in 0..20usize,
    ) {
        let start = warm.then(|| row(&b));
        let q = solve(&Blocks::one(&a), row(&b), start, max_steps, 1e-12);
        let value = &rows(&q.value)[0];
        let recomputed = length(&minus(&b, &a.times(value)));
        let largest = a.eigenvalues[a.dim() - 1];
        let rounding = 1e-14 * (largest * length(value) + length(&b));
        prop_assert!((q.residual - recomputed).abs() <= rounding, "{} {recomputed}", q.residual);
        prop_assert!(q.steps <= max_steps);
    }

    /// `‖q_k − q‖_A ≤ 2 ((√κ−1)/(√κ+1))^k ‖q_0 − q‖_A` wherever the steps are cut off.
    #[test]
    fn the_error_falls_as_the_condition_number_allows(
        (a, b) in systems(12, 4.0),
        warm in any::<bool>(),
    ) {
        let operator = Blocks::one(&a);
        let start = warm.then(|| vec![1.0; b.len()]);
        let exact = a.solve(&b);
        let first = a.norm(&minus(&start.clone().unwrap_or(vec![0.0; b.len()]), &exact));
        let kappa = (a.eigenvalues[a.dim() - 1] / a.eigenvalues[0]).sqrt();
        for k in 0..=30 {
            let start = start.clone().map(|start| row(&start));
            let q = solve(&operator, row(&b), start, k, 0.0);
            let error = a.norm(&minus(&rows(&q.value)[0], &exact));
            let bound = 2.0 * ((kappa - 1.0) / (kappa + 1.0)).powi(k as i32);
            let rounding = 1e-11 * (a.norm(&exact) + first);
            let limit = bound * first + rounding;
            prop_assert!(error <= limit, "k = {k}: {error:.3e} > {limit:.3e}");
        }
    }

    /// In exact arithmetic as many steps as there are distinct eigenvalues.
    #[test]
    fn exact_after_as_many_steps_as_distinct_eigenvalues(
        distinct in 1..=5usize,
        copies in 1..=3usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut generator(seed);
        let eigenvalues = (0..distinct * copies).map(|i| 1.0 + 3.0 * (i % distinct) as f64);
        let a = Symmetric::with(eigenvalues.collect(), rng);
        let b = numbers(a.dim(), rng);
        let q = solve(&Blocks::one(&a), row(&b), None, distinct, 1e-11);
        let error = length(&minus(&rows(&q.value)[0], &a.solve(&b)));
        prop_assert!(error <= 1e-10 * length(&b), "{error:.1e} after {} steps", q.steps);
        prop_assert_eq!(q.status, Status::Converged);
    }

    /// Every row ends as it would alone; the slowest one sets the number of steps.
    #[test]
    fn rows_are_separate_systems(dim in 1..=8usize, kappa in 0.0..3.0, seed in any::<u64>()) {
        let rng = &mut generator(seed);
        let kappa = 10f64.powf(kappa);
        let matrices = [1.0, 100.0, 0.01].map(|mu| Symmetric::positive(dim, mu, kappa, rng));
        let b: Vec<Vec<f64>> = [1.0, 0.1, 1e3]
            .map(|size| numbers(dim, rng).iter().map(|b| b * size).collect())
            .into();
        let together = solve(&Blocks::new(&matrices), vector(&b), None, MANY, 1e-9);
        prop_assert_eq!(together.status, Status::Converged);
        let mut steps = 0;
        for (i, a) in matrices.iter().enumerate() {
            let alone = solve(&Blocks::one(a), vector(&b[i..=i]), None, MANY, 1e-9);
            let (row, alone_row) = (&rows(&together.value)[i], &rows(&alone.value)[0]);
            let difference = length(&minus(row, alone_row));
            prop_assert!(difference <= 1e-9 * length(alone_row), "row {i}: {difference:.1e}");
            steps = steps.max(alone.steps);
        }
        prop_assert_eq!(together.steps, steps);
    }

    /// An indefinite row is reported, and the positive definite ones are solved all the same.
    #[test]
    fn a_bad_row_does_not_spoil_the_others(dim in 2..=8usize, seed in any::<u64>()) {
        let rng = &mut generator(seed);
        let mut eigenvalues = numbers(dim, rng);
        eigenvalues[0] = -eigenvalues[0].abs() - 0.1;
        let matrices = [
            Symmetric::positive(dim, 1.0, 300.0, rng),
            Symmetric::with(eigenvalues, rng),
            Symmetric::positive(dim, 0.01, 1000.0, rng),
        ];
        let b: Vec<Vec<f64>> = (0..3).map(|_| numbers(dim, rng)).collect();
        let q = solve(&Blocks::new(&matrices), vector(&b), None, MANY, 1e-9);
        let value = rows(&q.value);
        for i in [0, 2] {
            let residual = length(&minus(&b[i], &matrices[i].times(&value[i])));
            prop_assert!(residual <= 1e-8 * length(&b[i]), "row {i}: {residual:.1e}");
        }
        // By luck the residual of the bad row can be at the goal before its curvature shows.
        prop_assert!(q.status == Status::Breakdown || q.status == Status::Converged);
        let residual = length(&minus(&b[1], &matrices[1].times(&value[1])));
        prop_assert!(residual <= 1.000001 * length(&b[1]));
    }
}

/// The trap: on convergence return the iterate before the last.
#[test]
fn twice_the_identity_is_solved_in_one_step() {
    let twice = |v: Vector<B>| v * 2.0;
    for max_steps in [1, 5] {
        let q = solve(&twice, row(&[2.0, 4.0]), None, max_steps, 1e-12);
        assert_eq!(rows(&q.value), [[1.0, 2.0]]);
        assert_eq!((q.status, q.steps), (Status::Converged, 1));
    }
}

#[test]
fn zero_right_sides_have_the_solution_zero() {
    let a = |v: Vector<B>| v * 3.0;
    let b = vector(&[vec![0.0, 0.0], vec![3.0, -6.0]]);
    for start in [None, Some(vector(&[vec![7.0, -8.0], vec![9.0, 9.0]]))] {
        let q = solve(&a, b.clone(), start, 10, 1e-12);
        assert_eq!(rows(&q.value)[0], [0.0, 0.0]);
        assert!(length(&minus(&rows(&q.value)[1], &[1.0, -2.0])) < 1e-14);
        assert_eq!(q.status, Status::Converged);
    }
    let warm = Some(row(&[1.0]));
    let q = solve(&a, row(&[0.0]), warm, 10, 1e-12);
    assert_eq!((rows(&q.value), q.steps), (vec![vec![0.0]], 0));
}

#[test]
fn indefinite_matrices_end_in_breakdown_with_the_best_finite_value() {
    let negative = |v: Vector<B>| -v;
    let q = solve(&negative, row(&[1.0, 2.0]), None, 10, 1e-9);
    assert_eq!((q.status, q.steps), (Status::Breakdown, 0));
    assert_eq!(rows(&q.value), [[0.0, 0.0]]);

    // The first direction has positive curvature, a later one has not.
    let rng = &mut generator(1);
    let a = Symmetric::with(vec![-0.1, 1.0, 2.0, 3.0, 4.0], rng);
    let b = a.times(&numbers(5, rng));
    let q = solve(&Blocks::one(&a), row(&b), None, MANY, 1e-12);
    assert_eq!(q.status, Status::Breakdown);
    assert!(q.steps > 0);
    assert!(
        q.residual <= length(&b),
        "{} from {}",
        q.residual,
        length(&b)
    );
}

#[test]
fn a_nan_from_the_operator_is_reported_and_the_best_value_kept() {
    let rng = &mut generator(2);
    let a = Symmetric::positive(8, 1.0, 100.0, rng);
    let blocks = Blocks::one(&a);
    let b = numbers(8, rng);
    for k in 1..=5 {
        let watched = Watched {
            poisoned: Some(k),
            ..Watched::new(&blocks)
        };
        let q = solve(&watched, row(&b), None, MANY, 1e-10);
        assert_eq!((q.status, q.steps), (Status::NonFinite, k - 1));
        let value = &rows(&q.value)[0];
        let residual = length(&minus(&b, &a.times(value)));
        assert!((residual - q.residual).abs() < 1e-12);
        // The best iterate so far: no worse than zero, where it started.
        assert!(residual <= length(&b) && value.iter().all(|q| q.is_finite()));
    }
}

#[test]
fn a_right_side_that_is_not_finite_is_reported() {
    let a = |v: Vector<B>| v * 2.0;
    let q = solve(&a, vector(&[vec![1.0], vec![f64::NAN]]), None, 10, 1e-10);
    assert_eq!((q.status, q.steps), (Status::NonFinite, 0));
    assert_eq!(rows(&q.value), [[0.0], [0.0]]);
}

#[test]
fn products_are_counted() {
    let rng = &mut generator(3);
    let a = Symmetric::positive(10, 1.0, 50.0, rng);
    let blocks = Blocks::one(&a);
    let b = numbers(10, rng);
    let products = |start: Option<Vec<f64>>, max_steps: usize| {
        let watched = Watched::new(&blocks);
        let start = start.map(|start| row(&start));
        let q = solve(&watched, row(&b), start, max_steps, 1e-6);
        (q.status, q.steps, watched.products.get())
    };
    let (status, steps, count) = products(None, MANY);
    assert_eq!((status, count), (Status::Converged, steps + 1));
    assert_eq!(products(None, 4), (Status::MaxSteps, 4, 5));
    assert_eq!(products(None, 0), (Status::MaxSteps, 0, 1));

    let (status, steps, count) = products(Some(vec![1.0; 10]), MANY);
    assert_eq!((status, count), (Status::Converged, steps + 2));
    // A warm start at the solution: one product to see that it is one, and the last.
    assert_eq!(products(Some(a.solve(&b)), MANY), (Status::Converged, 0, 2));
}

/// Single precision cannot reach 1e-12: the answer says so, with the
/// residual it did reach.
#[test]
fn a_tolerance_below_the_precision_ends_honestly() {
    in_single_precision(|| {
        let rng = &mut generator(4);
        for tolerance in [1e-12, 0.0] {
            let a = Symmetric::positive(12, 0.5, 100.0, rng);
            let b = numbers(12, rng);
            let solver = ConjugateGradient {
                max_steps: 200,
                tolerance: Tolerance::Relative(tolerance),
            };
            let blocks = Blocks::<B>::one(&a);
            let q = solver.solve(&blocks, row(&b), None);
            assert_eq!(q.status, Status::MaxSteps, "{tolerance}");
            assert!(q.steps < 100, "restarts that gain nothing: {}", q.steps);
            let residual = length(&minus(&b, &a.times(&rows(&q.value)[0])));
            let rounding = f64::from(f32::EPSILON) * 50.0 * size(&q.value);
            assert!(q.residual < 1e-4 * length(&b), "useless: {}", q.residual);
            assert!(
                (q.residual - residual).abs() < 4.0 * rounding,
                "{} {residual}",
                q.residual
            );
        }
    });
}

#[test]
#[should_panic(expected = "start and right side differ in shape")]
fn a_start_of_another_shape_panics() {
    let a = |v: Vector<B>| v;
    solve(&a, row(&[1.0, 2.0]), Some(row(&[1.0])), 1, 0.0);
}

#[test]
fn rows_that_are_done_stand_still() {
    // The first row is solved in one step; four more must not move it.
    let rng = &mut generator(5);
    let slow = Symmetric::positive(6, 1.0, 1e3, rng);
    let fast = Symmetric::with(vec![2.0; 6], rng);
    let b = vec![numbers(6, rng), numbers(6, rng)];
    let q = solve(
        &Blocks::new(&[fast.clone(), slow]),
        vector(&b),
        None,
        5,
        1e-10,
    );
    let exact = fast.solve(&b[0]);
    assert!(length(&minus(&rows(&q.value)[0], &exact)) < 1e-14 * length(&exact));
}
