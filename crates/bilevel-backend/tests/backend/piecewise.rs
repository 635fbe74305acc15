//! Piecewise linear functions against the formula, written out.

use bilevel_backend::{Cpu, Tape, piecewise_linear};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CHANNELS: usize = 3;
const PIECES: usize = 6;

/// `t` as `[n, CHANNELS, 2, 2]`, tables as `[CHANNELS, PIECES]`.
fn call<B: Backend>(t: &[f64], a: &[f64], s: &[f64], dtype: DType) -> Option<Vec<f64>> {
    let device = Default::default();
    let tensor = |values: &[f64]| {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Tensor::<B, 1>::from_data(data, (&device, dtype))
    };
    let table = |values| {
        let table: Tensor<B, 2> = tensor(values).reshape([CHANNELS, PIECES]);
        table.into_primitive().tensor()
    };
    let shape = [t.len() / CHANNELS / 4, CHANNELS, 2, 2];
    let t: Tensor<B, 4> = tensor(t).reshape(shape);
    let t = t.into_primitive().tensor();
    let y = piecewise_linear::<B>(&t, &table(a), &table(s))?;
    let y: Tensor<B, 4> = Tensor::from_primitive(TensorPrimitive::Float(y));
    assert_eq!(y.dims(), shape);
    Some(y.into_data().iter::<f64>().collect())
}

#[test]
fn every_entry_finds_its_piece() {
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let mut draw = |count: usize, range: f64| -> Vec<f64> {
        let numbers = (0..count).map(|_| rng.random_range(-range..range));
        numbers.collect()
    };
    let (a, s) = (draw(CHANNELS * PIECES, 1.0), draw(CHANNELS * PIECES, 1.0));
    // Beyond both ends, and exactly on the knots.
    let mut t = draw(CHANNELS * 4 * 50, 6.0);
    t.extend((0..CHANNELS * 4 * 2).map(|i| i as f64 - 12.0));
    let expected: Vec<f64> = t
        .iter()
        .enumerate()
        .map(|(i, t)| {
            let channel = i / 4 % CHANNELS;
            let j = (t.floor() as i64 + PIECES as i64 / 2).clamp(0, PIECES as i64 - 1);
            let entry = channel * PIECES + j as usize;
            a[entry] + s[entry] * t
        })
        .collect();
    for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-5)] {
        let y = call::<Cpu>(&t, &a, &s, dtype).expect("the processor has a kernel");
        for ((y, expected), t) in y.iter().zip(&expected).zip(&t) {
            assert!(
                (y - expected).abs() < tolerance,
                "{y} at {t}, not {expected}"
            );
        }
    }
    let nan = call::<Cpu>(&[f64::NAN; CHANNELS * 4], &a, &s, DType::F32);
    assert!(nan.expect("a kernel").iter().all(|y| y.is_nan()));
}

#[test]
fn other_backends_have_none() {
    let numbers = [0.5; CHANNELS * PIECES];
    let t = [0.5; CHANNELS * 4];
    assert!(call::<NdArray<f64>>(&t, &numbers, &numbers, DType::F64).is_none());
    assert!(call::<Tape<Cpu>>(&t, &numbers, &numbers, DType::F32).is_none());
}
