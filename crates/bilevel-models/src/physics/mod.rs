//! How data come about, and the bilevel problem of undoing it.

mod denoise;

pub use denoise::{ClosedForm, CurvatureBound, Denoising, Image, ImagePairs};
