//! Degraded versions of clean images.

use anyhow::Result;
use bilevel_data::{GrayImage, NamedImage, add_gaussian_noise, from_tensor, to_tensor};
use bilevel_models::physics::{ImagePairs, Measurement, MeasurementOperator};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::imaging::degradation::Degradation;

/// Clean images and their data, in the same order.
pub(crate) struct Pairs {
    /// The truth.
    pub clean: Vec<NamedImage>,
    /// What is known of it.
    pub data: Vec<GrayImage>,
}

/// The data of each image, whose sides are made even where they have to be, with noise of standard
/// deviation `sigma` on the scale of the pixels: noise `i` of `seed` for image `i`.
///
/// # Errors
/// If the degradation does not fit an image.
pub(crate) fn pairs<B: Backend>(
    clean: Vec<NamedImage>,
    degradation: &Degradation,
    sigma: f64,
    seed: u64,
) -> Result<Pairs> {
    let device = Default::default();
    let measurement = degradation.measurement();
    let trimmed = |NamedImage { name, image }: NamedImage| NamedImage {
        name,
        image: degradation.trimmed(&image),
    };
    let clean: Vec<NamedImage> = clean.into_iter().map(trimmed).collect();
    let one = |(number, named): (u64, &NamedImage)| {
        let size = [named.image.height(), named.image.width()];
        let operator = degradation.operator::<B>(size, &device)?;
        let image = std::slice::from_ref(&named.image);
        let batch = degrade(image, &measurement, &operator, sigma, seed, number, &device)?;
        Ok(from_tensor(batch.data).remove(0))
    };
    let data = (0..).zip(&clean).map(one).collect::<Result<_>>()?;
    Ok(Pairs { clean, data })
}

/// `A clean + noise` for images of one size, with noises `first`, `first + 1`, … of `seed`.
///
/// # Errors
/// If A does not fit the images.
pub(crate) fn degrade<B: Backend>(
    clean: &[GrayImage],
    measurement: &Measurement,
    operator: &MeasurementOperator<B>,
    sigma: f64,
    seed: u64,
    first: u64,
    device: &B::Device,
) -> Result<ImagePairs<B>> {
    let none = |shape: [usize; 4]| Tensor::zeros(shape, device);
    let pairs = ImagePairs::simulate(measurement, operator, to_tensor(clean, device), none)?;
    let noisy: Vec<GrayImage> = (first..)
        .zip(from_tensor(pairs.data))
        .map(|(number, image)| add_gaussian_noise(&image, sigma as f32, seed, number))
        .collect();
    Ok(ImagePairs {
        clean: pairs.clean,
        data: to_tensor(&noisy, device),
    })
}
