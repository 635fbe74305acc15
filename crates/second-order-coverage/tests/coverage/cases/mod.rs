//! Everything that is measured.

mod activation;
mod convolution;
mod float;
mod functions;
mod layers;
mod losses;
mod pooling;

use burn::tensor::backend::Backend;

use crate::case::Cases;

pub fn all<B: Backend>() -> Cases<B> {
    let mut cases = Cases::new();
    float::add(&mut cases);
    activation::add(&mut cases);
    convolution::add(&mut cases);
    pooling::add(&mut cases);
    functions::add(&mut cases);
    layers::add(&mut cases);
    losses::add(&mut cases);
    cases
}
