//! Models of images as files, and what is done with them.

pub(crate) mod data;
pub(crate) mod degradation;
pub(crate) mod model_file;
pub(crate) mod reconstruct;
pub(crate) mod score;
pub(crate) mod steps;
pub(crate) mod tensor_file;
