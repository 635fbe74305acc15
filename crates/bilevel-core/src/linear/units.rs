//! Right sides whose squares cannot be computed.

use burn::tensor::backend::Backend;

use super::LinearOperator;
use crate::vector::{largest, read};
use crate::{Solution, Vector};

/// Right sides whose largest entry lies between `2^−20` and `2^20` are solved as they are.
const MODERATE: f64 = 20.0;
/// Powers of two that every float type has.
const LARGEST: f64 = 126.0;

/// `solve` for `b` in units of its largest entry, a power of two, if that is very small or large.
///
/// ```text
/// A q' = b / u,   q = u q'
/// ```
///
/// Solvers compare squares of norms, which vanish in `f32` for numbers below 1e-19. Division by a power of two
/// does not round: the same bits come out wherever both can be computed. Costs a read from the device.
pub(super) fn in_units<B: Backend>(
    a: &dyn LinearOperator<B>,
    b: Vector<B>,
    start: Option<Vector<B>>,
    solve: impl FnOnce(&dyn LinearOperator<B>, Vector<B>, Option<Vector<B>>) -> Solution<Vector<B>>,
) -> Solution<Vector<B>> {
    let size = largest(&read(b.clone().abs().max_dim(1)));
    let power = size.log2().floor();
    // Of zero and of what is not finite too.
    if !power.is_finite() || power.abs() <= MODERATE {
        return solve(a, b, start);
    }
    let unit = power.clamp(-LARGEST, LARGEST).exp2();
    let start = start.map(|q| q / unit);
    let solution = solve(&InUnits { a, unit }, b / unit, start);
    Solution {
        value: solution.value * unit,
        residual: solution.residual * unit,
        ..solution
    }
}

/// `A` for vectors in units of `unit`.
struct InUnits<'a, B: Backend> {
    a: &'a dyn LinearOperator<B>,
    unit: f64,
}

impl<B: Backend> LinearOperator<B> for InUnits<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply(v)
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply_transposed(v)
    }

    // What the operator does at the solution it does in its own units.
    fn finish(&self, q: Vector<B>) -> Vector<B> {
        self.a.finish(q * self.unit) / self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ConjugateGradient, Gmres, Jacobi, LinearSolver, Minres, Normal, Richardson, Status,
    };
    use bilevel_backend::Cpu;

    /// `diag(1, 2) q = b` with `b = s (3, 4)`.
    fn check<S: LinearSolver<Cpu>>(name: &str, solver: S) {
        for power in [-36, -30, -20, -8, 0, 8, 20, 30, 36] {
            let s = 10f64.powi(power);
            let device = Default::default();
            let diagonal = Vector::<Cpu>::from_data([[1.0, 2.0]], &device);
            let a = |v: Vector<Cpu>| v * diagonal.clone();
            let b = Vector::from_data([[3.0 * s, 4.0 * s]], &device);
            let q = solver.solve(&a, b, None);
            assert_eq!(q.status, Status::Converged, "{name}, {s:e}");
            let exact = [3.0, 2.0];
            let off = read(q.value).into_iter().zip(exact);
            let off: Vec<f64> = off.map(|(q, exact)| (q / s - exact).abs()).collect();
            assert!(largest(&off) < 1e-5, "{name}, {s:e}: {off:?}");
            assert!(q.residual < 1e-5 * s, "{name}, {s:e}: {:e}", q.residual);
        }
    }

    #[test]
    fn small_and_large_right_sides_are_solved() {
        double_precision::in_single_precision(|| {
            let (max_steps, tolerance) = (100, 1e-6);
            let cg = ConjugateGradient {
                max_steps,
                tolerance,
            };
            let minres = Minres {
                max_steps,
                tolerance,
            };
            let gmres = Gmres {
                max_steps,
                tolerance,
            };
            let richardson = Richardson {
                learning_rate: 0.5,
                max_steps,
                tolerance,
            };
            let jacobi = Jacobi {
                probes: 4,
                seed: 0,
                solver: cg,
            };
            check("conjugate gradients", cg);
            check("MINRES", minres);
            check("GMRES", gmres);
            check("Richardson", richardson);
            check("normal equations", Normal(cg));
            check("Jacobi", jacobi);
        });
    }
}
