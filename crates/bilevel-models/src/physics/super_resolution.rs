//! Super-resolution: data are smaller than the image.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::convolution::Convolution;
use super::{Boundary, Kernel, Learned, Physics, expect_data, expect_size, size_of};
use crate::Error;
use crate::error::ErrorKind;

/// `A u`: convolution with a kernel as in [`Blur`](super::Blur), of which every `factor`-th row and
/// column is kept, beginning with the first.
///
/// ```text
/// (A u)_p = Σ_q k_q u_{factor p − q}
/// ```
///
/// Data of `h`×`w` images are `⌈h / factor⌉`×`⌈w / factor⌉` (of `h − k + 1` and `w − k + 1` for
/// [`Boundary::Valid`]). Only what is kept is computed: `1 / factor²` of the multiplications of a
/// blur.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_models::physics::{Boundary, Kernel, Physics, SuperResolution};
///
/// let physics = SuperResolution { factor: 2, boundary: Boundary::Reflect };
/// let kernel = Kernel::<Cpu>::gaussian(5, 1.0, &Default::default())?;
/// assert_eq!(physics.data_size(&kernel, [96, 97])?, [48, 49]);
/// # Ok::<(), bilevel_models::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuperResolution {
    /// Rows and columns of the image for one of the data.
    pub factor: usize,
    /// What lies outside of the image.
    pub boundary: Boundary,
}

impl Default for SuperResolution {
    /// Twice as many rows and columns as the data have.
    fn default() -> Self {
        Self {
            factor: 2,
            boundary: Boundary::default(),
        }
    }
}

impl SuperResolution {
    fn convolution(&self) -> Convolution {
        Convolution {
            boundary: self.boundary,
            stride: self.factor,
        }
    }
}

impl Physics for SuperResolution {
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
        if self.factor == 0 {
            return Err(ErrorKind::FactorZero.into());
        }
        self.convolution().data_size(a, size)
    }

    /// The weighted Schur test on `|A|`.
    fn norm_squared_bound<B: Backend>(&self, a: &Kernel<B>, size: [usize; 2]) -> f64 {
        expect_size(self.data_size(a, size));
        self.convolution().norm_squared_bound(a.weights.val(), size)
    }

    fn strong_convexity(&self) -> f64 {
        0.0
    }

    /// Each pixel is the average of the data that saw it, of all data if none did.
    fn start<B: Backend>(
        &self,
        a: &Kernel<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        expect_data(&data, self.data_size(a, size));
        self.convolution().average(a.weights.val(), data, size)
    }
}
