//! Update rules: methods that look at the losses through an oracle and move both levels at once.
//!
//! A [`Rule`] takes the iterate and what it remembers and gives both back; it sees vectors, blocks of
//! samples and derivatives, never a module or a data set. [`Sampled`] makes such an [`Oracle`] of a problem
//! and its samples and counts what is asked of it; [`Run`] makes steps and says how they ended.
//!
//! | rule | second derivatives | use it when |
//! |---|---|---|
//! | [`Bome`] | none | `g` has no unique minimiser, or cannot be differentiated twice |
//! | [`Soba`] | two products | `g` is strongly convex, steps have to be cheap |

mod bome;
mod draws;
mod oracle;
mod pair;
mod run;
mod sampled;
mod soba;

pub use bome::{Barrier, Bome, BomeMemory};
pub use draws::Draws;
pub use oracle::{Block, Blocks, Oracle};
pub use pair::Pair;
pub use run::{Run, RunState, StateOf};
pub use sampled::{Calls, Sampled, Samples, Whole};
pub use soba::{Adjoint, Soba};

use burn::record::Record;
use burn::tensor::backend::Backend;

/// One iteration of a method on both levels.
pub trait Rule<B: Backend> {
    /// What the method keeps from one step to the next, beside the iterate. Saved with it, so that a run
    /// can go on with the same bits.
    type Memory: Record<B> + Clone;

    /// The memory before the first step.
    fn start(&self, oracle: &dyn Oracle<B>, at: &Pair<B>) -> Self::Memory;

    /// Step `t`, which counts from 0.
    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Pair<B>,
        memory: Self::Memory,
    ) -> (Pair<B>, Self::Memory);
}
