//! The tape: a backend that records another one, and whose backward pass can be recorded again.

mod activation;
mod bilinear;
mod channels;
mod convolution;
mod deformable;
mod float;
mod fourier;
mod from_output;
mod linear;
mod module;
mod pooling;
mod separable;

use core::marker::PhantomData;

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::{CheckpointStrategy, NoCheckpointing};
use burn_autodiff::grads::Gradients;
use burn_backend::AutodiffBackend;

use crate::delegate::prelude::*;

/// One recording of `B`: its gradients are tensors on `B`.
///
/// ```text
/// Tape<B>          f ↦ ∇f               lower solves, gradients
/// Tape<Tape<B>>    f ↦ ∇f ↦ ∇²f · v     Hessian-vector products
/// ```
///
/// It is Burn's [`Autodiff`] with the same tensors, and with the operations replaced whose backward
/// pass `Autodiff` cannot record (`nn::Linear`, embedding, pooling, interpolation, deformable
/// convolution) or gets wrong: every layer of `burn::nn` can be differentiated twice. Which
/// operation was measured to which accuracy is in the table of
/// [`second_order_coverage`](crate::second_order_coverage).
///
/// As in Burn, a detached tensor is a constant of this tape only: on `Tape<Tape<B>>` the outer
/// tape's gradient does not see it, a second derivative does. So `∇²f · v` is always the derivative
/// of the gradient that was computed, and agrees with its differences.
///
/// Give each recording leaves of its own and hold them until their gradients are read: on leaves
/// that were differentiated before, a backward pass on another thread can take steps out of the
/// graph that is being built, with no error (Burn 0.21, issue 5573;
/// `bilevel_core::parameters::fresh_leaves` makes them).
///
/// `Tape<B, BalancedCheckpointing>` recomputes cheap operations in the backward pass instead of
/// keeping their results.
///
/// ```
/// use bilevel_backend::{Cpu, Tape};
/// use burn::tensor::Tensor;
///
/// type B = Cpu;
/// let device = Default::default();
/// let x = Tensor::<Tape<B>, 1>::from_floats([2.0], &device).require_grad();
/// let on_outer = Tensor::<Tape<Tape<B>>, 1>::from_inner(x.clone()).require_grad();
///
/// let cube = on_outer.clone().powi_scalar(3);
/// let gradient = on_outer.grad(&cube.backward()).unwrap();
/// assert_eq!(gradient.clone().into_scalar(), 12.0);
/// let second = x.grad(&gradient.backward()).unwrap();
/// assert_eq!(second.into_scalar(), 12.0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tape<B, C = NoCheckpointing> {
    backend: PhantomData<B>,
    strategy: PhantomData<C>,
}

impl<B: Backend, C: CheckpointStrategy> BackendTypes for Tape<B, C> {
    type Device = B::Device;

    type FloatTensorPrimitive = FloatTensor<Autodiff<B, C>>;
    type FloatElem = B::FloatElem;

    type IntTensorPrimitive = B::IntTensorPrimitive;
    type IntElem = B::IntElem;

    type BoolTensorPrimitive = B::BoolTensorPrimitive;
    type BoolElem = B::BoolElem;

    type QuantizedTensorPrimitive = B::QuantizedTensorPrimitive;
}

impl<B: Backend, C: CheckpointStrategy> Backend for Tape<B, C> {
    backend_ops!(Autodiff<B, C>);

    fn ad_enabled(_device: &Self::Device) -> bool {
        true
    }

    fn name(device: &Self::Device) -> String {
        format!("tape<{}>", B::name(device))
    }
}

impl<B: Backend, C: CheckpointStrategy> AutodiffBackend for Tape<B, C> {
    type InnerBackend = B;
    type Gradients = Gradients;

    fn backward(tensor: FloatTensor<Self>) -> Gradients {
        Autodiff::<B, C>::backward(tensor)
    }

    fn grad(tensor: &FloatTensor<Self>, grads: &Gradients) -> Option<FloatTensor<B>> {
        Autodiff::<B, C>::grad(tensor, grads)
    }

    fn grad_remove(tensor: &FloatTensor<Self>, grads: &mut Gradients) -> Option<FloatTensor<B>> {
        Autodiff::<B, C>::grad_remove(tensor, grads)
    }

    fn grad_replace(tensor: &FloatTensor<Self>, grads: &mut Gradients, grad: FloatTensor<B>) {
        Autodiff::<B, C>::grad_replace(tensor, grads, grad)
    }

    fn inner(tensor: FloatTensor<Self>) -> FloatTensor<B> {
        Autodiff::<B, C>::inner(tensor)
    }

    fn int_inner(tensor: IntTensor<Self>) -> IntTensor<B> {
        tensor
    }

    fn bool_inner(tensor: BoolTensor<Self>) -> BoolTensor<B> {
        tensor
    }

    fn q_inner(tensor: QuantizedTensor<Self>) -> QuantizedTensor<B> {
        tensor
    }

    fn from_inner(tensor: FloatTensor<B>) -> FloatTensor<Self> {
        Autodiff::<B, C>::from_inner(tensor)
    }

    fn int_from_inner(tensor: IntTensor<B>) -> IntTensor<Self> {
        tensor
    }

    fn bool_from_inner(tensor: BoolTensor<B>) -> BoolTensor<Self> {
        tensor
    }

    fn q_from_inner(tensor: QuantizedTensor<B>) -> QuantizedTensor<Self> {
        tensor
    }
}

impl<B: Backend, C: CheckpointStrategy> IntTensorOps<Self> for Tape<B, C> {
    int_ops!(Autodiff<B, C>);
    int_reduction_ops!(Autodiff<B, C>);
}

impl<B: Backend, C: CheckpointStrategy> BoolTensorOps<Self> for Tape<B, C> {
    bool_ops!(Autodiff<B, C>);
}

impl<B: Backend, C: CheckpointStrategy> QTensorOps<Self> for Tape<B, C> {
    quantised_ops!(Autodiff<B, C>);
}

impl<B: Backend, C: CheckpointStrategy> TransactionOps<Self> for Tape<B, C> {}
