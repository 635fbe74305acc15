//! Which learner: a word of a file becomes a type.

use anyhow::{Context, Result, bail, ensure};
use bilevel_core::parameters::paths;
use bilevel_core::{Checkpointing, ConjugateGradient, GradientDescent, Tape, Tolerance};
use bilevel_models::meta::{
    AnyNetwork, Filter, ImplicitMaml, Learner, Loss, Maml, Normalization, ProtoNet, R2d2, Reptile,
    Stack, StepLosses, StepSizes,
};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::training::recipe::count;

/// A learner of networks whose kind a file names, perhaps of several tasks at once.
pub(crate) type AnyLearner<B> = Box<dyn Learner<B, Network = Stack<AnyNetwork>>>;

/// The most inner steps, and steps of an adjoint.
const MOST_INNER: usize = 100_000;

/// A method with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Method {
    /// MAML and what are settings of it.
    Maml {
        /// Inner steps.
        steps: usize,
        /// Inner steps when a trained model is used; `steps` if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps_in_use: Option<usize>,
        /// Inner step sizes.
        #[serde(alias = "rates")]
        step_sizes: StepSizes,
        /// How many of the last steps are differentiated: all if not given, 0 for FOMAML.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        differentiated: Option<usize>,
        /// Bytes for the states of the steps; enough for all if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<usize>,
        /// What the inner steps move, by the beginning of its path: everything if not given,
        /// `["head"]` for ANIL.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adapted: Option<Vec<String>>,
        /// Share of the loss that is the mean over all steps.
        #[serde(default)]
        every_step: f64,
    },
    /// MAML with implicit gradients.
    ImplicitMaml {
        /// λ.
        proximity: f64,
        /// Inner steps.
        steps: usize,
        /// Inner step size.
        rate: f64,
        /// Steps of conjugate gradients.
        adjoint_steps: usize,
    },
    /// Reptile.
    Reptile {
        /// Inner steps.
        steps: usize,
        /// Inner step size.
        rate: f64,
    },
    /// Nearest class mean.
    Prototypes,
    /// Ridge regression.
    RidgeHead,
}

/// The parameters of the network at or below `names`.
///
/// # Errors
/// If a name is of no part of the network.
fn adapted_parameters<B: Backend>(network: &AnyNetwork, names: &[String]) -> Result<Filter> {
    ensure!(
        !names.is_empty(),
        "method: adapted: name a part of the network, or leave the field out"
    );
    let weights = network.init::<Tape<B>>(0, &Default::default());
    let paths = paths(&weights);
    // Paths begin with the network's kind, which nobody writes.
    let parts = paths.iter().filter_map(|path| path.split_once('.'));
    let parts: Vec<&str> = parts.map(|(_, part)| part).collect();
    for name in names {
        let one = Filter::only([name]);
        if !parts
            .iter()
            .chain(&paths.iter().map(String::as_str).collect::<Vec<_>>())
            .any(|part| one.accepts(part))
        {
            let mut known: Vec<&str> = parts
                .iter()
                .filter_map(|part| part.split('.').next())
                .collect();
            known.dedup();
            bail!(
                "method: adapted: the network has no `{name}`, it has {}",
                known.join(", ")
            );
        }
    }
    let kind = paths
        .first()
        .and_then(|path| path.split('.').next())
        .unwrap_or_default();
    let with_kind = names.iter().map(|name| format!("{kind}.{name}"));
    Ok(Filter::only(names.iter().cloned().chain(with_kind)))
}

impl Method {
    /// Whether the network ends in scores of classes, whose number is then that of the episodes it
    /// learns from.
    pub fn has_head(&self) -> bool {
        !matches!(self, Self::Prototypes | Self::RidgeHead)
    }

    /// Whether the bytes it may use hold what it needs for a network of so many bytes of weights.
    ///
    /// # Errors
    /// If they do not, with how many do.
    pub fn check_memory(&self, weights: usize) -> Result<()> {
        if let Self::Maml {
            steps,
            bytes: Some(bytes),
            ..
        } = self
        {
            Checkpointing::Bytes(*bytes)
                .schedule(*steps, weights)
                .context("method: bytes")?;
        }
        Ok(())
    }

    /// As it is trained, on so many tasks at once.
    ///
    /// # Errors
    /// If a number makes no sense, or the method takes one task at a time.
    pub fn in_training<B: Backend>(
        &self,
        network: &AnyNetwork,
        normalization: Normalization,
        tasks: usize,
    ) -> Result<AnyLearner<B>> {
        ensure!(
            tasks == 1 || matches!(self, Self::Maml { .. }),
            "tasks_at_once: only maml takes more than 1"
        );
        self.learner(network, normalization, tasks, false)
    }

    /// As a trained model is used.
    ///
    /// # Errors
    /// If a number makes no sense.
    pub fn in_use<B: Backend>(
        &self,
        network: &AnyNetwork,
        normalization: Normalization,
    ) -> Result<AnyLearner<B>> {
        self.learner(network, normalization, 1, true)
    }

    fn learner<B: Backend>(
        &self,
        network: &AnyNetwork,
        normalization: Normalization,
        tasks: usize,
        in_use: bool,
    ) -> Result<AnyLearner<B>> {
        let positive = |name: &str, value: f64| {
            ensure!(
                value.is_finite() && value > 0.0,
                "method: {name} must be finite and > 0, got {value}"
            );
            Ok(())
        };
        let some = |name: &str, steps: usize| count(name, steps, 0, MOST_INNER).context("method");
        let network = Stack {
            network: network.clone(),
            tasks,
        };
        Ok(match *self {
            Self::Maml {
                steps,
                steps_in_use,
                step_sizes,
                differentiated,
                bytes,
                ref adapted,
                every_step,
            } => {
                let (StepSizes::Fixed(first) | StepSizes::Learned { start: first, .. }) =
                    step_sizes;
                positive("step_sizes", first)?;
                some("steps", steps)?;
                some("steps_in_use", steps_in_use.unwrap_or(steps))?;
                ensure!(
                    (0.0..=1.0).contains(&every_step),
                    "method: every_step is a share in [0, 1], got {every_step}"
                );
                ensure!(
                    differentiated.is_none() || bytes.is_none(),
                    "method: give differentiated or bytes, not both"
                );
                let checkpointing = match (differentiated, bytes) {
                    (Some(last), _) => Checkpointing::Last(last),
                    (None, Some(bytes)) => Checkpointing::Bytes(bytes),
                    (None, None) => Checkpointing::All,
                };
                let adapted = match adapted {
                    Some(names) => adapted_parameters::<B>(&network.network, names)?,
                    None => Filter::all(),
                };
                let steps = steps_in_use.filter(|_| in_use).unwrap_or(steps);
                Box::new(Maml {
                    network,
                    loss: Loss::CrossEntropy,
                    normalization,
                    steps,
                    step_sizes,
                    checkpointing,
                    adapted,
                    step_losses: if every_step > 0.0 {
                        StepLosses::Every { share: every_step }
                    } else {
                        StepLosses::Last
                    },
                })
            }
            Self::ImplicitMaml {
                proximity,
                steps,
                rate,
                adjoint_steps,
            } => {
                some("steps", steps)?;
                some("adjoint_steps", adjoint_steps)?;
                positive("proximity", proximity)?;
                positive("rate", rate)?;
                Box::new(ImplicitMaml {
                    network,
                    loss: Loss::CrossEntropy,
                    normalization,
                    proximity,
                    lower: GradientDescent {
                        step_size: rate,
                        max_steps: steps,
                        tolerance: Tolerance::Absolute(0.0),
                    },
                    adjoint: ConjugateGradient {
                        max_steps: adjoint_steps,
                        tolerance: Tolerance::Relative(1e-6),
                    },
                })
            }
            Self::Reptile { steps, rate } => {
                some("steps", steps)?;
                positive("rate", rate)?;
                Box::new(Reptile {
                    network,
                    loss: Loss::CrossEntropy,
                    normalization,
                    steps,
                    rate,
                })
            }
            Self::Prototypes => Box::new(ProtoNet {
                network,
                normalization,
            }),
            Self::RidgeHead => Box::new(R2d2 {
                network,
                normalization,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bilevel_backend::Cpu;
    use bilevel_models::meta::Conv4;

    #[test]
    fn what_is_adapted_is_named_without_the_kind_of_the_network() {
        let network = AnyNetwork::Conv4(Conv4 {
            channels: 2,
            side: 16,
            classes: Some(5),
            kept_steps: 1,
        });
        let paths = paths(&network.init::<Tape<Cpu>>(0, &Default::default()));
        let adapted = |name: &str| {
            let filter = adapted_parameters::<Cpu>(&network, &[name.to_owned()])?;
            anyhow::Ok(paths.iter().filter(|path| filter.accepts(path)).count())
        };
        assert_eq!(adapted("head").expect("a part"), 2);
        assert_eq!(adapted("Conv4.head").expect("a part"), 2);
        let error = adapted("hed").expect_err("no part").to_string();
        assert!(error.contains("no `hed`, it has"), "{error}");
    }
}
