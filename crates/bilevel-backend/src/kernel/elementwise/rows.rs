//! A function of a large operand and of a small one that is repeated along it.

use pulp::{Simd, WithSimd};

use super::function::Function2;
use crate::kernel::element::Element;
use crate::kernel::parallel;

/// How the small operand `y [middle]` is repeated along `x [outer, middle, inner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Number of entries of the small operand.
    pub middle: usize,
    /// Consecutive elements that meet the same entry.
    pub inner: usize,
}

impl Repeat {
    /// How `small` is repeated along `large`, both shapes of the same rank: its axes longer than
    /// one must stand together and be as long as those of `large`. None when they do not.
    pub fn along(large: &[usize], small: &[usize]) -> Option<Self> {
        let first = small.iter().position(|&n| n != 1).unwrap_or(small.len());
        let last = small
            .iter()
            .rposition(|&n| n != 1)
            .map_or(first, |last| last + 1);
        (small.len() == large.len() && small[first..last] == large[first..last]).then(|| Self {
            middle: small[first..last].iter().product(),
            inner: large[last..].iter().product(),
        })
    }
}

/// `x[o, m, i] = function(x[o, m, i], y[m])`
///
/// # Panics
///
/// When `x` is not a whole number of repetitions of `y`.
pub fn repeat_in_place<E: Element>(
    function: impl Function2,
    x: &mut [E],
    y: &[E],
    Repeat { middle, inner }: Repeat,
) {
    assert_eq!(y.len(), middle, "one entry for every row");
    assert_eq!(
        x.len() % (middle * inner).max(1),
        0,
        "a whole number of repetitions"
    );
    if x.is_empty() {
        return;
    }
    if inner == 1 {
        let rows = (ROWS / middle).max(1);
        parallel::chunks(x, rows * middle, &|_, x| {
            E::dispatch(EveryRow(function, x, y));
        });
    } else {
        // Whole repetitions of y, or rows of one, so that a piece of work begins at y[0].
        let repetition = middle * inner;
        let piece = if repetition <= ROWS {
            ROWS / repetition * repetition
        } else {
            repetition
        };
        parallel::chunks(x, piece, &|_, x| {
            if repetition <= ROWS {
                E::dispatch(EveryEntry(function, x, y, inner));
            } else {
                let rows = (ROWS / inner).max(1);
                parallel::chunks(x, rows * inner, &|index, x| {
                    let y = parallel::chunk(y, rows, index);
                    E::dispatch(EveryEntry(function, x, y, inner));
                });
            }
        });
    }
}

/// Elements that a thread takes at a time.
const ROWS: usize = 1 << 14;

struct EveryRow<'a, F, E>(F, &'a mut [E], &'a [E]);

impl<F: Function2, E: Element> WithSimd for EveryRow<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.1.chunks_exact_mut(self.2.len()) {
            for (x, y) in row.iter_mut().zip(self.2) {
                *x = E::apply2(self.0, *x, *y);
            }
        }
    }
}

struct EveryEntry<'a, F, E>(F, &'a mut [E], &'a [E], usize);

impl<F: Function2, E: Element> WithSimd for EveryEntry<'_, F, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for repetition in self.1.chunks_mut(self.2.len() * self.3) {
            for (row, y) in repetition.chunks_exact_mut(self.3).zip(self.2) {
                for x in row {
                    *x = E::apply2(self.0, *x, *y);
                }
            }
        }
    }
}
