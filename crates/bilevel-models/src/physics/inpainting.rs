//! Inpainting: some pixels are lost.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::{Learned, Physics, expect_data, expect_size, size_of};
use crate::Error;
use crate::error::ErrorKind;

/// `A u = m · u`, pixel by pixel: the mask `m` is 1 where a pixel was seen and 0 where it was lost.
///
/// What the data hold at lost pixels makes no difference to the reconstruction.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_models::physics::{Inpainting, Mask, Physics};
/// use burn::tensor::Tensor;
///
/// type B = Cpu;
/// Cpu::use_f64().expect("the first tensors");
/// let mask = Mask { seen: Tensor::<B, 4>::from_data([[[[1.0, 0.0]]]], &Default::default()) };
/// let image = Tensor::<B, 4>::from_data([[[[0.3, 0.7]]]], &Default::default());
/// let data = Inpainting.apply(&mask, image).into_data().to_vec::<f64>().unwrap();
/// assert_eq!(data, [0.3, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inpainting;

/// Which pixels were seen.
#[derive(Module, Debug)]
pub struct Mask<B: Backend> {
    /// 1 where a pixel was seen, 0 where it was lost: `[1, 1, h, w]`, the same for all images.
    /// Never learned.
    pub seen: Tensor<B, 4>,
}

impl Physics for Inpainting {
    type Operator<B: Backend> = Mask<B>;
    type Upper<B: Backend, M: Module<B> + ModuleDisplay> = Learned<B, M, Mask<B>>;

    fn join<B: Backend, M: Module<B> + ModuleDisplay>(
        regularizer: M,
        operator: Mask<B>,
    ) -> Learned<B, M, Mask<B>> {
        Learned::new(regularizer, operator)
    }

    fn split<B: Backend, M: Module<B> + ModuleDisplay>(
        x: &Learned<B, M, Mask<B>>,
    ) -> (&M, &Mask<B>) {
        (&x.regularizer, &x.operator)
    }

    fn apply<B: Backend>(&self, a: &Mask<B>, images: Tensor<B, 4>) -> Tensor<B, 4> {
        expect_size(self.data_size(a, size_of(&images)));
        images * a.seen.clone()
    }

    fn adjoint<B: Backend>(
        &self,
        a: &Mask<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        expect_data(&data, self.data_size(a, size));
        data * a.seen.clone()
    }

    fn data_size<B: Backend>(&self, a: &Mask<B>, size: [usize; 2]) -> Result<[usize; 2], Error> {
        let mask = a.seen.dims();
        if mask == [1, 1, size[0], size[1]] {
            Ok(size)
        } else {
            Err(ErrorKind::MaskShape { mask, image: size }.into())
        }
    }

    /// The largest square in the mask: 1.
    fn norm_squared_bound<B: Backend>(&self, a: &Mask<B>, _: [usize; 2]) -> f64 {
        let largest = a
            .seen
            .clone()
            .square()
            .max()
            .into_data()
            .iter::<f64>()
            .next();
        largest.expect("a maximum is one number")
    }

    fn strong_convexity(&self) -> f64 {
        0.0
    }

    /// The data where pixels were seen; the mean of these, in each channel of each image,
    /// elsewhere.
    fn start<B: Backend>(&self, a: &Mask<B>, data: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
        let seen = self.adjoint(a, data, size);
        let count = a.seen.clone().sum().clamp_min(1.0).reshape([1, 1, 1, 1]);
        let mean = seen.clone().sum_dim(3).sum_dim(2) / count;
        let lost = -a.seen.clone() + 1.0;
        seen + mean * lost
    }
}
