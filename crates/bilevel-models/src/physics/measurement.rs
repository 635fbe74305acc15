//! A physics chosen at run time.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{
    Blur, Identity, Inpainting, Kernel, Learned, Mask, NoOperator, Physics, SuperResolution,
};
use crate::Error;

/// Any physics of this crate, for programs that read from a file which one it is.
///
/// Behaves as the physics inside; the upper variables are [`Learned`] for all of them.
///
/// # Panics
/// Its methods panic if they are given the operator of another kind.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Measurement {
    Identity(Identity),
    Blur(Blur),
    Inpainting(Inpainting),
    SuperResolution(SuperResolution),
}

/// What a [`Measurement`] is made of.
#[derive(Module, Debug)]
#[allow(missing_docs)]
pub enum MeasurementOperator<B: Backend> {
    Nothing(NoOperator),
    Kernel(Kernel<B>),
    Mask(Mask<B>),
}

/// Runs an expression on what is inside of both.
macro_rules! inside {
    ($measurement:expr, $operator:expr, |$p:ident, $a:ident| $body:expr) => {
        match ($measurement, $operator) {
            (Measurement::Identity($p), MeasurementOperator::Nothing($a)) => $body,
            (Measurement::Blur($p), MeasurementOperator::Kernel($a)) => $body,
            (Measurement::Inpainting($p), MeasurementOperator::Mask($a)) => $body,
            (Measurement::SuperResolution($p), MeasurementOperator::Kernel($a)) => $body,
            (p, _) => panic!("the operator is not one of {p:?}"),
        }
    };
}

impl Physics for Measurement {
    type Operator<B: Backend> = MeasurementOperator<B>;
    type Upper<B: Backend, M: Module<B> + ModuleDisplay> = Learned<B, M, MeasurementOperator<B>>;

    fn join<B: Backend, M: Module<B> + ModuleDisplay>(
        regularizer: M,
        operator: MeasurementOperator<B>,
    ) -> Learned<B, M, MeasurementOperator<B>> {
        Learned::new(regularizer, operator)
    }

    fn split<B: Backend, M: Module<B> + ModuleDisplay>(
        x: &Learned<B, M, MeasurementOperator<B>>,
    ) -> (&M, &MeasurementOperator<B>) {
        (&x.regularizer, &x.operator)
    }

    fn apply<B: Backend>(&self, a: &MeasurementOperator<B>, images: Tensor<B, 4>) -> Tensor<B, 4> {
        inside!(self, a, |p, a| p.apply(a, images))
    }

    fn adjoint<B: Backend>(
        &self,
        a: &MeasurementOperator<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        inside!(self, a, |p, a| p.adjoint(a, data, size))
    }

    fn data_size<B: Backend>(
        &self,
        a: &MeasurementOperator<B>,
        size: [usize; 2],
    ) -> Result<[usize; 2], Error> {
        inside!(self, a, |p, a| p.data_size::<B>(a, size))
    }

    fn norm_squared_bound<B: Backend>(&self, a: &MeasurementOperator<B>, size: [usize; 2]) -> f64 {
        inside!(self, a, |p, a| p.norm_squared_bound::<B>(a, size))
    }

    fn strong_convexity(&self) -> f64 {
        match self {
            Self::Identity(p) => p.strong_convexity(),
            Self::Blur(p) => p.strong_convexity(),
            Self::Inpainting(p) => p.strong_convexity(),
            Self::SuperResolution(p) => p.strong_convexity(),
        }
    }

    fn start<B: Backend>(
        &self,
        a: &MeasurementOperator<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        inside!(self, a, |p, a| p.start(a, data, size))
    }
}
