//! `Cpu`'s convolutions and their adjoints against the definition and against Flex, for random
//! shapes, strides, paddings, dilations and groups.

use bilevel_backend::Cpu;
use burn::tensor::TensorData;
use burn_backend::ops::{ConvOptions, ConvTransposeOptions, ModuleOps};
use burn_backend::{DType, Element, Shape, TensorMetadata};
use burn_flex::{Flex, FlexTensor};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A convolution `r [n, g o, ..] = w [g o, i, ..] * x [n, g i, ..]`.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    inputs: usize,
    outputs: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    seed: u64,
}

impl Case {
    fn x(&self) -> [usize; 4] {
        [
            self.batch,
            self.groups * self.inputs,
            self.image[0],
            self.image[1],
        ]
    }

    fn w(&self) -> [usize; 4] {
        [
            self.groups * self.outputs,
            self.inputs,
            self.kernel[0],
            self.kernel[1],
        ]
    }

    fn r(&self) -> [usize; 4] {
        let [height, width] = [0, 1].map(|d| {
            let reach = self.dilation[d] * (self.kernel[d] - 1) + 1;
            let padded = self.image[d] + 2 * self.padding[d];
            if padded < reach {
                0
            } else {
                (padded - reach) / self.stride[d] + 1
            }
        });
        [self.batch, self.groups * self.outputs, height, width]
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new(self.stride, self.padding, self.dilation, self.groups)
    }

    /// Calls `visit` with the places in x, w and r of every product of the definition.
    fn products(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [x, w, r] = [self.x(), self.w(), self.r()];
        let flat =
            |s: [usize; 4], i: [usize; 4]| ((i[0] * s[1] + i[1]) * s[2] + i[2]) * s[3] + i[3];
        for n in 0..self.batch {
            for o in 0..r[1] {
                for i in 0..self.inputs {
                    for t in (0..r[2]).flat_map(|a| (0..r[3]).map(move |b| [a, b])) {
                        for k in (0..w[2]).flat_map(|a| (0..w[3]).map(move |b| [a, b])) {
                            let at = [0, 1].map(|d| {
                                (self.stride[d] * t[d] + self.dilation[d] * k[d])
                                    .checked_sub(self.padding[d])
                                    .filter(|&p| p < self.image[d])
                            });
                            if let [Some(a), Some(b)] = at {
                                let channel = o / self.outputs * self.inputs + i;
                                visit(
                                    flat(x, [n, channel, a, b]),
                                    flat(w, [o, i, k[0], k[1]]),
                                    flat(r, [n, o, t[0], t[1]]),
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |low: usize, high: usize| [low..=high, low..=high];
    (
        (0..=3usize, 1..=3usize, 1..=12usize, 1..=14usize),
        (
            [1..=12usize, 1..=40usize],
            pair(1, 5),
            pair(1, 4),
            pair(0, 4),
            pair(1, 3),
        ),
        any::<u64>(),
    )
        .prop_map(
            |(
                (batch, groups, inputs, outputs),
                (image, kernel, stride, padding, dilation),
                seed,
            )| Case {
                batch,
                groups,
                inputs,
                outputs,
                image,
                kernel,
                stride,
                padding,
                dilation,
                seed,
            },
        )
}

fn values(shape: [usize; 4], rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

fn tensor(values: &[f64], shape: &[usize], dtype: DType) -> FlexTensor {
    let data = TensorData::new(values.to_vec(), Shape::from(shape.to_vec()));
    FlexTensor::from_data(data.convert_dtype(dtype))
}

fn read(tensor: FlexTensor) -> Vec<f64> {
    tensor.into_data().convert::<f64>().to_vec().unwrap()
}

/// Relative to the largest entry: the sums of both orders of summation differ by rounding only.
#[track_caller]
fn assert_close(what: &str, ours: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what}, entry {i}: {a} instead of {b}"
        );
    }
}

fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F32 { 1e-5 } else { 1e-12 }
}

/// The convolution with a bias, its two adjoints, and the transposed convolution.
fn check(case: &Case, dtype: DType, against_flex: bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
    let [sx, sw, sr] = [case.x(), case.w(), case.r()];
    let [x, w, r] = [sx, sw, sr].map(|shape| values(shape, &mut rng));
    let bias: Vec<f64> = (0..sr[1]).map(|_| rng.random_range(-1.0..1.0)).collect();
    let area = sr[2] * sr[3];
    let mut conv: Vec<f64> = (0..r.len()).map(|i| bias[i / area % sr[1]]).collect();
    let (mut in_x, mut in_w) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    case.products(|i, j, k| {
        conv[k] += x[i] * w[j];
        in_x[i] += w[j] * r[k];
        in_w[j] += x[i] * r[k];
    });

    let t = |values: &[f64], shape: [usize; 4]| tensor(values, &shape, dtype);
    let tb = || Some(tensor(&bias, &[sr[1]], dtype));
    let options = || case.options();
    let close = |what: &str, ours: FlexTensor, expected: &[f64]| {
        assert_close(what, &read(ours), expected, tolerance(dtype));
    };
    close(
        "conv2d",
        Cpu::conv2d(t(&x, sx), t(&w, sw), tb(), options()),
        &conv,
    );
    close(
        "x gradient",
        Cpu::conv2d_x_backward(t(&x, sx), t(&w, sw), t(&r, sr), options()),
        &in_x,
    );
    close(
        "weight gradient",
        Cpu::conv2d_weight_backward(t(&x, sx), t(&w, sw), t(&r, sr), options()),
        &in_w,
    );
    if against_flex {
        close(
            "Flex",
            Flex::conv2d(t(&x, sx), t(&w, sw), tb(), options()),
            &conv,
        );
    }

    // The transposed convolution of r: as large as the padding at its end says.
    if area > 0 {
        let padding_out = [0, 1].map(|d| {
            let reach =
                case.stride[d] * (sr[d + 2] - 1) + case.dilation[d] * (case.kernel[d] - 1) + 1;
            (case.image[d] + 2 * case.padding[d]).saturating_sub(reach)
        });
        let options = ConvTransposeOptions::new(
            case.stride,
            case.padding,
            padding_out,
            case.dilation,
            case.groups,
        );
        let ours = Cpu::conv_transpose2d(t(&r, sr), t(&w, sw), None, options);
        assert_eq!(ours.shape(), Shape::new(sx));
        close("transposed", ours, &in_x);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_three_maps_are_those_of_the_definition(case in cases()) {
        // Flex is compared where it accepts the shapes: it has no results of size zero.
        let against_flex = case.batch > 0 && case.r()[2] * case.r()[3] > 0;
        check(&case, DType::F64, against_flex);
        check(&case, DType::F32, against_flex);
    }
}

/// The shapes that each kernel was written for, with more channels than the random cases have.
#[test]
fn filter_banks_and_many_channels() {
    let case = |groups, inputs, outputs, image, kernel: usize, stride| Case {
        batch: 2,
        groups,
        inputs,
        outputs,
        image: [image, image],
        kernel: [kernel, kernel],
        stride: [stride, stride],
        padding: [kernel / 2, kernel / 2],
        dilation: [1, 1],
        seed: 1,
    };
    for case in [
        case(1, 1, 48, 96, 7, 1),
        case(1, 48, 1, 96, 7, 1),
        case(1, 64, 64, 14, 3, 1),
        case(1, 64, 64, 7, 3, 2),
        case(16, 1, 1, 20, 3, 1),
        case(1, 3, 16, 33, 11, 4),
        case(1, 5, 7, 1, 1, 1),
    ] {
        check(&case, DType::F32, true);
        check(&case, DType::F64, true);
    }
}

/// Images of nothing, kernels larger than the image, and one pixel.
#[test]
fn empty_and_one_pixel_shapes() {
    for (batch, image, kernel) in [
        (0, [3, 3], [3, 3]),
        (2, [1, 1], [1, 1]),
        (2, [2, 1], [3, 3]),
    ] {
        let case = Case {
            batch,
            groups: 2,
            inputs: 2,
            outputs: 3,
            image,
            kernel,
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            seed: 2,
        };
        check(&case, DType::F32, false);
        check(&case, DType::F64, false);
    }
}

#[test]
fn a_row_is_an_image_of_one_row() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let [x, w] = [[2, 4, 1, 31], [6, 2, 1, 5]].map(|shape| values(shape, &mut rng));
    let one = ConvOptions::new([2], [3], [2], 2);
    let two = ConvOptions::new([1, 2], [0, 3], [1, 2], 2);
    let (x1, w1) = (
        tensor(&x, &[2, 4, 31], DType::F64),
        tensor(&w, &[6, 2, 5], DType::F64),
    );
    let (x2, w2) = (
        tensor(&x, &[2, 4, 1, 31], DType::F64),
        tensor(&w, &[6, 2, 1, 5], DType::F64),
    );
    let r1 = Cpu::conv1d(x1.clone(), w1.clone(), None, one.clone());
    let r2 = Cpu::conv2d(x2.clone(), w2.clone(), None, two.clone());
    assert_eq!(r1.shape().num_elements(), r2.shape().num_elements());
    assert_eq!(read(r1.clone()), read(r2.clone()));
    assert_eq!(
        read(Cpu::conv1d_x_backward(
            x1.clone(),
            w1.clone(),
            r1.clone(),
            one.clone()
        )),
        read(Cpu::conv2d_x_backward(
            x2.clone(),
            w2.clone(),
            r2.clone(),
            two.clone()
        )),
    );
    assert_eq!(
        read(Cpu::conv1d_weight_backward(x1, w1, r1, one)),
        read(Cpu::conv2d_weight_backward(x2, w2, r2, two)),
    );
}

#[test]
#[should_panic = "a convolution in 2 groups of images [1, 4, 5, 5] with kernels [6, 3, 3, 3]"]
fn channels_that_do_not_fit_are_named() {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 2);
    let zeros = |shape: &[usize]| FlexTensor::zeros(Shape::from(shape.to_vec()), f32::dtype());
    Cpu::conv2d(zeros(&[1, 4, 5, 5]), zeros(&[6, 3, 3, 3]), None, options);
}
