//! Which operations and layers can be differentiated twice: measured, and written into the documentation.

mod case;
mod cases;
mod checkpointing;
mod holes;
mod measure;
mod process;
mod table;

use bilevel_backend::{Cpu, NdArray, Tape};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, set_default_dtypes};

use crate::measure::{Judge, Subject};
use crate::table::{Column, Row};

/// Three backends in two processes, because Burn fixes the default float type of a device once.
#[test]
fn the_table_says_what_is_measured() {
    let (cpu_f64, judges) = process::in_child("measure_cpu_f64");
    let (nd_array, _) = measure::<NdArray<f64>>(None);
    let (cpu_f32, _) = measure::<Cpu>(Some(&judges));
    let column = |backend, rows| Column { backend, rows };
    let text = table::render(&[
        column("NdArray f64", nd_array),
        column("Cpu f64", cpu_f64),
        column("Cpu f32", cpu_f32),
    ]);
    table::check_or_write(&text);
}

/// Run by [`the_table_says_what_is_measured`] in a process of its own.
#[test]
#[ignore = "half of another test"]
fn measure_cpu_f64() {
    let device = Default::default();
    set_default_dtypes::<Cpu>(&device, DType::F64, DType::I32).expect("no tensor was made before");
    let (rows, judges) = measure::<Cpu>(None);
    process::report(&rows, &judges);
}

/// All cases on one backend. In `f64` the judges are made, from differences; in `f32` they are given.
fn measure<B: Backend>(
    judges: Option<&[Result<Judge, String>]>,
) -> (Vec<Row>, Vec<Result<Judge, String>>) {
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
