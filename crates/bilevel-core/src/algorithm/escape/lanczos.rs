//! The smallest eigenvalue of the hyper-Hessian.

use burn::tensor::backend::Backend;
use nalgebra::{DMatrix, SymmetricEigen};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Objective;
use crate::Vector;
use crate::random::unit;
use crate::vector::{dot, norms, read};

/// How [`lowest_curvature`] looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanczosSettings {
    /// Products with the Hessian, at most.
    pub steps: usize,
    /// Half the distance of the two gradients of a product.
    pub radius: f64,
}

/// Curvature along a direction.
#[derive(Debug, Clone)]
pub struct Eigenpair<B: Backend> {
    /// `λ`, an upper bound on the smallest eigenvalue.
    pub value: f64,
    /// Its direction, of length one: `[1, dim x]`.
    pub direction: Vector<B>,
}

impl<B: Backend> Eigenpair<B> {
    /// Whether a point with this lowest curvature and a gradient of this length is an approximate
    /// local minimum: `‖∇Φ‖ ≤ ε` and `λ ≥ −curvature`.
    pub fn is_local_minimum(&self, gradient_norm: f64, epsilon: f64, curvature: f64) -> bool {
        gradient_norm <= epsilon && self.value >= -curvature
    }
}

/// The smallest eigenvalue of `∇²Φ(x)` by Lanczos' method on differences of hypergradients.
///
/// ```text
/// H v ≈ (∇Φ(x + h v) − ∇Φ(x − h v))/(2h)
/// ```
///
/// Costs two hypergradients a step; exact in `dim x` steps, up to the error of the differences.
/// Directions are orthogonalised against all earlier ones, which are kept.
///
/// # References
/// Lanczos (1950), J. Res. Nat. Bur. Standards 45(4); Golub, Van Loan (2013), "Matrix
/// Computations", 10.1.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::Vector;
/// use bilevel_core::algorithm::escape::{LanczosSettings, lowest_curvature};
///
/// Cpu::use_f64().expect("the first tensors");
/// // Φ = ½ x₁² − ½ x₂²
/// type B = Cpu;
/// let device = Default::default();
/// let signs = Vector::<B>::from_data([[1.0, -1.0]], &device);
/// let mut saddle = |x: &Vector<B>, _: u64| (0.0, x.clone() * signs.clone());
/// let x = Vector::<B>::from_data([[0.3, 0.2]], &device);
/// let found = lowest_curvature(&mut saddle, &x, LanczosSettings { steps: 10, radius: 1e-4 }, 0);
/// assert!((found.value + 1.0).abs() < 1e-9);
/// ```
pub fn lowest_curvature<B: Backend>(
    objective: &mut dyn Objective<B>,
    x: &Vector<B>,
    LanczosSettings { steps, radius: h }: LanczosSettings,
    seed: u64,
) -> Eigenpair<B> {
    let [_, dim] = x.dims();
    let steps = steps.clamp(1, dim);
    let mut basis: Vec<Vector<B>> = vec![unit(x, &mut ChaCha8Rng::seed_from_u64(seed))];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut scale = 0.0f64;
    for k in 0..steps {
        let v = basis[k].clone();
        let [there, back] = [h, -h].map(|h| {
            let x = x.clone() + v.clone() * h;
            objective.evaluate(&x, seed).gradient
        });
        let mut w = (there - back) / (2.0 * h);
        diagonal.push(read(dot(w.clone(), v))[0]);
        for _ in 0..2 {
            for q in &basis {
                w = w.clone() - q.clone() * dot(w, q.clone());
            }
        }
        let beta = norms(w.clone())[0];
        scale = scale.max(diagonal[k].abs()).max(beta);
        // An invariant space: nothing new is left.
        if k + 1 == steps || beta <= 1e-10 * scale || !beta.is_finite() {
            break;
        }
        beside.push(beta);
        basis.push(w / beta);
    }
    let size = diagonal.len();
    let matrix = DMatrix::from_fn(size, size, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    });
    if matrix.iter().any(|entry| !entry.is_finite()) {
        let direction = basis.swap_remove(0);
        return Eigenpair {
            value: f64::NAN,
            direction,
        };
    }
    let eigen = SymmetricEigen::new(matrix);
    let lowest = eigen.eigenvalues.imin();
    let weights = eigen.eigenvectors.column(lowest);
    let parts = basis.into_iter().zip(weights.iter());
    let direction = parts
        .map(|(q, weight)| q * *weight)
        .reduce(|sum, part| sum + part)
        .expect("one direction at least");
    Eigenpair {
        value: eigen.eigenvalues[lowest],
        direction,
    }
}
