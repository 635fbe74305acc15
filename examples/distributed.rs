//! Clean data that lie on eighteen workers, half of them heard at a time: ADBO against the
//! synchronous SDBO.
//!
//! `cargo run --release --example distributed` (some seconds); with arguments, that many seconds of
//! virtual time and the path of the plot. Each worker has MNIST digits of its own, a tenth of whose
//! training labels are wrong, and takes a random time for each answer; three of them take four
//! times as long.

mod plot;

use std::error::Error;
use std::time::Duration;

use bilevel::DoubleBackward;
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::tensor::{Tensor, TensorData};
use bilevel::data::{Labelled, corrupt_labels, load_mnist_like};
use bilevel::distributed::communicator::{Latency, Simulated, SimulationSettings, WorkerId};
use bilevel::distributed::message::Precision;
use bilevel::distributed::{
    Adbo, AdboSettings, AdboState, Cuts, EstimateSettings, ModuleProblem, Participation, Prune,
    Regularization, Report, Sdbo, Steps, Stop, Worker,
};
use bilevel::models::classification::{
    Classifier, Dataset, LabelledRows, Linear, Minibatch, accuracy, partition,
};
use bilevel::models::cleaning::{Cleaning, SampleWeights, Weighting};
use bilevel::parameters::unpack;
use plot::Words;
use plotters::prelude::{BLUE, RED, RGBColor, SeriesLabelPosition};

const WORKERS: usize = 18;
const ACTIVE: usize = 9;
/// Training samples of a worker, and as many that are trusted.
const SAMPLES: usize = 180;
const CLASSIFIER: Linear = Linear {
    features: 784,
    classes: 10,
};

type Local = ModuleProblem<Cpu, Cleaning<Linear>>;

/// Seconds of virtual time, and the accuracy of z then.
type Curve = Vec<(f64, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    Cpu::join_pool();
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(120.0), |text| text.parse())?;
    let path = arguments
        .next()
        .unwrap_or_else(|| "distributed.svg".to_owned());
    let (train, test) = load_mnist_like(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/mnist"))?;
    let locals = locals(&train)?;
    let test = Dataset::new(
        test.features(),
        784,
        test.labels(),
        10,
        test.len(),
        &Default::default(),
    )?;
    let test = test.whole();

    let adbo = Adbo::new(settings(), WORKERS)?;
    let sdbo = Sdbo::new(settings(), WORKERS)?;
    println!(
        "{:5} {:>9} {:>8} {:>9} {:>7}",
        "", "iteration", "seconds", "z, %", "planes"
    );
    let curves = [
        ("ADBO", run("ADBO", &adbo, &locals, test, seconds)?, RED),
        (
            "SDBO",
            run("SDBO", sdbo.as_adbo(), &locals, test, seconds)?,
            BLUE,
        ),
    ];
    draw(&path, &curves)?;
    println!("{path}");
    Ok(())
}

/// Every worker's losses: its training samples, with a weight for each of them, and its trusted
/// ones.
fn locals(train: &Labelled) -> Result<Vec<Local>, Box<dyn Error>> {
    let device = Default::default();
    let count = WORKERS * SAMPLES;
    let training = train.subset(0..count)?;
    let labels = corrupt_labels(training.labels(), 10, 0.1, 34)?;
    let training = training.with_labels(labels)?;
    let trusted = train.subset(count..2 * count)?;
    let problem = Cleaning::new(CLASSIFIER, Weighting::Sigmoid, 1e-3)?;
    let local = |batch| {
        let x = SampleWeights::constant(count, 0.0, &device);
        let y = CLASSIFIER.init(1, &device);
        ModuleProblem::new(problem.clone(), DoubleBackward, batch, x, y)
    };
    let batches = partition(samples(&training), samples(&trusted), WORKERS, &device)?;
    Ok(batches.into_iter().map(local).collect())
}

fn samples(set: &Labelled) -> LabelledRows<'_> {
    LabelledRows {
        rows: set.features(),
        labels: set.labels(),
        width: 784,
        classes: 10,
    }
}

/// The authors' settings for this task, with a bound on the planes.
fn settings() -> AdboSettings {
    AdboSettings {
        steps: Steps {
            x: 1e-3,
            y: 0.02,
            v: 1e-3,
            z: 0.02,
            lambda: 0.1,
            theta: 1e-3,
            largest_lambda: f64::INFINITY,
            largest_theta: f64::INFINITY,
        },
        lambda_regularization: Regularization::Constant(0.04),
        theta_regularization: Regularization::Constant(0.002),
        estimate: EstimateSettings {
            rounds: 1,
            lower_step: 0.02,
            consensus_step: 0.02,
            multiplier_step: 0.02,
            penalty: 1.0,
        },
        cuts: Cuts {
            every: 50,
            until: usize::MAX,
            epsilon: 0.0,
            most: 20,
            prune: Prune::Below(1e-10),
        },
        participation: Participation {
            active: ACTIVE,
            staleness: Some(15),
            ..Participation::synchronous(WORKERS)
        },
        precision: Precision::Single,
    }
}

/// A run in virtual time.
fn run(
    name: &str,
    method: &Adbo,
    locals: &[Local],
    test: &Minibatch<Cpu>,
    seconds: f64,
) -> Result<Curve, Box<dyn Error>> {
    let delays = SimulationSettings {
        latency: Latency::LogNormal {
            median: Duration::from_millis(30),
            sigma: 1.0,
        },
        slowness: vec![4.0; 3],
        ..SimulationSettings::ideal()
    };
    let make = |worker: WorkerId| Worker::new(&locals[worker.index()]);
    let mut communicator = Simulated::new(delays, WORKERS, make)?;
    let (x, y) = locals[0].start();
    let stop = Stop {
        iterations: usize::MAX,
        time: Duration::from_secs_f64(seconds),
    };
    let (mut curve, mut next) = (Curve::new(), 0.0);
    let mut look = |state: &AdboState, report: &Report| {
        let now = report.time.as_secs_f64();
        if now >= next {
            let share = 100.0 * judge(&state.z, test);
            let (t, planes) = (report.iteration, report.planes);
            println!("{name:5} {t:9} {now:8.1} {share:9.2} {planes:7}");
            curve.push((now, share));
            next = now + seconds / 12.0;
        }
    };
    let start = AdboState::new(WORKERS, x, y);
    method.run(start, &mut communicator, stop, &mut look)?;
    Ok(curve)
}

/// The share of the test set that the classifier `z` gets right.
fn judge(z: &[f64], test: &Minibatch<Cpu>) -> f64 {
    let device = Default::default();
    let data = TensorData::new(z.to_vec(), [1, z.len()]).convert::<f32>();
    let classifier = CLASSIFIER.init::<Tape<Cpu>>(1, &device);
    let classifier = unpack(classifier, Tensor::from_data(data, &device));
    accuracy::<Cpu, _>(&CLASSIFIER, &classifier.valid(), test)
}

/// Accuracy against time.
fn draw(path: &str, curves: &[(&str, Curve, RGBColor)]) -> Result<(), Box<dyn Error>> {
    let points = || curves.iter().flat_map(|(_, curve, _)| curve);
    let longest = points().map(|p| p.0).fold(0.1, f64::max);
    let lowest = points().map(|p| p.1).fold(90.0, f64::min);
    let words = Words {
        title: "Cleaning on eighteen workers, three of them slow",
        x: "seconds of virtual time",
        y: "test accuracy of z, %",
        legend: SeriesLabelPosition::LowerRight,
    };
    let lines = curves
        .iter()
        .map(|(name, curve, colour)| ((*name).to_owned(), curve.clone(), *colour));
    plot::lines(path, words, 0.0..1.05 * longest, lowest - 1.0..92.0, lines)
}
