//! Wrong labels on purpose.

use rand::RngExt;

use crate::labelled::check_labels;
use crate::random::{Purpose, generator};
use crate::{Error, ErrorKind};

/// Replaces the labels of a fraction of the samples by random ones, as a test of methods that find
/// wrong labels.
///
/// ```text
/// S ⊂ {0, …, n − 1},   |S| = round(fraction · n),   uniform without replacement
/// y'_i ~ U{0, …, classes − 1}  for i in S,          y'_i = y_i  otherwise
/// ```
///
/// The new label is drawn from all classes, the old one included, so about one in `classes` of the
/// chosen samples keeps its label: with 10 classes and the fraction 0.5, 45 % of the labels come
/// out wrong.
///
/// A pure function of its arguments: S and the new labels depend on the number of samples, not on
/// their labels. With the same seed a larger fraction does what a smaller one does, and then goes
/// on.
///
/// ```
/// use bilevel_data::corrupt_labels;
///
/// let clean: Vec<usize> = (0..1000).map(|sample| sample % 10).collect();
/// let corrupted = corrupt_labels(&clean, 10, 0.5, 7)?;
///
/// let wrong = clean.iter().zip(&corrupted).filter(|(a, b)| a != b).count();
/// assert!(wrong.abs_diff(450) < 50);
/// assert_eq!(corrupted, corrupt_labels(&clean, 10, 0.5, 7)?);
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If `fraction` is not in [0, 1], or a label is not in `0..classes`.
pub fn corrupt_labels(
    labels: &[usize],
    classes: usize,
    fraction: f64,
    seed: u64,
) -> Result<Vec<usize>, Error> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(ErrorKind::FractionOutOfRange { fraction }.into());
    }
    check_labels(labels, classes)?;

    let n = labels.len();
    let count = (fraction * n as f64).round() as usize;
    let mut random = generator(Purpose::Corruption, seed, 0);
    let mut corrupted = labels.to_vec();
    // The first `count` steps of a Fisher-Yates shuffle.
    let mut order: Vec<usize> = (0..n).collect();
    for step in 0..count {
        order.swap(step, random.random_range(step..n));
        corrupted[order[step]] = random.random_range(0..classes);
    }
    Ok(corrupted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The samples that got a new label: the only ones whose outcome does not depend on the old.
    fn chosen(n: usize, classes: usize, fraction: f64, seed: u64) -> Vec<usize> {
        let from = |label| corrupt_labels(&vec![label; n], classes, fraction, seed).unwrap();
        let (zeros, ones) = (from(0), from(1));
        (0..n).filter(|&i| zeros[i] == ones[i]).collect()
    }

    proptest! {
        #[test]
        fn exactly_the_rounded_fraction_is_replaced(
            n in 0usize..300, classes in 2usize..12, fraction in 0.0f64..=1.0, seed: u64,
        ) {
            let count = chosen(n, classes, fraction, seed).len();
            prop_assert_eq!(count, (fraction * n as f64).round() as usize);
        }

        #[test]
        fn others_keep_their_labels_and_new_ones_are_classes(
            labels in prop::collection::vec(0usize..7, 0..200), fraction in 0.0f64..=1.0, seed: u64,
        ) {
            let corrupted = corrupt_labels(&labels, 7, fraction, seed).unwrap();
            prop_assert_eq!(&corrupted, &corrupt_labels(&labels, 7, fraction, seed).unwrap());
            prop_assert_eq!(corrupted.len(), labels.len());
            let chosen = chosen(labels.len(), 7, fraction, seed);
            for i in 0..labels.len() {
                prop_assert!(corrupted[i] < 7);
                prop_assert!(corrupted[i] == labels[i] || chosen.contains(&i));
            }
        }

        #[test]
        fn larger_fraction_goes_on_where_a_smaller_one_ends(
            fractions in [0.0f64..=1.0, 0.0f64..=1.0], seed: u64,
        ) {
            let [a, b] = fractions;
            let labels = vec![0; 100];
            let less = corrupt_labels(&labels, 5, a.min(b), seed).unwrap();
            let more = corrupt_labels(&labels, 5, a.max(b), seed).unwrap();
            for i in chosen(100, 5, a.min(b), seed) {
                prop_assert_eq!(less[i], more[i]);
            }
        }
    }

    /// Of 8000 times 20 samples a quarter is chosen: each sample 2000 times with standard deviation
    /// 39, and each of the 4 labels drawn 10,000 times with standard deviation 87.
    #[test]
    fn samples_and_labels_are_uniform() {
        let (mut times_chosen, mut times_drawn) = ([0u32; 20], [0u32; 4]);
        for seed in 0..8000 {
            let corrupted = corrupt_labels(&[0; 20], 4, 0.25, seed).unwrap();
            for i in chosen(20, 4, 0.25, seed) {
                times_chosen[i] += 1;
                times_drawn[corrupted[i]] += 1;
            }
        }
        assert!(
            times_chosen
                .iter()
                .all(|times| times.abs_diff(2000) < 5 * 39),
            "{times_chosen:?}"
        );
        assert!(
            times_drawn
                .iter()
                .all(|times| times.abs_diff(10_000) < 5 * 87),
            "{times_drawn:?}"
        );
    }

    /// Fails if a release of `rand` gives old seeds a new meaning: that belongs in the changelog.
    #[test]
    fn golden_labels() {
        let corrupted = corrupt_labels(&[0; 12], 10, 0.5, 2024).unwrap();
        assert_eq!(corrupted, [8, 0, 0, 2, 0, 0, 3, 0, 0, 9, 0, 4]);
    }

    #[test]
    fn halves_round_up() {
        assert_eq!(chosen(5, 3, 0.5, 0).len(), 3);
        assert_eq!(chosen(5, 3, 0.0, 0).len(), 0);
        assert_eq!(chosen(5, 3, 1.0, 0).len(), 5);
    }

    #[test]
    fn fraction_out_of_range() {
        for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = corrupt_labels(&[0, 1], 2, fraction, 0).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the fraction of corrupted labels is {fraction}: give a number from 0 to 1"
                )
            );
        }
    }

    #[test]
    fn label_that_is_not_a_class() {
        let error = corrupt_labels(&[0, 1, 2], 2, 0.5, 0).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::LabelOutOfRange { sample: 2, .. }
        ));
        assert!(corrupt_labels(&[0], 0, 1.0, 0).is_err());
        assert!(corrupt_labels(&[], 0, 1.0, 0).unwrap().is_empty());
    }
}
