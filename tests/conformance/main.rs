//! Whether every backend computes the same: formulas, estimators, regularizers, learners, twenty
//! steps of algorithms.
//!
//! Each function of the list is run on each backend. What it gives is held against a formula where
//! there is one, else against what `NdArray<f64>` gave when `golden.tsv` was written.
//! `UPDATE_CONFORMANCE=1 cargo test --features wgpu --test conformance` writes that file and
//! `docs/conformance.md` anew.

mod algorithms;
mod child;
#[cfg(feature = "wgpu")]
mod devices;
mod distributed;
mod estimators;
mod few_shot;
mod golden;
mod images;
mod linear;
mod memory;
mod projections;
mod quadratic;
mod row;
mod rules;
mod saddle;
mod table;

use bilevel::backend::Cpu;
use bilevel::burn::tensor::backend::Backend;
use burn_ndarray::NdArray;

use crate::golden::Golden;
use crate::row::{Precision, Rows};

/// Four backends in two processes, because Burn fixes the default float type of a device once.
#[test]
fn every_backend_computes_the_same() {
    let exact = measure::<NdArray<f64>>();
    if table::is_to_be_written() {
        golden::write(&exact);
    }
    let golden = Golden::read();
    let mut failures = exact.failures("NdArray f64", Precision::Double, &golden);
    failures.extend(child::failures("cpu_f64"));
    let mut check = |name, rows: Rows| {
        failures.extend(rows.failures(name, Precision::Single, &golden));
    };
    check("Cpu f32", measure::<Cpu>());
    #[cfg(feature = "wgpu")]
    check("Wgpu f32", measure::<bilevel::backend::Wgpu>());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    table::check_or_write(&exact);
}

/// Run by [`every_backend_computes_the_same`] in a process of its own.
#[test]
#[ignore = "half of another test"]
fn cpu_f64() {
    Cpu::use_f64().expect("the first thing that this process computes");
    let rows = measure::<Cpu>();
    child::report(&rows.failures("Cpu f64", Precision::Double, &Golden::read()));
}

/// The whole list on one backend.
fn measure<B: Backend>() -> Rows {
    let mut rows = Rows::default();
    linear::rows::<B>(&mut rows);
    estimators::rows::<B>(&mut rows);
    images::rows::<B>(&mut rows);
    projections::rows::<B>(&mut rows);
    few_shot::rows::<B>(&mut rows);
    algorithms::rows::<B>(&mut rows);
    saddle::rows::<B>(&mut rows);
    rules::rows::<B>(&mut rows);
    distributed::rows::<B>(&mut rows);
    memory::rows::<B>(&mut rows);
    rows
}
