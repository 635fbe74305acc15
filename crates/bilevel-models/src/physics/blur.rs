//! Deblurring: data are the image convolved with a kernel, plus noise.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::convolution::Convolution;
use super::{Boundary, Kernel, Learned, Physics, expect_data, expect_size, size_of};
use crate::Error;

/// `A u = k ∗ u`: every pixel becomes a copy of the kernel.
///
/// ```text
/// (A u)_p = Σ_q k_q u_{p − q}
/// ```
///
/// Data have the size of the image, or are `k − 1` pixels smaller in both directions for
/// [`Boundary::Valid`]. A product with A or Aᵀ is one convolution `1 → 1` of each channel.
///
/// A kernel that [requires a gradient](Kernel::learned) is learned with the regularizer.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_models::physics::{Blur, Boundary, Kernel, Physics};
/// use burn::tensor::Tensor;
///
/// type B = Cpu;
/// Cpu::use_f64().expect("the first tensors");
/// let blur = Blur { boundary: Boundary::Reflect };
/// let kernel = Kernel::<B>::gaussian(5, 1.0, &Default::default())?;
/// let flat = Tensor::<B, 4>::full([1, 3, 8, 9], 0.5, &Default::default());
/// let change = (blur.apply(&kernel, flat.clone()) - flat).abs().max();
/// assert!(change.into_data().to_vec::<f64>().unwrap()[0] < 1e-15);
/// # Ok::<(), bilevel_models::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blur {
    /// What lies outside of the image.
    pub boundary: Boundary,
}

impl Blur {
    fn convolution(&self) -> Convolution {
        Convolution {
            boundary: self.boundary,
            stride: 1,
        }
    }
}

impl Physics for Blur {
    type Operator<B: Backend> = Kernel<B>;
    type Upper<B: Backend, M: Module<B> + ModuleDisplay> = Learned<B, M, Kernel<B>>;

    fn join<B: Backend, M: Module<B> + ModuleDisplay>(
        regularizer: M,
        operator: Kernel<B>,
    ) -> Learned<B, M, Kernel<B>> {
        Learned::new(regularizer, operator)
    }

    fn split<B: Backend, M: Module<B> + ModuleDisplay>(
        x: &Learned<B, M, Kernel<B>>,
    ) -> (&M, &Kernel<B>) {
        (&x.regularizer, &x.operator)
    }

    fn apply<B: Backend>(&self, a: &Kernel<B>, images: Tensor<B, 4>) -> Tensor<B, 4> {
        expect_size(self.data_size(a, size_of(&images)));
        self.convolution().apply(a.weights.val(), images)
    }

    fn adjoint<B: Backend>(
        &self,
        a: &Kernel<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        expect_data(&data, self.data_size(a, size));
        self.convolution().adjoint(a.weights.val(), data, size)
    }

    fn data_size<B: Backend>(&self, a: &Kernel<B>, size: [usize; 2]) -> Result<[usize; 2], Error> {
        self.convolution().data_size(a, size)
    }

    /// The weighted Schur test on `|A|`: exact up to rounding for a kernel without negative weights
    /// and [`Boundary::Periodic`].
    fn norm_squared_bound<B: Backend>(&self, a: &Kernel<B>, size: [usize; 2]) -> f64 {
        expect_size(self.data_size(a, size));
        self.convolution().norm_squared_bound(a.weights.val(), size)
    }

    fn strong_convexity(&self) -> f64 {
        0.0
    }

    /// The data; where they are smaller than the image, each pixel is the average of the data that
    /// saw it.
    fn start<B: Backend>(
        &self,
        a: &Kernel<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        expect_data(&data, self.data_size(a, size));
        if size_of(&data) == size {
            data
        } else {
            self.convolution().average(a.weights.val(), data, size)
        }
    }
}
