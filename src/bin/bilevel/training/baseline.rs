//! Total variation with one weight, chosen on the validation images: what learning has to beat.

use anyhow::Result;
use bilevel_models::regularizer::{ArchitectureParameters, Tv};
use burn::tensor::backend::Backend;

use crate::imaging::data::Pairs;
use crate::imaging::model_file::Model;
use crate::imaging::reconstruct::{Reconstructor, reconstruct};
use crate::imaging::score::Scores;

/// Weights that are tried, in units of σ.
const WEIGHTS: [f64; 15] = [
    0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
];
/// Smoothing of the absolute value, in image units.
const SMOOTHING: f64 = 0.01;

/// How TV is minimised.
const MINIMISER: Reconstructor = Reconstructor::Minimiser {
    tolerance: 3e-4,
    max_steps: 500,
};

/// `model` with TV in place of its regularizer, with the weight that has the best mean PSNR on
/// `pairs`; the weight is given in units of σ.
///
/// # Errors
/// If the degradation does not fit the images.
pub(crate) fn best_tv<B: Backend>(
    model: &Model<B>,
    pairs: &Pairs,
    device: &B::Device,
) -> Result<(f64, Model<B>)> {
    let Pairs { clean, data } = pairs;
    let mut best: Option<(f64, f64, Model<B>)> = None;
    for weight in WEIGHTS {
        let x = Tv::with((weight * model.sigma / 255.0).ln(), SMOOTHING.ln(), device);
        let tv = Model {
            regularizer: Tv.into(),
            parameters: ArchitectureParameters::Tv(x),
            reconstruction: MINIMISER,
            ..model.clone()
        };
        let images = reconstruct(&tv, data, device, || ())?;
        let psnr = Scores::of(clean, &images).psnr_mean;
        if best.as_ref().is_none_or(|(best, ..)| psnr > *best) {
            best = Some((psnr, weight, tv));
        }
    }
    let (_, weight, tv) = best.expect("weights are tried");
    Ok((weight, tv))
}
