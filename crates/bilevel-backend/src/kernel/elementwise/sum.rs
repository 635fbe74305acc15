//! The sum of many elements, in an order that does not depend on the number of threads.

use pulp::{Simd, WithSimd};

use crate::kernel::element::Element;
use crate::kernel::parallel;

/// Elements in a partial sum. The partial sums are added in order: the result has the same bits on
/// one thread and on many, and its rounding error grows with the length of a chunk, not of `x`.
const CHUNK: usize = 1 << 12;

/// Lanes that run beside each other in a partial sum.
const LANES: usize = 64;

/// `x[0] + x[1] + ...`
pub fn sum<E: Element>(x: &[E]) -> E {
    let partial = |chunk: &[E]| E::dispatch(Partial(chunk));
    let parts: Vec<E> = if x.len() <= 8 * CHUNK {
        x.chunks(CHUNK).map(partial).collect()
    } else {
        parallel::map(x.len().div_ceil(CHUNK), 4, &|index| {
            partial(parallel::chunk(x, CHUNK, index))
        })
    };
    match parts.len() {
        0 => E::default(),
        1 => parts[0],
        _ => sum(&parts),
    }
}

/// `s[o, i] = Σ over m of x[o, m, i]`, `x` of shape `[outer, middle, inner]`.
pub fn sums_along<E: Element>(x: &[E], [outer, middle, inner]: [usize; 3]) -> Vec<E> {
    assert_eq!(x.len(), outer * middle * inner, "a tensor of this shape");
    if inner == 1 && middle < LANES {
        let mut sums = vec![E::default(); outer];
        let some = 8 * CHUNK / middle.max(1);
        parallel::chunks(&mut sums, some, &|index, sums| {
            E::dispatch(ShortRows(parallel::chunk(x, some * middle, index), sums));
        });
        return sums;
    }
    if inner == 1 {
        let row = |o: usize| sum(&x[o * middle..][..middle]);
        return parallel::map(outer, (8 * CHUNK / middle).max(1), &row);
    }
    // Blocks of so many rows of so many entries, the same on any number of threads.
    let width = inner.clamp(1, CHUNK);
    let height = (CHUNK / width).max(LEAST_ROWS);
    let (across, down) = (inner.div_ceil(width), middle.div_ceil(height));
    let blocks = parallel::map(outer * down * across, 8, &|block| {
        let (o, top, left) = (
            block / across / down,
            block / across % down * height,
            block % across * width,
        );
        let mut sums = vec![E::default(); width.min(inner - left)];
        E::dispatch(Rows {
            x: &x[(o * middle + top) * inner + left..],
            rows: height.min(middle - top),
            pitch: inner,
            sums: &mut sums,
        });
        sums
    });
    let mut sums = vec![E::default(); outer * inner];
    for (block, part) in blocks.iter().enumerate() {
        let at = block / across / down * inner + block % across * width;
        for (sum, part) in sums[at..].iter_mut().zip(part) {
            *sum += *part;
        }
    }
    sums
}

/// Rows of a block, at least: fewer would leave more to add up in the end than in the blocks.
const LEAST_ROWS: usize = 16;

/// Rows that begin `pitch` apart, and the sums of their columns.
struct Rows<'a, E> {
    x: &'a [E],
    rows: usize,
    pitch: usize,
    sums: &'a mut [E],
}

impl<E: Element> WithSimd for Rows<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in 0..self.rows {
            let x = &self.x[row * self.pitch..][..self.sums.len()];
            for (sum, x) in self.sums.iter_mut().zip(x) {
                *sum += *x;
            }
        }
    }
}

/// Rows of a few entries each, and their sums.
struct ShortRows<'a, E>(&'a [E], &'a mut [E]);

impl<E: Element> WithSimd for ShortRows<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.0.chunks_exact((self.0.len() / self.1.len()).max(1));
        for (sum, row) in self.1.iter_mut().zip(rows) {
            *sum = row.iter().fold(E::default(), |sum, x| sum + *x);
        }
    }
}

struct Partial<'a, E>(&'a [E]);

impl<E: Element> WithSimd for Partial<'_, E> {
    type Output = E;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> E {
        let mut lanes = [E::default(); LANES];
        let (whole, rest) = self.0.as_chunks::<LANES>();
        for chunk in whole {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += *x;
            }
        }
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
        }
        rest.iter().fold(lanes[0], |sum, x| sum + *x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, whose sums are exact: any shape against the definition.
    #[test]
    fn sums_along_an_axis() {
        let shapes = [
            [1, 1, 1],
            [3, 40_000, 1],
            [70, 3, 1],
            [20_000, 63, 1],
            [50, 64, 1],
            [1, 5_000, 10],
            [2, 33, 9_000],
            [4, 17, 65],
            [0, 3, 4],
            [2, 0, 3],
            [2, 0, 1],
        ];
        for [outer, middle, inner] in shapes {
            let x: Vec<f32> = (0..outer * middle * inner)
                .map(|i| (i * 31 % 17) as f32 - 8.0)
                .collect();
            let found = sums_along(&x, [outer, middle, inner]);
            let expected: Vec<f32> = (0..outer * inner)
                .map(|at| {
                    let (o, i) = (at / inner, at % inner);
                    let term = |m: usize| x[(o * middle + m) * inner + i];
                    (0..middle).map(term).sum()
                })
                .collect();
            assert_eq!(found, expected, "{outer} {middle} {inner}");
        }
    }
}
