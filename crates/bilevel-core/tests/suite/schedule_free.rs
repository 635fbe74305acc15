//! Schedule-free optimizers: their recursions, and what the average is good for.

use bilevel_core::{
    ConjugateGradient, DoubleBackward, GradientDescent, ImplicitDifferentiation, Isgd,
    IsgdSettings, Report, Sampling, Schedule, ScheduleFree, ScheduleFreeAdam, ScheduleFreeSgd,
    State, Stop, Tape, Task, Tolerance, evaluation_point,
};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, Optimizer};

use crate::matrices::numbers;
use crate::problems::{Shift, shift};
use crate::upper_problems::{Tracking, entries};
use crate::{B, generator, length, minus};

type Adaptor<O> = OptimizerAdaptor<O, Shift<Tape<B>>, Tape<B>>;

/// The gradient of `½ Σ a (x − c)²`.
const A: [f64; 2] = [1.0, 7.0];
const C: [f64; 2] = [3.0, -2.0];

fn descend<O: ScheduleFree<B>>(optimizer: O, rates: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut optimizer: Adaptor<O> = optimizer.into();
    let mut y = shift(&[0.0; 2]);
    for (i, rate) in rates.iter().enumerate() {
        let a = burn::tensor::Tensor::from_data(A, &Default::default());
        let c = burn::tensor::Tensor::from_data(C, &Default::default());
        let loss = ((y.x.val() - c).square() * a).sum() * 0.5;
        let gradients = GradientsParams::from_grads(loss.backward(), &y);
        y = optimizer.step(*rate, y, gradients);
        if i == rates.len() / 2 {
            // A run that is taken up again.
            let record = optimizer.to_record();
            optimizer = Adaptor::from(optimizer.optim().clone()).load_record(record);
        }
    }
    let x = evaluation_point(y.clone(), &optimizer);
    (entries(&y), entries(&x))
}

fn slope(j: usize, y: f64) -> f64 {
    A[j] * (y - C[j])
}

/// The recursion as it is printed, in plain numbers.
#[test]
fn the_recursions_are_the_papers() {
    let rates = [0.1, 0.05, 0.08, 0.02, 0.07, 0.1, 0.03];
    let (beta, beta_2, epsilon) = (0.9, 0.99, 1e-8);
    let sgd = descend(ScheduleFreeSgd::new(beta).unwrap(), &rates);
    let adam = descend(
        ScheduleFreeAdam::new(beta, beta_2, epsilon).unwrap(),
        &rates,
    );
    for j in 0..2 {
        for (adaptive, (y_found, x_found)) in [(false, &sgd), (true, &adam)] {
            let (mut z, mut x, mut v, mut weight) = (0.0, 0.0, 0.0, 0.0);
            for (t, rate) in (1..).zip(rates) {
                let g = slope(j, (1.0 - beta) * z + beta * x);
                let mut gamma = rate;
                let mut direction = g;
                if adaptive {
                    v = beta_2 * v + (1.0 - beta_2) * g * g;
                    gamma *= (1.0f64 - f64::powi(beta_2, t)).sqrt();
                    direction /= v.sqrt() + epsilon;
                }
                z -= gamma * direction;
                weight += gamma * gamma;
                let c = gamma * gamma / weight;
                x = (1.0 - c) * x + c * z;
            }
            let y = (1.0 - beta) * z + beta * x;
            assert!(
                (y - y_found[j]).abs() < 1e-12,
                "{adaptive} {y} {}",
                y_found[j]
            );
            assert!((x - x_found[j]).abs() < 1e-12);
            assert!((x - y).abs() > 1e-4);
        }
    }
}

#[test]
fn they_converge_with_a_constant_learning_rate() {
    let (_, x) = descend(ScheduleFreeSgd::new(0.9).unwrap(), &[0.1; 2000]);
    assert!(length(&minus(&x, &C)) < 1e-2, "{x:?}");
    let (_, x) = descend(
        ScheduleFreeAdam::new(0.9, 0.999, 1e-8).unwrap(),
        &[0.1; 2000],
    );
    assert!(length(&minus(&x, &C)) < 5e-2, "{x:?}");
}

/// In a stochastic run the average is much closer than the parameter of plain descent can be.
#[test]
fn the_average_quiets_the_noise() {
    let rng = &mut generator(91);
    let centers: Vec<Vec<f64>> = (0..20).map(|_| numbers(3, rng)).collect();
    let mean: Vec<f64> = (0..3)
        .map(|j| centers.iter().map(|c| c[j]).sum::<f64>() / 20.0)
        .collect();
    let settings = IsgdSettings {
        batch: 1,
        sampling: Sampling::Independent,
        step_size: Schedule::Constant(0.3),
        lower_accuracy: Schedule::Constant(1e-12),
        adjoint_accuracy: Schedule::Constant(1e-12),
        seed: 8,
    };
    let method = Isgd::new(
        Tracking::FREE,
        GradientDescent {
            step_size: 1.0,
            max_steps: 10,
            tolerance: Tolerance::Absolute(0.0),
        },
        ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: 10,
                tolerance: Tolerance::Relative(0.0),
            },
        },
        settings,
    )
    .unwrap();
    let tasks: Vec<Task<B, Tracking>> = centers.iter().map(|c| Tracking::task(c)).collect();
    let optimizer: Adaptor<_> = ScheduleFreeSgd::new(0.9).unwrap().into();
    let state = State::new(shift(&[5.0; 3]), optimizer);
    let (state, ..) = method.run(state, tasks, Stop::after(1500), &mut |_: &Report| ());
    let x = evaluation_point(state.x, &state.optimizer);
    let off = length(&minus(&entries(&x), &mean));
    let noise = centers
        .iter()
        .map(|c| length(&minus(c, &mean)).powi(2))
        .sum::<f64>()
        / 20.0;
    let plain = (0.3 / 1.7 * noise).sqrt();
    println!("average {off:.3}, plain descent's standard deviation {plain:.3}");
    assert!(off < 0.3 * plain, "{off} {plain}");
}

#[test]
fn settings_are_checked() {
    let message = |error: bilevel_core::Error| error.to_string();
    let wrong = ScheduleFreeSgd::new(1.1).unwrap_err();
    assert_eq!(message(wrong), "beta must be in [0, 1], got 1.1");
    let wrong = ScheduleFreeAdam::new(0.9, 0.99, 0.0).unwrap_err();
    assert_eq!(message(wrong), "epsilon must be finite and > 0, got 0");
}
