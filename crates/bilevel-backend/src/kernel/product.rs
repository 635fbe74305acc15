//! Products of matrices by the crate `gemm`, on all cores where there is enough to do.

use gemm::Parallelism;

use super::element::Element;
use super::memory::written;
use super::parallel;

/// Multiplications from which one product is shared out to the threads.
const SHARED: usize = 192 * 192 * 192;

/// Multiplications of many products from which each goes to a thread.
const SPREAD: usize = 128 * 128 * 128;

/// Matrices of one shape in memory, where each of them begins, and how far apart rows and columns
/// are.
#[derive(Clone, Debug)]
pub struct Matrices<'a, E> {
    pub entries: &'a [E],
    pub starts: Vec<usize>,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<E> Matrices<'_, E> {
    /// # Panics
    ///
    /// When an entry lies outside of the memory.
    fn check(&self) {
        let farthest = self.starts.iter().max().map_or(0, |start| {
            let rows = self.rows.saturating_sub(1) * self.row_stride;
            start + rows + self.columns.saturating_sub(1) * self.column_stride
        });
        let empty = self.rows * self.columns * self.starts.len() == 0;
        assert!(
            empty || farthest < self.entries.len(),
            "entry {farthest} of {}",
            self.entries.len()
        );
    }
}

/// `c[n] [m, n] = a[n] [m, k] b[n] [k, n]` for each pair of matrices, in order in memory.
///
/// # Panics
///
/// When the shapes do not fit, or the numbers of matrices differ.
#[allow(unsafe_code)]
pub fn products<E: Element>(a: &Matrices<'_, E>, b: &Matrices<'_, E>) -> Vec<E> {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "[{m}, {k}] times [{}, {n}]", b.rows);
    assert_eq!(a.starts.len(), b.starts.len(), "as many as there are");
    a.check();
    b.check();
    let count = a.starts.len();
    let work = m.saturating_mul(k).saturating_mul(n);
    let product = |index: usize, c: &mut [std::mem::MaybeUninit<E>], threads: Parallelism| {
        // SAFETY: all entries that the sizes and strides of `a` and `b` name lie in their memory, which was checked
        // above; `c` has `m * n` slots, and each is written, for nothing is read from them.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr().cast::<E>(),
                1,
                n as isize,
                false,
                a.entries.as_ptr().add(a.starts[index]),
                a.column_stride as isize,
                a.row_stride as isize,
                b.entries.as_ptr().add(b.starts[index]),
                b.column_stride as isize,
                b.row_stride as isize,
                E::default(),
                E::from_elem(1.0),
                false,
                false,
                false,
                threads,
            );
        }
    };
    let write = |c: &mut [std::mem::MaybeUninit<E>]| {
        if c.is_empty() {
            return;
        }
        let many = count > 1 && work.saturating_mul(count) >= SPREAD;
        if many && (count >= 4 || work < SHARED) {
            parallel::chunks(c, m * n, &|index, c| product(index, c, Parallelism::None));
        } else {
            let threads = match work {
                SHARED.. => Parallelism::Rayon(0),
                _ => Parallelism::None,
            };
            let each = c.chunks_exact_mut(m * n).enumerate();
            each.for_each(|(index, c)| product(index, c, threads));
        }
    };
    // SAFETY: `product` writes all of a chunk, and the chunks are all of the memory.
    unsafe { written(count * m * n, write) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: small and large, one and many, rows and columns apart, a matrix
    /// repeated.
    #[test]
    fn is_the_sum_over_the_inner_index() {
        let entries: Vec<f64> = (0..70_000).map(|i| f64::from(i * 7 % 23) - 11.0).collect();
        for (count, m, k, n) in [
            (1, 3, 4, 5),
            (1, 200, 190, 230),
            (5, 9, 31, 8),
            (3, 80, 70, 90),
        ] {
            let a = Matrices {
                entries: &entries,
                starts: (0..count).map(|i| i * 3).collect(),
                rows: m,
                columns: k,
                row_stride: 1,
                column_stride: m + 2,
            };
            let b = Matrices {
                entries: &entries,
                starts: vec![17; count],
                rows: k,
                columns: n,
                row_stride: n + 1,
                column_stride: 1,
            };
            let c = products(&a, &b);
            for index in 0..count {
                for i in 0..m {
                    for j in 0..n {
                        let term = |l: usize| {
                            let left = entries[a.starts[index] + i + l * (m + 2)];
                            left * entries[17 + l * (n + 1) + j]
                        };
                        let expected: f64 = (0..k).map(term).sum();
                        let found = c[(index * m + i) * n + j];
                        assert!((found - expected).abs() < 1e-9, "{count} {m} {k} {n}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "entry 5 of 5")]
    fn memory_that_is_too_short() {
        let a = Matrices {
            entries: &[0f32; 5],
            starts: vec![0],
            rows: 2,
            columns: 3,
            row_stride: 3,
            column_stride: 1,
        };
        let b = Matrices {
            rows: 3,
            columns: 1,
            row_stride: 1,
            ..a.clone()
        };
        products(&a, &b);
    }
}
