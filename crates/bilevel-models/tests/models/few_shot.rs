//! What few-shot learners claim: closed forms, differences, and who sees whom.

use bilevel_backend::Tape;
use bilevel_core::parameters::{pack, unpack};
use bilevel_core::{Checkpointing, ConjugateGradient, GradientDescent, Tolerance};
use bilevel_models::meta::{
    Conv4, Episode, Filter, ImplicitMaml, Learner, Loss, Maml, MetaState, Network, Normalization,
    Perceptron, ProtoNet, R2d2, Reptile, ResNet12, Samples, Sinusoids, Stack, StackedNetwork,
    StepLosses, StepSizeOf, StepSizes, Upper, meta_step,
};
use burn::module::{AutodiffModule, Module, Param};
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::{B, Number};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// One weight, one input.
#[derive(Clone)]
struct Slope;

#[derive(Module, Debug)]
struct Weight<B: Backend> {
    theta: Param<Tensor<B, 2>>,
}

impl Network for Slope {
    type Weights<B: Backend> = Weight<B>;

    fn forward<B: Backend>(&self, y: &Weight<B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        inputs.matmul(y.theta.val())
    }
}

fn matrix(rows: &[f64], shape: [usize; 2]) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(rows.to_vec(), shape), &Default::default())
}

/// `L(θ) = ½ a (θ − c)²` as a mean square, the same for support and queries: (s θ − s c)² with s² =
/// a/2.
fn parabola(a: f64, c: f64) -> Episode<B> {
    let s = (a / 2.0).sqrt();
    let samples = Samples {
        inputs: matrix(&[s], [1, 1]),
        targets: matrix(&[s * c], [1, 1]),
    };
    Episode {
        support: samples.clone(),
        query: samples,
    }
}

fn at(theta: f64) -> Weight<Tape<B>> {
    Weight {
        theta: Param::from_tensor(Tensor::from_inner(matrix(&[theta], [1, 1]))),
    }
}

fn maml<N>(network: N, steps: usize, rate: f64, keep: Checkpointing) -> Maml<N> {
    Maml {
        network,
        loss: Loss::MeanSquare,
        normalization: Normalization::Transductive,
        steps,
        step_sizes: StepSizes::Fixed(rate),
        checkpointing: keep,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    }
}

#[track_caller]
fn slope_is<L: Learner<B, Network = Slope>>(learner: &L, theta: f64, a: f64, c: f64, wanted: f64) {
    let x = learner.begin(at(theta));
    let found = learner.gradient(&x, &parabola(a, c));
    assert_eq!(found.failure, None);
    let found: f64 = found.gradient.number();
    assert!(
        (found - wanted).abs() < 1e-9 * (1.0 + wanted.abs()),
        "{found} instead of {wanted}"
    );
}

/// E8: every gradient of the family on a parabola.
#[test]
fn closed_forms_on_parabolas() {
    let alpha = 0.3;
    for (theta, a, c) in [(0.5, 2.0, 3.0), (-1.0, 0.7, 0.2), (2.0, 5.0, -1.0)] {
        let r: f64 = 1.0 - alpha * a;
        // Without a step it is training on all tasks at once.
        for step_losses in [StepLosses::Last, StepLosses::Every { share: 0.5 }] {
            let joint = Maml {
                step_losses,
                ..maml(Slope, 0, alpha, Checkpointing::All)
            };
            slope_is(&joint, theta, a, c, a * (theta - c));
        }
        for steps in [1, 4] {
            let far = r.powi(steps) * a * (theta - c);
            let exact = maml(Slope, steps as usize, alpha, Checkpointing::All);
            slope_is(&exact, theta, a, c, r.powi(steps) * far);
            let first = maml(Slope, steps as usize, alpha, Checkpointing::Last(0));
            slope_is(&first, theta, a, c, far);
            let last_two = maml(Slope, steps as usize, alpha, Checkpointing::Last(2));
            slope_is(&last_two, theta, a, c, r.powi(steps.min(2)) * far);
            let reptile = Reptile {
                network: Slope,
                loss: Loss::MeanSquare,
                normalization: Normalization::Transductive,
                steps: steps as usize,
                rate: alpha,
            };
            slope_is(&reptile, theta, a, c, {
                // Support and queries are the same two samples: their mean is the same parabola.
                (1.0 - r.powi(steps)) * (theta - c)
            });
        }
        let lambda = 1.5;
        let implicit = ImplicitMaml {
            network: Slope,
            loss: Loss::MeanSquare,
            normalization: Normalization::Transductive,
            proximity: lambda,
            lower: GradientDescent {
                step_size: 1.0 / (a + lambda),
                max_steps: 200,
                tolerance: Tolerance::Absolute(1e-13),
            },
            adjoint: ConjugateGradient {
                max_steps: 5,
                tolerance: Tolerance::Relative(1e-13),
            },
        };
        let wanted = a * lambda * lambda / (a + lambda).powi(2) * (theta - c);
        slope_is(&implicit, theta, a, c, wanted);
    }
}

/// Losses after every step: `Σ wₖ ∇f(yₖ)`, whatever is differentiated.
#[test]
fn losses_of_every_step() {
    let (alpha, theta, a, c) = (0.2, 0.5, 2.0, 3.0);
    let (steps, share) = (3, 0.6);
    let r: f64 = 1.0 - alpha * a;
    for (keep, differentiated) in [
        (Checkpointing::All, 3),
        (Checkpointing::Last(1), 1),
        (Checkpointing::Last(0), 0),
    ] {
        let learner = Maml {
            step_losses: StepLosses::Every { share },
            ..maml(Slope, steps, alpha, keep)
        };
        let wanted: f64 = (1..=steps)
            .map(|k| {
                let weight = share / 3.0 + if k == steps { 1.0 - share } else { 0.0 };
                let reversed = k.saturating_sub(steps - differentiated) as i32;
                weight * r.powi(reversed) * r.powi(k as i32) * a * (theta - c)
            })
            .sum();
        slope_is(&learner, theta, a, c, wanted);
    }
}

/// Pictures that differ from class to class, support and queries.
fn pictures(side: usize, ways: usize, shots: usize, seed: u64) -> Episode<B> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut samples = |each: usize| {
        let labels: Vec<usize> = (0..ways * each).map(|i| i / each).collect();
        let normal = Distribution::Normal(0.4, 0.3);
        let rows = TensorData::random::<f32, _, _>([labels.len(), side * side], normal, rng);
        let rows: Vec<f32> = rows.iter::<f32>().collect();
        Samples::classes(&rows, side * side, &labels, ways, &Default::default()).unwrap()
    };
    Episode {
        support: samples(shots),
        query: samples(2),
    }
}

fn conv4(side: usize) -> Conv4 {
    Conv4 {
        channels: 8,
        side,
        classes: Some(3),
        kept_steps: 3,
    }
}

/// A start at which nothing is zero or tied.
fn moved<L: Learner<B>>(
    learner: &L,
    weights: <L::Network as Network>::Weights<Tape<B>>,
    seed: u64,
) -> Upper<B, L::Network>
where
    Upper<B, L::Network>: Module<Tape<B>>,
{
    let x = learner.begin(weights);
    let v = pack(&x, 1);
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let step = TensorData::random::<f64, _, _>(v.dims(), Distribution::Normal(0.0, 0.05), rng);
    unpack(x, v + Tensor::from_data(step, &Default::default()))
}

/// The gradient along random directions is the change of the loss.
#[track_caller]
fn is_the_change_of_the_loss<L: Learner<B>>(
    what: &str,
    learner: &L,
    x: &Upper<B, L::Network>,
    episode: &Episode<B>,
    tolerance: f64,
) where
    Upper<B, L::Network>: Module<Tape<B>>,
{
    let found = learner.gradient(x, episode);
    assert_eq!(found.failure, None);
    let v = pack(x, 1);
    assert_eq!(found.gradient.dims(), v.dims());
    let h = 1e-6;
    for seed in 0..3 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let data = TensorData::random::<f64, _, _>(v.dims(), Distribution::Normal(0.0, 1.0), rng);
        let u = Tensor::from_data(data, &Default::default());
        let loss = |by: f64| {
            let there = unpack(x.clone(), v.clone() + u.clone() * by);
            learner.gradient(&there, episode).loss
        };
        let difference = (loss(h) - loss(-h)) / (2.0 * h);
        let slope: f64 = (found.gradient.clone() * u.clone()).sum().number();
        let error = (slope - difference).abs() / difference.abs().max(1e-3);
        assert!(error < tolerance, "{what}: {slope} and {difference}");
    }
}

/// MAML on Conv4 against central differences, with learned step sizes, checkpoints and each
/// normalisation.
#[test]
fn meta_gradient_of_conv4() {
    let network = conv4(16);
    let episode = pictures(16, 3, 2, 1);
    for (normalization, rates, keep) in [
        (
            Normalization::Transductive,
            StepSizes::Fixed(0.1),
            Checkpointing::All,
        ),
        (
            Normalization::Support,
            StepSizes::Learned {
                start: 0.1,
                of: StepSizeOf::Parameter,
                each_step: true,
            },
            // 72 + 3·576 numbers of filters, 64 of norms, 27 of the head: room for two states and a little.
            Checkpointing::Bytes(2 * 8 * 2600),
        ),
        (
            Normalization::PerStep,
            StepSizes::Learned {
                start: 0.1,
                of: StepSizeOf::Entry,
                each_step: false,
            },
            Checkpointing::All,
        ),
    ] {
        let learner = Maml {
            loss: Loss::CrossEntropy,
            normalization,
            step_sizes: rates,
            checkpointing: keep,
            ..maml(network, 3, 0.1, Checkpointing::All)
        };
        let x = moved(&learner, network.init(3, &Default::default()), 4);
        let what = format!("{normalization:?}");
        is_the_change_of_the_loss(&what, &learner, &x, &episode, 1e-5);
    }
}

/// The other learners that have a loss, and the residual network.
#[test]
fn gradients_of_embeddings() {
    let episode = pictures(16, 3, 2, 2);
    let network = Conv4 {
        classes: None,
        ..conv4(16)
    };
    let learner = ProtoNet {
        network,
        normalization: Normalization::Transductive,
    };
    let x = moved(&learner, network.init(5, &Default::default()), 6);
    is_the_change_of_the_loss("prototypes", &learner, &x, &episode, 1e-5);

    let learner = R2d2 {
        network,
        normalization: Normalization::Support,
    };
    let x = moved(&learner, network.init(5, &Default::default()), 6);
    is_the_change_of_the_loss("ridge", &learner, &x, &episode, 1e-5);

    let network = ResNet12 {
        channels: [2, 3, 4, 5],
        side: 16,
        classes: None,
        kept_steps: 1,
    };
    let learner = ProtoNet {
        network,
        normalization: Normalization::Transductive,
    };
    let x = moved(&learner, network.init(7, &Default::default()), 8);
    is_the_change_of_the_loss("residual network", &learner, &x, &episode, 1e-5);
}

/// The ridge regression of the support itself: what it predicts for its own samples solves the
/// normal equations.
#[test]
fn ridge_head_is_the_ridge_regression() {
    let network = Perceptron { widths: vec![4, 3] };
    let learner = R2d2 {
        network: network.clone(),
        normalization: Normalization::Transductive,
    };
    let x = Learner::<B>::begin(&learner, network.init(1, &Default::default()));
    let rows: Vec<f32> = (0..24).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
    let support = Samples::classes(&rows, 4, &[0, 0, 0, 1, 1, 1], 2, &Default::default()).unwrap();
    let episode = Episode {
        query: support.clone(),
        support,
    };
    let scores = learner.outputs(&x, &episode);
    let plain = x.valid();
    let z = network.forward(&plain.weights, episode.support.inputs.clone());
    // Zᵀ(Y − Z W) = λ W with scores = Z W and λ = 1: so Z Zᵀ (Y − scores) = scores.
    let y = episode.support.targets;
    let left = z.clone().matmul(z.transpose()).matmul(y - scores.clone());
    let error: f64 = (left - scores).abs().max().number();
    assert!(error < 1e-10, "{error:e}");
}

/// ANIL moves the head and nothing else, and its gradient is that of doing so.
#[test]
fn only_the_head_learns_from_the_support() {
    let network = conv4(16);
    let episode = pictures(16, 3, 2, 3);
    let learner = Maml {
        loss: Loss::CrossEntropy,
        adapted: Filter::only(["head"]),
        ..maml(network, 2, 0.5, Checkpointing::All)
    };
    let x = moved(&learner, network.init(9, &Default::default()), 10);
    is_the_change_of_the_loss("ANIL", &learner, &x, &episode, 1e-5);

    // Without the head nothing is adapted: the support does not matter.
    let none = Maml {
        adapted: Filter::only(["nothing"]),
        ..learner.clone()
    };
    let other = Episode {
        support: pictures(16, 3, 2, 77).support,
        query: episode.query.clone(),
    };
    let outputs = |learner: &Maml<Conv4>, e: &Episode<B>| learner.outputs(&x, e).into_data();
    outputs(&none, &episode).assert_eq(&outputs(&none, &other), true);
    assert_ne!(outputs(&learner, &episode), outputs(&learner, &other));
}

/// Which rows of the outputs change when one query is exchanged.
fn changed_by_another_query<L: Learner<B>>(
    learner: &L,
    x: &Upper<B, L::Network>,
    side: usize,
) -> Vec<bool> {
    let episode = pictures(side, 3, 2, 11);
    let mut other = episode.clone();
    let n = episode.query.count();
    let stranger = pictures(side, 3, 2, 12).query.inputs.narrow(0, 0, 1);
    other.query.inputs = Tensor::cat(
        vec![stranger, episode.query.inputs.clone().narrow(0, 1, n - 1)],
        0,
    );
    let difference = learner.outputs(x, &episode) - learner.outputs(x, &other);
    let rows = difference.abs().max_dim(1).into_data();
    rows.iter::<f64>().map(|row| row > 1e-12).collect()
}

/// No statistics leak: under every policy but the transductive one a query's answer is its own.
#[test]
fn queries_see_each_other_only_when_they_are_meant_to() {
    let network = conv4(16);
    for normalization in [
        Normalization::Transductive,
        Normalization::Support,
        Normalization::PerStep,
        Normalization::Frozen,
    ] {
        let learner = Maml {
            loss: Loss::CrossEntropy,
            normalization,
            ..maml(network, 2, 0.1, Checkpointing::All)
        };
        let x = moved(&learner, network.init(3, &Default::default()), 4);
        let changed = changed_by_another_query(&learner, &x, 16);
        assert!(
            changed[0],
            "{normalization:?}: the query itself is answered anew"
        );
        let others = changed[1..].iter().any(|c| *c);
        assert_eq!(
            others,
            normalization == Normalization::Transductive,
            "{normalization:?}"
        );
        let embedding = Conv4 {
            classes: None,
            ..network
        };
        let learner = ProtoNet {
            network: embedding,
            normalization,
        };
        let x = moved(&learner, embedding.init(3, &Default::default()), 4);
        let changed = changed_by_another_query(&learner, &x, 16);
        let others = changed[1..].iter().any(|c| *c);
        assert_eq!(others, normalization == Normalization::Transductive);
    }
}

/// Under the support's statistics a query is answered alone as it is in company.
#[test]
fn a_query_is_answered_alone_as_in_company() {
    let network = conv4(16);
    let learner = Maml {
        loss: Loss::CrossEntropy,
        normalization: Normalization::Support,
        ..maml(network, 2, 0.1, Checkpointing::All)
    };
    let x = moved(&learner, network.init(3, &Default::default()), 4);
    let episode = pictures(16, 3, 2, 11);
    let together = learner.outputs(&x, &episode);
    for i in 0..episode.query.count() {
        let mut alone = episode.clone();
        alone.query.inputs = alone.query.inputs.narrow(0, i, 1);
        alone.query.targets = alone.query.targets.narrow(0, i, 1);
        let difference = learner.outputs(&x, &alone) - together.clone().narrow(0, i, 1);
        assert!(difference.abs().max().number() < 1e-12);
    }
}

/// Kept statistics come to be what the layers see, for each step its own.
#[test]
fn kept_statistics_are_learned() {
    let network = Conv4 {
        kept_steps: 3,
        ..conv4(16)
    };
    let learner = Maml {
        loss: Loss::CrossEntropy,
        normalization: Normalization::PerStep,
        ..maml(network, 2, 0.5, Checkpointing::All)
    };
    let x = moved(&learner, network.init(3, &Default::default()), 4);
    let mut state = MetaState {
        x,
        optimizer: SgdConfig::new().init(),
        step: 0,
    };
    let episode = pictures(16, 3, 2, 11);
    for _ in 0..80 {
        let (next, report) = meta_step(&learner, state, vec![episode.clone()], 0.0);
        assert_eq!(report.failure, None);
        state = next;
    }
    let kept = state.x.weights.blocks[0].norm.kept.val().inner();
    // The first layer does not know of the weights' steps, but for its own filters: step 0 saw the support.
    let maps = {
        let x = state.x.valid();
        let inputs = episode.support.inputs.clone().reshape([6, 1, 16, 16]);
        let options = burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let filters = x.weights.blocks[0].filters.val();
        burn::tensor::module::conv2d(inputs, filters, None, options)
    };
    let mean = maps.swap_dims(0, 1).flatten::<2>(1, 3).mean_dim(1);
    let wanted: Vec<f64> = mean.into_data().iter::<f64>().collect();
    let found: Vec<f64> = kept
        .clone()
        .slice([0..1, 0..1, 0..8])
        .into_data()
        .iter::<f64>()
        .collect();
    for (wanted, found) in wanted.iter().zip(&found) {
        assert!((wanted - found).abs() < 1e-3, "{wanted} {found}");
    }
    let steps: Vec<Vec<f64>> = (0..3)
        .map(|k| {
            kept.clone()
                .narrow(0, k, 1)
                .into_data()
                .iter::<f64>()
                .collect()
        })
        .collect();
    assert_ne!(steps[0], steps[1]);
    assert_ne!(steps[1], steps[2]);
}

/// The sum over episodes does not depend on how they are grouped, and a NaN leaves the state alone.
#[test]
fn steps_over_many_episodes() {
    let learner = maml(Slope, 1, 0.1, Checkpointing::All);
    let start = || MetaState {
        x: Learner::<B>::begin(&learner, at(0.5)),
        optimizer: SgdConfig::new().init(),
        step: 0,
    };
    let episodes: Vec<_> = (0..7).map(|i| parabola(1.0 + f64::from(i), 0.3)).collect();
    let mean: f64 = (0..7)
        .map(|i| {
            let a = 1.0 + f64::from(i);
            (1.0 - 0.1 * a).powi(2) * a * 0.2 / 7.0
        })
        .sum();
    let (state, report) = meta_step(&learner, start(), episodes, 0.1);
    let theta: f64 = state.x.weights.theta.val().number();
    assert!((theta - (0.5 - 0.1 * mean)).abs() < 1e-12);
    assert!((report.gradient_norm - mean).abs() < 1e-12);

    let (state, report) = meta_step(&learner, start(), vec![parabola(f64::NAN, 0.3)], 0.1);
    assert!(report.failure.is_some());
    let theta: f64 = state.x.weights.theta.val().number();
    assert_eq!(theta.to_bits(), 0.5f64.to_bits());
    assert_eq!(state.step, 0);
}

/// A step on three tasks at once is the step on three tasks: weights, learned step sizes and kept
/// statistics.
#[track_caller]
fn stacks_as_one_by_one<N: StackedNetwork + 'static>(
    maml: &Maml<N>,
    weights: N::Weights<Tape<B>>,
    episodes: &[Episode<B>],
) where
    N::Weights<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = N::Weights<B>>,
    N::Weights<Tape<Tape<B>>>: AutodiffModule<Tape<Tape<B>>, InnerModule = N::Weights<Tape<B>>>,
{
    let stacked = maml.clone().stacked(episodes.len());
    let together = Episode::joined(episodes.to_vec()).expect("as many samples each");
    let x = Learner::<B>::begin(maml, weights.clone());
    let each = episodes.iter().map(|e| maml.outputs(&x, e)).collect();
    let near = |a: Tensor<B, 2>, b: Tensor<B, 2>, tolerance: f64, what: &str| {
        let error: f64 = (a - b.clone()).abs().max().number();
        let size: f64 = b.abs().max().number();
        assert!(
            error < tolerance * (1.0 + size),
            "{what} {error:e} of {size:e} off"
        );
    };
    let outputs = stacked.outputs(&x, &together);
    near(outputs, Tensor::cat(each, 0), 1e-10, "outputs");
    // What is adapted is the module that gives these outputs, where no statistics of other samples are used.
    let state = maml.start(weights.clone(), SgdConfig::new().init());
    let adapted = maml.adapt(&state, &episodes[0]);
    if maml.normalization == Normalization::Transductive {
        let alone = maml
            .network
            .forward(&adapted, episodes[0].query.inputs.clone());
        near(alone, maml.outputs(&x, &episodes[0]), 1e-10, "adapted");
    }

    let all = |x: &Upper<B, N>| {
        let values = bilevel_core::parameters::named_values(x);
        let entries = values.into_values().flat_map(|data| data.to_vec::<f64>());
        let entries: Vec<f64> = entries.flatten().collect();
        matrix(&entries, [1, entries.len()])
    };
    let (one_by_one, report) = maml.step(state, episodes.to_vec(), 1.0);
    let state = stacked.start(weights, SgdConfig::new().init());
    let (at_once, again) = stacked.step(state, vec![together], 1.0);
    assert_eq!(report.failure, None);
    let learned = |x: &Upper<B, N>| pack(x, 1);
    near(
        learned(&at_once.x),
        learned(&one_by_one.x),
        1e-10,
        "what is learned",
    );
    // Statistics are averaged in `f32`.
    near(all(&at_once.x), all(&one_by_one.x), 1e-6, "what is kept");
    let moved: f64 = (learned(&at_once.x) - learned(&x)).abs().max().number();
    assert!(moved > 1e-3, "it moved by {moved:e}");
    assert!(
        (report.loss - again.loss).abs() < 1e-12,
        "{} {}",
        report.loss,
        again.loss
    );
    assert!((report.accuracy - again.accuracy).abs() < 1e-12);
}

#[test]
fn tasks_at_once_are_tasks_one_by_one() {
    let device = Default::default();
    let network = Perceptron {
        widths: vec![1, 6, 5, 1],
    };
    let waves = Sinusoids {
        shots: 5,
        queries: 4,
    };
    let episodes: Vec<_> = (0..3).map(|i| waves.episode(0, i, &device)).collect();
    let plain = maml(network.clone(), 3, 0.05, Checkpointing::All);
    let learned = |of, each_step| StepSizes::Learned {
        start: 0.05,
        of,
        each_step,
    };
    let dim = 6 + 6 + 30 + 5 + 5 + 1;
    for maml in [
        plain.clone(),
        Maml {
            checkpointing: Checkpointing::Bytes(3 * 2 * dim * 8),
            ..plain.clone()
        },
        Maml {
            checkpointing: Checkpointing::Last(1),
            step_losses: StepLosses::Every { share: 0.5 },
            ..plain.clone()
        },
        Maml {
            step_sizes: learned(StepSizeOf::Entry, false),
            adapted: Filter::only(["layers.2"]),
            ..plain.clone()
        },
        Maml {
            step_sizes: learned(StepSizeOf::Parameter, true),
            step_losses: StepLosses::Every { share: 0.5 },
            ..plain
        },
    ] {
        stacks_as_one_by_one(&maml, network.init(1, &device), &episodes);
    }

    let side = 16;
    let episodes: Vec<_> = (0..3).map(|seed| pictures(side, 3, 2, seed)).collect();
    for normalization in [
        Normalization::Transductive,
        Normalization::Support,
        Normalization::PerStep,
        Normalization::Frozen,
    ] {
        let network = Conv4 {
            channels: 3,
            side,
            classes: Some(3),
            kept_steps: 3,
        };
        let conv4 = Maml {
            loss: Loss::CrossEntropy,
            normalization,
            ..maml(network, 2, 0.3, Checkpointing::All)
        };
        stacks_as_one_by_one(&conv4, network.init(2, &device), &episodes);
    }
    let network = ResNet12 {
        channels: [2, 3, 3, 4],
        side,
        classes: Some(3),
        kept_steps: 1,
    };
    let resnet12 = Maml {
        loss: Loss::CrossEntropy,
        ..maml(network, 1, 0.3, Checkpointing::All)
    };
    stacks_as_one_by_one(&resnet12, network.init(3, &device), &episodes);
}

#[test]
fn episodes_that_cannot_be_joined() {
    let waves = |shots| Sinusoids { shots, queries: 4 }.episode(0, 0, &Default::default());
    let error = Episode::<B>::joined(vec![waves(5), waves(6)]).expect_err("they differ");
    let text = error.to_string();
    assert!(text.contains("5 + 4") && text.contains("6 + 4"), "{text}");
    assert!(Episode::<B>::joined(Vec::new()).is_err());
}

#[test]
#[should_panic(expected = "give it the network inside")]
fn embeddings_are_not_stacked() {
    let network = Perceptron { widths: vec![1, 2] };
    let learner = ProtoNet {
        network: Stack {
            network: network.clone(),
            tasks: 2,
        },
        normalization: Normalization::Transductive,
    };
    Learner::<B>::begin(&learner, network.init(0, &Default::default()));
}

/// Sinusoids: after ten steps on ten points, at least five times better than one network for all
/// waves.
#[test]
fn sinusoids() {
    const RATE: f64 = 0.01;
    /// Of the optimizer, for both.
    const STEPS: u64 = 20_000;
    let network = Perceptron {
        widths: vec![1, 40, 40, 1],
    };
    let waves = Sinusoids {
        shots: 10,
        queries: 10,
    };
    let device = Default::default();
    let train = |learner: &Maml<Perceptron>| {
        let mut state = MetaState {
            x: Learner::<B>::begin(learner, network.init(0, &device)),
            optimizer: AdamConfig::new().init(),
            step: 0,
        };
        for step in 0..STEPS {
            let episodes = (0..4).map(|i| waves.episode(0, step * 4 + i, &device));
            let rate = 0.003 * (1.0 - step as f64 / STEPS as f64) + 1e-4;
            let (next, report) = meta_step(learner, state, episodes.collect(), rate);
            assert_eq!(report.failure, None);
            state = next;
        }
        state.x
    };
    let steps = |steps: usize, rate: f64| maml(network.clone(), steps, rate, Checkpointing::All);
    let learned = train(&steps(1, RATE));
    // No inner step: all waves at once.
    let joint = train(&steps(0, 0.0));
    let error = |x: &Upper<B, Perceptron>, rate: f64| -> f64 {
        let judged = (0..100).map(|i| {
            let wave = waves.episode(1, i, &device);
            let outputs = steps(10, rate).outputs(x, &wave);
            Loss::MeanSquare.of(outputs, wave.query.targets).number()
        });
        judged.sum::<f64>() / 100.0
    };
    let learned = error(&learned, RATE);
    // It was not learned for steps of any size: it may choose.
    let joint = [1e-4, 1e-3, 3e-3, RATE]
        .map(|rate| error(&joint, rate))
        .into_iter()
        .filter(|error| error.is_finite())
        .fold(f64::INFINITY, f64::min);
    println!("mean square after ten steps: {learned:.3}, trained jointly {joint:.3}");
    assert!(learned * 5.0 < joint, "{learned} against {joint}");
}
