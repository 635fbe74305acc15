//! Stationarity where the hypergradient jumps.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Vector;
use crate::random::in_ball;
use crate::vector::read;

/// An upper bound on the Goldstein (δ, ·)-stationarity of a point.
///
/// ```text
/// min ‖Σ λ_i g_i‖  over λ in the simplex,   g_i = ∇F(x + δ u_i),   u₀ = 0, the others uniform in the ball
/// ```
///
/// At a kink of F no gradient is small, but their convex hull may hold zero: that is what (δ,
/// ε)-stationarity asks. With more samples the bound falls towards the value it bounds. `gradient`
/// is asked `samples` times.
///
/// # References
/// Goldstein (1977), "Optimization of Lipschitz continuous functions", Mathematical Programming 13;
/// Burke, Lewis, Overton (2005), "A robust gradient sampling algorithm for nonsmooth, nonconvex
/// optimization", SIAM J. Optim. 15(3).
pub fn goldstein<B: Backend>(
    x: &Vector<B>,
    delta: f64,
    samples: usize,
    seed: u64,
    mut gradient: impl FnMut(Vector<B>) -> Vector<B>,
) -> f64 {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let gradients: Vec<Vec<f64>> = (0..samples.max(1))
        .map(|i| {
            let at = if i == 0 {
                x.clone()
            } else {
                x.clone() + in_ball(x, delta, rng)
            };
            read(gradient(at))
        })
        .collect();
    shortest(&gradients)
}

/// The length of the shortest vector of a convex hull, by Frank and Wolfe's method with steps away
/// from vertices.
fn shortest(points: &[Vec<f64>]) -> f64 {
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut weights = vec![0.0f64; points.len()];
    weights[0] = 1.0;
    let mut hull = points[0].clone();
    for _ in 0..100 * points.len() {
        let slopes: Vec<f64> = points.iter().map(|point| inner(point, &hull)).collect();
        let here = inner(&hull, &hull);
        let least = |a: &usize, b: &usize| slopes[*a].total_cmp(&slopes[*b]);
        let toward = (0..points.len()).min_by(least).expect("a point");
        let away = (0..points.len())
            .filter(|i| weights[*i] > 0.0)
            .max_by(least)
            .expect("weights sum to one");
        if here - slopes[toward] <= 1e-14 * here {
            break;
        }
        let forward = here - slopes[toward] >= slopes[away] - here;
        let (vertex, limit) = if forward {
            (toward, 1.0)
        } else {
            let weight = weights[away];
            (away, weight / (1.0 - weight).max(f64::MIN_POSITIVE))
        };
        let sign = if forward { 1.0 } else { -1.0 };
        let direction: Vec<f64> = points[vertex]
            .iter()
            .zip(&hull)
            .map(|(point, hull)| sign * (point - hull))
            .collect();
        let curvature = inner(&direction, &direction);
        let step = (-inner(&direction, &hull) / curvature.max(f64::MIN_POSITIVE)).clamp(0.0, limit);
        weights.iter_mut().for_each(|w| *w *= 1.0 - sign * step);
        weights[vertex] += sign * step;
        weights[vertex] = weights[vertex].max(0.0);
        hull.iter_mut()
            .zip(&direction)
            .for_each(|(h, d)| *h += step * d);
    }
    inner(&hull, &hull).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use double_precision::B;

    #[test]
    fn the_shortest_vector_of_a_hull() {
        // A triangle around zero, one beside it (foot (1, 0)), one whose nearest point is a corner.
        let around = [vec![1.0, 0.0], vec![-1.0, 1.0], vec![-1.0, -1.0]];
        assert!(shortest(&around) < 1e-7);
        let beside = [vec![1.0, 3.0], vec![1.0, -2.0], vec![4.0, 0.0]];
        assert!((shortest(&beside) - 1.0).abs() < 1e-9);
        let corner = [vec![3.0, 4.0], vec![6.0, 4.0], vec![3.0, 9.0]];
        assert!((shortest(&corner) - 5.0).abs() < 1e-9);
    }

    /// `F = |x|`: stationary at 0.05 for δ = 0.1, not for δ = 0.01.
    #[test]
    fn a_kink_is_seen_from_within_the_radius() {
        let x = Vector::<B>::from_data([[0.05]], &Default::default());
        let of = |delta: f64| goldstein(&x, delta, 30, 1, |x| x.sign());
        assert!(of(0.1) < 1e-7);
        assert!((of(0.01) - 1.0).abs() < 1e-12);
    }
}
