//! Sums and affine maps of channels.

use burn_backend::{Shape, TensorMetadata};
use burn_flex::FlexTensor;

use super::Cpu;
use super::tensor::{from_vec, slice, slice_mut};
use crate::channels::{ChannelOps, composed};
use crate::delegate::prelude::*;
use crate::kernel::element::Element;
use crate::kernel::elementwise::channels::{affine, affine_in_place, sums};

/// Half precision goes to Flex.
impl ChannelOps for Cpu {
    fn scale(a: FlexTensor, alpha: FlexTensor) -> FlexTensor {
        match a.dtype() {
            DType::F32 => mapped::<f32>(a, &alpha, None),
            DType::F64 => mapped::<f64>(a, &alpha, None),
            _ => composed::scale::<Self>(a, alpha),
        }
    }

    fn affine(a: FlexTensor, alpha: FlexTensor, gamma: FlexTensor) -> FlexTensor {
        match a.dtype() {
            DType::F32 => mapped::<f32>(a, &alpha, Some(&gamma)),
            DType::F64 => mapped::<f64>(a, &alpha, Some(&gamma)),
            _ => composed::affine::<Self>(a, alpha, gamma),
        }
    }

    fn sum(a: FlexTensor) -> FlexTensor {
        match a.dtype() {
            DType::F32 => summed::<f32>(&a, None, |_, x, _| x),
            DType::F64 => summed::<f64>(&a, None, |_, x, _| x),
            _ => composed::sum::<Self>(a),
        }
    }

    fn dot(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        match a.dtype() {
            DType::F32 => summed::<f32>(&a, Some(&b), |_, x, y| x * y),
            DType::F64 => summed::<f64>(&a, Some(&b), |_, x, y| x * y),
            _ => composed::dot::<Self>(a, b),
        }
    }

    fn moments(a: FlexTensor) -> FlexTensor {
        match a.dtype() {
            DType::F32 => moments::<f32>(&a),
            DType::F64 => moments::<f64>(&a),
            _ => composed::moments::<Self>(a),
        }
    }
}

/// `α a + γ`, in the memory of `a` when nobody else holds it.
fn mapped<E: Element>(a: FlexTensor, alpha: &FlexTensor, gamma: Option<&FlexTensor>) -> FlexTensor {
    let mut a = a.to_contiguous();
    let [_, channels, area] = a.shape().dims();
    let alpha = entries::<E>(alpha, channels);
    let gamma = gamma.map_or_else(
        || vec![E::default(); channels],
        |g| entries::<E>(g, channels),
    );
    if let Some(x) = slice_mut::<E>(&mut a) {
        affine_in_place(x, &alpha, &gamma, area);
        return a;
    }
    let x = slice::<E>(&a).expect("a tensor in order");
    from_vec(affine(x, &alpha, &gamma, area), a.shape())
}

/// The entries of a vector.
fn entries<E: Element>(vector: &FlexTensor, channels: usize) -> Vec<E> {
    let vector = vector.to_contiguous();
    let entries = slice::<E>(&vector).expect("a tensor in order");
    assert_eq!(entries.len(), channels, "an entry for each channel");
    entries.to_vec()
}

/// `Σ term(c, a[n, c, t], b[n, c, t])`; without `b`, `a` stands for it.
fn summed<E: Element>(
    a: &FlexTensor,
    b: Option<&FlexTensor>,
    term: impl Fn(usize, E, E) -> E + Copy + Sync,
) -> FlexTensor {
    let b = b.map(FlexTensor::to_contiguous);
    let a = a.to_contiguous();
    let b = b.as_ref().unwrap_or(&a);
    assert_eq!(a.shape(), b.shape(), "two tensors of one shape");
    let shape = a.shape().dims();
    let [x, y] = [&a, b].map(|tensor| slice::<E>(tensor).expect("a tensor in order"));
    from_vec(sums(x, y, shape, term), Shape::new([shape[1]]))
}

/// Mean and variance, in two passes.
fn moments<E: Element>(a: &FlexTensor) -> FlexTensor {
    let a = a.to_contiguous();
    let shape = a.shape().dims();
    let x = slice::<E>(&a).expect("a tensor in order");
    let [share, minus_one] = [1.0 / composed::entries(&a.shape()), -1.0].map(E::from_elem);
    let mut moments: Vec<E> = sums(x, x, shape, |_, x, _| x);
    moments.iter_mut().for_each(|sum| *sum = *sum * share);
    let minus: Vec<E> = moments.iter().map(|mean| minus_one * *mean).collect();
    let minus = &minus[..];
    let squares = sums(x, x, shape, |c, x, _| (x + minus[c]) * (x + minus[c]));
    moments.extend(squares.into_iter().map(|sum| sum * share));
    from_vec(moments, Shape::new([2, minus.len()]))
}
