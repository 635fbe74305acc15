//! What a worker has to know of its part of the problem.

/// One worker's losses on flat vectors: `G(x, y)`, the upper one, and `g(v, y)`, the lower one.
///
/// ```text
/// min Σᵢ Gᵢ(v, yᵢ)   s.t.   y₁ = … = y_N = z,   ({yᵢ}, z) ∈ argmin Σᵢ gᵢ(v, yᵢ)  s.t. yᵢ = z
/// ```
///
/// [`ModuleProblem`](crate::ModuleProblem) makes one of any
/// [`BilevelProblem`](bilevel_core::BilevelProblem); a problem whose derivatives are known writes
/// them down. Numbers are `f64` here whatever the problem computes in: consensus, multipliers and
/// planes are small differences of large numbers, and their arithmetic costs little beside a
/// gradient.
///
/// ```
/// use bilevel_distributed::{LocalProblem, LowerProducts, UpperGradients};
///
/// /// `G = ½ (y − t)²,   g = ½ (y − a v)²`
/// struct Scalar { a: f64, t: f64 }
///
/// impl LocalProblem for Scalar {
///     fn upper_dim(&self) -> usize { 1 }
///     fn lower_dim(&self) -> usize { 1 }
///     fn upper_gradients(&self, _: &[f64], y: &[f64]) -> UpperGradients {
///         let residual = y[0] - self.t;
///         UpperGradients { loss: residual * residual / 2.0, x: vec![0.0], y: vec![residual] }
///     }
///     fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
///         vec![y[0] - self.a * v[0]]
///     }
///     fn lower_products(&self, _: &[f64], _: &[f64], w: &[f64]) -> LowerProducts {
///         LowerProducts { hessian: vec![w[0]], cross: vec![-self.a * w[0]] }
///     }
/// }
///
/// let problem = Scalar { a: 2.0, t: 1.0 };
/// assert_eq!(problem.lower_gradient(&[1.0], &[2.5]), [0.5]);
/// ```
pub trait LocalProblem {
    /// Entries of x and v.
    fn upper_dim(&self) -> usize;

    /// Entries of y.
    fn lower_dim(&self) -> usize;

    /// `G`, `∇x G`, `∇y G` at (x, y).
    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients;

    /// `∇y g` at (v, y).
    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64>;

    /// `∇²yy g · w` and `∇²vy g · w = ∇v (∇y g · w)` at (v, y).
    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts;
}

/// `G` and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct UpperGradients {
    /// `G`.
    pub loss: f64,
    /// `∇x G`.
    pub x: Vec<f64>,
    /// `∇y G`.
    pub y: Vec<f64>,
}

/// Products with second derivatives of `g`.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerProducts {
    /// `∇²yy g · w`: as long as y.
    pub hessian: Vec<f64>,
    /// `∇²vy g · w`: as long as v.
    pub cross: Vec<f64>,
}

/// A reference to a problem is one.
impl<P: LocalProblem + ?Sized> LocalProblem for &P {
    fn upper_dim(&self) -> usize {
        (**self).upper_dim()
    }

    fn lower_dim(&self) -> usize {
        (**self).lower_dim()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        (**self).upper_gradients(x, y)
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        (**self).lower_gradient(v, y)
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        (**self).lower_products(v, y, w)
    }
}
