//! Affine maps and moments of channels against the formulas, written out in Burn's operations.

use bilevel_backend::{Cpu, Tape, channel_affine, channel_moments};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_flex::Flex;

/// What is under test, or what it is compared with.
#[derive(Clone, Copy)]
enum How {
    Operations,
    WrittenOut,
}

fn affine<B: Backend>(
    how: How,
    a: Tensor<B, 3>,
    alpha: Tensor<B, 1>,
    gamma: Tensor<B, 1>,
) -> Tensor<B, 3> {
    let channels = alpha.dims()[0];
    match how {
        How::Operations => {
            let [a, alpha, gamma] = [
                a.into_primitive(),
                alpha.into_primitive(),
                gamma.into_primitive(),
            ]
            .map(TensorPrimitive::tensor);
            Tensor::from_primitive(TensorPrimitive::Float(channel_affine::<B>(a, alpha, gamma)))
        }
        How::WrittenOut => {
            let [alpha, gamma] = [alpha, gamma].map(|v| v.reshape([1, channels, 1]));
            a * alpha + gamma
        }
    }
}

fn moments<B: Backend>(how: How, a: Tensor<B, 3>) -> Tensor<B, 2> {
    match how {
        How::Operations => {
            let moments = channel_moments::<B>(a.into_primitive().tensor());
            Tensor::from_primitive(TensorPrimitive::Float(moments))
        }
        How::WrittenOut => {
            let [_, channels, _] = a.dims();
            let mean = a.clone().mean_dim(2).mean_dim(0);
            let variance = (a - mean.clone()).powi_scalar(2).mean_dim(2).mean_dim(0);
            Tensor::cat(
                vec![mean.reshape([1, channels]), variance.reshape([1, channels])],
                0,
            )
        }
    }
}

/// `Σ (b / (1 + b²))`, `b = affine(a, α / √(v + 1), γ − m v)`: batch normalisation and something to
/// differentiate.
fn function<B: Backend>(
    how: How,
    a: &Tensor<B, 3>,
    alpha: &Tensor<B, 1>,
    gamma: &Tensor<B, 1>,
) -> Tensor<B, 1> {
    let channels = alpha.dims()[0];
    let found = moments(how, a.clone());
    let [m, v] = [0, 1].map(|i| found.clone().narrow(0, i, 1).reshape([channels]));
    let scale = alpha.clone() / (v.clone() + 1.0).sqrt();
    let b = affine(how, a.clone(), scale, gamma.clone() - m * v);
    (b.clone() / (b.powi_scalar(2) + 1.0)).sum()
}

fn values(count: usize, turn: usize) -> Vec<f64> {
    let value = |i: usize| ((i * 37 + turn * 11) % 101) as f64 / 50.0 - 0.9;
    (0..count).map(value).collect()
}

/// Value, gradient and the gradient's derivative along itself, in one row.
fn derivatives<B: Backend>(how: How, shape: [usize; 3], dtype: DType) -> Vec<f64> {
    let device = Default::default();
    let tensor = |count: usize, turn: usize| {
        let data = TensorData::new(values(count, turn), [count]);
        Tensor::<Tape<B>, 1>::from_data(data, (&device, dtype)).require_grad()
    };
    let channels = shape[1];
    let leaves = [shape.iter().product(), channels, channels];
    let leaves: Vec<_> = (0..)
        .zip(leaves)
        .map(|(turn, count)| tensor(count, turn))
        .collect();
    let on_outer: Vec<_> = leaves
        .iter()
        .map(|leaf| Tensor::<Tape<Tape<B>>, 1>::from_inner(leaf.clone()).require_grad())
        .collect();
    let a = on_outer[0].clone().reshape(shape);
    let value = function(how, &a, &on_outer[1], &on_outer[2]);
    let gradients = value.backward();
    let gradients: Vec<_> = on_outer
        .iter()
        .map(|leaf| leaf.grad(&gradients).expect("all leaves count"))
        .collect();
    let square = gradients
        .iter()
        .map(|g| g.clone().powi_scalar(2).sum() * 0.5);
    let square = square.reduce(|sum, part| sum + part).expect("three leaves");
    let second = square.backward();
    let second = leaves
        .iter()
        .map(|leaf| leaf.grad(&second).expect("all leaves count"));
    let read = |t: Tensor<B, 1>| t.into_data().iter::<f64>().collect::<Vec<_>>();
    let first = gradients.iter().map(|g| read(g.clone().inner()));
    let value = value.into_data().iter::<f64>().collect::<Vec<_>>();
    std::iter::once(value)
        .chain(first)
        .chain(second.map(read))
        .flatten()
        .collect()
}

fn compare<B: Backend>(shape: [usize; 3], dtype: DType, tolerance: f64) {
    let found = derivatives::<B>(How::Operations, shape, dtype);
    let expected = derivatives::<B>(How::WrittenOut, shape, dtype);
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs() / size;
        assert!(
            error < tolerance,
            "{shape:?}, entry {i}: {found}, not {expected}"
        );
    }
}

/// Pieces of one picture, of several, lanes that are not full, and one entry.
const SHAPES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [3, 2, 9],
    [5, 7, 49],
    [2, 3, 33],
    [40, 5, 100],
    [2, 30, 784],
];

#[test]
fn twice_differentiable_on_f64() {
    for shape in SHAPES {
        compare::<Flex>(shape, DType::F64, 1e-12);
        compare::<Cpu>(shape, DType::F64, 1e-12);
    }
}

#[test]
fn twice_differentiable_on_f32() {
    for shape in SHAPES {
        compare::<Cpu>(shape, DType::F32, 1e-4);
    }
}

/// Two passes: the variance of numbers far from zero keeps its digits.
#[test]
fn a_variance_far_from_zero() {
    let values: Vec<f32> = (0..64).map(|i| 4096.0 + (i % 2) as f32).collect();
    let a = Tensor::<Cpu, 1>::from_floats(values.as_slice(), &Default::default());
    let found = moments(How::Operations, a.reshape([2, 1, 32]));
    assert_eq!(found.into_data().to_vec::<f32>().unwrap(), [4096.5, 0.25]);
}

/// In memory that a clone holds too, and in memory of its own.
#[test]
fn what_others_hold_stays() {
    let device = Default::default();
    let a = Tensor::<Cpu, 3>::ones([2, 3, 4], &device);
    let two = Tensor::<Cpu, 1>::ones([3], &device) * 2.0;
    let held = a.clone();
    let y = affine(How::Operations, a, two.clone(), two.clone());
    let total = |t: Tensor<Cpu, 3>| t.sum().into_data().to_vec::<f32>().unwrap();
    assert_eq!(total(held), [24.0]);
    assert_eq!(total(y.clone()), [96.0]);
    let z = affine(How::Operations, y, two.clone(), two);
    assert_eq!(total(z), [240.0]);
}
