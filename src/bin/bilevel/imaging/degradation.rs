//! What happens to an image before the noise.

use anyhow::{Result, ensure};
use bilevel_backend::Cpu;
use bilevel_data::GrayImage;
use bilevel_models::physics::{
    Blur, Boundary, Identity, Inpainting, Kernel, Mask, Measurement, MeasurementOperator,
    NoOperator, SuperResolution,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::training::task::TaskName;

/// What happens to an image before the noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Degradation {
    /// Nothing.
    None,
    /// It is blurred.
    Blur {
        /// With this.
        kernel: KernelShape,
        /// What lies outside of it.
        #[serde(default)]
        boundary: Boundary,
        /// Semi-blind: the kernel is learned, from this guess.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guess: Option<KernelShape>,
    },
    /// Pixels are lost.
    #[serde(alias = "lost-pixels")]
    Masked {
        /// The share of pixels that are kept, each by chance.
        kept: f64,
        /// Seed of the chance.
        seed: u64,
    },
    /// It is blurred, and every second pixel of every second row is kept.
    #[serde(alias = "halved")]
    Downsampled {
        /// The blur.
        kernel: KernelShape,
        /// What lies outside of the image.
        #[serde(default)]
        boundary: Boundary,
    },
}

/// A blur kernel, in words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum KernelShape {
    /// A normal distribution.
    Gaussian {
        /// Side in pixels, odd.
        size: usize,
        /// Standard deviation in pixels.
        sigma: f64,
    },
    /// A line.
    Motion {
        /// Length in pixels.
        length: f64,
        /// Degrees from the horizontal, counterclockwise.
        angle: f64,
    },
}

impl std::str::FromStr for KernelShape {
    type Err = anyhow::Error;

    /// `gaussian:SIZE:SIGMA` or `motion:LENGTH:ANGLE`.
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<f64>().ok();
        let shape = match parts[..] {
            ["gaussian", size, sigma] => size
                .parse()
                .ok()
                .zip(number(sigma))
                .map(|(size, sigma)| Self::Gaussian { size, sigma }),
            ["motion", length, angle] => number(length)
                .zip(number(angle))
                .map(|(length, angle)| Self::Motion { length, angle }),
            _ => None,
        };
        shape.ok_or_else(|| {
            anyhow::anyhow!("`{text}` is no kernel: write gaussian:5:1.0 or motion:9:30")
        })
    }
}

impl KernelShape {
    /// The kernel.
    ///
    /// # Errors
    /// If there is none of these measures.
    pub fn kernel<B: Backend>(self, device: &B::Device) -> Result<Kernel<B>> {
        Ok(match self {
            Self::Gaussian { size, sigma } => Kernel::gaussian(size, sigma, device)?,
            Self::Motion { length, angle } => Kernel::motion(length, angle.to_radians(), device)?,
        })
    }
}

impl Degradation {
    /// The side of the kernel, if this is a blur that makes of a reflected or turned image the
    /// reflection or turn of what it makes of the image: known, even, the same in both directions,
    /// and itself reflecting at the edges.
    pub fn symmetric_blur(&self) -> Option<usize> {
        match *self {
            Self::Blur {
                kernel: KernelShape::Gaussian { size, .. },
                boundary: Boundary::Reflect,
                guess: None,
            } => Some(size),
            _ => None,
        }
    }

    /// The task of undoing it.
    pub fn task(&self) -> TaskName {
        match self {
            Self::None => TaskName::Denoise,
            Self::Blur { .. } => TaskName::Deblur,
            Self::Masked { .. } => TaskName::Inpaint,
            Self::Downsampled { .. } => TaskName::Upscale,
        }
    }

    /// The physics.
    pub fn measurement(&self) -> Measurement {
        match *self {
            Self::None => Measurement::Identity(Identity),
            Self::Blur { boundary, .. } => Measurement::Blur(Blur { boundary }),
            Self::Masked { .. } => Measurement::Inpainting(Inpainting),
            Self::Downsampled { boundary, .. } => Measurement::SuperResolution(SuperResolution {
                factor: 2,
                boundary,
            }),
        }
    }

    /// The image without the last row and column where the degradation needs even sides.
    pub fn trimmed(&self, image: &GrayImage) -> GrayImage {
        match self {
            Self::Downsampled { .. } => image.crop(0, 0, image.width() & !1, image.height() & !1),
            Self::None | Self::Blur { .. } | Self::Masked { .. } => image.clone(),
        }
    }

    /// Height and width of the image behind data of height and width `size`; even where half is
    /// lost.
    pub fn image_size(&self, size: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Downsampled { .. } => size.map(|side| 2 * side),
            Self::None | Self::Blur { .. } | Self::Masked { .. } => size,
        }
    }

    /// What it is made of, for images of height and width `size`.
    ///
    /// # Errors
    /// If a measure makes no sense.
    pub fn operator<B: Backend>(
        &self,
        size: [usize; 2],
        device: &B::Device,
    ) -> Result<MeasurementOperator<B>> {
        if let Self::Blur { boundary, .. } | Self::Downsampled { boundary, .. } = self {
            ensure!(
                *boundary != Boundary::Valid,
                "data with boundary `valid` do not say how large the image was: take reflect, periodic \
                 or zero"
            );
        }
        Ok(match *self {
            Self::None => MeasurementOperator::Nothing(NoOperator),
            Self::Blur { kernel, .. } | Self::Downsampled { kernel, .. } => {
                MeasurementOperator::Kernel(kernel.kernel(device)?)
            }
            Self::Masked { kept, seed } => {
                ensure!(
                    kept > 0.0 && kept <= 1.0,
                    "`kept` is the share of pixels that are kept, above 0 and at most 1, got {kept}"
                );
                MeasurementOperator::Mask(random_mask(kept, seed, size, device))
            }
        })
    }

    /// Whether it can be made, whatever the size of the images.
    ///
    /// # Errors
    /// If a measure makes no sense.
    pub fn check(&self) -> Result<()> {
        let device = Default::default();
        self.operator::<Cpu>([1, 1], &device)?;
        self.believed::<Cpu>([1, 1], &device)?;
        Ok(())
    }

    /// What reconstruction takes it to be made of before anything is learned: the truth, or the
    /// guess.
    ///
    /// # Errors
    /// If a measure makes no sense.
    pub fn believed<B: Backend>(
        &self,
        size: [usize; 2],
        device: &B::Device,
    ) -> Result<MeasurementOperator<B>> {
        match *self {
            Self::Blur {
                guess: Some(guess), ..
            } => Ok(MeasurementOperator::Kernel(guess.kernel(device)?.learned())),
            _ => self.operator(size, device),
        }
    }
}

/// The largest noise that can be asked for: what is drowned in more is gone.
const MOST_NOISE: f64 = 255.0;

/// `sigma` on the scale of 0 to 255, if it is noise that makes sense.
///
/// # Errors
/// If it is not above 0, or above 255.
pub(crate) fn noise_level(name: &str, sigma: f64) -> Result<f64> {
    ensure!(
        0.0 < sigma && sigma <= MOST_NOISE,
        "{name} must be above 0 and at most {MOST_NOISE}, got {sigma}"
    );
    Ok(sigma)
}

/// Each pixel is kept with probability `kept`.
fn random_mask<B: Backend>(
    kept: f64,
    seed: u64,
    [height, width]: [usize; 2],
    device: &B::Device,
) -> Mask<B> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pixel = |_| f32::from(u8::from(f64::from(rng.next_u32()) < kept * 4_294_967_296.0));
    let pixels: Vec<f32> = (0..height * width).map(&mut pixel).collect();
    let data = TensorData::new(pixels, [1, 1, height, width]);
    Mask {
        seen: Tensor::from_data(data, device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_read_from_words() {
        let gaussian = KernelShape::Gaussian {
            size: 5,
            sigma: 1.0,
        };
        assert_eq!(
            "gaussian:5:1.0".parse::<KernelShape>().expect("reads"),
            gaussian
        );
        let motion = KernelShape::Motion {
            length: 9.0,
            angle: 30.0,
        };
        assert_eq!("motion:9:30".parse::<KernelShape>().expect("reads"), motion);
        for wrong in [
            "",
            "gaussian",
            "gaussian:5",
            "gaussian:x:1",
            "box:3:1",
            "motion:1:2:3",
        ] {
            let error = wrong.parse::<KernelShape>().expect_err("not a kernel");
            assert!(
                error.to_string().contains("write gaussian:5:1.0"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_halved_has_even_sides() {
        let halved = Degradation::Downsampled {
            kernel: KernelShape::Gaussian {
                size: 3,
                sigma: 1.0,
            },
            boundary: Boundary::Reflect,
        };
        let image = GrayImage::new(5, 4, vec![0.5; 20]);
        let trimmed = halved.trimmed(&image);
        assert_eq!((trimmed.width(), trimmed.height()), (4, 4));
        assert_eq!(halved.image_size([2, 2]), [4, 4]);
        assert_eq!(Degradation::None.trimmed(&image), image);
    }

    #[test]
    fn a_boundary_that_loses_the_size_is_refused() {
        let blur = Degradation::Blur {
            kernel: KernelShape::Gaussian {
                size: 3,
                sigma: 1.0,
            },
            boundary: Boundary::Valid,
            guess: None,
        };
        let operator = blur.operator::<bilevel_backend::Cpu>([8, 8], &Default::default());
        let error = operator.expect_err("no size").to_string();
        assert!(error.contains("reflect"), "{error}");
    }

    #[test]
    fn the_angle_of_a_motion_is_in_degrees() {
        let kernel = |text: &str| -> Vec<f32> {
            let shape: KernelShape = text.parse().expect("a kernel");
            let kernel = shape.kernel::<bilevel_backend::Cpu>(&Default::default());
            let weights = kernel.expect("a kernel").weights.val().into_data();
            weights.iter().collect()
        };
        let (along, up) = (kernel("motion:3:0"), kernel("motion:3:90"));
        let side = along.len().isqrt();
        for i in 0..side * side {
            let turned = up[side * (side - 1 - i % side) + i / side];
            assert!((along[i] - turned).abs() < 1e-6, "{along:?} {up:?}");
        }
    }

    #[test]
    fn a_mask_keeps_its_share() {
        let mask = random_mask::<bilevel_backend::Cpu>(0.3, 7, [64, 64], &Default::default());
        let kept: f32 = mask.seen.mean().into_scalar();
        assert!((kept - 0.3).abs() < 0.03, "{kept}");
    }
}
