//! A point `(x, y)` of a problem, and the first derivatives there.

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::leaves::{Leaves, Slopes};
use crate::vector::read;
use crate::{Differentiable, Estimate, Hypergradient, LowerSolver, Solution, Vector};

/// A problem, a point `(x, y)` and the data on which the losses are evaluated.
#[derive(Debug)]
pub struct Point<'a, B: Backend, P: Differentiable<B>> {
    /// The two losses.
    pub problem: &'a P,
    /// Upper variables.
    pub x: &'a P::Upper<Tape<B>>,
    /// Lower variables.
    pub y: &'a P::Lower<Tape<B>>,
    /// Data.
    pub batch: &'a P::Batch<B>,
}

impl<B: Backend, P: Differentiable<B>> Clone for Point<'_, B, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend, P: Differentiable<B>> Copy for Point<'_, B, P> {}

/// A loss with its gradients in both variables.
#[derive(Debug, Clone)]
pub struct LossGradients<B: Backend> {
    /// The loss. One read from the device.
    pub loss: f64,
    /// Gradient in x: `[1, dim x]`.
    pub x: Vector<B>,
    /// Gradient in y: `[systems, dim y]`.
    pub y: Vector<B>,
}

impl<B: Backend> LossGradients<B> {
    fn new<P: Differentiable<B>>((loss, slopes): (Tensor<B, 1>, Slopes<B, P>)) -> Self {
        Self {
            loss: read(loss.unsqueeze())[0],
            x: slopes.x(),
            y: slopes.y(),
        }
    }
}

/// Paths of the parameters that a loss does not depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unreached {
    /// Parameters of x that `f` does not see: no direct term.
    pub upper_loss_in_x: Vec<String>,
    /// Parameters of y that `f` does not see.
    pub upper_loss_in_y: Vec<String>,
    /// Parameters of x that `g` does not see: `y*` does not depend on them.
    pub lower_loss_in_x: Vec<String>,
    /// Parameters of y that `g` does not see: nothing determines them.
    pub lower_loss_in_y: Vec<String>,
}

impl Unreached {
    /// Parameters of x that neither loss sees: their hypergradient is zero whatever their value.
    pub fn without_hypergradient(&self) -> Vec<String> {
        let lower = &self.lower_loss_in_x;
        let both = self.upper_loss_in_x.iter().filter(|x| lower.contains(x));
        both.cloned().collect()
    }
}

impl<'a, B: Backend, P: Differentiable<B>> Point<'a, B, P> {
    /// The point `(x, y)` of `problem` on `batch`.
    pub fn new(
        problem: &'a P,
        x: &'a P::Upper<Tape<B>>,
        y: &'a P::Lower<Tape<B>>,
        batch: &'a P::Batch<B>,
    ) -> Self {
        Self {
            problem,
            x,
            y,
            batch,
        }
    }

    /// A minimiser of `g(x, ·)` by `lower`, from the point's y.
    pub fn solve(self, lower: &impl LowerSolver<B, P>) -> Solution<P::Lower<Tape<B>>> {
        lower.solve(self)
    }

    /// The hypergradient here by `method`: [`Hypergradient::estimate`] with no warm start and the
    /// seed 0.
    pub fn hypergradient(self, method: &impl Hypergradient<B, P>) -> Estimate<B> {
        method.estimate(self, None, 0)
    }
}

impl<B: Backend, P: Differentiable<B>> Point<'_, B, P> {
    /// How many independent lower problems there are.
    pub fn systems(&self) -> usize {
        self.problem.systems(self.y)
    }

    /// # Panics
    /// If x, y and the data are not all on one device, with the devices.
    pub(crate) fn assert_one_device(&self) {
        let devices = self.x.devices();
        let devices = self.y.collect_devices(devices);
        let devices = self.batch.collect_devices(devices);
        assert!(
            devices.len() <= 1,
            "x, y and data on several devices: {devices:?}; move them to one with Module::to_device"
        );
    }

    /// The data, one tape up.
    pub(super) fn lifted_batch(&self) -> P::Batch<Tape<B>> {
        P::Batch::<Tape<B>>::from_inner(self.batch.clone())
    }

    /// `f`, `∇x f`, `∇y f` by one backward pass.
    ///
    /// # Panics
    /// If x, y and the data are not all on one device.
    pub fn upper_gradients(&self) -> LossGradients<B> {
        self.assert_one_device();
        LossGradients::new(self.upper())
    }

    /// `g`, `∇x g`, `∇y g` by one backward pass.
    pub fn lower_gradients(&self) -> LossGradients<B> {
        LossGradients::new(self.lower())
    }

    /// Which parameters the losses do not depend on. Costs a backward pass of each loss.
    ///
    /// By the recording, not by numbers: a gradient that happens to be zero is one.
    pub fn unreached(&self) -> Unreached {
        let [upper_loss_in_x, upper_loss_in_y] = self.upper().1.unreached();
        let [lower_loss_in_x, lower_loss_in_y] = self.lower().1.unreached();
        Unreached {
            upper_loss_in_x,
            upper_loss_in_y,
            lower_loss_in_x,
            lower_loss_in_y,
        }
    }

    /// A loss, and its slopes.
    fn slopes(
        &self,
        loss: impl Fn(&Leaves<B, P>, &P::Batch<Tape<B>>) -> Tensor<Tape<B>, 1>,
    ) -> (Tensor<B, 1>, Slopes<B, P>) {
        let leaves = Leaves::of(self);
        let loss = loss(&leaves, &self.lifted_batch());
        (loss.clone().inner(), leaves.backward(loss))
    }

    fn upper(&self) -> (Tensor<B, 1>, Slopes<B, P>) {
        self.slopes(|at, batch| self.problem.upper_loss(&at.x, &at.y, batch))
    }

    fn lower(&self) -> (Tensor<B, 1>, Slopes<B, P>) {
        self.slopes(|at, batch| self.problem.lower_loss(&at.x, &at.y, batch))
    }
}
