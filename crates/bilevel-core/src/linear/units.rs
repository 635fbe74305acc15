//! Right sides whose squares cannot be computed.

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;

use super::LinearOperator;
use super::cached_product::CachedProduct;
use crate::vector::{epsilon, read};
use crate::{Solution, Vector};

/// Rows whose largest entry lies between `2^−20` and `2^20` are solved as they are.
const MODERATE: f64 = 20.0;

/// `solve`, which gets the units as its last argument, for `b` in units of each row's largest
/// entry, powers of two, if one of them is very small or large.
///
/// ```text
/// A q' = b / u,   q = u q'
/// ```
///
/// Solvers compare squares of norms, which vanish in `f32` for numbers below 1e-19. Division by a
/// power of two does not round: the same bits come out wherever both can be computed. A start is of
/// no use then, for it is of another size. Costs a read from the device, and one more where rows
/// are scaled.
pub(super) fn in_units<B: Backend>(
    a: &dyn LinearOperator<B>,
    b: Vector<B>,
    start: Option<Vector<B>>,
    solve: impl FnOnce(
        &dyn LinearOperator<B>,
        Vector<B>,
        Option<Vector<B>>,
        Option<Vector<B>>,
    ) -> Solution<Vector<B>>,
) -> Solution<Vector<B>> {
    let powers: Vec<f64> = read(b.clone().abs().max_dim(1))
        .iter()
        .map(|size| size.log2().floor())
        .collect();
    // Of zero, and of what is not finite, there is no power.
    let extreme = |power: &f64| power.is_finite() && power.abs() > MODERATE;
    if !powers.iter().any(extreme) {
        return solve(a, b, start, None);
    }
    // Powers that the float type has.
    let largest = match epsilon(&b) < 1e-10 {
        true => 1000.0,
        false => 126.0,
    };
    let unit = |power: f64| match extreme(&power) {
        true => power.clamp(-largest, largest).exp2(),
        false => 1.0,
    };
    let units: Vec<f64> = powers.into_iter().map(unit).collect();
    let units = TensorData::new(units, [b.dims()[0], 1]);
    let units = Vector::from_data(units, (&b.device(), b.dtype()));
    let a = CachedProduct::new(a);
    let scaled = InUnits {
        a: &a,
        units: units.clone(),
    };
    let right = b.clone() / units.clone();
    let solution = solve(&scaled, right, None, Some(units.clone()));
    let value = solution.value * units;
    Solution {
        residual: a.residual(b, &value),
        value,
        ..solution
    }
}

/// `A` for vectors in units of their rows.
struct InUnits<'a, B: Backend> {
    a: &'a dyn LinearOperator<B>,
    units: Vector<B>,
}

impl<B: Backend> LinearOperator<B> for InUnits<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply(v)
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply_transposed(v)
    }

    // What the operator does at the solution it does in its own units.
    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.a.apply_at_solution(q * self.units.clone()) / self.units.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::largest;
    use crate::{
        ConjugateGradient, Gmres, Jacobi, LinearSolver, Minres, NormalEquations, Richardson,
        Status, Tolerance,
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

    /// Rows are systems of their own: a small one beside a large one is solved too.
    #[test]
    fn rows_of_very_different_sizes_are_solved() {
        double_precision::in_single_precision(|| {
            let cg = ConjugateGradient {
                max_steps: 10,
                tolerance: Tolerance::Relative(1e-6),
            };
            let b = Vector::<Cpu>::from_data([[1.0], [1e-25], [0.0], [1e25]], &Default::default());
            let twice = |v: Vector<Cpu>| v * 2.0;
            // A start of another size does no harm.
            let q = cg.solve(&twice, b.clone(), Some(b.ones_like()));
            assert_eq!(q.status, Status::Converged);
            for (q, exact) in read(q.value).into_iter().zip([0.5, 5e-26, 0.0, 5e24]) {
                assert!((q - exact).abs() <= 1e-6 * exact, "{q:e}, {exact:e}");
            }
        });
    }

    /// An absolute tolerance has the unit of b, also where b is solved in units of its own.
    #[test]
    fn absolute_tolerances_are_kept_at_every_scale() {
        double_precision::in_single_precision(|| {
            let device = Default::default();
            let diagonal = Vector::<Cpu>::from_data([[1.0, 2.0, 40.0]], &device);
            let a = |v: Vector<Cpu>| v * diagonal.clone();
            for s in [1e-30, 1.0, 1e30] {
                let b = Vector::from_data([[3.0 * s, 4.0 * s, 5.0 * s]], &device);
                let steps = |digits: f64| {
                    let cg = ConjugateGradient {
                        max_steps: 10,
                        tolerance: Tolerance::Absolute(digits * s),
                    };
                    let q = cg.solve(&a, b.clone(), None);
                    assert_eq!(q.status, Status::Converged, "{s:e}");
                    assert!(q.residual <= 1.001 * digits * s, "{s:e}: {:e}", q.residual);
                    q.steps
                };
                assert_eq!([10.0, 4.0, 1e-3].map(steps), [0, 2, 3], "{s:e}");
            }
        });
    }

    #[test]
    fn small_and_large_right_sides_are_solved() {
        double_precision::in_single_precision(|| {
            let (max_steps, tolerance) = (100, 1e-6);
            let cg = ConjugateGradient {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            };
            let minres = Minres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            };
            let gmres = Gmres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            };
            let richardson = Richardson {
                step_size: 0.5,
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
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
            check("normal equations", NormalEquations(cg));
            check("Jacobi", jacobi);
        });
    }
}
