//! Products of sparse matrices against dense ones.

use bilevel_backend::{Cpu, SparseRows};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_ndarray::NdArray;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn tensor<B: Backend>(values: &[f64], shape: [usize; 2], dtype: DType) -> Tensor<B, 2> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&Default::default(), dtype))
}

/// `A b` by the definition.
fn expected(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let entry = |i: usize| {
        (0..k)
            .map(move |j| a[i / n * k + j] * b[j * n + i % n])
            .sum()
    };
    (0..m * n).map(entry).collect()
}

fn turned(a: &[f64], [m, k]: [usize; 2]) -> Vec<f64> {
    (0..k * m).map(|i| a[i % m * k + i / m]).collect()
}

proptest! {
    /// Rows that are empty, matrices of more rows than one piece of work, columns that fill no
    /// register.
    #[test]
    fn products_are_those_of_the_dense_matrix(
        m in prop_oneof![1usize..8, 1020usize..1100], k in 1usize..40, n in 1usize..34, seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let a: Vec<f64> = (0..m * k)
            .map(|i| if i % 4 == 0 && rng.random_bool(0.8) { rng.random_range(-1.0..1.0) } else { 0.0 })
            .collect();
        let mut draw = |count| -> Vec<f64> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (b, g) = (draw(k * n), draw(m * n));
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-4)] {
            let dense = tensor::<Cpu>(&a, [m, k], dtype).into_primitive().tensor();
            let Some(rows) = SparseRows::new::<Cpu>(&dense) else {
                // More than a third are not zero: it happens with few entries.
                prop_assert!(3 * a.iter().filter(|v| **v != 0.0).count() > m * k);
                continue;
            };
            let b2 = tensor::<Cpu>(&b, [k, n], dtype).into_primitive().tensor();
            let g2 = tensor::<Cpu>(&g, [m, n], dtype).into_primitive().tensor();
            let both = [
                (rows.product::<Cpu>(&b2), expected(&a, &b, [m, k, n]), [m, n]),
                (
                    rows.transposed_product::<Cpu>(&g2),
                    expected(&turned(&a, [m, k]), &g, [k, m, n]),
                    [k, n],
                ),
            ];
            for (found, expected, shape) in both {
                // 34 columns of f64 are wider than the registers of old machines.
                let Some(found) = found else {
                    prop_assert!(n > 16);
                    continue;
                };
                let found = Tensor::<Cpu, 2>::from_primitive(TensorPrimitive::Float(found));
                prop_assert_eq!(found.dims(), shape);
                for (found, expected) in found.into_data().iter::<f64>().zip(expected) {
                    prop_assert!((found - expected).abs() < tolerance, "{} is not {}", found, expected);
                }
            }
        }
    }
}

#[test]
fn matrices_that_are_full_and_other_backends_have_none() {
    let full = tensor::<Cpu>(&[1.0; 6], [2, 3], DType::F32);
    assert!(SparseRows::new::<Cpu>(&full.into_primitive().tensor()).is_none());
    let empty = tensor::<NdArray<f64>>(&[0.0; 6], [2, 3], DType::F64);
    assert!(SparseRows::new::<NdArray<f64>>(&empty.into_primitive().tensor()).is_none());
}
