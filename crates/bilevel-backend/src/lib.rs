//! The backends a bilevel problem runs on.
//!
//! Everything above this crate is generic over a Burn backend `B` and chooses by type:
//!
//! | type | what it is | use it for |
//! |---|---|---|
//! | [`Cpu`] | `f32` on all cores | training |
//! | [`Cpu`] after [`Cpu::use_f64`] | `f64` on all cores | checking derivatives |
//! | `Wgpu` (feature `wgpu`) | `f32` on a graphics processor, by Vulkan, Metal or WebGPU | large models and images |
//! | `NdArray<f64>` of `burn-ndarray` | `f64`, Burn's own, slower | comparison |
//! | [`Tape<B>`] | records `B` for one backward pass | gradients (lower solves) |
//! | `Tape<Tape<B>>` | records the backward pass too | Hessian-vector products |
//!
//! Burn 0.21 fixes the default float type of a device type once per process: a process computes on
//! [`Cpu`] in `f32` or in `f64`. `NdArray<f64>` beside [`Cpu`] in `f32` is fine.
//!
//! Modules move up one tape with `AutodiffModule::from_inner` and down with `valid`. Any layer of
//! `burn::nn` can be differentiated twice; [`second_order_coverage`] has the measured table.

#[macro_use]
mod delegate;
#[cfg(feature = "wgpu")]
mod adapter;
mod channels;
mod cpu;
mod kernel;
mod piecewise;
mod sparse_rows;
mod tape;
mod threads;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use channels::{channel_affine, channel_moments};
pub use cpu::Cpu;
pub use piecewise::piecewise_linear;
pub use sparse_rows::SparseRows;
pub use tape::Tape;
pub use threads::computes_on_threads;
#[cfg(feature = "wgpu")]
pub use wgpu::Wgpu;

/// Which operation can be differentiated twice, on which backend, as measured by this crate's
/// tests.
#[doc = include_str!("../docs/second-order-coverage.md")]
pub mod second_order_coverage {}

#[cfg(feature = "wgpu")]
pub use adapter::{Adapter, AdapterError, adapter, adapters};
/// The names of graphics processors.
#[cfg(feature = "wgpu")]
pub use burn_wgpu::WgpuDevice;

/// Why a device cannot be used as asked.
pub use burn_backend::DeviceError;

/// The strategies of [`Tape`]'s second parameter.
pub use burn_autodiff::checkpoint::strategy::{BalancedCheckpointing, NoCheckpointing};

/// The example in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
