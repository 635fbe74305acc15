//! The tape's own deformable convolution against Burn's.

use bilevel_backend::{Cpu, Tape};
use burn::tensor::module::deform_conv2d;
use burn::tensor::ops::DeformConvOptions;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

type B = Cpu;

/// Stride, padding, dilation; groups of weights and of offsets; height and width of the kernel.
type Setting = ([[usize; 2]; 3], [usize; 2], [usize; 2]);

/// Offsets of several pixels: many taps look outside.
#[test]
fn composed_is_burns() {
    let settings: [Setting; 4] = [
        ([[1, 1], [1, 1], [1, 1]], [1, 1], [3, 3]),
        ([[2, 1], [0, 1], [1, 2]], [2, 2], [3, 2]),
        ([[1, 3], [2, 0], [1, 1]], [1, 4], [1, 1]),
        ([[1, 1], [0, 2], [2, 1]], [4, 1], [2, 5]),
    ];
    let (images, channels, outputs, height, width) = (2, 4, 8, 7, 6);
    for ([stride, padding, dilation], [groups, offset_groups], kernel) in settings {
        let rng = &mut ChaCha8Rng::seed_from_u64(7);
        let mut draw = |shape: [usize; 4], deviation| -> Tensor<B, 4> {
            let normal = Distribution::Normal(0.0, deviation);
            Tensor::from_data(
                TensorData::random::<f32, _, _>(shape, normal, rng),
                &Default::default(),
            )
        };
        let size = |axis: usize, length: usize| {
            let reach = dilation[axis] * (kernel[axis] - 1) + 1;
            (length + 2 * padding[axis] - reach) / stride[axis] + 1
        };
        let (rows, columns) = (size(0, height), size(1, width));
        let looks = offset_groups * kernel[0] * kernel[1];
        let [kernel_height, kernel_width] = kernel;
        let x = draw([images, channels, height, width], 1.0);
        let offset = draw([images, 2 * looks, rows, columns], 2.0);
        let weight = draw(
            [outputs, channels / groups, kernel_height, kernel_width],
            1.0,
        );
        let mask = draw([images, looks, rows, columns], 1.0);
        let bias = draw([1, 1, 1, outputs], 1.0).reshape([outputs]);
        let options = DeformConvOptions::new(stride, padding, dilation, groups, offset_groups);

        for whole in [true, false] {
            let (mask, bias) = (whole.then(|| mask.clone()), whole.then(|| bias.clone()));
            let burns = deform_conv2d(
                x.clone(),
                offset.clone(),
                weight.clone(),
                mask.clone(),
                bias.clone(),
                options.clone(),
            );
            let lift = |t: &Tensor<B, 4>| Tensor::<Tape<B>, 4>::from_inner(t.clone());
            let composed = deform_conv2d(
                lift(&x),
                lift(&offset),
                lift(&weight),
                mask.as_ref().map(lift),
                bias.map(Tensor::from_inner),
                options.clone(),
            );
            let error: f32 = (composed.inner() - burns.clone()).abs().max().into_scalar();
            let size: f32 = burns.abs().max().into_scalar();
            assert!(
                error < 1e-5 * size,
                "{error} of {size} with kernel {kernel:?}"
            );
        }
    }
}

#[test]
#[should_panic(expected = "offsets have 3x4 places, the output has [4, 4]")]
fn offsets_of_another_size() {
    let zeros = |shape: [usize; 4]| Tensor::<Tape<B>, 4>::zeros(shape, &Default::default());
    let (x, offset, weight) = (
        zeros([1, 1, 4, 4]),
        zeros([1, 2, 3, 4]),
        zeros([1, 1, 1, 1]),
    );
    let options = DeformConvOptions::new([1, 1], [0, 0], [1, 1], 1, 1);
    deform_conv2d(x, offset, weight, None, None, options);
}
