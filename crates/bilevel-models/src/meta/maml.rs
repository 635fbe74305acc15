//! Model-agnostic meta-learning.

use std::ops::Range;

use bilevel_core::hypergradient::{Descent, Keep, LowerMap};
use bilevel_core::parameters::{sizes, unpack};
use bilevel_core::{DoubleBackward, Error, LowerObjective, Point, SecondOrder, Tape, Vector};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::learner::{Judged, joined, row};
use super::normalization::Seen;
use super::{
    Adaptation, Episode, EpisodeGradient, Filter, Learner, Loss, MetaParameters, Normalization,
    Pass, TwiceNetwork, Upper,
};

/// Learns weights from which a few gradient steps on the support lead to weights that are good for the queries.
///
/// ```text
/// y₀ = x,   y_{k+1} = y_k − α_k ∇loss(y_k; support)        F(x) = f(y_K) = loss(y_K; queries)
/// a_K = ∇f(y_K),   a_k = a_{k+1} − ∇²loss(y_k; support) (α_k a_{k+1})        ∇F = a₀,   ∂F/∂α_k = −a_{k+1} ∇loss(y_k; support)
/// ```
///
/// | method | setting |
/// |---|---|
/// | MAML, second order | [`Keep::All`], or [`Keep::Bytes`] where memory is short: states are computed again |
/// | FOMAML | [`Keep::Last`]`(0)`: no step is differentiated; with `Last(n)` the last n are |
/// | ANIL | `adapted:` [`Filter::only`]`(["head"])` |
/// | Meta-SGD | `rates:` [`Rates::Learned`] for every entry |
/// | MAML++ | [`StepLosses::Every`], [`Rates::Learned`] for every parameter and step, [`Normalization::PerStep`] |
///
/// A differentiated step costs a gradient and a Hessian product, which costs about 2.2 gradients; memory is that of one
/// step and of the states kept, whatever the number of steps.
///
/// # Example
///
/// One inner step on `½ a (θ − c)²`, the same for support and queries: `∇F = (1 − α a)² a (θ − c)`.
///
/// ```
/// use bilevel_core::{Keep, Tape};
/// use bilevel_models::meta::{Episode, Filter, Learner, Loss, Maml, Network, Normalization, Pass, Rates, Samples, StepLosses};
/// use burn::module::{Module, Param};
/// use burn::tensor::{Tensor, backend::Backend};
///
/// type B = bilevel_backend::NdArray<f64>;
///
/// #[derive(Clone)]
/// struct Slope;
/// #[derive(Module, Debug)]
/// struct Weight<B: Backend> { theta: Param<Tensor<B, 2>> }
///
/// impl Network for Slope {
///     type Weights<B: Backend> = Weights<B>;
///     fn forward<B: Backend>(&self, y: &Weights<B>, inputs: Tensor<B, 2>, _: Pass<'_>) -> Tensor<B, 2> {
///         inputs.matmul(y.theta.val())
///     }
/// }
/// # type Weights<B> = Weight<B>;
///
/// let maml = Maml {
///     network: Slope,
///     loss: Loss::MeanSquare,
///     normalization: Normalization::default(),
///     steps: 1,
///     rates: Rates::Fixed(0.1),
///     keep: Keep::All,
///     adapted: Filter::all(),
///     step_losses: StepLosses::Last,
/// };
/// let theta = Param::from_tensor(Tensor::<Tape<B>, 2>::from_floats([[0.5]], &Default::default()));
/// let x = Learner::<B>::begin(&maml, Weight { theta });
///
/// // (θ s − c s)² with s² = 1: a = 2, c = 3.
/// let samples = Samples {
///     inputs: Tensor::<B, 2>::from_floats([[1.0]], &Default::default()),
///     targets: Tensor::from_floats([[3.0]], &Default::default()),
/// };
/// let episode = Episode { support: samples.clone(), query: samples };
/// let found = maml.gradient(&x, &episode).gradient.into_scalar();
/// assert!((found - (1.0 - 0.1 * 2.0) * (1.0 - 0.1 * 2.0) * 2.0 * (0.5 - 3.0)).abs() < 1e-12);
/// ```
///
/// # References
/// Finn, Abbeel, Levine (2017), "Model-agnostic meta-learning for fast adaptation of deep networks", ICML,
/// arXiv:1703.03400, algorithm 2; Raghu, Raghu, Bengio, Vinyals (2020), "Rapid learning or feature reuse?", ICLR,
/// arXiv:1909.09157 (ANIL); Li, Zhou, Chen, Li (2017), arXiv:1707.09835 (Meta-SGD); Antoniou, Edwards, Storkey (2019), "How to
/// train your MAML", ICLR, arXiv:1810.09502 (MAML++).
#[derive(Debug, Clone)]
pub struct Maml<N> {
    /// The network.
    pub network: N,
    /// How outputs are judged, of support and queries.
    pub loss: Loss,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
    /// Inner steps K.
    pub steps: usize,
    /// Inner step sizes α.
    pub rates: Rates,
    /// Which steps are differentiated, and what is stored for it.
    pub keep: Keep,
    /// Which parameters the inner steps move.
    pub adapted: Filter,
    /// Which weights the queries judge.
    pub step_losses: StepLosses,
}

/// Inner step sizes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// One number.
    Fixed(f64),
    /// Learned with the weights, of any sign.
    Learned {
        /// All of them at the start.
        start: f64,
        /// What has a step size of its own.
        of: RateOf,
        /// Whether each step has its own, too.
        each_step: bool,
    },
}

/// What has a step size of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateOf {
    /// Every entry (Meta-SGD).
    Entry,
    /// Every parameter (MAML++).
    Parameter,
}

/// Which weights the queries judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepLosses {
    /// Those after the last step.
    #[default]
    Last,
    /// Those after every step: `F = (1 − s) f(y_K) + s mean_k f(y_k)`. MAML++ lets the share s fall from 1 to 0.
    Every {
        /// s in `[0, 1]`.
        share: f64,
    },
}

impl StepLosses {
    /// The weight of `f(y_k)`, k from 1 to `steps`.
    fn weight(self, k: usize, steps: usize) -> f64 {
        let last = f64::from(k == steps);
        match self {
            Self::Last => last,
            Self::Every { share } => (1.0 - share) * last + share / steps as f64,
        }
    }
}

/// The inner steps of one episode.
struct Steps<'a, B: Backend, N: TwiceNetwork<B>> {
    maml: &'a Maml<N>,
    x: &'a Upper<B, N>,
    episode: &'a Episode<B>,
    /// Where kept statistics are learned, if they are.
    seen: Option<&'a Seen>,
    /// Of the adapted parameters: `(path, entries)`.
    sizes: Vec<(String, usize)>,
}

impl<N> Maml<N> {
    fn steps<'a, B: Backend>(
        &'a self,
        x: &'a Upper<B, N>,
        episode: &'a Episode<B>,
        seen: Option<&'a Seen>,
    ) -> Steps<'a, B, N>
    where
        N: TwiceNetwork<B>,
    {
        Steps {
            maml: self,
            x,
            episode,
            seen,
            sizes: sizes::<Tape<B>, _>(&x.weights),
        }
    }

    /// # Errors
    /// If the bytes of [`Keep::Bytes`] do not hold two states of `dim` numbers.
    fn schedule<B: Backend>(
        &self,
        dim: usize,
    ) -> Result<bilevel_core::hypergradient::Schedule, Error> {
        self.keep
            .schedule(self.steps, dim * size_of::<B::FloatElem>())
    }
}

impl<B: Backend, N: TwiceNetwork<B>> Steps<'_, B, N> {
    fn adaptation(&self, step: usize) -> Adaptation<'_, N> {
        Adaptation {
            network: &self.maml.network,
            loss: self.maml.loss,
            proximity: 0.0,
            pass: Pass {
                normalization: self.maml.normalization,
                support: 0,
                step,
                learning: self.seen,
            },
        }
    }

    fn module(&self, y: Vector<B>) -> N::Weights<Tape<B>> {
        unpack::<Tape<B>, _>(self.x.weights.clone(), y)
    }

    /// `α_k`, zero for what is not adapted; broadcasts to `[1, dim]`.
    fn rates(&self, k: usize) -> Vector<B> {
        let weights = row::<B, _>(&self.x.weights);
        let device = weights.device();
        let constant = |value: f64, entries: usize| Tensor::full([1, entries], value, &device);
        let all = self
            .sizes
            .iter()
            .all(|(path, _)| self.maml.adapted.accepts(path));
        match self.maml.rates {
            Rates::Fixed(rate) if all => constant(rate, 1),
            Rates::Fixed(rate) => self.spread(|_, _, entries| constant(rate, entries)),
            Rates::Learned { of, .. } => {
                let own = self.x.own.as_ref().expect("the rates are learned");
                let own = own.val().inner();
                let row = k.min(own.dims()[0] - 1);
                let own = own.narrow(0, row, 1);
                self.spread(|i, at, entries| match of {
                    RateOf::Entry => own.clone().narrow(1, at, entries),
                    RateOf::Parameter => own.clone().narrow(1, i, 1).repeat_dim(1, entries),
                })
            }
        }
    }

    /// One row made of `part(i, first entry, entries)` for every parameter that is adapted, of zeros for the others.
    fn spread(&self, part: impl Fn(usize, usize, usize) -> Vector<B>) -> Vector<B> {
        let device = self.episode.support.inputs.device();
        let mut at = 0;
        let parts = self.sizes.iter().enumerate().map(|(i, (path, entries))| {
            let first = at;
            at += entries;
            if self.maml.adapted.accepts(path) {
                part(i, first, *entries)
            } else {
                Tensor::zeros([1, *entries], &device)
            }
        });
        Tensor::cat(parts.collect(), 1)
    }

    /// The adjoint of the learned numbers that [`rates`](Self::rates) are made of, from that of the rates.
    fn pull_back_rates(&self, of: RateOf, bar: Vector<B>) -> Vector<B> {
        let adapted = self.spread(|_, at, entries| bar.clone().narrow(1, at, entries));
        match of {
            RateOf::Entry => adapted,
            RateOf::Parameter => {
                let mut at = 0;
                let sums = self.sizes.iter().map(|(_, entries)| {
                    let part = adapted.clone().narrow(1, at, *entries);
                    at += entries;
                    part.sum_dim(1)
                });
                Tensor::cat(sums.collect(), 1)
            }
        }
    }

    /// `∇loss(y; support)` at step k.
    fn support_gradient(&self, k: usize, y: Vector<B>) -> Vector<B> {
        let adaptation = self.adaptation(k);
        let point = self.point(&adaptation, &self.x.weights);
        LowerObjective::new(point).gradient(y)
    }

    fn point<'b>(
        &'b self,
        problem: &'b Adaptation<'b, N>,
        y: &'b N::Weights<Tape<B>>,
    ) -> Point<'b, B, Adaptation<'b, N>> {
        Point {
            problem,
            x: &self.x.weights,
            y,
            batch: self.episode,
        }
    }

    /// The state after the steps of `range`.
    fn advance(&self, y: Vector<B>, range: Range<usize>) -> Vector<B> {
        range.fold(y, |y, k| {
            let g = self.support_gradient(k, y.clone());
            let [y] = Descent
                .step(k, &[y], &g, &self.rates(k))
                .try_into()
                .expect("descent has one vector");
            y
        })
    }

    /// Loss of the queries at `y`, after k steps, with its gradient in y.
    fn judged(&self, k: usize, y: Vector<B>) -> Judged<B> {
        let module = self.module(y);
        let episode = <Episode<Tape<B>> as burn::module::AutodiffModule<Tape<B>>>::from_inner(
            self.episode.clone(),
        );
        let outputs = self.adaptation(k).outputs(&module, &episode);
        let loss = self.maml.loss.of(outputs.clone(), episode.query.targets);
        Judged::new(&module, outputs, loss)
    }

    /// `a_k` and the adjoint of the learned step sizes, from `a_{k+1}`.
    fn reverse(&self, k: usize, y: &Vector<B>, bar: Vector<B>) -> (Vector<B>, Option<Vector<B>>) {
        let rates = self.rates(k);
        let learned = match self.maml.rates {
            Rates::Learned { of, .. } => Some(of),
            Rates::Fixed(_) => None,
        };
        let unheard = Seen::default();
        let mut adaptation = self.adaptation(k);
        adaptation.pass.learning = self.seen.map(|_| &unheard);
        let module = self.module(y.clone());
        let hessian = DoubleBackward.at(self.point(&adaptation, &module));
        let product = hessian.apply(bar.clone() * rates);
        let own = learned.map(|of| self.pull_back_rates(of, -bar.clone() * hessian.gradient()));
        (bar - product, own)
    }
}

impl<B: Backend, N: TwiceNetwork<B>> Learner<B> for Maml<N> {
    type Network = N;

    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        let own = match self.rates {
            Rates::Fixed(_) => None,
            Rates::Learned {
                start,
                of,
                each_step,
            } => {
                let sizes = sizes::<Tape<B>, _>(&weights);
                let columns = match of {
                    RateOf::Entry => sizes.iter().map(|(_, entries)| entries).sum(),
                    RateOf::Parameter => sizes.len(),
                };
                let rows = if each_step { self.steps.max(1) } else { 1 };
                let device = weights.devices().into_iter().next().unwrap_or_default();
                Some(Param::from_tensor(Tensor::full(
                    [rows, columns],
                    start,
                    &device,
                )))
            }
        };
        MetaParameters { weights, own }
    }

    /// # Panics
    /// If the bytes of [`Keep::Bytes`] do not hold two sets of weights.
    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = Seen::default();
        let steps = self.steps::<B>(x, episode, Some(&seen));
        let start = row::<B, _>(&x.weights);
        let schedule = self
            .schedule::<B>(start.dims()[1])
            .unwrap_or_else(|error| panic!("{error}"));
        let first = self.steps - schedule.steps;
        let weight = |k: usize| self.step_losses.weight(k, self.steps);

        // What intermediate losses add, those before the first differentiated step.
        let mut before: Option<Vector<B>> = None;
        let mut y = start;
        for k in 0..first {
            if k > 0 && weight(k) != 0.0 {
                let part = steps.judged(k, y.clone()).gradient * weight(k);
                before = Some(sum(before, part));
            }
            y = steps.advance(y, k..k + 1);
        }
        let mut end: Option<Judged<B>> = None;
        let mut bar: Option<Vector<B>> = None;
        let mut own: Vec<Option<Vector<B>>> = vec![None; self.steps];
        schedule.reverse(
            first,
            y.clone(),
            |y, range| steps.advance(y, range),
            |k, y| {
                let next = bar.take().unwrap_or_else(|| {
                    let judged = steps.judged(k + 1, steps.advance(y.clone(), k..k + 1));
                    let bar = judged.gradient.clone() * weight(self.steps);
                    end = Some(judged);
                    bar
                });
                let (mut here, rates) = steps.reverse(k, y, next);
                own[k] = rates;
                if k > 0 && weight(k) != 0.0 {
                    here = here + steps.judged(k, y.clone()).gradient * weight(k);
                }
                bar = Some(here);
            },
        );
        let end = end.unwrap_or_else(|| steps.judged(self.steps, y));
        let bar = bar.unwrap_or_else(|| end.gradient.clone() * weight(self.steps.max(1)));
        let weights = match before {
            Some(before) => bar + before,
            None => bar,
        };
        let own = x.own.as_ref().map(|rates| {
            let [rows, columns] = rates.dims();
            let zeros = || Tensor::zeros([1, columns], &weights.device());
            let each = own.into_iter().map(|part| part.unwrap_or_else(zeros));
            if rows == 1 {
                each.reduce(|sum, part| sum + part).unwrap_or_else(zeros)
            } else {
                Tensor::cat(each.collect(), 0)
            }
        });
        let gradient = joined(weights, own);
        drop(steps);
        EpisodeGradient::checked(end.loss, end.outputs, gradient, seen)
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        let steps = self.steps::<B>(x, episode, None);
        let y = steps.advance(row::<B, _>(&x.weights), 0..self.steps);
        let module = steps.module(y).no_grad();
        let episode = <Episode<Tape<B>> as burn::module::AutodiffModule<Tape<B>>>::from_inner(
            episode.clone(),
        );
        steps
            .adaptation(self.steps)
            .outputs(&module, &episode)
            .inner()
    }
}

fn sum<B: Backend>(sum: Option<Vector<B>>, part: Vector<B>) -> Vector<B> {
    match sum {
        Some(sum) => sum + part,
        None => part,
    }
}
