//! Convolutions in the input, the weight and the bias at once: the Hessian has all mixed parts.
//!
//! `n→m k s p d g` are the sizes of input and kernel, stride, padding, dilation and groups; in a
//! transposed convolution `o` is the output padding.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::*;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, DeformConvOptions, UnfoldOptions};

use crate::case::{Cases, Inputs};

pub fn add<B: Backend>(c: &mut Cases<B>) {
    c.section("Convolutions (in input, weight and bias)");
    c.add("conv1d", |i| conv_1d(i, [2, 3], [6, 3], ([1], [1], [1], 1)));
    c.add("conv1d, stride 4 above kernel 2", |i| {
        conv_1d(i, [2, 2], [11, 2], ([4], [0], [1], 1))
    });
    c.add("conv1d, stride 3, rest dropped", |i| {
        conv_1d(i, [2, 3], [10, 3], ([3], [0], [1], 1))
    });
    c.add("conv1d, stride 2, padding 2, dilation 2, groups 2", |i| {
        conv_1d(i, [4, 2], [9, 3], ([2], [2], [2], 2))
    });
    c.add("conv2d", |i| {
        conv_2d(i, [2, 3], [5, 4, 3, 3], ([1, 1], [1, 1], [1, 1], 1))
    });
    c.add("conv2d, stride 2x3, rest dropped", |i| {
        conv_2d(i, [2, 2], [6, 8, 3, 2], ([2, 3], [1, 0], [1, 1], 1))
    });
    c.add("conv2d, stride 3 above kernel 1x2", |i| {
        conv_2d(i, [2, 2], [6, 8, 1, 2], ([3, 3], [0, 0], [1, 1], 1))
    });
    c.add("conv2d, dilation 2x3", |i| {
        conv_2d(i, [1, 2], [6, 7, 2, 3], ([1, 1], [0, 2], [2, 3], 1))
    });
    c.add("conv2d, groups 2", |i| {
        conv_2d(i, [4, 2], [4, 4, 3, 3], ([1, 1], [1, 1], [1, 1], 2))
    });
    c.add("conv2d, depthwise", |i| {
        conv_2d(i, [3, 3], [4, 5, 3, 3], ([1, 1], [1, 1], [1, 1], 3))
    });
    c.add(
        "conv2d, stride 2, padding 1x2, dilation 1x2, groups 2",
        |i| conv_2d(i, [2, 4], [6, 7, 3, 3], ([2, 2], [1, 2], [1, 2], 2)),
    );
    c.add("conv2d, filter bank 1→6, 5x5", |i| {
        conv_2d(i, [1, 6], [7, 7, 5, 5], ([1, 1], [2, 2], [1, 1], 1))
    });
    c.add("conv2d without bias, 1x1", |i| {
        conv2d(
            i.tensor([2, 3, 2, 2]),
            i.tensor([2, 3, 1, 1]),
            None,
            ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
        )
    });
    c.add("conv3d", |i| {
        conv_3d(
            i,
            [2, 2],
            [3, 4, 3, 2, 3, 2],
            ([1; 3], [0, 1, 1], [1; 3], 1),
        )
    });
    c.add("conv3d, stride 2 above kernel 1", |i| {
        conv_3d(
            i,
            [2, 2],
            [3, 4, 3, 1, 1, 1],
            ([2, 2, 2], [0, 0, 0], [1, 1, 1], 1),
        )
    });
    c.add("conv3d, stride 2, dilation 1x2x1, groups 2", |i| {
        conv_3d(
            i,
            [2, 4],
            [4, 5, 4, 3, 2, 2],
            ([2; 3], [1, 1, 0], [1, 2, 1], 2),
        )
    });

    c.section("Transposed convolutions (in input, weight and bias)");
    c.add("conv_transpose1d", |i| {
        transpose_1d(i, [2, 3], [5, 3], ([1], [1], [0], [1], 1))
    });
    c.add(
        "conv_transpose1d, stride 3, output padding 2, dilation 2, groups 2",
        |i| transpose_1d(i, [4, 4], [4, 3], ([3], [1], [2], [2], 2)),
    );
    c.add("conv_transpose1d, output padding 2 = stride", |i| {
        transpose_1d(i, [2, 2], [4, 3], ([2], [1], [2], [3], 1))
    });
    c.add("conv_transpose2d", |i| {
        transpose_2d(i, [2, 3], [4, 3, 3, 3], ([1, 1], [1, 1], [0, 0], [1, 1], 1))
    });
    c.add("conv_transpose2d, stride 3x2 above kernel 2x1", |i| {
        transpose_2d(i, [2, 2], [3, 3, 2, 1], ([3, 2], [1, 0], [0, 1], [1, 1], 1))
    });
    c.add("conv_transpose2d, stride 2, output padding 1x0", |i| {
        transpose_2d(i, [2, 2], [3, 4, 3, 3], ([2, 2], [1, 1], [1, 0], [1, 1], 1))
    });
    c.add(
        "conv_transpose2d, stride 2x3, dilation 1x2, groups 2",
        |i| transpose_2d(i, [4, 2], [3, 2, 2, 3], ([2, 3], [0, 1], [0, 2], [1, 2], 2)),
    );
    c.add("conv_transpose2d, output padding 3 > stride", |i| {
        transpose_2d(i, [1, 2], [3, 3, 3, 2], ([2, 2], [1, 0], [3, 2], [4, 3], 1))
    });
    c.add("conv_transpose3d", |i| {
        transpose_3d(
            i,
            [2, 2],
            [2, 3, 2, 2, 3, 2],
            ([1; 3], [0, 1, 1], [0; 3], [1; 3], 1),
        )
    });
    c.add(
        "conv_transpose3d, stride 2, output padding 1x0x1, groups 2",
        |i| {
            transpose_3d(
                i,
                [4, 4],
                [2, 2, 2, 3, 2, 2],
                ([2; 3], [1, 0, 0], [1, 0, 1], [1; 3], 2),
            )
        },
    );

    c.section("Deformable convolution (in input, offset, weight, mask and bias)");
    c.add("deform_conv2d", |i| {
        deform_conv2d(
            i.tensor([1, 2, 4, 4]),
            i.fraction([1, 18, 4, 4]),
            i.tensor([2, 2, 3, 3]),
            Some(i.tensor([1, 9, 4, 4])),
            Some(i.tensor([2])),
            DeformConvOptions::new([1, 1], [1, 1], [1, 1], 1, 1),
        )
    });

    c.add(
        "deform_conv2d, stride 2x1, dilation 1x2, groups 2, offset groups 2",
        |i| {
            deform_conv2d(
                i.tensor([2, 4, 5, 4]),
                i.fraction([2, 24, 2, 4]),
                i.tensor([4, 2, 3, 2]),
                Some(i.tensor([2, 12, 2, 4])),
                None,
                DeformConvOptions::new([2, 1], [0, 1], [1, 2], 2, 2),
            )
        },
    );

    c.section("Unfolding");
    c.add("unfold4d", |i| {
        unfold4d(
            i.tensor([2, 2, 4, 4]),
            [2, 2],
            UnfoldOptions::new([1, 1], [0, 0], [1, 1]),
        )
    });
    c.add("unfold4d, padding 1, dilation 2", |i| {
        unfold4d(
            i.tensor([2, 2, 4, 4]),
            [2, 2],
            UnfoldOptions::new([2, 1], [1, 1], [2, 2]),
        )
    });
}

/// Stride, padding, dilation, groups.
type Setting<const N: usize> = ([usize; N], [usize; N], [usize; N], usize);
/// Stride, padding, output padding, dilation, groups.
type Transposed<const N: usize> = ([usize; N], [usize; N], [usize; N], [usize; N], usize);

fn conv_1d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [length, k]: [usize; 2],
    (stride, padding, dilation, groups): Setting<1>,
) -> Tensor<B, 3> {
    conv1d(
        i.tensor([2, n, length]),
        i.tensor([m, n / groups, k]),
        Some(i.tensor([m])),
        ConvOptions::new(stride, padding, dilation, groups),
    )
}

fn conv_2d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [height, width, kh, kw]: [usize; 4],
    (stride, padding, dilation, groups): Setting<2>,
) -> Tensor<B, 4> {
    conv2d(
        i.tensor([2, n, height, width]),
        i.tensor([m, n / groups, kh, kw]),
        Some(i.tensor([m])),
        ConvOptions::new(stride, padding, dilation, groups),
    )
}

fn conv_3d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [depth, height, width, kd, kh, kw]: [usize; 6],
    (stride, padding, dilation, groups): Setting<3>,
) -> Tensor<B, 5> {
    conv3d(
        i.tensor([2, n, depth, height, width]),
        i.tensor([m, n / groups, kd, kh, kw]),
        Some(i.tensor([m])),
        ConvOptions::new(stride, padding, dilation, groups),
    )
}

fn transpose_1d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [length, k]: [usize; 2],
    (stride, padding, padding_out, dilation, groups): Transposed<1>,
) -> Tensor<B, 3> {
    conv_transpose1d(
        i.tensor([2, n, length]),
        i.tensor([n, m / groups, k]),
        Some(i.tensor([m])),
        ConvTransposeOptions::new(stride, padding, padding_out, dilation, groups),
    )
}

fn transpose_2d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [height, width, kh, kw]: [usize; 4],
    (stride, padding, padding_out, dilation, groups): Transposed<2>,
) -> Tensor<B, 4> {
    conv_transpose2d(
        i.tensor([2, n, height, width]),
        i.tensor([n, m / groups, kh, kw]),
        Some(i.tensor([m])),
        ConvTransposeOptions::new(stride, padding, padding_out, dilation, groups),
    )
}

fn transpose_3d<B: Backend>(
    i: &mut Inputs<B>,
    [n, m]: [usize; 2],
    [depth, height, width, kd, kh, kw]: [usize; 6],
    (stride, padding, padding_out, dilation, groups): Transposed<3>,
) -> Tensor<B, 5> {
    conv_transpose3d(
        i.tensor([2, n, depth, height, width]),
        i.tensor([n, m / groups, kd, kh, kw]),
        Some(i.tensor([m])),
        ConvTransposeOptions::new(stride, padding, padding_out, dilation, groups),
    )
}
