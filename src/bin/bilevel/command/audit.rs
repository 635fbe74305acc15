//! `bilevel audit denoise`: is this estimator right, here?

use std::process::ExitCode;

use anyhow::{Result, ensure};
use bilevel_backend::Cpu;
use bilevel_core::{AuditSettings, BilevelProblem, Bound, Certificate, Probe, positive};
use bilevel_models::physics::ClosedForm;
use burn::module::AutodiffModule;
use tracing::info;

use crate::args::AuditArguments;
use crate::compare::audit_report::{AuditReport, text};
use crate::compare::estimators::problem::SmallProblem;
use crate::imaging::model_file::load_model;
use crate::io::output::say;
use crate::io::progress::Progress;

/// Where a lower solve stops: `‖∇y g‖`.
const LOWER_TOLERANCE: f64 = 1e-10;

/// Steps and directions of the probes for constants that the problem does not state.
const PROBES: usize = 40;
/// How far around the solution they look, relative to it.
const PROBE_RADIUS: f64 = 1e-2;

/// The error bound with the constants that the problem states, and probed ones for the others.
fn probed_bound(small: &SmallProblem, certificate: &Certificate, seed: u64) -> Result<Option<f64>> {
    let solution = small.solve(LOWER_TOLERANCE)?;
    let probe = Probe {
        probes: PROBES,
        radius: PROBE_RADIUS,
        seed,
    };
    let probed = probe.constants(small.at(&solution.value), &ClosedForm);
    let stated = small.problem.constants(&small.x.valid(), &small.batch);
    Ok(match certificate.bound_for(&stated.or(probed)) {
        Bound::Known(bound) => Some(bound),
        _ => None,
    })
}

/// Runs the command.
pub(crate) fn audit(arguments: &AuditArguments) -> Result<ExitCode> {
    let AuditArguments {
        estimator: name,
        problem,
        directions,
        ..
    } = arguments;
    let budget = arguments.steps.unwrap_or_else(|| name.ample_budget());
    let tolerance = positive("--tolerance", arguments.tolerance)?;
    ensure!(
        arguments.steps.is_none() || name.has_budget(),
        "--steps: {} makes one step, always",
        name.name()
    );
    let model = match &arguments.model {
        Some(path) => Some(load_model::<Cpu>(Some(path), &Default::default())?),
        None => None,
    };
    let small = SmallProblem::new(problem, model)?;
    info!(
        estimator = name.name(),
        budget,
        crops = problem.images,
        side = problem.crop,
        "auditing"
    );
    let estimator = name.build(budget, &small);
    let settings = AuditSettings {
        directions: *directions,
        draws: arguments.draws,
        max_error: tolerance,
        seed: problem.seed,
        ..AuditSettings::default()
    };
    let progress = Progress::spinner("auditing");
    let audit = bilevel_core::audit(
        small.at(&small.batch.start()),
        &small.lower(LOWER_TOLERANCE),
        &*estimator,
        &settings,
    );
    let probed = match audit.certificate.bound {
        Bound::Missing(_) => probed_bound(&small, &audit.certificate, problem.seed)?,
        Bound::Known(_) | Bound::NotCovered => None,
    };
    drop(progress);

    let report = AuditReport::new(&audit, name.name(), name.setting(budget), probed);
    if arguments.json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        say!("{}", text(&audit, &report).trim_end());
    }
    Ok(ExitCode::from(u8::from(!audit.is_sound())))
}
