//! Samples with a class each.

use std::fmt;

use rand::seq::SliceRandom;

use crate::random::{Purpose, generator};
use crate::{Error, ErrorKind};

/// Samples of equal width, each with the number of its class.
///
/// Sample i is row i of a row-major matrix of features, its label a number in `0..class_count()`.
/// Features are finite. A set holds at least one sample; a class may be without one, so that a
/// [`subset`](Self::subset) has the classes of the whole.
///
/// ```
/// use bilevel_data::Labelled;
///
/// let classes = vec!["cat".to_string(), "dog".to_string()];
/// let animals = Labelled::new(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 2, vec![0, 1, 1], classes)?;
///
/// assert_eq!((animals.len(), animals.width(), animals.class_count()), (3, 2, 2));
/// assert_eq!(animals.row(1), [0.3, 0.4]);
/// assert_eq!(animals.classes()[animals.label(1)], "dog");
///
/// let last = animals.subset(1..3)?;
/// assert_eq!(last.row(0), animals.row(1));
/// assert_eq!(last.name(0), "1");
/// # Ok::<(), bilevel_data::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Labelled {
    features: Vec<f32>,
    width: usize,
    labels: Vec<usize>,
    classes: Vec<String>,
    picture: Option<[usize; 2]>,
    names: Vec<String>,
}

impl Labelled {
    /// Samples from `width` features and a label each, and the names of the classes.
    ///
    /// A sample is named by its number, counted from 0, until [`with_names`](Self::with_names)
    /// says otherwise.
    ///
    /// # Errors
    ///
    /// If there is no sample, the features are not `width` (at least one) per label, a label is not
    /// the number of a class, or a feature is NaN or infinite.
    pub fn new(
        features: Vec<f32>,
        width: usize,
        labels: Vec<usize>,
        classes: Vec<String>,
    ) -> Result<Self, Error> {
        if labels.is_empty() {
            return Err(ErrorKind::NoSample.into());
        }
        if width == 0 || labels.len().checked_mul(width) != Some(features.len()) {
            return Err(ErrorKind::FeaturesDoNotFit {
                features: features.len(),
                width,
                samples: labels.len(),
            }
            .into());
        }
        check_labels(&labels, classes.len())?;
        if let Some(at) = features.iter().position(|feature| !feature.is_finite()) {
            return Err(ErrorKind::FeatureNotFinite {
                sample: at / width,
                column: at % width,
                value: features[at],
            }
            .into());
        }
        let names = (0..labels.len()).map(|number| number.to_string()).collect();
        Ok(Self {
            features,
            width,
            labels,
            classes,
            picture: None,
            names,
        })
    }

    /// The same samples, each row a grey picture of `[height, width]` pixels.
    ///
    /// # Errors
    ///
    /// If a row does not have `height * width` features.
    pub fn with_picture(self, picture: [usize; 2]) -> Result<Self, Error> {
        let [height, width] = picture;
        if height.checked_mul(width) != Some(self.width) {
            return Err(ErrorKind::PictureDoesNotFit {
                height,
                width,
                features: self.width,
            }
            .into());
        }
        Ok(Self {
            picture: Some(picture),
            ..self
        })
    }

    /// The same samples under other names: what helps a person to find a sample again.
    ///
    /// # Errors
    ///
    /// If there is not one name per sample.
    pub fn with_names(self, names: Vec<String>) -> Result<Self, Error> {
        self.check_count("names", names.len())?;
        Ok(Self { names, ..self })
    }

    /// The same samples with other labels, such as those of
    /// [`corrupt_labels`](crate::corrupt_labels).
    ///
    /// # Errors
    ///
    /// If there is not one label per sample, or a label is not the number of a class.
    pub fn with_labels(self, labels: Vec<usize>) -> Result<Self, Error> {
        self.check_count("labels", labels.len())?;
        check_labels(&labels, self.class_count())?;
        Ok(Self { labels, ..self })
    }

    /// The samples with some of their features, in the given order.
    ///
    /// # Errors
    ///
    /// If there is none, or one is not in `0..width()`.
    pub fn with_features(&self, features: &[usize]) -> Result<Self, Error> {
        let rows = (0..self.len()).map(|sample| self.row(sample));
        let cells = rows.flat_map(|row| features.iter().map(|&i| row.get(i).copied()));
        let values: Vec<f32> = cells.flatten().collect();
        let mut chosen = Self::new(
            values,
            features.len(),
            self.labels.clone(),
            self.classes.clone(),
        )?
        .with_names(self.names.clone())?;
        chosen.picture = self.picture.filter(|_| features.len() == self.width);
        Ok(chosen)
    }

    /// Two halves of the samples in their order, each class divided by lot: of an odd number of
    /// samples of a class the second half has one more.
    ///
    /// ```
    /// use bilevel_data::Labelled;
    ///
    /// // Sorted by class: the first half of the file has no sample of the second class.
    /// let classes = vec!["a".to_string(), "b".to_string()];
    /// let set = Labelled::new(vec![0.0; 9], 1, vec![0, 0, 0, 0, 0, 0, 1, 1, 1], classes)?;
    /// let (first, second) = set.halves(7)?;
    /// assert_eq!((first.class_sizes(), second.class_sizes()), (vec![3, 1], vec![3, 2]));
    /// # Ok::<(), bilevel_data::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If no class has two samples.
    pub fn halves(&self, seed: u64) -> Result<(Self, Self), Error> {
        let mut first = vec![false; self.len()];
        for class in 0..self.class_count() {
            let mut samples: Vec<usize> = (0..self.len())
                .filter(|&sample| self.labels[sample] == class)
                .collect();
            samples.shuffle(&mut generator(Purpose::Halves, seed, class as u64));
            for &sample in &samples[..samples.len() / 2] {
                first[sample] = true;
            }
        }
        let of = |half| self.subset((0..self.len()).filter(|&sample| first[sample] == half));
        Ok((of(true)?, of(false)?))
    }

    /// The samples of the given numbers, in the given order, with the names and all the classes
    /// they have here.
    ///
    /// # Errors
    ///
    /// If a number is not in `0..len()`, or there is none.
    pub fn subset(&self, samples: impl IntoIterator<Item = usize>) -> Result<Self, Error> {
        let samples: Vec<usize> = samples.into_iter().collect();
        if samples.is_empty() {
            return Err(ErrorKind::NoSample.into());
        }
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= self.len()) {
            return Err(ErrorKind::SampleOutOfRange {
                sample,
                samples: self.len(),
            }
            .into());
        }
        let rows = samples.iter().flat_map(|&sample| self.row(sample));
        Ok(Self {
            features: rows.copied().collect(),
            width: self.width,
            labels: samples.iter().map(|&sample| self.labels[sample]).collect(),
            classes: self.classes.clone(),
            picture: self.picture,
            names: samples
                .iter()
                .map(|&sample| self.names[sample].clone())
                .collect(),
        })
    }

    /// The number of samples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The number of features of a sample, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All features; feature `column` of `sample` is at `sample * width() + column`.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// The label of every sample.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The name of every sample.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The features of a sample.
    ///
    /// # Panics
    ///
    /// If there is no such sample, as [`label`](Self::label) and [`name`](Self::name).
    pub fn row(&self, sample: usize) -> &[f32] {
        self.check_sample(sample);
        &self.features[sample * self.width..][..self.width]
    }

    /// The label of a sample.
    pub fn label(&self, sample: usize) -> usize {
        self.check_sample(sample);
        self.labels[sample]
    }

    /// How a person finds a sample again: by a file name, a line or a number.
    pub fn name(&self, sample: usize) -> &str {
        self.check_sample(sample);
        &self.names[sample]
    }

    /// The names of the classes; label k is the class `classes()[k]`.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// How many samples each class has.
    pub fn class_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.class_count()];
        for &label in &self.labels {
            sizes[label] += 1;
        }
        sizes
    }

    /// `[height, width]` in pixels if the rows are grey pictures, themselves row by row from the
    /// top left.
    pub fn picture(&self) -> Option<[usize; 2]> {
        self.picture
    }

    fn check_count(&self, what: &'static str, count: usize) -> Result<(), ErrorKind> {
        if count == self.len() {
            return Ok(());
        }
        Err(ErrorKind::NotOnePerSample {
            what,
            count,
            samples: self.len(),
        })
    }

    fn check_sample(&self, sample: usize) {
        assert!(
            sample < self.len(),
            "sample {sample} of a set of {}",
            self.len()
        );
    }
}

/// That every label is the number of a class.
pub(crate) fn check_labels(labels: &[usize], classes: usize) -> Result<(), ErrorKind> {
    match labels.iter().position(|&label| label >= classes) {
        None => Ok(()),
        Some(sample) => Err(ErrorKind::LabelOutOfRange {
            sample,
            label: labels[sample],
            classes,
        }),
    }
}

/// The sizes only: thousands of features help nobody in a message.
impl fmt::Debug for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Labelled({} samples of {} features, {} classes)",
            self.len(),
            self.width,
            self.class_count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    /// Six samples of two features; sample i has the features 2 i and 2 i + 1 and the label i mod
    /// 3.
    fn numbered() -> Labelled {
        let features = (0u8..12).map(f32::from).collect();
        let labels = (0..6).map(|sample| sample % 3).collect();
        Labelled::new(features, 2, labels, classes(3)).unwrap()
    }

    #[test]
    fn rows_labels_and_names_are_those_given() {
        let set = numbered();
        assert_eq!((set.len(), set.width(), set.class_count()), (6, 2, 3));
        assert_eq!(set.row(4), [8.0, 9.0]);
        assert_eq!((set.label(4), set.name(4)), (1, "4"));
        assert_eq!(set.features()[4 * 2 + 1].to_bits(), 9f32.to_bits());
        assert_eq!(set.labels(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(set.class_sizes(), [2, 2, 2]);
        assert_eq!(set.picture(), None);
        assert_eq!(
            format!("{set:?}"),
            "Labelled(6 samples of 2 features, 3 classes)"
        );
    }

    #[test]
    fn subset_keeps_order_names_classes_and_picture() {
        let set = numbered().with_picture([2, 1]).unwrap();
        let subset = set.subset([5, 0, 5]).unwrap();
        assert_eq!(subset.features(), [10.0, 11.0, 0.0, 1.0, 10.0, 11.0]);
        assert_eq!(subset.labels(), [2, 0, 2]);
        assert_eq!(subset.names(), ["5", "0", "5"]);
        assert_eq!(subset.class_sizes(), [1, 0, 2]);
        assert_eq!(subset.picture(), Some([2, 1]));
        assert_eq!(set.subset(0..6).unwrap(), set);
        assert_eq!(
            subset.subset([1]).unwrap().name(0),
            "0",
            "the name says where a sample was in the whole"
        );
    }

    #[test]
    fn subset_of_what_is_not_there() {
        let error = numbered().subset(4..8).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sample 6 was asked for, but there are 6, counted from 0: ask for fewer"
        );
        let none = numbered().subset(3..3).unwrap_err();
        assert!(matches!(none.kind(), ErrorKind::NoSample));
    }

    #[test]
    fn no_sample() {
        let error = Labelled::new(vec![], 2, vec![], classes(3)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NoSample));
    }

    #[test]
    fn features_that_do_not_fit() {
        for (features, width) in [(5, 2), (7, 2), (0, 0), (4, usize::MAX)] {
            let error =
                Labelled::new(vec![0.0; features], width, vec![0; 3], classes(1)).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::FeaturesDoNotFit { samples: 3, .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn first_label_out_of_range_is_named() {
        let error = Labelled::new(vec![0.0; 4], 1, vec![1, 0, 2, 7], classes(2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sample 2 has the label 2, but there are 2 classes: give labels that count from 0, or \
             more classes"
        );
        let unnamed = Labelled::new(vec![0.0], 1, vec![0], vec![]).unwrap_err();
        assert!(matches!(
            unnamed.kind(),
            ErrorKind::LabelOutOfRange { sample: 0, .. }
        ));
    }

    #[test]
    fn first_feature_that_is_not_finite_is_named() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let features = vec![0.0, 0.0, 0.0, value, value, 0.0];
            let error = Labelled::new(features, 2, vec![0; 3], classes(1)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "feature 1 of sample 1 is {value}, both counted from 0: correct it or leave \
                     the sample out"
                )
            );
        }
    }

    #[test]
    fn picture_that_does_not_fit() {
        for picture in [[2, 2], [0, 2], [usize::MAX, 2]] {
            let error = numbered().with_picture(picture).unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::PictureDoesNotFit { features: 2, .. }
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn labels_and_names_can_be_replaced_one_for_one() {
        let names: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
        let set = numbered()
            .with_names(names.clone())
            .unwrap()
            .with_labels(vec![2; 6])
            .unwrap();
        assert_eq!(set.names(), names);
        assert_eq!(set.class_sizes(), [0, 0, 6]);

        let error = set.clone().with_names(names[1..].to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "5 names for 6 samples: give one per sample"
        );
        let error = set.clone().with_labels(vec![0; 7]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "7 labels for 6 samples: give one per sample"
        );
        let error = set.with_labels(vec![0, 0, 0, 3, 0, 0]).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::LabelOutOfRange { sample: 3, .. }
        ));
    }

    #[test]
    #[should_panic(expected = "sample 6 of a set of 6")]
    fn row_that_is_not_there_names_both_numbers() {
        let _ = numbered().row(6);
    }
}
