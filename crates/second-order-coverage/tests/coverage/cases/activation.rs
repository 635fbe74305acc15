//! Burn's activation functions.

use burn::tensor::activation::*;
use burn::tensor::backend::Backend;

use crate::case::Cases;

pub fn add<B: Backend>(c: &mut Cases<B>) {
    c.section("Activations");
    c.add("relu", |i| relu(i.tensor([3, 4])));
    c.add("leaky_relu", |i| leaky_relu(i.tensor([3, 4]), 0.2));
    c.add("thresholded_relu", |i| {
        thresholded_relu(i.tensor([3, 4]), 0.4)
    });
    c.add("prelu", |i| prelu(i.tensor([3, 4]), i.tensor([4])));
    c.add("elu", |i| elu(i.tensor([3, 4]), 1.3));
    c.add("celu", |i| celu(i.tensor([3, 4]), 1.3));
    c.add("selu", |i| selu(i.tensor([3, 4])));
    c.add("gelu", |i| gelu(i.tensor([3, 4])));
    c.add("gelu_approximate", |i| gelu_approximate(i.tensor([3, 4])));
    c.add("silu", |i| silu(i.tensor([3, 4])));
    c.add("mish", |i| mish(i.tensor([3, 4])));
    c.add("sigmoid", |i| sigmoid(i.tensor([3, 4])));
    c.add("sigmoid, saturated", |i| {
        sigmoid(i.tensor([3, 4]) * 1000.0) + i.tensor([3, 4])
    });
    c.add("log_sigmoid", |i| log_sigmoid(i.tensor([3, 4])));
    c.add("hard_sigmoid", |i| hard_sigmoid(i.tensor([3, 4]), 0.3, 0.4));
    c.add("hard_swish", |i| hard_swish(i.tensor([3, 4])));
    c.add("tanh, activation", |i| tanh(i.tensor([3, 4])));
    c.add("softplus", |i| softplus(i.tensor([3, 4]), 1.3));
    c.add("softsign", |i| softsign(i.tensor([3, 4])));
    c.add("hard_shrink", |i| hard_shrink(i.tensor([3, 4]), 0.4));
    c.add("soft_shrink", |i| soft_shrink(i.tensor([3, 4]), 0.4));
    c.add("glu", |i| glu(i.tensor([3, 4]), 1));
    c.add("softmax", |i| softmax(i.tensor([3, 4]), 1));
    c.add("softmin", |i| softmin(i.tensor([3, 4]), 1));
    c.add("quiet_softmax", |i| quiet_softmax(i.tensor([3, 4]), 1));
    c.add("log_softmax", |i| log_softmax(i.tensor([3, 4]), 1));
}
