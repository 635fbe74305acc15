//! Hessian products by differentiating the backward pass.

use std::cell::OnceCell;

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::leaves::{Leaves, Slopes};
use super::{LowerHessian, Point, SecondOrder};
use crate::parameters::{fresh_leaves, pack_gradients};
use crate::{LinearOperator, TwiceDifferentiable, Vector};

/// Exact second derivatives by a backward pass through a backward pass.
///
/// ```text
/// s(x, y) = ∇y g(x, y) · v        ∇y s = ∇²yy g · v        ∇x s = ∇²xy g · v
/// ```
///
/// The inner tape records the backward pass of the outer one, so `s.backward()` on the inner tape
/// gives both products. A Hessian product costs about 2.2 gradients (the tape is recorded anew each
/// time: Burn's `backward` consumes it), the cross term as much and the gradient in x. The
/// transposed cross term exchanges the roles of x and y.
///
/// Needs every operation of `g` to be twice differentiable on [`Tape`].
///
/// # References
/// Pearlmutter (1994), "Fast Exact Multiplication by the Hessian", Neural Computation 6(1).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleBackward;

impl<B: Backend, P: TwiceDifferentiable<B>> SecondOrder<B, P> for DoubleBackward {
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a> {
        Box::new(At {
            point,
            constant_x: point.x.clone().no_grad(),
            gradient: OnceCell::new(),
        })
    }
}

impl DoubleBackward {
    /// Records `∇y g` at a point, for one Hessian product later.
    ///
    /// For whoever needs the gradient first and the product much later, as the reversal of a chain
    /// of steps does: the gradient is not computed again, and the memory of its tape is held until
    /// then.
    pub fn record<B: Backend, P: TwiceDifferentiable<B>>(
        &self,
        point: Point<'_, B, P>,
    ) -> RecordedGradient<B, P::Lower<Tape<B>>> {
        let y = fresh_leaves(point.y.clone());
        RecordedGradient {
            gradient: recorded(&point, &point.x.clone().no_grad(), &y),
            systems: point.systems(),
            y,
        }
    }
}

/// `∇y g`, recorded: see [`DoubleBackward::record`].
#[derive(Debug)]
pub struct RecordedGradient<B: Backend, L> {
    y: L,
    gradient: Tensor<Tape<B>, 2>,
    systems: usize,
}

impl<B: Backend, L: AutodiffModule<Tape<B>>> RecordedGradient<B, L> {
    /// `∇y g`, `[systems, dim y]`.
    pub fn gradient(&self) -> Vector<B> {
        self.gradient.clone().inner()
    }

    /// `∇²yy g · v`, `[systems, dim y]`. Consumes the record, as Burn's `backward` consumes a tape.
    pub fn product(self, v: Vector<B>) -> Vector<B> {
        let gradients = (self.gradient * Tensor::from_inner(v)).sum().backward();
        pack_gradients(&self.y, &gradients, self.systems)
    }
}

/// `∇y g` on `Tape<B>`, `x` and `y` its leaves, which nothing else may have been recorded on
/// (decision 0011).
fn recorded<B: Backend, P: TwiceDifferentiable<B>>(
    point: &Point<'_, B, P>,
    x: &P::Upper<Tape<B>>,
    y: &P::Lower<Tape<B>>,
) -> Tensor<Tape<B>, 2> {
    let batch = P::Batch::<Outer<B>>::from_inner(point.lifted_batch());
    // The outer tape needs gradients in y only.
    let x = P::Upper::<Outer<B>>::from_inner(x.clone()).no_grad();
    // Lifting tears apart what is shared.
    let y = fresh_leaves(P::Lower::<Outer<B>>::from_inner(y.clone()));
    let gradients = point.problem.lower_loss(&x, &y, &batch).backward();
    pack_gradients(&y, &gradients, point.systems())
}

struct At<'a, B: Backend, P: TwiceDifferentiable<B>> {
    point: Point<'a, B, P>,
    constant_x: P::Upper<Tape<B>>,
    /// `∇y g`, a by-product of the first pass.
    gradient: OnceCell<Vector<B>>,
}

/// Records what the backward pass on `Tape<B>` cannot see.
type Outer<B> = Tape<Tape<B>>;

impl<B: Backend, P: TwiceDifferentiable<B>> At<'_, B, P> {
    /// Backward pass of `∇y g · v` on the inner tape, `x` and `y` its leaves.
    fn backward(&self, x: &P::Upper<Tape<B>>, v: Vector<B>) -> Slopes<B, P> {
        let leaves = Leaves::of(&Point { x, ..self.point });
        let gy = recorded(&self.point, &leaves.x, &leaves.y);
        self.gradient.get_or_init(|| gy.clone().inner());
        leaves.backward((gy * Tensor::from_inner(v)).sum())
    }
}

impl<B: Backend, P: TwiceDifferentiable<B>> LinearOperator<B> for At<'_, B, P> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.backward(&self.constant_x, v).y()
    }
}

impl<B: Backend, P: TwiceDifferentiable<B>> LowerHessian<B> for At<'_, B, P> {
    fn cross(&self, v: Vector<B>) -> Vector<B> {
        self.backward(self.point.x, v).x()
    }

    fn cross_transposed(&self, u: Vector<B>) -> Vector<B> {
        let problem = self.point.problem;
        let leaves = Leaves::of(&self.point);
        let batch = P::Batch::<Outer<B>>::from_inner(self.point.lifted_batch());
        // The outer tape needs gradients in x only.
        let upper = P::Upper::<Outer<B>>::from_inner(leaves.x.clone());
        let upper = fresh_leaves(upper);
        let lower = P::Lower::<Outer<B>>::from_inner(leaves.y.clone()).no_grad();
        let gradients = problem.lower_loss(&upper, &lower, &batch).backward();
        let gx = pack_gradients(&upper, &gradients, 1);
        leaves.backward((gx * Tensor::from_inner(u)).sum()).y()
    }

    fn gradient(&self) -> Vector<B> {
        let compute = || self.point.lower_gradients().y;
        self.gradient.get_or_init(compute).clone()
    }

    fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        let slopes = self.backward(self.point.x, v);
        (slopes.y(), slopes.x())
    }
}
