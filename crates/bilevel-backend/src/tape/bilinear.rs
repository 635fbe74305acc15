//! Recording a bilinear map.

use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, binary};
use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use core::fmt;
use core::marker::PhantomData;

use super::Tape;
use super::linear::Rule;

/// `y = M(a, b)`, linear in `a` and in `b`, with the two maps that are its derivatives.
///
/// ```text
/// ā = A(ȳ, b)        b̄ = B(ȳ, a)        where ⟨ȳ, M(a, b)⟩ = ⟨A(ȳ, b), a⟩ = ⟨B(ȳ, a), b⟩
/// ```
pub(super) fn bilinear<B, C, FA, FB>(
    a: FloatTensor<Tape<B, C>>,
    b: FloatTensor<Tape<B, C>>,
    map: impl FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
    gradient_a: FA,
    gradient_b: FB,
) -> FloatTensor<Tape<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    FA: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
    FB: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    match Bilinear(PhantomData)
        .prepare::<C>([a.node.clone(), b.node.clone()])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            // Each factor is kept only if the other one needs it for its gradient.
            let kept_a = b.is_tracked().then(|| prep.checkpoint(&a));
            let kept_b = a.is_tracked().then(|| prep.checkpoint(&b));
            let state = (kept_a, kept_b, Rule((gradient_a, gradient_b)));
            prep.finish(state, map(a.primitive, b.primitive))
        }
        OpsKind::UnTracked(prep) => prep.finish(map(a.primitive, b.primitive)),
    }
}

/// The recorded step of [`bilinear`].
struct Bilinear<FA, FB>(PhantomData<fn() -> (FA, FB)>);

impl<FA, FB> fmt::Debug for Bilinear<FA, FB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bilinear")
    }
}

impl<B, FA, FB> Backward<B, 2> for Bilinear<FA, FB>
where
    B: Backend,
    FA: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
    FB: FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B> + Clone + Send + 'static,
{
    type State = (Option<NodeId>, Option<NodeId>, Rule<(FA, FB)>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (a, b, Rule((gradient_a, gradient_b))) = ops.state;
        let a = a.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let b = b.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        binary::<B, _, _>(
            ops.parents,
            ops.node,
            gradients,
            |u| gradient_a(u, b.expect("kept, since a is recorded")),
            |u| gradient_b(u, a.expect("kept, since b is recorded")),
        );
    }
}
