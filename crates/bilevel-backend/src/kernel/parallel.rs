//! Work shared out to the threads of rayon's pool.
//!
//! Each function takes its work as a `dyn` closure. A call through it costs nothing beside a piece
//! of work, and the code that hands work to threads is compiled once for each type of element, not
//! once for each kernel and each instruction set. One piece of work is done where it is asked for.

use rayon::prelude::*;

/// `piece(0)`, `piece(1)`, ... `piece(count - 1)`, in this order in the result; `least` of them at
/// least on a thread.
pub fn map<R: Send>(count: usize, least: usize, piece: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    if count <= least {
        return (0..count).map(piece).collect();
    }
    let pieces = (0..count).into_par_iter().with_min_len(least);
    pieces.map(piece).collect()
}

/// `piece(job)` for each job.
pub fn each<T: Send>(jobs: Vec<T>, piece: &(dyn Fn(T) + Sync)) {
    jobs.into_par_iter().for_each(piece);
}

/// `piece(index, chunk)` for each chunk of `length` elements; the last may be shorter.
///
/// # Panics
///
/// When the length is zero.
pub fn chunks<T: Send>(x: &mut [T], length: usize, piece: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if x.len() <= length {
        if !x.is_empty() {
            piece(0, x);
        }
        return;
    }
    let chunks = x.par_chunks_mut(length).enumerate();
    chunks.for_each(|(index, chunk)| piece(index, chunk));
}

/// Chunk `index` of `length` elements, as [`chunks`] cuts them.
pub fn chunk<T>(x: &[T], length: usize, index: usize) -> &[T] {
    let start = index * length;
    &x[start..x.len().min(start + length)]
}
