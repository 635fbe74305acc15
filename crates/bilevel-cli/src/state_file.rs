//! Where a run stands, as one file: the upper variables, the optimizer's moments, the counters.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::Module;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Record, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::draw::save;
use crate::recipe::Recipe;

/// What the counters say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The settings of the run.
    pub recipe: Recipe,
    /// Upper steps taken.
    pub step: usize,
    /// Lower and linear steps times images so far.
    #[serde(default)]
    pub cost: u64,
    /// Lower solves so far that ended at their limit of steps.
    #[serde(default)]
    pub capped: u64,
    /// Best validation so far.
    pub best: Option<Best>,
    /// Seconds spent on training.
    pub seconds: f64,
}

/// The best model so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// The step it was found at.
    pub step: usize,
    /// Its mean PSNR on the validation images.
    pub psnr: f64,
}

const KEY: &str = "bilevel-state";

type Bytes = BinBytesRecorder<FullPrecisionSettings>;

/// Writes counters, upper variables and optimizer to `path`, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_state<B, M, R>(
    path: &Path,
    progress: &Progress,
    x: M,
    optimizer: R,
) -> Result<()>
where
    B: Backend,
    M: Module<B>,
    R: Record<B>,
{
    let x = Recorder::<B>::record(&Bytes::default(), x.into_record(), ())?;
    let optimizer = Recorder::<B>::record(&Bytes::default(), optimizer, ())?;
    let views = [("x", &x), ("optimizer", &optimizer)]
        .map(|(name, bytes)| Ok((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?)));
    let views: Vec<_> = views.into_iter().collect::<Result<_>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(progress)?)]);
    save(path, &safetensors::serialize(views, Some(metadata))?)
}

/// The counters in `path`, and the bytes of the two records for [`restore`].
///
/// # Errors
/// If the file cannot be read or is damaged.
pub(crate) fn load_state(path: &Path) -> Result<(Progress, Vec<u8>, Vec<u8>)> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read {}: is there a run to resume?", path.display()))?;
    parse(&bytes).with_context(|| {
        format!(
            "cannot resume from {}: start again with --overwrite",
            path.display()
        )
    })
}

fn parse(bytes: &[u8]) -> Result<(Progress, Vec<u8>, Vec<u8>)> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let Some(progress) = metadata.metadata().as_ref().and_then(|m| m.get(KEY)) else {
        bail!("it is not the state of a run");
    };
    let part = |name| Ok::<_, anyhow::Error>(tensors.tensor(name)?.data().to_vec());
    Ok((
        serde_json::from_str(progress)?,
        part("x")?,
        part("optimizer")?,
    ))
}

/// A record from its bytes.
///
/// # Errors
/// If the bytes are of another kind of record.
pub(crate) fn restore<B: Backend, R: Record<B>>(bytes: Vec<u8>, device: &B::Device) -> Result<R> {
    Bytes::default()
        .load(bytes, device)
        .map_err(|error: RecorderError| anyhow!("the state of the run is damaged: {error}"))
}
