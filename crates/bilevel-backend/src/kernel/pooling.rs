//! The largest entries of blocks, and the transpose of looking them up.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::element::Element;
use super::memory::written;
use super::parallel;

/// The largest entry of each `rows`×`columns` block of `planes` of `height`×`width` entries, and
/// its place in the plane, row by row; what does not fill a block at the lower and right edge is
/// left out.
///
/// Of equal entries the first counts; a NaN is larger than any number.
///
/// # Panics
///
/// When `x` is not a whole number of planes.
#[allow(unsafe_code)]
pub fn largest_of_blocks<E: Element + PartialOrd>(
    x: &[E],
    [height, width]: [usize; 2],
    [rows, columns]: [usize; 2],
) -> (Vec<E>, Vec<i64>) {
    let plane = height * width;
    assert_eq!(x.len() % plane.max(1), 0, "a whole number of planes");
    let (down, right) = (height / rows, width / columns);
    let blocks = down * right;
    let count = x.len().checked_div(plane).unwrap_or(0) * blocks;
    if count == 0 {
        return (Vec::new(), Vec::new());
    }
    let some = (PIECE / plane).max(1);
    let mut places = Vec::new();
    let write = |values: &mut [MaybeUninit<E>], places: &mut [MaybeUninit<i64>]| {
        let out = values.chunks_mut(some * blocks);
        let out = out.zip(places.chunks_mut(some * blocks));
        let jobs: Vec<_> = out.zip(x.chunks(some * plane)).collect();
        type Job<'a, E> = (
            (&'a mut [MaybeUninit<E>], &'a mut [MaybeUninit<i64>]),
            &'a [E],
        );
        parallel::each(jobs, &|((values, places), x): Job<'_, E>| {
            let out = values
                .chunks_exact_mut(blocks)
                .zip(places.chunks_exact_mut(blocks));
            for ((values, places), x) in out.zip(x.chunks_exact(plane)) {
                if [rows, columns] == [2, 2] {
                    E::dispatch(Pairs {
                        x,
                        width,
                        right,
                        values,
                        places,
                    });
                } else {
                    any(x, width, [rows, columns], right, values, places);
                }
            }
        });
    };
    // SAFETY: the chunks of both cover them, for a chunk is a whole number of planes, and `Pairs` and `any` write every
    // value and every place of a plane.
    let values = unsafe {
        written(count, |values| {
            places = written(count, |places| write(values, places));
        })
    };
    (values, places)
}

/// The transpose of looking up: planes of `plane` entries, zero but for the sums of the `blocks`
/// values of each plane at their places.
///
/// # Panics
///
/// When values and places are not equally many and a whole number of planes, or a place is outside
/// a plane.
#[allow(unsafe_code)]
pub fn spread<E: Element>(values: &[E], places: &[i64], blocks: usize, plane: usize) -> Vec<E> {
    assert_eq!(values.len(), places.len(), "a place for every value");
    assert_eq!(values.len() % blocks.max(1), 0, "a whole number of planes");
    let count = values.len().checked_div(blocks).unwrap_or(0);
    let some = (PIECE / plane.max(1)).max(1);
    let write = |x: &mut [MaybeUninit<E>]| {
        parallel::chunks(x, (some * plane).max(1), &|index, x| {
            let values = parallel::chunk(values, some * blocks, index);
            let places = parallel::chunk(places, some * blocks, index);
            x.fill(MaybeUninit::new(E::default()));
            // SAFETY: every entry has just been written.
            let x = unsafe { &mut *(std::ptr::from_mut(x) as *mut [E]) };
            let planes = x.chunks_exact_mut(plane);
            let values = values.chunks_exact(blocks);
            for (x, (values, places)) in planes.zip(values.zip(places.chunks_exact(blocks))) {
                for (value, place) in values.iter().zip(places) {
                    x[*place as usize] += *value;
                }
            }
        });
    };
    // SAFETY: the chunks cover all entries, for each chunk is filled.
    unsafe { written(count * plane, write) }
}

/// Entries that a thread takes at a time.
const PIECE: usize = 1 << 14;

/// Whether `second` is larger than `first`. No jump: which one it is cannot be predicted.
#[inline(always)]
#[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
fn is_larger<E: PartialOrd>(first: E, second: E) -> bool {
    (second > first) | (second != second)
}

/// Blocks of 2×2 of one plane, so many `right` in a line.
struct Pairs<'a, E> {
    x: &'a [E],
    width: usize,
    right: usize,
    values: &'a mut [MaybeUninit<E>],
    places: &'a mut [MaybeUninit<i64>],
}

/// Blocks of a line that are compared at a time.
const BLOCKS: usize = 8;

impl<E: Element + PartialOrd> WithSimd for Pairs<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            x,
            width,
            right,
            values,
            places,
        } = self;
        let lines = values
            .chunks_exact_mut(right)
            .zip(places.chunks_exact_mut(right));
        for (i, (values, places)) in lines.enumerate() {
            let first = 2 * i * width;
            let (upper, lower) = x[first..].split_at(width);
            let pieces = values.chunks_mut(BLOCKS).zip(places.chunks_mut(BLOCKS));
            for (at, (values, places)) in (0..).step_by(2 * BLOCKS).zip(pieces) {
                let count = values.len();
                let mut pairs = [[E::default(); 2 * BLOCKS]; 2];
                for (pairs, line) in pairs.iter_mut().zip([upper, lower]) {
                    pairs[..2 * count].copy_from_slice(&line[at..at + 2 * count]);
                }
                let (largest, their) = largest_of_pairs(&pairs, first + at, width);
                for (j, (value, place)) in values.iter_mut().zip(places).enumerate() {
                    value.write(largest[j]);
                    place.write(their[j]);
                }
            }
        }
    }
}

/// The largest of each block of two lines, and its place when the first block begins at `corner`.
#[inline(always)]
fn largest_of_pairs<E: Element + PartialOrd>(
    [upper, lower]: &[[E; 2 * BLOCKS]; 2],
    corner: usize,
    width: usize,
) -> ([E; BLOCKS], [i64; BLOCKS]) {
    let (mut values, mut places) = ([E::default(); BLOCKS], [0; BLOCKS]);
    for j in 0..BLOCKS {
        let (a, b, c, d) = (
            upper[2 * j],
            upper[2 * j + 1],
            lower[2 * j],
            lower[2 * j + 1],
        );
        let (b_is, d_is) = (is_larger(a, b), is_larger(c, d));
        let (above, below) = (if b_is { b } else { a }, if d_is { d } else { c });
        let below_is = is_larger(above, below);
        values[j] = if below_is { below } else { above };
        let (in_upper, in_lower) = (i64::from(b_is), width as i64 + i64::from(d_is));
        places[j] = (corner + 2 * j) as i64 + if below_is { in_lower } else { in_upper };
    }
    (values, places)
}

/// Blocks of any size.
fn any<E: PartialOrd + Copy>(
    x: &[E],
    width: usize,
    [rows, columns]: [usize; 2],
    right: usize,
    values: &mut [MaybeUninit<E>],
    places: &mut [MaybeUninit<i64>],
) {
    for (block, (value, place)) in values.iter_mut().zip(places).enumerate() {
        let corner = block / right * rows * width + block % right * columns;
        let entries = (0..rows * columns).map(|p| {
            let at = corner + p / columns * width + p % columns;
            (x[at], at as i64)
        });
        let larger = |first: (E, i64), second: (E, i64)| {
            if is_larger(first.0, second.0) {
                second
            } else {
                first
            }
        };
        let (largest, its) = entries.reduce(larger).expect("a block has an entry");
        value.write(largest);
        place.write(its);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Small whole numbers, so that there are ties, and a NaN now and then; lines of whole
        /// pieces and of parts.
        #[test]
        fn every_block_by_itself(
            (planes, height, width) in (1usize..4, 1usize..9, 1usize..40),
            (rows, columns) in (1usize..4, 1usize..4),
            seed in prop::collection::vec(0u8..8, 3 * 8 * 39),
        ) {
            let number = |v: &u8| if *v == 7 { f64::NAN } else { f64::from(*v) };
            let x: Vec<f64> = seed[..planes * height * width].iter().map(number).collect();
            let (values, places) = largest_of_blocks(&x, [height, width], [rows, columns]);
            let (down, right) = (height / rows, width / columns);
            prop_assert_eq!(values.len(), planes * down * right);
            for (o, (value, place)) in values.iter().zip(&places).enumerate() {
                let (plane, block) = (o / (down * right).max(1), o % (down * right).max(1));
                let at = |r: usize, c: usize| {
                    (block / right * rows + r) * width + block % right * columns + c
                };
                let own: Vec<usize> = (0..rows)
                    .flat_map(|r| (0..columns).map(move |c| (r, c)))
                    .map(|(r, c)| at(r, c))
                    .collect();
                prop_assert!(own.contains(&(*place as usize)));
                let entry = |p: usize| x[plane * height * width + p];
                prop_assert_eq!(entry(*place as usize).to_bits(), value.to_bits());
                if value.is_nan() {
                    continue;
                }
                for p in own {
                    prop_assert!(entry(p) <= *value && (entry(p) < *value || p >= *place as usize));
                }
            }
        }
    }

    /// Places that meet add up, planes do not mix, and what no place names is zero.
    #[test]
    fn values_return_to_their_places() {
        let x = spread(&[1.0f64, 2.0, 3.0, 4.0], &[5, 5, 0, 2], 2, 6);
        let expected = [0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0];
        assert_eq!(x.as_slice(), expected);
        assert!(spread::<f32>(&[], &[], 0, 6).is_empty());
    }
}
