//! What a backend computed, and how far it may be from what is right.

use bilevel::Vector;
use bilevel::burn::tensor::backend::Backend;
use bilevel::vector::read;

use crate::golden::Golden;

/// Bytes of a number.
#[derive(Debug, Clone, Copy)]
pub enum Precision {
    Single,
    Double,
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    pub section: &'static str,
    pub name: &'static str,
    pub value: Vec<f64>,
    /// By formula; the rest is in the golden file.
    pub expected: Option<Vec<f64>>,
    /// Largest `‖value − expected‖ / ‖expected‖` in `f64` and `f32`.
    pub tolerance: [f64; 2],
}

/// The list, as one backend computed it.
#[derive(Debug, Default)]
pub struct Rows {
    section: &'static str,
    pub list: Vec<Row>,
}

impl Rows {
    pub fn section(&mut self, title: &'static str) {
        self.section = title;
    }

    /// A value with a formula.
    pub fn known(
        &mut self,
        name: &'static str,
        value: Vec<f64>,
        expected: Vec<f64>,
        tolerance: [f64; 2],
    ) {
        self.push(name, value, Some(expected), tolerance);
    }

    /// A value without one: `NdArray<f64>` says what is right, to 1e-8.
    pub fn golden(&mut self, name: &'static str, value: Vec<f64>, single: f64) {
        self.push(name, value, None, [1e-8, single]);
    }

    fn push(
        &mut self,
        name: &'static str,
        value: Vec<f64>,
        expected: Option<Vec<f64>>,
        tolerance: [f64; 2],
    ) {
        let section = self.section;
        if std::env::var_os("SHOW_CONFORMANCE").is_some() {
            println!("{section}: {name}: {value:?}");
        }
        self.list.push(Row {
            section,
            name,
            value,
            expected,
            tolerance,
        });
    }

    /// What is further off than it may be.
    pub fn failures(&self, backend: &str, precision: Precision, golden: &Golden) -> Vec<String> {
        let judge = |row: &Row| {
            let expected = row
                .expected
                .as_ref()
                .unwrap_or_else(|| golden.of(row.section, row.name));
            let error = error(&row.value, expected);
            let tolerance = row.tolerance[match precision {
                Precision::Double => 0,
                Precision::Single => 1,
            }];
            let (section, name) = (row.section, row.name);
            (error > tolerance).then(|| {
                format!("{section}: {name} on {backend}: {error:.1e} off, {tolerance:.0e} allowed")
            })
        };
        self.list.iter().filter_map(judge).collect()
    }
}

/// `‖u − v‖ / ‖v‖`, `‖u‖` for `v = 0`; infinite where there is anything but numbers.
fn error(u: &[f64], v: &[f64]) -> f64 {
    assert_eq!(u.len(), v.len(), "as many numbers as are expected");
    let difference: Vec<f64> = u.iter().zip(v).map(|(u, v)| u - v).collect();
    let size = match length(v) {
        size if size > 0.0 => size,
        _ => 1.0,
    };
    let error = length(&difference) / size;
    if error.is_nan() { f64::INFINITY } else { error }
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The entries of several vectors.
pub fn entries<B: Backend>(vectors: impl IntoIterator<Item = Vector<B>>) -> Vec<f64> {
    vectors.into_iter().flat_map(read).collect()
}
