//! Many tasks at once.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{ForwardContext, Network};

/// A network that can run the weights of several tasks in one go: by products of batches of
/// matrices, by convolutions in groups.
pub trait StackedNetwork: Network {
    /// Each task's rows by its own weights: `[tasks · samples, inputs]` to `[tasks · samples,
    /// outputs]`, task after task.
    ///
    /// In `weights` the tasks are behind each other along the first axis of every parameter
    /// ([`repeated`](bilevel_core::parameters::repeated)). `context.support` counts rows of one
    /// task.
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &Self::Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2>;
}

/// So many tasks at once: a network whose episodes are those of several tasks,
/// [joined](super::Episode::joined).
///
/// ```text
/// y = (y₁, …, y_T)        g(y) = Σ_t loss(y_t; support_t)        F(x) = mean_t f(y_t)
/// ```
///
/// For [`Maml`](super::Maml), which then takes T tasks for the calls to the backend of one: two to
/// three times as fast for perceptrons of 40 units on two cores, slower for Conv4 there, whose
/// tasks [`meta_step`](super::meta_step) has on all cores without it; on a graphics adapter in
/// software up to ten times as fast (`cargo bench --bench tasks`). Memory is that of T tasks.
///
/// What is learned has the shapes of one task's weights: models can be exchanged with learners that
/// do not stack.
///
/// ```
/// use bilevel_core::{Checkpointing, Tape};
/// use bilevel_models::meta::{
///     Episode, Filter, Learner, Loss, Maml, Normalization, Perceptron, StepSizes, Sinusoids, StepLosses,
/// };
///
/// type B = bilevel_backend::Cpu;
/// let network = Perceptron { widths: vec![1, 8, 1] };
/// let maml = Maml {
///     network: network.clone(),
///     loss: Loss::MeanSquare,
///     normalization: Normalization::default(),
///     steps: 2,
///     step_sizes: StepSizes::Fixed(0.1),
///     checkpointing: Checkpointing::All,
///     adapted: Filter::all(),
///     step_losses: StepLosses::Last,
/// }
/// .stacked(3);
/// let device = Default::default();
/// let x = Learner::<B>::begin(&maml, network.init::<Tape<B>>(0, &device));
/// let waves = Sinusoids { shots: 5, queries: 4 };
/// let three = Episode::joined((0..3).map(|i| waves.episode(0, i, &device)).collect()).unwrap();
/// let found = maml.gradient(&x, &three);
/// assert_eq!(found.outputs.dims(), [3 * 4, 1]);
/// assert_eq!(found.gradient.dims(), [1, 8 + 8 + 8 + 1]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack<N> {
    /// The network.
    pub network: N,
    /// T, at least 1.
    pub tasks: usize,
}

impl<N: StackedNetwork> Network for Stack<N> {
    type Weights<B: Backend> = N::Weights<B>;

    fn forward<B: Backend>(&self, weights: &N::Weights<B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_in(weights, inputs, ForwardContext::default())
    }

    /// Rows are task after task; where the support comes first, those of all supports before those
    /// of all queries.
    ///
    /// # Panics
    /// If the rows cannot be divided among the tasks.
    fn forward_in<B: Backend>(
        &self,
        weights: &N::Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        let (tasks, rows) = (self.tasks, inputs.dims()[0]);
        assert!(tasks > 0, "a stack needs a task");
        let support = context.support / tasks;
        assert!(
            rows.is_multiple_of(tasks) && support * tasks == context.support,
            "{rows} rows, {} of them support, cannot be divided among {tasks} tasks",
            context.support
        );
        let context = ForwardContext { support, ..context };
        let run = |inputs| {
            self.network
                .forward_stacked(tasks, weights, inputs, context)
        };
        if support == 0 || tasks == 1 {
            return run(inputs);
        }
        // From supports, then queries, to what is of one task together, and back.
        let queries = rows / tasks - support;
        let together = parts(inputs, 0, [tasks * support, tasks * queries]);
        let together = Tensor::cat(together.map(|part| of_tasks(tasks, part)).into(), 1);
        let outputs = of_tasks(tasks, run(together.flatten(0, 1)));
        let apart = parts(outputs, 1, [support, queries]);
        Tensor::cat(apart.map(|part| part.flatten(0, 1)).into(), 0)
    }

    fn tasks(&self) -> usize {
        self.tasks
    }
}

/// `[tasks · samples, width]` as `[tasks, samples, width]`.
fn of_tasks<B: Backend>(tasks: usize, rows: Tensor<B, 2>) -> Tensor<B, 3> {
    let [count, width] = rows.dims();
    rows.reshape([tasks, count / tasks, width])
}

/// The two parts of an axis.
fn parts<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    axis: usize,
    [first, second]: [usize; 2],
) -> [Tensor<B, D>; 2] {
    let after = tensor.clone().narrow(axis, first, second);
    [tensor.narrow(axis, 0, first), after]
}
