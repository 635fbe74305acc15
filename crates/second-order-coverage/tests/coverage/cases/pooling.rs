//! Pooling, resizing and embedding.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::*;
use burn::tensor::ops::InterpolateMode::{self, Bicubic, Bilinear, Lanczos3, Nearest};
use burn::tensor::ops::InterpolateOptions;

use crate::case::{Cases, Inputs};

pub fn add<B: Backend>(c: &mut Cases<B>) {
    c.section("Pooling");
    c.add("avg_pool1d", |i| {
        avg_pool1d(i.tensor([2, 2, 7]), 3, 2, 0, true, false)
    });
    c.add("avg_pool1d, padding counted", |i| {
        avg_pool1d(i.tensor([2, 2, 7]), 3, 2, 1, true, false)
    });
    c.add("avg_pool1d, padding not counted", |i| {
        avg_pool1d(i.tensor([2, 2, 7]), 3, 2, 1, false, false)
    });
    c.add("avg_pool1d, ceil_mode", |i| {
        avg_pool1d(i.tensor([2, 2, 6]), 3, 2, 0, true, true)
    });
    c.add("avg_pool2d", |i| {
        avg_pool2d(i.tensor([2, 2, 5, 4]), [2, 2], [2, 2], [0, 0], true, false)
    });
    c.add("avg_pool2d, overlapping, padding counted", |i| {
        avg_pool2d(i.tensor([1, 2, 5, 6]), [3, 2], [1, 2], [1, 1], true, false)
    });
    c.add("avg_pool2d, overlapping, padding not counted", |i| {
        avg_pool2d(i.tensor([1, 2, 5, 6]), [3, 2], [1, 2], [1, 1], false, false)
    });
    c.add("avg_pool2d, ceil_mode, padding counted", |i| {
        avg_pool2d(i.tensor([1, 2, 6, 6]), [3, 3], [2, 2], [1, 1], true, true)
    });
    c.add("avg_pool2d, ceil_mode, padding not counted", |i| {
        avg_pool2d(i.tensor([1, 2, 6, 6]), [3, 3], [2, 2], [1, 1], false, true)
    });
    c.add("adaptive_avg_pool1d", |i| {
        adaptive_avg_pool1d(i.tensor([2, 2, 7]), 3)
    });
    c.add("adaptive_avg_pool2d", |i| {
        adaptive_avg_pool2d(i.tensor([2, 2, 5, 7]), [2, 3])
    });
    c.add("adaptive_avg_pool2d to one", |i| {
        adaptive_avg_pool2d(i.tensor([2, 2, 3, 4]), [1, 1])
    });
    c.add("max_pool1d", |i| {
        max_pool1d(i.tensor([2, 2, 7]), 3, 2, 1, 1, false)
    });
    c.add("max_pool1d, dilation 2", |i| {
        max_pool1d(i.tensor([2, 2, 8]), 3, 1, 0, 2, false)
    });
    c.add("max_pool1d, ceil_mode", |i| {
        max_pool1d(i.tensor([2, 2, 6]), 3, 2, 0, 1, true)
    });
    c.add("max_pool1d_with_indices", |i| {
        max_pool1d_with_indices(i.tensor([2, 2, 7]), 3, 2, 1, 1, false).0
    });
    c.add("max_pool2d", |i| {
        max_pool2d(
            i.tensor([2, 2, 4, 6]),
            [2, 2],
            [2, 2],
            [0, 0],
            [1, 1],
            false,
        )
    });
    c.add("max_pool2d, overlapping, padding", |i| {
        max_pool2d(
            i.tensor([2, 2, 5, 5]),
            [3, 3],
            [1, 2],
            [1, 1],
            [1, 1],
            false,
        )
    });
    c.add("max_pool2d, dilation 1x2", |i| {
        max_pool2d(
            i.tensor([1, 2, 5, 6]),
            [2, 3],
            [1, 1],
            [0, 1],
            [1, 2],
            false,
        )
    });
    c.add("max_pool2d, ceil_mode", |i| {
        max_pool2d(i.tensor([1, 2, 5, 6]), [2, 3], [2, 2], [0, 1], [1, 1], true)
    });
    c.add("max_pool2d_with_indices", |i| {
        max_pool2d_with_indices(
            i.tensor([1, 2, 4, 4]),
            [2, 2],
            [2, 2],
            [0, 0],
            [1, 1],
            false,
        )
        .0
    });

    c.section("Resizing");
    c.add("interpolate nearest, larger", |i| {
        resize(i, Nearest, [7, 8], true)
    });
    c.add("interpolate nearest, smaller", |i| {
        resize(i, Nearest, [2, 3], true)
    });
    c.add("interpolate bilinear, larger, aligned", |i| {
        resize(i, Bilinear, [7, 9], true)
    });
    c.add("interpolate bilinear, larger", |i| {
        resize(i, Bilinear, [7, 9], false)
    });
    c.add("interpolate bilinear, smaller", |i| {
        resize(i, Bilinear, [2, 3], false)
    });
    c.add("interpolate bicubic, larger, aligned", |i| {
        resize(i, Bicubic, [7, 9], true)
    });
    c.add("interpolate bicubic, larger", |i| {
        resize(i, Bicubic, [7, 9], false)
    });
    c.add("interpolate bicubic, smaller", |i| {
        resize(i, Bicubic, [2, 3], false)
    });
    c.add("interpolate bicubic to one", |i| {
        resize(i, Bicubic, [1, 1], true)
    });
    c.add("interpolate lanczos3, larger, aligned", |i| {
        resize(i, Lanczos3, [7, 9], true)
    });
    c.add("interpolate lanczos3, larger", |i| {
        resize(i, Lanczos3, [7, 9], false)
    });
    c.add("interpolate lanczos3, smaller", |i| {
        resize(i, Lanczos3, [2, 3], false)
    });
}

fn resize<B: Backend>(
    i: &mut Inputs<B>,
    mode: InterpolateMode,
    size: [usize; 2],
    align_corners: bool,
) -> Tensor<B, 4> {
    let options = InterpolateOptions::new(mode).with_align_corners(align_corners);
    interpolate(i.tensor([1, 2, 4, 5]), size, options)
}
