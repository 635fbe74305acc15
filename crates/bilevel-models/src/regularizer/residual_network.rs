//! A multi-scale residual network without biases, and its adjoint.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Potential;
use super::filter_bank::{responses, responses_every, synthesis, synthesis_every};
use crate::init::Initializer;

/// Two 3×3 convolutions around a shortcut.
///
/// ```text
/// x ↦ x + W₂ φ(W₁ x)      φ(t) = √(1 + t²) − 1
/// ```
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    /// `W₁`: `[m, m, 3, 3]`.
    pub inner: Param<Tensor<B, 4>>,
    /// `W₂`: `[m, m, 3, 3]`.
    pub outer: Param<Tensor<B, 4>>,
}

/// Residual blocks on the way down and up through scales, m channels on each.
///
/// ```text
/// a₀ = x,  dₛ = blockₛ(aₛ),  aₛ₊₁ = Dₛ dₛ             down: Dₛ convolves with stride 2
/// u_S = d_S,  uₛ = block'ₛ(dₛ + Eₛ uₛ₊₁)              up: Eₛ is the adjoint of such a convolution
/// ```
///
/// Keeps the size of its input, which can be any.
#[derive(Module, Debug)]
pub struct ResidualNetwork<B: Backend> {
    /// One block a scale on the way down, the coarsest last.
    pub down: Vec<ResidualBlock<B>>,
    /// One block a scale on the way up, the finest first; none at the coarsest.
    pub up: Vec<ResidualBlock<B>>,
    /// `Dₛ`: `[m, m, 3, 3]` each.
    pub reduce: Vec<Param<Tensor<B, 4>>>,
    /// `Eₛ`: `[m, m, 3, 3]` each.
    pub expand: Vec<Param<Tensor<B, 4>>>,
}

/// The activation: even and smooth, its slope bounded.
const PHI: Potential = Potential::SmoothedAbs;
/// Standard deviation of `W₁ x` at the start, when x has 1.
const GAIN: f64 = 0.7;

impl<B: Backend> ResidualBlock<B> {
    /// The identity: `W₁` is random, `W₂ = 0`.
    fn identity(channels: usize, draw: &mut Initializer<B>) -> Self {
        let shape = [channels, channels, 3, 3];
        let deviation = GAIN / ((9 * channels) as f64).sqrt();
        Self {
            inner: Param::from_tensor(draw.normal(shape, deviation)),
            outer: Param::from_tensor(draw.zeros(shape)),
        }
    }

    /// The block at `x`, and `W₁ x`, which its adjoint needs.
    fn forward(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let inner = responses(x.clone(), self.inner.val());
        let y = x + responses(PHI.value(inner.clone()), self.outer.val());
        (y, inner)
    }

    /// `g ↦ g + W₁ᵀ(φ'(W₁ x) · W₂ᵀ g)`.
    fn pull_back(&self, inner: Tensor<B, 4>, g: Tensor<B, 4>) -> Tensor<B, 4> {
        let behind = PHI.slope(inner) * synthesis(g.clone(), self.outer.val());
        g + synthesis(behind, self.inner.val())
    }
}

/// What the adjoint of a network needs from the pass forward: `W₁ x` of every block.
pub(super) struct Trace<B: Backend> {
    down: Vec<Tensor<B, 4>>,
    up: Vec<Tensor<B, 4>>,
    /// `[height, width]` of each scale.
    sizes: Vec<[usize; 2]>,
}

impl<B: Backend> ResidualNetwork<B> {
    /// The identity at the finest scale: what comes up from the coarser ones is weighted with a
    /// tenth of a smooth interpolation, and every block is the identity.
    ///
    /// # Panics
    /// If there is no scale.
    pub(super) fn identity(channels: usize, scales: usize, draw: &mut Initializer<B>) -> Self {
        assert!(scales > 0, "a network needs at least one scale");
        let blocks = |count, draw: &mut Initializer<B>| {
            let block = |_| ResidualBlock::identity(channels, draw);
            (0..count).map(block).collect()
        };
        let smooth = |factor: f64, draw: &Initializer<B>| {
            let kernel = draw.binomial(channels) * factor;
            let kernels = (1..scales).map(|_| Param::from_tensor(kernel.clone()));
            kernels.collect()
        };
        Self {
            down: blocks(scales, draw),
            up: blocks(scales - 1, draw),
            reduce: smooth(1.0, draw),
            expand: smooth(0.4, draw),
        }
    }

    /// The network at `x`: `[n, m, height, width]`.
    pub(super) fn forward(&self, x: Tensor<B, 4>) -> (Tensor<B, 4>, Trace<B>) {
        let mut trace = Trace {
            down: Vec::new(),
            up: Vec::new(),
            sizes: Vec::new(),
        };
        let mut passed = Vec::new();
        let mut a = x;
        for (scale, block) in self.down.iter().enumerate() {
            let [_, _, height, width] = a.dims();
            trace.sizes.push([height, width]);
            let (d, inner) = block.forward(a);
            trace.down.push(inner);
            a = match self.reduce.get(scale) {
                Some(reduce) => {
                    passed.push(d.clone());
                    responses_every(2, d, reduce.val())
                }
                None => d,
            };
        }
        for scale in (0..self.up.len()).rev() {
            let d = passed.pop().expect("one a scale");
            let sum = d + synthesis_every(2, a, self.expand[scale].val(), trace.sizes[scale]);
            let (u, inner) = self.up[scale].forward(sum);
            trace.up.insert(0, inner);
            a = u;
        }
        (a, trace)
    }

    /// `Jᵀ g`, `J` the Jacobian of the network where `trace` was recorded.
    pub(super) fn pull_back(&self, trace: Trace<B>, g: Tensor<B, 4>) -> Tensor<B, 4> {
        let Trace { down, up, sizes } = trace;
        let mut passed = Vec::new();
        let mut g = g;
        for (scale, inner) in up.into_iter().enumerate() {
            g = self.up[scale].pull_back(inner, g);
            passed.push(g.clone());
            g = responses_every(2, g, self.expand[scale].val());
        }
        for (scale, inner) in down.into_iter().enumerate().rev() {
            if let Some(reduce) = self.reduce.get(scale) {
                let up = passed.pop().expect("one a scale");
                g = up + synthesis_every(2, g, reduce.val(), sizes[scale]);
            }
            g = self.down[scale].pull_back(inner, g);
        }
        g
    }
}
