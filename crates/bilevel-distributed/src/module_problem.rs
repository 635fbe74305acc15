//! Any bilevel problem on a Burn backend as a local problem.

use bilevel_core::parameters::{pack, unpack};
use bilevel_core::vector::read;
use bilevel_core::{
    Differentiable, DoubleBackward, LowerObjective, Point, SecondOrder, Tape, Vector,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::{LocalProblem, LowerProducts, UpperGradients};

/// A [`BilevelProblem`](bilevel_core::BilevelProblem) with a worker's data, seen through flat
/// vectors.
///
/// x and y are laid out as [`pack`] lays them out and rounded to the float type of `B` on the way
/// in. An upper or a lower gradient costs a backward pass,
/// [`lower_products`](LocalProblem::lower_products) what `D` takes for both. Each reads its result
/// from the device.
#[derive(Debug)]
pub struct ModuleProblem<B: Backend, P: Differentiable<B>, D = DoubleBackward> {
    problem: P,
    second_order: D,
    batch: P::Batch<B>,
    x: P::Upper<Tape<B>>,
    y: P::Lower<Tape<B>>,
    shapes: [[usize; 2]; 2],
    device: B::Device,
}

impl<B: Backend, P: Differentiable<B>, D: SecondOrder<B, P>> ModuleProblem<B, P, D> {
    /// `problem` on the worker's `batch`; `x` and `y` say which modules vectors stand for.
    ///
    /// # Panics
    /// If a module has no parameter.
    pub fn new(
        problem: P,
        second_order: D,
        batch: P::Batch<B>,
        x: P::Upper<Tape<B>>,
        y: P::Lower<Tape<B>>,
    ) -> Self {
        let systems = problem.systems(&y);
        let (upper, lower) = (pack(&x, 1), pack(&y, systems));
        Self {
            problem,
            second_order,
            batch,
            x,
            y,
            shapes: [upper.dims(), lower.dims()],
            device: lower.device(),
        }
    }

    /// The values of the modules it was made with: where a run can start.
    pub fn start(&self) -> (Vec<f64>, Vec<f64>) {
        let systems = self.shapes[1][0];
        (read(pack(&self.x, 1)), read(pack(&self.y, systems)))
    }

    fn vector(&self, entries: &[f64], shape: [usize; 2]) -> Vector<B> {
        let data = TensorData::new(entries.to_vec(), shape);
        Tensor::from_data(data, &self.device)
    }

    /// What `look` sees at (x, y).
    fn at<T>(&self, x: &[f64], y: &[f64], look: impl FnOnce(Point<'_, B, P>) -> T) -> T {
        let [upper, lower] = self.shapes;
        look(Point {
            problem: &self.problem,
            x: &unpack(self.x.clone(), self.vector(x, upper)),
            y: &unpack(self.y.clone(), self.vector(y, lower)),
            batch: &self.batch,
        })
    }
}

impl<B: Backend, P: Differentiable<B>, D: SecondOrder<B, P>> LocalProblem
    for ModuleProblem<B, P, D>
{
    fn upper_dim(&self) -> usize {
        self.shapes[0].iter().product()
    }

    fn lower_dim(&self) -> usize {
        self.shapes[1].iter().product()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let gradients = self.at(x, y, |point| point.upper_gradients());
        UpperGradients {
            loss: gradients.loss,
            x: read(gradients.x),
            y: read(gradients.y),
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        self.at(v, y, |point| {
            let objective = LowerObjective::new(point);
            read(objective.gradient(objective.start()))
        })
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        let w = self.vector(w, self.shapes[1]);
        let (hessian, cross) = self.at(v, y, |point| self.second_order.at(point).both(w));
        LowerProducts {
            hessian: read(hessian),
            cross: read(cross),
        }
    }
}
