//! The table in the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::row::Rows;

const INTRODUCTION: &str = "\
# What every backend computes alike

Written by `cargo test --features wgpu --test conformance` when it is run with `UPDATE_CONFORMANCE=1`; the test fails when a line is not \
kept on a backend, and when this page does not say what it tests. `Wgpu` is among the backends where the feature `wgpu` is on, as in the project's \
continuous integration, which runs it on Mesa's software Vulkan.

A number is the largest relative error that is allowed. *Formula*: what should come out is known in closed form. *f64*: `NdArray f64` \
said so when `tests/conformance/golden.tsv` was written. Layers of networks have [a table of their \
own](../crates/bilevel-backend/docs/second-order-coverage.md).
";

pub fn is_to_be_written() -> bool {
    std::env::var_os("UPDATE_CONFORMANCE").is_some()
}

/// Compares the page with the committed one, or replaces it.
pub fn check_or_write(rows: &Rows) {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let text = render(rows);
    if is_to_be_written() {
        let draft = page.with_extension("md.draft");
        fs::write(&draft, text).expect("the folder docs can be written to");
        fs::rename(draft, page).expect("the page can be replaced");
        return;
    }
    let committed = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        text == committed,
        "{} does not list what is tested: run this test with UPDATE_CONFORMANCE=1",
        page.display()
    );
}

fn render(rows: &Rows) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut section = "";
    for row in &rows.list {
        if row.section != section {
            section = row.section;
            let _ = write!(
                text,
                "\n## {section}\n\n| | against | NdArray f64 | Cpu f64 | Cpu f32 | Wgpu f32 |\n|---|---|---|---|---|---|\n"
            );
        }
        let against = if row.expected.is_some() {
            "formula"
        } else {
            "f64"
        };
        let [double, single] = row.tolerance;
        let _ = writeln!(
            text,
            "| {} | {against} | ✓ {double:.0e} | ✓ {double:.0e} | ✓ {single:.0e} | ✓ {single:.0e} |",
            row.name
        );
    }
    text
}
