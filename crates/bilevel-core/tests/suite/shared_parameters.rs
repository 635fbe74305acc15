//! One parameter in several places is one variable: one entry of the vector, its gradient the sum.

use bilevel_core::parameters::{
    assign, fresh_leaves, load_values, named_values, pack, pack_gradients, repeated, sizes,
    squared_distance, unpack, unpack_gradients,
};
use bilevel_core::{
    AuditSettings, BilevelProblem, ConjugateGradient, DoubleBackward, DoubleLoop, GradientDescent,
    Hypergradient, ImplicitDifferentiation, LowerSolver, Point, State, Stop, Tape, Task, Tolerance,
    audit,
};
use burn::module::{AutodiffModule, Module, Param};
use burn::optim::{AdamConfig, Optimizer, SgdConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::problems::Nothing;
use crate::{B, row, rows};

type Taped = Tape<B>;

#[derive(Module, Debug)]
struct Two<B: Backend> {
    a: Param<Tensor<B, 1>>,
    b: Param<Tensor<B, 1>>,
}

impl<B: Backend> Two<B> {
    fn of(a: f64) -> Self {
        let a = Param::from_data([a], &Default::default());
        Self { b: a.clone(), a }
    }
}

fn values<B: Backend>(two: &Two<B>) -> [f64; 2] {
    [&two.a, &two.b].map(|p| p.val().into_data().iter::<f64>().next().expect("a number"))
}

/// `g = ½ (a − s)² + ½ (b − 3)²`, `f = ½ a² + ½ (t − 1)²` with `x = (s, t)`; a and b are one
/// parameter, and s and t are.
///
/// ```text
/// y* = (s + 3) / 2,   F = ½ y*² + ½ (s − 1)²,   dF/ds = ½ y* + s − 1
/// ```
#[derive(Debug, Clone)]
struct Tied;

impl BilevelProblem for Tied {
    type Upper<B: Backend> = Two<B>;
    type Lower<B: Backend> = Two<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Two<B>, y: &Two<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        (y.a.val().square() + (x.b.val() - 1.0).square()) * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Two<B>, y: &Two<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        ((y.a.val() - x.a.val()).square() + (y.b.val() - 3.0).square()) * 0.5
    }
}

const LOWER: GradientDescent = GradientDescent {
    step_size: 0.3,
    max_steps: 300,
    tolerance: Tolerance::Absolute(1e-13),
};

fn implicit() -> ImplicitDifferentiation<DoubleBackward, ConjugateGradient> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 5,
            tolerance: Tolerance::Relative(1e-12),
        },
    }
}

#[test]
fn a_hypergradient_sees_one_variable() {
    let (x, start, batch) = (Two::of(0.0), Two::of(0.0), Nothing::new());
    let point = Point {
        problem: &Tied,
        x: &x,
        y: &start,
        batch: &batch,
    };
    let solved = LowerSolver::<B, _>::solve(&LOWER, point);
    for value in values(&solved.value) {
        assert!((value - 1.5).abs() < 1e-12, "{value}");
    }
    let at = Point {
        y: &solved.value,
        ..point
    };
    let gradient = implicit().estimate(at, None, 0).gradient;
    assert_eq!(gradient.dims(), [1, 1]);
    let exact = 0.75 - 1.0;
    assert!((rows(&gradient)[0][0] - exact).abs() < 1e-11, "{gradient}");
    let audit = audit(point, &LOWER, &implicit(), &AuditSettings::default());
    assert!(audit.is_sound(), "{:?}", audit.findings);
}

/// Optimizers of Burn move the first place alone: all places follow.
#[test]
fn upper_steps_keep_what_is_shared_together() {
    fn ends<O: Optimizer<Two<Taped>, Taped>>(optimizer: O, learning_rate: f64) -> [f64; 2] {
        let method = DoubleLoop {
            problem: Tied,
            lower: LOWER,
            hypergradient: implicit(),
        };
        let state = State::<B, Tied, _>::new(Two::of(2.0), optimizer);
        let tasks = vec![Task::new(Nothing::new(), Two::of(0.0))];
        let (state, ..) = method.run(
            state,
            tasks,
            learning_rate,
            Stop::after(400),
            &mut |_: &_| (),
        );
        values(&state.x)
    }
    // ½ (s + 3) / 2 + s − 1 = 0
    for [s, t] in [
        ends(SgdConfig::new().init(), 0.3),
        ends(AdamConfig::new().init(), 0.05),
    ] {
        assert!((s - 0.2).abs() < 1e-6, "{s}");
        assert!((s - t).abs() < 1e-15, "{s} {t}");
    }
}

#[test]
fn vectors_have_one_place_for_it() {
    let two: Two<Taped> = Two::of(2.0);
    assert_eq!(rows(&pack(&two, 1)), [[2.0]]);
    assert_eq!(sizes(&two), [("a".to_string(), 1)]);
    let two = unpack(two, row(&[5.0]));
    assert_eq!(values(&two).to_vec(), [5.0, 5.0]);
    // The gradient is the sum over both places.
    let loss = two.a.val() * 2.0 + two.b.val() * 3.0;
    let gradient = pack_gradients(&two, &loss.backward(), 1);
    assert_eq!(rows(&gradient), [[5.0]]);

    let copies = repeated(two.clone(), 3);
    assert_eq!(rows(&pack(&copies, 3)), [[5.0], [5.0], [5.0]]);
    let assigned = assign(two.clone(), &Two::<Taped>::of(7.0).valid());
    assert_eq!(values(&assigned).to_vec(), [7.0, 7.0]);
    let (a, b) = (two.valid(), assigned.valid());
    let distance = squared_distance(&a, &b).into_data().iter::<f64>().next();
    assert_eq!(distance, Some(4.0));

    // One step of gradient descent of size 1 along 2.
    let gradients = unpack_gradients(&two, row(&[2.0]));
    let mut optimizer = SgdConfig::new().init::<Taped, Two<Taped>>();
    let moved = fresh_leaves(optimizer.step(1.0, two, gradients));
    assert_eq!(values(&moved).to_vec(), [3.0, 3.0]);
    let loaded = load_values(Two::<Taped>::of(0.0), &named_values(&moved)).expect("both paths");
    assert_eq!(values(&loaded).to_vec(), [3.0, 3.0]);
    assert_eq!(rows(&pack(&loaded, 1)), [[3.0]]);
}

/// A y that begins as a copy of x, as in MAML, is a variable of its own, whatever the identities of
/// its parameters.
#[test]
fn a_copy_of_x_is_not_x() {
    let (x, batch) = (Two::of(1.0), Nothing::new());
    let point = Point {
        problem: &Tied,
        x: &x,
        y: &x,
        batch: &batch,
    };
    let solved = LowerSolver::<B, _>::solve(&LOWER, point);
    assert!((values(&solved.value)[0] - 2.0).abs() < 1e-12);
    let at = Point {
        y: &solved.value,
        ..point
    };
    let gradient = rows(&implicit().estimate(at, None, 0).gradient)[0][0];
    assert!((gradient - 1.0).abs() < 1e-11, "{gradient}");
}
