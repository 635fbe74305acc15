//! Cleaning: formulas against recordings, the quadratic benchmark against differences, and data
//! that do not fit.

use bilevel_backend::Tape;
use bilevel_core::algorithm::rule::Block;
use bilevel_core::vector::read;
use bilevel_core::{DoubleBackward, Iterate, LossGradients, Oracle, ProblemOracle, Vector};
use bilevel_models::classification::{Classifier, Dataset, Linear, Mlp, TrainValidation, accuracy};
use bilevel_models::cleaning::{Cleaning, SampleWeights, SoftmaxOracle, Weighting, train};
use bilevel_models::quadratic::{Quadratic, QuadraticSettings};
use burn::module::AutodiffModule;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::B;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const FEATURES: usize = 4;
const CLASSES: usize = 3;

fn normal(shape: [usize; 2], seed: u64) -> Tensor<B, 2> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let data = TensorData::random::<f64, _, _>(shape, Distribution::Normal(0.0, 1.0), rng);
    Tensor::from_data(data, &Default::default())
}

/// Samples around one corner a class; blocks of about `block`.
fn set(samples: usize, block: usize, seed: u64) -> Dataset<B> {
    let labels: Vec<usize> = (0..samples).map(|i| (i * 7 + i / 5) % CLASSES).collect();
    let noise = read(normal([samples, FEATURES], seed));
    let rows: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(p, e)| {
            let (i, j) = (p / FEATURES, p % FEATURES);
            (0.7 * e + 2.0 * f64::from(u8::from(j == labels[i]))) as f32
        })
        .collect();
    Dataset::new(
        &rows,
        FEATURES,
        &labels,
        CLASSES,
        block,
        &Default::default(),
    )
    .expect("it fits")
}

fn data() -> TrainValidation<B> {
    TrainValidation {
        training: set(11, 3, 1),
        validation: set(8, 4, 2),
    }
}

fn problem(weighting: Weighting) -> Cleaning<Linear> {
    let classifier = Linear {
        features: FEATURES,
        classes: CLASSES,
    };
    Cleaning::new(classifier, weighting, 0.02).expect("positive")
}

fn close(a: &Vector<B>, b: &Vector<B>, what: &str) {
    let error = read((a.clone() - b.clone()).abs().max_dim(1))[0];
    assert!(error < 1e-12, "{what}: {error:.1e}");
}

fn same(a: &LossGradients<B>, b: &LossGradients<B>, what: &str) {
    assert!(
        (a.loss - b.loss).abs() < 1e-12,
        "{what}: {} {}",
        a.loss,
        b.loss
    );
    close(&a.x, &b.x, what);
    close(&a.y, &b.y, what);
}

/// Every derivative by formula is what recording gives, on blocks of unequal size and on all
/// samples.
#[test]
fn the_softmax_oracle_is_what_recording_gives() {
    for weighting in [Weighting::Sigmoid, Weighting::Clipped] {
        let problem = problem(weighting);
        let formula = SoftmaxOracle::new(problem.clone(), data());
        let x = SampleWeights::<Tape<B>>::constant(11, 0.0, &Default::default());
        let y = problem.classifier.init::<Tape<B>>(0, &Default::default());
        let recorded = ProblemOracle::new(problem, DoubleBackward, data(), x, y);
        let uniform = normal([1, 11], 3) * 0.2 + 0.5;
        let at = Iterate {
            x: uniform.clamp(0.05, 0.95),
            y: normal([1, (FEATURES + 1) * CLASSES], 4),
        };
        let v = normal([1, (FEATURES + 1) * CLASSES], 5);
        assert_eq!(formula.blocks(), recorded.blocks());
        for on in [Block::One(0), Block::One(1), Block::One(2), Block::All] {
            let both = (
                formula.lower_gradients(on, &at),
                recorded.lower_gradients(on, &at),
            );
            same(&both.0, &both.1, "∇g");
            close(
                &formula.lower_gradient(on, &at),
                &recorded.lower_gradient(on, &at),
                "∇y g",
            );
            close(
                &formula.hessian(on, &at, &v),
                &recorded.hessian(on, &at, &v),
                "Hv",
            );
            close(
                &formula.cross(on, &at, &v),
                &recorded.cross(on, &at, &v),
                "Cv",
            );
            let (a, b) = (formula.second(on, &at, &v), recorded.second(on, &at, &v));
            close(&a.gradient, &b.gradient, "∇y g beside products");
            close(&a.hessian, &b.hessian, "Hv beside Cv");
            close(&a.cross, &b.cross, "Cv beside Hv");
        }
        for on in [Block::One(0), Block::One(1), Block::All] {
            let both = (
                formula.upper_gradients(on, &at),
                recorded.upper_gradients(on, &at),
            );
            same(&both.0, &both.1, "∇f");
        }
        assert_eq!(formula.calls(), recorded.calls());
    }
}

/// The mean over blocks, though they differ in size, is the whole.
#[test]
fn blocks_are_unbiased() {
    let oracle = SoftmaxOracle::new(problem(Weighting::Sigmoid), data());
    let at = Iterate {
        x: normal([1, 11], 3),
        y: normal([1, (FEATURES + 1) * CLASSES], 4),
    };
    let blocks = oracle.blocks().lower;
    let mean = (0..blocks)
        .map(|i| oracle.lower_gradients(Block::One(i), &at))
        .fold((at.x.zeros_like(), at.y.zeros_like()), |(x, y), g| {
            (x + g.x / blocks as f64, y + g.y / blocks as f64)
        });
    let whole = oracle.lower_gradients(Block::All, &at);
    close(&mean.0, &whole.x, "∇x g");
    close(&mean.1, &whole.y, "∇y g");
    assert_eq!(oracle.calls().blocks, 2 * blocks as u64);
}

/// `‖∇y g‖` is what it was asked to be, and a classifier with all weights learns what there is to
/// learn.
#[test]
fn training_solves_the_lower_problem() {
    let (data, problem) = (data().whole(), problem(Weighting::Clipped));
    let x = SampleWeights::<Tape<B>>::constant(11, 1.0, &Default::default());
    let y = problem.classifier.init::<Tape<B>>(0, &Default::default());
    let solution = train(&problem, &x, &y, &data, 1e-8, 5000);
    assert!(solution.residual <= 1e-8, "{}", solution.residual);
    let y = solution.value.valid();
    assert!(accuracy(&problem.classifier, &y, &data.training) > 0.9);

    let mlp = Mlp {
        features: FEATURES,
        hidden: 6,
        classes: CLASSES,
    };
    let problem = Cleaning::new(mlp, Weighting::Clipped, 1e-3).expect("positive");
    let y = mlp.init::<Tape<B>>(0, &Default::default());
    let before = accuracy(&mlp, &y.valid(), &data.training);
    let solution = train(&problem, &x, &y, &data, 1e-4, 500);
    let after = accuracy(&mlp, &solution.value.valid(), &data.training);
    assert!(after > before.max(0.9), "{before} {after}");
}

#[test]
fn samples_that_do_not_fit_are_errors() {
    let new = |labels: &[usize], block| {
        let rows = vec![0.0; labels.len() * 2];
        Dataset::<B>::new(&rows, 2, labels, 3, block, &Default::default())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(new(&[0, 1, 2], 2), Ok(()));
    assert_eq!(
        new(&[0, 1, 3], 2),
        Err("sample 2 has the label 3: with 3 classes they are 0 to 2".to_string())
    );
    let message = "blocks of 4 samples: take 1 to 3, as many as there are";
    assert_eq!(new(&[0, 1, 2], 4), Err(message.to_string()));
    assert!(new(&[0, 1, 2], 0).is_err());
}

fn quadratic() -> Quadratic<B> {
    let settings = QuadraticSettings {
        samples: 40,
        block: 10,
        dim: 6,
        ..QuadraticSettings::default()
    };
    Quadratic::new(settings, &Default::default())
}

/// The closed form of `∇F` is the slope of `f(x, y*(x))`, and blocks are unbiased.
#[test]
fn the_quadratic_benchmark_knows_its_hypergradient() {
    let problem = quadratic();
    // y*(x) by many gradient steps.
    let f = |x: &Vector<B>| {
        let mut at = Iterate {
            x: x.clone(),
            y: x.zeros_like(),
        };
        for _ in 0..4000 {
            at.y = at.y.clone() - problem.lower_gradient(Block::All, &at) * 0.4;
        }
        problem.upper_gradients(Block::All, &at).loss
    };
    let (x, u) = (normal([1, 6], 1), normal([1, 6], 2));
    let e = 1e-5;
    let slope = (f(&(x.clone() + u.clone() * e)) - f(&(x.clone() - u.clone() * e))) / (2.0 * e);
    let exact = read((problem.hypergradient(&x) * u).sum_dim(1))[0];
    assert!(
        (slope - exact).abs() < 1e-7 * (1.0 + exact.abs()),
        "{slope} {exact}"
    );

    let at = Iterate {
        x,
        y: normal([1, 6], 3),
    };
    let mean = (0..4)
        .map(|i| problem.lower_gradients(Block::One(i), &at))
        .fold(0.0, |sum, g| sum + g.loss / 4.0);
    let whole = problem.lower_gradients(Block::All, &at);
    assert!((mean - whole.loss).abs() < 1e-12);
    let moved = |d: f64| {
        let at = Iterate {
            x: at.x.clone() + whole.x.clone() * d,
            y: at.y.clone() + whole.y.clone() * d,
        };
        problem.lower_gradients(Block::All, &at).loss
    };
    let slope = (moved(e) - moved(-e)) / (2.0 * e);
    let square =
        read((whole.x.clone() * whole.x).sum_dim(1) + (whole.y.clone() * whole.y).sum_dim(1));
    assert!((slope - square[0]).abs() < 1e-8 * square[0].max(1.0));
}
