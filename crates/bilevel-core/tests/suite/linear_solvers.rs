//! What every linear solver promises, and what each promises alone.

use std::cell::Cell;

use bilevel_core::linear::Damped;
use bilevel_core::{
    ConjugateGradient, Damping, Dense, Gmres, Jacobi, LinearOperator, LinearSolver, Minres,
    Neumann, NormalEquations, Nystrom, Richardson, Solution, Status, Tolerance, Vector,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use double_precision::in_single_precision;
use proptest::prelude::*;

use crate::matrices::{Blocks, Symmetric, numbers, systems};
use crate::{B, generator, length, minus, relative_error, row, rows, size, vector};

/// Every solver, set to solve a positive definite system with eigenvalues in `[mu, l]`.
fn solvers<T: Backend>(
    mu: f64,
    l: f64,
    tolerance: f64,
) -> Vec<(&'static str, Box<dyn LinearSolver<T>>)> {
    let max_steps = 4000;
    let cg = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let terms = ((l / mu) * (1.0 / tolerance).ln()).ceil() as usize + 1;
    vec![
        ("conjugate gradient", Box::new(cg)),
        (
            "minres",
            Box::new(Minres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "gmres",
            Box::new(Gmres {
                max_steps: 60,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "normal",
            Box::new(NormalEquations(ConjugateGradient {
                max_steps,
                tolerance: Tolerance::Relative(tolerance * mu / l),
            })),
        ),
        (
            "jacobi",
            Box::new(Jacobi {
                probes: 4,
                seed: 1,
                solver: ConjugateGradient {
                    max_steps,
                    tolerance: Tolerance::Relative(tolerance * mu / l),
                },
            }),
        ),
        (
            "richardson",
            Box::new(Richardson {
                step_size: 1.0 / l,
                max_steps: terms,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "neumann",
            Box::new(Neumann {
                step_size: 1.0 / l,
                terms,
            }),
        ),
        ("dense", Box::new(Dense)),
    ]
}

/// Counts products; the last must be an `apply_at_solution`.
struct Counted<'a> {
    operator: &'a dyn LinearOperator<B>,
    products: Cell<usize>,
    at_solution: Cell<usize>,
    /// The product after which NaN comes.
    poisoned: usize,
}

impl<'a> Counted<'a> {
    fn new(operator: &'a dyn LinearOperator<B>) -> Self {
        Self {
            operator,
            products: Cell::new(0),
            at_solution: Cell::new(0),
            poisoned: usize::MAX,
        }
    }
}

impl LinearOperator<B> for Counted<'_> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.products.set(self.products.get() + 1);
        let product = self.operator.apply(v);
        if self.products.get() == self.poisoned {
            product * f64::NAN
        } else {
            product
        }
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.at_solution.set(self.at_solution.get() + 1);
        self.operator.apply(q)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Each solves, reports the residual of what it returns, and takes a warm start.
    #[test]
    fn all_solve_positive_definite_systems((a, b) in systems(8, 2.0)) {
        let (mu, l) = extremes(&a);
        let operator = Blocks::<B>::one(&a);
        let exact = row::<B>(&a.solve(&b));
        for (name, solver) in solvers::<B>(mu, l, 1e-10) {
            let cold = solver.solve(&operator, row(&b), None);
            let error = relative_error(&cold.value, &exact);
            prop_assert!(error < 2e-8, "{name}: {error:.1e}");
            prop_assert!(cold.status <= Status::MaxSteps, "{name}: {}", cold.status);
            let residual = size(&(row(&b) - operator.apply(cold.value.clone())));
            prop_assert!((residual - cold.residual).abs() <= 1e-12 * length(&b), "{name}");
            let warm = solver.solve(&operator, row(&b), Some(cold.value.clone() * 0.5));
            let error = relative_error(&warm.value, &exact);
            prop_assert!(error < 2e-8, "{name}, warm: {error:.1e}");
        }
    }

    /// The residuals of Krylov methods: exact in as many steps as there are unknowns.
    #[test]
    fn krylov_methods_are_exact_in_dim_steps(seed in any::<u64>(), dim in 1..8usize) {
        let rng = &mut generator(seed);
        let b = numbers(dim, rng);
        // Indefinite, and away from zero.
        let signed = numbers(dim, rng).iter().map(|l| l + l.signum()).collect();
        let indefinite = Symmetric::with(signed, rng);
        let operator = Blocks::<B>::one(&indefinite);
        let exact = row::<B>(&indefinite.solve(&b));
        let solvers: [(&str, Box<dyn LinearSolver<B>>); 3] = [
            ("minres", Box::new(Minres { max_steps: dim, tolerance: Tolerance::Relative(1e-13) })),
            ("gmres", Box::new(Gmres { max_steps: dim, tolerance: Tolerance::Relative(1e-13) })),
            ("normal", Box::new(NormalEquations(ConjugateGradient { max_steps: 3 * dim, tolerance: Tolerance::Relative(1e-13) }))),
        ];
        for (name, solver) in solvers {
            let q = solver.solve(&operator, row(&b), None);
            let error = relative_error(&q.value, &exact);
            prop_assert!(error < 1e-9, "{name} on {indefinite:?}: {error:.1e}");
        }
    }

    /// The residual of the Krylov methods that minimise it never grows with the steps.
    #[test]
    fn minimal_residuals_are_monotone((a, b) in systems(8, 4.0)) {
        let operator = Blocks::<B>::one(&a);
        for k in 0..a.dim() {
            for solve in [
                |a: &Blocks<B>, b, k| Minres { max_steps: k, tolerance: Tolerance::Relative(0.0) }.solve(a, b, None),
                |a: &Blocks<B>, b, k| Gmres { max_steps: k, tolerance: Tolerance::Relative(0.0) }.solve(a, b, None),
            ] {
                let (now, next) = (solve(&operator, row(&b), k), solve(&operator, row(&b), k + 1));
                prop_assert!(next.residual <= now.residual * (1.0 + 1e-9) + 1e-9 * length(&b));
            }
        }
    }

    /// q_K = η Σ (I − ηA)ᵏ b: the numbers, their rate, and Richardson's the same one step later.
    #[test]
    fn the_neumann_series_is_what_it_says((a, b) in systems(6, 2.0), terms in 0..30usize) {
        let (mu, l) = extremes(&a);
        let eta = 0.9 / l;
        let operator = Blocks::<B>::one(&a);
        let power = |k: i32| move |lambda: f64| (1.0 - eta * lambda).powi(k);
        let neumann = Neumann { step_size: eta, terms }.solve(&operator, row(&b), None);
        let k = terms as i32 + 1;
        let series = a.function(|l| (1.0 - power(k)(l)) / l, &b);
        prop_assert!(relative_error(&neumann.value, &row(&series)) < 1e-11);
        let residual = length(&a.function(power(k), &b));
        prop_assert!((neumann.residual - residual).abs() <= 1e-10 * length(&b));
        let error = length(&minus(&series, &a.solve(&b)));
        prop_assert!(error <= (1.0 - eta * mu).powi(k) * length(&a.solve(&b)) * (1.0 + 1e-9)
            + 1e-13 * length(&b) / mu);
        let richardson = Richardson { step_size: eta, max_steps: terms + 1, tolerance: Tolerance::Relative(0.0) };
        let richardson = richardson.solve(&operator, row(&b), None);
        prop_assert!(relative_error(&richardson.value, &row(&series)) < 1e-11);
    }

    /// Divergence for η > 2/L and only then, and never a number made of it.
    #[test]
    fn too_large_a_step_diverges((a, b) in systems(6, 1.0), factor in 0.2..1.9f64) {
        let (_, l) = extremes(&a);
        let operator = Blocks::<B>::one(&a);
        for (factor, diverges) in [(factor, false), (2.0 + factor, true)] {
            let eta = factor / l;
            let neumann = Neumann { step_size: eta, terms: 400 };
            let neumann = neumann.solve(&operator, row(&b), None);
            let richardson = Richardson { step_size: eta, max_steps: 2000, tolerance: Tolerance::Relative(1e-6) };
            let richardson = richardson.solve(&operator, row(&b), None);
            for q in [neumann, richardson] {
                prop_assert_eq!(q.status.is_failure(), diverges, "{}: {}", factor, q.status);
                if diverges {
                    prop_assert!(size(&q.value) <= 0.0);
                    prop_assert!((q.residual - length(&b)).abs() < 1e-12 * length(&b));
                }
            }
        }
    }
}

/// Terms so long that the norm of their sum overflows while theirs does not.
#[test]
fn divergence_to_the_edge_of_the_numbers_is_told() {
    for terms in 380..420 {
        let neumann = Neumann {
            step_size: 246.0,
            terms,
        };
        let q = neumann.solve(&|v: Vector<B>| v * 0.013930118, row(&[0.26, -0.21]), None);
        assert!(q.status.is_failure(), "{terms}: {}", q.status);
        assert!(size(&q.value) <= 0.0);
    }
}

fn extremes(a: &Symmetric) -> (f64, f64) {
    let smallest = a.eigenvalues.iter().copied().fold(f64::MAX, f64::min);
    (smallest, a.eigenvalues.iter().copied().fold(0.0, f64::max))
}

/// Each row by itself: its own steps, its own scale, and a row of zeros has the solution zero.
#[test]
fn rows_are_systems_of_their_own() {
    let rng = &mut generator(1);
    let matrices: Vec<_> = [1.0, 100.0, 0.01]
        .map(|mu| Symmetric::positive(5, mu, 10.0, rng))
        .into();
    let b = [numbers(5, rng), vec![0.0; 5], numbers(5, rng)];
    let operator = Blocks::<B>::new(&matrices);
    let tolerance = 1e-11;
    let solvers: Vec<(&str, Box<dyn LinearSolver<B>>)> = vec![
        (
            "minres",
            Box::new(Minres {
                max_steps: 40,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "gmres",
            Box::new(Gmres {
                max_steps: 5,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "normal",
            Box::new(NormalEquations(ConjugateGradient {
                max_steps: 90,
                tolerance: Tolerance::Relative(1e-13),
            })),
        ),
        (
            "jacobi",
            Box::new(Jacobi {
                probes: 3,
                seed: 0,
                solver: ConjugateGradient {
                    max_steps: 90,
                    tolerance: Tolerance::Relative(tolerance),
                },
            }),
        ),
        (
            "nystrom",
            Box::new(Nystrom {
                rank: 5,
                damping: 1e-7,
                seed: 0,
            }),
        ),
        ("dense", Box::new(Dense)),
    ];
    for (name, solver) in solvers {
        let start = vector(&vec![vec![1.0; 5]; 3]);
        for start in [None, Some(start)] {
            let q = rows(&solver.solve(&operator, vector(&b), start).value);
            for ((q, a), b) in q.iter().zip(&matrices).zip(&b) {
                let error = length(&minus(q, &a.solve(b)));
                assert!(
                    error < 2e-5 * length(&a.solve(b)) + 1e-12,
                    "{name}: {error:.1e}"
                );
            }
            assert!(length(&q[1]) <= 0.0, "{name}");
        }
    }
}

/// K steps cost K products and one at the end, which is an `apply_at_solution` with the value
/// returned.
#[test]
fn products_are_counted() {
    let rng = &mut generator(2);
    let a = Symmetric::positive(9, 1.0, 50.0, rng);
    let b = numbers(9, rng);
    let operator = Blocks::<B>::one(&a);
    let (max_steps, tolerance) = (4, 0.0);
    let solvers: Vec<(&str, usize, Box<dyn LinearSolver<B>>)> = vec![
        (
            "cg",
            4,
            Box::new(ConjugateGradient {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "minres",
            4,
            Box::new(Minres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "gmres",
            4,
            Box::new(Gmres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "richardson",
            4,
            Box::new(Richardson {
                step_size: 0.02,
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            }),
        ),
        (
            "neumann",
            4,
            Box::new(Neumann {
                step_size: 0.02,
                terms: 4,
            }),
        ),
        (
            "nystrom",
            4,
            Box::new(Nystrom {
                rank: 4,
                damping: 0.1,
                seed: 0,
            }),
        ),
        ("dense", 9, Box::new(Dense)),
        (
            "damped",
            4,
            Box::new(
                Damping::new(
                    0.1,
                    ConjugateGradient {
                        max_steps,
                        tolerance: Tolerance::Relative(tolerance),
                    },
                )
                .unwrap(),
            ),
        ),
        (
            "jacobi",
            6,
            Box::new(Jacobi {
                probes: 2,
                seed: 0,
                solver: Minres {
                    max_steps,
                    tolerance: Tolerance::Relative(tolerance),
                },
            }),
        ),
    ];
    for (name, products, solver) in solvers {
        let counted = Counted::new(&operator);
        solver.solve(&counted, row(&b), None);
        assert_eq!(
            (counted.products.get(), counted.at_solution.get()),
            (products, 1),
            "{name}"
        );
        let counted = Counted::new(&operator);
        solver.solve(&counted, row(&b), Some(row(&b)));
        let warm = if name == "dense" { 0 } else { 1 };
        assert_eq!(counted.products.get(), products + warm, "{name}, warm");
        assert_eq!(counted.at_solution.get(), 1, "{name}, warm");
    }
}

/// A NaN in any product ends in that status, with a value that is finite.
#[test]
fn a_nan_is_reported() {
    let rng = &mut generator(3);
    let a = Symmetric::positive(6, 1.0, 20.0, rng);
    let b = numbers(6, rng);
    let operator = Blocks::<B>::one(&a);
    for poisoned in 1..=3 {
        for (name, solver) in solvers::<B>(1.0, 20.0, 1e-12) {
            let counted = Counted {
                poisoned,
                ..Counted::new(&operator)
            };
            let q = solver.solve(&counted, row(&b), None);
            if name == "dense" {
                assert!(
                    q.status.is_failure() || q.status == Status::Breakdown,
                    "{name}"
                );
                continue;
            }
            assert_eq!(q.status, Status::NonFinite, "{name}, product {poisoned}");
            assert!(size(&q.value).is_finite(), "{name}");
        }
    }
}

/// Arnoldi needs no symmetry, and the normal equations use the transpose.
#[test]
fn nonsymmetric_systems() {
    struct General(Tensor<B, 2>);
    impl LinearOperator<B> for General {
        fn apply(&self, v: Vector<B>) -> Vector<B> {
            v.matmul(self.0.clone().transpose())
        }
        fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
            v.matmul(self.0.clone())
        }
    }
    let rng = &mut generator(4);
    let shift = Tensor::<B, 2>::eye(7, &Default::default()) * 3.0;
    let a = General(crate::normal::<B, 2>([7, 7], rng) + shift);
    let exact = row::<B>(&numbers(7, rng));
    let b = a.apply(exact.clone());
    let solvers: [Box<dyn LinearSolver<B>>; 3] = [
        Box::new(Gmres {
            max_steps: 7,
            tolerance: Tolerance::Relative(1e-12),
        }),
        Box::new(NormalEquations(ConjugateGradient {
            max_steps: 60,
            tolerance: Tolerance::Relative(1e-13),
        })),
        Box::new(Dense),
    ];
    for solver in solvers {
        let q = solver.solve(&a, b.clone(), None);
        assert_eq!(q.status, Status::Converged);
        assert!(relative_error(&q.value, &exact) < 1e-9);
    }
}

/// Singular: the residual outside the range stays, and is told.
#[test]
fn singular_systems_are_not_called_solved() {
    let rng = &mut generator(5);
    let a = Symmetric::with(vec![0.0, 1.0, 2.0, 3.0], rng);
    let b = numbers(4, rng);
    let operator = Blocks::<B>::one(&a);
    let outside = length(&minus(
        &b,
        &a.function(|l| if l > 0.5 { 1.0 } else { 0.0 }, &b),
    ));
    let solutions: [(&str, Solution<Vector<B>>); 3] = [
        (
            "minres",
            Minres {
                max_steps: 4,
                tolerance: Tolerance::Relative(1e-10),
            }
            .solve(&operator, row(&b), None),
        ),
        (
            "gmres",
            Gmres {
                max_steps: 8,
                tolerance: Tolerance::Relative(1e-10),
            }
            .solve(&operator, row(&b), None),
        ),
        (
            "neumann",
            Neumann {
                step_size: 0.3,
                terms: 300,
            }
            .solve(&operator, row(&b), None),
        ),
    ];
    for (name, q) in solutions {
        assert_ne!(q.status, Status::Converged, "{name}");
        assert!(
            (q.residual - outside).abs() < 1e-6 * length(&b),
            "{name}: {:.2e}",
            q.residual
        );
    }
    assert_eq!(
        Dense.solve(&operator, row(&b), None).status,
        Status::Breakdown
    );
}

/// `C (M + CᵀC/ρ)⁻¹ Cᵀ` in closed form: `(A + ρI)⁻¹` with all columns, and with enough of them for
/// a matrix of low rank.
#[test]
fn nystrom_is_exact_when_the_rank_covers() {
    let rng = &mut generator(6);
    let b = numbers(8, rng);
    let rho = 1e-3;
    for rank in [8, 3] {
        let mut eigenvalues = vec![0.0; 8];
        (0..rank).for_each(|i| eigenvalues[i] = 1.0 + i as f64);
        let a = Symmetric::with(eigenvalues, rng);
        let operator = Blocks::<B>::one(&a);
        let q = Nystrom {
            rank,
            damping: rho,
            seed: 3,
        }
        .solve(&operator, row(&b), None);
        let exact = a.function(|l| 1.0 / (l + rho), &b);
        let error = relative_error(&q.value, &row(&exact));
        assert!(error < 1e-8, "rank {rank}: {error:.1e}");
    }
    // Fewer columns than the rank: a residual that says so.
    let a = Symmetric::positive(8, 1.0, 10.0, rng);
    let rough = Nystrom {
        rank: 2,
        damping: 1.0,
        seed: 3,
    };
    let q = rough.solve(&Blocks::<B>::one(&a), row(&b), None);
    assert!(q.residual > 0.1 * length(&b));
}

/// Hutchinson's diagonal is exact for a diagonal matrix, and scaling with it makes that one step.
#[test]
fn jacobi_flattens_a_diagonal() {
    let d = row::<B>(&[1.0, 1e2, 1e4, 1e6]);
    let a = |v: Vector<B>| v * d.clone();
    let b = row::<B>(&[1.0, 1.0, 1.0, 1.0]);
    let solver = ConjugateGradient {
        max_steps: 50,
        tolerance: Tolerance::Relative(1e-10),
    };
    let plain = solver.solve(&a, b.clone(), None);
    let scaled = Jacobi {
        probes: 1,
        seed: 0,
        solver,
    }
    .solve(&a, b, None);
    assert!(
        plain.steps >= 4 && scaled.steps == 1,
        "{} {}",
        plain.steps,
        scaled.steps
    );
    assert!(relative_error(&scaled.value, &d.recip()) < 1e-12);
}

#[test]
fn damping_is_checked_and_added() {
    let cg = ConjugateGradient {
        max_steps: 9,
        tolerance: Tolerance::Relative(1e-12),
    };
    let message = Damping::new(-0.1, cg).unwrap_err().to_string();
    assert_eq!(message, "damping must be finite and > 0, got -0.1");
    let a = |v: Vector<B>| v * -1.0;
    let damped = Damped::<B> {
        operator: &a,
        damping: 3.0,
    };
    assert_eq!(rows(&damped.apply(row(&[1.0]))), [[2.0]]);
    // Indefinite alone, positive definite when damped.
    assert_eq!(cg.solve(&a, row(&[4.0]), None).status, Status::Breakdown);
    let q = Damping::new(3.0, cg).unwrap().solve(&a, row(&[4.0]), None);
    assert_eq!(
        (rows(&q.value), q.status),
        (vec![vec![2.0]], Status::Converged)
    );
    assert!((q.residual - 6.0).abs() < 1e-12); // 4 + 2
}

/// In `f32`: relative errors of 1e-4 at a condition number of 30.
#[test]
fn single_precision() {
    in_single_precision(|| {
        let rng = &mut generator(7);
        let a = Symmetric::positive(10, 1.0, 30.0, rng);
        let b = numbers(10, rng);
        let entries: Vec<f32> = (0..10)
            .flat_map(|i| {
                let unit: Vec<f64> = (0..10).map(|j| f64::from(u8::from(i == j))).collect();
                a.times(&unit).into_iter().map(|v| v as f32)
            })
            .collect();
        let matrix = TensorData::new(entries, [10, 10]);
        let matrix: Tensor<B, 2> = Tensor::from_data(matrix, &Default::default());
        let operator = |v: Vector<B>| v.matmul(matrix.clone());
        let right = |v: &[f64]| {
            let v: Vec<f32> = v.iter().map(|v| *v as f32).collect();
            Vector::<B>::from_data(TensorData::new(v, [1, 10]), &Default::default())
        };
        let exact = right(&a.solve(&b));
        for (name, solver) in solvers::<B>(1.0, 30.0, 1e-6) {
            let q = solver.solve(&operator, right(&b), None);
            let error = size(&(q.value - exact.clone())) / size(&exact);
            assert!(error < 1e-4, "{name}: {error:.1e}");
            assert!(!q.status.is_failure(), "{name}");
        }
    });
}

#[test]
#[should_panic(expected = "[1, 3]")]
fn a_start_of_another_shape_panics() {
    let start = Some(row::<B>(&[1.0, 2.0, 3.0]));
    Minres {
        max_steps: 1,
        tolerance: Tolerance::Relative(0.0),
    }
    .solve(&|v: Vector<B>| v, row(&[1.0, 2.0]), start);
}

/// A system that has no solution is not called solved: `diag(1, 0) q = (1, 1)`.
#[test]
fn a_system_without_solution_is_told() {
    let diagonal = row::<B>(&[1.0, 0.0]);
    let a = |v: Vector<B>| v * diagonal.clone();
    let cg = ConjugateGradient {
        max_steps: 10,
        tolerance: Tolerance::Relative(1e-10),
    };
    let q = NormalEquations(cg).solve(&a, row(&[1.0, 1.0]), None);
    // Least squares, all the same.
    assert!((q.residual - 1.0).abs() < 1e-12, "{}", q.residual);
    assert!(relative_error(&q.value, &row(&[1.0, 0.0])) < 1e-12);
    assert_eq!(q.status, Status::MaxSteps);
    // One that has, is.
    let q = NormalEquations(cg).solve(&a, row(&[1.0, 0.0]), None);
    assert_eq!(q.status, Status::Converged);
}

/// A solver of a user's, which knows nothing of [`LinearOperator::apply_at_solution`].
struct OneDivision;

impl<T: Backend> LinearSolver<T> for OneDivision {
    fn solve(
        &self,
        a: &dyn LinearOperator<T>,
        b: Vector<T>,
        _: Option<Vector<T>>,
    ) -> Solution<Vector<T>> {
        let value = b.clone() / a.apply(b.ones_like());
        Solution {
            value,
            status: Status::Converged,
            steps: 1,
            residual: 0.0,
        }
    }

    fn vectors(&self, _: usize) -> usize {
        2
    }
}

#[test]
fn a_solver_that_makes_no_product_at_its_solution_works() {
    let diagonal = row(&[2.0, -4.0]);
    let a = |v: Vector<B>| v * diagonal.clone();
    let b = row(&[6.0, 8.0]);
    let exact = row(&[3.0, -2.0]);
    let wrapped: [Box<dyn LinearSolver<B>>; 2] = [
        Box::new(NormalEquations(OneDivision)),
        Box::new(Jacobi {
            probes: 1,
            seed: 0,
            solver: OneDivision,
        }),
    ];
    for solver in wrapped {
        let q = solver.solve(&a, b.clone(), None);
        assert!(size(&(q.value - exact.clone())) < 1e-14);
        assert!(q.residual < 1e-14);
    }
    let damped = Damping::new(1.0, OneDivision).unwrap();
    let q = damped.solve(&|v: Vector<B>| v * 2.0, row(&[6.0]), None);
    assert!((q.residual - 2.0).abs() < 1e-14); // 6 − 2 · 2
}
