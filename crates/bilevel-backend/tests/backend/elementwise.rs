//! `Cpu`'s arithmetic against the standard library, and against Flex for every way in which
//! operands can meet.

use bilevel_backend::Cpu;
use burn::tensor::TensorData;
use burn_backend::ops::FloatTensorOps;
use burn_backend::{BoolDType, DType, Scalar, Shape};
use burn_flex::{Flex, FlexTensor};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn tensor(values: Vec<f64>, shape: &[usize], dtype: DType) -> FlexTensor {
    let data = TensorData::new(values, Shape::from(shape.to_vec()));
    FlexTensor::from_data(data.convert_dtype(dtype))
}

fn read(tensor: FlexTensor) -> Vec<f64> {
    tensor.into_data().convert::<f64>().to_vec().unwrap()
}

fn random(shape: &[usize], seed: u64, dtype: DType) -> FlexTensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    tensor(
        (0..count).map(|_| rng.random_range(0.5..2.0)).collect(),
        shape,
        dtype,
    )
}

/// Distance of `x` from `exact` in units of the last place of `exact`, where `f32` has one.
fn units(x: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if !rounded.is_normal() {
        // Infinite, zero and subnormal results: the same, or as near as the smallest normal number.
        let near = (x as f64 - exact).abs() <= f32::MIN_POSITIVE as f64;
        return if x.to_bits() == rounded.to_bits() || near || (x.is_nan() && exact.is_nan()) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let unit = f32::from_bits(rounded.abs().to_bits() + 1) - rounded.abs();
    (x as f64 - exact).abs() / unit as f64
}

/// Every 4001st number of all, infinities and subnormals among them.
#[test]
fn exponentials_in_f32_are_right_to_two_units_in_the_last_place() {
    let x: Vec<f32> = (0..u32::MAX)
        .step_by(4001)
        .map(f32::from_bits)
        .filter(|x| !x.is_nan())
        .collect();
    let input = || FlexTensor::from_data(TensorData::new(x.clone(), Shape::new([x.len()])));
    let check = |name: &str, ours: FlexTensor, exact: fn(f64) -> f64| {
        let ours = ours.into_data().to_vec::<f32>().unwrap();
        for (&x, y) in x.iter().zip(ours) {
            let error = units(y, exact(x as f64));
            assert!(error <= 2.0, "{name}({x:e}) = {y:e}: {error} units off");
        }
    };
    check("exp", Cpu::float_exp(input()), f64::exp);
    check("ln", Cpu::float_log(input()), f64::ln);
    check("tanh", Cpu::float_tanh(input()), f64::tanh);
}

#[test]
fn nan_stays_nan() {
    let nan = || FlexTensor::from_data(TensorData::new(vec![f32::NAN; 40], Shape::new([40])));
    for result in [
        Cpu::float_exp(nan()),
        Cpu::float_log(nan()),
        Cpu::float_tanh(nan()),
        Cpu::float_sum(nan()),
    ] {
        assert!(read(result).iter().all(|x| x.is_nan()));
    }
}

/// Shapes of two operands: alike, or one repeated along the other.
fn shapes() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    (
        proptest::collection::vec(1..6usize, 1..5),
        any::<[bool; 5]>(),
        any::<bool>(),
    )
        .prop_map(|(large, ones, flip)| {
            let small = large
                .iter()
                .zip(ones)
                .map(|(&n, one)| if one { 1 } else { n })
                .collect();
            if flip { (small, large) } else { (large, small) }
        })
}

type Binary = fn(FlexTensor, FlexTensor) -> FlexTensor;

const OPERATIONS: [(Binary, Binary); 4] = [
    (Cpu::float_add, Flex::float_add),
    (Cpu::float_sub, Flex::float_sub),
    (Cpu::float_mul, Flex::float_mul),
    (Cpu::float_div, Flex::float_div),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Shared or not, in order or transposed, repeated along the other or not: the numbers are
    /// Flex's, and an operand that somebody else holds is not changed.
    #[test]
    fn operands_meet_as_in_flex((a, b) in shapes(), seed in any::<u64>(), swap in any::<bool>()) {
        for dtype in [DType::F32, DType::F64] {
            for (ours, flex) in OPERATIONS {
                let [x, y] = [random(&a, seed, dtype), random(&b, seed ^ 1, dtype)];
                let turn = |t: FlexTensor| {
                    let rank = a.len();
                    if swap { t.transpose(0, rank - 1) } else { t }
                };
                let (held_x, held_y) = (read(x.clone()), read(y.clone()));
                let expected = read(flex(turn(x.clone()), turn(y.clone())));
                prop_assert_eq!(&read(ours(turn(x.clone()), turn(y.clone()))), &expected);
                prop_assert_eq!(&read(x.clone()), &held_x);
                prop_assert_eq!(&read(y.clone()), &held_y);
                prop_assert_eq!(&read(ours(turn(random(&a, seed, dtype)), turn(y.clone()))), &expected);
                prop_assert_eq!(&read(ours(turn(x.clone()), turn(random(&b, seed ^ 1, dtype)))), &expected);
                prop_assert_eq!(read(ours(turn(x), turn(y))), expected);
            }
        }
    }
}

/// Enough elements to be shared out between threads, and some left over.
#[test]
fn long_operands_meet_as_in_flex() {
    for shape in [vec![100_003], vec![3, 50, 700], vec![5000, 21]] {
        let mut row = vec![1; shape.len()];
        *row.last_mut().unwrap() = *shape.last().unwrap();
        for small in [shape.clone(), row, vec![1; shape.len()]] {
            for (ours, flex) in OPERATIONS {
                let pair = || (random(&shape, 1, DType::F32), random(&small, 2, DType::F32));
                let ((a, b), (c, d)) = (pair(), pair());
                assert_eq!(read(ours(a, b)), read(flex(c, d)));
            }
        }
    }
}

/// A classifier's products: long and narrow, the long one transposed, sizes that fill no register.
#[test]
fn products_with_a_narrow_matrix_are_those_of_flex() {
    for [m, k, n] in [
        [500, 784, 10],
        [300, 45, 1],
        [33, 257, 16],
        [257, 32, 7],
        [600, 100, 3],
    ] {
        for (dtype, epsilon) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
            let (a, b, g) = (
                random(&[m, k], 1, dtype),
                random(&[k, n], 2, dtype),
                random(&[m, n], 3, dtype),
            );
            for (lhs, rhs) in [(a.clone(), b), (a.transpose(0, 1), g)] {
                let expected = read(Flex::float_matmul(lhs.clone(), rhs.clone()));
                let ours = read(Cpu::float_matmul(lhs, rhs));
                assert_eq!(ours.len(), expected.len());
                for (x, y) in ours.iter().zip(&expected) {
                    assert!(
                        (x - y).abs() <= epsilon * y.abs(),
                        "{m} {k} {n}: {x} instead of {y}"
                    );
                }
            }
        }
    }
}

#[test]
fn numbers_and_powers_are_those_of_flex() {
    type Unary = fn(FlexTensor, Scalar) -> FlexTensor;
    let pairs: [(Unary, Unary); 6] = [
        (Cpu::float_add_scalar, Flex::float_add_scalar),
        (Cpu::float_sub_scalar, Flex::float_sub_scalar),
        (Cpu::float_mul_scalar, Flex::float_mul_scalar),
        (Cpu::float_div_scalar, Flex::float_div_scalar),
        (Cpu::float_powi_scalar, Flex::float_powi_scalar),
        (Cpu::float_powf_scalar, Flex::float_powf_scalar),
    ];
    for dtype in [DType::F32, DType::F64] {
        let epsilon = if dtype == DType::F32 { 1e-6 } else { 1e-14 };
        for (ours, flex) in pairs {
            for number in [-2i64, -1, 0, 1, 2, 3, 4] {
                let x = || random(&[3, 41], 4, dtype);
                let (ours, flex) = (
                    read(ours(x(), number.into())),
                    read(flex(x(), number.into())),
                );
                for (a, b) in ours.iter().zip(&flex) {
                    // (Divided by zero, both are infinite.)
                    let near = a.total_cmp(b).is_eq() || (a - b).abs() <= epsilon * b.abs();
                    assert!(near, "{a} instead of {b}");
                }
            }
        }
    }
}

/// A sum that a plain loop in `f32` gets wrong in the third digit.
#[test]
fn long_sums_keep_their_digits_and_do_not_depend_on_threads() {
    let count = 5_000_000;
    let x = || FlexTensor::from_data(TensorData::new(vec![0.1f32; count], Shape::new([count])));
    let total = read(Cpu::float_sum(x()))[0];
    let exact = 0.1f32 as f64 * count as f64;
    assert!(
        (total - exact).abs() < 1e-6 * exact,
        "{total} instead of {exact}"
    );
    let one = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(
        one.install(|| read(Cpu::float_sum(x()))[0]).to_bits(),
        total.to_bits()
    );
    assert_eq!(
        read(Cpu::float_sum(tensor(vec![], &[0], DType::F32))),
        [0.0]
    );
}

/// Masks in order and not, in memory that is shared and that is not, short and of several pieces.
#[test]
fn what_a_mask_covers_is_filled() {
    let value = Scalar::Float(-3.25);
    for dtype in [DType::F32, DType::F64] {
        for shape in [&[0, 4][..], &[5, 7], &[130, 301]] {
            let (x, other) = (random(shape, 1, dtype), random(shape, 2, dtype));
            let greater = |a: &FlexTensor, b: &FlexTensor| {
                Flex::float_greater(a.clone(), b.clone(), BoolDType::Native)
            };
            let mask = greater(&x, &other);
            let expected = Flex::float_mask_fill(x.clone(), mask.clone(), value);
            let shared = Cpu::float_mask_fill(x.clone(), mask.clone(), value);
            assert_eq!(read(shared), read(expected.clone()), "{dtype:?} {shape:?}");
            let own = Cpu::float_mask_fill(random(shape, 1, dtype), mask.clone(), value);
            assert_eq!(read(own), read(expected.clone()), "{dtype:?} {shape:?}");

            let turned = |tensor: FlexTensor| Flex::float_swap_dims(tensor, 0, 1);
            let mask = greater(&turned(x.clone()), &turned(other));
            let masks = [turned(mask.clone()), mask];
            for (x, mask) in [x.clone(), turned(x)].into_iter().zip(masks) {
                let expected = Flex::float_mask_fill(x.clone(), mask.clone(), value);
                let ours = Cpu::float_mask_fill(x, mask, value);
                assert_eq!(read(ours), read(expected), "{dtype:?} {shape:?} turned");
            }
        }
    }
}
