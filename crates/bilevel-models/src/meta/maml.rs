//! Model-agnostic meta-learning.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use bilevel_core::derivative::RecordedGradient;
use bilevel_core::hypergradient::{CheckpointSchedule, Checkpointing, Descent, LowerMap};
use bilevel_core::parameters::{pack, repeated, unpack};
use bilevel_core::setters;
use bilevel_core::{DoubleBackward, Error, LowerObjective, Point, Tape, Vector};
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::learner::{Judged, joined};
use super::normalization::RunningStatistics;
use super::step_sizes::Layout;
use super::{
    Adaptation, Episode, EpisodeGradient, Filter, ForwardContext, Learner, Loss, MetaParameters,
    MetaState, Network, Normalization, Stack, StepLosses, StepSizes, TwiceDifferentiableNetwork,
    Upper,
};

/// Learns weights from which a few gradient steps on the support lead to weights that are good for
/// the queries.
///
/// ```text
/// y₀ = x,   y_{k+1} = y_k − α_k ∇loss(y_k; support)        F(x) = f(y_K) = loss(y_K; queries)
/// a_K = ∇f(y_K),   a_k = a_{k+1} − ∇²loss(y_k; support) (α_k a_{k+1})        ∇F = a₀,   ∂F/∂α_k = −a_{k+1} ∇loss(y_k; support)
/// ```
///
/// | method | setting |
/// |---|---|
/// | MAML, second order | [`Checkpointing::All`], or [`Checkpointing::Bytes`] where memory is short: states are computed again |
/// | FOMAML | [`Checkpointing::Last`]`(0)`: no step is differentiated; with `Last(n)` the last n are |
/// | ANIL | `adapted:` [`Filter::only`]`(["head"])` |
/// | Meta-SGD | `step_sizes:` [`StepSizes::Learned`] for every entry |
/// | MAML++ | [`StepLosses::Every`], [`StepSizes::Learned`] for every parameter and step, [`Normalization::PerStep`] |
///
/// A differentiated step costs a recorded gradient and its derivative, 2.2 gradients together, and
/// the tape of every step is held until it is reversed. With [`Checkpointing::Bytes`] states are
/// held and not tapes: memory is that of one step and of the states that fit, whatever the number
/// of steps, and a step costs a gradient more.
///
/// # Example
///
/// One inner step on `½ a (θ − c)²`, the same for support and queries: `∇F = (1 − α a)² a (θ − c)`.
///
/// ```
/// use bilevel_core::Tape;
/// use bilevel_models::meta::{Episode, Learner, Loss, Maml, Network, Samples};
/// use burn::module::{Module, Param};
/// use burn::tensor::{Tensor, backend::Backend};
///
/// type B = bilevel_backend::Cpu;
/// B::use_f64().expect("the first tensors");
///
/// #[derive(Clone)]
/// struct Slope;
///
/// impl Network for Slope {
///     type Weights<B: Backend> = Param<Tensor<B, 2>>;
///     fn forward<B: Backend>(&self, y: &Param<Tensor<B, 2>>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
///         inputs.matmul(y.val())
///     }
/// }
///
/// let maml = Maml::new(Slope).loss(Loss::MeanSquare).step_size(0.1);
/// let theta = Param::from_tensor(Tensor::<Tape<B>, 2>::from_floats([[0.5]], &Default::default()));
/// let x = Learner::<B>::begin(&maml, theta);
///
/// // (θ s − c s)² with s² = 1: a = 2, c = 3.
/// let samples = Samples {
///     inputs: Tensor::<B, 2>::from_floats([[1.0]], &Default::default()),
///     targets: Tensor::from_floats([[3.0]], &Default::default()),
/// };
/// let episode = Episode { support: samples.clone(), query: samples };
/// let found = maml.gradient(&x, &episode).gradient.into_data().to_vec::<f64>().unwrap();
/// assert!((found[0] - (1.0 - 0.1 * 2.0) * (1.0 - 0.1 * 2.0) * 2.0 * (0.5 - 3.0)).abs() < 1e-12);
/// ```
///
/// # References
/// Finn, Abbeel, Levine (2017), "Model-agnostic meta-learning for fast adaptation of deep
/// networks", ICML, arXiv:1703.03400, algorithm 2; Raghu, Raghu, Bengio, Vinyals (2020), "Rapid
/// learning or feature reuse?", ICLR, arXiv:1909.09157 (ANIL); Li, Zhou, Chen, Li (2017),
/// arXiv:1707.09835 (Meta-SGD); Antoniou, Edwards, Storkey (2019), "How to train your MAML", ICLR,
/// arXiv:1810.09502 (MAML++).
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
    pub step_sizes: StepSizes,
    /// Which steps are differentiated, and what is stored for it.
    pub checkpointing: Checkpointing,
    /// Which parameters the inner steps move.
    pub adapted: Filter,
    /// Which weights the queries judge.
    pub step_losses: StepLosses,
}

impl<N> Maml<N> {
    /// Second-order MAML: one step of size 0.01 on all weights, differentiated exactly, judged by
    /// cross entropy.
    pub fn new(network: N) -> Self {
        Self {
            network,
            loss: Loss::CrossEntropy,
            normalization: Normalization::default(),
            steps: 1,
            step_sizes: StepSizes::Fixed(0.01),
            checkpointing: Checkpointing::All,
            adapted: Filter::all(),
            step_losses: StepLosses::Last,
        }
    }

    /// The same with one step size for all weights and steps.
    #[must_use]
    pub fn step_size(self, step_size: f64) -> Self {
        self.step_sizes(StepSizes::Fixed(step_size))
    }
}

setters!(Maml<N> {
    loss: Loss,
    normalization: Normalization,
    steps: usize,
    step_sizes: StepSizes,
    checkpointing: Checkpointing,
    adapted: Filter,
    step_losses: StepLosses,
});

impl<N: Network> Maml<N> {
    /// The weights after learning from the support of `episode`; its queries are not read.
    ///
    /// Of a [`Stack`] those of all tasks, one after the other along the first axis.
    pub fn adapt<B: Backend, O>(
        &self,
        state: &MetaState<B, N, O>,
        episode: &Episode<B>,
    ) -> N::Weights<B>
    where
        N: TwiceDifferentiableNetwork<B>,
    {
        let steps = self.inner_steps::<B>(&state.x, episode, None);
        let y = steps.advance(steps.first(), 0..self.steps);
        steps.module(y).valid()
    }
}

/// The inner steps of one episode.
struct Steps<'a, B: Backend, N: TwiceDifferentiableNetwork<B>> {
    maml: &'a Maml<N>,
    x: &'a Upper<B, N>,
    /// The weights of all tasks, at the start.
    start: N::Weights<Tape<B>>,
    episode: &'a Episode<B>,
    /// Where kept statistics are learned, if they are.
    seen: Option<&'a RunningStatistics>,
    /// Of one task's weights.
    layout: Layout<'a, B>,
}

impl<N> Maml<N> {
    /// The same on so many tasks at once, see [`Stack`].
    pub fn stacked(self, tasks: usize) -> Maml<Stack<N>> {
        let network = Stack {
            network: self.network,
            tasks,
        };
        Maml {
            network,
            loss: self.loss,
            normalization: self.normalization,
            steps: self.steps,
            step_sizes: self.step_sizes,
            checkpointing: self.checkpointing,
            adapted: self.adapted,
            step_losses: self.step_losses,
        }
    }
}

impl<N: Network> Maml<N> {
    fn inner_steps<'a, B: Backend>(
        &'a self,
        x: &'a Upper<B, N>,
        episode: &'a Episode<B>,
        seen: Option<&'a RunningStatistics>,
    ) -> Steps<'a, B, N>
    where
        N: TwiceDifferentiableNetwork<B>,
    {
        let start = match self.network.tasks() {
            1 => x.weights.clone(),
            tasks => repeated(x.weights.clone(), tasks),
        };
        Steps {
            maml: self,
            x,
            start,
            episode,
            seen,
            layout: Layout::new(&x.weights, &self.adapted, episode.support.inputs.device()),
        }
    }

    /// The weights after the inner steps on the support: `[tasks, dim]`.
    pub(super) fn adapted_weights<B: Backend>(
        &self,
        x: &Upper<B, N>,
        episode: &Episode<B>,
        seen: Option<&RunningStatistics>,
    ) -> Vector<B>
    where
        N: TwiceDifferentiableNetwork<B>,
    {
        let steps = self.inner_steps::<B>(x, episode, seen);
        steps.advance(steps.first(), 0..self.steps)
    }

    /// # Errors
    /// If the bytes of [`Checkpointing::Bytes`] do not hold two states as long as a row of `start`
    /// for each task.
    fn schedule<B: Backend>(&self, start: &Vector<B>) -> Result<CheckpointSchedule, Error> {
        let entries = self.network.tasks() * start.dims()[1];
        self.checkpointing
            .schedule(self.steps, entries * start.dtype().size())
    }
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Steps<'_, B, N> {
    fn adaptation(&self, step: usize) -> Adaptation<'_, N> {
        Adaptation {
            network: &self.maml.network,
            loss: self.maml.loss,
            proximity: 0.0,
            context: ForwardContext {
                normalization: self.maml.normalization,
                support: 0,
                step,
                learning: self.seen,
            },
        }
    }

    /// `α_k`.
    fn step_sizes(&self, k: usize) -> Vector<B> {
        let own = self.x.own.as_ref().map(|own| own.val().inner());
        self.maml.step_sizes.at(k, own, &self.layout)
    }

    /// The weights before the first step: `[tasks, dim]`.
    fn first(&self) -> Vector<B> {
        pack(&self.start, self.maml.network.tasks())
    }

    fn module(&self, y: Vector<B>) -> N::Weights<Tape<B>> {
        unpack(self.start.clone(), y)
    }

    /// `∇loss(y; support)` at step k.
    fn support_gradient(&self, k: usize, y: Vector<B>) -> Vector<B> {
        let adaptation = self.adaptation(k);
        let point = self.point(&adaptation, &self.start);
        LowerObjective::new(point).gradient(y)
    }

    fn point<'b>(
        &'b self,
        problem: &'b Adaptation<'b, N>,
        y: &'b N::Weights<Tape<B>>,
    ) -> Point<'b, B, Adaptation<'b, N>> {
        Point {
            problem,
            x: &self.start,
            y,
            batch: self.episode,
        }
    }

    /// The state after the steps of `range`.
    fn advance(&self, y: Vector<B>, range: Range<usize>) -> Vector<B> {
        range.fold(y, |y, k| {
            let g = self.support_gradient(k, y.clone());
            self.descend(k, y, g)
        })
    }

    /// `y − α_k g`
    fn descend(&self, k: usize, y: Vector<B>, g: Vector<B>) -> Vector<B> {
        let [y] = Descent
            .step(k, &[y], &g, &self.step_sizes(k))
            .try_into()
            .expect("descent has one vector");
        y
    }

    /// Loss of the queries at `y`, after k steps, with its gradient in y.
    fn judged(&self, k: usize, y: Vector<B>) -> Judged<B> {
        let module = self.module(y);
        let episode = self.episode.lifted();
        let outputs = self.adaptation(k).outputs(&module, &episode);
        let loss = self
            .adaptation(k)
            .total(outputs.clone(), episode.query.targets);
        Judged::new(&module, outputs, loss, self.maml.network.tasks())
    }

    /// `∇loss(y; support)` at step k, recorded for its reversal.
    fn record(&self, k: usize, y: Vector<B>, seen: Option<&RunningStatistics>) -> Record<B, N> {
        let mut adaptation = self.adaptation(k);
        adaptation.context.learning = seen;
        DoubleBackward.record(self.point(&adaptation, &self.module(y)))
    }

    /// Over tasks: `[tasks, dim]` to `[1, dim]`.
    fn added_up(&self, each: Vector<B>) -> Vector<B> {
        match self.maml.network.tasks() {
            1 => each,
            _ => each.sum_dim(0),
        }
    }

    /// `y_{k+1}` from `y_k`, whose record is kept with it.
    fn advance_recorded(&self, k: usize, state: &State<B, N>) -> Vector<B> {
        let record = self.record(k, state.y.clone(), self.seen);
        let y = self.descend(k, state.y.clone(), record.gradient());
        state.record.replace(Some(record));
        y
    }

    /// `a_k` and the adjoint of the learned step sizes, from `a_{k+1}`.
    fn reverse(
        &self,
        k: usize,
        state: &State<B, N>,
        bar: Vector<B>,
    ) -> (Vector<B>, Option<Vector<B>>) {
        let rates = self.step_sizes(k);
        let learned = match self.maml.step_sizes {
            StepSizes::Learned { of, .. } => Some(of),
            StepSizes::Fixed(_) => None,
        };
        let record = state.record.take().unwrap_or_else(|| {
            // The statistics of this step were noted when it was made.
            let unheard = RunningStatistics::default();
            self.record(k, state.y.clone(), self.seen.map(|_| &unheard))
        });
        let own = learned.map(|of| {
            let each = -bar.clone() * record.gradient();
            of.pull_back(self.added_up(each), &self.layout)
        });
        let product = record.product(bar.clone() * rates);
        (bar - product, own)
    }
}

/// The gradient of a step's support, recorded.
type Record<B, N> = RecordedGradient<B, <N as Network>::Weights<Tape<B>>>;

/// A state on the way back, and the record of the step from it if that was made already.
struct State<B: Backend, N: TwiceDifferentiableNetwork<B>> {
    y: Vector<B>,
    record: Rc<RefCell<Option<Record<B, N>>>>,
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> State<B, N> {
    fn new(y: Vector<B>) -> Self {
        let record = Rc::default();
        Self { y, record }
    }
}

/// The same state: the record is shared.
impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Clone for State<B, N> {
    fn clone(&self) -> Self {
        Self {
            y: self.y.clone(),
            record: self.record.clone(),
        }
    }
}

/// Of a [`Stack`] the gradient and the loss are means over its tasks.
impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Learner<B> for Maml<N> {
    type Network = N;

    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        let device = weights.devices().into_iter().next().unwrap_or_default();
        let layout = Layout::new(&weights, &self.adapted, device);
        let own = self.step_sizes.start(self.steps, &layout);
        let own = own.map(|own| Param::from_tensor(Tensor::from_inner(own)));
        MetaParameters { weights, own }
    }

    /// # Panics
    /// If the bytes of [`Checkpointing::Bytes`] do not hold two sets of weights for each task.
    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = RunningStatistics::default();
        let steps = self.inner_steps::<B>(x, episode, Some(&seen));
        let start = steps.first();
        let schedule = self
            .schedule(&start)
            .unwrap_or_else(|error| panic!("{error}"));
        let first = self.steps - schedule.steps;
        let tapes = !matches!(self.checkpointing, Checkpointing::Bytes(_));
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
            State::<B, N>::new(y.clone()),
            |state, range| {
                State::new(if tapes && range.len() == 1 {
                    steps.advance_recorded(range.start, &state)
                } else {
                    steps.advance(state.y, range)
                })
            },
            |k, state| {
                let y = &state.y;
                let next = bar.take().unwrap_or_else(|| {
                    let judged = steps.judged(k + 1, steps.advance_recorded(k, state));
                    let bar = judged.gradient.clone() * weight(self.steps);
                    end = Some(judged);
                    bar
                });
                let (mut here, rates) = steps.reverse(k, state, next);
                own[k] = rates;
                if k > 0 && weight(k) != 0.0 {
                    here = here + steps.judged(k, y.clone()).gradient * weight(k);
                }
                bar = Some(here);
            },
        );
        let end = end.unwrap_or_else(|| steps.judged(self.steps, y));
        let bar = bar.unwrap_or_else(|| end.gradient.clone() * weight(self.steps));
        let weights = steps.added_up(match before {
            Some(before) => bar + before,
            None => bar,
        });
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
        drop(steps);
        let (mut loss, mut gradient) = (end.loss, joined(weights, own));
        let tasks = self.network.tasks();
        if tasks > 1 {
            loss /= tasks as f64;
            gradient = gradient / tasks as f64;
        }
        EpisodeGradient::checked(loss, end.outputs, gradient, seen)
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        let steps = self.inner_steps::<B>(x, episode, None);
        let y = steps.advance(steps.first(), 0..self.steps);
        let module = steps.module(y).no_grad();
        let episode = episode.lifted();
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
