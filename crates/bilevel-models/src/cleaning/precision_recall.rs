//! What came out of cleaning.

/// The samples that were kept, judged by which of them really are right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Of those kept, the share that is right.
    pub precision: f64,
    /// Of those that are right, the share that was kept.
    pub recall: f64,
}

impl PrecisionRecall {
    /// `kept` and `right`, sample by sample. A share of nothing is 0.
    ///
    /// # Panics
    /// If they are not equally many.
    pub fn new(kept: &[bool], right: &[bool]) -> Self {
        assert_eq!(
            kept.len(),
            right.len(),
            "{} samples were judged, of {} it is known what they are",
            kept.len(),
            right.len()
        );
        let count = |of: &dyn Fn(bool, bool) -> bool| {
            kept.iter().zip(right).filter(|(k, r)| of(**k, **r)).count() as f64
        };
        let both = count(&|k, r| k && r);
        let share = |whole: f64| if whole > 0.0 { both / whole } else { 0.0 };
        Self {
            precision: share(count(&|k, _| k)),
            recall: share(count(&|_, r| r)),
        }
    }

    /// `2 precision recall / (precision + recall)`.
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 {
            2.0 * self.precision * self.recall / sum
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_precision_and_recall() {
        let kept = [true, true, true, false, false];
        let right = [true, true, false, true, false];
        let verdict = PrecisionRecall::new(&kept, &right);
        assert!((verdict.precision - 2.0 / 3.0).abs() < 1e-15);
        assert!((verdict.recall - 2.0 / 3.0).abs() < 1e-15);
        assert!((verdict.f1() - 2.0 / 3.0).abs() < 1e-15);
        let nothing = PrecisionRecall::new(&[false, false], &[true, false]);
        assert!(nothing.f1().abs() < 1e-15);
    }
}
