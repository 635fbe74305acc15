//! Arithmetic on views that repeat entries is arithmetic on what they show.

use bilevel_backend::Cpu;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use proptest::prelude::*;

/// A tensor made by the same steps on two backends: values of the axes that `kept` says, expanded
/// to `shape`.
macro_rules! view {
    ($backend:ty, $shape:expr, $kept:expr, $turn:expr) => {{
        let small: [usize; 3] = std::array::from_fn(|i| if $kept[i] { $shape[i] } else { 1 });
        let count: usize = small.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|i| 0.5 + ((i * 7 + $turn) % 11) as f32)
            .collect();
        let device = Default::default();
        Tensor::<$backend, 3>::from_data(TensorData::new(values, small), &device).expand($shape)
    }};
}

proptest! {
    #[test]
    fn as_flex_does(
        shape in [1usize..5, 1usize..5, 1usize..5],
        left in any::<[bool; 3]>(),
        right in any::<[bool; 3]>(),
        thin in any::<[bool; 3]>(),
    ) {
        macro_rules! results {
            ($backend:ty) => {{
                let a = view!($backend, shape, left, 1);
                let b = view!($backend, shape, right, 5);
                // A small one, to be repeated by the operation itself.
                let small: [usize; 3] = std::array::from_fn(|i| if thin[i] { shape[i] } else { 1 });
                let c = view!($backend, small, [true; 3], 3);
                let d = a.clone() * b.clone() + c.clone();
                [
                    a.clone() + b.clone(),
                    a.clone() - c.clone(),
                    c / b.clone(),
                    (a.clone() * 2.0).sqrt() - d.clone(),
                    d.clone().swap_dims(0, 2).expand([shape[2], shape[1], shape[0]]) * 3.0,
                    -(d + 1.0) * a,
                ]
                .map(|t| (t.dims(), t.into_data().to_vec::<f32>().unwrap()))
            }};
        }
        prop_assert_eq!(results!(Cpu), results!(Flex));
    }
}
