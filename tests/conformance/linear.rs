//! Linear solvers against `A⁻¹ b`.

use bilevel::burn::tensor::backend::Backend;
use bilevel::{
    ConjugateGradient, Damping, Dense, Gmres, Jacobi, LinearSolver, Minres, Neumann,
    NormalEquations, Nystrom, ReadEvery, Richardson, Status, Tolerance, Vector, WithTolerance,
};

use crate::quadratic::{DIM, Instance, L, SYSTEMS, multiply, tensor};
use crate::row::{Rows, entries};

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Linear systems");
    let instance = Instance::new(1);
    let a = instance.matrices::<B>();
    let expected = |damping: f64| -> Vec<f64> {
        let row = |r| instance.function(r, |l| 1.0 / (l + damping), &instance.right()[r]);
        (0..SYSTEMS).flat_map(row).collect()
    };
    let mut add = |name, solver: &dyn LinearSolver<B>, damping| {
        let b = tensor(instance.right());
        let q = solver.solve(&|v: Vector<B>| multiply(&a, v), b, None);
        rows.known(name, entries([q.value]), expected(damping), [1e-8, 1e-5]);
    };
    // As far as `f32` goes.
    let tolerance =
        bilevel::vector::epsilon(&Vector::<B>::zeros([1, 1], &Default::default())) * 10.0;
    let (max_steps, learning_rate) = (400, 1.0 / L);
    let cg = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let minres = Minres {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let richardson = Richardson {
        step_size: learning_rate,
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    add("conjugate gradients", &cg, 0.0);
    add(
        "conjugate gradients, read every 5 steps",
        &ReadEvery {
            steps: 5,
            solver: cg,
        },
        0.0,
    );
    add("minimal residuals", &minres, 0.0);
    add(
        "minimal residuals, read every 5 steps",
        &ReadEvery {
            steps: 5,
            solver: minres,
        },
        0.0,
    );
    add(
        "generalized minimal residuals",
        &Gmres {
            max_steps: DIM,
            tolerance: Tolerance::Relative(tolerance),
        },
        0.0,
    );
    add("Richardson's iteration", &richardson, 0.0);
    add(
        "Richardson's iteration, read every 5 steps",
        &ReadEvery {
            steps: 5,
            solver: richardson,
        },
        0.0,
    );
    add(
        "Neumann series",
        &Neumann {
            step_size: learning_rate,
            terms: 300,
        },
        0.0,
    );
    add(
        "Nyström, full rank",
        &Nystrom {
            rank: DIM,
            damping: 0.5,
            seed: 0,
        },
        0.5,
    );
    add("dense", &Dense, 0.0);
    add("normal equations", &NormalEquations(cg), 0.0);
    add("damped", &Damping::new(0.5, cg).expect("positive"), 0.5);
    add(
        "scaled by the diagonal",
        &Jacobi {
            probes: 4,
            seed: 0,
            solver: cg,
        },
        0.0,
    );
    add(
        "to an absolute residual",
        &cg.with_tolerance(Tolerance::Absolute(10.0 * tolerance)),
        0.0,
    );

    // What is wrong is found on every backend: 1 where it was.
    rows.section("Failures of linear systems");
    let mut found = |name, operator: &dyn Fn(Vector<B>) -> Vector<B>, status| {
        let b = tensor(instance.right());
        let solution = cg.solve(&operator, b, None);
        let value = f64::from(u8::from(solution.status == status));
        rows.known(name, vec![value], vec![1.0], [1e-8, 1e-5]);
    };
    found("NaN in a product", &|v| v * f64::NAN, Status::NonFinite);
    found("infinity in a product", &|v| v / 0.0, Status::NonFinite);
    found("no positive curvature", &|v| -v, Status::Breakdown);
}
