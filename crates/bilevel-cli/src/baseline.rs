//! Total variation with one weight, chosen on the validation images: what learning has to beat.

use bilevel_core::Tape;
use bilevel_data::{GrayImage, NamedImage};
use bilevel_models::regularizer::{Tv, TvParameters};
use burn::tensor::backend::Backend;

use crate::reconstruct::reconstruct;
use crate::score::Scores;

/// Weights that are tried, in units of σ.
const WEIGHTS: [f64; 6] = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Smoothing of the absolute value, in image units.
const SMOOTHING: f64 = 0.01;

/// The weight of TV with the best mean PSNR on `clean` from `noisy`, in units of σ, and its parameters.
///
/// `sigma` is on the scale of the pixels.
pub(crate) fn best_tv<B: Backend>(
    clean: &[NamedImage],
    noisy: &[GrayImage],
    sigma: f64,
    device: &B::Device,
) -> (f64, TvParameters<Tape<B>>) {
    let tried = WEIGHTS.map(|weight| {
        let x = Tv::with::<Tape<B>>((weight * sigma).ln(), SMOOTHING.ln(), device);
        let images = reconstruct::<B, _>(&Tv, &x, noisy, device, || ());
        (
            Scores::new(clean, images.iter().map(|(image, _)| image)).psnr_mean,
            weight,
            x,
        )
    });
    let best = tried
        .into_iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("weights are tried");
    (best.1, best.2)
}
