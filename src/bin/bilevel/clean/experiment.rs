//! A cleaning problem on a data set, and how weights are judged.

use anyhow::{Context, Result, ensure};
use bilevel_backend::Tape;
use bilevel_core::parameters::{pack, unpack};
use bilevel_core::vector::read;
use bilevel_core::{DoubleBackward, Iterate, Oracle, ProblemOracle};
use bilevel_data::{Columns, Labelled};
use bilevel_models::classification::{
    Batch, Classifier, Dataset, Linear, Minibatch, Mlp, TrainValidation, accuracy, agreement,
    contradiction,
};
use bilevel_models::cleaning::{
    Cleaning, GaussianMixture, PrecisionRecall, SampleWeights, SoftmaxOracle, Weighting, train,
    train_within,
};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::clean::ball::Ball;
use crate::io::memory::check_memory;

/// Where solves stop: `‖∇y g‖`, and steps at most.
const TOLERANCE: f64 = 3e-4;
const MAX_STEPS: usize = 2000;
/// The weight that separates samples where the weights themselves do not, and the first
/// classifier's.
const HALF: f64 = 0.5;
/// Ashman's D above which weights fall into two heaps; above 2 there are two, but where they part
/// is not yet sharp.
const SEPARATE: f64 = 3.0;
/// The log odds, `ln 4`, with which a classifier has to contradict a label.
const SURE: f64 = 2.0 * std::f64::consts::LN_2;
/// Log odds are looked at up to those of this weight.
const SMALLEST_WEIGHT: f64 = 1e-6;

/// Bytes for each feature of a sample and for each of its scores: data, targets, scores and their
/// gradients.
const BYTES_A_NUMBER: u64 = 16;

/// The samples of a cleaning problem.
pub(crate) struct Sets {
    /// To be cleaned.
    pub training: Labelled,
    /// Known to be right.
    pub trusted: Labelled,
    /// To judge by.
    pub test: Option<Labelled>,
    /// Which labels to be cleaned are right, where that is known.
    pub right: Option<Vec<bool>>,
    /// What the columns are, of a table.
    pub columns: Option<Columns>,
}

/// That there is something to tell apart, and memory to do it, and that each class to be cleaned is
/// known.
///
/// # Errors
/// If all samples are of one class, nearly every one is of a class of its own, or those of one have
/// none to be compared with: `advice` says what to do then.
pub(crate) fn check_classes(training: &Labelled, trusted: &Labelled, advice: &str) -> Result<()> {
    let (sizes, known) = (training.class_sizes(), trusted.class_sizes());
    let classes = training.classes();
    let present = sizes.iter().zip(&known).filter(|(a, b)| *a + *b > 0);
    ensure!(
        present.count() > 1,
        "all samples are of one class: there is no label to be wrong"
    );
    let samples = training.len() + trusted.len();
    check_class_count(classes.len(), samples)?;
    let numbers = samples as u64 * (training.width() + classes.len()) as u64;
    check_memory(
        "a classifier of these samples",
        numbers.saturating_mul(BYTES_A_NUMBER),
    )?;
    let unknown: Vec<String> = (0..classes.len())
        .filter(|&class| sizes[class] > 0 && known[class] == 0)
        .map(|class| format!("`{}`", classes[class]))
        .collect();
    ensure!(
        unknown.is_empty(),
        "no trusted sample of {}: every class needs some: {advice}",
        unknown.join(", ")
    );
    Ok(())
}

/// That so many samples can be of so many classes.
///
/// # Errors
/// If most samples are of a class of their own.
pub(crate) fn check_class_count(classes: usize, samples: usize) -> Result<()> {
    ensure!(
        2 * classes <= samples,
        "there are {classes} classes among {samples} samples: does another column hold them (`clean --label`)?"
    );
    Ok(())
}

/// What weights are worth.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Scores {
    /// Accuracy on the test set of the method's own y, which may have learned from the trusted
    /// samples.
    pub own_accuracy: Option<f64>,
    /// Of `y*(x)`: the classifier trained with these weights and nothing else.
    pub test_accuracy: Option<f64>,
    /// Of the samples with weights above the threshold, where it is known which are right.
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// The same if all samples with weights above a half were kept.
    pub f1_at_half: Option<f64>,
    /// And if those were kept whose label is what the classifier trained with the weights says.
    pub f1_agreed: Option<f64>,
    /// The weight above which samples are taken to be right until a classifier is heard.
    pub threshold: f64,
}

/// What is kept in the end.
///
/// A weight can be small for other reasons than a wrong label: the class is common and few of its
/// samples do, or the weights have not moved apart. So a classifier that is trained on the samples
/// of large weight and those trusted has to contradict a label too: by the log odds with which the
/// weight is above the threshold, and by `ln 4` at least.
///
/// ```text
/// dropped  ⇔  max_k sₖ − s_label > max(ln 4, log odds of the weight − log odds of the threshold)
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Cleaned {
    /// Which samples.
    pub kept: Vec<bool>,
    /// Accuracy on the test set after training on them and on those trusted.
    pub retrained_accuracy: Option<f64>,
    /// Of the samples kept, where it is known which are right.
    pub f1: Option<f64>,
}

/// What is reached without cleaning: accuracies on the test set after training on samples of equal
/// weight.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Baselines {
    /// On those to be cleaned, as they are.
    pub all: Option<f64>,
    /// On those of them that are right, where that is known.
    pub right: Option<f64>,
    /// On those trusted.
    pub trusted: Option<f64>,
    /// On those that are right and those trusted: what no cleaning can be expected to surpass.
    pub right_and_trusted: Option<f64>,
    /// F1 if those were kept whose label is what the classifier trained on those trusted says.
    pub f1_of_trusted: Option<f64>,
}

/// A cleaning problem, whatever the classifier.
pub(crate) trait CleaningExperiment<B: Backend> {
    /// Its derivatives.
    fn oracle(&self) -> Box<dyn Oracle<B> + '_>;

    /// The same weight for every sample, and the classifier before it has learned.
    fn start(&self, weight: f64) -> Iterate<B>;

    /// The weights of the samples, in [0, 1].
    fn weights(&self, at: &Iterate<B>) -> Vec<f64>;

    /// What an iterate is worth. `solved` is a y to solve from, and the solution after.
    ///
    /// # Errors
    /// If a solve ends in numbers that are not finite.
    fn judge(&self, at: &Iterate<B>, solved: &mut Option<Iterate<B>>) -> Result<Scores>;

    /// What is kept in the end.
    ///
    /// # Errors
    /// If a solve ends in numbers that are not finite.
    fn cleaned(&self, weights: &[f64]) -> Result<Cleaned>;

    /// What is reached without cleaning.
    ///
    /// # Errors
    /// If a solve ends in numbers that are not finite.
    fn baselines(&self) -> Result<Baselines>;
}

/// The weight above which a sample is taken to be right until a classifier is heard: where the two
/// heaps of log odds meet, if there are two, else a half.
///
/// Right and wrong labels part long before the weights of the wrong ones are zero, and those of the
/// right ones go on growing: where they part moves, and is not at a half.
pub(crate) fn threshold(weights: &[f64]) -> f64 {
    match GaussianMixture::fit(&log_odds(weights)) {
        // On both sides of a half: where all labels are right, all weights rise, some more than others.
        Some(heaps)
            if heaps.separation() > SEPARATE && heaps.mean[0] < 0.0 && heaps.mean[1] > 0.0 =>
        {
            1.0 / (1.0 + (-heaps.threshold()).exp())
        }
        _ => HALF,
    }
}

/// The log odds of weights, those near 0 and 1 moved a little away from there.
fn log_odds(weights: &[f64]) -> Vec<f64> {
    let inside = |weight: &f64| weight.clamp(SMALLEST_WEIGHT, 1.0 - SMALLEST_WEIGHT);
    let odds = weights
        .iter()
        .map(|weight| Weighting::Sigmoid.value_of(inside(weight)));
    odds.collect()
}

/// Which samples have weights above the threshold.
pub(crate) fn kept(weights: &[f64]) -> Vec<bool> {
    above(weights, threshold(weights))
}

fn above(weights: &[f64], threshold: f64) -> Vec<bool> {
    weights.iter().map(|weight| *weight > threshold).collect()
}

/// The workshop for a classifier.
struct WithClassifier<'a, B: Backend, C: Classifier> {
    sets: &'a Sets,
    problem: Cleaning<C>,
    data: TrainValidation<B>,
    test: Option<Minibatch<B>>,
    first: C::Parameters<Tape<B>>,
    ball: Option<Ball>,
    device: B::Device,
}

/// The classifier of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum ClassifierName {
    /// Softmax regression.
    Linear,
    /// A layer of 300 hidden units.
    Mlp,
}

/// Hidden units of the MLP.
const HIDDEN: usize = 300;

/// The problem of cleaning `sets` in blocks of `block` samples.
///
/// # Errors
/// If the blocks are larger than a set, `regularization` is not above zero, or there is a `ball`
/// for the MLP.
pub(crate) fn experiment<'a, B: Backend>(
    classifier: ClassifierName,
    sets: &'a Sets,
    regularization: f64,
    ball: Option<Ball>,
    block: Option<usize>,
    seed: u64,
    device: &B::Device,
) -> Result<Box<dyn CleaningExperiment<B> + 'a>> {
    let (features, classes) = (sets.training.width(), sets.training.class_count());
    Ok(match classifier {
        ClassifierName::Linear => {
            let classifier = Linear { features, classes };
            Box::new(WithClassifier::new(
                classifier,
                sets,
                regularization,
                ball,
                block,
                seed,
                device,
            )?)
        }
        ClassifierName::Mlp => {
            ensure!(
                ball.is_none(),
                "--ball is for --classifier linear: no bound on the curvature of the MLP is known, from which the steps of \
                 its training would come"
            );
            let classifier = Mlp {
                features,
                hidden: HIDDEN,
                classes,
            };
            Box::new(WithClassifier::new(
                classifier,
                sets,
                regularization,
                ball,
                block,
                seed,
                device,
            )?)
        }
    })
}

impl<'a, B: Backend, C: Classifier> WithClassifier<'a, B, C>
where
    C::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = C::Parameters<B>>,
{
    fn new(
        classifier: C,
        sets: &'a Sets,
        regularization: f64,
        ball: Option<Ball>,
        block: Option<usize>,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self> {
        let set = |samples: &Labelled| {
            let all = samples.len();
            let block = block.unwrap_or(all);
            let classes = samples.class_count();
            Dataset::<B>::new(
                samples.features(),
                samples.width(),
                samples.labels(),
                classes,
                block,
                device,
            )
        };
        let whole = |samples: &Labelled| -> Result<Minibatch<B>> {
            let (width, classes) = (samples.width(), samples.class_count());
            let (features, labels) = (samples.features(), samples.labels());
            let set = Dataset::new(features, width, labels, classes, labels.len(), device)?;
            Ok(set.whole().clone())
        };
        Ok(Self {
            first: classifier.init(seed, device),
            problem: Cleaning::new(classifier, Weighting::Sigmoid, regularization)?,
            data: TrainValidation {
                training: set(&sets.training).context("--batch: samples to be cleaned")?,
                validation: set(&sets.trusted).context("--batch: samples that are trusted")?,
            },
            test: sets.test.as_ref().map(whole).transpose()?,
            sets,
            ball,
            device: device.clone(),
        })
    }

    /// The classifier trained on `batch` with weights `x`, from `start`.
    fn solve(
        &self,
        problem: &Cleaning<C>,
        x: &SampleWeights<Tape<B>>,
        start: &C::Parameters<Tape<B>>,
        batch: &Batch<B>,
    ) -> Result<C::Parameters<Tape<B>>> {
        let solution = match self.ball {
            Some(ball) => {
                let set = ball.projection()?;
                train_within(problem, x, start, batch, set, TOLERANCE, MAX_STEPS)
                    .expect("a ball is for a classifier of bounded curvature")
            }
            None => train(problem, x, start, batch, TOLERANCE, MAX_STEPS),
        };
        ensure!(
            !solution.status.is_failure(),
            "training a classifier on the samples: {}",
            solution.status.advice()
        );
        Ok(solution.value)
    }

    fn tested(&self, y: &C::Parameters<Tape<B>>) -> Option<f64> {
        let test = self.test.as_ref()?;
        Some(accuracy(&self.problem.classifier, &y.valid(), test))
    }

    /// F1 if those samples were kept whose label is what `y` says.
    fn f1_agreed(&self, y: &C::Parameters<Tape<B>>) -> Option<f64> {
        let right = self.sets.right.as_ref()?;
        let training = self.data.training.whole();
        let agreed = agreement(&self.problem.classifier, &y.valid(), training);
        Some(PrecisionRecall::new(&agreed, right).f1())
    }

    /// The classifier trained on the `chosen` of the samples to be cleaned, and on those trusted if
    /// that is said, all with a weight of one.
    fn trained_on(&self, chosen: &[bool], trusted: bool) -> Result<C::Parameters<Tape<B>>> {
        let Sets {
            training,
            trusted: known,
            ..
        } = self.sets;
        let (mut features, mut labels) = match trusted {
            true => (known.features().to_vec(), known.labels().to_vec()),
            false => (Vec::new(), Vec::new()),
        };
        let chosen = chosen.iter().enumerate().filter(|(_, chosen)| **chosen);
        for (i, _) in chosen {
            features.extend(training.row(i));
            labels.push(training.label(i));
        }
        let (width, n) = (training.width(), labels.len());
        let classes = training.class_count();
        let set = Dataset::<B>::new(&features, width, &labels, classes, n, &self.device)?;
        let batch = Batch {
            training: set.whole().clone(),
            validation: set.whole().clone(),
        };
        // All weights are one.
        let all = Cleaning::new(
            self.problem.classifier.clone(),
            Weighting::Clipped,
            self.problem.regularization(),
        )?;
        let x = SampleWeights::constant(n, 1.0, &self.device);
        self.solve(&all, &x, &self.first, &batch)
    }

    fn modules(&self, at: &Iterate<B>) -> (SampleWeights<Tape<B>>, C::Parameters<Tape<B>>) {
        let count = self.sets.training.len();
        let x = SampleWeights::<Tape<B>>::constant(count, 0.0, &self.device);
        (
            unpack(x, at.x.clone()),
            unpack(self.first.clone(), at.y.clone()),
        )
    }
}

/// Derivatives by the means that suit a classifier.
trait HasOracle<B: Backend> {
    fn oracle(&self) -> Box<dyn Oracle<B> + '_>;
}

impl<B: Backend> HasOracle<B> for WithClassifier<'_, B, Linear> {
    fn oracle(&self) -> Box<dyn Oracle<B> + '_> {
        Box::new(SoftmaxOracle::new(self.problem.clone(), self.data.clone()))
    }
}

impl<B: Backend> HasOracle<B> for WithClassifier<'_, B, Mlp> {
    fn oracle(&self) -> Box<dyn Oracle<B> + '_> {
        let (x, y) = self.modules(&self.start(HALF));
        Box::new(ProblemOracle::new(
            self.problem.clone(),
            DoubleBackward,
            self.data.clone(),
            x,
            y,
        ))
    }
}

impl<B: Backend, C: Classifier> CleaningExperiment<B> for WithClassifier<'_, B, C>
where
    Self: HasOracle<B>,
    C::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = C::Parameters<B>>,
{
    fn oracle(&self) -> Box<dyn Oracle<B> + '_> {
        HasOracle::oracle(self)
    }

    fn start(&self, weight: f64) -> Iterate<B> {
        let count = self.sets.training.len();
        let value = self.problem.weighting.value_of(weight);
        let x = SampleWeights::<Tape<B>>::constant(count, value, &self.device);
        Iterate {
            x: pack(&x, 1),
            y: pack(&self.first, 1),
        }
    }

    fn weights(&self, at: &Iterate<B>) -> Vec<f64> {
        read(self.problem.weighting.weight(at.x.clone()))
    }

    fn judge(&self, at: &Iterate<B>, solved: &mut Option<Iterate<B>>) -> Result<Scores> {
        let (x, own) = self.modules(at);
        let start = match solved {
            Some(pair) => self.modules(pair).1,
            None => self.first.clone(),
        };
        let y = self.solve(&self.problem, &x, &start, &self.data.whole())?;
        *solved = Some(Iterate {
            x: at.x.clone(),
            y: pack(&y, 1),
        });
        let weights = self.weights(at);
        let threshold = threshold(&weights);
        let verdict = |threshold| {
            let right = self.sets.right.as_ref()?;
            Some(PrecisionRecall::new(&above(&weights, threshold), right))
        };
        let found = verdict(threshold);
        Ok(Scores {
            own_accuracy: self.tested(&own),
            test_accuracy: self.tested(&y),
            precision: found.map(|v| v.precision),
            recall: found.map(|v| v.recall),
            f1: found.map(|v| v.f1()),
            f1_at_half: verdict(HALF).map(|v| v.f1()),
            f1_agreed: self.f1_agreed(&y),
            threshold,
        })
    }

    fn cleaned(&self, weights: &[f64]) -> Result<Cleaned> {
        let threshold = threshold(weights);
        let large = above(weights, threshold);
        let y = self.trained_on(&large, true)?;
        let training = self.data.training.whole();
        let against = contradiction(&self.problem.classifier, &y.valid(), training);
        let odds = log_odds(weights);
        let least = Weighting::Sigmoid.value_of(threshold);
        let doubted = |(odds, against): (&f64, &f64)| *against > SURE.max(odds - least);
        let kept: Vec<bool> = odds
            .iter()
            .zip(&against)
            .map(|pair| !doubted(pair))
            .collect();
        let retrained = match &self.test {
            None => None,
            Some(_) if kept == large => Some(y),
            Some(_) => Some(self.trained_on(&kept, true)?),
        };
        let right = self.sets.right.as_ref();
        Ok(Cleaned {
            f1: right.map(|right| PrecisionRecall::new(&kept, right).f1()),
            retrained_accuracy: retrained.and_then(|y| self.tested(&y)),
            kept,
        })
    }

    fn baselines(&self) -> Result<Baselines> {
        let count = self.sets.training.len();
        let tested = |chosen: &[bool], trusted| {
            let y = self.test.as_ref().map(|_| self.trained_on(chosen, trusted));
            Ok::<_, anyhow::Error>(y.transpose()?.and_then(|y| self.tested(&y)))
        };
        let right = self.sets.right.as_deref();
        let with_right = |trusted| match right {
            Some(right) => tested(right, trusted),
            None => Ok(None),
        };
        let trusted = self.trained_on(&vec![false; count], true)?;
        Ok(Baselines {
            all: tested(&vec![true; count], false)?,
            right: with_right(false)?,
            trusted: self.tested(&trusted),
            right_and_trusted: with_right(true)?,
            f1_of_trusted: self.f1_agreed(&trusted),
        })
    }
}
