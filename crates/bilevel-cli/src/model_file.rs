//! A trained model as one safetensors file: values as tensors, the rest in its metadata.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bilevel_backend::Tape;
use bilevel_core::parameters::{load_values, named_values};
use bilevel_models::regularizer::{FieldsOfExperts, FieldsOfExpertsParameters, Regularizer};
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::draw::save;

/// A denoiser: everything needed to use it.
#[derive(Debug, Clone)]
pub(crate) struct Model<B: Backend> {
    /// The architecture.
    pub regularizer: FieldsOfExperts,
    /// What was learned.
    pub parameters: FieldsOfExpertsParameters<Tape<B>>,
    /// The noise it was learned for, on the scale of 0 to 255.
    pub sigma: f64,
}

/// The metadata, as JSON under the key `bilevel`.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    version: u32,
    regularizer: FieldsOfExperts,
    sigma: f64,
}

const KEY: &str = "bilevel";
const KIND: &str = "denoiser-fields-of-experts";
const VERSION: u32 = 1;

/// The model that comes with the tool: `train denoise --preset long`.
const SHIPPED: &[u8] = include_bytes!("../assets/models/denoise-25.safetensors");

/// The model in `path`, or the one that comes with the tool.
///
/// # Errors
/// If the file cannot be read, is damaged, of another kind, or of a newer version.
pub(crate) fn load_model<B: Backend>(path: Option<&Path>, device: &B::Device) -> Result<Model<B>> {
    let Some(path) = path else {
        return decode(SHIPPED, device).context("the model that comes with the tool");
    };
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    decode(&bytes, device).with_context(|| format!("cannot use the model {}", path.display()))
}

/// Writes the model to `path`, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_model<B: Backend>(model: &Model<B>, path: &Path) -> Result<()> {
    save(path, &encode(model)?)
}

fn encode<B: Backend>(model: &Model<B>) -> Result<Vec<u8>> {
    let header = Header {
        kind: KIND.to_owned(),
        version: VERSION,
        regularizer: model.regularizer.clone(),
        sigma: model.sigma,
    };
    let values = named_values::<Tape<B>, _>(&model.parameters);
    let values: Vec<(&String, Vec<usize>, Vec<u8>)> = values
        .iter()
        .map(|(path, data)| {
            let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (path, data.shape.to_vec(), bytes)
        })
        .collect();
    let views: Vec<(&String, TensorView)> = values
        .iter()
        .map(|(path, shape, bytes)| Ok((*path, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<_>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&header)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

fn decode<B: Backend>(bytes: &[u8], device: &B::Device) -> Result<Model<B>> {
    let damaged = |error| anyhow!("not a whole safetensors file ({error}): copy it again");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| {
            anyhow!("it was not written by bilevel: give a model.safetensors of a run")
        })?;
    // Kind and version first: a newer header may hold what this one does not know.
    let header: serde_json::Value =
        serde_json::from_str(header).context("its header is damaged: copy it again")?;
    match (header["kind"].as_str(), header["version"].as_u64()) {
        (Some(KIND), Some(version)) if version <= u64::from(VERSION) => {}
        (Some(KIND), Some(version)) => bail!(
            "it has format version {version}, this tool reads up to {VERSION}: update the tool"
        ),
        (kind, _) => bail!(
            "it is of kind `{}`, a `{KIND}` is needed: give a model of `train denoise`",
            kind.unwrap_or("unknown")
        ),
    }
    let header: Header =
        serde_json::from_value(header).context("its header is damaged: copy it again")?;
    let FieldsOfExperts { filters, size, .. } = header.regularizer;
    ensure!(
        size % 2 == 1 && size <= 99 && (1..size * size).contains(&filters),
        "its header is damaged ({filters} filters of size {size}): copy it again"
    );

    let mut values = BTreeMap::new();
    for (path, view) in tensors.tensors() {
        ensure!(
            view.dtype() == Dtype::F32,
            "tensor `{path}` is not f32: copy it again"
        );
        let numbers: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")))
            .collect();
        ensure!(
            numbers.iter().all(|v| v.is_finite()),
            "tensor `{path}` is not finite"
        );
        values.insert(path, TensorData::new(numbers, view.shape().to_vec()));
    }
    let parameters = header.regularizer.init::<Tape<B>>(device);
    let parameters = load_values::<Tape<B>, _>(parameters, &values)?;
    Ok(Model {
        regularizer: header.regularizer,
        parameters,
        sigma: header.sigma,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bilevel_backend::Cpu;
    use bilevel_models::regularizer::Potential;

    fn model() -> Model<Cpu> {
        let regularizer = FieldsOfExperts {
            filters: 5,
            size: 3,
            potential: Potential::StudentT,
        };
        let parameters = regularizer.init(&Default::default());
        Model {
            regularizer,
            parameters,
            sigma: 25.0,
        }
    }

    #[test]
    fn a_model_survives_its_file_bit_by_bit() {
        let model = model();
        let bytes = encode(&model).expect("encodes");
        let read = decode::<Cpu>(&bytes, &Default::default()).expect("decodes");
        assert_eq!(read.regularizer, model.regularizer);
        assert_eq!(
            named_values::<Tape<Cpu>, _>(&read.parameters),
            named_values::<Tape<Cpu>, _>(&model.parameters)
        );
        assert_eq!(encode(&read).expect("encodes"), bytes);
    }

    #[test]
    fn no_truncated_file_is_read() {
        let bytes = encode(&model()).expect("encodes");
        for length in (0..bytes.len()).step_by(7) {
            let error = decode::<Cpu>(&bytes[..length], &Default::default())
                .expect_err("a part is not the whole");
            assert!(format!("{error:#}").contains("copy it again"), "{error:#}");
        }
    }

    #[test]
    fn what_is_shipped_can_be_read() {
        let shipped = load_model::<Cpu>(None, &Default::default()).expect("reads");
        assert!(shipped.sigma > 0.0);
    }
}
