//! One pass over memory: every element through a function, on all cores.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::function::{Function, Function2};
use crate::kernel::element::Element;
use crate::kernel::memory::written;
use crate::kernel::parallel;

/// Elements that a thread takes at a time. Fewer than this are not shared out.
const CHUNK: usize = 1 << 14;

/// `x[i] = function(x[i])`
pub fn map_in_place<E: Element>(function: impl Function, x: &mut [E]) {
    each(x, &|_, x| E::dispatch(MapInPlace(function, x)));
}

/// `function(x[i])`, in new memory.
#[allow(unsafe_code)]
pub fn map<E: Element>(function: impl Function, x: &[E]) -> Vec<E> {
    let write = |out: &mut [MaybeUninit<E>]| {
        each(out, &|start, out| {
            let x = &x[start..start + out.len()];
            E::dispatch(Map(function, x, out));
        });
    };
    // SAFETY: `each` hands every slot to one call, and `Map` writes every slot that it is handed: its
    // two slices have the same length.
    unsafe { written(x.len(), write) }
}

/// `x[i] = function(x[i], y[i])`
///
/// # Panics
///
/// When the lengths differ.
pub fn zip_in_place<E: Element>(function: impl Function2, x: &mut [E], y: &[E]) {
    assert_eq!(x.len(), y.len(), "two operands of one length");
    each(x, &|start, x| {
        let y = &y[start..start + x.len()];
        E::dispatch(ZipInPlace(function, x, y));
    });
}

/// `function(x[i], y[i])`, in new memory.
///
/// # Panics
///
/// When the lengths differ.
#[allow(unsafe_code)]
pub fn zip<E: Element>(function: impl Function2, x: &[E], y: &[E]) -> Vec<E> {
    assert_eq!(x.len(), y.len(), "two operands of one length");
    let write = |out: &mut [MaybeUninit<E>]| {
        each(out, &|start, out| {
            let (x, y) = (&x[start..start + out.len()], &y[start..start + out.len()]);
            E::dispatch(Zip(function, x, y, out));
        });
    };
    // SAFETY: as in `map`.
    unsafe { written(x.len(), write) }
}

/// `x[i] = value` where `mask[i]` is not 0
///
/// # Panics
///
/// When the lengths differ.
pub fn fill_in_place<E: Element>(x: &mut [E], mask: &[u8], value: E) {
    assert_eq!(
        x.len(),
        mask.len(),
        "a mask of one length with what it masks"
    );
    each(x, &|start, x| {
        let mask = &mask[start..start + x.len()];
        E::dispatch(FillInPlace(x, mask, value));
    });
}

/// `value` where `mask[i]` is not 0 and `x[i]` elsewhere, in new memory.
///
/// # Panics
///
/// When the lengths differ.
#[allow(unsafe_code)]
pub fn fill<E: Element>(x: &[E], mask: &[u8], value: E) -> Vec<E> {
    assert_eq!(
        x.len(),
        mask.len(),
        "a mask of one length with what it masks"
    );
    let write = |out: &mut [MaybeUninit<E>]| {
        each(out, &|start, out| {
            let (x, mask) = (
                &x[start..start + out.len()],
                &mask[start..start + out.len()],
            );
            E::dispatch(Fill(x, mask, value, out));
        });
    };
    // SAFETY: as in `map`.
    unsafe { written(x.len(), write) }
}

/// Hands `x` out in chunks, each with the index of its first element.
fn each<T: Send>(x: &mut [T], pass: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if x.len() <= CHUNK {
        pass(0, x);
    } else {
        parallel::chunks(x, CHUNK, &|index, chunk| pass(index * CHUNK, chunk));
    }
}

struct MapInPlace<'a, F, E>(F, &'a mut [E]);

impl<F: Function, E: Element> WithSimd for MapInPlace<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.1 {
            *x = E::apply(self.0, *x);
        }
    }
}

struct Map<'a, F, E>(F, &'a [E], &'a mut [MaybeUninit<E>]);

impl<F: Function, E: Element> WithSimd for Map<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, x) in self.2.iter_mut().zip(self.1) {
            out.write(E::apply(self.0, *x));
        }
    }
}

struct ZipInPlace<'a, F, E>(F, &'a mut [E], &'a [E]);

impl<F: Function2, E: Element> WithSimd for ZipInPlace<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, y) in self.1.iter_mut().zip(self.2) {
            *x = E::apply2(self.0, *x, *y);
        }
    }
}

struct Zip<'a, F, E>(F, &'a [E], &'a [E], &'a mut [MaybeUninit<E>]);

impl<F: Function2, E: Element> WithSimd for Zip<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, (x, y)) in self.3.iter_mut().zip(self.1.iter().zip(self.2)) {
            out.write(E::apply2(self.0, *x, *y));
        }
    }
}

struct FillInPlace<'a, E>(&'a mut [E], &'a [u8], E);

impl<E: Element> WithSimd for FillInPlace<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, mask) in self.0.iter_mut().zip(self.1) {
            *x = if *mask != 0 { self.2 } else { *x };
        }
    }
}

struct Fill<'a, E>(&'a [E], &'a [u8], E, &'a mut [MaybeUninit<E>]);

impl<E: Element> WithSimd for Fill<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, (x, mask)) in self.3.iter_mut().zip(self.0.iter().zip(self.1)) {
            out.write(if *mask != 0 { self.2 } else { *x });
        }
    }
}
