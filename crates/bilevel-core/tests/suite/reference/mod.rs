//! Iterates of the published algorithms against those of an independent program, `tests/reference`
//! at the root.

mod blocks;
mod logged;
mod methods;
mod problem;
mod recursions;
mod rules;

use std::path::Path;

/// The rows of a table below its head, column by column.
fn table(name: &str) -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    let path = root.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let row = |line: &str| line.split('\t').map(str::to_string).collect();
    text.lines().skip(1).map(row).collect()
}

fn numbers(cell: &str) -> Vec<f64> {
    let number = |word: &str| word.parse().expect("a number");
    cell.split_whitespace().map(number).collect()
}

/// The largest difference.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}
