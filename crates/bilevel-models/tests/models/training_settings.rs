//! Penalties, learning rates and loss weights: hypergradients against differences, and what
//! learning them is for.

use bilevel_backend::Tape;
use bilevel_core::audit::{Settings, audit};
use bilevel_core::hypergradient::Descent;
use bilevel_core::parameters::{pack, unpack};
use bilevel_core::vector::read;
use bilevel_core::{
    Accelerated, Checkpointing, ConjugateGradient, DoubleBackward, GradientDescent, Hypergradient,
    ImplicitDifferentiation, LowerSolver, Point, PowerIteration, Tolerance, Unrolled, Vector,
};
use bilevel_models::classification::{
    Batch, Classifier, Dataset, Linear, TrainValidation, accuracy,
};
use bilevel_models::selection::{Per, Selection};
use bilevel_models::tuning::{TrainingParameters, Tuning};
use burn::module::AutodiffModule;
use burn::tensor::{Distribution, TensorData};
use double_precision::B;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
type T = Tape<B>;

const CLASSES: usize = 3;
/// The first of the features tell the class, the others are noise.
const TELLING: usize = 3;
const FEATURES: usize = 24;
const LINEAR: Linear = Linear {
    features: FEATURES,
    classes: CLASSES,
};

/// Samples of the classes that `class` gives.
fn set(samples: usize, class: impl Fn(usize) -> usize, seed: u64) -> Dataset<B> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let normal = Distribution::Normal(0.0, 1.0);
    let noise = TensorData::random::<f64, _, _>([samples, FEATURES], normal, rng);
    let labels: Vec<usize> = (0..samples).map(class).collect();
    let rows: Vec<f32> = noise
        .iter::<f64>()
        .enumerate()
        .map(|(p, e)| {
            let (i, j) = (p / FEATURES, p % FEATURES);
            let center = f64::from(u8::from(j < TELLING && j == labels[i]));
            (1.5 * center + e) as f32
        })
        .collect();
    let device = Default::default();
    Dataset::new(&rows, FEATURES, &labels, CLASSES, samples, &device).expect("they fit")
}

fn data() -> Batch<B> {
    let sets = TrainValidation {
        training: set(40, |i| i % CLASSES, 1),
        validation: set(300, |i| i % CLASSES, 2),
    };
    sets.whole()
}

fn lower() -> Accelerated<PowerIteration> {
    Accelerated {
        smoothness: PowerIteration {
            steps: 10,
            margin: 1.1,
        },
        strong_convexity: 0.0,
        max_steps: 5000,
        tolerance: Tolerance::Absolute(1e-10),
    }
}

fn implicit() -> ImplicitDifferentiation<DoubleBackward, ConjugateGradient> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 200,
            tolerance: Tolerance::Relative(1e-12),
        },
    }
}

#[test]
fn hypergradients_of_penalties_are_differences_of_the_solved_problem() {
    for per in [Per::Feature, Per::Class] {
        let problem = Selection {
            classifier: LINEAR,
            per,
        };
        let device = Default::default();
        let point = Point {
            problem: &problem,
            x: &problem.constant::<T>(-2.0, &device),
            y: &problem.start::<T>(&device),
            batch: &data(),
        };
        let audit = audit(point, &lower(), &implicit(), &Settings::default());
        assert!(audit.is_sound(), "{per:?}: {:?}", audit.findings);
    }
}

/// Features of noise are held back, those that tell the class are not, and the classifier is better
/// on new samples than with the best of one penalty for all.
#[test]
fn penalties_find_the_features_that_tell_nothing() {
    let problem = Selection {
        classifier: LINEAR,
        per: Per::Feature,
    };
    let device = Default::default();
    let batch = data();
    let new = set(3000, |i| i % CLASSES, 3);
    let solve = |log: &Vector<B>| {
        let x = unpack(problem.constant::<T>(0.0, &device), log.clone());
        let point = Point {
            problem: &problem,
            x: &x,
            y: &problem.start::<T>(&device),
            batch: &batch,
        };
        let y = lower().solve(point).value;
        let point = Point { y: &y, ..point };
        let gradient = implicit().estimate(point, None, 0).gradient;
        (accuracy(&LINEAR, &y.valid(), new.whole()), gradient)
    };
    let all = |log: f64| pack(&problem.constant::<T>(log, &device), 1);
    let best = (-6..=1).map(|log| solve(&all(f64::from(log))).0);
    let best = best.fold(0.0, f64::max);

    let mut log = all(-2.0);
    for _ in 0..100 {
        let (_, gradient) = solve(&log);
        log = log - gradient * 20.0;
    }
    let found = read(log.clone());
    let (telling, noise) = found.split_at(TELLING);
    let largest = telling.iter().copied().fold(f64::MIN, f64::max);
    let mean = noise.iter().sum::<f64>() / noise.len() as f64;
    assert!(mean > largest + 1.0, "{found:?}");
    let learned = solve(&log).0;
    assert!(learned > best + 0.01, "{learned} is not above {best}");
}

/// Steps of unrolled training.
const STEPS: usize = 15;

fn unrolled() -> impl Hypergradient<B, Tuning<Linear>> {
    Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: Tuning::<Linear>::step_size::<B>(),
        steps: STEPS,
        keep: Checkpointing::All,
    }
}

/// The validation loss after training, by a solver of its own that knows nothing of derivatives in
/// x.
fn trained(problem: &Tuning<Linear>, x: &TrainingParameters<T>, batch: &Batch<B>) -> (f64, f64) {
    let device = Default::default();
    let steps = GradientDescent {
        step_size: read(x.log_rate.val().inner().exp().unsqueeze())[0],
        max_steps: STEPS,
        tolerance: Tolerance::Absolute(0.0),
    };
    let start = problem.classifier.init::<T>(0, &device);
    let point = Point {
        problem,
        x,
        y: &start,
        batch,
    };
    let y = steps.solve(point).value;
    let loss = Point { y: &y, ..point }.upper_gradients().loss;
    let new = set(3000, |i| i % CLASSES, 4);
    (loss, accuracy(&LINEAR, &y.valid(), new.whole()))
}

/// Training samples of which nine in eleven are of the first class, validation samples of all
/// alike.
fn unbalanced() -> Batch<B> {
    let sets = TrainValidation {
        training: set(110, |i| (i % 11).saturating_sub(8), 5),
        validation: set(90, |i| i % CLASSES, 6),
    };
    sets.whole()
}

const TUNING: Tuning<Linear> = Tuning {
    classifier: LINEAR,
    regularization: 1e-3,
};

#[test]
fn hypergradients_of_training_are_differences_of_the_trained_classifier() {
    let device = Default::default();
    let batch = unbalanced();
    let x = TrainingParameters::<T>::new(0.3, CLASSES, &device);
    let y = LINEAR.init::<T>(0, &device);
    let point = Point {
        problem: &TUNING,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let gradient = read(unrolled().estimate(point, None, 0).gradient);
    let values = pack(&x, 1);
    for (i, slope) in gradient.into_iter().enumerate() {
        let h = 1e-4;
        let at = |shift: f64| {
            let mut moved = read(values.clone());
            moved[i] += shift;
            let moved = TensorData::new(moved, [1, CLASSES + 1]);
            let moved = Vector::<B>::from_data(moved, &device);
            trained(&TUNING, &unpack(x.clone(), moved), &batch).0
        };
        let measured = (at(h) - at(-h)) / (2.0 * h);
        assert!(
            (slope - measured).abs() < 1e-6 * (1.0 + measured.abs()),
            "entry {i}: {slope} is not {measured}"
        );
    }
}

/// From a learning rate that is far too small: it grows, the rare classes count more than the
/// frequent one, and the classifier is better than with any learning rate and no weights.
#[test]
fn training_is_tuned() {
    let device = Default::default();
    let batch = unbalanced();
    let mut x = TrainingParameters::<T>::new(0.01, CLASSES, &device);
    let y = LINEAR.init::<T>(0, &device);
    for _ in 0..100 {
        let point = Point {
            problem: &TUNING,
            x: &x,
            y: &y,
            batch: &batch,
        };
        let gradient = unrolled().estimate(point, None, 0).gradient;
        let moved = pack(&x, 1) - gradient;
        x = unpack(x, moved);
    }
    let rate = read(x.log_rate.val().inner().exp().unsqueeze())[0];
    assert!(rate > 0.1, "{rate}");
    let weights = read(x.log_weights.val().inner().unsqueeze());
    assert!(
        weights[1] > weights[0] + 1.0 && weights[2] > weights[0] + 1.0,
        "{weights:?}"
    );
    let best = (-5..=2)
        .map(|power| TrainingParameters::new(2f64.powi(power), CLASSES, &device))
        .map(|x| trained(&TUNING, &x, &batch).1)
        .fold(0.0, f64::max);
    let tuned = trained(&TUNING, &x, &batch).1;
    assert!(tuned > best + 0.02, "{tuned} is not above {best}");
}
