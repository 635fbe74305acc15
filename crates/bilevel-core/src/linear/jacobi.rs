//! Preconditioning with the diagonal.

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::cached_product::CachedProduct;
use super::{LinearOperator, LinearSolver};
use crate::vector::{epsilon, is_finite};
use crate::{Solution, Status, Tolerance, Vector, WithTolerance};

/// The operator `D^-½ A D^-½`.
pub struct Scaled<'a, B: Backend> {
    /// `A`.
    pub operator: &'a dyn LinearOperator<B>,
    /// The diagonal of `D^-½`, in the shape of the vectors.
    pub scale: Vector<B>,
}

impl<B: Backend> LinearOperator<B> for Scaled<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.operator.apply(v * self.scale.clone()) * self.scale.clone()
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.operator.apply_transposed(v * self.scale.clone()) * self.scale.clone()
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.operator.apply_at_solution(q * self.scale.clone()) * self.scale.clone()
    }
}

/// Solves the system scaled by the diagonal of `A`, which Hutchinson's probes estimate.
///
/// ```text
/// D = |1/m Σ z ⊙ A z|,  z of random signs        (D^-½ A D^-½) p = D^-½ b,  q = D^-½ p
/// ```
///
/// Pays where the diagonal spans orders of magnitude, as with weights of different layers. The
/// estimate of an entry has the variance `2/m` times the squares of the other entries of its row;
/// it is exact for a diagonal `A`. Costs `m` products before `solver` begins. The tolerance of
/// `solver` is that of the scaled system; residual and status are those of `A q = b`.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{ConjugateGradient, Jacobi, LinearSolver, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// type B = Cpu;
/// let d = Vector::<B>::from_data([[1.0, 1e3, 1e6]], &Default::default());
/// let a = |v: Vector<B>| v * d.clone();
/// let solver = ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(1e-9) };
/// let q = Jacobi { probes: 1, seed: 0, solver }.solve(&a, d.clone(), None);
/// assert_eq!(q.steps, 1); // three without
/// ```
///
/// # References
/// Hutchinson (1990), Commun. Stat. Simul. 19(2); Bekas, Kokiopoulou, Saad (2007), "An estimator
/// for the diagonal of a matrix", Appl. Numer. Math. 57.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jacobi<S> {
    /// Probes `m`, at least 1.
    pub probes: usize,
    /// Seed of the probes.
    pub seed: u64,
    /// Solves the scaled system.
    pub solver: S,
}

/// Entries of `D` below this part of the row's largest are raised to it.
const FLOOR: f64 = 16.0;

impl<S: WithTolerance> WithTolerance for Jacobi<S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            solver: self.solver.map_tolerance(other),
            ..*self
        }
    }
}

impl<S> Jacobi<S> {
    /// `D`, row by row.
    fn diagonal<B: Backend>(&self, a: &dyn LinearOperator<B>, like: &Vector<B>) -> Vector<B> {
        assert!(self.probes > 0, "Jacobi needs at least one probe");
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut sum = like.zeros_like();
        for _ in 0..self.probes {
            let z = signs(like, &mut rng);
            sum = sum + z.clone() * a.apply(z);
        }
        let d = (sum / self.probes as f64).abs();
        let largest = d.clone().max_dim(1);
        // A row of zeros stays as it is.
        let zero = largest.clone().equal_elem(0.0);
        let floor = (largest * (FLOOR * epsilon(like))).mask_fill(zero, 1.0);
        let floor = floor.expand(d.shape());
        d.max_pair(floor)
    }
}

impl<B: Backend, S: LinearSolver<B>> LinearSolver<B> for Jacobi<S> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        if let Some(q) = &start {
            assert_eq!(q.dims(), b.dims(), "start and right side differ in shape");
        }
        let a = CachedProduct::new(a);
        let root = self.diagonal(&a, &b).sqrt();
        if !is_finite(root.clone()) {
            let q = start.unwrap_or_else(|| b.zeros_like());
            a.apply_at_solution(q.clone());
            return Solution {
                residual: a.residual(b, &q),
                value: q,
                status: Status::NonFinite,
                steps: 0,
            };
        }
        let scaled = Scaled {
            operator: &a,
            scale: root.clone().recip(),
        };
        let right = b.clone() / root.clone();
        let start = start.map(|q| q * root.clone());
        let solution = self.solver.solve(&scaled, right, start);
        let solution = Solution {
            value: solution.value / root,
            ..solution
        };
        a.judged(b, self.solver.tolerance(), solution)
    }

    fn vectors(&self, dim: usize) -> usize {
        self.solver.vectors(dim) + 3
    }

    fn tolerance(&self) -> Option<Tolerance> {
        self.solver.tolerance()
    }
}

/// Random signs in the shape of `like`.
fn signs<B: Backend>(like: &Vector<B>, rng: &mut ChaCha8Rng) -> Vector<B> {
    let [systems, dim] = like.dims();
    let sign = |_| if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 };
    let signs: Vec<f64> = (0..systems * dim).map(sign).collect();
    Vector::from_data(TensorData::new(signs, [systems, dim]), &like.device())
}
