//! A trained model as one safetensors file: values as tensors, the rest in its metadata.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use bilevel_backend::Tape;
use bilevel_core::parameters::{load_values, named_values};
use bilevel_models::physics::MeasurementOperator;
use bilevel_models::regularizer::{Architecture, ArchitectureParameters, Regularizer};
use burn::module::Module;
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::imaging::degradation::{Degradation, noise_level};
use crate::imaging::reconstruct::Reconstructor;
use crate::imaging::tensor_file::{read_tensors, write_tensors};
use crate::io::file::save;

/// A learned regularizer and everything needed to use it.
#[derive(Debug, Clone)]
pub(crate) struct Model<B: Backend> {
    /// The architecture.
    pub regularizer: Architecture,
    /// What it learned.
    pub parameters: ArchitectureParameters<Tape<B>>,
    /// What it was learned to undo.
    pub degradation: Degradation,
    /// What that is made of, as it was given or learned; drawn for each size of image if `None`.
    pub operator: Option<MeasurementOperator<Tape<B>>>,
    /// How an image is reconstructed with it.
    pub reconstruction: Reconstructor,
    /// The noise it was learned for, on the scale of 0 to 255.
    pub sigma: f64,
}

impl<B: Backend> Model<B> {
    /// What the degradation is made of, for images of height and width `size`.
    ///
    /// # Errors
    /// If the degradation makes no sense.
    pub fn operator_for(
        &self,
        size: [usize; 2],
        device: &B::Device,
    ) -> Result<MeasurementOperator<Tape<B>>> {
        match &self.operator {
            Some(operator) => Ok(operator.clone()),
            None => self.degradation.operator(size, device),
        }
    }
}

/// The metadata, as JSON under the key `bilevel`.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    version: u32,
    regularizer: Architecture,
    degradation: Degradation,
    reconstruction: Reconstructor,
    sigma: f64,
}

const KIND: &str = "learned-regularizer";
const VERSION: u32 = 1;
/// What the names of the operator's tensors begin with.
const OPERATOR: &str = "operator.";

/// The model that comes with the tool.
const SHIPPED: &[u8] = include_bytes!("../../../../assets/models/denoise-wcrr-sigma25.safetensors");

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
        degradation: model.degradation.clone(),
        reconstruction: model.reconstruction,
        sigma: model.sigma,
    };
    let mut values = BTreeMap::new();
    for (name, value) in named_values(&model.parameters) {
        values.insert(without_kind(&name).to_owned(), value);
    }
    if let Some(operator) = &model.operator {
        for (name, value) in named_values(operator) {
            values.insert(format!("{OPERATOR}{}", without_kind(&name)), value);
        }
    }
    write_tensors(&header, &values)
}

pub(crate) fn decode<B: Backend>(bytes: &[u8], device: &B::Device) -> Result<Model<B>> {
    let (header, values) = read_tensors(bytes, KIND, VERSION, "train denoise")?;
    let header: Header =
        serde_json::from_value(header).context("its header is damaged: copy it again")?;
    let possible = || {
        header.regularizer.check()?;
        header
            .reconstruction
            .check(header.degradation.measurement())?;
        noise_level("sigma", header.sigma)
    };
    possible().context("its header is damaged: copy it again")?;

    let (of_operator, of_regularizer): (BTreeMap<_, _>, BTreeMap<_, _>) = values
        .into_iter()
        .partition(|(name, _)| name.starts_with(OPERATOR));
    let parameters = header.regularizer.init::<Tape<B>>(device);
    let parameters = load::<B, _>(parameters, of_regularizer)?;
    let operator = match header.degradation {
        Degradation::Masked { .. } => None,
        _ => {
            let operator = header.degradation.believed::<Tape<B>>([1, 1], device)?;
            let values = of_operator.into_iter();
            let values = values.map(|(name, value)| (name[OPERATOR.len()..].to_owned(), value));
            Some(load::<B, _>(operator, values.collect())?)
        }
    };
    Ok(Model {
        regularizer: header.regularizer,
        parameters,
        degradation: header.degradation,
        operator,
        reconstruction: header.reconstruction,
        sigma: header.sigma,
    })
}

/// The name of a value in a file: its path without the kind of what it belongs to, which comes
/// first.
fn without_kind(path: &str) -> &str {
    path.split_once('.').map_or(path, |(_, name)| name)
}

/// The module with the values of a file.
fn load<B: Backend, M: Module<Tape<B>>>(
    module: M,
    mut values: BTreeMap<String, TensorData>,
) -> Result<M> {
    let mut by_path = BTreeMap::new();
    for path in named_values(&module).into_keys() {
        if let Some(value) = values.remove(without_kind(&path)) {
            by_path.insert(path, value);
        }
    }
    Ok(load_values(module, &by_path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bilevel_backend::Cpu;
    use bilevel_core::parameters::{pack, unpack};
    use bilevel_models::physics::Boundary;
    use bilevel_models::regularizer::Ridge;
    use burn::module::AutodiffModule;
    use burn::tensor::{DType, Tensor};

    use crate::imaging::degradation::KernelShape;
    use crate::imaging::steps::{Feedback, Steps};

    fn model() -> Model<Cpu> {
        let regularizer = Architecture::from(Ridge {
            filters: 5,
            size: 3,
            knots: 4,
            weak_convexity: Some(0.5),
        });
        let degradation = Degradation::Blur {
            kernel: KernelShape::Gaussian {
                size: 3,
                sigma: 1.0,
            },
            boundary: Boundary::Reflect,
            guess: None,
        };
        let device = Default::default();
        Model {
            parameters: regularizer.init(&device),
            operator: Some(degradation.operator([8, 8], &device).expect("a kernel")),
            reconstruction: Reconstructor::Minimiser {
                tolerance: 1e-3,
                max_steps: 100,
            },
            regularizer,
            degradation,
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
            named_values(&read.parameters),
            named_values(&model.parameters)
        );
        let kernel = |model: &Model<Cpu>| named_values(model.operator.as_ref().expect("a kernel"));
        assert_eq!(kernel(&read), kernel(&model));
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

    /// A blur cannot be undone by Bregman iteration: no recipe makes such a file.
    #[test]
    fn no_file_of_impossible_steps_is_read() {
        let steps = Steps {
            steps: 8,
            step_size: 0.1,
            momentum: 0.0,
            bregman: None,
        };
        let read = |steps| {
            let model = Model {
                reconstruction: Reconstructor::Descent(steps),
                ..model()
            };
            let bytes = encode(&model).expect("encodes");
            decode::<Cpu>(&bytes, &Default::default()).map(|model| model.reconstruction)
        };
        assert_eq!(read(steps).expect("reads"), Reconstructor::Descent(steps));
        let feedback = Feedback {
            every: 4,
            feedback: 0.5,
        };
        let bregman = Steps {
            bregman: Some(feedback),
            ..steps
        };
        for impossible in [bregman, Steps { steps: 0, ..steps }] {
            let error = read(impossible).expect_err("impossible");
            assert!(format!("{error:#}").contains("copy it again"), "{error:#}");
        }
    }

    #[test]
    fn what_is_shipped_can_be_read() {
        let shipped = load_model::<Cpu>(None, &Default::default()).expect("reads");
        assert!(shipped.sigma > 0.0);
    }

    /// The number in `docs/model-files.md` is the potential of the model named there; and what the
    /// snippet there prints, for all banks of filters, where Python has what it needs.
    #[test]
    fn the_documented_snippet_gives_the_same_potential() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/model-files.md");
        let docs = std::fs::read_to_string(docs).expect("the documentation");
        // Wherever its lines end.
        let prose: Vec<&str> = docs.split_whitespace().collect();
        let prose = prose.join(" ");
        let part = |text: &str, from: &str, to: &str| {
            let rest = text.split_once(from).expect("the documentation changed").1;
            let part = rest.split_once(to).expect("the documentation changed").0;
            part.to_owned()
        };
        let documented = part(&prose, "it is **", "**");
        let documented: f64 = documented.parse().expect("a number");
        let root = env!("CARGO_MANIFEST_DIR");
        let named = part(
            &prose,
            "snippet.py model.safetensors` prints one number; with `",
            "`",
        );
        let named = Path::new(root).join(named);
        let load = |path| load_model::<Cpu>(Some(path), &Default::default());
        let shipped = load(&named).expect("reads");
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs();
        let value = potential(&shipped);
        assert!(close(value, documented), "{value:.9} is not {documented}");

        let folder = tempfile::tempdir().expect("a folder");
        let snippet = folder.path().join("snippet.py");
        std::fs::write(&snippet, part(&docs, "```python\n", "```")).expect("written");
        let python = |arguments: &[&std::ffi::OsStr]| {
            let output = std::process::Command::new("python3")
                .args(arguments)
                .output();
            output.ok().filter(|output| output.status.success())
        };
        if python(&["-c".as_ref(), "import torch, safetensors".as_ref()]).is_none() {
            eprintln!("python3 has no PyTorch or no safetensors: the snippet is not run");
            return;
        }
        let ridge = Architecture::from(Ridge {
            filters: 5,
            size: 3,
            knots: 4,
            weak_convexity: None,
        });
        let ridge = Model {
            parameters: ridge.init(&Default::default()),
            regularizer: ridge,
            ..shipped.clone()
        };
        for model in [shipped, ridge] {
            let path = folder.path().join("model.safetensors");
            save_model(&model, &path).expect("saved");
            // The file holds f32.
            let model = load_model(Some(&path), &Default::default()).expect("reads");
            let output = python(&[snippet.as_ref(), path.as_ref()]).expect("the snippet runs");
            let text = String::from_utf8(output.stdout).expect("utf-8");
            let printed: f64 = text.trim().parse().expect("a number");
            assert!(
                close(potential(&model), printed),
                "{}: {printed}",
                model.regularizer.name()
            );
        }
    }

    /// On the image of the snippet, in `f64`.
    fn potential(model: &Model<Cpu>) -> f64 {
        let pixels: Vec<f64> = (0..32 * 48)
            .map(|i| 0.5 + 0.25 * (0.37 * f64::from(i)).sin())
            .collect();
        let image = TensorData::new(pixels, [1, 1, 32, 48]);
        let image = Tensor::from_data(image, (&Default::default(), DType::F64));
        let numbers = pack(&model.parameters, 1).cast(DType::F64);
        let parameters = unpack(model.parameters.clone(), numbers);
        let value = model.regularizer.value(&parameters.valid(), image);
        value.into_data().iter().next().expect("one number")
    }
}
