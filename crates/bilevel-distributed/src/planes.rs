//! Cutting planes: the polyhedron that stands for the lower problem.

use serde::{Deserialize, Serialize};

use crate::flat::{add_scaled, dot};
use crate::{Lower, Relaxation};

/// One cutting plane, with its multiplier.
///
/// ```text
/// aᵀv + Σᵢ bᵢᵀyᵢ + cᵀz + κ ≤ 0
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Which one: counted from the first of the run.
    pub id: u64,
    /// `a`, as long as v.
    pub a: Vec<f64>,
    /// `{bᵢ}`, each as long as y.
    pub b: Vec<Vec<f64>>,
    /// `c`, as long as z.
    pub c: Vec<f64>,
    /// `κ`.
    pub kappa: f64,
    /// `λ`.
    pub lambda: f64,
    /// `bᵢᵀyᵢ` at the newest known `yᵢ`.
    products: Vec<f64>,
    /// For how many iterations λ has been 0.
    idle: u32,
}

impl Plane {
    /// The linearisation of `h ≤ ε` at (v, `at`): `h(p) + ∇h(p)ᵀ(· − p) ≤ ε`. Its multiplier is 0.
    pub fn new(id: u64, relaxation: Relaxation, epsilon: f64, v: &[f64], at: &Lower) -> Self {
        let Relaxation { value, v: a, lower } = relaxation;
        let products: Vec<f64> = lower.y.iter().zip(&at.y).map(|(b, y)| dot(b, y)).collect();
        let kappa =
            value - dot(&a, v) - products.iter().sum::<f64>() - dot(&lower.z, &at.z) - epsilon;
        Self {
            id,
            a,
            b: lower.y,
            c: lower.z,
            kappa,
            lambda: 0.0,
            products,
            idle: 0,
        }
    }

    /// `aᵀv + Σᵢ bᵢᵀyᵢ + cᵀz + κ`.
    pub fn value(&self, v: &[f64], at: &Lower) -> f64 {
        let of_y = self.b.iter().zip(&at.y).map(|(b, y)| dot(b, y));
        dot(&self.a, v) + of_y.sum::<f64>() + dot(&self.c, &at.z) + self.kappa
    }
}

/// When a plane is of no more use. Looked at where planes are refreshed.
///
/// A multiplier that overshoots to 0 makes its plane look useless while it is needed: where
/// multipliers rise fast, as far from the set, pruning lets the point leave it again and again.
/// Then lower `η_λ`, or prune [`Never`](Self::Never): the number of planes is bounded anyway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Prune {
    /// Its multiplier was 0 after each of the last two iterations: the paper's.
    IdleTwice,
    /// Its multiplier is below this: 1e-10 in the authors' program.
    Below(
        /// The smallest multiplier that keeps a plane.
        f64,
    ),
    /// Never.
    Never,
}

/// The planes in force: `P^t`.
///
/// ```
/// use bilevel_distributed::{Lower, Planes, Prune, Relaxation};
///
/// // h(y) = y² at y = 1, with ε = ¼:  1 + 2 (y − 1) ≤ ¼
/// let at = Lower { y: vec![vec![1.0]], z: vec![0.0] };
/// let lower = Lower { y: vec![vec![2.0]], z: vec![0.0] };
/// let mut planes = Planes::default();
/// planes.add(Relaxation { value: 1.0, v: vec![0.0], lower }, 0.25, &[0.0], &at, 10);
/// assert_eq!(planes.as_slice()[0].value(&[0.0], &at), 0.75);
/// // λ ← max(0, λ + η (value − c λ))
/// planes.ascend(2.0, 0.0, f64::INFINITY, &[0.0], &[0.0]);
/// assert_eq!(planes.lambda(), [1.5]);
/// assert!(planes.prune(Prune::IdleTwice).is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Planes {
    planes: Vec<Plane>,
    made: u64,
}

impl Planes {
    /// The planes, the oldest first.
    pub fn as_slice(&self) -> &[Plane] {
        &self.planes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.planes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.planes.is_empty()
    }

    /// Which ones they are.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.planes.iter().map(|plane| plane.id).collect()
    }

    /// `{λ_l}`.
    pub fn lambda(&self) -> Vec<f64> {
        self.planes.iter().map(|plane| plane.lambda).collect()
    }

    /// Multipliers, and for how long they have been 0.
    pub(crate) fn multipliers(&self) -> Vec<(f64, u32)> {
        let of = |plane: &Plane| (plane.lambda, plane.idle);
        self.planes.iter().map(of).collect()
    }

    /// Undoes an ascent.
    pub(crate) fn restore(&mut self, multipliers: Vec<(f64, u32)>) {
        for (plane, (lambda, idle)) in self.planes.iter_mut().zip(multipliers) {
            (plane.lambda, plane.idle) = (lambda, idle);
        }
    }

    /// `s ← s + Σ_l λ_l a_l`.
    pub(crate) fn add_a(&self, s: &mut [f64]) {
        for plane in &self.planes {
            add_scaled(s, plane.lambda, &plane.a);
        }
    }

    /// `s ← s + Σ_l λ_l c_l`.
    pub(crate) fn add_c(&self, s: &mut [f64]) {
        for plane in &self.planes {
            add_scaled(s, plane.lambda, &plane.c);
        }
    }

    /// Worker `i` is at `y` now.
    pub(crate) fn moved(&mut self, i: usize, y: &[f64]) {
        for plane in &mut self.planes {
            plane.products[i] = dot(&plane.b[i], y);
        }
    }

    /// None is in force from now on; new ones go on being counted.
    pub(crate) fn clear(&mut self) {
        self.planes.clear();
    }

    /// `λ_l ← min(max(0, λ_l + η (value_l − c λ_l)), largest)` at (v, z) and the newest known `yᵢ`.
    pub fn ascend(&mut self, eta: f64, c: f64, largest: f64, v: &[f64], z: &[f64]) {
        for plane in &mut self.planes {
            let of_y = plane.products.iter().sum::<f64>();
            let value = dot(&plane.a, v) + of_y + dot(&plane.c, z) + plane.kappa;
            plane.lambda = (plane.lambda + eta * (value - c * plane.lambda)).clamp(0.0, largest);
            let is_zero = plane.lambda <= 0.0;
            plane.idle = if is_zero {
                plane.idle.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// Removes the planes that are of no more use; returns their ids.
    pub fn prune(&mut self, rule: Prune) -> Vec<u64> {
        let useless = |plane: &Plane| match rule {
            Prune::IdleTwice => plane.idle >= 2,
            Prune::Below(smallest) => plane.lambda < smallest,
            Prune::Never => false,
        };
        let gone = self.planes.iter().filter(|plane| useless(plane));
        let gone = gone.map(|plane| plane.id).collect();
        self.planes.retain(|plane| !useless(plane));
        gone
    }

    /// Adds the plane of a relaxation; the one of the smallest multiplier makes room where there
    /// are `most`.
    ///
    /// # Panics
    /// If `most` is 0.
    pub fn add(
        &mut self,
        relaxation: Relaxation,
        epsilon: f64,
        v: &[f64],
        at: &Lower,
        most: usize,
    ) {
        assert!(most > 0, "room for 0 planes");
        while self.planes.len() >= most {
            let lambda = |&i: &usize| self.planes[i].lambda;
            let order = |a: &usize, b: &usize| lambda(a).total_cmp(&lambda(b));
            let smallest = (0..self.planes.len()).min_by(order).expect("a plane");
            self.planes.remove(smallest);
        }
        let plane = Plane::new(self.made, relaxation, epsilon, v, at);
        self.made += 1;
        self.planes.push(plane);
    }
}
