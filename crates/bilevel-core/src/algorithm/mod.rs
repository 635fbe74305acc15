//! Bilevel algorithms: one file each.
//!
//! | algorithm | accuracies | step size | use it when |
//! |---|---|---|---|
//! | [`DoubleLoop`] | fixed, those of its parts | yours, with any optimizer | the default |
//! | [`Maid`] | adaptive, certified | adaptive, certified | nothing shall be tuned; all data fit in a step |
//! | [`Isgd`] | on a schedule | on a schedule, with any optimizer | there are many tasks |
//! | [`Hoag`] | on a schedule | adaptive, heuristic | as a baseline |
//! | [`PerturbedAid`](escape::PerturbedAid) and [its kin](escape) | fixed | fixed | the hypergradient may vanish at saddles |
//! | [update rules](rule) such as [`Bome`] and [`Soba`] | none is solved: both levels move at once | fixed | steps have to be cheap |
//!
//! Every step takes the state and the tasks and gives them back with a [`Report`](crate::Report);
//! every `run` ends by a [`Stop`], which can be a budget ([`Cost`]) that all of them count in the
//! same way.

mod cost;
mod double_loop;
pub mod escape;
mod evaluation;
mod goldstein;
mod hoag;
mod isgd;
mod maid;
pub mod rule;
mod sampling;
mod schedule;
mod schedule_free;
mod state;
mod stop;

pub use cost::Cost;
pub use double_loop::{DoubleLoop, Trained};
pub use goldstein::goldstein;
pub use hoag::{Hoag, HoagState, HoagStep};
pub use isgd::{Isgd, IsgdSettings};
pub use maid::{Direction, Maid, MaidSettings, MaidState, MaidStep};
pub use rule::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, Dmlcbo, DmlcboSettings, F2sa, F3sa,
    Fsla, FullBatch, Iterate, MaSoba, Minibatches, Mrbo, Oracle, Pbgd, Penalization, ProblemOracle,
    Pzobo, Rule, Run, RunState, Saba, Soba, Srba, StocBio, Sustain, Ttsa, Vrbo,
};
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use schedule_free::{
    ScheduleFree, ScheduleFreeAdam, ScheduleFreeSgd, ScheduleFreeState, evaluation_point,
};
pub use state::{End, State, Step, Task};
pub use stop::{Stop, Stopped};
