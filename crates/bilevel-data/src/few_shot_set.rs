//! Pictures of many classes, few of each.

use std::path::Path;

use crate::{Error, ErrorKind, GrayImage, Labelled, load_class_folders};

/// Samples by class, the classes in groups: characters of alphabets.
///
/// ```
/// use bilevel_data::{FewShotSet, Labelled};
///
/// let classes = vec!["a".to_string(), "b".to_string()];
/// let samples = Labelled::new(vec![0.0, 0.1, 1.0], 1, vec![0, 0, 1], classes)?.with_picture([1, 1])?;
/// let letters = FewShotSet::new(samples, vec!["latin".into(), "latin".into()])?;
///
/// assert_eq!(letters.members(0), [0, 1]);
/// assert_eq!(letters.rotated()?.class_count(), 8);
/// # Ok::<(), bilevel_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FewShotSet {
    samples: Labelled,
    groups: Vec<String>,
    members: Vec<Vec<usize>>,
}

impl FewShotSet {
    /// Samples with the group of each class.
    ///
    /// # Errors
    ///
    /// If there is not one group per class.
    pub fn new(samples: Labelled, groups: Vec<String>) -> Result<Self, Error> {
        if groups.len() != samples.class_count() {
            return Err(ErrorKind::GroupsDoNotFit {
                groups: groups.len(),
                classes: samples.class_count(),
            }
            .into());
        }
        let mut members = vec![Vec::new(); samples.class_count()];
        for (sample, &label) in samples.labels().iter().enumerate() {
            members[label].push(sample);
        }
        Ok(Self {
            samples,
            groups,
            members,
        })
    }

    /// A folder with one sub-folder of pictures for each class, all in one group: how they are read
    /// says [`load_class_folders`].
    ///
    /// # Errors
    ///
    /// Those of [`load_class_folders`].
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let samples = load_class_folders(folder)?;
        let groups = vec![String::new(); samples.class_count()];
        Self::new(samples, groups)
    }

    /// All samples; their labels are classes.
    pub fn samples(&self) -> &Labelled {
        &self.samples
    }

    /// How many classes there are.
    pub fn class_count(&self) -> usize {
        self.members.len()
    }

    /// The numbers of a class's samples.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    pub fn members(&self, class: usize) -> &[usize] {
        &self.members[class]
    }

    /// The group of a class.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    pub fn group(&self, class: usize) -> &str {
        &self.groups[class]
    }

    /// The classes for which `keep(class)` holds, in their order.
    ///
    /// # Errors
    ///
    /// If none of their samples is left.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Result<Self, Error> {
        let kept: Vec<usize> = (0..self.class_count()).filter(|&c| keep(c)).collect();
        let numbers = kept.iter().flat_map(|&c| self.members[c].iter().copied());
        let part = self.samples.subset(numbers)?;
        let labels = kept.iter().enumerate();
        let labels = labels.flat_map(|(new, &c)| vec![new; self.members[c].len()]);
        let name = |&c: &usize| self.samples.classes()[c].clone();
        let samples = Labelled::new(
            part.features().to_vec(),
            part.width(),
            labels.collect(),
            kept.iter().map(name).collect(),
        )?;
        let samples = with_looks(samples, part.picture(), part.names().to_vec())?;
        Self::new(
            samples,
            kept.iter().map(|&c| self.groups[c].clone()).collect(),
        )
    }

    /// The same set four times, turned by 0, 90, 180 and 270 degrees against the clock, every turn
    /// a class of its own, as Santoro et al. (2016) enlarge Omniglot.
    ///
    /// # Errors
    ///
    /// If the samples are not square pictures.
    pub fn rotated(&self) -> Result<Self, Error> {
        let samples = &self.samples;
        let side = match samples.picture() {
            Some([height, width]) if height == width => width,
            picture => return Err(ErrorKind::NotSquare { picture }.into()),
        };
        let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let (mut classes, mut groups) = (Vec::new(), Vec::new());
        for turn in 0..4 {
            let mark = |name: &String| match turn {
                0 => name.clone(),
                _ => format!("{name} turned {}", 90 * turn),
            };
            classes.extend(samples.classes().iter().map(mark));
            groups.extend(self.groups.iter().cloned());
            names.extend(samples.names().iter().map(mark));
            labels.extend(
                samples
                    .labels()
                    .iter()
                    .map(|l| l + turn * self.class_count()),
            );
            for sample in 0..samples.len() {
                let mut row = samples.row(sample).to_vec();
                for _ in 0..turn {
                    row = turned(&row, side);
                }
                features.extend(row);
            }
        }
        let set = Labelled::new(features, samples.width(), labels, classes)?;
        Self::new(with_looks(set, samples.picture(), names)?, groups)
    }
}

/// A picture turned by 90 degrees against the clock.
fn turned(row: &[f32], side: usize) -> Vec<f32> {
    let pixel = |p: usize| row[(p % side) * side + (side - 1 - p / side)];
    (0..side * side).map(pixel).collect()
}

/// The samples as pictures with names.
pub(crate) fn with_looks(
    samples: Labelled,
    picture: Option<[usize; 2]>,
    names: Vec<String>,
) -> Result<Labelled, Error> {
    let samples = samples.with_names(names)?;
    match picture {
        Some(picture) => samples.with_picture(picture),
        None => Ok(samples),
    }
}

/// A dark drawing on white as ink on nothing, at `side`×`side` pixels.
pub(crate) fn ink(image: &GrayImage, side: usize) -> Vec<f32> {
    let small = image.resized(side, side);
    small.pixels().iter().map(|p| 1.0 - p).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn four_turns_are_none(row in prop::collection::vec(0f32..1.0, 25)) {
            let once = turned(&row, 5);
            prop_assert_eq!(once[0].to_bits(), row[4].to_bits());
            let back = turned(&turned(&turned(&once, 5), 5), 5);
            prop_assert_eq!(back, row);
        }
    }

    #[test]
    fn some_classes_only() {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        let samples =
            Labelled::new(vec![0.0, 1.0, 2.0, 3.0], 1, vec![2, 0, 1, 2], classes).unwrap();
        let groups = ["x", "y", "x"].map(String::from).to_vec();
        let set = FewShotSet::new(samples, groups).unwrap();
        let part = set.only(|c| set.group(c) == "x").unwrap();
        assert_eq!(part.samples().classes(), ["a", "c"]);
        assert_eq!(part.samples().labels(), [0, 1, 1]);
        assert_eq!(part.samples().features(), [1.0, 0.0, 3.0]);
        assert!(matches!(
            set.only(|_| false).unwrap_err().kind(),
            ErrorKind::NoSample
        ));
    }

    #[test]
    fn what_does_not_fit() {
        let samples = Labelled::new(vec![0.0; 6], 6, vec![0], vec!["a".into()]).unwrap();
        let error = FewShotSet::new(samples.clone(), vec![]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::GroupsDoNotFit { .. }));
        let set = FewShotSet::new(samples.with_picture([2, 3]).unwrap(), vec!["".into()]).unwrap();
        let error = set.rotated().unwrap_err();
        assert!(error.to_string().contains("2x3"), "{error}");
    }
}
