//! The memory that kernels write into.

use std::mem::MaybeUninit;

use aligned_vec::{AVec, ConstAlign};
use pulp::bytemuck::Pod;

use super::element::Element;
use super::parallel;

/// Scratch memory that begins on a cache line, so that no register of it straddles two.
pub type Scratch<E> = AVec<E, ConstAlign<64>>;

/// `len` zeros.
pub fn zeros<E: Element>(len: usize) -> Scratch<E> {
    let mut scratch = Scratch::with_capacity(0, len);
    scratch.resize(len, E::default());
    scratch
}

/// Scratch memory in `count` chunks of `chunk` elements, each zero before `write(index, chunk)` is
/// called for it, and `slack` more zeros behind them. The threads share all of it, touching new
/// memory for the first time included.
#[allow(unsafe_code)]
pub fn zeroed_chunks<E: Element>(
    count: usize,
    chunk: usize,
    slack: usize,
    write: &(dyn Fn(usize, &mut [E]) + Sync),
) -> Scratch<E> {
    let len = count * chunk;
    let mut scratch = Scratch::<E>::with_capacity(0, len + slack);
    // SAFETY: the memory is the vector's own, as long as its capacity, and borrowed until its length is set.
    let memory = unsafe {
        let start: *mut MaybeUninit<E> = scratch.as_mut_ptr().cast();
        std::slice::from_raw_parts_mut(start, len + slack)
    };
    let zero = MaybeUninit::new(E::default());
    let (chunks, rest) = memory.split_at_mut(len);
    rest.fill(zero);
    if chunk > 0 {
        parallel::chunks(chunks, chunk, &|index, chunk| {
            chunk.fill(zero);
            // SAFETY: every element has just been written.
            let chunk = unsafe { &mut *(std::ptr::from_mut(chunk) as *mut [E]) };
            write(index, chunk);
        });
    }
    // SAFETY: the chunks and the rest cover the memory, and all of it has been written.
    unsafe { scratch.set_len(len + slack) };
    scratch
}

/// A vector of `len` elements that `write` writes, without a pass of zeros before.
///
/// In a debug build all bits of the memory are set first, NaN or −1, so that a test sees an element
/// that was left out.
///
/// # Safety
///
/// `write` must write every element.
#[allow(unsafe_code)]
pub unsafe fn written<T: Pod>(len: usize, write: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut vector = Vec::with_capacity(len);
    let memory = &mut vector.spare_capacity_mut()[..len];
    if cfg!(debug_assertions) {
        // SAFETY: the memory is borrowed, and any bits may stand where no value is.
        unsafe { memory.as_mut_ptr().write_bytes(0xff, len) };
    }
    write(memory);
    // SAFETY: the capacity is at least `len`, and the caller promises that `write` wrote the first
    // `len` elements.
    unsafe { vector.set_len(len) };
    vector
}
