//! Images, labelled samples, noise and image quality for bilevel problems.
//!
//! A learned regularizer needs little data, but needs it to be the same data every time. This crate
//! loads grey images, cuts augmented training crops, adds Gaussian noise, moves images into and out
//! of Burn tensors, and measures the result. Images are grey, row-major and in [0, 1]; noise levels
//! are in the same unit (the "sigma 25" of the denoising literature is `25.0 / 255.0` here).
//!
//! For classification it loads samples with a class each, pictures or rows of a table, and corrupts
//! a chosen fraction of the labels, which data hyper-cleaning then has to find.
//!
//! | To | use |
//! | --- | --- |
//! | read a folder of PNG and JPEG files | [`load_folder`], [`GrayImage::load`] |
//! | draw training crops | [`RandomCrops`] |
//! | make noisy observations | [`add_gaussian_noise`] |
//! | measure a reconstruction | [`psnr`], [`ssim`] |
//! | compute with Burn | [`to_tensor`], [`from_tensor`] |
//! | keep a result | [`GrayImage::save_png`] |
//! | keep the colours of a photograph | [`load_channels`], [`save_channels`] |
//! | read samples with a class each | [`load_labelled`], or [`load_mnist_like`], [`load_idx`], [`load_csv`], [`load_class_folders`] |
//! | hold and cut such a set | [`Labelled`], [`LabelledSets`] |
//! | put in wrong labels | [`corrupt_labels`] |
//! | read many classes with few samples each | [`FewShotSet`], or [`load_glyphs`], [`load_omniglot`] |
//! | draw small tasks from them | [`EpisodeSampler`] |
//!
//! Everything random is a pure function of a seed and a counter (the step, or the number of the
//! image), so there is no generator to save: a resumed run draws what the first run would have
//! drawn.
//!
//! # Example
//!
//! Noise of standard deviation σ leaves a PSNR of −20 log₁₀ σ:
//!
//! ```
//! use bilevel_data::{GrayImage, add_gaussian_noise, psnr, ssim};
//!
//! let ramp = (0..128 * 128).map(|i| (i % 128) as f32 / 127.0).collect();
//! let clean = GrayImage::new(128, 128, ramp);
//!
//! let sigma = 25.0 / 255.0;
//! let noisy = add_gaussian_noise(&clean, sigma, 0, 0);
//!
//! assert!((psnr(&noisy, &clean) - 20.17).abs() < 0.2);
//! assert!(ssim(&noisy, &clean) < 0.5);
//! assert_eq!(noisy, add_gaussian_noise(&clean, sigma, 0, 0));
//! ```
//!
//! # Errors and panics
//!
//! What a user can get wrong (a path, a damaged file, a crop size) is an [`Error`] whose message is
//! one line that says what to do. What only a program can get wrong (images of different sizes
//! where equal sizes are promised) is a panic that names both sizes.

mod class_folders;
mod colour;
mod corruption;
mod crops;
mod csv_file;
mod episodes;
mod error;
mod few_shot_set;
mod folder;
mod glyphs;
mod gray_image;
mod idx;
mod image_file;
mod labelled;
mod labelled_sets;
mod mnist;
mod noise;
mod omniglot;
mod plain_or_gzip;
mod quality;
mod random;
mod standardization;
mod tensor;

pub use class_folders::load_class_folders;
pub use colour::LumaChroma;
pub use corruption::corrupt_labels;
pub use crops::RandomCrops;
pub use csv_file::{Columns, LabelColumn, load_csv, load_csv_with};
pub use episodes::{EpisodeSampler, EpisodeSamples, EpisodeShape};
pub use error::{Error, ErrorKind};
pub use few_shot_set::FewShotSet;
pub use folder::{NamedImage, image_paths, load_folder};
pub use glyphs::{GlyphSplit, holds_glyphs, load_glyphs};
pub use gray_image::GrayImage;
pub use image_file::{load_channels, save_channels};
pub use labelled::Labelled;
pub use labelled_sets::{LabelledSets, load_labelled, load_labelled_with};
pub use mnist::{load_idx, load_mnist_like};
pub use noise::add_gaussian_noise;
pub use omniglot::{load_omniglot, load_omniglot_runs};
pub use quality::{SSIM_WINDOW, psnr, ssim};
pub use standardization::Standardization;
pub use tensor::{from_tensor, to_tensor};

/// The example in the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
