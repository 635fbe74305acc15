//! The generalized minimal residual method.

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;

use super::units::in_units;
use super::{LinearOperator, LinearSolver, begin, reached, residuals};
use crate::setters;
use crate::vector::{dot, epsilon, largest, norm, quotient, read};
use crate::{Solution, Status, Tolerance, Vector, WithTolerance};

/// Generalized minimal residuals for any `A`, symmetric or not, without restarts.
///
/// ```text
/// Arnoldi:  h_ij = v_iᵀ A v_j,   h_j+1,j v_j+1 = A v_j − Σ_i h_ij v_i
/// q = q₀ + V z,   z = argmin ‖‖r₀‖ e₁ − H z‖
/// ```
///
/// The residual is the smallest over the Krylov space and never grows; exact in `dim` steps. Holds
/// one vector a step. For maps that are not symmetric, and for nearly singular symmetric ones where
/// [`Minres`](super::Minres) loses its orthogonality. Costs one product a step, one for the final
/// residual, one more for a warm start, and one read a step.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{Gmres, LinearSolver, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// type B = Cpu;
/// let turn = |v: Vector<B>| v.flip([1]) * Vector::from_data([[-1.0, 1.0]], &Default::default());
/// let b = Vector::<B>::from_data([[3.0, 4.0]], &Default::default());
/// let q = Gmres { max_steps: 2, tolerance: Tolerance::Relative(1e-12) }.solve(&turn, b, None);
/// let value = q.value.into_data().to_vec::<f64>().unwrap();
/// assert!((value[0] - 4.0).abs() < 1e-12 && (value[1] + 3.0).abs() < 1e-12);
/// ```
///
/// # References
/// Saad, Schultz (1986), "GMRES: A Generalized Minimal Residual Algorithm for Solving Nonsymmetric
/// Linear Systems", SIAM J. Sci. Stat. Comput. 7(3).
///
/// # Differences from the paper
/// Vectors are orthogonalised twice, so that the basis stays orthogonal to rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gmres {
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖b − A q‖` is that small in every row.
    pub tolerance: Tolerance,
}

/// 50 steps at most, to a millionth of `‖b‖`.
impl Default for Gmres {
    fn default() -> Self {
        Self {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-6),
        }
    }
}

setters!(Gmres {
    max_steps: usize,
    tolerance: Tolerance
});

impl WithTolerance for Gmres {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..*self
        }
    }
}

impl Gmres {
    fn solve_moderate<B: Backend>(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
        units: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let epsilon = epsilon(&b);
        let goals = read(self.tolerance.bounds(&b, units));
        let (first, r) = begin(a, &b, start);
        let beta = norm(r.clone());
        let mut rows: Vec<LeastSquares> = read(beta.clone())
            .iter()
            .zip(&goals)
            .map(|(&beta, &goal)| LeastSquares::new(beta, goal, 64.0 * epsilon))
            .collect();
        let mut finite = rows.iter().all(|row| row.residual().is_finite());
        let mut basis = vec![quotient(r, beta)];
        let mut steps = 0;
        while finite && steps < self.max_steps && rows.iter().any(|row| row.open) {
            let mut w = a.apply(basis[steps].clone());
            let size = norm(w.clone());
            let mut h: Vec<Vector<B>> = vec![size.zeros_like(); steps + 1];
            for _ in 0..2 {
                for (h, v) in h.iter_mut().zip(&basis) {
                    let part = dot(w.clone(), v.clone());
                    w = w - v.clone() * part.clone();
                    *h = h.clone() + part;
                }
            }
            let next = norm(w.clone());
            // What is left of a vector in the span of the others is rounding.
            let spanned = next.clone().lower_equal(size * (8.0 * epsilon));
            let next = next.mask_fill(spanned, 0.0);
            basis.push(quotient(w, next.clone()));
            h.push(next);
            let columns = read(Vector::cat(h, 1));
            finite = columns.iter().all(|h| h.is_finite());
            if !finite {
                break;
            }
            steps += 1;
            for (row, column) in rows.iter_mut().zip(columns.chunks(steps + 1)) {
                row.push(column);
            }
        }
        let z: Vec<Vec<f64>> = rows.iter().map(|row| row.solution(steps)).collect();
        let q = (0..steps).fold(first, |q, j| {
            let z: Vec<f64> = z.iter().map(|z| z[j]).collect();
            let z = Vector::from_data(TensorData::new(z, [rows.len(), 1]), &b.device());
            q + basis[j].clone() * z
        });
        let residuals = residuals(a, &b, &q);
        let status = if !finite || residuals.iter().any(|r| !r.is_finite()) {
            Status::NonFinite
        } else if reached(&residuals, &goals) {
            Status::Converged
        } else if rows.iter().any(|row| row.singular) {
            Status::Breakdown
        } else {
            Status::MaxSteps
        };
        Solution {
            value: q,
            status,
            steps,
            residual: largest(&residuals),
        }
    }
}

impl<B: Backend> LinearSolver<B> for Gmres {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        in_units(a, b, start, |a, b, start, units| {
            self.solve_moderate(a, b, start, units)
        })
    }

    fn vectors(&self, dim: usize) -> usize {
        self.max_steps.min(dim) + 5
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.tolerance)
    }
}

/// `min ‖β e₁ − H z‖` of one row, kept triangular by rotations.
struct LeastSquares {
    /// Columns of the triangle.
    r: Vec<Vec<f64>>,
    /// Rotations `(c, s)`.
    rotations: Vec<(f64, f64)>,
    /// The rotated right side.
    g: Vec<f64>,
    goal: f64,
    /// Relative size of what is rounding.
    rounding: f64,
    /// Whether the row takes further columns.
    open: bool,
    /// Whether the Krylov space is complete and has no solution.
    singular: bool,
}

impl LeastSquares {
    fn new(beta: f64, goal: f64, rounding: f64) -> Self {
        Self {
            r: Vec::new(),
            rotations: Vec::new(),
            g: vec![beta],
            goal,
            rounding,
            open: beta > goal,
            singular: false,
        }
    }

    fn residual(&self) -> f64 {
        self.g[self.g.len() - 1].abs()
    }

    fn push(&mut self, column: &[f64]) {
        if !self.open {
            return;
        }
        let length = column.iter().map(|h| h * h).sum::<f64>().sqrt();
        let mut r = column.to_vec();
        for (i, &(c, s)) in self.rotations.iter().enumerate() {
            (r[i], r[i + 1]) = (c * r[i] + s * r[i + 1], c * r[i + 1] - s * r[i]);
        }
        let next = r.pop().expect("a column has an entry below the diagonal");
        let j = r.len() - 1;
        let gamma = r[j].hypot(next);
        // A column in the span of the others, up to rounding: the space is complete, the system singular.
        if gamma <= self.rounding * length {
            (self.open, self.singular) = (false, true);
            return;
        }
        let (c, s) = (r[j] / gamma, next / gamma);
        r[j] = gamma;
        let last = self.g[j];
        self.g[j] = c * last;
        self.g.push(-s * last);
        self.r.push(r);
        self.rotations.push((c, s));
        self.open = self.residual() > self.goal && next > 0.0;
    }

    /// `z`, with zeros up to `length`.
    fn solution(&self, length: usize) -> Vec<f64> {
        let n = self.r.len();
        let mut z = vec![0.0; length];
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| self.r[j][i] * z[j]).sum();
            z[i] = (self.g[i] - known) / self.r[i][i];
        }
        z
    }
}
