//! Derivatives of cleaning with a linear classifier, by formula.

use bilevel_core::algorithm::rule::{Block, Blocks, Counter, OracleCalls, SecondDerivatives};
use bilevel_core::vector::read;
use bilevel_core::{Iterate, LossGradients, Oracle, Vector};
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::backend::Backend;

use super::Cleaning;
use super::features::Features;
use crate::classification::{Linear, Minibatch, TrainValidation};

/// The [`Oracle`] of [`Cleaning`] with a [`Linear`] classifier, without recording.
///
/// ```text
/// P = softmax(A W + b),   E = P − T,   U = A V + v_b,   dP = P ∘ (U − rowsum(P ∘ U))
/// ∇y g      = (Aᵀ(w ∘ E)/n + 2ρW,  colsum(w ∘ E)/n)
/// ∇²yy g v  = (Aᵀ(w ∘ dP)/n + 2ρV, colsum(w ∘ dP)/n)
/// ∇²xy g v  = w'(x_i) ⟨E_i, U_i⟩ / n          ∇x g = w'(x_i) ℓ_i / n
/// ```
///
/// The same numbers as [`ProblemOracle`](bilevel_core::ProblemOracle) with double backward; reads
/// the features twice for a gradient and no more than that for all three derivatives of a
/// [`SecondDerivatives`]. On `Cpu` features of which at most a third are not zero are held a second
/// time by their non-zero entries, block by block and whole, and products take the time of those.
#[derive(Debug)]
pub struct SoftmaxOracle<B: Backend> {
    problem: Cleaning<Linear>,
    data: TrainValidation<B>,
    training: Features,
    validation: Features,
    counter: Counter,
}

/// Samples of a loss, and how their features are multiplied.
struct Look<'a, B: Backend> {
    part: &'a Minibatch<B>,
    features: &'a Features,
    on: Block,
}

impl<B: Backend> Look<'_, B> {
    /// `A W + b`.
    fn logits(&self, [weight, bias]: [Tensor<B, 2>; 2]) -> Tensor<B, 2> {
        self.features.product(self.on, self.part, weight) + bias
    }

    /// `(Aᵀ E, colsum E)`.
    fn pull_back(&self, error: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        [
            self.features
                .transposed_product(self.on, self.part, error.clone()),
            error.sum_dim(0),
        ]
    }
}

impl<B: Backend> SoftmaxOracle<B> {
    /// The oracle of `problem` on `data`.
    pub fn new(problem: Cleaning<Linear>, data: TrainValidation<B>) -> Self {
        Self {
            problem,
            training: Features::new(&data.training),
            validation: Features::new(&data.validation),
            data,
            counter: Counter::default(),
        }
    }

    fn training(&self, on: Block) -> Look<'_, B> {
        Look {
            part: self.data.training.part(on),
            features: &self.training,
            on,
        }
    }

    fn validation(&self, on: Block) -> Look<'_, B> {
        Look {
            part: self.data.validation.part(on),
            features: &self.validation,
            on,
        }
    }

    /// `W`: `[features, classes]`, and `b`: `[1, classes]`.
    fn split(&self, y: &Vector<B>) -> [Tensor<B, 2>; 2] {
        let Linear { features, classes } = self.problem.classifier;
        let weights = features * classes;
        [
            y.clone().narrow(1, 0, weights).reshape([features, classes]),
            y.clone().narrow(1, weights, classes),
        ]
    }

    /// A vector of y again.
    fn join(&self, weight: Tensor<B, 2>, bias: Tensor<B, 2>) -> Vector<B> {
        let count = weight.shape().num_elements();
        Tensor::cat(vec![weight.reshape([1, count]), bias], 1)
    }

    /// `w` and `w'` of the samples: `[samples, 1]` each.
    fn weights(&self, x: &Vector<B>, part: &Minibatch<B>) -> [Tensor<B, 2>; 2] {
        let values = x.clone().narrow(1, part.first, part.count());
        let w = self
            .problem
            .weighting
            .weight(values.reshape([part.count(), 1]));
        [w.clone(), self.problem.weighting.slope(w)]
    }

    /// One number a sample, `[samples, 1]`, as a vector of x.
    fn spread(&self, x: &Vector<B>, part: &Minibatch<B>, values: Tensor<B, 2>) -> Vector<B> {
        let (first, n) = (part.first, part.count());
        let row = values.reshape([1, n]);
        if n == x.dims()[1] {
            return row;
        }
        x.zeros_like().slice_assign([0..1, first..first + n], row)
    }

    /// `∇y g` from what the samples pull back.
    fn regularized(&self, [weight, bias]: [Tensor<B, 2>; 2], y: &Vector<B>) -> Vector<B> {
        let [w, _] = self.split(y);
        self.join(weight + w * (2.0 * self.problem.regularization()), bias)
    }

    /// `P − T` over the share, and the losses over the share: `[samples, classes]`, `[samples, 1]`.
    fn errors_and_losses(part: &Minibatch<B>, z: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        let log_p = log_softmax(z, 1);
        let losses = (log_p.clone() * part.targets.clone()).sum_dim(1) / -part.share;
        [(log_p.exp() - part.targets.clone()) / part.share, losses]
    }
}

impl<B: Backend> Oracle<B> for SoftmaxOracle<B> {
    fn blocks(&self) -> Blocks {
        self.data.count()
    }

    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B> {
        self.counter.count(on, self.data.count().lower, |calls| {
            calls.lower_gradients += 1
        });
        let look = self.training(on);
        let part = look.part;
        let [w, _] = self.weights(&at.x, part);
        let p = softmax(look.logits(self.split(&at.y)), 1);
        let error = (p - part.targets.clone()) * (w / part.share);
        self.regularized(look.pull_back(error), &at.y)
    }

    fn lower_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.counter.count(on, self.data.count().lower, |calls| {
            calls.lower_gradients += 1
        });
        let look = self.training(on);
        let part = look.part;
        let [w, slope] = self.weights(&at.x, part);
        let parameters = self.split(&at.y);
        let square = (parameters[0].clone() * parameters[0].clone()).sum();
        let [error, losses] = Self::errors_and_losses(part, look.logits(parameters));
        let loss = (w.clone() * losses.clone()).sum() + square * self.problem.regularization();
        LossGradients {
            loss: read(loss.unsqueeze())[0],
            x: self.spread(&at.x, part, slope * losses),
            y: self.regularized(look.pull_back(error * w), &at.y),
        }
    }

    fn upper_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.counter.count(on, self.data.count().upper, |calls| {
            calls.upper_gradients += 1
        });
        let look = self.validation(on);
        let part = look.part;
        let z = look.logits(self.split(&at.y));
        let [error, losses] = Self::errors_and_losses(part, z);
        let [weight, bias] = look.pull_back(error);
        LossGradients {
            loss: read(losses.sum().unsqueeze())[0],
            x: at.x.zeros_like(),
            y: self.join(weight, bias),
        }
    }

    fn hessian(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter.count(on, self.data.count().lower, |calls| {
            calls.hessian_products += 1
        });
        let look = self.training(on);
        let part = look.part;
        let [w, _] = self.weights(&at.x, part);
        let p = softmax(look.logits(self.split(&at.y)), 1);
        let u = look.logits(self.split(v));
        let change = softmax_change(p, u) * (w / part.share);
        self.regularized(look.pull_back(change), v)
    }

    fn cross(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.counter.count(on, self.data.count().lower, |calls| {
            calls.cross_products += 1
        });
        let look = self.training(on);
        let part = look.part;
        let [_, slope] = self.weights(&at.x, part);
        let p = softmax(look.logits(self.split(&at.y)), 1);
        let u = look.logits(self.split(v));
        let along = ((p - part.targets.clone()) * u).sum_dim(1);
        self.spread(&at.x, part, along * (slope / part.share))
    }

    fn second(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> SecondDerivatives<B> {
        self.counter.count(on, self.data.count().lower, |calls| {
            calls.lower_gradients += 1;
            calls.hessian_products += 1;
            calls.cross_products += 1;
        });
        let look = self.training(on);
        let part = look.part;
        let classes = self.problem.classifier.classes;
        let [w, slope] = self.weights(&at.x, part);
        // Both products with A at once: the features are what takes time to read.
        let both = |a: [Tensor<B, 2>; 2], b: [Tensor<B, 2>; 2]| {
            let [wa, ba] = a;
            let [wb, bb] = b;
            [Tensor::cat(vec![wa, wb], 1), Tensor::cat(vec![ba, bb], 1)]
        };
        let halves = |t: Tensor<B, 2>| {
            [
                t.clone().narrow(1, 0, classes),
                t.narrow(1, classes, classes),
            ]
        };
        let z = look.logits(both(self.split(&at.y), self.split(v)));
        let [z, u] = halves(z);
        let p = softmax(z, 1);
        let error = p.clone() - part.targets.clone();
        let along = (error.clone() * u.clone()).sum_dim(1);
        let change = softmax_change(p, u);
        let scaled = Tensor::cat(vec![error, change], 1) * (w / part.share);
        let [weights, biases] = look.pull_back(scaled);
        let ([g, h], [gb, hb]) = (halves(weights), halves(biases));
        SecondDerivatives {
            gradient: self.regularized([g, gb], &at.y),
            hessian: self.regularized([h, hb], v),
            cross: self.spread(&at.x, part, along * (slope / part.share)),
        }
    }

    fn calls(&self) -> OracleCalls {
        self.counter.calls()
    }

    fn project(&self, at: Iterate<B>) -> Iterate<B> {
        Iterate {
            x: self.problem.weighting.project(at.x),
            y: at.y,
        }
    }
}

/// `P ∘ (U − rowsum(P ∘ U))`, the change of the softmax along U.
fn softmax_change<B: Backend>(p: Tensor<B, 2>, u: Tensor<B, 2>) -> Tensor<B, 2> {
    let mean = (p.clone() * u.clone()).sum_dim(1);
    p * (u - mean)
}
