//! The gradient of a deformable convolution, tap by tap of its kernel.

use burn_backend::TensorMetadata;

use super::{Inner, Wgpu, in_order};
use crate::delegate::prelude::*;

/// Burn's kernel gives every tap the gradient in offset and mask that belongs to the first, so each tap is made one: a
/// convolution of kernel 1x1, its place in the kernel added to its offsets. The other gradients are Burn's.
///
/// Costs a backward pass for every tap.
pub(super) fn deformable_backward(
    x: FloatTensor<Wgpu>,
    offset: FloatTensor<Wgpu>,
    weight: FloatTensor<Wgpu>,
    mask: Option<FloatTensor<Wgpu>>,
    bias: Option<FloatTensor<Wgpu>>,
    output_grad: FloatTensor<Wgpu>,
    options: DeformConvOptions<2>,
) -> DeformConv2dBackward<Wgpu> {
    let output_grad = in_order(output_grad);
    let [height, width] = [weight.shape()[2], weight.shape()[3]];
    let [images, _, rows, columns]: [usize; 4] = offset.shape().dims();
    let (groups, taps) = (options.offset_groups, height * width);
    let shape = offset.shape();
    let offsets = Inner::float_reshape(
        offset.clone(),
        Shape::new([images, groups, taps, 2, rows, columns]),
    );
    let masks = mask.clone().map(|mask| {
        let shape = Shape::new([images, groups, taps, 1, rows, columns]);
        Inner::float_reshape(mask, shape)
    });
    // Of the six axes images, groups, taps, directions, rows and columns.
    let part = |all: &FloatTensor<Wgpu>, tap: usize, direction: usize| {
        let mut ranges: Vec<Slice> = all.shape().iter().map(|&n| Slice::from(0..n)).collect();
        ranges[2] = Slice::from(tap..tap + 1);
        ranges[3] = Slice::from(direction..direction + 1);
        Inner::float_slice(all.clone(), &ranges)
    };
    let (mut offset_grads, mut mask_grads) = (Vec::new(), Vec::new());
    for tap in 0..taps {
        let place = [tap / width, tap % width];
        let moved = [0, 1].map(|i| {
            let steps = (place[i] * options.dilation[i]) as f32;
            Inner::float_add_scalar(part(&offsets, tap, i), steps.into())
        });
        let moved = Inner::float_cat(moved.into(), 3);
        let moved = Inner::float_reshape(moved, Shape::new([images, 2 * groups, rows, columns]));
        let mask = masks.as_ref().map(|masks| {
            let shape = Shape::new([images, groups, rows, columns]);
            Inner::float_reshape(part(masks, tap, 0), shape)
        });
        let mut ranges: Vec<Slice> = weight.shape().iter().map(|&n| Slice::from(0..n)).collect();
        for i in 0..2 {
            ranges[i + 2] = Slice::from(place[i]..place[i] + 1);
        }
        let gradient = Inner::deform_conv2d_backward(
            x.clone(),
            moved,
            Inner::float_slice(weight.clone(), &ranges),
            mask,
            None,
            output_grad.clone(),
            options.clone(),
        );
        let six = |gradient, directions| {
            let shape = [images, groups, 1, directions, rows, columns];
            Inner::float_reshape(gradient, Shape::new(shape))
        };
        offset_grads.push(six(gradient.offset_grad, 2));
        mask_grads.extend(gradient.mask_grad.map(|gradient| six(gradient, 1)));
    }
    let offset_grad = Inner::float_reshape(Inner::float_cat(offset_grads, 2), shape);
    let mask_grad = mask.as_ref().map(|mask| {
        let all = Inner::float_cat(mask_grads, 2);
        Inner::float_reshape(all, mask.shape())
    });
    let whole = Inner::deform_conv2d_backward(x, offset, weight, mask, bias, output_grad, options);
    DeformConv2dBackward::new(
        whole.x_grad,
        offset_grad,
        whole.weight_grad,
        mask_grad,
        whole.bias_grad,
    )
}
