//! Batch normalisation that says whose statistics it uses.

use std::collections::HashMap;
use std::sync::Mutex;

use bilevel_backend::{channel_affine, channel_moments};
use burn::module::{Module, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

/// Whose statistics batch normalisation uses when it learns from a few samples and is then asked
/// for others.
///
/// In gradient-based learners the support is never normalised by the queries.
/// [`ProtoNet`](super::ProtoNet) and [`R2d2`](super::R2d2) normalise both together under
/// `Transductive`. The policies differ in what a query is normalised by:
///
/// | policy | a query is normalised by | what that means |
/// |---|---|---|
/// | [`Transductive`](Self::Transductive) | the queries it comes with | better numbers; answers depend on which queries are asked together, a query alone is asked in vain |
/// | [`Support`](Self::Support) | the support | each query is answered by itself |
/// | [`PerStep`](Self::PerStep) | statistics kept for each inner step | by itself; MAML++ |
/// | [`Frozen`](Self::Frozen) | statistics kept for all steps | by itself; as Burn's own layer behaves after training |
///
/// Most published numbers of MAML are transductive.
///
/// # References
/// Antoniou, Edwards, Storkey (2019), "How to train your MAML", ICLR, arXiv:1810.09502 (per-step
/// statistics); Nichol, Achiam, Schulman (2018), arXiv:1803.02999, section 6.1 (what transduction
/// is worth).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Of the samples at hand.
    #[default]
    Transductive,
    /// Of the support, at the weights at hand.
    Support,
    /// Kept, for each inner step its own.
    PerStep,
    /// Kept, the first step's for all.
    Frozen,
}

/// How a network is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForwardContext<'a> {
    /// Whose statistics are used.
    pub normalization: Normalization,
    /// How many rows from the first are support; the others are queries. 0: there is only one kind.
    pub support: usize,
    /// Inner steps that the weights have behind them.
    pub step: usize,
    /// Where kept statistics are learned: the batch's own are used, and noted here.
    pub learning: Option<&'a RunningStatistics>,
}

/// Mean and variance of each channel.
type Moments = [Vec<f32>; 2];

/// Statistics that layers have seen, by layer and step.
#[derive(Debug, Default)]
pub struct RunningStatistics(Mutex<HashMap<(ParamId, usize), (Moments, usize)>>);

impl RunningStatistics {
    fn note(&self, layer: ParamId, step: usize, moments: Moments) {
        let mut seen = self.0.lock().expect("nothing panics under this lock");
        let (sum, count) = seen.entry((layer, step)).or_insert_with(|| {
            let zeros = vec![0.0; moments[0].len()];
            ([zeros.clone(), zeros], 0)
        });
        for (sum, new) in sum.iter_mut().zip(&moments) {
            for (sum, new) in sum.iter_mut().zip(new) {
                *sum += new;
            }
        }
        *count += 1;
    }

    /// The mean of what was seen: `(layer, step, [mean, variance])`.
    pub(super) fn means(self) -> Vec<(ParamId, usize, Moments)> {
        let seen = self.0.into_inner().expect("nothing panics under this lock");
        let mean =
            |values: Vec<f32>, count: usize| values.into_iter().map(|v| v / count as f32).collect();
        let means = seen.into_iter().map(|((layer, step), ([m, v], count))| {
            (layer, step, [mean(m, count), mean(v, count)])
        });
        means.collect()
    }
}

/// Batch normalisation of maps `[n, channels, height, width]` under a [`Normalization`].
///
/// In a [`Stack`](super::Stack) the channels of T tasks are behind each other, in the maps, in
/// `scale` and in `shift`, and so are the kept steps.
///
/// ```text
/// (a − m) / √(v + ε) · scale + shift        ε = 1e-5
/// ```
#[derive(Module, Debug)]
pub struct EpisodicNorm<B: Backend> {
    /// `[channels]`.
    pub scale: Param<Tensor<B, 1>>,
    /// `[channels]`.
    pub shift: Param<Tensor<B, 1>>,
    /// Kept means and variances, a step after the other; not learned by gradients: `[steps, 2,
    /// channels]`.
    pub kept: Param<Tensor<B, 3>>,
}

const EPSILON: f64 = 1e-5;

impl<B: Backend> EpisodicNorm<B> {
    /// Scale one, shift zero; kept statistics for `steps` steps (at least one), of mean zero and
    /// variance one.
    pub fn new(channels: usize, steps: usize, device: &B::Device) -> Self {
        let zeros = Tensor::zeros([steps.max(1), 1, channels], device);
        let kept = Tensor::cat(vec![zeros.clone(), zeros.ones_like()], 1);
        Self {
            scale: Param::from_tensor(Tensor::ones([channels], device)),
            shift: Param::from_tensor(Tensor::zeros([channels], device)),
            kept: Param::from_tensor(kept).set_require_grad(false),
        }
    }

    /// The maps, normalised.
    pub fn forward(&self, maps: Tensor<B, 4>, context: ForwardContext<'_>) -> Tensor<B, 4> {
        let [n, channels, height, width] = maps.dims();
        let maps = maps.reshape([n, channels, height * width]);
        let kept = matches!(
            context.normalization,
            Normalization::PerStep | Normalization::Frozen
        );
        let [mean, variance] = if kept && context.learning.is_none() {
            self.kept_at(context)
        } else {
            let rows = match context.normalization {
                Normalization::Support if context.support > 0 => context.support.min(n),
                _ => n,
            };
            let seen = if rows < n {
                maps.clone().narrow(0, 0, rows)
            } else {
                maps.clone()
            };
            let moments = channel_moments::<B>(primitive(seen));
            let moments = Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(moments));
            let [mean, variance] =
                [0, 1].map(|i| moments.clone().narrow(0, i, 1).reshape([channels]));
            if let (true, Some(seen)) = (kept, context.learning) {
                let read = |moments: &Tensor<B, 1>| {
                    let each = moments.clone().reshape([self.tasks(), self.channels()]);
                    each.mean_dim(0).to_data().iter::<f32>().collect()
                };
                seen.note(self.kept.id, context.step, [read(&mean), read(&variance)]);
            }
            [mean, variance]
        };
        let scale = self.scale.val() / (variance + EPSILON).sqrt();
        let shift = self.shift.val() - mean * scale.clone();
        let normal = channel_affine::<B>(primitive(maps), primitive(scale), primitive(shift));
        Tensor::<B, 3>::from_primitive(TensorPrimitive::Float(normal))
            .reshape([n, channels, height, width])
    }

    fn kept_at(&self, context: ForwardContext<'_>) -> [Tensor<B, 1>; 2] {
        let (tasks, channels) = (self.tasks(), self.channels());
        let steps = self.kept.dims()[0] / tasks;
        let step = match context.normalization {
            Normalization::PerStep => context.step.min(steps - 1),
            _ => 0,
        };
        let kept = self.kept.val().reshape([tasks, steps, 2, channels]);
        let kept = kept.narrow(1, step, 1);
        [0, 1].map(|i| kept.clone().narrow(2, i, 1).reshape([tasks * channels]))
    }

    /// Of one task.
    fn channels(&self) -> usize {
        self.kept.dims()[2]
    }

    /// How many tasks' channels are behind each other.
    fn tasks(&self) -> usize {
        self.scale.dims()[0] / self.channels()
    }
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> B::FloatTensorPrimitive {
    tensor.into_primitive().tensor()
}
