//! Data hyper-cleaning: which labels of a training set can be trusted?
//!
//! Every training sample has a weight, a classifier is trained with them, and the weights are
//! learned so that it does well on a few samples that are known to be right:
//!
//! ```text
//! min_x  1/m Σ_j ℓ(y*(x); v_j)        y*(x) = argmin_y 1/n Σ_i w(x_i) ℓ(y; t_i) + ρ ‖y‖²
//! ```
//!
//! `ℓ` is the cross-entropy, `t` are the samples to be cleaned, `v` those that are trusted. After
//! Franceschi, Donini, Frasconi, Pontil (2017), "Forward and Reverse Gradient-Based Hyperparameter
//! Optimization", ICML, arXiv:1703.01785, where the weights are clipped.
//!
//! | what | where |
//! |---|---|
//! | the two losses | [`Cleaning`], for any [`Classifier`](crate::classification::Classifier) |
//! | how a number becomes a weight | [`Weighting`] |
//! | derivatives by formula for the linear classifier | [`SoftmaxOracle`] |
//! | the classifier of given weights | [`train`], [`train_within`] a convex set |
//! | which samples the weights keep | [`GaussianMixture`] |
//! | what came out | [`PrecisionRecall`], [`accuracy`](crate::classification::accuracy) |

mod features;
mod gaussian_mixture;
mod precision_recall;
mod problem;
mod softmax_oracle;
mod training;
mod weighting;

pub use gaussian_mixture::GaussianMixture;
pub use precision_recall::PrecisionRecall;
pub use problem::{Cleaning, SampleWeights};
pub use softmax_oracle::SoftmaxOracle;
pub use training::{train, train_within};
pub use weighting::Weighting;
