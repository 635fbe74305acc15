//! The two element types that the kernels are written for, and their SIMD registers.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Add, AddAssign, Mul};

use pulp::bytemuck::Pod;
use pulp::{Simd, WithSimd};

use super::elementwise::function::{Function, Function2};

/// `f32` or `f64`, with the register operations that the kernels need.
///
/// The innermost part of a kernel is generic over the element and over the instruction set `S`,
/// which [`dispatch`](Self::dispatch) picks at run time: AVX-512 (`f32` only, for `f64` is what
/// derivatives are checked in), AVX2 with FMA, NEON, or scalar code. Everything around it asks for
/// the [`Machine`].
pub trait Element:
    Pod
    + Default
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Mul<Output = Self>
    + burn_backend::Element
{
    /// A register full of elements.
    type Lanes<S: Simd>: Pod + Send;

    /// The whole number below a number between 0 and 2³¹.
    fn whole(self) -> usize;

    /// `operation` with the best instruction set of this machine.
    fn dispatch<O: WithSimd>(operation: O) -> O::Output;

    /// What that instruction set has.
    fn machine() -> Machine {
        Self::dispatch(Ask::<Self>(PhantomData))
    }

    /// `function(x)`
    fn apply(function: impl Function, x: Self) -> Self;

    /// `function(x, y)`
    fn apply2(function: impl Function2, x: Self, y: Self) -> Self;

    /// A register whose lanes all hold `value`.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Lanes<S>;

    /// `a * b + c` in every lane: fused where the instruction set can, rounded twice elsewhere.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Lanes<S>,
        b: Self::Lanes<S>,
        c: Self::Lanes<S>,
    ) -> Self::Lanes<S>;

    /// `a + b` in every lane.
    fn add_lanes<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>) -> Self::Lanes<S>;

    /// The sum of the lanes.
    fn sum<S: Simd>(simd: S, a: Self::Lanes<S>) -> Self;

    /// The whole registers that `slice` begins with; what is left over is dropped.
    fn registers<S: Simd>(slice: &[Self]) -> &[Self::Lanes<S>];

    /// The whole registers that `slice` begins with, to be written.
    fn registers_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Lanes<S>];

    /// The whole registers that memory without values begins with, to be written.
    fn registers_unwritten<S: Simd>(
        slice: &mut [MaybeUninit<Self>],
    ) -> &mut [MaybeUninit<Self::Lanes<S>>];

    /// Number of elements in a register.
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Lanes<S>>() / size_of::<Self>()
    }
}

/// The registers of an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many there are.
    pub registers: usize,
    /// Elements in one.
    pub lanes: usize,
}

struct Ask<E>(PhantomData<E>);

impl<E: Element> WithSimd for Ask<E> {
    type Output = Machine;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Machine {
        Machine {
            registers: S::REGISTER_COUNT,
            lanes: E::lanes::<S>(),
        }
    }
}

/// With any instruction set.
fn dispatch_any<O: WithSimd>(operation: O) -> O::Output {
    pulp::Arch::new().dispatch(operation)
}

/// With AVX2 or scalar code: half of the code less to compile, for a type whose speed matters less.
#[cfg(target_arch = "x86_64")]
fn dispatch_few<O: WithSimd>(operation: O) -> O::Output {
    match pulp::x86::V3::try_new() {
        Some(simd) => Simd::vectorize(simd, operation),
        None => Simd::vectorize(pulp::Scalar::new(), operation),
    }
}

#[cfg(not(target_arch = "x86_64"))]
use dispatch_any as dispatch_few;

macro_rules! element {
    (
        $element:ty, $dispatch:ident, $lanes:ident, $function:ident: $splat:ident $mul_add:ident $add:ident
        $sum:ident $registers:ident $registers_mut:ident $registers_unwritten:ident
    ) => {
        impl Element for $element {
            type Lanes<S: Simd> = S::$lanes;

            #[inline(always)]
            fn dispatch<O: WithSimd>(operation: O) -> O::Output {
                $dispatch(operation)
            }

            #[inline(always)]
            fn whole(self) -> usize {
                self as i32 as usize
            }

            #[inline(always)]
            fn apply(function: impl Function, x: Self) -> Self {
                function.$function(x)
            }

            #[inline(always)]
            fn apply2(function: impl Function2, x: Self, y: Self) -> Self {
                function.$function(x, y)
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$lanes {
                simd.$splat(value)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes, c: S::$lanes) -> S::$lanes {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn add_lanes<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes) -> S::$lanes {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn sum<S: Simd>(simd: S, a: S::$lanes) -> Self {
                simd.$sum(a)
            }

            #[inline(always)]
            fn registers<S: Simd>(slice: &[Self]) -> &[S::$lanes] {
                S::$registers(slice).0
            }

            #[inline(always)]
            fn registers_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$lanes] {
                S::$registers_mut(slice).0
            }

            #[inline(always)]
            fn registers_unwritten<S: Simd>(
                slice: &mut [MaybeUninit<Self>],
            ) -> &mut [MaybeUninit<S::$lanes>] {
                S::$registers_unwritten(slice).0
            }
        }
    };
}

element!(
    f32, dispatch_any, f32s, single: splat_f32s mul_add_e_f32s add_f32s reduce_sum_f32s
    as_simd_f32s as_mut_simd_f32s as_uninit_mut_simd_f32s
);
element!(
    f64, dispatch_few, f64s, double: splat_f64s mul_add_e_f64s add_f64s reduce_sum_f64s
    as_simd_f64s as_mut_simd_f64s as_uninit_mut_simd_f64s
);
