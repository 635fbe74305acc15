//! Measuring in another process, because Burn fixes the default float type of a device once.

use std::fmt::Write as _;
use std::process::Command;
use std::{env, fs};

use crate::measure::Judge;
use crate::table::Row;

/// Where the child leaves its report.
const REPORT: &str = "BILEVEL_SECOND_ORDER_REPORT";

/// What the test `name` of this program [`report`]s when run alone.
pub fn in_child(name: &str) -> (Vec<Row>, Vec<Result<Judge, String>>) {
    let path = env::temp_dir().join(format!("bilevel-second-order-{}", std::process::id()));
    let program = env::current_exe().expect("a test knows its program");
    let child = Command::new(program)
        .args([name, "--exact", "--ignored"])
        .env(REPORT, &path)
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{name} failed: {said}");
    let text = fs::read_to_string(&path).expect("the child wrote its report");
    fs::remove_file(path).expect("the report can be removed");
    let mut report = (Vec::new(), Vec::new());
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        report.0.push(Row {
            section: fields[0].to_owned(),
            name: fields[1].to_owned(),
            engines: [parse(fields[2]), parse(fields[3])],
        });
        report.1.push(match fields[4..] {
            [slope_error, x, gradient, product] => Ok(Judge {
                slope_error: number(slope_error),
                x: x.split(' ').map(number).collect(),
                gradient: gradient.split(' ').map(number).collect(),
                product: product.split(' ').map(number).collect(),
            }),
            _ => Err(fields[4].to_owned()),
        });
    }
    report
}

/// Leaves a report for the parent, if this is a child.
pub fn report(rows: &[Row], judges: &[Result<Judge, String>]) {
    let Some(path) = env::var_os(REPORT) else {
        return;
    };
    let mut text = String::new();
    for (row, judge) in rows.iter().zip(judges) {
        let [double_backward, differences] = row.engines.clone().map(|engine| match engine {
            Ok(error) => format!("{error:e}"),
            Err(panic) => panic,
        });
        let judge = match judge {
            Ok(judge) => format!(
                "{:e}\t{}\t{}\t{}",
                judge.slope_error,
                numbers(&judge.x),
                numbers(&judge.gradient),
                numbers(&judge.product)
            ),
            Err(panic) => panic.clone(),
        };
        let (section, name) = (&row.section, &row.name);
        let _ = writeln!(
            text,
            "{section}\t{name}\t{double_backward}\t{differences}\t{judge}"
        );
    }
    fs::write(path, text).expect("the report can be written");
}

fn parse(field: &str) -> Result<f64, String> {
    field.parse().map_err(|_| field.to_owned())
}

fn number(field: &str) -> f64 {
    field.parse().expect("a number of the report")
}

fn numbers(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{v:e}")).collect();
    values.join(" ")
}
