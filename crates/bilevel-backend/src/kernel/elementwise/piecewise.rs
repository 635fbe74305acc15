//! Piecewise linear functions, one a channel, by table.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::kernel::element::Element;
use crate::kernel::memory::written;

/// `a[c, j] + s[c, j] t` with `j = ⌊t⌋ + pieces/2`, the first or last piece beyond the ends, for every `t`
/// of `[n, channels, inner]`.
///
/// `tables` holds the pairs `(a, s)`: `[channels, pieces]`.
///
/// # Panics
///
/// When `t` is not a whole number of images.
#[allow(unsafe_code)]
pub fn piecewise_linear<E: Element>(
    t: &[E],
    tables: &[(E, E)],
    channels: usize,
    inner: usize,
) -> Vec<E> {
    assert_eq!(t.len() % (channels * inner), 0, "a whole number of images");
    let pieces = tables.len() / channels;
    let middle = pieces as f64 / 2.0;
    let write = |out: &mut [MaybeUninit<E>]| {
        let planes = out
            .par_chunks_mut(inner)
            .zip(t.par_chunks(inner))
            .enumerate();
        planes.for_each(|(plane, (out, t))| {
            let channel = plane % channels;
            let table = &tables[channel * pieces..][..pieces];
            for (out, &t) in out.iter_mut().zip(t) {
                // A cast from a float saturates, and is 0 for NaN.
                let j = (t.to_f64() + middle) as usize;
                let (a, s) = table[j.min(pieces - 1)];
                out.write(a + s * t);
            }
        });
    };
    // SAFETY: the chunks are all of `out`, and each is zipped with as many elements of `t`.
    unsafe { written(t.len(), write) }
}
