//! The three directions of a single-loop method.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Block, Iterate, Oracle};
use crate::Vector;

/// Where lower variable, adjoint and upper variable want to go, or a memory of that.
///
/// ```text
/// D_y = ∇y g_I(x, y),   D_q = ∇²yy g_I(x, y) q − ∇y f_J(x, y),   D_x = ∇x f_J(x, y) − ∇²xy g_I(x, y) q
/// ```
///
/// On all samples they vanish together at a stationary point: `y = y*(x)`, `q` the adjoint there,
/// and `D_x` the hypergradient.
#[derive(Record, Clone, Debug)]
pub struct Directions<B: Backend> {
    /// Of y: `[systems, dim y]`.
    pub y: Vector<B>,
    /// Of q: `[systems, dim y]`.
    pub q: Vector<B>,
    /// Of x: `[1, dim x]`.
    pub x: Vector<B>,
}

/// An iterate and the adjoint that moves along with it.
#[derive(Record, Clone, Debug)]
pub struct IterateWithAdjoint<B: Backend> {
    /// `(x, y)`.
    pub at: Iterate<B>,
    /// `q`: `[systems, dim y]`.
    pub q: Vector<B>,
}

impl<B: Backend> IterateWithAdjoint<B> {
    /// The directions here on the blocks `i` of `g` and `j` of `f`.
    ///
    /// One gradient of each loss, one Hessian product, one cross product.
    pub fn directions(&self, oracle: &dyn Oracle<B>, i: Block, j: Block) -> Directions<B> {
        let g = oracle.second(i, &self.at, &self.q);
        let f = oracle.upper_gradients(j, &self.at);
        Directions {
            y: g.gradient,
            q: g.hessian - f.y,
            x: f.x - g.cross,
        }
    }

    /// `(x − γ D_x, y − ρ D_y, q − ρ D_q)`, x projected.
    pub fn step(self, oracle: &dyn Oracle<B>, d: Directions<B>, rho: f64, gamma: f64) -> Self {
        let at = Iterate {
            x: self.at.x - d.x * gamma,
            y: self.at.y - d.y * rho,
        };
        Self {
            at: oracle.project(at),
            q: self.q - d.q * rho,
        }
    }
}
