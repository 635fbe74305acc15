//! A model file of `bilevel train`.

use std::collections::BTreeMap;
use std::error::Error;

use bilevel_core::parameters::{load_values, named_values};
use bilevel_models::physics::{
    Blur, Boundary, Identity, Kernel, Learned, Measurement, MeasurementOperator, NoOperator,
};
use bilevel_models::regularizer::{Architecture, ArchitectureParameters, Regularizer};
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is in the file, on no device yet.
#[derive(Debug, Clone)]
pub struct Model {
    pub regularizer: Architecture,
    pub physics: Measurement,
    /// The noise it was learned for, on the scale of 0 to 1.
    pub sigma: f32,
    pub steps: Steps,
    values: BTreeMap<String, TensorData>,
}

/// How it reconstructs: some steps of gradient descent.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Steps {
    pub steps: usize,
    pub step_size: f64,
    #[serde(default)]
    pub momentum: f64,
    /// Bregman iteration, which the page does not show.
    #[serde(default)]
    bregman: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Header {
    regularizer: Architecture,
    degradation: Degradation,
    reconstruction: Steps,
    sigma: f32,
}

/// Those that the page shows.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Degradation {
    None,
    Blur { boundary: Boundary },
}

/// What a model has learned, and what it undoes.
pub type Learnt<B> = Learned<B, ArchitectureParameters<B>, MeasurementOperator<B>>;

impl Model {
    /// From the bytes of the file.
    ///
    /// # Errors
    /// If it is no model, or one that the page cannot show.
    pub fn read(bytes: &[u8]) -> Result<Self, Box<dyn Error>> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let header = metadata.metadata().as_ref().and_then(|m| m.get("bilevel"));
        let header: Header =
            serde_json::from_str(header.ok_or("the file was not written by bilevel")?)?;
        if header.reconstruction.bregman.is_some() {
            return Err("the page does not show Bregman iteration: choose another model".into());
        }
        let mut values = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            let numbers = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b));
            values.insert(
                name,
                TensorData::new(numbers.collect::<Vec<_>>(), view.shape().to_vec()),
            );
        }
        Ok(Self {
            regularizer: header.regularizer,
            physics: match header.degradation {
                Degradation::None => Measurement::Identity(Identity),
                Degradation::Blur { boundary } => Measurement::Blur(Blur { boundary }),
            },
            sigma: header.sigma / 255.0,
            steps: header.reconstruction,
            values,
        })
    }

    /// The model on a device.
    ///
    /// # Errors
    /// If values are missing, or of another shape.
    pub fn on<B: Backend>(&self, device: &B::Device) -> Result<Learnt<B>, Box<dyn Error>> {
        let parameters = self.regularizer.init::<B>(device);
        // Naming values reads them: where that is not to wait for a device.
        let names = self.regularizer.init::<Flex>(&Default::default());
        let of_kind = named_values::<Flex, _>(&names)
            .into_keys()
            .filter_map(|path| {
                let name = path.split_once('.').map_or(&*path, |(_, name)| name);
                let value = self.values.get(name)?.clone();
                Some((path, value))
            });
        let parameters = load_values::<B, _>(parameters, &of_kind.collect())?;
        let operator = match self.physics {
            Measurement::Blur(_) => {
                let weights = self
                    .values
                    .get("operator.weights")
                    .ok_or("the file has no kernel")?;
                let numbers: Vec<f64> = weights.iter::<f64>().collect();
                MeasurementOperator::Kernel(Kernel::from_numbers(
                    weights.shape[2],
                    &numbers,
                    device,
                )?)
            }
            _ => MeasurementOperator::Nothing(NoOperator),
        };
        Ok(Learned::new(parameters, operator))
    }
}
