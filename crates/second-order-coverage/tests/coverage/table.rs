//! The table in the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::holes::{HOLES, Hole, WRONG};

/// Below this error a cell is ticked: `[double backward, differences]`.
pub const TOLERANCE_F64: [f64; 2] = [1e-9, 1e-7];
pub const TOLERANCE_F32: [f64; 2] = [3e-5, 1e-2];
/// Below this one it has the accuracy of `f32`.
const SINGLE: f64 = 3e-2;

/// What was measured of one case on one backend: the error, or what the panic said.
#[derive(Debug, Clone)]
pub struct Row {
    pub section: String,
    pub name: String,
    pub engines: [Result<f64, String>; 2],
}

/// All rows of one backend.
pub struct Column {
    pub backend: &'static str,
    pub rows: Vec<Row>,
}

pub fn render(columns: &[Column]) -> String {
    let mut notes = Notes::default();
    let mut body = String::new();
    let mut section = "";
    for (i, row) in columns[0].rows.iter().enumerate() {
        if row.section != section {
            section = &row.section;
            let _ = write!(body, "\n### {section}\n\n| |");
            for column in columns {
                let _ = write!(body, " {0}: D | {0}: Δ |", column.backend);
            }
            let _ = writeln!(body, "\n|---|{}", "---|".repeat(2 * columns.len()));
        }
        let _ = write!(body, "| {} |", row.name);
        for column in columns {
            for cell in notes.cells(&column.rows[i], column.backend) {
                let _ = write!(body, " {cell} |");
            }
        }
        body.push('\n');
    }
    notes.assert_all_used(columns);
    let notes = notes.text();
    if notes.is_empty() {
        return format!("{INTRODUCTION}{body}");
    }
    format!("{INTRODUCTION}{body}\n### Notes\n\n{notes}")
}

const INTRODUCTION: &str = "\
Measured by `cargo test -p second-order-coverage`, which writes this page when run with \
`UPDATE_COVERAGE=1` and fails when the page does not say what it measures.

Each line is a function of everything it can be differentiated in (input, weights, biases, grids: one \
vector), at a random point, followed by `Σ r (y + y²/2)` with random weights. Its gradient on `Tape<B>` is \
compared with differences of its values, and its Hessian's product with a random direction with fourth \
order central differences of that gradient in `f64`. There are two engines:

- **D**, double backward: two tapes, `Tape<Tape<B>>`;
- **Δ**, differences: two gradients on `Tape<B>` with the step of bilevel-core's `CentralDifference`.

A tick says that the gradient and the product are right: to a relative error of 1e-9 (Δ: 1e-7) in `f64`, and \
of 3e-5 (Δ: 1e-2) in `f32`. `f32` says: right, but with the accuracy of `f32` on an `f64` backend; `rough`: to 3e-2. `no` says \
that it panics, or is wrong; the note says which, and why.

`Wgpu` has a page of its own, second-order-coverage-wgpu.md, written where the feature `wgpu` is on, on Mesa's software Vulkan.
";

/// Numbers the explanations in the order in which they are needed.
#[derive(Default)]
struct Notes {
    used: Vec<&'static Hole>,
}

impl Notes {
    fn cells(&mut self, row: &Row, backend: &str) -> [String; 2] {
        let tolerance = if backend.contains("f64") {
            TOLERANCE_F64
        } else {
            TOLERANCE_F32
        };
        [0, 1].map(|engine| match &row.engines[engine] {
            Ok(error) if *error < tolerance[engine] => "✓".to_owned(),
            measured => {
                let verdict = match measured {
                    Ok(error) if *error < SINGLE && backend.contains("f64") => "f32",
                    Ok(error) if *error < SINGLE => "rough",
                    _ => "no",
                };
                format!("{verdict} ({})", self.number(row, backend, measured))
            }
        })
    }

    fn number(&mut self, row: &Row, backend: &str, measured: &Result<f64, String>) -> usize {
        let explains = |hole: &&Hole| {
            let says = match measured {
                Ok(error) if *error < SINGLE => hole.says != WRONG,
                Ok(_) => hole.says == WRONG,
                Err(panic) => !hole.says.is_empty() && panic.contains(hole.says),
            };
            let case = hole.cases.iter().any(|case| row.name.starts_with(case));
            says && case && backend.contains(hole.backend)
        };
        let Some(hole) = HOLES.iter().find(explains) else {
            panic!(
                "{} on {backend} is not explained in holes.rs: {measured:?}",
                row.name
            );
        };
        let known = self.used.iter().position(|used| std::ptr::eq(*used, hole));
        known.unwrap_or_else(|| {
            self.used.push(hole);
            self.used.len() - 1
        }) + 1
    }

    fn assert_all_used(&self, columns: &[Column]) {
        let shown = |hole: &&Hole| columns.iter().any(|c| c.backend.contains(hole.backend));
        for hole in HOLES.iter().filter(shown) {
            let used = self.used.iter().any(|used| std::ptr::eq(*used, hole));
            assert!(
                used,
                "nothing needs this explanation any more: {}",
                hole.why
            );
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (i, hole) in self.used.iter().enumerate() {
            let _ = writeln!(text, "{}. {}", i + 1, hole.why);
        }
        text
    }
}

/// Compares `text` with the committed page of that name, or replaces it if `UPDATE_COVERAGE` is
/// set.
pub fn check_or_write(name: &str, text: &str) {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../bilevel-backend/docs")
        .join(name);
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        let draft = page.with_extension("md.draft");
        fs::write(&draft, text).expect("the folder docs can be written to");
        fs::rename(draft, page).expect("the page can be replaced");
        return;
    }
    let committed = fs::read_to_string(&page).unwrap_or_default();
    for (measured, committed) in text.lines().zip(committed.lines()) {
        assert_eq!(
            measured,
            committed,
            "{} does not say what was measured; if the change is meant, run this test with UPDATE_COVERAGE=1",
            page.display()
        );
    }
    assert_eq!(
        text.len(),
        committed.len(),
        "run this test with UPDATE_COVERAGE=1"
    );
}
