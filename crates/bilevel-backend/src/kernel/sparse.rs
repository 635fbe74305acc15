//! Products of a matrix of few non-zero entries with a narrow one.

use pulp::{Simd, WithSimd};

use super::element::Element;
use super::parallel;

/// Rows that are one piece of work: a block of samples is one, for which no other thread is woken.
/// (Never by the number of threads: the result must not depend on it.)
const ROWS: usize = 1024;

/// Registers of a narrow matrix's row, at most.
const WIDEST: usize = 8;

/// Entries of a row that are summed side by side: sums that wait for each other take the latency of
/// an addition.
const APART: usize = 4;

/// A matrix by rows of its non-zero entries.
#[derive(Debug, Clone)]
pub struct Rows<E> {
    /// Where the entries of a row begin, and one more: where the last one ends.
    starts: Vec<usize>,
    /// Columns of the entries, row by row.
    columns: Vec<u32>,
    values: Vec<E>,
    width: usize,
}

impl<E: Element + PartialEq> Rows<E> {
    /// The non-zero entries of `dense`, rows of `width`; `None` if there are more than `most`.
    pub fn new(dense: &[E], width: usize, most: usize) -> Option<Self> {
        let zero = E::default();
        let count = dense.iter().filter(|value| **value != zero).count();
        if count > most || u32::try_from(width).is_err() {
            return None;
        }
        let mut rows = Self {
            starts: vec![0],
            columns: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            width,
        };
        for row in dense.chunks(width) {
            for (column, value) in (0u32..).zip(row) {
                if *value != zero {
                    rows.columns.push(column);
                    rows.values.push(*value);
                }
            }
            rows.starts.push(rows.columns.len());
        }
        Some(rows)
    }
}

impl<E: Element> Rows<E> {
    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.starts.len() - 1
    }

    /// Their length.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Columns and values of a row's entries.
    fn entries(&self, row: usize) -> (&[u32], &[E]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }
}

/// Whether a narrow matrix of `n` columns is narrow enough.
pub fn is_narrow<E: Element>(n: usize) -> bool {
    (1..=WIDEST * E::machine().lanes).contains(&n)
}

/// `registers::<S, R>` for the number R of registers that a row of n elements fills.
macro_rules! by_registers {
    ($piece:expr, $simd:expr, $s:ident, $($r:literal)*) => {
        match $piece.n.div_ceil(E::lanes::<$s>()) {
            $($r => $piece.registers::<$s, $r>($simd),)*
            wide => unreachable!("a matrix of {wide} registers is not narrow"),
        }
    };
}

/// `[rows, n]` to `[rows, whole registers]`, with zeros.
fn padded<E: Element>(b: &[E], n: usize, whole: usize) -> Vec<E> {
    let mut out = vec![E::default(); b.len() / n * whole];
    for (to, from) in out.chunks_exact_mut(whole).zip(b.chunks_exact(n)) {
        to[..n].copy_from_slice(from);
    }
    out
}

/// `c [m, n] = a [m, k] b [k, n]`
///
/// # Panics
///
/// When `n` is not [narrow](is_narrow).
pub fn product<E: Element>(a: &Rows<E>, b: &[E], n: usize) -> Vec<E> {
    debug_assert_eq!(b.len(), a.width * n);
    let whole = n.next_multiple_of(E::machine().lanes);
    let b = padded(b, n, whole);
    let mut c = vec![E::default(); a.height() * n];
    let piece = |part: usize, c: &mut [E]| {
        E::dispatch(Product {
            a,
            first: part * ROWS,
            b: &b,
            c,
            n,
        });
    };
    if a.height() <= ROWS {
        piece(0, &mut c);
    } else {
        parallel::chunks(&mut c, ROWS * n, &piece);
    }
    c
}

struct Product<'a, E> {
    a: &'a Rows<E>,
    /// The row of `a` that the first of `c` belongs to.
    first: usize,
    /// Whole registers a row.
    b: &'a [E],
    c: &'a mut [E],
    n: usize,
}

impl<E: Element> WithSimd for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        by_registers!(self, simd, S, 1 2 3 4 5 6 7 8);
    }
}

impl<E: Element> Product<'_, E> {
    #[inline(always)]
    fn registers<S: Simd, const R: usize>(self, simd: S) {
        let b = E::registers::<S>(self.b);
        let zero = E::splat(simd, E::default());
        for (row, c) in (self.first..).zip(self.c.chunks_exact_mut(self.n)) {
            let (columns, values) = self.a.entries(row);
            let mut sums = [[zero; R]; APART];
            macro_rules! add {
                ($u:expr, $column:expr, $value:expr) => {
                    let value = E::splat(simd, $value);
                    let b = &b[$column as usize * R..][..R];
                    for r in 0..R {
                        sums[$u][r] = E::mul_add(simd, value, b[r], sums[$u][r]);
                    }
                };
            }
            let (columns, last_columns) = columns.as_chunks::<APART>();
            let (values, last_values) = values.as_chunks::<APART>();
            for (columns, values) in columns.iter().zip(values) {
                for u in 0..APART {
                    add!(u, columns[u], values[u]);
                }
            }
            for (column, value) in last_columns.iter().zip(last_values) {
                add!(0, *column, *value);
            }
            let mut sum = [zero; R];
            for r in 0..R {
                let (p, q) = (
                    E::add_lanes(simd, sums[0][r], sums[1][r]),
                    E::add_lanes(simd, sums[2][r], sums[3][r]),
                );
                sum[r] = E::add_lanes(simd, p, q);
            }
            c.copy_from_slice(&pulp::bytemuck::cast_slice::<_, E>(&sum)[..self.n]);
        }
    }
}

/// `c [k, n] = a [m, k]^T g [m, n]`
///
/// # Panics
///
/// When `n` is not [narrow](is_narrow).
pub fn transposed_product<E: Element>(a: &Rows<E>, g: &[E], n: usize) -> Vec<E> {
    debug_assert_eq!(g.len(), a.height() * n);
    let whole = n.next_multiple_of(E::machine().lanes);
    let piece = |part: usize| {
        E::dispatch(Transposed {
            a,
            first: part * ROWS,
            g: &padded(parallel::chunk(g, ROWS * n, part), n, whole),
            n,
        })
    };
    let parts = if a.height() <= ROWS {
        vec![piece(0)]
    } else {
        parallel::map(a.height().div_ceil(ROWS), 1, &piece)
    };
    let mut c = vec![E::default(); a.width * n];
    for part in &parts {
        for (c, part) in c.chunks_exact_mut(n).zip(part.chunks_exact(whole)) {
            for (sum, value) in c.iter_mut().zip(part) {
                *sum += *value;
            }
        }
    }
    c
}

struct Transposed<'a, E> {
    a: &'a Rows<E>,
    /// The row of `a` that the first of `g` belongs to.
    first: usize,
    /// Whole registers a row.
    g: &'a [E],
    n: usize,
}

impl<E: Element> WithSimd for Transposed<'_, E> {
    type Output = Vec<E>;

    /// The product of these rows, whole registers a row.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<E> {
        by_registers!(self, simd, S, 1 2 3 4 5 6 7 8)
    }
}

impl<E: Element> Transposed<'_, E> {
    #[inline(always)]
    fn registers<S: Simd, const R: usize>(self, simd: S) -> Vec<E> {
        let mut c = vec![E::default(); self.a.width * R * E::lanes::<S>()];
        let sums = E::registers_mut::<S>(&mut c);
        for (row, g) in (self.first..).zip(E::registers::<S>(self.g).chunks_exact(R)) {
            let (columns, values) = self.a.entries(row);
            for (column, value) in columns.iter().zip(values) {
                let value = E::splat(simd, *value);
                let sums = &mut sums[*column as usize * R..][..R];
                for r in 0..R {
                    sums[r] = E::mul_add(simd, value, g[r], sums[r]);
                }
            }
        }
        c
    }
}
