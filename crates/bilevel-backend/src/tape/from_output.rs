//! Recording a function whose derivative is a function of its value.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use core::fmt;
use core::marker::PhantomData;

use super::Tape;
use super::linear::Rule;

/// `y = f(x)` with `x̄ = gradient(ȳ, y)`: the value is kept, and the function not evaluated again.
pub(super) fn from_output<B, C, F>(
    x: FloatTensor<Tape<B, C>>,
    function: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>,
    gradient: F,
) -> FloatTensor<Tape<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    F: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    let y = function(x.primitive);
    match ByValue(PhantomData)
        .prepare::<C>([x.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((y.clone(), Rule(gradient)), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

/// The recorded step of [`from_output`].
struct ByValue<F>(PhantomData<fn() -> F>);

impl<F> fmt::Debug for ByValue<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByValue")
    }
}

impl<B, F> Backward<B, 1> for ByValue<F>
where
    B: Backend,
    F: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    type State = (FloatTensor<B>, Rule<F>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (y, Rule(gradient)) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| gradient(g, y));
    }
}
