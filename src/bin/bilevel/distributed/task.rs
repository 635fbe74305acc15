//! The tasks, and how their data are dealt out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bilevel_backend::Tape;
use bilevel_core::parameters::unpack;
use bilevel_core::{Differentiable, DoubleBackward, SecondOrder};
use bilevel_data::{Labelled, Standardization, corrupt_labels, load_labelled};
use bilevel_distributed::{LocalProblem, ModuleProblem};
use bilevel_models::classification::{
    Batch, Classifier, Dataset, LabelledRows, Linear, Minibatch, accuracy, partition,
};
use bilevel_models::cleaning::{Cleaning, SampleWeights, Weighting};
use bilevel_models::selection::{Per, Selection};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::Quadratic;
use crate::args::{DistributedProblem, DistributedTaskName};
use crate::clean::experiment::check_classes;

/// The share of a table without a test set that becomes one.
const TEST_SHARE: usize = 4;
/// ρ of the cleaning task.
const REGULARIZATION: f64 = 1e-3;

/// A worker's losses, whatever they are of; threads may share it.
pub(crate) type Shared = Box<dyn LocalProblem + Send + Sync>;

/// The share of a test set that z gets right.
pub(super) type Evaluator = Box<dyn Fn(&[f64]) -> f64>;

/// A problem on many workers.
pub(crate) struct Task {
    /// Each worker's losses.
    pub locals: Vec<Shared>,
    /// Where v and z start.
    pub start: (Vec<f64>, Vec<f64>),
    /// Samples to train on, trusted, to test on.
    pub samples: [usize; 3],
    pub(super) judge: Evaluator,
}

impl Task {
    /// The share of the test set that z gets right.
    pub fn judge(&self, z: &[f64]) -> f64 {
        (self.judge)(z)
    }
}

/// The task for N workers.
///
/// # Errors
/// If the data cannot be read or are too few, or a number is out of its range.
pub(crate) fn task<B: Backend>(problem: &DistributedProblem, device: &B::Device) -> Result<Task> {
    match problem.task {
        DistributedTaskName::Quadratic => Quadratic::task(problem.workers(), problem.dim),
        _ => of_data::<B>(problem, device),
    }
}

fn of_data<B: Backend>(settings: &DistributedProblem, device: &B::Device) -> Result<Task> {
    let workers = settings.workers();
    let path = data(settings);
    let [training, trusted, test] = sets(settings, workers, &path)?;
    let (features, classes) = (training.width(), training.class_count());
    let batches = partition::<B>(samples(&training), samples(&trusted), workers, device)?;
    let test_set = Dataset::<B>::new(
        test.features(),
        features,
        test.labels(),
        classes,
        test.len(),
        device,
    )?;
    let classifier = Linear { features, classes };
    let counts = [training.len(), trusted.len(), test.len()];
    let (locals, start) = match settings.task {
        DistributedTaskName::Quadratic => unreachable!("it has no data"),
        DistributedTaskName::Clean => {
            let problem = Cleaning::new(classifier, Weighting::Sigmoid, REGULARIZATION)?;
            let x = SampleWeights::constant(training.len(), 0.0, device);
            let y = classifier.init(settings.seed, device);
            locals(&problem, batches, &x, &y)
        }
        DistributedTaskName::Select => {
            let problem = Selection {
                classifier,
                per: Per::Feature,
            };
            // A mean of squares instead of their sum.
            let log = -((features * classes) as f64).ln();
            let (x, y) = (problem.constant(log, device), problem.start(device));
            locals(&problem, batches, &x, &y)
        }
    };
    Ok(Task {
        locals,
        start,
        samples: counts,
        judge: Box::new(judge(classifier, test_set.whole().clone(), device)),
    })
}

/// How often `classifier` with the parameters z is right.
fn judge<B: Backend>(
    classifier: Linear,
    test: Minibatch<B>,
    device: &B::Device,
) -> impl Fn(&[f64]) -> f64 + use<B> {
    let device = device.clone();
    move |z| {
        let data = TensorData::new(z.to_vec(), [1, z.len()]);
        let filled = classifier.init::<Tape<B>>(0, &device);
        let vector = Tensor::from_data(data, &device);
        let filled = unpack(filled, vector).valid();
        accuracy::<B, _>(&classifier, &filled, &test)
    }
}

fn locals<B, P>(
    problem: &P,
    batches: Vec<Batch<B>>,
    x: &P::Upper<Tape<B>>,
    y: &P::Lower<Tape<B>>,
) -> (Vec<Shared>, (Vec<f64>, Vec<f64>))
where
    B: Backend,
    P: Differentiable<B, Batch<B> = Batch<B>> + Clone + Send + Sync + 'static,
    DoubleBackward: SecondOrder<B, P>,
    P::Upper<Tape<B>>: Send + Sync + 'static,
    P::Lower<Tape<B>>: Send + Sync + 'static,
{
    let local = |batch| {
        ModuleProblem::<B, P>::new(problem.clone(), DoubleBackward, batch, x.clone(), y.clone())
    };
    let locals: Vec<_> = batches.into_iter().map(local).collect();
    let start = locals[0].start();
    let shared = locals.into_iter().map(|local| Box::new(local) as Shared);
    (shared.collect(), start)
}

fn data(settings: &DistributedProblem) -> PathBuf {
    let usual = match settings.task {
        DistributedTaskName::Clean => "assets/mnist",
        _ => "assets/tabular/digits.csv.gz",
    };
    settings.data.clone().unwrap_or_else(|| usual.into())
}

fn samples(set: &Labelled) -> LabelledRows<'_> {
    LabelledRows {
        rows: set.features(),
        labels: set.labels(),
        width: set.width(),
        classes: set.class_count(),
    }
}

/// To train on, trusted, to test on.
fn sets(settings: &DistributedProblem, workers: usize, path: &Path) -> Result<[Labelled; 3]> {
    let loaded = load_labelled(path)?;
    let (all, test) = match loaded.test {
        Some(test) => (loaded.train, test),
        None => {
            let all = loaded.train;
            let n = all.len();
            let kept = n - n / TEST_SHARE;
            ensure!(kept > 0 && kept < n, "{}: too few samples", path.display());
            (all.subset(0..kept)?, all.subset(kept..n)?)
        }
    };
    let most = all.len() / (2 * workers);
    let each = settings.samples.unwrap_or(most);
    ensure!(
        (1..=most).contains(&each),
        "--samples must be from 1 to {most} with {workers} workers and {} samples, got {each}",
        all.len()
    );
    let count = each * workers;
    let scale = (all.picture().is_none()).then(|| Standardization::of(&all));
    let scaled = |set: Labelled| match &scale {
        Some(scale) => scale.apply(&set),
        None => Ok(set),
    };
    let training = scaled(all.subset(0..count)?)?;
    let corruption = settings.corruption.unwrap_or(match settings.task {
        DistributedTaskName::Clean => 0.1,
        _ => 0.0,
    });
    let trusted = scaled(all.subset(count..2 * count)?)?;
    check_classes(
        &training,
        &trusted,
        "shuffle the rows, of which the first half is to be learned from",
    )?;
    let classes = training.class_count();
    let labels = corrupt_labels(training.labels(), classes, corruption, settings.seed)
        .context("--corruption")?;
    Ok([training.with_labels(labels)?, trusted, scaled(test)?])
}
