//! Smoothness constants of a problem, stated or probed.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::parameters::{pack, unpack};
use crate::random::unit;
use crate::vector::{epsilon, largest, norm, norms, read};
use crate::{Differentiable, Point, SecondOrder, Vector};

/// What is known of the smoothness of a problem's losses, of each system for itself. `None`: not
/// known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Constants {
    /// `μ`: g is μ-strongly convex in y.
    pub strong_convexity: Option<f64>,
    /// `L_f`: Lipschitz constant of `∇y f` in y.
    pub upper_smoothness: Option<f64>,
    /// `J`: bound on `‖∇²xy g‖`.
    pub cross_norm: Option<f64>,
    /// `L_J`: Lipschitz constant of `∇²xy g` in y; 0 for quadratic g.
    pub cross_lipschitz: Option<f64>,
    /// `L_H`: Lipschitz constant of `∇²yy g` in y; 0 for quadratic g.
    pub hessian_lipschitz: Option<f64>,
    /// `L_d`: Lipschitz constant of `∇x f` in y; 0 if f does not depend on x.
    pub direct_lipschitz: Option<f64>,
}

impl Constants {
    fn fields(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("strong_convexity", self.strong_convexity),
            ("upper_smoothness", self.upper_smoothness),
            ("cross_norm", self.cross_norm),
            ("cross_lipschitz", self.cross_lipschitz),
            ("hessian_lipschitz", self.hessian_lipschitz),
            ("direct_lipschitz", self.direct_lipschitz),
        ]
    }

    /// Names of the constants that are not known.
    pub fn missing(&self) -> Vec<&'static str> {
        let fields = self.fields().into_iter();
        fields
            .filter_map(|(name, value)| value.is_none().then_some(name))
            .collect()
    }

    /// The worse of both, constant by constant: the smaller μ, the larger of the others.
    pub(crate) fn worst(self, other: Constants) -> Constants {
        let worst = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        let largest = |a, b| worst(a, b, f64::max);
        Constants {
            strong_convexity: worst(self.strong_convexity, other.strong_convexity, f64::min),
            upper_smoothness: largest(self.upper_smoothness, other.upper_smoothness),
            cross_norm: largest(self.cross_norm, other.cross_norm),
            cross_lipschitz: largest(self.cross_lipschitz, other.cross_lipschitz),
            hessian_lipschitz: largest(self.hessian_lipschitz, other.hessian_lipschitz),
            direct_lipschitz: largest(self.direct_lipschitz, other.direct_lipschitz),
        }
    }

    /// These, and where one is missing the other's.
    pub fn or(self, other: Constants) -> Constants {
        Constants {
            strong_convexity: self.strong_convexity.or(other.strong_convexity),
            upper_smoothness: self.upper_smoothness.or(other.upper_smoothness),
            cross_norm: self.cross_norm.or(other.cross_norm),
            cross_lipschitz: self.cross_lipschitz.or(other.cross_lipschitz),
            hessian_lipschitz: self.hessian_lipschitz.or(other.hessian_lipschitz),
            direct_lipschitz: self.direct_lipschitz.or(other.direct_lipschitz),
        }
    }
}

/// Estimates of the constants near a point, by random probes and power iterations.
///
/// ```text
/// J:           power iteration on CᵀC, C = ∇²xy g
/// μ:           L − (largest eigenvalue of L I − ∇²yy g), L by power iteration
/// L_H, L_J:    max ‖(H(y + d) − H(y)) v‖ / ‖d‖ ‖v‖   over random d, v
/// L_f, L_d:    max ‖∇f(y + d) − ∇f(y)‖ / ‖d‖          over random d
/// ```
///
/// Probes find maxima from below and minima from above: a bound computed from them is an estimate
/// and no certificate; one that is not finite is not given. The systems share the constants: the
/// worst of them counts. Costs about `6 probes` products and as many cross terms.
///
/// # References
/// The practical estimates that MAID (Salehi et al. 2025, arXiv:2308.10098) runs with.
///
/// # Differences from the paper
/// Norms by power iteration instead of one probe, which falls short by tens of percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Steps of each power iteration and number of random directions.
    pub probes: usize,
    /// Size of `d` relative to `1 + ‖y‖`.
    pub radius: f64,
    /// Seed of the directions.
    pub seed: u64,
}

impl Probe {
    /// The constants around `point`.
    pub fn constants<B, P, D>(&self, point: Point<'_, B, P>, second_order: &D) -> Constants
    where
        B: Backend,
        P: Differentiable<B>,
        D: SecondOrder<B, P>,
    {
        assert!(self.probes > 0, "constants need at least one probe");
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let y = pack(point.y, point.systems());
        let x = pack(point.x, 1);
        let mut draw = |like: &Vector<B>| unit(like, &mut rng);
        let g = second_order.at(point);

        let smoothness = self.top(draw(&y), |v| g.apply(v));
        let gap = self.top(draw(&y), |v| v.clone() * smoothness - g.apply(v));
        let cross_squared = self.top(draw(&x), |u| g.cross(g.cross_transposed(u)));

        let f = point.upper_gradients();
        let [mut l_h, mut l_j, mut l_f, mut l_d] = [const { Vec::new() }; 4];
        for _ in 0..self.probes {
            let size = (norm(y.clone()) + 1.0) * self.radius;
            let d = draw(&y) * size.clone();
            let moved = unpack(point.y.clone(), y.clone() + d);
            let moved = Point { y: &moved, ..point };
            let there = second_order.at(moved);
            let v = draw(&y);
            let change = there.apply(v.clone()) - g.apply(v.clone());
            l_h.extend(read(norm(change) / size.clone()));
            // The rows add up in the cross term and in ∇x f: an orthogonal sum bounds the largest.
            let smallest = size.clone().min_dim(0);
            let change = there.cross(v.clone()) - g.cross(v);
            l_j.extend(read(norm(change) / smallest.clone()));
            let f_there = moved.upper_gradients();
            l_f.extend(read(norm(f_there.y - f.y.clone()) / size));
            l_d.extend(read(norm(f_there.x - f.x.clone()) / smallest));
        }
        // Differences below rounding are none.
        let floor = epsilon(&y) * 64.0 / self.radius;
        let clean = |values: Vec<f64>, scale: f64| {
            let value = largest(&values);
            let value = if value <= floor * scale { 0.0 } else { value };
            value.is_finite().then_some(value)
        };
        let cross_norm = cross_squared.sqrt();
        let p = largest(&norms(f.y));
        Constants {
            strong_convexity: Some(smoothness - gap).filter(|mu| *mu > 0.0),
            upper_smoothness: clean(l_f, p),
            cross_norm: Some(cross_norm).filter(|j| j.is_finite()),
            cross_lipschitz: clean(l_j, cross_norm),
            hessian_lipschitz: clean(l_h, smoothness),
            direct_lipschitz: clean(l_d, norms(f.x)[0]),
        }
    }

    /// Products that [`constants`](Self::constants) makes, about.
    pub(crate) fn products(&self) -> usize {
        6 * self.probes
    }

    /// Largest eigenvalue of a positive semidefinite map, the largest of the rows'.
    fn top<B: Backend>(&self, mut v: Vector<B>, map: impl Fn(Vector<B>) -> Vector<B>) -> f64 {
        let mut value = norm(v.clone());
        for _ in 0..self.probes {
            v = v / value.clamp_min(f64::from(f32::MIN_POSITIVE));
            v = map(v);
            value = norm(v.clone());
        }
        largest(&read(value))
    }
}
