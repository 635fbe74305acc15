//! Asynchronous distributed bilevel optimization: a master, workers, and what carries their
//! messages.
//!
//! ```text
//! min_v Σᵢ Gᵢ(v, z)   s.t.   z = argmin_z Σᵢ gᵢ(v, z)          worker i holds Gᵢ and gᵢ
//! ```
//!
//! | part | choices |
//! |---|---|
//! | a worker's losses | [`ModuleProblem`] of any [`BilevelProblem`](bilevel_core::BilevelProblem); any [`LocalProblem`] whose derivatives are known |
//! | method | [`Adbo`] (waits for S of N workers), [`Sdbo`] (for all), [`Cpbo`] (one process), [`FedNest`] (hypergradients) |
//! | [communicator] | [`InProcess`](communicator::InProcess) (threads), [`Simulated`](communicator::Simulated) (virtual time, faults), `ZenohMaster` (processes; feature `zenoh`) |
//!
//! The method is the same under every communicator: who is waited for is decided by [`ActiveSet`],
//! which knows no clock and no threads; what is said is in [`message`]. Iterates are flat vectors
//! of `f64`; a message may carry them in `f32`. Results depend only on the order in which answers
//! are taken, which the [state](AdboState) logs.
//!
//! Numerics end in a [`Stopped`], beside the last good state; a mistake in a setting, a file or a
//! connection is an [`Error`]; a broken contract (two lengths that do not fit) panics.

mod active_set;
mod adbo;
pub mod communicator;
mod cpbo;
mod error;
mod estimate;
mod fednest;
mod flat;
mod local_problem;
pub mod message;
mod module_problem;
mod planes;
mod regularization;
mod sdbo;
mod worker;

pub use active_set::{ActiveSet, AnswerKind, Decision, OnLoss, Participation};
pub use adbo::{
    Adbo, AdboSettings, AdboState, Arrival, Checkpoint, Cuts, Observer, Report, Steps, Stop,
    Stopped, Traffic, WorkerState,
};
pub use cpbo::{Cpbo, CpboReport, CpboSettings, CpboState};
pub use error::{Error, ErrorKind};
pub use estimate::{EstimateSettings, Lower, LowerEstimate, PullBack, Relaxation};
pub use fednest::{FedNest, FedNestSettings, FedNestState};
pub use local_problem::{LocalProblem, LowerProducts, UpperGradients};
pub use module_problem::ModuleProblem;
pub use planes::{Plane, Planes, Prune};
pub use regularization::Regularization;
pub use sdbo::Sdbo;
pub use worker::Worker;

/// The example in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
