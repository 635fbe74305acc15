//! Sums and affine maps for each channel: what batch normalisation is made of.
//!
//! ```text
//! affine(a, α, γ)[n, c, t] = α[c] a[n, c, t] + γ[c]
//! moments(a)[·, c]         = m[c] = Σ over n, t of a[n, c, t] / N   and   Σ over n, t of (a[n, c, t] − m[c])² / N
//! ```
//!
//! Tensors are `[n, channels, t]` and `[channels]`. Each sum and each map is one pass over memory
//! on [`Cpu`], and the derivatives of each, of any order, are again such maps and sums: recorded on
//! a [`Tape`] each is one step, where arithmetic with repeated vectors would be many, each with a
//! tensor kept. Backends without kernels, and tapes of them, compute the same from Burn's own
//! operations.

pub(crate) mod composed;

use std::any::{Any, TypeId};

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;

use crate::{Cpu, Tape};

/// `α[c] a[n, c, t] + γ[c]`, shape of `a`.
///
/// # Panics
/// If `a` does not have three axes, or the vectors not an entry a channel.
pub fn channel_affine<B: Backend>(
    a: FloatTensor<B>,
    alpha: FloatTensor<B>,
    gamma: FloatTensor<B>,
) -> FloatTensor<B> {
    by_backend!(B, affine(a, alpha, gamma))
}

/// Mean and variance of each channel, `[2, channels]`: `m[c] = Σ a[n, c, t] / N` and `Σ (a[n, c, t]
/// − m[c])² / N`.
///
/// # Panics
/// If `a` does not have three axes.
pub fn channel_moments<B: Backend>(a: FloatTensor<B>) -> FloatTensor<B> {
    by_backend!(B, moments(a))
}

/// The operations on a backend that may have kernels for them.
pub(crate) trait ChannelOps: Backend {
    /// `α[c] a[n, c, t]`
    fn scale(a: FloatTensor<Self>, alpha: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::scale::<Self>(a, alpha)
    }

    /// `α[c] a[n, c, t] + γ[c]`
    fn affine(
        a: FloatTensor<Self>,
        alpha: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::affine::<Self>(a, alpha, gamma)
    }

    /// `Σ a[n, c, t]`
    fn sum(a: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::sum::<Self>(a)
    }

    /// `Σ a[n, c, t] b[n, c, t]`
    fn dot(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::dot::<Self>(a, b)
    }

    /// `[m, v]`, `m[c] = Σ a[n, c, t] / N` and `v[c] = Σ (a[n, c, t] − m[c])² / N`
    fn moments(a: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::moments::<Self>(a)
    }
}

/// The operation of the type of backend that `$B` is, or the composed one.
macro_rules! by_backend {
    ($B:ty, $op:ident $tensors:tt) => {{
        by_backend!(@ $B, $op $tensors; Cpu, Tape<Cpu>, Tape<Tape<Cpu>>);
        by_backend!(# $B, $op $tensors)
    }};
    (@ $B:ty, $op:ident $tensors:tt; $($T:ty),*) => {
        $(if TypeId::of::<$B>() == TypeId::of::<$T>() {
            return by_backend!(! $B, $T, $op $tensors);
        })*
    };
    (! $B:ty, $T:ty, $op:ident($($tensor:ident),*)) => {
        cast(<$T as ChannelOps>::$op($(cast::<FloatTensor<$B>, FloatTensor<$T>>($tensor)),*))
    };
    (# $B:ty, $op:ident($($tensor:ident),*)) => {
        composed::$op::<$B>($($tensor),*)
    };
}
use by_backend;

/// A value as one of the type that it has.
fn cast<From: 'static, To: 'static>(value: From) -> To {
    let mut value = Some(value);
    let value = (&mut value as &mut dyn Any).downcast_mut::<Option<To>>();
    value.and_then(Option::take).expect("one type by two names")
}
