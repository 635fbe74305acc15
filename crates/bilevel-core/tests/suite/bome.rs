//! BOME against the numbers of its specification and against closed forms.

use bilevel_core::algorithm::rule::Block;
use bilevel_core::{
    Barrier, BilevelProblem, Bome, ConjugateGradient, DoubleBackward, FullBatch, Hypergradient,
    ImplicitDifferentiation, Iterate, Oracle, Point, ProblemOracle, Run, Tape, Tolerance,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use double_precision::{Number, in_single_precision};

use crate::closed_forms::Coupled;
use crate::problems::Shift;
use crate::{B, generator, length, minus, normal, row, rows, saved_and_loaded};

/// No data.
#[derive(Module, Debug)]
struct Nothing<B: Backend> {
    unused: Tensor<B, 1>,
}

fn nothing() -> FullBatch<Nothing<B>> {
    FullBatch(Nothing {
        unused: Tensor::zeros([1], &Default::default()),
    })
}

fn shift(entries: &[f64]) -> Shift<Tape<B>> {
    Shift {
        x: Param::from_data(entries, &Default::default()),
    }
}

/// The entries of x, of y.
fn entries(at: &Iterate<B>) -> (Vec<f64>, Vec<f64>) {
    (rows(&at.x).remove(0), rows(&at.y).remove(0))
}

/// The last iterate of `steps` steps on all samples.
fn after<P>(bome: Bome, problem: P, x: &[f64], y: &[f64], steps: usize) -> (Vec<f64>, Vec<f64>)
where
    P: BilevelProblem<
            Upper<Tape<B>> = Shift<Tape<B>>,
            Lower<Tape<B>> = Shift<Tape<B>>,
            Batch<B> = Nothing<B>,
        > + bilevel_core::TwiceDifferentiable<B>,
{
    let oracle =
        ProblemOracle::<B, _, _, _>::new(problem, DoubleBackward, nothing(), shift(x), shift(y));
    let run = Run::new(bome, &oracle, 0);
    let (state, failure) = run.run(run.start(oracle.first()), steps, &mut |_| ());
    assert_eq!(failure, None);
    entries(&state.at)
}

/// The two losses of a problem in plain vectors.
macro_rules! problem {
    ($name:ident, $f:expr, $g:expr) => {
        #[derive(Debug, Clone, Copy)]
        struct $name;

        impl BilevelProblem for $name {
            type Upper<B: Backend> = Shift<B>;
            type Lower<B: Backend> = Shift<B>;
            type Batch<B: Backend> = Nothing<B>;

            fn upper_loss<B: Backend>(
                &self,
                x: &Shift<B>,
                y: &Shift<B>,
                _: &Nothing<B>,
            ) -> Tensor<B, 1> {
                $f(x.x.val(), y.x.val())
            }

            fn lower_loss<B: Backend>(
                &self,
                x: &Shift<B>,
                y: &Shift<B>,
                _: &Nothing<B>,
            ) -> Tensor<B, 1> {
                $g(x.x.val(), y.x.val())
            }
        }
    };
}

/// `(v_i − c)²`.
fn distance<B: Backend>(v: &Tensor<B, 1>, i: usize, c: f64) -> Tensor<B, 1> {
    (v.clone().narrow(0, i, 1) - c).square()
}

// The lower solutions are a line: g sees the first entry of y only.
problem!(
    Degenerate,
    |x: Tensor<B, 1>, y: Tensor<B, 1>| {
        ((x - y.clone().narrow(0, 1, 1)).square() + distance(&y, 0, 1.0)) * 0.5
    },
    |x: Tensor<B, 1>, y: Tensor<B, 1>| {
        let y = y.narrow(0, 0, 1);
        y.clone().square() * 0.5 - x * y
    }
);

problem!(
    Opposed,
    |x: Tensor<B, 1>, y: Tensor<B, 1>| x * y,
    |x: Tensor<B, 1>, y: Tensor<B, 1>| -(x * y)
);

/// The points that y may mix.
const POINTS: [[f64; 2]; 4] = [[1.0, 3.0], [3.0, 1.0], [-2.0, 2.0], [-3.0, -2.0]];

fn mixture<B: Backend>(x: Tensor<B, 1>) -> Tensor<B, 1> {
    let points = Tensor::<B, 2>::from_data(POINTS, &x.device());
    softmax(x.unsqueeze::<2>(), 1).matmul(points).squeeze_dim(0)
}

problem!(
    Coreset,
    |_: Tensor<B, 1>, y: Tensor<B, 1>| (distance(&y, 0, 3.0) + distance(&y, 1, -2.0)) * 0.1,
    |x: Tensor<B, 1>, y: Tensor<B, 1>| (mixture(x) - y).square().sum()
);

/// From the mean of all points.
fn coreset(start: &[f64]) -> ProblemOracle<B, Coreset, DoubleBackward, FullBatch<Nothing<B>>> {
    let x = shift(&[0.0; 4]);
    ProblemOracle::new(Coreset, DoubleBackward, nothing(), x, shift(start))
}

/// B1: of all `d` with `⟨d, ∇q⟩ ≥ φ` it is the nearest to `∇f`.
#[test]
fn the_direction_is_a_projection() {
    let rng = &mut generator(1);
    let mut pair = || Iterate::<B> {
        x: normal([1, 3], rng),
        y: normal([1, 4], rng),
    };
    let (mut bound, mut free) = (0, 0);
    for _ in 0..40 {
        let (df, dq, other) = (pair(), pair(), pair());
        for barrier in [Barrier::GradientNorm(0.5), Barrier::Gap(0.5)] {
            let gap = 1.3;
            let phi = match barrier {
                Barrier::GradientNorm(eta) => eta * dq.dot(&dq).number(),
                Barrier::Gap(eta) => eta * gap,
            };
            let bome = Bome::new(barrier, 1, 1.0, 1.0, 1.0).expect("valid");
            let d = bome.direction(df.clone(), &dq, gap);
            let (at_d, at_df) = (d.dot(&dq).number(), df.dot(&dq).number());
            assert!(at_d >= phi - 1e-12, "{at_d} < {phi}");
            let from = |v: &Iterate<B>| {
                let e = Iterate {
                    x: v.x.clone() - df.x.clone(),
                    y: v.y.clone() - df.y.clone(),
                };
                e.dot(&e).number().sqrt()
            };
            if at_df >= phi {
                free += 1;
                assert!(from(&d) < 1e-12, "no need to move");
            } else {
                bound += 1;
                assert!((at_d - phi).abs() < 1e-10, "further than needed");
            }
            // Another admissible vector: `other`, moved along ∇q until it is.
            let missing = (phi - other.dot(&dq).number()).max(0.0) / dq.dot(&dq).number();
            let admissible = other
                .clone()
                .plus(&dq, &Tensor::from_data([[missing]], &Default::default()));
            assert!(from(&d) <= from(&admissible) + 1e-12);
        }
    }
    assert!(bound > 5 && free > 5, "{bound} bound, {free} free");
}

/// B2: the gradient of q̂ is the one with y⁽ᵀ⁾ held fixed, not that of the whole computation.
#[test]
fn the_gap_is_differentiated_with_its_minimiser_fixed() {
    let at =
        Coupled::random(8.0, 3).setup::<B>(&[0.3, -0.5, 0.2, 0.9], &[0.1, 0.4, -0.3, 0.2, 0.5]);
    let bome = Bome::new(Barrier::GradientNorm(0.5), 3, 0.1, 0.1, 0.1).expect("valid");
    let oracle = ProblemOracle::<B, _, _, _>::new(
        at.problem,
        DoubleBackward,
        FullBatch(at.batch),
        at.x,
        at.y,
    );
    let here = oracle.first();
    let gap = bome.gap(&oracle, &here);
    // y⁽ᵀ⁾, once and for all.
    let mut fixed = here.clone();
    for _ in 0..3 {
        fixed.y = fixed.y.clone() - oracle.lower_gradient(Block::All, &fixed) * 0.1;
    }
    let g = |x: &Tensor<B, 2>, y: &Tensor<B, 2>| {
        let at = Iterate {
            x: x.clone(),
            y: y.clone(),
        };
        oracle.lower_gradients(Block::All, &at).loss
    };
    let h = 1e-5;
    let (mut worst, mut through) = (0f64, 0f64);
    let exact = rows(&gap.x).remove(0);
    for (i, exact) in exact.iter().enumerate() {
        let mut unit = vec![0.0; 4];
        unit[i] = h;
        let (plus, minus) = (here.x.clone() + row(&unit), here.x.clone() - row(&unit));
        let frozen = |x: &Tensor<B, 2>| g(x, &here.y) - g(x, &fixed.y);
        worst = worst.max(((frozen(&plus) - frozen(&minus)) / (2.0 * h) - exact).abs());
        let whole = |x: Tensor<B, 2>| {
            let y = here.y.clone();
            bome.gap(&oracle, &Iterate { x, y }).loss
        };
        through = through.max(((whole(plus) - whole(minus)) / (2.0 * h) - exact).abs());
    }
    assert!(worst < 1e-6, "{worst}");
    assert!(through > 1e-2, "y⁽ᵀ⁾ does depend on x: {through}");
}

/// B3: many lower solutions. BOME finds the one that the upper loss wants; the adjoint system has
/// none.
#[test]
fn a_lower_problem_with_many_solutions() {
    for inner in [1, 10, 100] {
        let bome = Bome::new(Barrier::GradientNorm(0.5), inner, 0.5, 0.5, 0.5).expect("valid");
        let (x, y) = after(bome, Degenerate, &[0.0], &[0.0, 0.0], 1000);
        let error = length(&minus(&[x[0], y[0], y[1]], &[1.0; 3]));
        assert!(error < 1e-6, "T = {inner}: {x:?} {y:?}");
    }
    let FullBatch(batch) = nothing();
    let solver = ConjugateGradient {
        max_steps: 50,
        tolerance: Tolerance::Relative(1e-10),
    };
    let implicit = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver,
    };
    let estimate = Hypergradient::<B, _>::estimate(
        &implicit,
        Point {
            problem: &Degenerate,
            x: &shift(&[0.5]),
            y: &shift(&[0.5, 0.0]),
            batch: &batch,
        },
        None,
        0,
    );
    let adjoint = estimate.certificate.adjoint.expect("it solves for one");
    assert!(adjoint.residual > 0.1, "{adjoint:?}");
}

/// B4: the minimum is 0.72 at (1.8, 0.4), the mixture of two of the points nearest to (3, −2). At a
/// constant step the constraint is violated a little, less at half the step, and the last iterates
/// go round in a small circle.
#[test]
fn the_coreset() {
    let end = |step: f64, start: &[f64], steps: usize| {
        let bome = Bome::new(Barrier::GradientNorm(0.5), 10, 0.05, step, step).expect("valid");
        let oracle = coreset(start);
        let run = Run::new(bome, &oracle, 0);
        let (state, failure) = run.run(run.start(oracle.first()), steps, &mut |_| ());
        assert_eq!(failure, None);
        let f = oracle.upper_gradients(Block::All, &state.at).loss;
        (entries(&state.at).1, f, bome.gap(&oracle, &state.at).loss)
    };
    let mut coarse = 0.0;
    for (start, expected, upper) in [
        ([0.0, 3.0], [1.8167, 0.3851], 0.70890),
        ([-3.0, 1.0], [1.8201, 0.3866], 0.70880),
        ([3.5, -1.0], [1.8201, 0.3865], 0.70877),
    ] {
        let (y, f, q) = end(0.05, &start, 5000);
        coarse = q;
        assert!(length(&minus(&y, &expected)) < 6e-3, "{y:?}");
        assert!((f - upper).abs() < 2e-5, "{f}");
        assert!((q - 9.72e-4).abs() < 3e-5, "{q}");
    }
    let (.., fine) = end(0.025, &[3.5, -1.0], 10_000);
    assert!(fine < 0.5 * coarse, "{coarse} {fine}");
}

/// B5: `f = x y` against `g = −x y`.
#[test]
fn two_levels_that_oppose_each_other() {
    for (inner, steps, limit) in [(10, 500, 2e-4), (1, 2000, 0.04), (10, 200, 0.05)] {
        let bome = Bome::new(Barrier::GradientNorm(0.5), inner, 0.05, 0.05, 0.05).expect("valid");
        let (x, y) = after(bome, Opposed, &[4.0], &[4.0], steps);
        assert!(
            x[0].abs() < limit && y[0].abs() < limit,
            "T = {inner}: {x:?} {y:?}"
        );
    }
}

/// B6: where there is a hypergradient, BOME ends where it vanishes, the nearer the smaller its step
/// (T large enough that (1 − αμ)ᵀ does not matter).
#[test]
fn it_agrees_with_the_closed_form() {
    let error = |step: f64, steps: usize| {
        let problem = Coupled::random(4.0, 5);
        let at = problem.setup::<B>(&[0.0; 4], &[0.0; 5]);
        let bome = Bome::new(Barrier::GradientNorm(0.5), 25, 0.2, step, step).expect("valid");
        let oracle = ProblemOracle::<B, _, _, _>::new(
            at.problem,
            DoubleBackward,
            FullBatch(at.batch),
            at.x,
            at.y,
        );
        let run = Run::new(bome, &oracle, 0);
        let (state, failure) = run.run(run.start(oracle.first()), steps, &mut |_| ());
        assert_eq!(failure, None);
        length(&Coupled::random(4.0, 5).exact(&entries(&state.at).0))
    };
    let (coarse, fine) = (error(2e-2, 1000), error(4e-3, 5000));
    assert!(fine < 0.6 * coarse && fine < 0.1, "{coarse} {fine}");
}

/// B7, and bits: gradients only, T + 2 of g and one of f; a run that goes on from a saved state is
/// the same.
#[test]
fn it_counts_and_resumes() {
    in_single_precision(|| {
        let oracle = coreset(&[0.0, 3.0]);
        let bome = Bome::new(Barrier::Gap(0.1), 7, 0.05, 0.02, 0.03).expect("valid");
        let run = Run::new(bome.with_momentum(0.9).expect("valid"), &oracle, 0);
        let (half, _) = run.run(run.start(oracle.first()), 5, &mut |_| ());
        let calls = oracle.calls();
        assert_eq!(calls.lower_gradients, 5 * (7 + 2));
        assert_eq!(calls.upper_gradients, 5);
        assert_eq!((calls.hessian_products, calls.cross_products), (0, 0));
        let (end, _) = run.run(saved_and_loaded(half), 10, &mut |_| ());
        let (whole, _) = run.run(run.start(oracle.first()), 10, &mut |_| ());
        assert_eq!(entries(&end.at), entries(&whole.at));
        assert_eq!(end.step, 10);
    });
}

/// A step that is far too long ends with the last good state, not with NaN.
#[test]
fn a_run_that_diverges_keeps_its_last_good_state() {
    let oracle = coreset(&[0.0, 3.0]);
    let bome = Bome::new(Barrier::GradientNorm(0.5), 2, 1e3, 1e3, 1e3).expect("valid");
    let run = Run::new(bome, &oracle, 0);
    let (state, failure) = run.run(run.start(oracle.first()), 10_000, &mut |_| ());
    assert!(failure.is_some());
    let (x, y) = entries(&state.at);
    assert!(x.iter().chain(&y).all(|v| v.is_finite()));
}

#[test]
fn settings_that_make_no_sense() {
    let bome = |eta, inner, step| Bome::new(Barrier::GradientNorm(eta), inner, step, 0.1, 0.1);
    assert!(bome(0.0, 1, 0.1).is_err());
    assert!(bome(0.5, 0, 0.1).is_err());
    assert!(bome(0.5, 1, -0.1).is_err());
    let fine = bome(0.5, 1, 0.1).expect("valid");
    assert!(fine.with_momentum(1.0).is_err());
}
