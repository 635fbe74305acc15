//! `bilevel methods`: the update rules and their presets.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::clean::method::{MethodName, Tuning};
use crate::clean::preset as cleaning_preset;
use crate::compare::quadratic_preset;
use crate::io::output::say;

/// A method, in words.
#[derive(Debug, Serialize)]
struct Row {
    /// As `--method` takes it.
    method: String,
    title: &'static str,
    paper: String,
    /// What the paper says of the steps.
    steps: &'static str,
    /// Of `bench stochastic`.
    bench: String,
    /// Of `clean`.
    clean: String,
    /// Where the sizes of `clean` are from.
    clean_origin: &'static str,
}

/// Runs the command.
pub(crate) fn methods(json: bool) -> Result<ExitCode> {
    let rows: Vec<Row> = MethodName::value_variants()
        .iter()
        .map(|&method| row(method))
        .collect();
    if json {
        say!("{}", serde_json::to_string(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    for row in rows {
        say!("{:<9} {}, {}", row.method, row.title, row.paper);
        say!("  paper   steps: {}", row.steps);
        say!("  bench   {}", row.bench);
        say!("  clean   {}; {}", row.clean, row.clean_origin);
    }
    say!("t counts steps from 1; steps of x of clean are in units of the number of samples");
    say!("sizes of bench: ours, the best of a few at seed 0");
    Ok(ExitCode::SUCCESS)
}

fn row(method: MethodName) -> Row {
    let paper = method.paper();
    let arxiv = paper.arxiv.map(|number| format!(", arXiv:{number}"));
    let clean = cleaning_preset::preset(method, None);
    let on = match clean.batch {
        Some(batch) => format!("blocks of {batch}"),
        None => "all samples".to_string(),
    };
    let numbers = numbers(method, &clean.tuning);
    Row {
        method: method.to_possible_value().expect("named").get_name().into(),
        title: method.title(),
        paper: format!("{}{}", paper.authors, arxiv.unwrap_or_default()),
        steps: paper.steps,
        bench: self::numbers(method, &quadratic_preset::preset(method)),
        clean: format!("{} steps on {on}: {numbers}", clean.steps),
        clean_origin: clean.origin,
    }
}

/// The numbers that the method uses.
fn numbers(method: MethodName, tuning: &Tuning) -> String {
    use MethodName as M;
    let falling = |initial: f64, power: f64| match power {
        0.0 => format!("{initial}"),
        _ => format!("{initial} t^-{power:.2}"),
    };
    let powers = tuning.powers;
    let mut words = vec![
        format!("y {}", falling(tuning.lower_step, powers.lower)),
        format!("x {}", falling(tuning.upper_step, powers.upper)),
    ];
    if method.has_inner_loop() {
        words.push(format!("{} inner steps", tuning.inner_steps));
    }
    if method.has_series() {
        words.push(format!("{} terms of {}", tuning.terms, tuning.series_step));
    }
    match method {
        M::F2sa | M::F3sa => words.push(format!(
            "multiplier {} t^{:.2}",
            tuning.weight, powers.weight
        )),
        M::VPbgd | M::GPbgd => words.push(format!("multiplier {}", tuning.weight)),
        M::Bvfsm => words.push(format!(
            "barriers {}",
            falling(tuning.weight, powers.weight)
        )),
        M::Bome => words.push(format!("eta {}", tuning.weight)),
        M::Pzobo => words.push(format!("radius {}", tuning.weight)),
        _ => {}
    }
    if method.has_momentum() {
        words.push(format!("share {}", falling(tuning.eta, powers.eta)));
    }
    if matches!(method, M::Srba | M::Vrbo) {
        words.push(format!("all samples every {} steps", tuning.period));
    }
    words.join(", ")
}
