//! Twenty steps of methods that leave saddle points, from near one.

use bilevel::algorithm::escape::{
    Escape, EscapeEnd, Ineon, IneonSearch, Minimax, MinimaxProblem, Perturbation, PerturbedGdMax,
    Prgda, ReducedObjective,
};
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::tensor::Tensor;
use bilevel::burn::tensor::backend::Backend;
use bilevel::{
    ConjugateGradient, DoubleBackward, GradientDescent, ImplicitDifferentiation, Task, Tolerance,
};

use crate::quadratic::{Numbers, module};
use crate::row::{Rows, entries};

/// ```text
/// f = Σ_i ½ d_i x_i² + ¼ x_i⁴ + x_i y_i − ½ y_i²        max_y f = Σ_i ½ (d_i + 1) x_i² + ¼ x_i⁴
/// ```
///
/// With `d = (0, −2)` a saddle at 0, and minima at `(0, ±1)`.
#[derive(Debug, Clone, Copy)]
struct Saddle;

impl MinimaxProblem for Saddle {
    type Upper<B: Backend> = Numbers<B>;
    type Lower<B: Backend> = Numbers<B>;
    type Batch<B: Backend> = Numbers<B>;

    fn loss<B: Backend>(&self, x: &Numbers<B>, y: &Numbers<B>, d: &Numbers<B>) -> Tensor<B, 1> {
        let (x, y, d) = (x.rows.val(), y.rows.val(), d.rows.val());
        let square = x.clone().square();
        let own = square.clone() * d * 0.5 + square.square() * 0.25;
        (own + x * y.clone() - y.square() * 0.5).sum()
    }
}

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Escape from a saddle point: x after twenty steps");
    let problem = &Minimax(Saddle);
    let x = || module::<B>(&[vec![0.6, 0.0]]);
    let task = || {
        Task::new(
            module::<B>(&[vec![0.0, -2.0]]).valid(),
            module(&[vec![0.0; 2]]),
        )
    };
    // The lower Hessian is the identity: one step solves.
    let ascent = GradientDescent {
        step_size: 1.0,
        max_steps: 5,
        tolerance: Tolerance::Absolute(1e-6),
    };
    let hypergradient = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 5,
            tolerance: Tolerance::Relative(1e-6),
        },
    };
    let objective = || ReducedObjective::new(problem, (ascent, hypergradient), x(), task());
    let mut add = |name, found: Escape<B>| {
        assert_eq!(found.end, EscapeEnd::Steps, "{name}");
        assert!(found.displacements > 0, "{name} was never displaced");
        rows.golden(name, entries([found.x]), 1e-3);
    };

    let ineon = Ineon {
        step_size: 0.3,
        epsilon: 0.3,
        length: 0.5,
        search: IneonSearch {
            step_size: 0.3,
            steps: 20,
            radius: 0.01,
            limit: 0.2,
            decrease: 1e-3,
        },
        attempts: 4,
        window: 5,
    };
    let mut phi = objective();
    let first = phi.first();
    let found = ineon.run(&mut phi, first.clone(), 20, 0, &mut |_| ());
    add("iNEON", found);

    let prgda = Prgda {
        step_size: 0.1,
        epsilon: 0.3,
        radius: 0.05,
        escape_step: 0.3,
        movement: 1e-3,
        window: 20,
    };
    let found = prgda.run(&mut objective(), first, 20, 0, &mut |_| ());
    add("PRGDA", found);

    let method = PerturbedGdMax {
        ascent,
        perturbation: Perturbation {
            step_size: 0.3,
            epsilon: 0.3,
            radius: 0.05,
            scaled: false,
            window: 50,
            decrease: None,
        },
    };
    let mut phi = method.objective::<B, _>(problem, x(), task());
    add("perturbed GDmax", method.run(&mut phi, 20, 0, &mut |_| ()));
}
