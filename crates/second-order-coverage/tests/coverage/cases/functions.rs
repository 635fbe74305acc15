//! The other functions that modules are made of.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::linalg;
use burn::tensor::module::*;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::signal::{irfft, rfft};

use crate::case::{Cases, Inputs};

pub fn add<B: Backend>(c: &mut Cases<B>) {
    c.section("Linear maps and attention");
    c.add("linear", |i| {
        linear(i.tensor([3, 4]), i.tensor([4, 2]), Some(i.tensor([2])))
    });
    c.add("linear, batched, without bias", |i| {
        linear(i.tensor([2, 3, 4]), i.tensor([4, 2]), None)
    });
    c.add("embedding", |i| {
        let indices = i.ints(&[0, 3, 3, 1, 0, 2], [2, 3]);
        embedding(i.tensor([5, 4]), indices)
    });
    c.add("attention", |i| {
        attend(i, AttentionModuleOptions::default())
    });
    c.add("attention, causal", |i| {
        let options = AttentionModuleOptions {
            is_causal: true,
            ..Default::default()
        };
        attend(i, options)
    });
    c.add("attention, scale and softcap", |i| {
        let options = AttentionModuleOptions {
            scale: Some(0.7),
            softcap: Some(1.5),
            ..Default::default()
        };
        attend(i, options)
    });

    c.section("Linear algebra");
    c.add("det", |i| linalg::det::<B, 3, 2, 1>(i.tensor([2, 3, 3])));
    c.add("l2_norm", |i| linalg::l2_norm(i.tensor([3, 4]), 1));
    c.add("cosine_similarity", |i| {
        linalg::cosine_similarity(i.tensor([3, 4]), i.tensor([3, 4]), 1, None)
    });

    c.section("Fourier transform");
    c.add("rfft", |i| both(rfft(i.tensor([2, 8]), 1, None), 1));
    c.add("rfft, padded, along the first axis", |i| {
        both(rfft(i.tensor([5, 2]), 0, Some(8)), 0)
    });
    c.add("rfft, cut", |i| both(rfft(i.tensor([2, 7]), 1, Some(4)), 1));
    c.add("irfft", |i| {
        irfft(i.tensor([2, 5]), i.tensor([2, 5]), 1, None)
    });
    c.add("irfft, padded", |i| {
        irfft(i.tensor([2, 4]), i.tensor([2, 4]), 1, Some(16))
    });
}

fn attend<B: Backend>(i: &mut Inputs<B>, options: AttentionModuleOptions) -> Tensor<B, 4> {
    let [query, key, value] = [[1, 2, 3, 4], [1, 2, 5, 4], [1, 2, 5, 3]].map(|s| i.tensor(s));
    attention(
        query,
        key,
        value,
        None,
        Some(i.tensor([1, 2, 3, 5])),
        options,
    )
}

fn both<B: Backend>((re, im): (Tensor<B, 2>, Tensor<B, 2>), dim: usize) -> Tensor<B, 2> {
    Tensor::cat(vec![re, im], dim)
}
