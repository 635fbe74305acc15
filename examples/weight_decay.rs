//! Learn the weight decay of a linear layer: `cargo run --example weight_decay`.

use bilevel::prelude::*;

type Log<B> = Param<Tensor<B, 1>>;
type Data<B> = [Tensor<B, 2>; 4];

/// Fit y to (a, b) with weight decay exp(x); choose x so that y fits (c, d).
struct Decay;

impl BilevelProblem for Decay {
    type Upper<B: Backend> = Log<B>;
    type Lower<B: Backend> = nn::Linear<B>;
    type Batch<B: Backend> = Data<B>;
    fn lower_loss<B: Backend>(&self, x: &Log<B>, y: &nn::Linear<B>, d: &Data<B>) -> Tensor<B, 1> {
        let fit = (y.forward(d[0].clone()) - d[1].clone()).square().sum();
        fit + x.val().exp() * y.weight.val().square().sum()
    }
    fn upper_loss<B: Backend>(&self, _: &Log<B>, y: &nn::Linear<B>, d: &Data<B>) -> Tensor<B, 1> {
        (y.forward(d[2].clone()) - d[3].clone()).square().mean()
    }
}

fn main() {
    // Three noisy measurements of (1, -1) to learn from, three more to choose the decay by.
    let device = Default::default();
    let data = [
        Tensor::<Cpu, 2>::from_data([[1.0, 0.9], [0.5, 0.6], [-0.3, -0.2]], &device),
        Tensor::from_data([[0.4], [-0.3], [0.1]], &device),
        Tensor::from_data([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], &device),
        Tensor::from_data([[1.0], [-1.0], [0.0]], &device),
    ];
    let linear = nn::LinearConfig::new(2, 1).with_bias(false).init(&device);
    let x = Log::from_data([0.0], &device);
    let run = DoubleLoop::new(Decay).train(x, AdamConfig::new().init(), [(data, linear)], 0.1, 60);
    let [first, last] = [0, 59].map(|step| run.reports[step].upper_loss);
    let decay = run.x.val().exp().into_scalar();
    println!("validation loss {first:.3} -> {last:.3} with weight decay {decay:.4}");
    assert!(last < 0.5 * first);
}
