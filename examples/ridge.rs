//! Choose a weight decay by bilevel optimization: `cargo run --example ridge`.

use bilevel::backend::{Cpu, Tape};
use bilevel::burn::tensor::{Tensor, backend::Backend};
use bilevel::burn::{
    self,
    module::{Module, Param},
    optim::AdamConfig,
};
use bilevel::{
    Accelerated, BilevelProblem, ConjugateGradient, DoubleBackward, DoubleLoop, Tolerance,
};
use bilevel::{ImplicitDifferentiation, PowerIteration, Report, State, Stop, Task};

#[derive(Module, Debug)]
struct Weight<B: Backend> {
    log: Param<Tensor<B, 1>>,
}
#[derive(Module, Debug)]
struct Linear<B: Backend> {
    w: Param<Tensor<B, 2>>,
}
#[derive(Module, Debug)]
struct Data<B: Backend> {
    a: Tensor<B, 2>,
    b: Tensor<B, 2>,
    c: Tensor<B, 2>,
    d: Tensor<B, 2>,
}

/// Fit w to (a, b) with weight decay exp(x); choose x so that w fits (c, d).
struct Ridge;
impl BilevelProblem for Ridge {
    type Upper<B: Backend> = Weight<B>;
    type Lower<B: Backend> = Linear<B>;
    type Batch<B: Backend> = Data<B>;
    fn upper_loss<B: Backend>(&self, _: &Weight<B>, y: &Linear<B>, data: &Data<B>) -> Tensor<B, 1> {
        (data.c.clone().matmul(y.w.val()) - data.d.clone())
            .square()
            .mean()
    }
    fn lower_loss<B: Backend>(&self, x: &Weight<B>, y: &Linear<B>, data: &Data<B>) -> Tensor<B, 1> {
        (data.a.clone().matmul(y.w.val()) - data.b.clone())
            .square()
            .sum()
            + x.log.val().exp() * y.w.val().square().sum()
    }
}

fn main() {
    type B = Cpu;
    let device = Default::default();
    // Three noisy measurements of w = (1, -1) to learn from, three more to choose the decay by.
    let data = Data {
        a: Tensor::<B, 2>::from_data([[1.0, 0.9], [0.5, 0.6], [-0.3, -0.2]], &device),
        b: Tensor::from_data([[0.4], [-0.3], [0.1]], &device),
        c: Tensor::from_data([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], &device),
        d: Tensor::from_data([[1.0], [-1.0], [0.0]], &device),
    };
    let start = Linear {
        w: Param::from_tensor(Tensor::<Tape<B>, 2>::zeros([2, 1], &device)),
    };
    let x = Weight {
        log: Param::from_tensor(Tensor::<Tape<B>, 1>::zeros([1], &device)),
    };
    let parts = DoubleLoop {
        problem: Ridge,
        lower: Accelerated {
            smoothness: PowerIteration {
                steps: 10,
                margin: 1.1,
            },
            strong_convexity: 0.0,
            max_steps: 500,
            tolerance: Tolerance::Absolute(1e-10),
        },
        hypergradient: ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: 10,
                tolerance: Tolerance::Relative(1e-10),
            },
        },
    };
    let mut losses = Vec::new();
    let mut observe = |report: &Report| losses.push(report.upper_loss);
    let (state, ..) = parts.run(
        State::new(x, AdamConfig::new().init()),
        vec![Task::new(data, start)],
        0.1,
        Stop::after(60),
        &mut observe,
    );
    let decay = state.x.log.val().exp().into_scalar();
    println!(
        "validation loss {:.3} -> {:.3} with weight decay {decay:.4}",
        losses[0], losses[59]
    );
    assert!(losses[59] < 0.5 * losses[0]);
}
