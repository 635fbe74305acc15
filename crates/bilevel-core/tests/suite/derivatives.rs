use bilevel_core::parameters::{pack, unpack};
use bilevel_core::{
    BilevelProblem, CentralDifference, DoubleBackward, LowerHessian, LowerObjective, Point,
    SecondOrder, Tape, Vector,
};
use burn::module::AutodiffModule;
use double_precision::Number;
use proptest::prelude::*;

use crate::problems::{Curved, Setup, curved};
use crate::{B, generator, length, minus, normal, relative_error, rows, size, vector};

const SYSTEMS: usize = 3;
const DIM_X: usize = 3 + 3 * 2;
const DIM_Y: usize = 3 + 2 * 2;

fn inner(a: &Vector<B>, b: &Vector<B>) -> f64 {
    bilevel_core::vector::read((a.clone() * b.clone()).sum_dim(0).sum_dim(1))[0]
}

fn direction(seed: u64) -> Vector<B> {
    normal([SYSTEMS, DIM_Y], &mut generator(seed))
}

fn exact(setup: &Setup<Curved>) -> Box<dyn LowerHessian<B> + '_> {
    SecondOrder::<B, Curved>::at(&DoubleBackward, setup.point())
}

/// Relative errors of central differences with this step, in `H v` and in the cross term.
fn errors_of_differences(setup: &Setup<Curved>, v: &Vector<B>, step: f64) -> [f64; 2] {
    let difference = CentralDifference { step };
    let (difference, exact) = (difference.at(setup.point()), exact(setup));
    [
        relative_error(&difference.apply(v.clone()), &exact.apply(v.clone())),
        relative_error(&difference.cross(v.clone()), &exact.cross(v.clone())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn double_backward_agrees_with_central_differences(seed in any::<u64>()) {
        let setup = curved(SYSTEMS, seed);
        let step = CentralDifference::for_precision_of::<B>(&Default::default()).step;
        let [product, cross] = errors_of_differences(&setup, &direction(!seed), step);
        prop_assert!(product < 1e-7, "H v: {product:.1e}");
        prop_assert!(cross < 1e-7, "cross term: {cross:.1e}");
    }

    #[test]
    fn the_hessian_is_symmetric_and_linear(seed in any::<u64>(), s in -3.0..3.0, t in -3.0..3.0) {
        let setup = curved(SYSTEMS, seed);
        let h = exact(&setup);
        let (u, v) = (direction(!seed), direction(seed ^ 1));
        let (hu, hv) = (h.apply(u.clone()), h.apply(v.clone()));
        let scale = size(&u) * size(&hv);
        prop_assert!((inner(&u, &hv) - inner(&v, &hu)).abs() <= 1e-13 * scale);
        let sum = h.apply(u.clone() * s + v.clone() * t);
        prop_assert!(size(&(sum - (hu * s + hv * t))) <= 1e-13 * 6.0 * scale);
        let sum = h.cross(u.clone() * s + v.clone() * t);
        let parts = h.cross(u) * s + h.cross(v) * t;
        prop_assert!(size(&(sum - parts)) <= 1e-12 * scale);
    }

    /// The cross term by moving x, where the engines only move y: uᵀ ∇²xy g v = ∂/∂e vᵀ∇y g(x + e
    /// u).
    #[test]
    fn the_cross_term_is_the_change_of_the_lower_gradient_with_x(seed in any::<u64>()) {
        let setup = curved(SYSTEMS, seed);
        let v = direction(!seed);
        let u: Vector<B> = normal([1, DIM_X], &mut generator(seed ^ 2));
        let e = 1e-5;
        let slope = |e: f64| {
            let x = pack(&setup.x, 1) + u.clone() * e;
            let x = unpack(setup.x.clone(), x);
            let gradient = Point { x: &x, ..setup.point() }.lower_gradients().y;
            inner(&gradient, &v)
        };
        let difference = (slope(e) - slope(-e)) / (2.0 * e);
        let product = inner(&u, &exact(&setup).cross(v.clone()));
        prop_assert!((difference - product).abs() <= 1e-7 * (1.0 + product.abs()));
    }

    /// The truncation error of central differences is O(e²): half the step, a quarter of the error.
    #[test]
    fn the_error_of_central_differences_falls_with_the_square_of_the_step(seed in any::<u64>()) {
        let setup = curved(SYSTEMS, seed);
        let v = direction(!seed);
        let coarse = errors_of_differences(&setup, &v, 1e-3);
        let fine = errors_of_differences(&setup, &v, 5e-4);
        for (coarse, fine) in coarse.iter().zip(fine) {
            let rate = coarse / fine;
            prop_assert!((3.8..4.2).contains(&rate), "{coarse:.2e} / {fine:.2e} = {rate:.2}");
        }
    }

    /// The rows of y are systems of their own: neither v nor y of one reaches the product of
    /// another.
    #[test]
    fn rows_do_not_mix(seed in any::<u64>(), moved in 0..SYSTEMS) {
        let move_one = |v: &Vector<B>| {
            let mut v = rows(v);
            v[moved].iter_mut().for_each(|v| *v += 1.0);
            vector::<B>(&v)
        };
        let setup = curved(SYSTEMS, seed);
        let v = direction(!seed);
        let mut elsewhere = curved(SYSTEMS, seed);
        let y = move_one(&pack(&setup.y, SYSTEMS));
        elsewhere.y = unpack(elsewhere.y, y);

        let difference = CentralDifference { step: 1e-4 };
        let products = |setup: &Setup<Curved>, v: &Vector<B>| {
            [exact(setup).apply(v.clone()), difference.at(setup.point()).apply(v.clone())]
        };
        let before = products(&setup, &v);
        for after in [products(&setup, &move_one(&v)), products(&elsewhere, &v)] {
            for (before, after) in before.iter().zip(&after) {
                for (row, (before, after)) in rows(before).iter().zip(rows(after)).enumerate() {
                    let change = length(&minus(before, &after));
                    prop_assert_eq!(change > 1e-10, row == moved, "row {} by {:.1e}", row, change);
                }
            }
        }
    }
}

#[test]
fn products_with_zero_are_zero() {
    let setup = curved(SYSTEMS, 3);
    let mut v = rows(&direction(4));
    v[1].fill(0.0);
    let (some, none) = (vector::<B>(&v), vector::<B>(&v) * 0.0);
    let difference = CentralDifference { step: 1e-5 };
    let engines: [Box<dyn LowerHessian<B>>; 2] = [exact(&setup), difference.at(setup.point())];
    for h in engines {
        assert_eq!(rows(&h.apply(some.clone()))[1], [0.0; DIM_Y]);
        assert_eq!(rows(&h.apply(none.clone())), [[0.0; DIM_Y]; SYSTEMS]);
        assert_eq!(rows(&h.cross(none.clone())), [[0.0; DIM_X]]);
    }
}

/// `LowerObjective` is g as a function of a vector: its value is the loss, its gradient the slope.
#[test]
fn the_objective_is_the_lower_loss() {
    let setup = curved(SYSTEMS, 5);
    let objective = LowerObjective::new(setup.point());
    let y = objective.start();
    let value = |y: Vector<B>| objective.value(y).number();
    let loss = setup
        .problem
        .lower_loss(&setup.x.valid(), &setup.y.valid(), &setup.batch)
        .number();
    assert!((value(y.clone()) - loss).abs() < 1e-14 * loss.abs());
    assert!((setup.point().lower_gradients().loss - loss).abs() < 1e-14 * loss.abs());

    let gradient = objective.gradient(y.clone());
    assert!(relative_error(&gradient, &setup.point().lower_gradients().y) < 1e-15);
    let v = direction(6);
    let e = 1e-5;
    let difference = (value(y.clone() + v.clone() * e) - value(y - v.clone() * e)) / (2.0 * e);
    assert!((difference - inner(&gradient, &v)).abs() < 1e-7 * size(&gradient) * size(&v));
}

/// One backward pass of `f` for both variables.
#[test]
fn upper_gradients_are_the_slopes_of_the_upper_loss() {
    let setup = curved(SYSTEMS, 8);
    let gradients = setup.point().upper_gradients();
    let (x, y) = (pack(&setup.x, 1), pack(&setup.y, SYSTEMS));
    let (u, v) = (normal([1, DIM_X], &mut generator(9)), direction(10));
    let loss = |e: f64| {
        let x = unpack(setup.x.clone(), x.clone() + u.clone() * e);
        let y = unpack(setup.y.clone(), y.clone() + v.clone() * e);
        let point = Point {
            x: &x,
            y: &y,
            ..setup.point()
        };
        point.upper_gradients().loss
    };
    let e = 1e-5;
    let difference = (loss(e) - loss(-e)) / (2.0 * e);
    let slope = inner(&gradients.x, &u) + inner(&gradients.y, &v);
    assert!((difference - slope).abs() < 1e-7 * (1.0 + slope.abs()));
}

/// Four uses of y, one point: each product is the same, however many were made before (decision
/// 0011).
#[test]
fn a_hundred_products_are_one() {
    use burn::module::{Module, Param};
    use burn::tensor::Tensor;
    use burn::tensor::backend::Backend;

    #[derive(Module, Debug)]
    struct Row<B: Backend> {
        row: Param<Tensor<B, 2>>,
    }
    #[derive(Module, Debug)]
    struct Square<B: Backend> {
        h: Tensor<B, 2>,
    }
    /// `g = ½ yᵀHy + ¼ Σ y⁴ − xᵀy`: `∇²yy g = H + diag(3 y²)`, `∇²xy g = −I`.
    struct Quartic;
    impl BilevelProblem for Quartic {
        type Upper<B: Backend> = Row<B>;
        type Lower<B: Backend> = Row<B>;
        type Batch<B: Backend> = Square<B>;
        fn upper_loss<B: Backend>(&self, _: &Row<B>, y: &Row<B>, _: &Square<B>) -> Tensor<B, 1> {
            y.row.val().sum()
        }
        fn lower_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, data: &Square<B>) -> Tensor<B, 1> {
            let y = y.row.val();
            let curved = (y.clone().matmul(data.h.clone()) * y.clone()).sum() * 0.5;
            let quartic = y.clone().powi_scalar(4).sum() * 0.25;
            curved + quartic - (x.row.val() * y).sum()
        }
    }

    let device = Default::default();
    let row = |entries: [f64; 2]| Row::<Tape<B>> {
        row: Param::from_tensor(Tensor::from_data([entries], &device)),
    };
    let (x, y) = (row([0.1, 0.2]), row([0.7, -0.4]));
    let batch = Square {
        h: Tensor::<B, 2>::from_data([[2.0, 0.3], [0.3, 1.0]], &device),
    };
    let point = Point {
        problem: &Quartic,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let hessian = SecondOrder::<B, Quartic>::at(&DoubleBackward, point);
    let v = vector::<B>(&[vec![0.5, 1.0]]);
    let product = [0.5 * (2.0 + 3.0 * 0.49) + 0.3, 0.15 + 1.0 + 3.0 * 0.16];
    let cross = [-0.5, -1.0];
    let near = |found: Vector<B>, expected: [f64; 2], what: &str| {
        for (found, expected) in rows(&found)[0].iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{what}: {found}, not {expected}"
            );
        }
    };
    for _ in 0..100 {
        near(hessian.apply(v.clone()), product, "H v");
        near(hessian.cross(v.clone()), cross, "C v");
        let (hv, cv) = hessian.both(v.clone());
        near(hv, product, "H v of both");
        near(cv, cross, "C v of both");
        near(hessian.cross_transposed(v.clone()), cross, "Cᵀ v");
        let record = DoubleBackward.record(point);
        near(record.product(v.clone()), product, "H v of a record");
    }
}
