//! A safetensors file of this tool: named numbers, and one JSON object that says what they are.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow, bail, ensure};
use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;

/// Where the JSON object is in the metadata.
const KEY: &str = "bilevel";

/// The bytes of a file with `values` as f32 and `header` in its metadata.
///
/// # Errors
/// If the header cannot be written as JSON.
pub(crate) fn write_tensors(
    header: &impl Serialize,
    values: &BTreeMap<String, TensorData>,
) -> Result<Vec<u8>> {
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
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(header)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The header and the values of a file of this kind, which `made_by` makes.
///
/// # Errors
/// If the file is damaged, of another kind, of a newer version, or holds what is not finite.
pub(crate) fn read_tensors(
    bytes: &[u8],
    kind: &str,
    version: u32,
    made_by: &str,
) -> Result<(serde_json::Value, BTreeMap<String, TensorData>)> {
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
        (Some(found), Some(of)) if found == kind && of <= u64::from(version) => {}
        (Some(found), Some(of)) if found == kind => {
            bail!("it has format version {of}, this tool reads up to {version}: update the tool")
        }
        (found, _) => bail!(
            "it is of kind `{}`, a `{kind}` is needed: give a model of `{made_by}`",
            found.unwrap_or("unknown")
        ),
    }
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
    Ok((header, values))
}
