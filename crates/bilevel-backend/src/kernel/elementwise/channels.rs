//! Sums of channels, and an affine map of each.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use crate::kernel::element::Element;
use crate::kernel::memory::written;
use crate::kernel::parallel;

/// Elements that a thread takes at a time, about.
const PIECE: usize = 1 << 14;

/// Lanes that run beside each other in a sum.
const LANES: usize = 32;

/// `Σ over n, t of term(c, x[n, c, t], y[n, c, t])` for each channel `c`, `x` and `y` of shape `[n,
/// channels, area]`.
///
/// Memory is read in order. The order of the additions depends on the shape alone.
pub fn sums<E: Element>(
    x: &[E],
    y: &[E],
    [count, channels, area]: [usize; 3],
    term: impl Fn(usize, E, E) -> E + Copy + Sync,
) -> Vec<E> {
    assert_eq!(x.len(), count * channels * area, "a tensor of this shape");
    assert_eq!(y.len(), x.len(), "two tensors of one shape");
    let mut sums = vec![E::default(); channels];
    let some = (PIECE / (count * area).max(1)).clamp(1, channels.max(1));
    parallel::chunks(&mut sums, some, &|index, sums| {
        E::dispatch(Sums {
            x,
            y,
            shape: [count, channels, area],
            first: index * some,
            sums,
            term,
        });
    });
    sums
}

/// The sums of a few channels from `first` on.
struct Sums<'a, E, F> {
    x: &'a [E],
    y: &'a [E],
    shape: [usize; 3],
    first: usize,
    sums: &'a mut [E],
    term: F,
}

impl<E: Element, F: Fn(usize, E, E) -> E> WithSimd for Sums<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            x,
            y,
            shape: [count, channels, area],
            first,
            sums,
            term,
        } = self;
        for n in 0..count {
            for (c, sum) in (first..).zip(&mut *sums) {
                let at = (n * channels + c) * area;
                let (whole_x, rest_x) = x[at..at + area].as_chunks::<LANES>();
                let (whole_y, rest_y) = y[at..at + area].as_chunks::<LANES>();
                let mut lanes = [E::default(); LANES];
                for (x, y) in whole_x.iter().zip(whole_y) {
                    for j in 0..LANES {
                        lanes[j] += term(c, x[j], y[j]);
                    }
                }
                for (j, (x, y)) in rest_x.iter().zip(rest_y).enumerate() {
                    lanes[j] += term(c, *x, *y);
                }
                let mut width = LANES;
                while width > 1 {
                    width /= 2;
                    for j in 0..width {
                        lanes[j] += lanes[j + width];
                    }
                }
                *sum += lanes[0];
            }
        }
    }
}

/// `α[c] x[n, c, t] + γ[c]` in new memory, `x` with `area` entries a channel.
#[allow(unsafe_code)]
pub fn affine<E: Element>(x: &[E], alpha: &[E], gamma: &[E], area: usize) -> Vec<E> {
    let pieces = Pieces::new(x.len(), [alpha, gamma], area);
    let write = |out: &mut [MaybeUninit<E>]| {
        parallel::chunks(out, pieces.outer, &|index, out| {
            let x = parallel::chunk(x, pieces.outer, index);
            parallel::chunks(out, pieces.inner, &|index, out| {
                let x = parallel::chunk(x, pieces.inner, index);
                E::dispatch(Affine(out, x, pieces.vectors(index), area));
            });
        });
    };
    // SAFETY: the pieces cover the memory, and `Affine` writes every slot of its piece, which is rows of `area` slots:
    // a picture is a whole number of them.
    unsafe { written(x.len(), write) }
}

/// `x[n, c, t] = α[c] x[n, c, t] + γ[c]`
pub fn affine_in_place<E: Element>(x: &mut [E], alpha: &[E], gamma: &[E], area: usize) {
    let pieces = Pieces::new(x.len(), [alpha, gamma], area);
    parallel::chunks(x, pieces.outer, &|_, x| {
        parallel::chunks(x, pieces.inner, &|index, x| {
            E::dispatch(AffineInPlace(x, pieces.vectors(index), area));
        });
    });
}

/// How a tensor is shared out: outer pieces of whole pictures, cut into inner ones of whole
/// pictures or of channels of one.
struct Pieces<'a, E> {
    outer: usize,
    inner: usize,
    area: usize,
    vectors: [&'a [E]; 2],
}

impl<'a, E> Pieces<'a, E> {
    fn new(len: usize, vectors: [&'a [E]; 2], area: usize) -> Self {
        let [alpha, gamma] = vectors;
        assert_eq!(
            alpha.len(),
            gamma.len(),
            "two vectors with an entry a channel"
        );
        let picture = (alpha.len() * area).max(1);
        assert_eq!(len % picture, 0, "whole pictures");
        let inner = if picture <= PIECE {
            PIECE / picture * picture
        } else {
            (PIECE / area).max(1) * area
        };
        Self {
            outer: picture.max(inner),
            inner,
            area,
            vectors,
        }
    }

    /// The vectors from the first channel of an inner piece on.
    fn vectors(&self, index: usize) -> [&'a [E]; 2] {
        self.vectors
            .map(|vector| &vector[index * self.inner / self.area..])
    }
}

/// Results, arguments, the vectors from the first row's channel on, and the length of a row.
struct Affine<'a, E>(&'a mut [MaybeUninit<E>], &'a [E], [&'a [E]; 2], usize);

impl<E: Element> WithSimd for Affine<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(out, x, [alpha, gamma], area) = self;
        let vectors = alpha.iter().zip(gamma).cycle();
        let rows = out.chunks_exact_mut(area).zip(x.chunks_exact(area));
        for ((out, x), (alpha, gamma)) in rows.zip(vectors) {
            for (out, x) in out.iter_mut().zip(x) {
                out.write(*alpha * *x + *gamma);
            }
        }
    }
}

/// Arguments to be replaced by results, and the same.
struct AffineInPlace<'a, E>(&'a mut [E], [&'a [E]; 2], usize);

impl<E: Element> WithSimd for AffineInPlace<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(x, [alpha, gamma], area) = self;
        let vectors = alpha.iter().zip(gamma).cycle();
        for (x, (alpha, gamma)) in x.chunks_exact_mut(area).zip(vectors) {
            for x in x {
                *x = *alpha * *x + *gamma;
            }
        }
    }
}
