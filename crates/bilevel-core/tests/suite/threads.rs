//! Derivatives are the same numbers while other threads differentiate (decision 0014).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bilevel_core::hypergradient::{Descent, Learned};
use bilevel_core::{
    BilevelProblem, Checkpointing, DoubleBackward, GradientBackward, Hypergradient, LowerObjective,
    Point, SecondOrder, Tape, Unrolled, Vector,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::problems::Nothing;
use crate::{B, row, rows};

/// Parts of the variables side by side: what a joined part is needed for is recorded after the part
/// was given away.
///
/// ```text
/// w(z) = (z_1, z_1, z_2, z_2, z_3)        f = Σ w(x)³ + Σ w(y)²        g = Σ (½ w(y)² − w(x) w(y))
/// ```
#[derive(Debug)]
struct Parts;

#[derive(Module, Debug)]
struct Three<B: Backend> {
    z: Param<Tensor<B, 2>>,
}

impl<B: Backend> Three<B> {
    /// `w`
    fn wide(&self) -> Tensor<B, 2> {
        let z = self.z.val();
        let part = |from, length| z.clone().narrow(1, from, length);
        Tensor::cat(vec![part(0, 1), part(0, 2), part(1, 2)], 1)
    }
}

impl BilevelProblem for Parts {
    type Upper<B: Backend> = Three<B>;
    type Lower<B: Backend> = Three<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Three<B>, y: &Three<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        x.wide().powi_scalar(3).sum() + y.wide().square().sum()
    }

    fn lower_loss<B: Backend>(&self, x: &Three<B>, y: &Three<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let w = y.wide();
        (w.clone().square() * 0.5 - x.wide() * w).sum()
    }

    /// `Wᵀ (w(y) − w(x))`, with `Wᵀ` adding up the copies of an entry.
    fn lower_gradient<B: Backend>(
        &self,
        x: &Three<B>,
        y: &Three<B>,
        _: &Nothing<B>,
    ) -> Option<Tensor<B, 2>> {
        let r = y.wide() - x.wide();
        let at = |i| r.clone().narrow(1, i, 1);
        Some(Tensor::cat(vec![at(0) + at(1), at(2) + at(3), at(4)], 1))
    }
}

/// Tells a thread to end, also when a test panics.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Computes `numbers` again and again while another thread differentiates without a pause: they
/// stay what they are.
fn stays(expected: &[f64], numbers: impl Fn() -> Vector<B>) {
    const TIMES: usize = 3000;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ended = Ended(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let z: Tensor<Tape<B>, 1> =
                    Tensor::from_floats([1.0], &Default::default()).require_grad();
                let _ = (z * 2.0).backward();
            }
        });
        let wrong = (0..TIMES).filter_map(|_| {
            let entries = rows(&numbers()).concat();
            let difference = largest_difference(&entries, expected);
            (difference > 1e-12).then_some(entries)
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(
            wrong.is_empty(),
            "{} of {TIMES}, as {:?}, not {expected:?}",
            wrong.len(),
            wrong[0]
        );
    });
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn derivatives_beside_other_threads() {
    let three = |z: [f64; 3]| Three::<Tape<B>> {
        z: Param::from_data([z], &Default::default()),
    };
    let (x, y) = (three([1.0, 2.0, -1.0]), three([0.5, 1.0, 2.0]));
    let batch = Nothing::new();
    let point = Point {
        problem: &Parts,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let v = || row::<B>(&[1.0, 1.0, 1.0]);
    // Two copies of the first two entries, one of the third.
    stays(&[6.0, 24.0, 3.0], || point.upper_gradients().x);
    stays(&[2.0, 4.0, 4.0], || point.upper_gradients().y);
    stays(&[-1.0, -2.0, -2.0], || point.lower_gradients().x);
    let y_now = || row::<B>(&[0.5, 1.0, 2.0]);
    stays(&[-1.0, -2.0, 3.0], || {
        LowerObjective::new(point).gradient(y_now())
    });
    stays(&[2.0, 2.0, 1.0], || {
        SecondOrder::<B, Parts>::at(&GradientBackward, point).apply(v())
    });
    stays(&[-2.0, -2.0, -1.0], || {
        SecondOrder::<B, Parts>::at(&GradientBackward, point).cross(v())
    });
    stays(&[-2.0, -2.0, -1.0], || {
        SecondOrder::<B, Parts>::at(&DoubleBackward, point).cross(v())
    });
    // Alone it is the same as beside others; that it is right is for the tests of `Unrolled`.
    let rate = |x: &Three<Tape<B>>| x.wide().sum_dim(1) * 0.02;
    let learned = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: Learned(rate),
        steps: 1,
        keep: Checkpointing::All,
    };
    let alone = rows(&learned.estimate(point, None, 0).gradient).concat();
    stays(&alone, || learned.estimate(point, None, 0).gradient);
    assert!(point.unreached().without_hypergradient().is_empty());
}
