//! Ready-made bilevel problems: learned image reconstruction, and cleaning of data.
//!
//! A **regularizer** `R` measures how unlike a natural image an image is; a **physics** says how
//! the data `z` came about. Together they make a lower problem, and a set of clean images an upper
//! one:
//!
//! ```text
//! min_x  mean (y*(x) − clean)²      y*(x) = argmin_y ½‖A y − z‖² + R(x, y)
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`regularizer`] | what is learned: filters, splines, small networks; a table is there |
//! | [`classification`] | classifiers and their samples, which the tasks below share |
//! | [`cleaning`] | labels that can be trusted, found by a weight for every training sample |
//! | [`poisoning`] | training pictures that were tampered with: what defences are held against |
//! | [`selection`] | a penalty on each feature or class of a classifier |
//! | [`tuning`] | learning rate and loss weights of training by a number of steps |
//! | [`meta`] | learning from few samples: MAML and its relatives on any Burn module |
//! | [`quadratic`] | a benchmark of update rules whose hypergradient is a formula |
//! | [`physics`] | [`Denoising`](physics::Denoising), and [`Reconstruction`](physics::Reconstruction) from blurred, masked or smaller images |

pub mod classification;
pub mod cleaning;
mod error;
mod init;
pub mod meta;
pub mod physics;
pub mod poisoning;
pub mod quadratic;
pub mod regularizer;
pub mod selection;
pub mod tuning;

pub use error::{Error, ErrorKind};

/// The example in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
