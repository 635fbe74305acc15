//! An audit as text and as JSON.

use std::fmt::Write;

use bilevel_core::hypergradient::Bound;
use bilevel_core::{Audit, Certificate, Outcome};
use serde::Serialize;

use crate::training::metrics::Solve;

/// What `audit --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct AuditReport {
    /// `sound` or `not sound`.
    pub verdict: &'static str,
    /// The estimator.
    pub estimator: String,
    /// Its steps.
    pub setting: String,
    lower: Solve,
    directions: Vec<Direction>,
    /// Relative, over the directions.
    error: f64,
    first_order_error: f64,
    hessian_error: f64,
    cross_error: f64,
    certificate: Account,
    findings: Vec<String>,
}

/// The slope of `F` along one direction.
#[derive(Debug, Serialize)]
struct Direction {
    estimated: f64,
    measured: f64,
    uncertainty: f64,
}

/// The estimate's own account.
#[derive(Debug, Serialize)]
struct Account {
    /// Largest `‖∇y g‖` over the crops.
    lower_gradient: f64,
    /// Largest `‖∇²yy g · q − ∇y f‖` over the crops.
    adjoint_residual: Option<f64>,
    /// The estimator's own lower steps.
    lower: Option<Solve>,
    /// The solve for the adjoint.
    adjoint: Option<Solve>,
    gradients: usize,
    products: usize,
    crosses: usize,
    /// Smallest and largest curvature seen.
    curvature: Option<[f64; 2]>,
    bytes_planned: usize,
    bytes: usize,
    /// On the norm of the error.
    bound: Option<f64>,
    /// Constants without which there is no bound.
    missing: Vec<&'static str>,
    /// The bound with probed constants in their place: an estimate.
    probed_bound: Option<f64>,
}

impl From<&Certificate> for Account {
    fn from(certificate: &Certificate) -> Self {
        let (bound, missing) = match &certificate.bound {
            Bound::Known(bound) => (Some(*bound), Vec::new()),
            Bound::Missing(names) => (None, names.clone()),
            Bound::NotCovered => (None, Vec::new()),
        };
        Self {
            lower_gradient: certificate.lower_gradient_norm(),
            adjoint_residual: certificate.adjoint_residual(),
            lower: certificate.lower.map(Solve::from),
            adjoint: certificate.adjoint.map(Solve::from),
            gradients: certificate.gradients,
            products: certificate.products,
            crosses: certificate.crosses,
            curvature: certificate.curvature.map(|c| [c.smallest, c.largest]),
            bytes_planned: certificate.memory.planned,
            bytes: certificate.memory.actual,
            bound,
            missing,
            probed_bound: None,
        }
    }
}

impl AuditReport {
    /// The report of an audit.
    pub fn new(
        audit: &Audit,
        estimator: String,
        setting: String,
        probed_bound: Option<f64>,
    ) -> Self {
        let direction = |slope: &bilevel_core::audit::Slope| Direction {
            estimated: slope.estimated,
            measured: slope.measured,
            uncertainty: slope.uncertainty,
        };
        let [hessian_error, cross_error] = audit.second_order_error;
        Self {
            verdict: if audit.is_sound() {
                "sound"
            } else {
                "not sound"
            },
            estimator,
            setting,
            lower: audit.lower.into(),
            directions: audit.slopes.iter().map(direction).collect(),
            error: audit.error,
            first_order_error: audit.first_order_error,
            hessian_error,
            cross_error,
            certificate: Account {
                probed_bound,
                ..(&audit.certificate).into()
            },
            findings: audit.findings.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The audit for people; the verdict is the first line.
pub(crate) fn text(audit: &Audit, report: &AuditReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
    line(report.verdict.to_owned());
    line(String::new());
    line(format!(
        "{:>9}  {:>13}  {:>13}  {:>11}",
        "direction", "estimated", "measured", "uncertainty"
    ));
    for (i, slope) in report.directions.iter().enumerate() {
        line(format!(
            "{:>9}  {:>13.6e}  {:>13.6e}  {:>11.1e}",
            i + 1,
            slope.estimated,
            slope.measured,
            slope.uncertainty
        ));
    }
    line(String::new());
    let mut fact = |name: &str, value: String| line(format!("{name:18}  {value}"));
    fact(
        "estimator",
        [&*report.estimator, &*report.setting]
            .join(" ")
            .trim_end()
            .to_owned(),
    );
    fact("relative error", format!("{:.1e}", report.error));
    fact("lower solve", outcome(&audit.lower));
    fact(
        "first derivatives",
        format!(
            "differ from differences by {:.1e}",
            report.first_order_error
        ),
    );
    fact(
        "second derivatives",
        format!(
            "differ from differences by {:.1e} (∇²yy g), {:.1e} (∇²xy g)",
            report.hessian_error, report.cross_error
        ),
    );
    facts(&audit.certificate, &mut fact);
    if let Some(bound) = report.certificate.probed_bound {
        fact("with probed ones", format!("about {bound:.1e}"));
    }
    for finding in &report.findings {
        line(format!("- {finding}"));
    }
    text
}

/// The lines of a certificate.
fn facts(certificate: &Certificate, fact: &mut impl FnMut(&str, String)) {
    if let Some(lower) = &certificate.lower {
        fact("own lower steps", outcome(lower));
    }
    fact(
        "‖∇y g‖",
        format!("{:.1e}", certificate.lower_gradient_norm()),
    );
    if let Some(adjoint) = &certificate.adjoint {
        fact("adjoint solve", outcome(adjoint));
    }
    if let Some(residual) = certificate.adjoint_residual() {
        fact("adjoint residual", format!("{residual:.1e}"));
    }
    fact(
        "cost",
        format!(
            "{} gradients, {} Hessian products, {} cross terms",
            certificate.gradients, certificate.products, certificate.crosses
        ),
    );
    if let Some(curvature) = certificate.curvature {
        fact(
            "curvature seen",
            format!("{:.3} to {:.3}", curvature.smallest, curvature.largest),
        );
    }
    let memory = certificate.memory;
    fact(
        "memory",
        format!("{} bytes, {} planned", memory.actual, memory.planned),
    );
    let bound = match &certificate.bound {
        Bound::Known(bound) => format!("{bound:.1e}"),
        Bound::Missing(names) => {
            format!("not known: the problem does not state {}", names.join(", "))
        }
        Bound::NotCovered => "none for estimates of this form".to_owned(),
    };
    fact("error bound", bound);
}

fn outcome(outcome: &Outcome) -> String {
    format!(
        "{} after {} steps, residual {:.1e}",
        outcome.status, outcome.steps, outcome.residual
    )
}
