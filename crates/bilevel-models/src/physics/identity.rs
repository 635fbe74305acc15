//! Denoising: data are the image plus noise.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::Physics;
use crate::Error;

/// `A u = u`: data are the image plus noise.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_models::physics::{Identity, NoOperator, Physics};
///
/// assert_eq!(Identity.norm_squared_bound::<Cpu>(&NoOperator, [8, 8]), 1.0);
/// assert_eq!(Identity.strong_convexity(), 1.0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity;

/// What the identity is made of: nothing.
#[derive(Module, Debug, Clone)]
pub struct NoOperator;

impl Physics for Identity {
    type Operator<B: Backend> = NoOperator;
    type Upper<B: Backend, M: Module<B> + ModuleDisplay> = M;

    fn join<B: Backend, M: Module<B> + ModuleDisplay>(regularizer: M, _: NoOperator) -> M {
        regularizer
    }

    fn split<B: Backend, M: Module<B> + ModuleDisplay>(x: &M) -> (&M, &NoOperator) {
        (x, &NoOperator)
    }

    fn apply<B: Backend>(&self, _: &NoOperator, images: Tensor<B, 4>) -> Tensor<B, 4> {
        images
    }

    fn adjoint<B: Backend>(
        &self,
        _: &NoOperator,
        data: Tensor<B, 4>,
        _: [usize; 2],
    ) -> Tensor<B, 4> {
        data
    }

    fn data_size<B: Backend>(&self, _: &NoOperator, size: [usize; 2]) -> Result<[usize; 2], Error> {
        Ok(size)
    }

    fn norm_squared_bound<B: Backend>(&self, _: &NoOperator, _: [usize; 2]) -> f64 {
        1.0
    }

    fn strong_convexity(&self) -> f64 {
        1.0
    }

    /// The data.
    fn start<B: Backend>(&self, _: &NoOperator, data: Tensor<B, 4>, _: [usize; 2]) -> Tensor<B, 4> {
        data
    }
}
