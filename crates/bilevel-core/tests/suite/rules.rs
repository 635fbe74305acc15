//! Update rules against closed forms: where they end, what they cost, that they resume.

use bilevel_core::algorithm::rule::{Block, Blocks, NeumannSeries, OracleCalls};
use bilevel_core::hypergradient::NeumannForm;
use bilevel_core::{
    Amigo, BilevelProblem, Bsa, Bsg1, Bvfsm, BvfsmSettings, DoubleBackward, F2sa, F3sa, Fsla,
    FullBatch, Iterate, MaSoba, Minibatches, Mrbo, Oracle, Pbgd, Penalization, ProblemOracle,
    Pzobo, Rule, Run, Saba, Schedule, Soba, Srba, StocBio, Sustain, Ttsa, Vrbo,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use double_precision::in_single_precision;

use crate::closed_forms::{Coupled, Matrices};
use crate::problems::Shift;
use crate::{B, generator, length, minus, normal, rows, saved_and_loaded, size};

/// Blocks that pull `b` and `c` apart by `±spread`; both losses are what they were in the mean.
pub struct Halves {
    pub batch: Matrices<B>,
    pub spread: f64,
}

impl Minibatches<B, Coupled> for Halves {
    fn blocks(&self) -> Blocks {
        Blocks { lower: 2, upper: 2 }
    }

    fn batch(&self, lower: Block, upper: Block) -> <Coupled as BilevelProblem>::Batch<B> {
        let sign = |block| match block {
            Block::All => 0.0,
            Block::One(i) => self.spread * (1.0 - 2.0 * i as f64),
        };
        let Matrices { a, m, b, c } = self.batch.clone();
        Matrices {
            a,
            m,
            b: b + sign(lower),
            c: c + sign(upper),
        }
    }
}

/// Eigenvalues of the lower Hessian from 1 to 4, of the Hessian of F from 1 to about 3.
fn problem() -> Coupled {
    let mut problem = Coupled::random(4.0, 5);
    problem.m.iter_mut().flatten().for_each(|m| *m *= 0.3);
    problem.ridge = 1.0;
    problem
}

/// `‖dF/dx‖` at the iterate.
fn gradient(at: &Iterate<B>) -> f64 {
    length(&problem().exact(&rows(&at.x)[0]))
}

fn oracle(spread: f64) -> ProblemOracle<B, Coupled, DoubleBackward, Halves> {
    let at = problem().setup::<B>(&[0.0; 4], &[0.0; 5]);
    let samples = Halves {
        batch: at.batch,
        spread,
    };
    ProblemOracle::new(at.problem, DoubleBackward, samples, at.x, at.y)
}

/// `‖dF/dx‖` after `steps` steps from zero on two blocks with that spread.
fn after<R: Rule<B>>(rule: R, spread: f64, steps: usize) -> f64 {
    let oracle = oracle(spread);
    let run = Run::new(rule, &oracle, 3);
    let (state, failure) = run.run(run.start(oracle.first()), steps, &mut |_| ());
    assert_eq!(failure, None);
    gradient(&state.at)
}

const STEP: Schedule = Schedule::Constant(0.3);
const SMALL: Schedule = Schedule::Constant(0.1);

/// E6: with equal blocks the fixed points are the optimum.
#[test]
fn exact_methods_end_at_the_optimum() {
    let ends = [
        ("SABA", after(Saba::new(SMALL, SMALL).unwrap(), 0.0, 1200)),
        (
            "MA-SOBA",
            after(MaSoba::new(STEP, SMALL, STEP).unwrap(), 0.0, 600),
        ),
        (
            "AmIGO",
            after(Amigo::new(10, STEP, SMALL).unwrap(), 0.0, 600),
        ),
        (
            "FSLA",
            after(Fsla::new(STEP, SMALL, STEP).unwrap(), 0.0, 600),
        ),
        ("SRBA", after(Srba::new(STEP, SMALL, 5).unwrap(), 0.0, 600)),
        // The series leaves (1 − 0.25)^60 = 3e-8.
        (
            "stocBiO",
            after(StocBio::new(10, STEP, SMALL, 60, 0.25).unwrap(), 0.0, 250),
        ),
        (
            "MRBO",
            after(Mrbo::new(STEP, SMALL, STEP, 60, 0.25).unwrap(), 0.0, 300),
        ),
        (
            "VRBO",
            after(Vrbo::new(3, STEP, SMALL, 2, 60, 0.25).unwrap(), 0.0, 200),
        ),
    ];
    for (name, end) in ends {
        let bound = if ["stocBiO", "MRBO", "VRBO"].contains(&name) {
            1e-6
        } else {
            1e-8
        };
        assert!(end < bound, "{name}: {end:.1e}");
    }
}

/// E6: on random blocks constant steps converge where variance is reduced, and do not where it is
/// not.
#[test]
fn memories_and_recursions_remove_the_noise() {
    let step = Schedule::Constant(0.1);
    let reduced = [
        after(Saba::new(step, SMALL).unwrap(), 0.3, 2000),
        after(Srba::new(step, SMALL, 4).unwrap(), 0.3, 2000),
    ];
    assert!(reduced.iter().all(|end| *end < 1e-8), "{reduced:?}");
    let noisy = after(Soba::new(step, SMALL).unwrap(), 0.3, 2000);
    assert!(noisy > 1e-4, "{noisy}");
}

/// Methods that draw their series or their directions at random come near, with steps that fall.
#[test]
fn random_estimates_come_near() {
    let start = gradient(&oracle(0.0).first());
    let falling = Schedule::Polynomial {
        initial: 0.1,
        power: 0.6,
    };
    let ends = [
        (
            "BSA",
            after(Bsa::new(10, STEP, falling, 10, 0.25).unwrap(), 0.0, 800),
        ),
        (
            "TTSA",
            after(Ttsa::new(STEP, falling, 10, 0.25).unwrap(), 0.0, 1500),
        ),
        (
            "SUSTAIN",
            after(
                Sustain::new(STEP, falling, STEP, 10, 0.25).unwrap(),
                0.0,
                3000,
            ),
        ),
        (
            "PZOBO",
            after(Pzobo::new(10, STEP, falling, 4, 0.1).unwrap(), 0.0, 800),
        ),
    ];
    for (name, end) in ends {
        assert!(end < 0.2 * start, "{name}: {end:.1e} of {start:.1e}");
    }
}

/// The bias of a penalty falls as one over its weight.
#[test]
fn penalties_are_biased_by_one_over_their_weight() {
    let f2sa = |weight| after(F2sa::new(10, STEP, SMALL, weight, None).unwrap(), 0.0, 300);
    let f3sa = |weight| {
        let x = Schedule::Constant(0.6 / weight);
        after(F3sa::new(STEP, x, STEP, weight, None).unwrap(), 0.0, 2000)
    };
    let value = Penalization::Value {
        steps: 15,
        step: 0.3,
    };
    let pbgd = |penalty, weight, steps| {
        // The squared gradient bends up to 2 · 4² times the weight.
        let step = match penalty {
            Penalization::Gradient => 0.05 / weight,
            Penalization::Value { .. } => 0.2 / weight,
        };
        after(Pbgd::new(penalty, weight, step, step).unwrap(), 0.0, steps)
    };
    let pairs = [
        ("F2SA", f2sa(20.0), f2sa(40.0)),
        ("F3SA", f3sa(20.0), f3sa(40.0)),
        ("V-PBGD", pbgd(value, 20.0, 1200), pbgd(value, 40.0, 2400)),
        (
            "G-PBGD",
            pbgd(Penalization::Gradient, 20.0, 4000),
            pbgd(Penalization::Gradient, 40.0, 8000),
        ),
    ];
    for (name, one, two) in pairs {
        let ratio = one / two;
        assert!(
            (1.7..2.3).contains(&ratio),
            "{name}: {one:.2e} to {two:.2e}"
        );
    }
    let growing = F2sa::new(10, STEP, SMALL, 1.0, Some(Schedule::Constant(1.0)));
    let end = after(growing.unwrap(), 0.0, 400);
    assert!(end < 0.3 * f2sa(40.0), "{end} {}", f2sa(40.0));
}

/// A barrier that falls leads to the optimum.
#[test]
fn bvfsm_comes_near() {
    let falling = |initial| Schedule::Polynomial {
        initial,
        power: 0.5,
    };
    let end = |steps| {
        let settings = BvfsmSettings {
            lower_steps: [20, 20],
            lower_step_size: 0.1,
            upper_step_size: Schedule::Constant(0.05),
            mu: falling(0.05),
            sigma: falling(0.05),
            theta: falling(0.05),
        };
        after(Bvfsm::new(settings).unwrap(), 0.0, steps)
    };
    let start = gradient(&oracle(0.0).first());
    let (early, late) = (end(40), end(320));
    assert!(
        late < 0.5 * early && late < 0.1 * start,
        "{start} {early} {late}"
    );
}

/// Half a squared residual, the case that BSG-1 is exact for: `g = ½ (y − x)²`, `f = ½ (y − 1)² + ½
/// x²`.
#[derive(Debug)]
struct Residual;

#[derive(Module, Debug)]
struct Nothing<B: Backend> {
    unused: Tensor<B, 1>,
}

impl BilevelProblem for Residual {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        ((y.x.val() - 1.0).square() + x.x.val().square()) * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        (y.x.val() - x.x.val()).square() * 0.5
    }
}

#[test]
fn bsg1_is_exact_for_half_a_square() {
    let number = |v: f64| Shift {
        x: Param::from_data([v], &Default::default()),
    };
    let unused = Tensor::zeros([1], &Default::default());
    let samples = FullBatch(Nothing::<B> { unused });
    let oracle = ProblemOracle::<B, _, _, _>::new(
        Residual,
        DoubleBackward,
        samples,
        number(3.0),
        number(0.0),
    );
    let run = Run::new(
        Bsg1::new(2, STEP, Schedule::Constant(0.1)).unwrap(),
        &oracle,
        0,
    );
    let (state, failure) = run.run(run.start(oracle.first()), 400, &mut |_| ());
    assert_eq!(failure, None);
    let x = rows(&state.at.x)[0][0];
    assert!((x - 0.5).abs() < 1e-6, "{x}");
}

/// E5: both series have the mean of the formula, and the product varies more.
#[test]
fn series_have_the_mean_of_the_formula() {
    let (eta, terms) = (0.2, 6);
    let oracle = oracle(0.0);
    let at = oracle.first();
    let p = normal::<B, 2>([1, 5], &mut generator(1));
    let exact = problem().a.function(
        |l| (1.0 - (1.0 - eta * l).powi(terms as i32)) / l,
        &rows(&p)[0],
    );
    let draws = 4000;
    let run = |form| {
        let series = NeumannSeries::new(form, terms, eta).unwrap();
        let estimates: Vec<Vec<f64>> = (0..draws)
            .map(|t| {
                let mut draw = bilevel_core::algorithm::rule::Draws::new(5, t, oracle.blocks());
                let on = series.draw(&mut draw);
                rows(&series.adjoint(&oracle, &on, &at, p.clone())).remove(0)
            })
            .collect();
        let mean: Vec<f64> = (0..5)
            .map(|j| estimates.iter().map(|e| e[j]).sum::<f64>() / draws as f64)
            .collect();
        let variance = estimates
            .iter()
            .map(|e| length(&minus(e, &mean)).powi(2))
            .sum::<f64>()
            / draws as f64;
        (mean, variance)
    };
    // All blocks have the same Hessian: the sum does not vary at all.
    let (sum, variance) = run(NeumannForm::Sum);
    assert!(length(&minus(&sum, &exact)) < 1e-9 && variance < 1e-20);
    let (product, variance) = run(NeumannForm::RandomProduct);
    let error = length(&minus(&product, &exact));
    let deviation = (variance / draws as f64).sqrt();
    assert!(
        variance > 1e-3 && error < 4.0 * deviation,
        "{error} {deviation}"
    );
}

/// E7: STORM with η = 1 is the stochastic gradient, SARAH with period 1 the gradient on all
/// samples.
#[test]
fn limits_of_the_recursions() {
    let iterates = |rule: &dyn Fn(&dyn Oracle<B>) -> Iterate<B>, spread| rule(&oracle(spread));
    let steps = 30;
    let soba = |spread| {
        iterates(
            &|oracle| {
                let run = Run::new(Soba::new(STEP, SMALL).unwrap(), oracle, 3);
                let start = run.start(first());
                run.run(start, steps, &mut |_| ()).0.at
            },
            spread,
        )
    };
    let fsla = iterates(
        &|oracle| {
            let rule = Fsla::new(STEP, SMALL, Schedule::Constant(1.0)).unwrap();
            let run = Run::new(rule, oracle, 3);
            let start = run.start(first());
            run.run(start, steps, &mut |_| ()).0.at
        },
        0.3,
    );
    assert_eq!(rows(&fsla.x), rows(&soba(0.3).x));
    let srba = iterates(
        &|oracle| {
            let run = Run::new(Srba::new(STEP, SMALL, 1).unwrap(), oracle, 3);
            let start = run.start(first());
            run.run(start, steps, &mut |_| ()).0.at
        },
        0.3,
    );
    // No spread: what SOBA draws is all there is.
    assert!(size(&(srba.x - soba(0.0).x)) < 1e-14);
}

fn first() -> Iterate<B> {
    oracle(0.0).first()
}

/// Calls of the second step, and bits on resuming.
fn check<R: Rule<B>>(name: &str, rule: &dyn Fn() -> R, expected: [u64; 4]) {
    let oracle = oracle(0.3);
    let run = Run::new(rule(), &oracle, 9);
    let (state, _) = run.run(run.start(oracle.first()), 1, &mut |_| ());
    let before = oracle.calls();
    let (state, failure) = run.run(state, 2, &mut |_| ());
    assert_eq!(failure, None, "{name}");
    let calls = oracle.calls();
    let spent = [
        calls.lower_gradients - before.lower_gradients,
        calls.upper_gradients - before.upper_gradients,
        calls.hessian_products - before.hessian_products,
        calls.cross_products - before.cross_products,
    ];
    assert_eq!(spent, expected, "{name}");
    let (half, _) = run.run(state, 7, &mut |_| ());
    let (end, _) = run.run(saved_and_loaded(half), 20, &mut |_| ());
    let (whole, _) = run.run(run.start(oracle.first()), 20, &mut |_| ());
    assert_eq!(rows(&end.at.x), rows(&whole.at.x), "{name}");
    assert_eq!(rows(&end.at.y), rows(&whole.at.y), "{name}");
}

/// What a step costs is what the documentation says, and all that a rule remembers is in its
/// memory.
///
/// Gradients of g, of f, Hessian products, cross products; random products are drawn with one term.
#[test]
fn costs_are_as_stated_and_runs_resume_with_the_same_bits() {
    in_single_precision(|| {
        let s = SMALL;
        check("SABA", &|| Saba::new(s, s).unwrap(), [1, 1, 1, 1]);
        check(
            "MA-SOBA",
            &|| MaSoba::new(s, s, STEP).unwrap(),
            [1, 1, 1, 1],
        );
        check("AmIGO", &|| Amigo::new(4, s, s).unwrap(), [4, 1, 4, 1]);
        check("FSLA", &|| Fsla::new(s, s, STEP).unwrap(), [1, 2, 1, 2]);
        check("SRBA", &|| Srba::new(s, s, 3).unwrap(), [2, 2, 2, 2]);
        check("BSA", &|| Bsa::new(4, s, s, 1, 0.1).unwrap(), [4, 1, 0, 1]);
        check("TTSA", &|| Ttsa::new(s, s, 1, 0.1).unwrap(), [1, 1, 0, 1]);
        check(
            "stocBiO",
            &|| StocBio::new(4, s, s, 6, 0.1).unwrap(),
            [4, 1, 5, 1],
        );
        check(
            "SUSTAIN",
            &|| Sustain::new(s, s, STEP, 1, 0.1).unwrap(),
            [2, 2, 0, 2],
        );
        check(
            "MRBO",
            &|| Mrbo::new(s, s, STEP, 6, 0.1).unwrap(),
            [2, 2, 10, 2],
        );
        check(
            "VRBO",
            &|| Vrbo::new(3, s, s, 4, 6, 0.1).unwrap(),
            [6, 6, 30, 6],
        );
        check(
            "PZOBO",
            &|| Pzobo::new(4, s, s, 2, 0.1).unwrap(),
            [12, 1, 0, 0],
        );
        check("BSG-1", &|| Bsg1::new(4, s, s).unwrap(), [5, 1, 0, 0]);
        check(
            "F2SA",
            &|| F2sa::new(4, s, s, 10.0, Some(s)).unwrap(),
            [10, 5, 0, 0],
        );
        check(
            "F3SA",
            &|| F3sa::new(s, s, STEP, 10.0, Some(s)).unwrap(),
            [4, 2, 0, 0],
        );
        let value = Penalization::Value {
            steps: 4,
            step: 0.1,
        };
        check(
            "V-PBGD",
            &|| Pbgd::new(value, 2.0, 0.01, 0.01).unwrap(),
            [6, 1, 0, 0],
        );
        let gradient = Penalization::Gradient;
        check(
            "G-PBGD",
            &|| Pbgd::new(gradient, 2.0, 0.01, 0.01).unwrap(),
            [2, 1, 1, 1],
        );
        let settings = BvfsmSettings {
            lower_steps: [4, 3],
            lower_step_size: 0.01,
            upper_step_size: s,
            mu: STEP,
            sigma: s,
            theta: s,
        };
        check("BVFSM", &|| Bvfsm::new(settings).unwrap(), [10, 5, 0, 0]);
    });
}

/// SABA's table has the size that is stated, and no other entry.
#[test]
fn sabas_table_is_bounded() {
    let oracle = oracle(0.3);
    let at = oracle.first();
    assert_eq!(
        Saba::table_numbers(&oracle, &at),
        2 * (2 * 5 + 4) + 2 * (5 + 4)
    );
}

/// The authors' toy for PBGD: `f = cos(4y + 2)/(1 + e^(2−4x)) + ½ log((4x − 2)² + 1)`,
/// `g = (x + y)² + x sin²(x + y)`, x in [0, 3].
#[derive(Debug)]
struct Toy;

impl BilevelProblem for Toy {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let (x, y) = (x.x.val(), y.x.val());
        let wave = (y * 4.0 + 2.0).cos() / ((-x.clone() * 4.0 + 2.0).exp() + 1.0);
        wave + ((x * 4.0 - 2.0).square() + 1.0).log() * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Shift<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let x = x.x.val();
        let sum = x.clone() + y.x.val();
        sum.clone().square() + x * sum.sin().square()
    }

    fn project<B: Backend>(&self, x: Shift<B>) -> Shift<B> {
        Shift {
            x: x.x.map(|x| x.clamp(0.0, 3.0)),
        }
    }
}

#[test]
fn pbgd_ends_at_local_minima_of_its_toy() {
    // y* = −x, so F(x) = cos(2 − 4x)/(1 + e^(2−4x)) + ½ log((4x − 2)² + 1).
    let f = |x: f64| {
        let s = 4.0 * x - 2.0;
        s.cos() / (1.0 + (-s).exp()) + 0.5 * (s * s + 1.0).ln()
    };
    let slope = |x: f64| (f(x + 1e-6) - f(x - 1e-6)) / 2e-6;
    for start in [0.2, 2.0] {
        let number = |v: f64| Shift {
            x: Param::from_data([v], &Default::default()),
        };
        let samples = FullBatch(Nothing::<B> {
            unused: Tensor::zeros([1], &Default::default()),
        });
        let oracle = ProblemOracle::<B, _, _, _>::new(
            Toy,
            DoubleBackward,
            samples,
            number(start),
            number(-start),
        );
        let value = Penalization::Value {
            steps: 5,
            step: 0.3,
        };
        let gamma = 200.0;
        let rule = Pbgd::new(value, gamma, 0.1 / gamma, 0.1 / gamma).unwrap();
        let run = Run::new(rule, &oracle, 0);
        let (state, failure) = run.run(run.start(oracle.first()), 2500, &mut |_| ());
        assert_eq!(failure, None);
        let x = rows(&state.at.x)[0][0];
        assert!(
            slope(x).abs() < 0.3 && f(x) <= f(start),
            "{start}: {x}, slope {}",
            slope(x)
        );
        assert!((rows(&state.at.y)[0][0] + x).abs() < 0.02);
    }
}

/// Settings that make no sense are errors that name what is wrong.
#[test]
fn bad_settings_are_errors() {
    let zero = Schedule::Constant(0.0);
    let messages = [
        Saba::new(zero, STEP).unwrap_err().to_string(),
        MaSoba::new(STEP, STEP, Schedule::Constant(1.5))
            .unwrap_err()
            .to_string(),
        Fsla::new(STEP, STEP, Schedule::Constant(2.0))
            .unwrap_err()
            .to_string(),
        StocBio::new(0, STEP, STEP, 3, 0.1).unwrap_err().to_string(),
        Pzobo::new(1, STEP, STEP, 0, 0.1).unwrap_err().to_string(),
        F2sa::new(1, STEP, STEP, f64::NAN, None)
            .unwrap_err()
            .to_string(),
    ];
    let expected = [
        "lower_step_size must be finite and > 0, got 0",
        "theta must be in (0, 1], got 1.5",
        "eta must be in (0, 1], got 2",
        "inner_steps must be finite and > 0, got 0",
        "directions must be finite and > 0, got 0",
        "weight must be finite and > 0, got NaN",
    ];
    assert_eq!(messages.map(|m| m), expected.map(str::to_string));
}

/// Counters are what they say.
#[test]
fn calls_add_up() {
    let calls = OracleCalls {
        lower_gradients: 1,
        upper_gradients: 2,
        hessian_products: 3,
        cross_products: 4,
        blocks: 40,
    };
    assert_eq!(calls.total(), 10);
}
