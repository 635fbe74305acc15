//! Piecewise linear functions, one a channel, by table.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::function::Function;
use crate::kernel::element::Element;
use crate::kernel::memory::written;
use crate::kernel::parallel;

/// Pieces of a table at most: a power of two.
pub const PIECES: usize = 256;

/// `a[j] + s[j] t` by pieces; those beyond the last repeat it.
pub struct Table<E> {
    a: [E; PIECES],
    s: [E; PIECES],
    find: Find,
}

impl<E: Element> Table<E> {
    /// From intercepts and slopes, equally many and at most [`PIECES`].
    pub fn new(a: &[E], s: &[E]) -> Self {
        let pad = |values: &[E]| std::array::from_fn(|j| values[j.min(values.len() - 1)]);
        Self {
            a: pad(a),
            s: pad(s),
            find: Find {
                middle: a.len() as f64 / 2.0,
                last: a.len() as f64 - 1.0,
            },
        }
    }
}

/// `t + middle`, at least 0 and at most `last`: the number of a piece and what is passed of it.
#[derive(Clone, Copy)]
struct Find {
    middle: f64,
    last: f64,
}

impl Function for Find {
    // `max` before `min`: NaN becomes 0.
    #[inline(always)]
    fn single(self, t: f32) -> f32 {
        (t + self.middle as f32).max(0.0).min(self.last as f32)
    }
    #[inline(always)]
    fn double(self, t: f64) -> f64 {
        (t + self.middle).max(0.0).min(self.last)
    }
}

/// `a[c, j] + s[c, j] t` with `j = ⌊t⌋ + pieces/2`, the first or last piece beyond the ends, for
/// every `t` of `[n, channels, inner]`; one table a channel.
///
/// # Panics
///
/// When `t` is not a whole number of images.
#[allow(unsafe_code)]
pub fn piecewise_linear<E: Element>(t: &[E], tables: &[Table<E>], inner: usize) -> Vec<E> {
    let channels = tables.len();
    assert_eq!(t.len() % (channels * inner), 0, "a whole number of images");
    let write = |out: &mut [MaybeUninit<E>]| {
        parallel::chunks(out, inner, &|plane, out| {
            let table = &tables[plane % channels];
            let t = parallel::chunk(t, inner, plane);
            E::dispatch(Pass { table, t, out });
        });
    };
    // SAFETY: the chunks are all of `out`, and `Pass` writes as many as there are in `t`, which is as long.
    unsafe { written(t.len(), write) }
}

struct Pass<'a, E> {
    table: &'a Table<E>,
    t: &'a [E],
    out: &'a mut [MaybeUninit<E>],
}

impl<E: Element> WithSimd for Pass<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Table { a, s, find } = self.table;
        for (out, &t) in self.out.iter_mut().zip(self.t) {
            // The mask changes nothing, and spares a comparison.
            let j = E::apply(*find, t).whole() & (PIECES - 1);
            out.write(a[j] + s[j] * t);
        }
    }
}
