//! MAML on one's own module, waves from ten points each: `cargo run --example sinusoids [STEPS]`.

use bilevel::models::meta::Sinusoids;
use bilevel::prelude::*;

/// A perceptron of two hidden layers: this is the architecture, the weights are a module of Burn.
#[derive(Clone)]
struct Net;

impl Network for Net {
    type Weights<B: Backend> = [nn::Linear<B>; 3];
    fn forward<B: Backend>(&self, w: &[nn::Linear<B>; 3], inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = w[0].forward(inputs).clamp_min(0.0);
        w[2].forward(w[1].forward(hidden).clamp_min(0.0))
    }
}

fn main() {
    let steps = std::env::args().nth(1).map_or(2000, |n| n.parse().unwrap());
    let (device, shots, queries) = (Default::default(), 10, 10);
    let waves = Sinusoids { shots, queries };
    let layer = |(inputs, outputs)| nn::LinearConfig::new(inputs, outputs).init(&device);
    let maml = Maml::new(Net).loss(Loss::MeanSquare).step_size(0.01);
    let weights = [(1, 40), (40, 40), (40, 1)].map(layer);
    let mut state = maml.start(weights, AdamConfig::new().init());
    for step in 0..steps {
        let episodes = (4 * step..4 * step + 4).map(|i| waves.episode(0, i, &device));
        (state, _) = maml.step(state, episodes.collect(), 3e-3);
    }
    for steps in [0, 1, 2, 5, 10] {
        let error = |i: u64| {
            let wave = waves.episode::<Cpu>(1, i, &device);
            let adapted = maml.clone().steps(steps).adapt(&state, &wave);
            Loss::MeanSquare.of(Net.forward(&adapted, wave.query.inputs), wave.query.targets)
        };
        let mean = (0..100).map(|i| error(i).into_scalar()).sum::<f32>() / 100.0;
        println!("mean square error after {steps:2} steps on ten points of a new wave: {mean:.3}");
    }
}
