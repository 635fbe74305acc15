//! The micro-kernel: a block of rows times a run of pixels, held in registers.

use pulp::Simd;

use crate::kernel::element::{Element, Machine};

/// A run of results: those with the flat indices `start..end`, held in `registers` registers of
/// which the last may be part empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    pub start: usize,
    pub end: usize,
    pub registers: usize,
}

/// Registers of pixels in the widest block of `rows` rows: as many accumulators as leave room for
/// the operands. (With 32 registers `8 x 3` accumulators, 3 pixels and a weight are live; with 16,
/// `4 x 3`.) None where blocks have not so many rows.
pub const fn widest(registers: usize, rows: usize) -> usize {
    match (registers >= 32, rows) {
        (true, 8) | (false, 4) => 3,
        (true, 2 | 4) => 6,
        (false, 2) => 4,
        (_, 1) => 8,
        _ => 0,
    }
}

/// `rows` cut into blocks of 8, 4, 2 and 1 (first row, number of rows).
pub fn blocks(machine: Machine, rows: usize) -> Vec<(usize, usize)> {
    let mut blocks = Vec::new();
    let mut start = 0;
    for size in [8, 4, 2, 1] {
        if widest(machine.registers, size) == 0 {
            continue;
        }
        while rows - start >= size {
            blocks.push((start, size));
            start += size;
        }
    }
    blocks
}

/// Cuts `total` into the fewest parts of at most `most`, as even as they can be.
pub fn even(total: usize, most: usize) -> impl Iterator<Item = usize> {
    let parts = total.div_ceil(most);
    (0..parts).map(move |part| (total + part) / parts)
}

/// The tiles that cover results of `output` size whose rows are `pitch` apart, at most `widest`
/// registers of `lanes` each.
///
/// Either every row is cut alone or the plane as one run, gaps between the rows included: whichever
/// takes less time, a tile costing a little more than its registers.
pub fn tiles(output: [usize; 2], pitch: usize, lanes: usize, widest: usize) -> Vec<Tile> {
    let [height, width] = output;
    if height == 0 || width == 0 {
        return Vec::new();
    }
    let span = (height - 1) * pitch + width;
    let cost = |length: usize| {
        let registers = length.div_ceil(lanes);
        5 * registers + 3 * registers.div_ceil(widest)
    };
    let run = |mut start: usize, length: usize| {
        let end = start + length;
        even(length.div_ceil(lanes), widest).map(move |registers| {
            let next = start + registers * lanes;
            let tile = Tile {
                start,
                end: next.min(end),
                registers,
            };
            start = next;
            tile
        })
    };
    if height * cost(width) <= cost(span) {
        (0..height)
            .flat_map(|row| run(row * pitch, width))
            .collect()
    } else {
        run(0, span).collect()
    }
}

/// Where the rows of a finished block go.
pub trait Sink<E: Element> {
    /// Takes row `row` of the block.
    fn put<S: Simd, const V: usize>(&mut self, simd: S, row: usize, values: [E::Lanes<S>; V]);
}

/// `values[r][j] = sum over k of weights[k][r] pixels[offsets[k] + j]` for `rows` rows and
/// `registers` registers of pixels, row by row into `sink`.
#[inline(always)]
pub fn multiply<E: Element, S: Simd>(
    simd: S,
    (rows, registers): (usize, usize),
    weights: &[E],
    offsets: &[usize],
    pixels: &[E],
    sink: &mut impl Sink<E>,
) {
    macro_rules! choose {
        ($($r:literal: $($v:literal)*;)*) => {
            match (rows, registers) {
                $($(($r, $v) if const { $v <= widest(S::REGISTER_COUNT, $r) } => {
                    block::<E, S, $r, $v>(simd, weights, offsets, pixels, sink)
                })*)*
                _ => unreachable!("a block of {rows} rows and {registers} registers"),
            }
        };
    }
    choose! {
        8: 1 2 3;
        4: 1 2 3 4 5 6;
        2: 1 2 3 4 5 6;
        1: 1 2 3 4 5 6 7 8;
    }
}

#[inline(always)]
fn block<E: Element, S: Simd, const R: usize, const V: usize>(
    simd: S,
    weights: &[E],
    offsets: &[usize],
    pixels: &[E],
    sink: &mut impl Sink<E>,
) {
    let zero = E::splat(simd, E::default());
    let mut sums = [[zero; V]; R];
    let width = V * E::lanes::<S>();
    for (weight, &offset) in weights.chunks_exact(R).zip(offsets) {
        let window = E::registers::<S>(&pixels[offset..offset + width]);
        let mut x = [zero; V];
        for v in 0..V {
            x[v] = window[v];
        }
        for r in 0..R {
            let w = E::splat(simd, weight[r]);
            for v in 0..V {
                sums[r][v] = E::mul_add(simd, w, x[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        sink.put(simd, r, sums[r]);
    }
}
