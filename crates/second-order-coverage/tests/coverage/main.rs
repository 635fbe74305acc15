//! Which operations and layers can be differentiated twice: measured, and written into the
//! documentation.

mod case;
mod cases;
mod checkpointing;
mod holes;
mod measure;
mod process;
mod table;

use std::sync::OnceLock;

use bilevel_backend::{Cpu, Tape};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, set_default_dtypes};
use burn_ndarray::NdArray;

use crate::measure::{Judge, Subject};
use crate::table::{Column, Row};

/// What one backend shows: a line a case, and what should come out of it.
type Measured = (Vec<Row>, Vec<Result<Judge, String>>);

/// Three backends in two processes, because Burn fixes the default float type of a device once.
#[test]
fn the_table_says_what_is_measured() {
    let (cpu_f64, judges) = cpu_f64();
    let (nd_array, _) = measure::<NdArray<f64>>(None);
    let (cpu_f32, _) = measure::<Cpu>(Some(judges));
    let column = |backend, rows| Column { backend, rows };
    let columns = [
        column("NdArray f64", nd_array),
        column("Cpu f64", cpu_f64.clone()),
        column("Cpu f32", cpu_f32),
    ];
    table::check_or_write("second-order-coverage.md", &table::render(&columns));
}

/// A page of its own, so that the other one can be checked where there is no graphics adapter.
#[cfg(feature = "wgpu")]
#[test]
fn the_table_of_wgpu_says_what_is_measured() {
    let (_, judges) = cpu_f64();
    let (rows, _) = measure::<bilevel_backend::Wgpu>(Some(judges));
    let backend = "Wgpu f32";
    let text = table::render(&[Column { backend, rows }]);
    table::check_or_write("second-order-coverage-wgpu.md", &text);
}

/// [`measure_cpu_f64`], once for all tests.
fn cpu_f64() -> &'static Measured {
    static MEASURED: OnceLock<Measured> = OnceLock::new();
    MEASURED.get_or_init(|| process::in_child("measure_cpu_f64"))
}

/// Run by the other tests in a process of its own.
#[test]
#[ignore = "half of another test"]
fn measure_cpu_f64() {
    let device = Default::default();
    set_default_dtypes::<Cpu>(&device, DType::F64, DType::I32).expect("no tensor was made before");
    let (rows, judges) = measure::<Cpu>(None);
    process::report(&rows, &judges);
}

/// All cases on one backend. In `f64` the judges are made, from differences; in `f32` they are
/// given.
fn measure<B: Backend>(judges: Option<&Vec<Result<Judge, String>>>) -> Measured {
    let once = cases::all::<Tape<B>>().list;
    let twice = cases::all::<Tape<Tape<B>>>().list;
    let epsilon = match judges {
        Some(_) => f32::EPSILON.into(),
        None => f64::EPSILON,
    };
    let measured = once
        .iter()
        .zip(&twice)
        .enumerate()
        .map(|(i, (once, twice))| {
            let subject = Subject::<B>::new(once, twice);
            let judge = match judges {
                Some(judges) => judges[i].clone(),
                None => subject.judge(),
            };
            let row = Row {
                section: once.section.to_owned(),
                name: once.name.to_owned(),
                engines: subject.errors(&judge, epsilon),
            };
            if std::env::var_os("SHOW_COVERAGE").is_some() {
                println!("{} {:?}", row.name, row.engines);
            }
            (row, judge)
        });
    measured.unzip()
}
