//! Correlations with the pixels in the lanes of a register.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Correlation;
use crate::kernel::convolution::geometry::Geometry;
use crate::kernel::element::Element;
use crate::kernel::memory::{self, Scratch};
use crate::kernel::parallel;
use crate::kernel::tile::even;

/// Rows of results and columns (channel and tap) of images in a block, at most.
const fn widest(registers: usize, rows: usize) -> usize {
    match (registers >= 32, rows) {
        (true, 4) => 6,
        (false, 4) => 2,
        (false, 2) => 5,
        _ => 8,
    }
}

/// `gradient[o, column] = sum over n, t of r[n, o, t] x[n, column + t]`, a block of channels of
/// results and of columns at a time.
pub fn correlate<E: Element>(correlation: Correlation<'_, E>) {
    let Correlation {
        geometry,
        plane,
        columns,
        x,
        r,
        gradient,
    } = correlation;
    let Geometry {
        batch,
        groups,
        inputs,
        outputs,
        output,
        ..
    } = *geometry;
    let lanes = E::machine().lanes;
    let area = geometry.output_area();
    // Whole registers in every row: the results are read where they are. Otherwise they are
    // laid out with the images' pitch and zeros between, and read as one run.
    let padded;
    let (results, length, runs) = if output[1] % lanes == 0 {
        let runs = (0..output[0])
            .map(|y| (y * output[1], y * plane.pitch, output[1] / lanes))
            .collect::<Vec<_>>();
        (r, area, runs)
    } else {
        let registers = plane.span(output).div_ceil(lanes);
        let length = registers * lanes;
        padded = pad(r, output, plane.pitch, length);
        (&padded[..], length, vec![(0, 0, registers)])
    };

    let mut blocks = Vec::new();
    for group in 0..groups {
        let mut start = 0;
        for size in [4, 2, 1] {
            while outputs - start >= size {
                blocks.push((group, start, size));
                start += size;
            }
        }
    }
    // Enough pieces for every thread, by cutting the columns when the rows are few.
    let pieces = (4 * rayon::current_num_threads()).div_ceil(blocks.len());
    let piece = columns.len().div_ceil(pieces).next_multiple_of(12);
    let jobs: Vec<_> = blocks
        .iter()
        .flat_map(|&block| {
            columns
                .chunks(piece)
                .enumerate()
                .map(move |(c, columns)| (block, c * piece, columns))
        })
        .collect();
    let x_image = groups * inputs * plane.stride;
    // As many images at a time as stay in the second-level cache.
    let images = ((1 << 19) / (inputs * plane.stride * size_of::<E>())).clamp(1, batch);
    let parts = parallel::map(jobs.len(), 1, &|job| {
        let ((group, start, rows), _, columns) = jobs[job];
        E::dispatch(Correlate {
            x: &x[group * inputs * plane.stride..],
            x_image,
            r: &results[(group * outputs + start) * length..],
            r_image: groups * outputs * length,
            length,
            runs: &runs,
            rows,
            columns,
            batch,
            images,
        })
    });
    for (&((group, start, _), first, columns), part) in jobs.iter().zip(&parts) {
        for (row, part) in part.chunks_exact(columns.len()).enumerate() {
            let at = (group * outputs + start + row) * inputs * geometry.taps() + first;
            gradient[at..at + columns.len()].copy_from_slice(part);
        }
    }
}

/// Every channel with rows `pitch` apart, zeros between them and up to `length`.
fn pad<E: Element>(
    r: &[E],
    [height, width]: [usize; 2],
    pitch: usize,
    length: usize,
) -> Scratch<E> {
    let area = height * width;
    memory::zeroed_chunks(r.len() / area, length, 0, &|index, to| {
        let from = &r[index * area..][..area];
        for (y, row) in from.chunks_exact(width).enumerate() {
            to[y * pitch..][..width].copy_from_slice(row);
        }
    })
}

/// Correlations of a few channels of results with a few columns of images.
struct Correlate<'a, E> {
    x: &'a [E],
    x_image: usize,
    r: &'a [E],
    r_image: usize,
    length: usize,
    runs: &'a [(usize, usize, usize)],
    rows: usize,
    columns: &'a [usize],
    batch: usize,
    images: usize,
}

impl<E: Element> WithSimd for Correlate<'_, E> {
    type Output = Vec<E>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<E> {
        let mut sums = vec![E::default(); self.rows * self.columns.len()];
        let mut first = 0;
        while first < self.batch {
            let images = first..(first + self.images).min(self.batch);
            let mut column = 0;
            for count in even(self.columns.len(), widest(S::REGISTER_COUNT, self.rows)) {
                macro_rules! choose {
                    ($($r:literal: $($q:literal)*;)*) => {
                        match (self.rows, count) {
                            $($(($r, $q) if const { $q <= widest(S::REGISTER_COUNT, $r) } => {
                                block::<E, S, $r, $q>(simd, &self, images.clone(), column, &mut sums)
                            })*)*
                            _ => unreachable!("a block of {} rows and {count} columns", self.rows),
                        }
                    };
                }
                choose! {
                    4: 1 2 3 4 5 6;
                    2: 1 2 3 4 5 6 7 8;
                    1: 1 2 3 4 5 6 7 8;
                }
                column += count;
            }
            first = images.end;
        }
        sums
    }
}

#[inline(always)]
fn block<E: Element, S: Simd, const R: usize, const Q: usize>(
    simd: S,
    job: &Correlate<'_, E>,
    images: Range<usize>,
    column: usize,
    sums: &mut [E],
) {
    let zero = E::splat(simd, E::default());
    let lanes = E::lanes::<S>();
    let mut acc = [[zero; Q]; R];
    for n in images {
        let r = &job.r[n * job.r_image..];
        let x = &job.x[n * job.x_image..];
        for &(r_at, x_at, registers) in job.runs {
            let mut rows: [&[E::Lanes<S>]; R] = [&[]; R];
            for q in 0..R {
                rows[q] = &E::registers::<S>(&r[q * job.length + r_at..])[..registers];
            }
            let mut columns: [&[E::Lanes<S>]; Q] = [&[]; Q];
            for q in 0..Q {
                let at = job.columns[column + q] + x_at;
                columns[q] = &E::registers::<S>(&x[at..at + registers * lanes])[..registers];
            }
            for j in 0..registers {
                let mut b = [zero; R];
                for p in 0..R {
                    b[p] = rows[p][j];
                }
                for q in 0..Q {
                    let a = columns[q][j];
                    for p in 0..R {
                        acc[p][q] = E::mul_add(simd, a, b[p], acc[p][q]);
                    }
                }
            }
        }
    }
    for p in 0..R {
        for q in 0..Q {
            sums[p * job.columns.len() + column + q] += E::sum(simd, acc[p][q]);
        }
    }
}
