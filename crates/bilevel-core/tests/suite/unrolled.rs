//! Unrolled differentiation: every map, every step size, every way to keep the states.

use bilevel_core::hypergradient::{
    Adam, Bregman, CheckpointSchedule, Descent, HeavyBall, Learned, LowerMap, Nesterov,
    PerParameter, StepSize,
};
use bilevel_core::parameters::{pack, unpack};
use bilevel_core::{
    Checkpointing, Differentiable, DoubleBackward, ForwardMode, Hypergradient, Point, SecondOrder,
    Tape, Unrolled, Vector,
};
use burn::tensor::Tensor;
use double_precision::Number;
use proptest::prelude::*;

use crate::closed_forms::{Coupled, Logistic, On, logistic_setup};
use crate::problems::{Curved, CurvedUpper, curved};
use crate::{B, generator, normal, relative_error, row, rows, size};

/// The derivative of `f(x, y_K(x))` by central differences, entry by entry.
pub fn measured<P, D, M, R>(setup: &On<B, P>, method: &Unrolled<D, M, R>) -> Vector<B>
where
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    M: LowerMap<B>,
    R: StepSize<B, P>,
{
    differences(setup.point(), |point| method.estimate(point, None, 0).loss)
}

fn differences<P: Differentiable<B>>(
    point: Point<'_, B, P>,
    loss: impl Fn(Point<'_, B, P>) -> f64,
) -> Vector<B> {
    let x = pack(point.x, 1);
    let dim = x.dims()[1];
    let e = 1e-5;
    let entry = |i: usize| {
        let at = |h: f64| {
            let mut moved = rows(&x).concat();
            moved[i] += h;
            let x = unpack(point.x.clone(), row(&moved));
            loss(Point { x: &x, ..point })
        };
        (at(e) - at(-e)) / (2.0 * e)
    };
    row(&(0..dim).map(entry).collect::<Vec<_>>())
}

fn with<M, R>(map: M, step_size: R, steps: usize) -> Unrolled<DoubleBackward, M, R> {
    Unrolled {
        second_order: DoubleBackward,
        map,
        step_size,
        steps,
        keep: Checkpointing::All,
    }
}

/// Reverse mode against differences, and forward mode against reverse, on one map.
fn check<M: LowerMap<B> + Copy>(name: &str, map: M, eta: f64, tolerance: f64) {
    for seed in 0..3 {
        let setup = curved(2, seed);
        let method = with(map, eta, 12);
        let reverse = method.estimate(setup.point(), None, 0);
        assert_eq!(reverse.failure, None);
        let slope = differences(setup.point(), |point| method.estimate(point, None, 0).loss);
        let error = relative_error(&reverse.gradient, &slope);
        assert!(error < tolerance, "{name}: {error:.1e}");
        let forward = ForwardMode {
            second_order: DoubleBackward,
            map,
            step_size: eta,
            steps: 12,
        };
        let forward = forward.estimate(setup.point(), None, 0);
        let error = relative_error(&forward.gradient, &reverse.gradient);
        assert!(error < 1e-12, "{name}, forward: {error:.1e}");
        assert_eq!(rows(&forward.y), rows(&reverse.y));
        let budget = Checkpointing::Bytes(5 * M::VECTORS * 2 * 7 * 8);
        let short = Unrolled {
            keep: budget,
            ..method
        }
        .estimate(setup.point(), None, 0);
        assert_eq!(
            rows(&short.gradient),
            rows(&reverse.gradient),
            "{name}, five states"
        );
    }
}

#[test]
fn every_map_is_differentiated_exactly() {
    check("descent", Descent, 0.05, 1e-7);
    check("heavy ball", HeavyBall { momentum: 0.7 }, 0.05, 1e-7);
    check("nesterov", Nesterov { momentum: 0.7 }, 0.05, 1e-7);
    check(
        "bregman",
        Bregman {
            momentum: 0.7,
            every: 5,
            feedback: 0.6,
        },
        0.05,
        1e-7,
    );
    check(
        "adam",
        Adam {
            beta_1: 0.5,
            beta_2: 0.9,
            epsilon: 1e-2,
        },
        0.1,
        1e-7,
    );
    // Where a gradient is small Adam's step is curved like 1/ε: the differences are off.
    check("adam, default", Adam::default(), 0.05, 1e-5);
}

/// `⟨pull back of b, (ds, dg)⟩ = ⟨b, push forward of (ds, dg)⟩` for all of the state, the query
/// too. What no estimator asks for, such as the adjoint of the data that [`Bregman`] keeps, is seen
/// here alone.
#[test]
fn pull_back_is_the_adjoint_of_push_forward() {
    fn agree<M: LowerMap<B>>(name: &str, map: M) {
        let device = Default::default();
        let rng = std::cell::RefCell::new(generator(7));
        let normal = || normal::<B, 2>([2, 5], &mut rng.borrow_mut());
        let all = || -> Vec<_> { (0..M::VECTORS).map(|_| normal()).collect() };
        let product = |a: &[Tensor<B, 2>], b: &[Tensor<B, 2>]| -> f64 {
            let both = a.iter().zip(b);
            both.map(|(a, b)| (a.clone() * b.clone()).sum().number())
                .sum()
        };
        let eta = Tensor::<B, 2>::full([1, 1], 0.3, &device);
        for k in 0..4 {
            // Adam keeps squares.
            let state: Vec<_> = all().into_iter().map(|v| v.abs() + 0.1).collect();
            let (g, ds, dg, bar) = (normal(), all(), normal(), all());
            let forward = map.push_forward(k, &state, &g, &eta, &ds, &dg);
            let back = map.pull_back(k, &state, Some(&g), &eta, bar.clone());
            let (a, b) = (product(&bar, &forward), product(&back.state, &ds));
            let b = b + product(&[back.gradient], std::slice::from_ref(&dg));
            assert!((a - b).abs() < 1e-10, "{name}, step {k}: {a} and {b}");
            let step = 1e-6;
            let eta_more = map.step(k, &state, &g, &(eta.clone() + step));
            let eta_less = map.step(k, &state, &g, &(eta.clone() - step));
            let slope = (product(&bar, &eta_more) - product(&bar, &eta_less)) / (2.0 * step);
            let of_eta = back.step_size.expect("with g").sum().number();
            assert!((slope - of_eta).abs() < 1e-7, "{name}: {slope}, {of_eta}");
            let query = map.query(&ds);
            let zeros: Vec<_> = ds.iter().map(Tensor::zeros_like).collect();
            let back = map.pull_back_query(zeros, dg.clone());
            let (a, b) = (product(&[dg], &[query]), product(&back, &ds));
            assert!((a - b).abs() < 1e-10, "{name}, query: {a} and {b}");
        }
    }
    agree("descent", Descent);
    agree("heavy ball", HeavyBall { momentum: 0.7 });
    agree("nesterov", Nesterov { momentum: 0.7 });
    agree("adam", Adam::default());
    let bregman = Bregman {
        momentum: 0.7,
        every: 3,
        feedback: 0.6,
    };
    agree("bregman", bregman);
}

/// After data were given back the momentum begins at rest: the next step is that from a fresh
/// start.
#[test]
fn bregman_steps_begin_afresh() {
    let device = Default::default();
    let map = Bregman {
        momentum: 0.7,
        every: 2,
        feedback: 0.6,
    };
    let row = |v: [f64; 3]| Tensor::<B, 2>::from_data([v], &device);
    let eta = Tensor::full([1, 1], 0.1, &device);
    let data = row([1.0, -2.0, 3.0]);
    let mut state = map.start(data.clone());
    for (k, g) in [[0.5, 1.0, -1.0], [0.3, -0.2, 0.7]].into_iter().enumerate() {
        state = map.step(k, &state, &row(g), &eta);
    }
    let missing = data.clone() - state[0].clone();
    assert_eq!(rows(&map.query(&state)), rows(&state[0]), "at rest");
    let g = row([0.1, 0.2, 0.3]);
    let next = map.step(2, &state, &g, &eta);
    let expected = state[0].clone() - (g - missing * 0.6) * 0.1;
    let error: f64 = (next[0].clone() - expected).abs().max().number();
    assert!(error < 1e-15, "{error:.1e}");
}

/// One step size an entry of y.
#[test]
fn per_parameter_step_sizes() {
    let setup = curved(2, 5);
    let rates: Vec<f64> = (0..7).map(|i| 0.01 + 0.01 * f64::from(i)).collect();
    for map in [0.0, 0.6] {
        let method = with(
            HeavyBall { momentum: map },
            PerParameter(row::<B>(&rates)),
            8,
        );
        let gradient = method.estimate(setup.point(), None, 0).gradient;
        let slope = differences(setup.point(), |p| method.estimate(p, None, 0).loss);
        assert!(relative_error(&gradient, &slope) < 1e-7);
    }
    // The same for all is one number.
    let same =
        with(Descent, PerParameter(row::<B>(&[0.03; 7])), 8).estimate(setup.point(), None, 0);
    let number = with(Descent, 0.03, 8).estimate(setup.point(), None, 0);
    assert!(relative_error(&same.gradient, &number.gradient) < 1e-13);
}

/// Step sizes that x determines: one number, and one an entry.
#[test]
fn learned_step_sizes() {
    let setup = curved(2, 6);
    let one = |x: &CurvedUpper<Tape<B>>| -> Tensor<Tape<B>, 2> {
        (x.scale.val().narrow(0, 0, 1) * 0.3 - 3.0)
            .exp()
            .unsqueeze()
    };
    let each = |x: &CurvedUpper<Tape<B>>| -> Tensor<Tape<B>, 2> {
        let s = x.scale.val();
        let seven = Tensor::cat(vec![s.clone(), s.clone(), s.narrow(0, 0, 1)], 0);
        (seven * 0.3 - 3.0).exp().unsqueeze()
    };
    fn agrees<M: LowerMap<B>, R: StepSize<B, Curved>>(
        setup: &crate::problems::Setup<Curved>,
        method: &Unrolled<DoubleBackward, M, R>,
    ) {
        let gradient = method.estimate(setup.point(), None, 0).gradient;
        let slope = differences(setup.point(), |p| method.estimate(p, None, 0).loss);
        let error = relative_error(&gradient, &slope);
        assert!(error < 1e-7, "{error:.1e}");
    }
    agrees(&setup, &with(Descent, Learned(one), 8));
    agrees(&setup, &with(Descent, Learned(each), 8));
    agrees(&setup, &with(Nesterov { momentum: 0.5 }, Learned(each), 8));
    let bregman = Bregman {
        momentum: 0.5,
        every: 3,
        feedback: 0.6,
    };
    agrees(&setup, &with(bregman, Learned(one), 8));
    agrees(&setup, &with(Adam::default(), Learned(one), 8));
}

/// What is recorded on x and never differentiated stays in memory as long as x does.
#[test]
fn learned_step_sizes_are_recorded_for_their_derivative_only() {
    let setup = curved(2, 6);
    let recorded = std::cell::Cell::new(0);
    let rate = |x: &CurvedUpper<Tape<B>>| -> Tensor<Tape<B>, 2> {
        let scale = x.scale.val();
        recorded.set(recorded.get() + i32::from(scale.is_require_grad()));
        (scale.narrow(0, 0, 1) - 3.0).exp().unsqueeze()
    };
    let method = with(Descent, Learned(rate), 3);
    method.estimate(setup.point(), None, 0);
    assert_eq!(recorded.get(), 1);
}

/// At a solution every gradient so far is zero, and √v has no derivative: higher's NaN (issue 125).
#[test]
fn adam_stays_finite_at_a_zero_gradient() {
    let problem = Coupled::scalar();
    let setup = problem.setup::<B>(&[1.0], &[0.5]);
    let adam = Adam {
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-2,
    };
    let estimate = with(adam, 1e-3, 5).estimate(setup.point(), None, 0);
    assert_eq!(estimate.failure, None);
    assert!(size(&estimate.gradient) > 0.0);
    // The rule is the limit: a start next to the solution gives nearly the same.
    let beside = Coupled::scalar().setup::<B>(&[1.0], &[0.5 + 1e-9]);
    let limit = with(adam, 1e-3, 5).estimate(beside.point(), None, 0);
    assert!(relative_error(&estimate.gradient, &limit.gradient) < 1e-5);
    let forward = ForwardMode {
        second_order: DoubleBackward,
        map: adam,
        step_size: 1e-3,
        steps: 5,
    };
    let forward = forward.estimate(setup.point(), None, 0);
    assert!(relative_error(&forward.gradient, &estimate.gradient) < 1e-12);
}

/// Fewest forward steps to reverse `l` with `s` states, by trying every first checkpoint.
fn fewest(
    l: usize,
    s: usize,
    table: &mut std::collections::HashMap<(usize, usize), usize>,
) -> usize {
    if l <= 1 {
        return 0;
    }
    if s == 1 {
        return l * (l - 1) / 2;
    }
    if let Some(known) = table.get(&(l, s)) {
        return *known;
    }
    let best = (1..l)
        .map(|m| m + fewest(l - m, s - 1, table) + fewest(m, s, table))
        .min()
        .expect("l > 1");
    table.insert((l, s), best);
    best
}

#[test]
fn schedules_are_optimal() {
    let mut table = std::collections::HashMap::new();
    for steps in 1..60 {
        for states in 1..12 {
            let schedule = CheckpointSchedule { steps, states };
            assert_eq!(schedule.forward_steps(), fewest(steps, states, &mut table));
            // Following `advance` costs what `forward_steps` says.
            fn follow(steps: usize, states: usize) -> usize {
                let m = CheckpointSchedule { steps, states }.advance();
                match m {
                    0 => 0,
                    _ if m + 1 == steps => m + follow(m, states),
                    _ => m + follow(steps - m, states - 1) + follow(m, states),
                }
            }
            assert_eq!(
                follow(steps, states),
                schedule.forward_steps(),
                "{schedule:?}"
            );
        }
    }
}

/// The table in the documentation of [`Unrolled`].
#[test]
fn the_table_of_a_thousand_steps() {
    let setup = logistic_setup(0);
    let state = 4 * 8;
    let rows = [
        (1000, 1000),
        (256, 1743),
        (44, 1955),
        (17, 2811),
        (5, 6285),
        (2, 28821),
    ];
    for (states, gradients) in rows {
        let keep = Checkpointing::Bytes((states + 1) * state);
        let method = Unrolled {
            keep,
            ..with(Descent, 0.1, 1000)
        };
        let plan = method.plan::<B, Logistic>(setup.point()).unwrap();
        assert_eq!(
            (plan.gradients, plan.bytes),
            (gradients, (states + 1) * state),
            "{states} states"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any budget: the same numbers, the gradients planned, and not a state more than planned.
    #[test]
    fn checkpoints_change_nothing_but_the_cost(steps in 0..40usize, states in 2..30usize, seed in 0..9u64) {
        let setup = logistic_setup(seed);
        let all = with(Nesterov { momentum: 0.5 }, 0.05, steps);
        let short = Unrolled { keep: Checkpointing::Bytes(states * 2 * 4 * 8), ..all };
        let plan = short.plan::<B, Logistic>(setup.point()).unwrap();
        let [full, short] = [all, short].map(|method| method.estimate(setup.point(), None, 0));
        prop_assert_eq!(rows(&short.gradient), rows(&full.gradient));
        prop_assert_eq!(rows(&short.y), rows(&full.y));
        let certificate = short.certificate;
        prop_assert_eq!(certificate.gradients, plan.gradients);
        prop_assert!(certificate.memory.actual <= certificate.memory.planned);
        prop_assert_eq!(certificate.memory.planned, plan.bytes);
        prop_assert!(plan.bytes <= states * 2 * 4 * 8);
        if steps >= states {
            prop_assert_eq!(certificate.memory.actual, plan.bytes);
        }
    }
}

#[test]
fn a_budget_that_holds_no_two_states_is_an_error() {
    let setup = logistic_setup(0);
    let method = Unrolled {
        keep: Checkpointing::Bytes(63),
        ..with(Descent, 0.1, 10)
    };
    let error = method
        .plan::<B, Logistic>(setup.point())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "a budget of 63 bytes holds no two states of the lower solver: give at least 64"
    );
}

/// No step at all: the direct gradient of f.
#[test]
fn no_steps_no_indirect_part() {
    let problem = Coupled::random(10.0, 1);
    let x = crate::matrices::numbers(4, &mut generator(2));
    let direct: Vec<f64> = x.iter().map(|x| problem.ridge * x).collect();
    let setup = problem.setup::<B>(&x, &[0.1; 5]);
    for keep in [
        Checkpointing::All,
        Checkpointing::Last(3),
        Checkpointing::Bytes(1000),
    ] {
        let estimate = Unrolled {
            keep,
            ..with(Descent, 0.1, 0)
        }
        .estimate(setup.point(), None, 0);
        assert!(relative_error(&estimate.gradient, &row(&direct)) < 1e-15);
    }
}
