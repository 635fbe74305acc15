//! The memory that kernels write into.

use std::mem::MaybeUninit;

use aligned_vec::{AVec, ConstAlign};

use super::element::Element;

/// Scratch memory that begins on a cache line, so that no register of it straddles two.
pub type Scratch<E> = AVec<E, ConstAlign<64>>;

/// `len` zeros.
pub fn zeros<E: Element>(len: usize) -> Scratch<E> {
    let mut scratch = Scratch::with_capacity(0, len);
    scratch.resize(len, E::default());
    scratch
}

/// A vector of `len` elements that `write` writes, without a pass of zeros before.
///
/// In a debug build the memory holds NaN first, so that a test sees an element that was left out.
///
/// # Safety
///
/// `write` must write every element.
#[allow(unsafe_code)]
pub unsafe fn written<E: Element>(len: usize, write: impl FnOnce(&mut [MaybeUninit<E>])) -> Vec<E> {
    let mut vector = Vec::with_capacity(len);
    let memory = &mut vector.spare_capacity_mut()[..len];
    if cfg!(debug_assertions) {
        memory.fill(MaybeUninit::new(E::from_elem(f32::NAN)));
    }
    write(memory);
    // SAFETY: the capacity is at least `len`, and the caller promises that `write` wrote the first
    // `len` elements.
    unsafe { vector.set_len(len) };
    vector
}
