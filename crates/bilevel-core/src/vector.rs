//! Vectors outside the tape: one row per independent system.

use std::cell::Cell;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// One row per independent system: `[systems, dim]`.
///
/// The weights of a network are one row; `n` images that are reconstructed independently are `n`
/// rows, so that every solver has one step size per image.
pub type Vector<B> = Tensor<B, 2>;

/// Inner products of the rows: `[systems, 1]`.
///
/// # Panics
/// If the shapes differ, with both of them.
pub fn dot<B: Backend>(a: Vector<B>, b: Vector<B>) -> Vector<B> {
    (a * b).sum_dim(1)
}

/// Euclidean norms of the rows: `[systems, 1]`.
///
/// Squares vanish below the root of the smallest number and overflow above that of the largest, in
/// `f32` at about 1e-19 and 1e19: [`norms`] does not mind.
pub fn norm<B: Backend>(a: Vector<B>) -> Vector<B> {
    a.square().sum_dim(1).sqrt()
}

/// Euclidean norms of the rows, read from the device, whatever the size of the entries.
///
/// One read; three where squares may have vanished or overflowed, and then by `m ‖a / m‖`, m the
/// row's largest entry.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::vector::{Vector, norm, norms, read};
///
/// let small = Vector::<Cpu>::from_data([[3e-30, 4e-30]], &Default::default());
/// assert!((norms(small.clone())[0] * 1e30 - 5.0).abs() < 1e-6);
/// assert_eq!(read(norm(small)), [0.0]); // in f32
/// ```
pub fn norms<B: Backend>(a: Vector<B>) -> Vec<f64> {
    let plain = read(norm(a.clone()));
    if plain.iter().all(|norm| (1e-15..1e15).contains(norm)) {
        return plain;
    }
    let largest = a.clone().abs().max_dim(1);
    let scale = largest.clone().mask_fill(largest.equal_elem(0.0), 1.0);
    let (scaled, scale) = (read(norm(a / scale.clone())), read(scale));
    scaled.iter().zip(scale).map(|(norm, m)| norm * m).collect()
}

/// `a / b` entry by entry, zero where `b` is.
pub(crate) fn quotient<B: Backend>(a: Vector<B>, b: Vector<B>) -> Vector<B> {
    let zero = b.clone().equal_elem(0.0).expand(a.shape());
    (a / b).mask_fill(zero, 0.0)
}

/// Whether every entry is finite. One read from the device.
pub(crate) fn is_finite<B: Backend>(a: Vector<B>) -> bool {
    // 0 · v is 0 for finite v and NaN else; norms overflow before entries do.
    read((a * 0.0).sum_dim(1))
        .iter()
        .all(|zero| zero.is_finite())
}

/// Reads a vector back from the device, row by row. This waits for the device.
pub fn read<B: Backend>(a: Vector<B>) -> Vec<f64> {
    READS.set(READS.get() + 1);
    a.into_data().iter::<f64>().collect()
}

thread_local!(static READS: Cell<usize> = const { Cell::new(0) });

/// How often this thread has waited for a device in [`read`] so far: what solvers and estimators
/// read they read there.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::vector::{Vector, read, reads};
///
/// let before = reads();
/// read(Vector::<Cpu>::zeros([1, 3], &Default::default()));
/// assert_eq!(reads() - before, 1);
/// ```
pub fn reads() -> usize {
    READS.get()
}

/// The largest of `values`, NaN if any of them is NaN.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(
        f64::NEG_INFINITY,
        |m, &v| if v > m || v.is_nan() { v } else { m },
    )
}

/// Distance from 1 to the next number of the float type of `a`.
pub fn epsilon<B: Backend, const D: usize>(a: &Tensor<B, D>) -> f64 {
    a.dtype()
        .finfo()
        .expect("a float tensor holds floats")
        .epsilon
}

#[cfg(test)]
mod tests {
    use super::*;
    use bilevel_backend::Cpu;
    use burn::tensor::DType;
    use double_precision::B;

    #[test]
    fn rows_are_separate() {
        let a = Vector::<B>::from_data([[3.0, 4.0], [1.0, 0.0]], &Default::default());
        assert_eq!(read(norm(a.clone())), [5.0, 1.0]);
        assert_eq!(read(dot(a.clone(), a)), [25.0, 1.0]);
    }

    #[test]
    fn largest_does_not_hide_nan() {
        assert!(largest(&[1.0, f64::NAN, 2.0]).is_nan());
        assert!(largest(&[f64::NAN, 2.0]).is_nan());
        assert_eq!(largest(&[1.0, -3.0]).to_bits(), 1f64.to_bits());
    }

    #[test]
    fn epsilon_is_of_the_float_type() {
        let device = Default::default();
        let one = |dtype| Vector::<Cpu>::ones([1, 1], (&device, dtype));
        assert!((epsilon(&one(DType::F64)) - f64::EPSILON).abs() < 1e-30);
        assert!((epsilon(&one(DType::F32)) - f64::from(f32::EPSILON)).abs() < 1e-30);
    }
}
