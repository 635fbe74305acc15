//! Products of a long matrix with one of a few columns, the shape of a linear classifier.
//!
//! They take as long as it takes to read the long matrix once; a general matrix product copies it
//! into panels first.

use pulp::{Simd, WithSimd};

use super::element::Element;
use super::memory::{self, Scratch};
use super::parallel;
use super::tile::{self, Sink, even};

/// Columns of the narrow matrix, at most.
pub const WIDEST: usize = 16;

/// Rows of the long matrix that are one piece of work. (Never by the number of threads: the result
/// must not depend on it.)
const ROWS: usize = 256;

/// Rows that stay in the second-level cache while they are read more than once.
const NEAR: usize = 32;

/// `c [m, n] = a [m, k] b [k, n]`
pub fn product<E: Element>(a: &[E], b: &[E], [m, k, n]: [usize; 3]) -> Vec<E> {
    let mut c = vec![E::default(); m * n];
    let mut turned = memory::zeros(n * k);
    for (column, turned) in turned.chunks_exact_mut(k).enumerate() {
        for (to, from) in turned.iter_mut().zip(b[column..].iter().step_by(n)) {
            *to = *from;
        }
    }
    parallel::chunks(&mut c, ROWS * n, &|index, c| {
        E::dispatch(Rows {
            a: parallel::chunk(a, ROWS * k, index),
            b: &turned,
            c,
            k,
            n,
        });
    });
    c
}

struct Rows<'a, E> {
    a: &'a [E],
    /// The narrow matrix, turned: `[n, k]`.
    b: &'a [E],
    c: &'a mut [E],
    k: usize,
    n: usize,
}

impl<E: Element> WithSimd for Rows<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, c, k, n } = self;
        for (a, c) in a.chunks(4 * k).zip(c.chunks_mut(4 * n)) {
            let rows = c.len() / n;
            let mut column = 0;
            for count in even(n, 4) {
                let b = &b[column * k..];
                macro_rules! choose {
                    ($($r:literal: $($q:literal)*;)*) => {
                        match (rows, count) {
                            $($(($r, $q) => dots::<E, S, $r, $q>(simd, a, b, k, n, &mut c[column..]),)*)*
                            _ => unreachable!("a block of {rows} rows and {count} columns"),
                        }
                    };
                }
                choose! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; }
                column += count;
            }
        }
    }
}

/// `c[r, q] = sum over j of a[r, j] b[q, j]`
#[inline(always)]
fn dots<E: Element, S: Simd, const R: usize, const Q: usize>(
    simd: S,
    a: &[E],
    b: &[E],
    k: usize,
    n: usize,
    c: &mut [E],
) {
    let zero = E::splat(simd, E::default());
    let registers = k / E::lanes::<S>();
    let mut rows: [&[E::Lanes<S>]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &E::registers::<S>(&a[r * k..(r + 1) * k])[..registers];
    }
    let mut columns: [&[E::Lanes<S>]; Q] = [&[]; Q];
    for q in 0..Q {
        columns[q] = &E::registers::<S>(&b[q * k..(q + 1) * k])[..registers];
    }
    let mut acc = [[zero; Q]; R];
    for j in 0..registers {
        let mut x = [zero; R];
        for r in 0..R {
            x[r] = rows[r][j];
        }
        for q in 0..Q {
            let y = columns[q][j];
            for r in 0..R {
                acc[r][q] = E::mul_add(simd, x[r], y, acc[r][q]);
            }
        }
    }
    let rest = registers * E::lanes::<S>();
    for r in 0..R {
        for q in 0..Q {
            let mut sum = E::sum(simd, acc[r][q]);
            for j in rest..k {
                sum += a[r * k + j] * b[q * k + j];
            }
            c[r * n + q] = sum;
        }
    }
}

/// `c [k, n] = a [m, k]^T g [m, n]`
pub fn transposed_product<E: Element>(a: &[E], g: &[E], [m, k, n]: [usize; 3]) -> Vec<E> {
    debug_assert_eq!(a.len(), m * k);
    let parts = parallel::map(m.div_ceil(ROWS), 1, &|index| {
        E::dispatch(Columns {
            a: parallel::chunk(a, ROWS * k, index),
            g: parallel::chunk(g, ROWS * n, index),
            k,
            n,
        })
    });
    let mut c = vec![E::default(); k * n];
    for part in &parts {
        for (column, part) in part.chunks_exact(k).enumerate() {
            for (sum, value) in c[column..].iter_mut().step_by(n).zip(part) {
                *sum += *value;
            }
        }
    }
    c
}

struct Columns<'a, E> {
    a: &'a [E],
    g: &'a [E],
    k: usize,
    n: usize,
}

impl<E: Element> WithSimd for Columns<'_, E> {
    type Output = Scratch<E>;

    /// The product of these rows, turned: `[n, k]`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Scratch<E> {
        let Self { a, g, k, n } = self;
        let lanes = E::lanes::<S>();
        let mut sums = memory::zeros(n * k);
        let machine = E::machine();
        let blocks = tile::blocks(machine, n);
        let highest = blocks.first().expect("a column at least").1;
        let widest = tile::widest(machine.registers, highest);
        for (a, g) in a.chunks(NEAR * k).zip(g.chunks(NEAR * n)) {
            let offsets: Vec<usize> = (0..g.len() / n).map(|row| row * k).collect();
            for &(first, rows) in &blocks {
                let weights: Vec<E> = g
                    .chunks_exact(n)
                    .flat_map(|g| g[first..first + rows].iter().copied())
                    .collect();
                let mut start = 0;
                for registers in even(k / lanes, widest) {
                    let mut sink = Block {
                        sums: &mut sums[first * k + start..],
                        k,
                    };
                    let pixels = &a[start..];
                    tile::multiply(
                        simd,
                        (rows, registers),
                        &weights,
                        &offsets,
                        pixels,
                        &mut sink,
                    );
                    start += registers * lanes;
                }
            }
            for j in k / lanes * lanes..k {
                for (a, g) in a.chunks_exact(k).zip(g.chunks_exact(n)) {
                    for (column, g) in g.iter().enumerate() {
                        sums[column * k + j] += a[j] * *g;
                    }
                }
            }
        }
        sums
    }
}

/// Adds the rows of a block to rows `k` apart.
struct Block<'a, E> {
    sums: &'a mut [E],
    k: usize,
}

impl<E: Element> Sink<E> for Block<'_, E> {
    #[inline(always)]
    fn put<S: Simd, const V: usize>(&mut self, simd: S, row: usize, values: [E::Lanes<S>; V]) {
        let place = &mut self.sums[row * self.k..][..V * E::lanes::<S>()];
        let place = E::registers_mut::<S>(place);
        for v in 0..V {
            place[v] = E::add_lanes(simd, place[v], values[v]);
        }
    }
}
