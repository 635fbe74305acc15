//! Upper variables of two kinds.

use std::marker::PhantomData;

use burn::module::Module;
use burn::tensor::backend::Backend;

/// What is learned: parameters `R` of a regularizer, and what the physics is made of, `A`.
///
/// Fixed parts of `A` are along for the ride: only `Param`s that require a gradient are upper
/// variables.
#[derive(Module, Debug)]
pub struct Learned<B: Backend, R: Module<B>, A: Module<B>> {
    /// Parameters of the regularizer.
    pub regularizer: R,
    /// What A is made of.
    pub operator: A,
    backend: PhantomData<B>,
}

impl<B: Backend, R: Module<B>, A: Module<B>> Learned<B, R, A> {
    /// Both together.
    pub fn new(regularizer: R, operator: A) -> Self {
        Self {
            regularizer,
            operator,
            backend: PhantomData,
        }
    }
}
