//! Estimators of the hypergradient `dF/dx`, `F(x) = f(x, y*(x))`.
//!
//! # Which estimator when
//!
//! `K`: steps of the estimator or its linear solver; `N`: directions; gradients are of `g` unless
//! said otherwise and without the one of a certificate, an HVP is a product with `∇²yy g` (about
//! 2.2 gradients), memory is counted in vectors of the size of `y` beyond the tape of one pass.
//! Every estimator also takes one gradient of `f`.
//!
//! | estimator | use it when | gradients | HVPs | memory | error |
//! |---|---|---|---|---|---|
//! | [`ImplicitDifferentiation`] + [`ConjugateGradient`] | the lower problem is solved and strongly convex: the default | 0–1 | K + 1 | 6 | `O(ε + δ/μ)`, certified |
//! | [`ImplicitDifferentiation`] + [`Minres`] | its Hessian is singular or indefinite | 0–1 | K + 1 | 9 | as above |
//! | [`ImplicitDifferentiation`] + [`Neumann`] or [`Richardson`] | η of the lower solver is known, the condition number small | 0–1 | K + 1 | 5 | `(1 − ημ)^K` |
//! | [`ImplicitDifferentiation`] + [`Nystrom`] | few large eigenvalues; products in parallel | 0–1 | rank + 1 | 2 rank | unseen eigenvalues / ρ |
//! | [`ConstrainedImplicit`] + [`Gmres`] | y is confined to a convex set | 0 | K + 1 | K + 8 | `O(ε + δ/μ)` away from kinks |
//! | [`ConstrainedNeumann`] | y is confined to a convex set, by projections alone | 1 | K random | 3 | bias `(1 − ημ)^K`, variance |
//! | [`JacobianFree`] | one product must do, the direction is enough | 0–1 | 1 | 1 | a biased direction |
//! | [`OneStep`] | online: one lower step an upper step | 1 | 1 | 2 | `(1 − ημ)` of the whole |
//! | [`Darts`] | as [`OneStep`], without second derivatives | 3 | 0 | 2 | + differences |
//! | [`Unrolled`], all steps kept | few lower steps, start or step sizes matter | K | K | K | `(1 − ημ)^K` |
//! | [`Unrolled`], last k kept | long solves | K | k | k | `(1 − ημ)^k` |
//! | [`Unrolled`], in a budget of bytes | long solves, exactly | K and up, [a table](Unrolled) | K | what you give | `(1 − ημ)^K` |
//! | [`ForwardMode`] | few upper variables | K | K · dim x | dim x | equals [`Unrolled`] |
//! | [`PartialGradient`] | `∇y f = 0` at the solution, as in minimax problems | 1 | 0 | 0 | the implicit term |
//! | [`StochasticNeumann`] | data come in batches | 0 | K random | 3 | bias `(1 − ημ)^K`, variance |
//! | [`ZerothOrder`] | nothing can be differentiated twice | (N + 1) K | 0 | 2 | variance `dim x / N` |
//! | [`Penalty`] | as above, smooth lower problem, a second solve is cheap | K + 3, K + 3 of f | 0 | 2 | `O(1/λ)` |
//!
//! [`ConjugateGradient`]: crate::ConjugateGradient
//! [`Gmres`]: crate::Gmres
//! [`Minres`]: crate::Minres
//! [`Neumann`]: crate::Neumann
//! [`Richardson`]: crate::Richardson
//! [`Nystrom`]: crate::Nystrom

mod bregman;
mod certificate;
mod checkpoint_schedule;
mod constants;
mod constrained_implicit;
mod constrained_neumann;
mod darts;
mod estimate_builder;
mod forward_mode;
mod implicit;
mod jacobian_free;
mod lower_map;
mod one_step;
mod partial_gradient;
mod penalty;
mod product_counter;
mod step_size;
mod stochastic_neumann;
mod unrolled;
mod zeroth_order;

pub use bregman::Bregman;
pub use certificate::{Bound, Certificate, Curvature, Evidence, Memory};
pub use checkpoint_schedule::CheckpointSchedule;
pub use constants::{Constants, Probe};
pub use constrained_implicit::ConstrainedImplicit;
pub use constrained_neumann::ConstrainedNeumann;
pub(crate) use constrained_neumann::RandomTerm;
pub use darts::Darts;
pub use forward_mode::ForwardMode;
pub use implicit::ImplicitDifferentiation;
pub use jacobian_free::JacobianFree;
pub use lower_map::{Adam, Descent, HeavyBall, LowerMap, Nesterov, PullBack};
pub use one_step::OneStep;
pub use partial_gradient::PartialGradient;
pub use penalty::{Penalized, Penalty};
pub use step_size::{Learned, PerParameter, StepSize};
pub use stochastic_neumann::{NeumannForm, StochasticNeumann};
pub use unrolled::{Checkpointing, Plan, Unrolled};
pub use zeroth_order::ZerothOrder;

use bilevel_backend::Tape;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;

use crate::parameters::unpack_gradients;
use crate::{Differentiable, Failure, Point, TwiceDifferentiable, Vector};

/// A hypergradient, how it was come by, and how far it can be trusted.
#[derive(Debug, Clone)]
pub struct Estimate<B: Backend> {
    /// `f(x, y)`.
    pub loss: f64,
    /// The estimate of `dF/dx`: `[1, dim x]`.
    pub gradient: Vector<B>,
    /// The y at which it was made, the point's own or where the estimator's steps ended:
    /// `[systems, dim y]`.
    pub y: Vector<B>,
    /// The adjoint `q` with `∇²yy g · q = ∇y f`, the next estimate's warm start: `[systems, dim
    /// y]`.
    pub adjoint: Option<Vector<B>>,
    /// What was measured on the way.
    pub certificate: Certificate,
    /// Set if the numbers are of no use, with the reason.
    pub failure: Option<Failure>,
}

impl<B: Backend> Estimate<B> {
    /// The gradient in the parameters of `x`, for any optimizer of Burn.
    ///
    /// # Panics
    /// If `x` has another number of entries than the gradient, with both numbers.
    pub fn grads<M: Module<Tape<B>>>(&self, x: &M) -> GradientsParams {
        unpack_gradients(x, self.gradient.clone())
    }
}

/// The hypergradient at a solved y: exact second derivatives, and an adjoint by conjugate gradients
/// to a millionth.
///
/// ```text
/// dF/dx = ∇x f − ∇²xy g · q      where      ∇²yy g · q = ∇y f
/// ```
///
/// [`ImplicitDifferentiation`] with its defaults, for a training loop of your own: `y` is near a
/// minimiser of `g(x, ·)` however it was found, [`Estimate::grads`] goes into an optimizer of Burn,
/// and [`Estimate::certificate`] says how far y and the adjoint are from solutions. For another
/// estimator see [`Point::hypergradient`].
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// use burn::optim::{Optimizer, SgdConfig};
///
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let At { mut x, y, batch } = scalar(1.0, 0.5);
/// let h = hypergradient(&Scalar, &x, &y, &batch);
/// assert!((h.loss - 0.045).abs() < 1e-12 && h.failure.is_none());
/// let mut optimizer = SgdConfig::new().init();
/// let grads = h.grads(&x);
/// x = optimizer.step(1.0, x, grads);
/// assert!((x.value.val().into_data().to_vec::<f64>().unwrap()[0] - 0.85).abs() < 1e-12);
/// println!("{}", h.certificate);
/// ```
///
/// # Panics
/// If x, y and the data are not all on one device.
pub fn hypergradient<B: Backend, P: TwiceDifferentiable<B>>(
    problem: &P,
    x: &P::Upper<Tape<B>>,
    y: &P::Lower<Tape<B>>,
    batch: &P::Batch<B>,
) -> Estimate<B> {
    Point::new(problem, x, y, batch).hypergradient(&ImplicitDifferentiation::default())
}

/// An estimator of the hypergradient.
///
/// All of them may be called at a point whose `y` is (nearly) `y*(x)`. Those that make lower steps
/// of their own ([`Unrolled`], [`ForwardMode`], [`OneStep`], [`Darts`], [`ZerothOrder`]) begin them
/// at the point's `y`, which can be any.
pub trait Hypergradient<B: Backend, P: Differentiable<B>> {
    /// The estimate at `point`.
    ///
    /// `warm` is the adjoint of an earlier estimate on the same batch. `seed` is what the random
    /// numbers of the estimate depend on, and nothing else: give every estimate another one. Most
    /// estimators draw none. What a loss draws itself, as dropout does, it does not decide: a loss
    /// has to be the same each time it is evaluated in an estimate
    /// ([`dropout_mask`](crate::dropout_mask) makes it so).
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>, seed: u64) -> Estimate<B>;
}

/// A boxed estimator is one.
impl<B: Backend, P: Differentiable<B>, H: Hypergradient<B, P> + ?Sized> Hypergradient<B, P>
    for Box<H>
{
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>, seed: u64) -> Estimate<B> {
        (**self).estimate(point, warm, seed)
    }
}
