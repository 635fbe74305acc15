//! Bilevel optimization for deep learning on [Burn](https://burn.dev): the gradient of a solved
//! problem.
//!
//! Write two losses, choose the parts by type, and train what the inner problem cannot see: the
//! filters of an image regularizer, the weights of training samples, regularization parameters.
//!
//! ```text
//! min_x F(x) = f(x, y*(x))   where   y*(x) = argmin_y g(x, y)
//! ```
//!
//! This crate is the front door: it re-exports [`bilevel_core`] at its root and the others as
//! modules.
//!
//! | to | use |
//! |---|---|
//! | state a problem | [`BilevelProblem`] |
//! | solve its lower level | [`Accelerated`], [`GradientDescent`] |
//! | differentiate the solution | [`ImplicitDifferentiation`] with [`ConjugateGradient`]; [which estimator when](mod@hypergradient#which-estimator-when) |
//! | check that it is right | [`audit()`] |
//! | train | [`DoubleLoop`] or [`Isgd`] with any optimizer of `burn::optim`, [`Maid`] without any setting: [which when](algorithm) |
//! | train where the data are | [`distributed`] |
//! | learn a denoiser, clean data, learn from few samples | [`models`], [`data`] |
//! | choose where to compute | [`backend`] |
//!
//! # Example: learning a regularization weight
//!
//! The program `examples/weight_decay.rs`:
//!
//! ```
#![doc = include_str!("../examples/weight_decay.rs")]
//! ```
//!
//! Where you have a training loop already, take the gradient alone: [`hypergradient()`] (`examples/own_loop.rs`).

pub use bilevel_core::*;

/// Where to compute: `Cpu`, `Wgpu` (feature `wgpu`), and `Tape` of any of them.
pub mod backend {
    pub use bilevel_backend::*;
}

/// Images, noise and image quality.
pub mod data {
    pub use bilevel_data::*;
}

/// Many workers with their own data: ADBO, in threads or in virtual time.
pub mod distributed {
    pub use bilevel_distributed::*;
}

/// Ready-made problems: image regularizers and physics, data cleaning, few-shot learners.
pub mod models {
    pub use bilevel_models::*;
}

/// The version of Burn that the types of this crate belong to.
pub use burn;

/// What most programs import: `use bilevel::prelude::*;`.
///
/// The parts of a bilevel problem with their defaults, the few-shot learner MAML, and the names of
/// Burn that a loss is written with.
pub mod prelude {
    pub use bilevel_backend::{Cpu, Tape};
    pub use bilevel_core::{
        Accelerated, BilevelProblem, Certificate, Checkpointing, ConjugateGradient, DoubleBackward,
        DoubleLoop, Estimate, Failure, GradientDescent, Hypergradient, ImplicitDifferentiation,
        LowerSolver, Point, Report, Schedule, State, Status, Stop, Stopped, Task, Tolerance,
        Unrolled, hypergradient,
    };
    pub use bilevel_models::meta::{Episode, Learner, Loss, Maml, Network, Samples};
    pub use burn::module::{AutodiffModule, Module, Param};
    pub use burn::nn;
    pub use burn::optim::{AdamConfig, Optimizer, SgdConfig};
    pub use burn::tensor::backend::Backend;
    pub use burn::tensor::{Distribution, Tensor};
}

/// The program in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs in the guide are run with the documentation tests.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/guide/src/library.md")]
    struct Library;
    #[doc = include_str!("../docs/guide/src/problem.md")]
    struct Problem;
    #[doc = include_str!("../docs/guide/src/own-loop.md")]
    struct OwnLoop;
    #[doc = include_str!("../docs/guide/src/estimators.md")]
    struct Estimators;
    #[doc = include_str!("../docs/guide/src/algorithms.md")]
    struct Algorithms;
    #[doc = include_str!("../docs/guide/src/maml.md")]
    struct Maml;
    #[doc = include_str!("../docs/guide/src/constraints.md")]
    struct Constraints;
    #[doc = include_str!("../docs/guide/src/saddle-points.md")]
    struct SaddlePoints;
}
