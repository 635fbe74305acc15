//! The oracle of a problem and its samples.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Block, Blocks, Counter, Iterate, Oracle, OracleCalls, SecondDerivatives};
use crate::algorithm::state::project;
use crate::parameters::{pack, unpack};
use crate::{Differentiable, LossGradients, LowerObjective, Point, SecondOrder, Vector};

/// The samples of both losses, in blocks.
pub trait Minibatches<B: Backend, P: Differentiable<B>> {
    /// Into how many blocks they are divided.
    fn blocks(&self) -> Blocks;

    /// A batch of the samples `lower` for `g` and `upper` for `f`.
    ///
    /// Losses must be such that their mean over all blocks is the loss on all samples: means over
    /// the samples, where all blocks are equally large.
    fn batch(&self, lower: Block, upper: Block) -> P::Batch<B>;
}

/// One block for each loss: all there is.
#[derive(Debug, Clone)]
pub struct FullBatch<T>(
    /// The data both losses see.
    pub T,
);

impl<B: Backend, P: Differentiable<B>> Minibatches<B, P> for FullBatch<P::Batch<B>> {
    fn blocks(&self) -> Blocks {
        Blocks { lower: 1, upper: 1 }
    }

    fn batch(&self, _: Block, _: Block) -> P::Batch<B> {
        self.0.clone()
    }
}

/// The [`Oracle`] of a problem on samples, by recording; it counts what it is asked.
///
/// Gradients of `g` in y are the problem's own where it states them, second derivatives those of
/// `second_order`.
pub struct ProblemOracle<B: Backend, P: Differentiable<B>, D, S> {
    problem: P,
    second_order: D,
    samples: S,
    /// Modules to put vectors into.
    x: P::Upper<Tape<B>>,
    y: P::Lower<Tape<B>>,
    counter: Counter,
}

impl<B, P, D, S> ProblemOracle<B, P, D, S>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    S: Minibatches<B, P>,
{
    /// The oracle; `x` and `y` are modules of the shapes that iterates will have.
    pub fn new(
        problem: P,
        second_order: D,
        samples: S,
        x: P::Upper<Tape<B>>,
        y: P::Lower<Tape<B>>,
    ) -> Self {
        Self {
            problem,
            second_order,
            samples,
            x,
            y,
            counter: Counter::default(),
        }
    }

    /// The modules that it was made with, as an iterate to begin at.
    pub fn first(&self) -> Iterate<B> {
        Iterate {
            x: pack(&self.x, 1),
            y: pack(&self.y, self.problem.systems(&self.y)),
        }
    }

    /// An iterate as modules.
    pub fn modules(&self, at: &Iterate<B>) -> (P::Upper<Tape<B>>, P::Lower<Tape<B>>) {
        (
            unpack(self.x.clone(), at.x.clone()),
            unpack(self.y.clone(), at.y.clone()),
        )
    }

    /// `look` at the point with data of `lower` and `upper`.
    fn at<T>(
        &self,
        at: &Iterate<B>,
        lower: Block,
        upper: Block,
        look: impl FnOnce(Point<'_, B, P>) -> T,
    ) -> T {
        let (x, y) = self.modules(at);
        look(Point {
            problem: &self.problem,
            x: &x,
            y: &y,
            batch: &self.samples.batch(lower, upper),
        })
    }
}

/// The half of a batch that is not looked at.
const UNUSED: Block = Block::One(0);

impl<B, P, D, S> Oracle<B> for ProblemOracle<B, P, D, S>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    S: Minibatches<B, P>,
{
    fn blocks(&self) -> Blocks {
        self.samples.blocks()
    }

    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B> {
        self.counter
            .count(on, self.samples.blocks().lower, |calls| {
                calls.lower_gradients += 1
            });
        self.at(at, on, UNUSED, |point| {
            LowerObjective::new(point).gradient(at.y.clone())
        })
    }

    fn lower_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.counter
            .count(on, self.samples.blocks().lower, |calls| {
                calls.lower_gradients += 1
            });
        self.at(at, on, UNUSED, |point| point.lower_gradients())
    }

    fn upper_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.counter
            .count(on, self.samples.blocks().upper, |calls| {
                calls.upper_gradients += 1
            });
        self.at(at, UNUSED, on, |point| point.upper_gradients())
    }

    fn hessian(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter
            .count(on, self.samples.blocks().lower, |calls| {
                calls.hessian_products += 1
            });
        self.at(at, on, UNUSED, |point| {
            self.second_order.at(point).apply(v.clone())
        })
    }

    fn cross(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter
            .count(on, self.samples.blocks().lower, |calls| {
                calls.cross_products += 1
            });
        self.at(at, on, UNUSED, |point| {
            self.second_order.at(point).cross(v.clone())
        })
    }

    fn second(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> SecondDerivatives<B> {
        self.counter
            .count(on, self.samples.blocks().lower, |calls| {
                calls.lower_gradients += 1;
                calls.hessian_products += 1;
                calls.cross_products += 1;
            });
        self.at(at, on, UNUSED, |point| {
            let g = self.second_order.at(point);
            let (hessian, cross) = g.both(v.clone());
            SecondDerivatives {
                gradient: g.gradient(),
                hessian,
                cross,
            }
        })
    }

    fn calls(&self) -> OracleCalls {
        self.counter.calls()
    }

    fn project(&self, at: Iterate<B>) -> Iterate<B> {
        let x = unpack(self.x.clone(), at.x);
        let x = project(&self.problem, x);
        Iterate {
            x: pack(&x, 1),
            y: at.y,
        }
    }
}
