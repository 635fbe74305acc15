//! The layers of `burn::nn`, in their input and in all their parameters.

use burn::nn::attention::{MhaInput, MultiHeadAttentionConfig, generate_autoregressive_mask};
use burn::nn::conv::*;
use burn::nn::interpolate::{Interpolate1dConfig, Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::*;
use burn::nn::transformer::{TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::*;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::case::Cases;

pub fn add<B: Backend>(c: &mut Cases<B>) {
    dense(c);
    convolutions(c);
    normalisations(c);
    pools(c);
    sequences(c);
}

fn dense<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: dense layers, activations, dropout");
    c.add("Linear", |i| {
        let layer = LinearConfig::new(4, 3).init(&i.device);
        i.module(layer).forward(i.tensor([2, 4]))
    });
    c.add("Linear, batched, without bias", |i| {
        let layer = LinearConfig::new(4, 3).with_bias(false).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 4]))
    });
    c.add("Embedding", |i| {
        let layer = EmbeddingConfig::new(5, 3).init(&i.device);
        let indices = i.ints(&[4, 0, 0, 2], [2, 2]);
        i.module(layer).forward(indices)
    });
    c.add("SwiGlu", |i| {
        let layer = SwiGluConfig::new(4, 3).with_bias(true).init(&i.device);
        i.module(layer).forward(i.tensor([2, 4]))
    });
    c.add("PRelu", |i| {
        let layer = PReluConfig::new().with_num_parameters(3).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 4]))
    });
    c.add("Gelu", |i| Gelu::new().forward(i.tensor([3, 4])));
    c.add("HardSigmoid", |i| {
        HardSigmoidConfig::new().init().forward(i.tensor([3, 4]))
    });
    c.add("Sigmoid", |i| Sigmoid::new().forward(i.tensor([3, 4])));
    c.add("Softplus", |i| {
        SoftplusConfig::new().init().forward(i.tensor([3, 4]))
    });
    c.add("GLU", |i| GLU::new(1).forward(i.tensor([3, 4])));
    c.add("Dropout with a saved mask", |i| {
        let mask = i.constant([3, 4]).greater_elem(-0.5).float();
        let layer = LinearConfig::new(4, 4).init(&i.device);
        i.module(layer).forward(i.tensor([3, 4])).tanh() * mask / 0.7
    });
}

fn convolutions<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: convolutions");
    c.add("Conv1d", |i| {
        let layer = Conv1dConfig::new(2, 3, 3).with_stride(2).init(&i.device);
        i.module(layer).forward(i.tensor([2, 2, 7]))
    });
    c.add("Conv2d", |i| {
        let layer = Conv2dConfig::new([2, 4], [3, 3])
            .with_groups(2)
            .init(&i.device);
        i.module(layer).forward(i.tensor([2, 2, 5, 4]))
    });
    c.add("Conv3d", |i| {
        let layer = Conv3dConfig::new([1, 2], [2, 2, 2]).init(&i.device);
        i.module(layer).forward(i.tensor([2, 1, 3, 3, 3]))
    });
    c.add("ConvTranspose1d", |i| {
        let layer = ConvTranspose1dConfig::new([2, 3], 3)
            .with_stride(2)
            .init(&i.device);
        i.module(layer).forward(i.tensor([2, 2, 4]))
    });
    c.add("ConvTranspose2d", |i| {
        let layer = ConvTranspose2dConfig::new([2, 2], [3, 3])
            .with_stride([2, 2])
            .init(&i.device);
        i.module(layer).forward(i.tensor([1, 2, 3, 3]))
    });
    c.add("ConvTranspose3d", |i| {
        let layer = ConvTranspose3dConfig::new([1, 2], [2, 2, 2]).init(&i.device);
        i.module(layer).forward(i.tensor([2, 1, 2, 2, 3]))
    });
    c.add("DeformConv2d", |i| {
        let layer = DeformConv2dConfig::new([2, 2], [3, 3]).init(&i.device);
        let (x, offset) = (i.tensor([1, 2, 5, 5]), i.fraction([1, 18, 3, 3]));
        i.module(layer).forward(x, offset, None)
    });
    c.add("Unfold4d", |i| {
        Unfold4dConfig::new([2, 2])
            .init()
            .forward(i.tensor([1, 2, 3, 4]))
    });
}

fn normalisations<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: normalisations");
    c.add("BatchNorm, training", |i| {
        let layer = BatchNormConfig::new(3).init(&i.device);
        i.module(layer).forward(i.tensor([4, 3, 2, 2]))
    });
    c.add("GroupNorm", |i| {
        let layer = GroupNormConfig::new(2, 4).init(&i.device);
        i.module(layer).forward(i.tensor([2, 4, 3]))
    });
    c.add("LayerNorm", |i| {
        let layer = LayerNormConfig::new(5).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 5]))
    });
    c.add_single("RmsNorm", |i| {
        let layer = RmsNormConfig::new(5).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 5]))
    });
    c.add("InstanceNorm", |i| {
        let layer = InstanceNormConfig::new(3).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 4]))
    });
    c.add("LocalResponseNorm", |i| {
        LocalResponseNormConfig::new(3)
            .init()
            .forward(i.tensor([2, 4, 3]))
    });
}

fn pools<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: pools and resizing");
    c.add("MaxPool1d", |i| {
        MaxPool1dConfig::new(2).init().forward(i.tensor([2, 2, 6]))
    });
    c.add("MaxPool2d", |i| {
        MaxPool2dConfig::new([2, 2])
            .init()
            .forward(i.tensor([2, 2, 4, 6]))
    });
    c.add("AvgPool1d", |i| {
        AvgPool1dConfig::new(2).init().forward(i.tensor([2, 2, 6]))
    });
    c.add("AvgPool2d", |i| {
        AvgPool2dConfig::new([2, 2])
            .init()
            .forward(i.tensor([2, 2, 4, 6]))
    });
    c.add("AdaptiveAvgPool1d", |i| {
        AdaptiveAvgPool1dConfig::new(2)
            .init()
            .forward(i.tensor([2, 2, 5]))
    });
    c.add("AdaptiveAvgPool2d", |i| {
        AdaptiveAvgPool2dConfig::new([2, 1])
            .init()
            .forward(i.tensor([2, 2, 5, 3]))
    });
    c.add("Interpolate1d, linear", |i| {
        Interpolate1dConfig::new()
            .with_output_size(Some(9))
            .with_mode(InterpolateMode::Linear)
            .init()
            .forward(i.tensor([2, 2, 5]))
    });
    c.add("Interpolate2d, cubic", |i| {
        Interpolate2dConfig::new()
            .with_scale_factor(Some([2.0, 1.5]))
            .with_mode(InterpolateMode::Cubic)
            .init()
            .forward(i.tensor([1, 2, 4, 4]))
    });
}

fn sequences<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: attention and recurrence");
    c.add("MultiHeadAttention", |i| {
        let layer = MultiHeadAttentionConfig::new(4, 2)
            .with_dropout(0.0)
            .init(&i.device);
        let layer = i.module(layer);
        layer
            .forward(MhaInput::self_attn(i.tensor([2, 3, 4])))
            .context
    });
    c.add("MultiHeadAttention, masked", |i| {
        let layer = MultiHeadAttentionConfig::new(4, 2)
            .with_dropout(0.0)
            .init(&i.device);
        let mask = generate_autoregressive_mask(2, 3, &i.device);
        let layer = i.module(layer);
        let input = MhaInput::self_attn(i.tensor([2, 3, 4])).mask_attn(mask);
        layer.forward(input).context
    });
    c.add("TransformerEncoder", |i| {
        let layer = TransformerEncoderConfig::new(4, 6, 2, 1)
            .with_dropout(0.0)
            .init(&i.device);
        let layer = i.module(layer);
        layer.forward(TransformerEncoderInput::new(i.tensor([1, 3, 4])))
    });
    c.add("RotaryEncoding", |i| {
        let layer = RotaryEncodingConfig::new(5, 4).init(&i.device);
        layer.forward(i.tensor([2, 3, 4]))
    });
    c.add("Lstm", |i| {
        let layer = LstmConfig::new(3, 2, true).init(&i.device);
        let (output, state) = i.module(layer).forward(i.tensor([2, 3, 3]), None);
        Tensor::cat(vec![output, state.cell.unsqueeze_dim(1)], 1)
    });
    c.add("Gru", |i| {
        let layer = GruConfig::new(3, 2, true).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 3]), None)
    });
    c.add("Rnn", |i| {
        let layer = RnnConfig::new(3, 2, true).init(&i.device);
        i.module(layer).forward(i.tensor([2, 3, 3]), None).0
    });
}
