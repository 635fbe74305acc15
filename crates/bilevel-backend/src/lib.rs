//! The backends a bilevel problem runs on.
//!
//! Everything above this crate is generic over a Burn backend `B` and chooses by type:
//!
//! | type | what it is | use it for |
//! |---|---|---|
//! | [`Cpu`] | `f32` on all cores | training |
//! | [`NdArray<f64>`](NdArray) | `f64`, slower convolutions | checking derivatives |
//! | [`Tape<B>`] | records `B` for one backward pass | gradients (lower solves) |
//! | `Tape<Tape<B>>` | records the backward pass too | Hessian-vector products |
//!
//! Burn 0.21 fixes the default float type of a device type once per process: use `NdArray<f32>` or
//! `NdArray<f64>` in one process, not both. [`Cpu`] beside `NdArray<f64>` is fine.
//!
//! Modules move up one tape with `AutodiffModule::from_inner` and down with `valid`.

/// The default backend: `f32` on all cores of the processor.
pub type Cpu = burn_flex::Flex;

/// Burn's `ndarray` backend. With `NdArray<f64>` it is the one that derivatives are checked on.
pub use burn_ndarray::NdArray;

/// One recording of `B`: its gradients are tensors on `B`.
///
/// `Tape<Tape<B>>` differentiates twice. Operations whose backward pass Burn 0.21 cannot
/// differentiate (`nn::Linear`, embedding, pooling, interpolation) panic there; write a linear layer
/// with `matmul` and a broadcast addition instead.
pub type Tape<B> = burn::backend::Autodiff<B>;
