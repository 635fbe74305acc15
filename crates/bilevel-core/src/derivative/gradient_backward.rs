//! Hessian products by differentiating the problem's own gradient.

use bilevel_backend::Tape;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::leaves::{Leaves, Slopes};
use super::{DoubleBackward, LowerHessian, LowerObjective, Point, SecondOrder};
use crate::parameters::pack;
use crate::{LinearOperator, TwiceDifferentiable, Vector};

/// Exact second derivatives by one backward pass through
/// [`lower_gradient`](crate::BilevelProblem::lower_gradient).
///
/// ```text
/// s(x, y) = ∇y g(x, y) · v        ∇y s = ∇²yy g · v        ∇x s = ∇²xy g · v
/// ```
///
/// The same numbers as [`DoubleBackward`] gives, with one tape instead of two: a Hessian product
/// costs a recorded gradient and a backward pass through it, and the cross term comes with it. A
/// problem that does not state its gradient, and the transposed cross term, go to
/// [`DoubleBackward`].
///
/// # References
/// Pearlmutter (1994), "Fast Exact Multiplication by the Hessian", Neural Computation 6(1).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GradientBackward;

impl<B: Backend, P: TwiceDifferentiable<B>> SecondOrder<B, P> for GradientBackward {
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a> {
        let at = At {
            point,
            constant_x: point.x.clone().no_grad(),
        };
        match at.stated(&at.constant_x, &point.y.clone().no_grad()) {
            Some(_) => Box::new(at),
            None => DoubleBackward.at(point),
        }
    }
}

struct At<'a, B: Backend, P: TwiceDifferentiable<B>> {
    point: Point<'a, B, P>,
    constant_x: P::Upper<Tape<B>>,
}

impl<B: Backend, P: TwiceDifferentiable<B>> At<'_, B, P> {
    /// `∇y g`, recorded, if the problem states it.
    fn stated(&self, x: &P::Upper<Tape<B>>, y: &P::Lower<Tape<B>>) -> Option<Vector<Tape<B>>> {
        let Point { problem, .. } = self.point;
        problem.lower_gradient(x, y, &self.point.lifted_batch())
    }

    /// Backward pass of `∇y g · v`, `x` and `y` its leaves.
    fn backward(&self, x: &P::Upper<Tape<B>>, v: Vector<B>) -> Slopes<B, P> {
        let leaves = Leaves::of(&Point { x, ..self.point });
        let gradient = self.stated(&leaves.x, &leaves.y);
        let gradient = gradient.expect("it was stated before");
        leaves.backward((gradient * Tensor::from_inner(v)).sum())
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
        DoubleBackward.at(self.point).cross_transposed(u)
    }

    fn gradient(&self) -> Vector<B> {
        let y = pack(self.point.y, self.point.systems());
        LowerObjective::new(self.point).gradient(y)
    }

    fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        let slopes = self.backward(self.point.x, v);
        (slopes.y(), slopes.x())
    }
}
