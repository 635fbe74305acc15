//! Methods that leave saddle points of `Φ(x) = f(x, y*(x))`.
//!
//! A hypergradient method stops wherever the hypergradient vanishes. These ones tell a minimum from
//! a saddle:
//!
//! | method | leaves a saddle by | use it when |
//! |---|---|---|
//! | [`PerturbedAid`] | a random displacement, then descent | the lower level is strongly convex; deterministic |
//! | [`PerturbedGdMax`] | the same | minimax problems: no second derivatives at all |
//! | [`Prgda`] | a displacement, then descent until it has moved far enough | steps of fixed length are wanted |
//! | [`Ineon`] | a direction of negative curvature, found by differences | hypergradients are stochastic |
//!
//! All of them receive Φ as an [`Objective`]; [`ReducedObjective`] makes one of a problem, a lower
//! solver and an estimator, warm from point to point. [`lowest_curvature`] measures where a run
//! ended.
//!
//! # References
//! Huang, Chen, Ji, Ma, Lai (2025), "Efficiently escaping saddle points in bilevel optimization",
//! JMLR 26(1), arXiv:2202.03684.

mod ineon;
mod lanczos;
mod minimax;
mod objective;
mod perturbation;
mod perturbed_aid;
mod perturbed_gdmax;
mod prgda;
mod run;

pub use ineon::{Ineon, IneonSearch};
pub use lanczos::{Eigenpair, LanczosSettings, lowest_curvature};
pub use minimax::{Minimax, MinimaxProblem};
pub use objective::{Objective, ReducedObjective, ValueAndGradient};
pub use perturbation::Perturbation;
pub use perturbed_aid::PerturbedAid;
pub use perturbed_gdmax::PerturbedGdMax;
pub use prgda::Prgda;
pub use run::{Escape, EscapeEnd, IterationInfo, in_ball};
