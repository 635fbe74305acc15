//! A reconstruction under way.

use std::error::Error;

use bilevel_core::hypergradient::{LowerMap, Nesterov};
use bilevel_core::{BilevelProblem, Vector};
use bilevel_data::{GrayImage, add_gaussian_noise, to_tensor};
use bilevel_models::physics::{Image, ImagePairs, Measurement, Physics, Reconstruction};
use bilevel_models::regularizer::Architecture;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::model::{Learnt, Model};

/// Pixels by which data are continued beyond their edges, and cut off after: filters see zeros
/// there else.
const MARGIN: usize = 8;

/// What the model undoes, done to an image: its blur, and noise of standard deviation `sigma`.
///
/// # Errors
/// If the model is damaged.
pub async fn degrade<B: Backend>(
    model: &Model,
    image: &GrayImage,
    sigma: f32,
    seed: u64,
    device: &B::Device,
) -> Result<GrayImage, Box<dyn Error>> {
    let learnt = model.on::<B>(device)?;
    let (_, operator) = Measurement::split(&learnt);
    let blurred = model
        .physics
        .apply(operator, to_tensor::<B>(&[image.clone()], device));
    let blurred = read(blurred, image.width(), image.height()).await?;
    Ok(add_gaussian_noise(&blurred, sigma, seed, 0))
}

/// Gradient descent on `½ ‖A y − data‖² + R(y)`, as the model file says.
pub struct Session<B: Backend> {
    problem: Reconstruction<Measurement, Architecture>,
    x: Learnt<B>,
    batch: ImagePairs<B>,
    map: Nesterov,
    step_size: Vector<B>,
    state: Vec<Vector<B>>,
    steps: usize,
    size: [usize; 2],
}

impl<B: Backend> Session<B> {
    /// Before the first step, at the data.
    ///
    /// # Errors
    /// If the model is damaged.
    ///
    /// # Panics
    /// If the image has less than ten pixels a side.
    pub fn new(
        model: &Model,
        data: &GrayImage,
        device: &B::Device,
    ) -> Result<Self, Box<dyn Error>> {
        let size = [data.height(), data.width()];
        let data = match model.physics {
            Measurement::Identity(_) => data.mirrored(MARGIN),
            _ => data.reflected(MARGIN),
        };
        let data = to_tensor::<B>(&[data], device);
        let map = Nesterov {
            momentum: model.steps.momentum,
        };
        let [_, _, height, width] = data.dims();
        Ok(Self {
            problem: Reconstruction::of(model.physics, model.regularizer.clone(), 0),
            x: model.on(device)?,
            step_size: Tensor::full([1, 1], model.steps.step_size, device),
            state: map.start(data.clone().reshape([1, height * width])),
            batch: ImagePairs {
                clean: data.clone(),
                data,
            },
            map,
            steps: 0,
            size,
        })
    }

    /// One step of descent. Reads nothing.
    pub fn step(&mut self) {
        let at = self.module(self.map.query(&self.state));
        let gradient = self.problem.lower_gradient(&self.x, &at, &self.batch);
        let gradient = gradient.expect("every regularizer that can be trained states its gradient");
        self.state = self
            .map
            .step(self.steps, &self.state, &gradient, &self.step_size);
        self.steps += 1;
    }

    /// The lower loss at the image.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn energy(&self) -> Result<f32, Box<dyn Error>> {
        let energy =
            self.problem
                .lower_loss(&self.x, &self.module(self.state[0].clone()), &self.batch);
        let data = energy
            .into_data_async()
            .await
            .map_err(|error| format!("{error:?}"))?;
        Ok(data.iter::<f32>().next().expect("one number"))
    }

    /// The image so far.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn image(&self) -> Result<GrayImage, Box<dyn Error>> {
        let pixels = self.module(self.state[0].clone()).pixels.val();
        let [height, width] = self.size;
        let image = read(pixels, width + 2 * MARGIN, height + 2 * MARGIN).await?;
        Ok(image.crop(MARGIN, MARGIN, width, height))
    }

    fn module(&self, y: Vector<B>) -> Image<B> {
        Image::new(y.reshape(self.batch.data.dims()))
    }
}

async fn read<B: Backend>(
    pixels: Tensor<B, 4>,
    width: usize,
    height: usize,
) -> Result<GrayImage, Box<dyn Error>> {
    let data = pixels
        .into_data_async()
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok(GrayImage::new(width, height, data.iter::<f32>().collect()))
}
