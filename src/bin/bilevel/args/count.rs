//! Counts that are typed, each with its range.

/// A parser of whole numbers from `least` to `most`.
pub(super) fn count(
    least: usize,
    most: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number: Result<usize, _> = text.parse();
        let counted = number.ok().filter(|n| (least..=most).contains(n));
        counted.ok_or_else(|| format!("must be from {least} to {most}"))
    }
}
