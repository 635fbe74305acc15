//! Even potentials whose slope is a linear spline.

use bilevel_backend::piecewise_linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};

/// One potential `ψᵢ` for each of K channels, from its curvatures between the knots 0, 1, 2, …, M.
///
/// ```text
/// ψᵢ''(t) = dᵢⱼ   for j ≤ |t| < j + 1,  j < M;   0 for |t| ≥ M
/// ψᵢ'(t)  = sign(t) ( Σ_{l<j} dᵢₗ + dᵢⱼ (|t| − j) ),   ψᵢ(0) = 0
/// ```
///
/// `ψ'` is a linear spline, constant beyond the last knots, and `ψ` a quadratic one. An evaluation
/// finds the interval of each entry by rounding and looks two numbers up: its cost does not grow
/// with M.
pub(super) struct EvenSpline<B: Backend> {
    /// `dᵢⱼ`: `[K, M]`.
    curvatures: Tensor<B, 2>,
}

impl<B: Backend> EvenSpline<B> {
    /// From `dᵢⱼ`: `[K, M]`.
    pub fn new(curvatures: Tensor<B, 2>) -> Self {
        Self { curvatures }
    }

    /// `ψᵢ(tᵢ)` for maps `[n, K, height, width]`.
    pub fn value(&self, t: Tensor<B, 4>) -> Tensor<B, 4> {
        let intervals = self.intervals(&t);
        let r = t - intervals.left.clone();
        let (value, slope, curvature) = (
            intervals.look_up(self.table(left_value)),
            intervals.look_up(self.table(left_slope)),
            intervals.look_up(self.table(curvature)),
        );
        value + r.clone() * (slope + r * curvature * 0.5)
    }

    /// `ψᵢ'(tᵢ)`.
    pub fn slope(&self, t: Tensor<B, 4>) -> Tensor<B, 4> {
        let at_zero = |j, m, l| left_slope(j, m, l) - j as f64 * curvature(j, m, l);
        self.linear(t, self.table(at_zero), self.table(curvature))
    }

    /// `ψᵢ''(tᵢ)`.
    pub fn curvature(&self, t: Tensor<B, 4>) -> Tensor<B, 4> {
        let table = self.table(curvature);
        let zeros = table.zeros_like();
        self.linear(t, table, zeros)
    }

    /// `aᵢⱼ + sᵢⱼ tᵢ` in the interval j.
    fn linear(&self, t: Tensor<B, 4>, a: Tensor<B, 1>, s: Tensor<B, 1>) -> Tensor<B, 4> {
        let [k, m] = self.curvatures.dims();
        let rows = |table: &Tensor<B, 1>| {
            let table: Tensor<B, 2> = table.clone().reshape([k, 2 * m + 2]);
            table.into_primitive().tensor()
        };
        let whole = t.clone().into_primitive().tensor();
        match piecewise_linear::<B>(&whole, &rows(&a), &rows(&s)) {
            Some(y) => Tensor::from_primitive(TensorPrimitive::Float(y)),
            None => {
                let intervals = self.intervals(&t);
                intervals.look_up(a) + t * intervals.look_up(s)
            }
        }
    }

    /// A linear function of the curvatures for each interval: `[K (2M + 2)]`.
    ///
    /// `weight(j, m, l)` is the weight of `d_l` in the interval `[j, j + 1)`, of −M − 1 to M.
    fn table(&self, weight: impl Fn(i64, i64, i64) -> f64) -> Tensor<B, 1> {
        let [k, m] = self.curvatures.dims();
        let last = m as i64;
        let weights: Vec<f64> = (0..last)
            .flat_map(|l| (-last - 1..=last).map(move |j| (j, l)))
            .map(|(j, l)| weight(j, last, l))
            .collect();
        let weights = TensorData::new(weights, [m, 2 * m + 2]);
        let weights = Tensor::from_data(weights, &self.curvatures.device());
        let table = self.curvatures.clone().matmul(weights);
        table.reshape([k * (2 * m + 2)])
    }

    fn intervals(&self, t: &Tensor<B, 4>) -> Intervals<B> {
        let [k, m] = self.curvatures.dims();
        let count = 2 * m + 2;
        // Shifted to be positive, for `int` rounds to zero.
        let number = (t.clone() + (m + 1) as f64).clamp(0.0, count as f64 - 1.0);
        let number = number.int();
        let left = number.clone().float() - (m + 1) as f64;
        let channel = Tensor::<B, 1, Int>::arange(0..k as i64, &t.device()) * count as i64;
        let index = number + channel.reshape([1, k, 1, 1]);
        Intervals { index, left }
    }
}

/// Where the entries of a tensor lie.
struct Intervals<B: Backend> {
    /// Position in a table.
    index: Tensor<B, 4, Int>,
    /// Left end.
    left: Tensor<B, 4>,
}

impl<B: Backend> Intervals<B> {
    fn look_up(&self, table: Tensor<B, 1>) -> Tensor<B, 4> {
        let dims = self.index.dims();
        let flat = self.index.clone().reshape([dims.iter().product::<usize>()]);
        table.select(0, flat).reshape(dims)
    }
}

/// Weight of `d_l` in `ψ''` on `[j, j + 1)`, with knots up to `m`.
fn curvature(j: i64, m: i64, l: i64) -> f64 {
    let cell = if j >= 0 { j } else { -j - 1 };
    f64::from(u8::from(cell == l && cell < m))
}

/// Weight of `d_l` in `ψ'(j)`.
fn left_slope(j: i64, _: i64, l: i64) -> f64 {
    f64::from(u8::from(l < j.abs())) * j.signum() as f64
}

/// Weight of `d_l` in `ψ(j)`: what `ψ'` adds up to from 0 to `|j|`.
fn left_value(j: i64, _: i64, l: i64) -> f64 {
    let passed = (j.abs() - l).max(0) as f64;
    // Half a unit where the slope rises, then a whole one an interval.
    (passed - 0.5).max(0.0)
}

#[cfg(test)]
mod tests {
    use double_precision::B;

    use super::*;

    /// Two channels, two intervals: the integrals are done by hand.
    #[test]
    fn the_tables_are_the_integrals() {
        let device = Default::default();
        let curvatures = Tensor::<B, 2>::from_data([[2.0, -1.0], [0.5, 4.0]], &device);
        let spline = EvenSpline::new(curvatures);
        let cases = [
            // t, and ψ, ψ', ψ'' of the first channel, then of the second
            (0.0, [0.0, 0.0, 2.0], [0.0, 0.0, 0.5]),
            (0.5, [0.25, 1.0, 2.0], [0.0625, 0.25, 0.5]),
            (1.5, [1.875, 1.5, -1.0], [1.0, 2.5, 4.0]),
            (2.0, [2.5, 1.0, 0.0], [2.75, 4.5, 0.0]),
            (4.0, [4.5, 1.0, 0.0], [11.75, 4.5, 0.0]),
        ];
        for (t, first, second) in cases {
            for sign in [1.0, -1.0] {
                let t = Tensor::<B, 4>::full([1, 2, 1, 1], sign * t, &device);
                let values = [
                    spline.value(t.clone()),
                    spline.slope(t.clone()) * sign,
                    // At a knot the interval further from zero counts.
                    spline.curvature(t + sign * 1e-12),
                ];
                for (i, value) in values.into_iter().enumerate() {
                    let value: Vec<f64> = value.into_data().iter::<f64>().collect();
                    assert!((value[0] - first[i]).abs() < 1e-9, "{i}: {value:?}");
                    assert!((value[1] - second[i]).abs() < 1e-9, "{i}: {value:?}");
                }
            }
        }
    }
}
