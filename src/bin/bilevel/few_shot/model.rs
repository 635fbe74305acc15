//! A trained few-shot learner as one safetensors file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bilevel_backend::Tape;
use bilevel_core::parameters::{load_values, named_values};
use bilevel_models::meta::{AnyNetwork, Normalization, Upper};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::{AnyLearner, Method};
use crate::imaging::tensor_file::{read_tensors, write_tensors};
use crate::io::file::save;

/// What was learned, and everything needed to use it.
pub(crate) struct FewShotModel<B: Backend> {
    /// What kind of learner, and how large its network.
    pub about: About,
    /// What it learned.
    pub x: Upper<B, AnyNetwork>,
}

/// All but the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The learner.
    pub method: Method,
    /// The network.
    pub network: AnyNetwork,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
}

/// The metadata.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    version: u32,
    #[serde(flatten)]
    about: About,
}

const KIND: &str = "few-shot-learner";
const VERSION: u32 = 1;

impl<B: Backend> FewShotModel<B> {
    /// The learner as it is used.
    ///
    /// # Errors
    /// If a setting makes no sense.
    pub fn learner(&self) -> Result<AnyLearner<B>> {
        let About {
            method,
            network,
            normalization,
        } = &self.about;
        method.in_use(network, *normalization)
    }

    /// Side of the pictures it takes.
    ///
    /// # Errors
    /// If it takes no pictures.
    pub fn side(&self) -> Result<usize> {
        let side = self.about.network.side();
        side.context("the model does not take pictures")
    }

    /// # Errors
    /// If it ends in scores of another number of classes.
    pub fn check_ways(&self, ways: usize) -> Result<()> {
        let classes = self.about.network.classes().unwrap_or(ways);
        ensure!(
            classes == ways,
            "the model tells {classes} classes apart, the task has {ways}: give {classes}, or a model of prototypes"
        );
        Ok(())
    }
}

/// Writes the model to `path`, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_few_shot_model<B: Backend>(model: &FewShotModel<B>, path: &Path) -> Result<()> {
    let header = Header {
        kind: KIND.to_owned(),
        version: VERSION,
        about: model.about.clone(),
    };
    let values = named_values(&model.x);
    save(path, &write_tensors(&header, &values)?)
}

/// The model in `path`.
///
/// # Errors
/// If the file cannot be read, is damaged, of another kind, or of a newer version.
pub(crate) fn load_few_shot_model<B: Backend>(
    path: &Path,
    device: &B::Device,
) -> Result<FewShotModel<B>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    decode(&bytes, device).with_context(|| format!("cannot use the model {}", path.display()))
}

pub(crate) fn decode<B: Backend>(bytes: &[u8], device: &B::Device) -> Result<FewShotModel<B>> {
    let (header, values) = read_tensors(bytes, KIND, VERSION, "few-shot train")?;
    let Header { about, .. } =
        serde_json::from_value(header).context("its header is damaged: copy it again")?;
    let network = &about.network;
    let learner = network.check().map_err(Into::into).and_then(|()| {
        let method = &about.method;
        method.in_training::<B>(network, about.normalization, 1)
    });
    let learner = learner.context("its header is damaged: copy it again")?;
    let x = learner.begin(about.network.init::<Tape<B>>(0, device));
    let x = load_values(x, &values)?;
    Ok(FewShotModel { about, x })
}
