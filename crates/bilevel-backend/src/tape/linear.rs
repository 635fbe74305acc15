//! Recording a linear map.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use core::fmt;
use core::marker::PhantomData;

use super::Tape;

/// `y = L x` for a linear map `L`, with its transpose as the derivative.
///
/// ```text
/// y = L x        x̄ = Lᵀ ȳ
/// ```
///
/// The derivative of `Lᵀ` is `L` again: one pair of kernels serves every order of differentiation.
pub(super) fn linear<B, C, F>(
    x: FloatTensor<Tape<B, C>>,
    map: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>,
    transposed: F,
) -> FloatTensor<Tape<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    F: FnOnce(FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    match Linear(PhantomData)
        .prepare::<C>([x.node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(Rule(transposed), map(x.primitive)),
        OpsKind::UnTracked(prep) => prep.finish(map(x.primitive)),
    }
}

/// The recorded step of [`linear`].
struct Linear<F>(PhantomData<fn() -> F>);

impl<F> fmt::Debug for Linear<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Linear")
    }
}

impl<B, F> Backward<B, 1> for Linear<F>
where
    B: Backend,
    F: FnOnce(FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    type State = Rule<F>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, gradients, ops.state.0);
    }
}

/// A closure as the state of a recorded step. (Burn wants to print it.)
#[derive(Clone)]
pub(super) struct Rule<F>(pub F);

impl<F> fmt::Debug for Rule<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}
