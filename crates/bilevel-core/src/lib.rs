//! Bilevel optimization on Burn: problems, solvers, hypergradients, algorithms.
//!
//! ```text
//! min_x F(x) = f(x, y*(x))   where   y*(x) = argmin_y g(x, y)
//! ```
//!
//! `x` is the **upper** variable (elsewhere: outer, meta, leader, hyperparameter), `y` the
//! **lower** one (inner, task, follower). The gradient of `F` is the **hypergradient**. A user
//! writes the two losses as a [`BilevelProblem`]; everything else is a choice of parts, by type:
//!
//! ```text
//! BilevelProblem → LowerSolver → Hypergradient (SecondOrder, LinearSolver) → optimizer → Report → Observer
//! ```
//!
//! | part | choices |
//! |---|---|
//! | [`LowerSolver`] | [`GradientDescent`], [`Accelerated`]; [`ProjectedGradient`] onto any [`Projection`] |
//! | [`LinearSolver`] | [`ConjugateGradient`], [`Minres`], [`Gmres`], [`Neumann`], [`Richardson`], [`Nystrom`], [`Dense`]; around them [`NormalEquations`], [`Damping`], [`Jacobi`], [`ReadEvery`] |
//! | [`SecondOrder`] | [`DoubleBackward`] (exact), [`CentralDifference`] (one tape) |
//! | [`Hypergradient`] | [`ImplicitDifferentiation`], [`ConstrainedImplicit`], [`ConstrainedNeumann`], [`JacobianFree`], [`Unrolled`], [`ForwardMode`], [`OneStep`], [`Darts`], [`PartialGradient`], [`StochasticNeumann`], [`ZerothOrder`], [`Penalty`]: [which when](mod@hypergradient#which-estimator-when) |
//! | algorithm | [`DoubleLoop`], [`Maid`], [`Isgd`], [`Hoag`], [`Bome`], [`Soba`]: [which when](algorithm); any optimizer of `burn::optim`, [`ScheduleFreeSgd`], [`ScheduleFreeAdam`] |
//!
//! Every [`Estimate`] carries a [`Certificate`] of what was measured on the way; [`audit()`]
//! compares any estimator with finite differences of the solved problem.
//!
//! Numerics end in a [`Status`], never in an error and never in silence; a mistake in a setting is
//! an [`Error`]; a broken contract (two shapes that do not fit) panics with both shapes.

pub mod algorithm;
pub mod audit;
mod configuration;
pub mod derivative;
mod error;
mod failure;
pub mod hypergradient;
pub mod linear;
pub mod lower;
pub mod parallel;
pub mod parameters;
mod problem;
pub mod projection;
mod random;
mod read_every;
mod report;
mod solution;
mod tolerance;
pub mod vector;

pub use algorithm::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, Cost, Direction, Dmlcbo, DmlcboSettings,
    DoubleLoop, End, F2sa, F3sa, Fsla, FullBatch, Hoag, HoagState, HoagStep, Isgd, IsgdSettings,
    Iterate, MaSoba, Maid, MaidSettings, MaidState, MaidStep, Minibatches, Mrbo, Oracle, Pbgd,
    Penalization, ProblemOracle, Pzobo, Rule, Run, RunState, Saba, Sampling, Schedule,
    ScheduleFree, ScheduleFreeAdam, ScheduleFreeSgd, ScheduleFreeState, Soba, Srba, State, Step,
    StocBio, Stop, Stopped, Sustain, Task, Trained, Ttsa, Vrbo, evaluation_point,
};
pub use audit::{Audit, Finding, Settings as AuditSettings, audit};
pub use bilevel_backend::Tape;
pub use derivative::{
    CentralDifference, DoubleBackward, GradientBackward, LossGradients, LowerHessian,
    LowerObjective, Point, SecondOrder, Unreached,
};
pub use error::{Error, ErrorKind, positive};
pub use failure::{Cause, Failure, Phase};
pub use hypergradient::{
    Bound, Certificate, Checkpointing, Constants, ConstrainedImplicit, ConstrainedNeumann, Darts,
    Estimate, ForwardMode, Hypergradient, ImplicitDifferentiation, JacobianFree, NeumannForm,
    OneStep, PartialGradient, Penalty, Probe, StochasticNeumann, Unrolled, ZerothOrder,
    hypergradient,
};
pub use linear::{
    ConjugateGradient, Damping, Dense, Gmres, Jacobi, LinearOperator, LinearSolver, Minres,
    Neumann, NormalEquations, Nystrom, Richardson,
};
pub use lower::{
    Accelerated, Backtracking, FixedLipschitz, GradientDescent, LipschitzConstant, LowerSolver,
    PowerIteration, ProjectedGradient,
};
pub use problem::{BilevelProblem, Differentiable, TwiceDifferentiable};
pub use projection::Projection;
pub use random::dropout_mask;
pub use read_every::ReadEvery;
pub use report::{Accuracy, Observer, Report};
pub use solution::{Outcome, Solution, Status};
pub use tolerance::{Tolerance, WithTolerance};
pub use vector::Vector;

/// The example in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
