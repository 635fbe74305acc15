//! Recording sums and affine maps of channels.
//!
//! ```text
//! y = α a + γ      ā = α ȳ                       ᾱ = dot(ȳ, a)      γ̄ = sum(ȳ)
//! s = sum(a)       ā = s̄, repeated
//! d = dot(a, b)    ā = d̄ b                       b̄ = d̄ a
//! m, v = moments(a) ā = 2 v̄ (a − m) / N + m̄ / N
//! ```

use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::tensor::FloatTensor;
use burn_backend::{Shape, TensorMetadata};

use super::Tape;
use super::bilinear::bilinear;
use super::linear::linear;
use crate::channels::{ChannelOps, composed};

impl<B: ChannelOps, C: CheckpointStrategy> ChannelOps for Tape<B, C> {
    fn scale(a: FloatTensor<Self>, alpha: FloatTensor<Self>) -> FloatTensor<Self> {
        bilinear::<B, C, _, _>(a, alpha, B::scale, B::scale, B::dot)
    }

    fn affine(
        a: FloatTensor<Self>,
        alpha: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parents = [a.node.clone(), alpha.node.clone(), gamma.node.clone()];
        match Affine.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                // Each factor is kept only if the other one needs it for its gradient.
                let kept_a = alpha.is_tracked().then(|| prep.checkpoint(&a));
                let kept_alpha = a.is_tracked().then(|| prep.checkpoint(&alpha));
                let value = B::affine(a.primitive, alpha.primitive, gamma.primitive);
                prep.finish((kept_a, kept_alpha), value)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::affine(a.primitive, alpha.primitive, gamma.primitive))
            }
        }
    }

    fn sum(a: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = a.shape();
        linear::<B, C, _>(a, B::sum, move |u| {
            let [_, channels, _] = shape.dims();
            B::float_expand(B::float_reshape(u, Shape::new([1, channels, 1])), shape)
        })
    }

    fn dot(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        bilinear::<B, C, _, _>(a, b, B::dot, |u, b| B::scale(b, u), |u, a| B::scale(a, u))
    }

    fn moments(a: FloatTensor<Self>) -> FloatTensor<Self> {
        match Moments
            .prepare::<C>([a.node.clone()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let kept = prep.checkpoint(&a);
                let moments = B::moments(a.primitive);
                prep.finish((kept, moments.clone()), moments)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::moments(a.primitive)),
        }
    }
}

/// The recorded step of [`ChannelOps::affine`].
#[derive(Debug)]
struct Affine;

impl<B: ChannelOps> Backward<B, 3> for Affine {
    /// `a` and `α`.
    type State = (Option<NodeId>, Option<NodeId>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (a, alpha) = ops.state;
        let [a, alpha] = [a, alpha]
            .map(|id| id.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id)));
        let u = gradients.consume::<B>(&ops.node);
        let [of_a, of_alpha, of_gamma] = ops.parents;
        if let Some(node) = of_gamma {
            gradients.register::<B>(node.id, B::sum(u.clone()));
        }
        if let Some(node) = of_alpha {
            let a = a.expect("kept, since α is recorded");
            gradients.register::<B>(node.id, B::dot(u.clone(), a));
        }
        if let Some(node) = of_a {
            let alpha = alpha.expect("kept, since a is recorded");
            gradients.register::<B>(node.id, B::scale(u, alpha));
        }
    }
}

/// The recorded step of [`ChannelOps::moments`].
#[derive(Debug)]
struct Moments;

impl<B: ChannelOps> Backward<B, 1> for Moments {
    /// `a` and its moments.
    type State = (NodeId, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (a, moments) = ops.state;
        let a = checkpointer.retrieve_node_output::<FloatTensor<B>>(a);
        unary::<B, _>(ops.parents, ops.node, gradients, |u| {
            let count = composed::entries(&a.shape());
            let mean = composed::row::<B>(moments, 0);
            let u = B::float_div_scalar(u, count.into());
            let slope = B::float_mul_scalar(composed::row::<B>(u.clone(), 1), 2.0.into());
            let start = B::float_sub(composed::row::<B>(u, 0), B::float_mul(slope.clone(), mean));
            B::affine(a, slope, start)
        });
    }
}
