//! Correlations with the channels of the results in the lanes of a register.

use pulp::{Simd, WithSimd};

use super::Correlation;
use crate::kernel::element::Element;
use crate::kernel::memory::{self, Scratch};
use crate::kernel::parallel;
use crate::kernel::tile::even;

/// Registers of channels in a block, and columns that go with them, at most.
const fn widest(registers: usize) -> usize {
    if registers >= 32 { 4 } else { 2 }
}

/// Columns in a block of `wide` registers of channels, at most.
const fn highest(registers: usize, wide: usize) -> usize {
    match (registers >= 32, wide) {
        (true, 4) => 6,
        (false, 2) => 5,
        (false, 3 | 4) => 0,
        _ => 8,
    }
}

/// Bytes of results that stay in the first-level cache while all columns pass by.
const NEAR: usize = 1 << 14;

/// `gradient[o, column] = sum over n, t of r[n, o, t] x[n, column + t]`, the results turned round
/// so that the channels of a pixel stand together: no sum across lanes, and no lanes without a
/// pixel.
pub fn correlate<E: Element>(correlation: Correlation<'_, E>) {
    let Correlation {
        geometry,
        plane,
        columns,
        x,
        r,
        gradient,
    } = correlation;
    let (groups, inputs, outputs) = (geometry.groups, geometry.inputs, geometry.outputs);
    let machine = E::machine();
    let channels = outputs.next_multiple_of(machine.lanes);
    let turned = turn(
        r,
        [geometry.batch * groups, outputs, geometry.output_area()],
        channels,
    );
    let pieces = (4 * rayon::current_num_threads()).div_ceil(groups);
    let piece = columns
        .len()
        .div_ceil(pieces)
        .next_multiple_of(highest(machine.registers, widest(machine.registers)));
    let jobs: Vec<_> = (0..groups)
        .flat_map(|group| columns.chunks(piece).map(move |columns| (group, columns)))
        .collect();
    let parts = parallel::map(jobs.len(), 1, &|job| {
        let (group, columns) = jobs[job];
        E::dispatch(Piece {
            x: &x[group * inputs * plane.stride..],
            x_image: groups * inputs * plane.stride,
            pitch: plane.pitch,
            r: &turned[group * geometry.output_area() * channels..],
            r_image: groups * geometry.output_area() * channels,
            output: geometry.output,
            batch: geometry.batch,
            channels,
            columns,
        })
    });
    for (index, (&(group, columns), part)) in jobs.iter().zip(&parts).enumerate() {
        let first = index % (jobs.len() / groups) * piece;
        for (column, part) in part.chunks_exact(channels).take(columns.len()).enumerate() {
            for (o, value) in part[..outputs].iter().enumerate() {
                let row = (group * outputs + o) * inputs * geometry.taps();
                gradient[row + first + column] = *value;
            }
        }
    }
}

/// Side of the squares that are turned at a time: a row of one fits the smallest register.
const SIDE: usize = 4;

/// `r [count, outputs, area]` as `[count, area, channels]`, zeros beyond the outputs.
fn turn<E: Element>(r: &[E], [count, outputs, area]: [usize; 3], channels: usize) -> Scratch<E> {
    let whole = [outputs, area].map(|side| side / SIDE * SIDE);
    memory::zeroed_chunks(count, area * channels, 0, &|index, to| {
        let from = &r[index * area * outputs..][..area * outputs];
        for t in (0..whole[1]).step_by(SIDE) {
            for o in (0..whole[0]).step_by(SIDE) {
                turn_square(
                    &from[o * area + t..],
                    area,
                    &mut to[t * channels + o..],
                    channels,
                );
            }
        }
        for (t, to) in to.chunks_exact_mut(channels).enumerate() {
            let turned = if t < whole[1] { whole[0] } else { 0 };
            for o in turned..outputs {
                to[o] = from[o * area + t];
            }
        }
    })
}

/// The square whose rows begin `area` entries apart, with its rows as columns, `channels` entries
/// apart.
#[inline(always)]
fn turn_square<E: Element>(from: &[E], area: usize, to: &mut [E], channels: usize) {
    let mut square = [[E::default(); SIDE]; SIDE];
    for (o, row) in square.iter_mut().enumerate() {
        row.copy_from_slice(&from[o * area..][..SIDE]);
    }
    for t in 0..SIDE {
        let mut column = [E::default(); SIDE];
        for o in 0..SIDE {
            column[o] = square[o][t];
        }
        to[t * channels..][..SIDE].copy_from_slice(&column);
    }
}

/// Correlations of all results of a group with a few columns of the images.
struct Piece<'a, E> {
    x: &'a [E],
    x_image: usize,
    pitch: usize,
    r: &'a [E],
    r_image: usize,
    output: [usize; 2],
    batch: usize,
    channels: usize,
    columns: &'a [usize],
}

impl<E: Element> WithSimd for Piece<'_, E> {
    type Output = Scratch<E>;

    /// The sums `[columns, channels]`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Scratch<E> {
        let mut sums = memory::zeros(self.columns.len() * self.channels);
        let [height, width] = self.output;
        let near = (NEAR / (width * self.channels * size_of::<E>())).clamp(1, height);
        for n in 0..self.batch {
            for top in (0..height).step_by(near) {
                let rows = (n, top, near.min(height - top));
                let mut register = 0;
                for registers in even(self.channels / E::lanes::<S>(), widest(S::REGISTER_COUNT)) {
                    let mut column = 0;
                    for count in even(self.columns.len(), highest(S::REGISTER_COUNT, registers)) {
                        macro_rules! choose {
                            ($($v:literal: $($q:literal)*;)*) => {
                                match (registers, count) {
                                    $($(($v, $q) if const { $q <= highest(S::REGISTER_COUNT, $v) } => {
                                        let place = (register, column);
                                        block::<E, S, $v, $q>(simd, &self, rows, place, &mut sums);
                                    })*)*
                                    _ => unreachable!("a block of {registers} x {count}"),
                                }
                            };
                        }
                        choose! {
                            1: 1 2 3 4 5 6 7 8;
                            2: 1 2 3 4 5 6 7 8;
                            3: 1 2 3 4 5 6 7 8;
                            4: 1 2 3 4 5 6;
                        }
                        column += count;
                    }
                    register += registers;
                }
            }
        }
        sums
    }
}

#[inline(always)]
fn block<E: Element, S: Simd, const V: usize, const Q: usize>(
    simd: S,
    piece: &Piece<'_, E>,
    (n, top, rows): (usize, usize, usize),
    (register, column): (usize, usize),
    sums: &mut [E],
) {
    let lanes = E::lanes::<S>();
    let zero = E::splat(simd, E::default());
    let width = piece.output[1];
    let mut acc = [[zero; V]; Q];
    for y in top..top + rows {
        let r = &piece.r[n * piece.r_image + y * width * piece.channels..];
        let r = &r[..width * piece.channels];
        let mut x: [&[E]; Q] = [&[]; Q];
        for q in 0..Q {
            let at = n * piece.x_image + piece.columns[column + q] + y * piece.pitch;
            x[q] = &piece.x[at..at + width];
        }
        for (j, r) in r.chunks_exact(piece.channels).enumerate() {
            let r = E::registers::<S>(&r[register * lanes..(register + V) * lanes]);
            let mut b = [zero; V];
            for v in 0..V {
                b[v] = r[v];
            }
            for q in 0..Q {
                let a = E::splat(simd, x[q][j]);
                for v in 0..V {
                    acc[q][v] = E::mul_add(simd, a, b[v], acc[q][v]);
                }
            }
        }
    }
    for q in 0..Q {
        let place = &mut sums[(column + q) * piece.channels + register * lanes..][..V * lanes];
        let place = E::registers_mut::<S>(place);
        for v in 0..V {
            place[v] = E::add_lanes(simd, place[v], acc[q][v]);
        }
    }
}
