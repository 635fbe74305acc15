//! `bilevel audit denoise`: is this estimator right, here?

use std::process::ExitCode;

use anyhow::{Result, ensure};
use bilevel_core::AuditSettings;

use super::spinner;
use crate::arguments::AuditArguments;
use crate::audit_report::{AuditReport, text};
use crate::model_file::load_model;
use crate::small_problem::{Exact, SmallProblem};

/// Where a lower solve stops: `‖∇y g‖`.
const LOWER_TOLERANCE: f64 = 1e-10;

/// Runs the command.
pub(crate) fn audit(arguments: &AuditArguments) -> Result<ExitCode> {
    let AuditArguments {
        estimator: name,
        problem,
        directions,
        ..
    } = arguments;
    let budget = arguments.steps.unwrap_or_else(|| name.ample_budget());
    ensure!(budget > 0, "--steps must be at least 1");
    ensure!(*directions > 0, "--directions must be at least 1");
    let model = match &arguments.model {
        Some(path) => Some(load_model::<Exact>(Some(path), &Default::default())?),
        None => None,
    };
    let small = SmallProblem::new(problem, model)?;
    let estimator = name.build(budget, &small);
    let settings = AuditSettings {
        directions: *directions,
        seed: problem.seed,
        ..AuditSettings::default()
    };
    let spinner = spinner("auditing");
    let audit = bilevel_core::audit(
        small.at(&small.batch.start()),
        &small.lower(LOWER_TOLERANCE),
        &*estimator,
        &settings,
    );
    spinner.finish_and_clear();

    let report = AuditReport::new(&audit, name.name(), name.setting(budget));
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", text(&audit, &report));
    }
    Ok(ExitCode::from(u8::from(!audit.is_sound())))
}
