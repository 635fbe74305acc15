//! Networks that learn from few samples.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::ForwardContext;

/// Any Burn module with a forward function.
///
/// The architecture is the value, the weights are a module. Inputs are rows, whatever they stand
/// for: a network of pictures gives them their shape again.
///
/// # Example
///
/// A network made of Burn's own layers:
///
/// ```
/// use bilevel_models::meta::Network;
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig, Relu};
/// use burn::tensor::{Tensor, backend::Backend};
///
/// #[derive(Clone)]
/// struct TwoLayers;
///
/// #[derive(Module, Debug)]
/// struct Weights<B: Backend> { first: Linear<B>, second: Linear<B> }
///
/// impl Network for TwoLayers {
///     type Weights<B: Backend> = Weights<B>;
///
///     fn forward<B: Backend>(&self, y: &Weights<B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
///         y.second.forward(Relu::new().forward(y.first.forward(inputs)))
///     }
/// }
///
/// type B = bilevel_backend::Cpu;
/// let device = Default::default();
/// let y = Weights::<B> {
///     first: LinearConfig::new(3, 8).init(&device),
///     second: LinearConfig::new(8, 2).init(&device),
/// };
/// let scores = TwoLayers.forward(&y, Tensor::zeros([5, 3], &device));
/// assert_eq!(scores.dims(), [5, 2]);
/// ```
pub trait Network: Clone + Send + Sync {
    /// The weights.
    type Weights<B: Backend>: Module<B> + ModuleDisplay;

    /// `[samples, inputs]` to `[samples, outputs]`: scores of the classes, an embedding, or a
    /// regression.
    fn forward<B: Backend>(&self, weights: &Self::Weights<B>, inputs: Tensor<B, 2>)
    -> Tensor<B, 2>;

    /// The same where `context` says which samples' statistics batch normalisation uses: for
    /// networks that have any ([`EpisodicNorm`](super::EpisodicNorm)); [`forward`](Self::forward)
    /// unless overridden.
    fn forward_in<B: Backend>(
        &self,
        weights: &Self::Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        let _ = context;
        self.forward(weights, inputs)
    }

    /// How many tasks it runs at once, each with weights of its own: one, but for a
    /// [`Stack`](super::Stack).
    fn tasks(&self) -> usize {
        1
    }
}
