//! Gradients of learners over one episode.

use bilevel::burn::tensor::backend::Backend;
use bilevel::models::meta::{
    Conv4, Episode, Filter, ImplicitMaml, Learner, Loss, Maml, Normalization, ProtoNet, R2d2,
    Reptile, Samples, StepLosses, StepSizes,
};
use bilevel::{Checkpointing, ConjugateGradient, GradientDescent, Tape, Tolerance};

use crate::images::uniform;
use crate::row::{Rows, entries};

const WAYS: usize = 3;
const SIDE: usize = 16;

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Few-shot learners: gradient over one episode, four convolutions with batch normalisation and maxima");
    let network = Conv4 {
        channels: 4,
        side: SIDE,
        classes: Some(WAYS),
        kept_steps: 1,
    };
    let features = Conv4 {
        classes: None,
        ..network
    };
    let (loss, normalization) = (Loss::CrossEntropy, Normalization::Transductive);
    let maml = Maml {
        network,
        loss,
        normalization,
        steps: 2,
        step_sizes: StepSizes::Fixed(0.05),
        checkpointing: Checkpointing::All,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    };
    let implicit = ImplicitMaml {
        network,
        loss,
        normalization,
        proximity: 5.0,
        lower: GradientDescent {
            step_size: 0.02,
            max_steps: 3,
            tolerance: Tolerance::Absolute(0.0),
        },
        adjoint: ConjugateGradient {
            max_steps: 2,
            tolerance: Tolerance::Relative(0.0),
        },
    };
    add::<B, _>(rows, "MAML", &maml, network);
    add::<B, _>(rows, "iMAML", &implicit, network);
    add::<B, _>(
        rows,
        "Reptile",
        &Reptile {
            network,
            loss,
            normalization,
            steps: 2,
            rate: 0.05,
        },
        network,
    );
    add::<B, _>(
        rows,
        "prototypes",
        &ProtoNet {
            network: features,
            normalization,
        },
        features,
    );
    add::<B, _>(
        rows,
        "R2-D2",
        &R2d2 {
            network: features,
            normalization,
        },
        features,
    );
}

fn add<B: Backend, L: Learner<B, Network = Conv4>>(
    rows: &mut Rows,
    name: &'static str,
    learner: &L,
    network: Conv4,
) {
    let x = learner.begin(network.init::<Tape<B>>(0, &Default::default()));
    let found = learner.gradient(&x, &episode());
    let mut numbers = entries([found.gradient]);
    numbers.push(found.loss);
    rows.golden(name, numbers, 5e-3);
}

fn episode<B: Backend>() -> Episode<B> {
    let samples = |each: usize, seed| {
        let count = WAYS * each;
        let labels: Vec<usize> = (0..count).map(|i| i / each).collect();
        let pixels = uniform::<B>([count, 1, SIDE, SIDE], seed).into_data();
        let pixels: Vec<f32> = pixels.iter::<f32>().collect();
        Samples::classes(&pixels, SIDE * SIDE, &labels, WAYS, &Default::default())
            .expect("labels fit")
    };
    Episode {
        support: samples(2, 6),
        query: samples(2, 7),
    }
}
