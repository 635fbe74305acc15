//! The sum of many elements, in an order that does not depend on the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::kernel::element::Element;

/// Elements in a partial sum. The partial sums are added in order: the result has the same bits on
/// one thread and on many, and its rounding error grows with the length of a chunk, not of `x`.
const CHUNK: usize = 1 << 12;

/// Lanes that run beside each other in a partial sum.
const LANES: usize = 64;

/// `x[0] + x[1] + ...`
pub fn sum<E: Element>(x: &[E]) -> E {
    let partial = |chunk: &[E]| Arch::new().dispatch(Partial(chunk));
    let parts: Vec<E> = if x.len() <= 8 * CHUNK {
        x.chunks(CHUNK).map(partial).collect()
    } else {
        x.par_chunks(CHUNK).with_min_len(4).map(partial).collect()
    };
    match parts.len() {
        0 => E::default(),
        1 => parts[0],
        _ => sum(&parts),
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
