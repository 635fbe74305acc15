//! Find wrong labels with a classifier that is kept in an L1 ball: DMLCBO against a projected
//! double loop.
//!
//! `cargo run --release --example constrained_cleaning` (a minute and a half); with arguments, that
//! many steps and the path of the plot. Half of 5000 MNIST labels are wrong; each sample has a
//! weight, learned from 5000 samples with right labels.

mod plot;

use std::error::Error;
use std::time::Instant;

use bilevel::algorithm::rule::{Anchor, Dmlcbo, DmlcboSettings, Scaling};
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::AutodiffModule;
use bilevel::data::{Labelled, corrupt_labels, load_mnist_like};
use bilevel::models::classification::{
    Batch, Classifier, Dataset, Linear, LinearParameters, Minibatch, TrainValidation, accuracy,
};
use bilevel::models::cleaning::{Cleaning, SampleWeights, SoftmaxOracle, Weighting};
use bilevel::parameters::{pack, unpack};
use bilevel::projection::{L1Ball, ProjectionJacobian};
use bilevel::vector::read;
use bilevel::{
    ConstrainedImplicit, DoubleBackward, Hypergradient, Iterate, LowerSolver, Point,
    ProjectedGradient, Richardson, Run, Tolerance, Vector,
};
use plot::Words;
use plotters::prelude::{BLUE, RED, RGBColor, SeriesLabelPosition};

const RADIUS: f64 = 400.0;
const REGULARIZATION: f64 = 1e-3;
const SAMPLES: usize = 5000;
const CLASSIFIER: Linear = Linear {
    features: 784,
    classes: 10,
};
const BLOCK: usize = 1000;

type Modules = (SampleWeights<Tape<Cpu>>, LinearParameters<Tape<Cpu>>);

/// The problem, and what weights are worth.
struct Bench {
    problem: Cleaning<Linear>,
    all: Batch<Cpu>,
    test: Minibatch<Cpu>,
    modules: Modules,
    right: Vec<bool>,
    ball: L1Ball,
}

impl Bench {
    fn modules(&self, at: &Iterate<Cpu>) -> Modules {
        let (x, y) = self.modules.clone();
        (unpack(x, at.x.clone()), unpack(y, at.y.clone()))
    }

    /// `y*(x)` in the ball, from a y.
    fn solve(&self, at: &Iterate<Cpu>, max_steps: usize) -> Vector<Cpu> {
        let (x, y) = self.modules(at);
        let solver = ProjectedGradient {
            projection: self.ball,
            step_size: 0.1,
            momentum: true,
            max_steps,
            tolerance: Tolerance::Absolute(1e-4),
        };
        let point = Point {
            problem: &self.problem,
            x: &x,
            y: &y,
            batch: &self.all,
        };
        pack(&LowerSolver::<Cpu, _>::solve(&solver, point).value, 1)
    }

    /// Accuracy of `y*(x)` on the test set, and F1 of the samples of a weight above a half.
    fn judge(&self, at: &Iterate<Cpu>) -> (f64, f64) {
        let y = self.solve(at, 1500);
        assert!(size(&y) < RADIUS * (1.0 + 1e-5));
        let (_, y) = self.modules(&Iterate { x: at.x.clone(), y });
        let kept: Vec<bool> = read(at.x.clone()).iter().map(|x| *x > 0.0).collect();
        let both = kept.iter().zip(&self.right);
        let found = both.filter(|(kept, right)| **kept && **right).count() as f64;
        let [kept, right] = [&kept, &self.right].map(|v| v.iter().filter(|v| **v).count() as f64);
        let share = accuracy::<Cpu, _>(&CLASSIFIER, &y.valid(), &self.test);
        (100.0 * share, 2.0 * found / (kept + right))
    }
}

/// `Σ |y|`.
fn size(y: &Vector<Cpu>) -> f64 {
    read(y.clone().abs().sum_dim(1))[0]
}

/// Seconds, and the accuracy that the weights are worth then.
type Curve = Vec<(f64, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    Cpu::join_pool();
    let mut arguments = std::env::args().skip(1);
    let steps: usize = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let path = arguments
        .next()
        .unwrap_or_else(|| "constrained-cleaning.svg".to_owned());
    let device = Default::default();
    let (train, test) = load_mnist_like(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/mnist"))?;
    let training = train.subset(0..SAMPLES)?;
    let trusted = train.subset(SAMPLES..2 * SAMPLES)?;
    let labels = corrupt_labels(training.labels(), 10, 0.5, 1)?;
    let right = labels
        .iter()
        .zip(training.labels())
        .map(|(a, b)| a == b)
        .collect();
    let training = training.with_labels(labels)?;
    let set = |samples: &Labelled, block: usize| {
        Dataset::<Cpu>::new(
            samples.features(),
            784,
            samples.labels(),
            10,
            block,
            &device,
        )
    };
    let data = TrainValidation {
        training: set(&training, BLOCK)?,
        validation: set(&trusted, BLOCK)?,
    };
    let problem = Cleaning::new(CLASSIFIER, Weighting::Sigmoid, REGULARIZATION)?;
    let bench = Bench {
        problem: problem.clone(),
        all: data.whole(),
        test: set(&test, test.len())?.whole().clone(),
        modules: (
            SampleWeights::constant(SAMPLES, 0.0, &device),
            CLASSIFIER.init(1, &device),
        ),
        right,
        ball: L1Ball::new(RADIUS)?,
    };
    let start = Iterate {
        x: pack(&bench.modules.0, 1),
        y: pack(&bench.modules.1, 1),
    };

    println!(
        "{:12} {:>6} {:>8} {:>10} {:>6}",
        "", "step", "seconds", "y*, %", "F1"
    );
    let single = single_loop(
        &bench,
        SoftmaxOracle::new(problem, data),
        start.clone(),
        steps,
    )?;
    let double = double_loop(&bench, start, steps / 25);
    draw(
        &path,
        &[
            ("DMLCBO", single, RED),
            ("projected double loop", double, BLUE),
        ],
    )?;
    println!("{path}");
    Ok(())
}

/// How many steps lie between two looks: ten looks at a long run, one at a short one.
fn every(steps: usize) -> usize {
    if steps < 30 { steps.max(1) } else { steps / 10 }
}

/// DMLCBO; every iterate is looked at whether it is in the ball.
fn single_loop(
    bench: &Bench,
    oracle: SoftmaxOracle<Cpu>,
    start: Iterate<Cpu>,
    steps: usize,
) -> Result<Curve, Box<dyn Error>> {
    let settings = DmlcboSettings {
        jacobian: ProjectionJacobian::Exact,
        anchor: Anchor::Momentum,
        step_size: 0.3,
        terms: 40,
        upper_step_size: 60.0,
        lower_step_size: 0.5,
        upper_momentum: 0.5,
        lower_momentum: 0.9,
        regularizer: 0.1,
        scaling: Scaling::Norm,
        share: 500f64.sqrt(),
        offset: 500.0,
    };
    let run = Run::new(Dmlcbo::new(bench.ball, settings)?, &oracle, 1);
    let mut state = run.start(start);
    let (mut seconds, mut curve) = (0.0, Curve::new());
    let looks = every(steps);
    for step in 1..=steps {
        let clock = Instant::now();
        let failure;
        (state, failure) = run.step(state);
        seconds += clock.elapsed().as_secs_f64();
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        assert!(
            size(&state.at.y) < RADIUS * (1.0 + 1e-5),
            "step {step} leaves the ball"
        );
        if step % looks == 0 {
            let (accuracy, f1) = bench.judge(&state.at);
            println!(
                "{:12} {step:6} {seconds:8.1} {accuracy:10.2} {f1:6.3}",
                "DMLCBO"
            );
            curve.push((seconds, accuracy));
        }
    }
    Ok(curve)
}

/// Solve in the ball, differentiate the solution, descend.
fn double_loop(bench: &Bench, start: Iterate<Cpu>, steps: usize) -> Curve {
    let method = ConstrainedImplicit {
        second_order: DoubleBackward,
        solver: Richardson {
            step_size: 1.0,
            max_steps: 10,
            tolerance: Tolerance::Relative(1e-3),
        },
        projection: bench.ball,
        step_size: 0.1,
    };
    let mut at = start;
    let (mut seconds, mut curve, mut warm) = (0.0, Curve::new(), None);
    for step in 1..=steps.max(1) {
        let clock = Instant::now();
        at.y = bench.solve(&at, 100);
        let (x, y) = bench.modules(&at);
        let point = Point {
            problem: &bench.problem,
            x: &x,
            y: &y,
            batch: &bench.all,
        };
        let estimate = method.estimate(point, warm.take(), 0);
        let length = read(estimate.gradient.clone().square().sum_dim(1))[0].sqrt();
        at.x = at.x - estimate.gradient * (200.0 / (length.sqrt() + 0.1));
        warm = estimate.adjoint;
        seconds += clock.elapsed().as_secs_f64();
        if step % every(steps) == 0 {
            let (accuracy, f1) = bench.judge(&at);
            println!(
                "{:12} {step:6} {seconds:8.1} {accuracy:10.2} {f1:6.3}",
                "double loop"
            );
            curve.push((seconds, accuracy));
        }
    }
    curve
}

/// Accuracy against time.
fn draw(path: &str, curves: &[(&str, Curve, RGBColor)]) -> Result<(), Box<dyn Error>> {
    let points = || curves.iter().flat_map(|(_, curve, _)| curve);
    let longest = points().map(|p| p.0).fold(0.1, f64::max);
    let lowest = points().map(|p| p.1).fold(90.0, f64::min);
    let words = Words {
        title: "Cleaning with a classifier in an L1 ball",
        x: "seconds",
        y: "test accuracy of y*(x), %",
        legend: SeriesLabelPosition::LowerRight,
    };
    let lines = curves
        .iter()
        .map(|(name, curve, colour)| ((*name).to_owned(), curve.clone(), *colour));
    plot::lines(path, words, 0.0..1.05 * longest, lowest - 1.0..92.0, lines)
}
