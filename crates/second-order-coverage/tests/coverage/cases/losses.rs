//! The losses of `burn::nn`.

use burn::nn::loss::*;
use burn::tensor::activation::{log_softmax, sigmoid, softmax};
use burn::tensor::backend::Backend;

use crate::case::Cases;

pub fn add<B: Backend>(c: &mut Cases<B>) {
    c.section("nn: losses");
    c.add("MseLoss", |i| {
        MseLoss::new().forward(i.tensor([3, 4]), i.tensor([3, 4]), Reduction::Mean)
    });
    c.add("HuberLoss", |i| {
        let loss = HuberLossConfig::new(0.7).init();
        loss.forward(i.tensor([3, 4]), i.tensor([3, 4]), Reduction::Mean)
    });
    c.add("SmoothL1Loss", |i| {
        let loss = SmoothL1LossConfig::new().init();
        loss.forward(i.tensor([3, 4]), i.tensor([3, 4]))
    });
    c.add("CrossEntropyLoss", |i| {
        let loss = CrossEntropyLossConfig::new().init(&i.device);
        let targets = i.ints(&[0, 3, 1], [3]);
        loss.forward(i.tensor([3, 4]), targets)
    });
    c.add("CrossEntropyLoss, smoothed, weighted", |i| {
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(Some(0.1))
            .with_weights(Some(vec![0.5, 1.0, 2.0, 1.5]))
            .init(&i.device);
        let targets = i.ints(&[0, 3, 1], [3]);
        loss.forward(i.tensor([3, 4]), targets)
    });
    c.add("BinaryCrossEntropyLoss", |i| {
        let loss = BinaryCrossEntropyLossConfig::new().init(&i.device);
        let targets = i.ints(&[0, 1, 1, 0], [4]);
        loss.forward(sigmoid(i.tensor([4])), targets)
    });
    c.add("KLDivLoss", |i| {
        let loss = KLDivLossConfig::new().init();
        let (p, q) = (i.tensor([3, 4]), i.tensor([3, 4]));
        loss.forward(log_softmax(p, 1), softmax(q, 1), Reduction::Mean)
    });
    c.add("PoissonNllLoss", |i| {
        let loss = PoissonNllLossConfig::new().init();
        loss.forward(i.tensor([3, 4]), i.positive([3, 4]), Reduction::Mean)
    });
    c.add("CosineEmbeddingLoss", |i| {
        let loss = CosineEmbeddingLossConfig::new().init();
        let targets = i.ints(&[1, -1, 1], [3]);
        loss.forward(i.tensor([3, 4]), i.tensor([3, 4]), targets)
    });
    c.add("CTCLoss", |i| {
        let loss = CTCLossConfig::new().init();
        let targets = i.ints(&[1, 2, 3, 1], [2, 2]);
        let [inputs, lengths] = [i.ints(&[5, 4], [2]), i.ints(&[2, 2], [2])];
        loss.forward(
            log_softmax(i.tensor([5, 2, 4]), 2),
            targets,
            inputs,
            lengths,
        )
    });
}
