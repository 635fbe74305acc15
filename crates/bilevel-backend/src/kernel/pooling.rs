//! The largest entries of blocks, and the transpose of looking them up.

use rayon::prelude::*;

use super::element::Element;

/// The largest entry of each `rows`×`columns` block of `planes` of `height`×`width` entries, and its place in the plane,
/// row by row; what does not fill a block at the lower and right edge is left out.
///
/// Of equal entries the first counts; a NaN is larger than any number.
///
/// # Panics
///
/// When `x` is not a whole number of planes.
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
    let (mut values, mut places) = (vec![E::default(); count], vec![0i64; count]);
    if count == 0 {
        return (values, places);
    }
    let some = (PIECE / plane).max(1);
    values
        .par_chunks_mut(some * blocks)
        .zip(places.par_chunks_mut(some * blocks))
        .zip(x.par_chunks(some * plane))
        .for_each(|((values, places), x)| {
            let out = values
                .chunks_exact_mut(blocks)
                .zip(places.chunks_exact_mut(blocks));
            for ((values, places), x) in out.zip(x.chunks_exact(plane)) {
                if [rows, columns] == [2, 2] {
                    pairs(x, width, right, values, places);
                } else {
                    any(x, width, [rows, columns], right, values, places);
                }
            }
        });
    (values, places)
}

/// The transpose of looking up: planes of `plane` entries, zero but for the sums of the `blocks` values of each plane at
/// their places.
///
/// # Panics
///
/// When values and places are not equally many and a whole number of planes, or a place is outside a plane.
pub fn spread<E: Element>(values: &[E], places: &[i64], blocks: usize, plane: usize) -> Vec<E> {
    assert_eq!(values.len(), places.len(), "a place for every value");
    assert_eq!(values.len() % blocks.max(1), 0, "a whole number of planes");
    let count = values.len().checked_div(blocks).unwrap_or(0);
    let mut x = vec![E::default(); count * plane];
    let some = (PIECE / plane.max(1)).max(1);
    x.par_chunks_mut((some * plane).max(1))
        .zip(values.par_chunks((some * blocks).max(1)))
        .zip(places.par_chunks((some * blocks).max(1)))
        .for_each(|((x, values), places)| {
            let planes = x.chunks_exact_mut(plane);
            let values = values.chunks_exact(blocks);
            for (x, (values, places)) in planes.zip(values.zip(places.chunks_exact(blocks))) {
                for (value, place) in values.iter().zip(places) {
                    x[*place as usize] += *value;
                }
            }
        });
    x
}

/// Entries that a thread takes at a time.
const PIECE: usize = 1 << 14;

/// The larger of two entries with its place; the first if neither is.
#[inline(always)]
fn larger<E: PartialOrd + Copy>(first: (E, i64), second: (E, i64)) -> (E, i64) {
    #[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
    let second_is = second.0 > first.0 || second.0 != second.0;
    if second_is { second } else { first }
}

/// Blocks of 2×2.
fn pairs<E: PartialOrd + Copy>(
    x: &[E],
    width: usize,
    right: usize,
    values: &mut [E],
    places: &mut [i64],
) {
    let lines = values
        .chunks_exact_mut(right)
        .zip(places.chunks_exact_mut(right));
    for (i, (values, places)) in lines.enumerate() {
        let (upper, lower) = x[2 * i * width..].split_at(width);
        let first = (2 * i * width) as i64;
        let upper = upper[..2 * right].chunks_exact(2);
        let blocks = upper.zip(lower[..2 * right].chunks_exact(2));
        for (j, (upper, lower)) in blocks.enumerate() {
            let at = first + 2 * j as i64;
            let below = at + width as i64;
            let above = larger((upper[0], at), (upper[1], at + 1));
            let under = larger((lower[0], below), (lower[1], below + 1));
            (values[j], places[j]) = larger(above, under);
        }
    }
}

/// Blocks of any size.
fn any<E: PartialOrd + Copy>(
    x: &[E],
    width: usize,
    [rows, columns]: [usize; 2],
    right: usize,
    values: &mut [E],
    places: &mut [i64],
) {
    for (block, (value, place)) in values.iter_mut().zip(places).enumerate() {
        let corner = block / right * rows * width + block % right * columns;
        let entries = (0..rows * columns).map(|p| {
            let at = corner + p / columns * width + p % columns;
            (x[at], at as i64)
        });
        (*value, *place) = entries.reduce(larger).expect("a block has an entry");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Small whole numbers, so that there are ties, and a NaN now and then.
        #[test]
        fn every_block_by_itself(
            (planes, height, width) in (1usize..4, 1usize..9, 1usize..9),
            (rows, columns) in (1usize..4, 1usize..4),
            seed in prop::collection::vec(0u8..8, 4 * 9 * 9),
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
