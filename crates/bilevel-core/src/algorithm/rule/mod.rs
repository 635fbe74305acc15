//! Update rules: methods that look at the losses through an oracle and move both levels at once.
//!
//! A [`Rule`] takes the iterate and what it remembers and gives both back; it sees vectors, blocks
//! of samples and derivatives, never a module or a data set. [`ProblemOracle`] makes such an
//! [`Oracle`] of a problem and its samples and counts what is asked of it; [`Run`] makes steps and
//! says how they ended.
//!
//! | rule | second derivatives an iteration | samples | use it when |
//! |---|---|---|---|
//! | [`Bome`] | none | all | `g` has no unique minimiser, or cannot be differentiated twice |
//! | [`Pbgd`] | none, or two products | all | as a baseline of [`Bome`]: its multiplier is fixed |
//! | [`Bvfsm`] | none | all | `g` is not convex |
//! | [`F2sa`], [`F3sa`] | none | blocks | `g` cannot be differentiated twice, data are many |
//! | [`Pzobo`] | none | blocks | x has few entries |
//! | [`Bsg1`] | none | blocks | as a baseline |
//! | [`Soba`] | two products | blocks | `g` is strongly convex, steps have to be cheap |
//! | [`MaSoba`] | two products | blocks | the same, with less noise in x |
//! | [`Saba`] | two products | blocks, a memory of each | the same, and a table fits in memory |
//! | [`Srba`] | four products | blocks, all now and then | the same, without a table |
//! | [`Fsla`] | three products | blocks | as a baseline of [`Soba`] |
//! | [`Amigo`] | n + 1 products | blocks | steps of y are cheap beside those of x |
//! | [`StocBio`], [`Bsa`], [`Ttsa`] | a Neumann series | blocks | as baselines |
//! | [`Dmlcbo`] | a Neumann product | blocks | y is confined to a convex set |
//! | [`Sustain`], [`Mrbo`], [`Vrbo`] | two Neumann series | blocks | as baselines |
//!
//! What they share are values: the [`Directions`] of a [`IterateWithAdjoint`] point, a
//! [`NeumannSeries`], SAGA's table, and [`VarianceReduced`] for directions that are followed from
//! step to step (STORM, SARAH).

mod amigo;
mod bome;
mod bsa;
mod bsg1;
mod bvfsm;
mod directions;
mod dmlcbo;
mod draws;
mod f2sa;
mod f3sa;
mod fsla;
mod gap;
mod iterate;
mod ma_soba;
mod mrbo;
mod neumann_series;
mod oracle;
mod oracle_calls;
mod pbgd;
mod problem_oracle;
mod pzobo;
mod run;
mod saba;
mod saga;
mod soba;
mod srba;
mod stocbio;
mod storm;
mod sustain;
mod ttsa;
mod variance_reduced;
mod vrbo;

pub use amigo::Amigo;
pub use bome::{Barrier, Bome, BomeMemory};
pub use bsa::Bsa;
pub use bsg1::Bsg1;
pub use bvfsm::{Bvfsm, BvfsmMemory, BvfsmSettings};
pub use directions::{Directions, IterateWithAdjoint};
pub use dmlcbo::{Anchor, Dmlcbo, DmlcboMemory, DmlcboSettings, Scaling};
pub use draws::Draws;
pub use f2sa::{F2sa, F2saMemory};
pub use f3sa::{F3sa, F3saEstimates, F3saMemory};
pub use fsla::{Fsla, FslaMemory};
pub use iterate::Iterate;
pub use ma_soba::{Averaged, MaSoba};
pub use mrbo::Mrbo;
pub use neumann_series::{Drawn, NeumannSeries};
pub use oracle::{Block, Blocks, Oracle, SecondDerivatives};
pub use oracle_calls::{Counter, OracleCalls};
pub use pbgd::{Pbgd, Penalization};
pub use problem_oracle::{FullBatch, Minibatches, ProblemOracle};
pub use pzobo::Pzobo;
pub use run::{Run, RunState, StateOf};
pub use saba::{Saba, SabaMemory};
pub use saga::SagaTable;
pub use soba::{Adjoint, Soba};
pub use srba::{Srba, SrbaMemory};
pub use stocbio::StocBio;
pub use storm::StormState;
pub use sustain::Sustain;
pub use ttsa::Ttsa;
pub use variance_reduced::VarianceReduced;
pub use vrbo::{Vrbo, VrboMemory};

use burn::record::Record;
use burn::tensor::backend::Backend;

/// One iteration of a method on both levels.
pub trait Rule<B: Backend> {
    /// What the method keeps from one step to the next, beside the iterate. Saved with it, so that
    /// a run can go on with the same bits.
    type Memory: Record<B> + Clone;

    /// The point nearest to `at` from which the method may start.
    fn admissible(&self, oracle: &dyn Oracle<B>, at: Iterate<B>) -> Iterate<B> {
        oracle.project(at)
    }

    /// The memory before the first step, from an admissible point.
    fn start(&self, oracle: &dyn Oracle<B>, at: &Iterate<B>) -> Self::Memory;

    /// Step `t`, which counts from 0.
    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: Self::Memory,
    ) -> (Iterate<B>, Self::Memory);
}
