//! Flat vectors of `f64`: what the master and its workers compute on.

/// `aᵀ b`, summed from the first entry to the last.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_same_length(a, b);
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `a ← a + s b`.
pub(crate) fn add_scaled(a: &mut [f64], s: f64, b: &[f64]) {
    assert_same_length(a, b);
    for (a, b) in a.iter_mut().zip(b) {
        *a += s * b;
    }
}

/// `s (a − b)`.
pub(crate) fn scaled_difference(s: f64, a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_same_length(a, b);
    a.iter().zip(b).map(|(a, b)| s * (a - b)).collect()
}

/// `‖a − b‖²`.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    assert_same_length(a, b);
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Whether every entry is finite.
pub(crate) fn is_finite(a: &[f64]) -> bool {
    a.iter().all(|v| v.is_finite())
}

fn assert_same_length(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len(), "two vectors differ in length");
}
