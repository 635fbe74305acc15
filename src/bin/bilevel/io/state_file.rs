//! Where a run stands, as one file: its counters, and the records of what it computes with.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Record, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::checksum::Checksum;
use crate::io::file::save;
use crate::training::recipe::Recipe;

/// What the counters say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The settings of the run.
    pub recipe: Recipe,
    /// What it learns from.
    pub images: Images,
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
    /// Checksum of the lines of metrics up to the step.
    pub metrics: u32,
}

/// Where a run's images are, and which they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Images {
    /// To learn from.
    pub train: PathBuf,
    /// To choose the model by.
    pub val: PathBuf,
    /// To report on.
    pub test: PathBuf,
    /// Checksum of those to learn from and to choose by.
    pub checksum: u32,
}

/// The best model so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// The step it was found at.
    pub step: usize,
    /// Its mean PSNR on the validation images; infinite where they are met exactly.
    #[serde(with = "crate::io::number")]
    pub psnr: f64,
}

/// What the counters of a kind of run say, beside the records in its state file.
pub(crate) trait Counters: Serialize + DeserializeOwned {
    /// What the counters are called in the file.
    const KEY: &'static str;
}

impl Counters for Progress {
    const KEY: &'static str = "bilevel-state";
}

type Bytes = BinBytesRecorder<FullPrecisionSettings>;

/// The bytes of a record, for [`save_state`].
///
/// # Errors
/// If it cannot be written down.
pub(crate) fn record<B: Backend, R: Record<B>>(record: R) -> Result<Vec<u8>> {
    Ok(Recorder::<B>::record(&Bytes::default(), record, ())?)
}

/// Writes counters and records, each with its name, to `path`, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_state<C: Counters>(
    path: &Path,
    counters: &C,
    records: &[(&str, Vec<u8>)],
) -> Result<()> {
    let counters = serde_json::to_string(counters)?;
    let contents = records.iter().map(|(name, bytes)| (*name, &bytes[..]));
    let mut contents: Vec<(&str, &[u8])> = contents.collect();
    let checksum = checksum(C::KEY, &counters, contents.clone()).to_le_bytes();
    contents.push((CHECKSUM, &checksum));
    let mut views = Vec::new();
    for (name, bytes) in contents {
        views.push((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
    }
    // One entry: several would be in any order.
    let metadata = HashMap::from([(C::KEY.to_owned(), counters)]);
    save(path, &safetensors::serialize(views, Some(metadata))?)
}

/// What the checksum is called among the records.
const CHECKSUM: &str = "checksum";

/// Of everything that the file says.
fn checksum(key: &str, counters: &str, mut records: Vec<(&str, &[u8])>) -> u32 {
    records.sort_unstable();
    let mut sum = Checksum::default();
    sum.add(key.as_bytes());
    sum.add(counters.as_bytes());
    for (name, bytes) in records {
        sum.add(name.as_bytes());
        sum.add(bytes);
    }
    sum.value()
}

/// The counters in `path`, and the bytes of the records called `names` for [`restore`].
///
/// # Errors
/// If the file cannot be read or is damaged.
pub(crate) fn load_state<C: Counters, const N: usize>(
    path: &Path,
    names: [&str; N],
) -> Result<(C, [Vec<u8>; N])> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read {}: is there a run to resume?", path.display()))?;
    parse(&bytes, names).with_context(|| {
        format!(
            "cannot resume from {}: start again with --overwrite",
            path.display()
        )
    })
}

pub(crate) fn parse<C: Counters, const N: usize>(
    bytes: &[u8],
    names: [&str; N],
) -> Result<(C, [Vec<u8>; N])> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let entry = |key: &str| metadata.metadata().as_ref().and_then(|m| m.get(key));
    let Some(counters) = entry(C::KEY) else {
        bail!("it is not the state of such a run");
    };
    let Ok(sum) = tensors.tensor(CHECKSUM) else {
        bail!("it is of an earlier version");
    };
    let contents = tensors.tensors();
    let contents = contents.iter().map(|(name, view)| (&name[..], view.data()));
    let contents = contents.filter(|(name, _)| *name != CHECKSUM).collect();
    ensure!(
        sum.data() == checksum(C::KEY, counters, contents).to_le_bytes(),
        "it is damaged: its checksum is another"
    );
    let mut records = [const { Vec::new() }; N];
    for (record, name) in records.iter_mut().zip(names) {
        *record = tensors.tensor(name)?.data().to_vec();
    }
    Ok((serde_json::from_str(counters)?, records))
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
