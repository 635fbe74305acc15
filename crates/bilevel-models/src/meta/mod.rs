//! Few-shot learning: networks that learn from a handful of samples, for any Burn module.
//!
//! An [`Episode`] has a support to learn from and queries to be judged by. A [`Learner`] says how
//! to learn from the support, and gives the gradient of the queries' loss in everything that is
//! learned over many episodes: that is a bilevel problem whose lower variables are the adapted
//! weights and whose upper ones are where they began.
//!
//! | learner | lower problem | gradient |
//! |---|---|---|
//! | [`Maml`] | a few gradient steps | exact (second order), first order, or of the head only (ANIL); learned step sizes (Meta-SGD, MAML++) |
//! | [`ImplicitMaml`] | solved, held near the start | implicit differentiation |
//! | [`Reptile`] | a few gradient steps | none: the steps' direction |
//! | [`ProtoNet`] | class means, closed form | one backward pass |
//! | [`R2d2`] | ridge regression, closed form | one backward pass |
//!
//! A [`Network`] is any Burn module with a forward function: [`Conv4`], [`ResNet12`],
//! [`Perceptron`], or your own. A [`Stack`] of one runs several tasks at once. [`Normalization`]
//! says whose statistics batch normalisation uses. [`meta_step`] makes a step over many episodes,
//! [`evaluate`] asks how well it does.

mod adaptation;
mod any_network;
mod conv4;
mod episode;
mod filter;
mod implicit_maml;
mod layers;
mod learner;
mod maml;
mod network;
mod normalization;
mod perceptron;
mod proto_net;
mod r2d2;
mod reptile;
mod resnet12;
mod sinusoid;
mod stack;
mod step_losses;
mod step_sizes;
mod training;

pub use adaptation::{Adaptation, TwiceDifferentiableNetwork};
pub use any_network::{AnyNetwork, AnyWeights};
pub use conv4::{Conv4, Conv4Weights, ConvBlock};
pub use episode::{Episode, Loss, Samples, accuracy};
pub use filter::Filter;
pub use implicit_maml::ImplicitMaml;
pub use learner::{EpisodeGradient, Learner, MetaParameters, Upper};
pub use maml::Maml;
pub use network::Network;
pub use normalization::{EpisodicNorm, ForwardContext, Normalization, RunningStatistics};
pub use perceptron::{Perceptron, PerceptronWeights};
pub use proto_net::ProtoNet;
pub use r2d2::R2d2;
pub use reptile::Reptile;
pub use resnet12::{ResNet12, ResNet12Weights, ResidualBlock};
pub use sinusoid::Sinusoids;
pub use stack::{Stack, StackedNetwork};
pub use step_losses::StepLosses;
pub use step_sizes::{StepSizeOf, StepSizes};
pub use training::{MetaReport, MetaState, evaluate, mean_and_interval, meta_step};
