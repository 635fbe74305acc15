//! What a reconstruction is judged by.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// What a reconstruction is judged by: the upper loss, of its error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpperLoss {
    /// `mean e²` over all pixels of all images.
    #[default]
    MeanSquare,
    /// `mean ln(mean e²)`, the inner mean over the pixels of an image, the outer one over the
    /// images: minus their mean PSNR, but for a factor of 10/ln 10 dB. Smooth images count as much
    /// as those that are hard.
    LogMeanSquare,
}

impl UpperLoss {
    /// The loss of errors `[n, channels, h, w]`, one number.
    pub fn value<B: Backend>(self, error: Tensor<B, 4>) -> Tensor<B, 1> {
        let square = error.clone() * error;
        match self {
            Self::MeanSquare => square.mean(),
            Self::LogMeanSquare => {
                let [n, channels, h, w] = square.dims();
                let images = square.reshape([n, channels * h * w]);
                images.mean_dim(1).log().mean()
            }
        }
    }
}
