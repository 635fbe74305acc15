//! Estimators side by side: what each cost and how far off it was.

use std::time::Instant;

use anyhow::{Result, ensure};
use bilevel_backend::{Cpu, Tape};
use bilevel_core::vector::{dot, norms, read};
use bilevel_core::{
    ConjugateGradient, Hypergradient, ImplicitDifferentiation, Status, Tolerance, Vector,
};
use bilevel_models::physics::{ClosedForm, Image};
use serde::Serialize;

use crate::compare::estimators::estimator::EstimatorName;
use crate::compare::estimators::problem::SmallProblem;
use crate::plot::TradeoffPoint;

/// Gradients that take as long as one product with `∇²yy g`.
const GRADIENTS_A_PRODUCT: f64 = 2.2;
/// Where the lower solve behind the reference stops: `‖∇y g‖`.
const LOWER_TOLERANCE: f64 = 1e-11;
/// Where the reference's adjoint stops, relative to `‖∇y f‖`.
const ADJOINT_TOLERANCE: f64 = 1e-13;

/// One estimator with one budget.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The estimator.
    #[serde(skip)]
    pub name: EstimatorName,
    /// Its name.
    pub estimator: String,
    /// The budget in words.
    pub setting: String,
    /// Gradients of the lower loss.
    pub gradients: usize,
    /// Products with its Hessian.
    pub products: usize,
    /// Cross terms.
    pub crosses: usize,
    /// Steps that the lower problem was solved with before: 0 for estimators that solve it
    /// themselves.
    pub lower_steps: usize,
    /// Wall clock, once.
    pub seconds: f64,
    /// Vectors kept between the passes.
    pub bytes: usize,
    /// `‖estimate − reference‖ / ‖reference‖`.
    pub error: f64,
    /// Cosine of the angle between the two.
    pub cosine: f64,
    /// How the solve for the adjoint ended, or the estimator's lower steps.
    pub status: Option<String>,
    /// Why the numbers are of no use.
    pub failure: Option<String>,
}

impl Row {
    /// What the picture shows.
    pub fn point(&self) -> TradeoffPoint {
        TradeoffPoint {
            cost: self.gradients as f64
                + GRADIENTS_A_PRODUCT * (self.products + self.crosses) as f64,
            seconds: self.seconds,
            bytes: self.bytes as f64,
            error: self.error,
        }
    }
}

/// The hypergradient to compare with, and where it was made.
pub(crate) struct Reference {
    /// The noisy crops, where solving begins.
    cold: Image<Tape<Cpu>>,
    /// The lower solution.
    solved: Image<Tape<Cpu>>,
    /// Steps it took.
    pub lower_steps: usize,
    /// Residual of its adjoint relative to the right side.
    pub residual: f64,
    gradient: Vector<Cpu>,
    /// Its norm.
    pub norm: f64,
}

impl Reference {
    /// Solves the lower problem and its adjoint as far as f64 goes.
    ///
    /// # Errors
    /// If one of the two solves does not get there.
    pub fn new(problem: &SmallProblem) -> Result<Self> {
        let solution = problem.solve(LOWER_TOLERANCE)?;
        let exact = ImplicitDifferentiation {
            second_order: ClosedForm,
            solver: ConjugateGradient {
                max_steps: 1000,
                tolerance: Tolerance::Relative(ADJOINT_TOLERANCE),
            },
        };
        let estimate = exact.estimate(problem.at(&solution.value), None, 0);
        let adjoint = estimate.certificate.adjoint.expect("it solves for one");
        ensure!(
            adjoint.status == Status::Converged,
            "the reference's adjoint ended with {} at {:.1e}: try another --seed or --image",
            adjoint.status,
            adjoint.residual
        );
        let upper = estimate
            .certificate
            .evidence
            .iter()
            .map(|e| e.upper_gradient);
        Ok(Self {
            cold: problem.batch.start(),
            solved: solution.value,
            lower_steps: solution.steps,
            residual: adjoint.residual / upper.fold(0.0, f64::max),
            norm: norms(estimate.gradient.clone())[0],
            gradient: estimate.gradient,
        })
    }

    /// Runs an estimator: from the noisy crops if it solves the lower problem, else at its
    /// solution.
    pub fn measure(&self, name: EstimatorName, budget: usize, problem: &SmallProblem) -> Row {
        let estimator = name.build(budget, problem);
        let (y, lower_steps) = if name.solves() {
            (&self.cold, 0)
        } else {
            (&self.solved, self.lower_steps)
        };
        let start = Instant::now();
        let estimate = estimator.estimate(problem.at(y), None, 0);
        let seconds = start.elapsed().as_secs_f64();

        let certificate = estimate.certificate;
        let gradient = estimate.gradient;
        let size = |v: Vector<Cpu>| norms(v)[0];
        let inner = read(dot(gradient.clone(), self.gradient.clone()))[0];
        Row {
            estimator: name.name(),
            setting: name.setting(budget),
            name,
            gradients: certificate.gradients,
            products: certificate.products,
            crosses: certificate.crosses,
            lower_steps,
            seconds,
            bytes: certificate.memory.actual,
            error: size(gradient.clone() - self.gradient.clone()) / self.norm,
            cosine: inner / (size(gradient) * self.norm),
            status: certificate
                .adjoint
                .or(certificate.lower)
                .map(|outcome| outcome.status.to_string()),
            failure: estimate.failure.map(|failure| failure.to_string()),
        }
    }
}

/// The rows for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:18}  {:15}  {:>9}  {:>8}  {:>7}  {:>5}  {:>9}  {:>9}  {:>8}  {:>8}  status",
        "estimator",
        "setting",
        "gradients",
        "products",
        "crosses",
        "lower",
        "seconds",
        "bytes",
        "error",
        "cosine"
    );
    for row in rows {
        text.push_str(&format!(
            "\n{:18}  {:15}  {:>9}  {:>8}  {:>7}  {:>5}  {:>9.4}  {:>9}  {:>8.1e}  {:>8.5}  {}",
            row.estimator,
            row.setting,
            row.gradients,
            row.products,
            row.crosses,
            row.lower_steps,
            row.seconds,
            row.bytes,
            row.error,
            row.cosine,
            row.failure
                .as_deref()
                .or(row.status.as_deref())
                .unwrap_or("-")
        ));
    }
    text
}

/// The rows as comma-separated values with a header.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut text = "estimator,setting,gradients,products,crosses,lower_steps,seconds,bytes,\
                    error,cosine,status,failure\n"
        .to_owned();
    for row in rows {
        text.push_str(&format!(
            "{},{},{},{},{},{},{:e},{},{},{},{},{}\n",
            row.estimator,
            row.setting,
            row.gradients,
            row.products,
            row.crosses,
            row.lower_steps,
            row.seconds,
            row.bytes,
            known(row.error),
            known(row.cosine),
            row.status.as_deref().unwrap_or_default(),
            quoted(row.failure.as_deref().unwrap_or_default())
        ));
    }
    text
}

/// A number, or an empty field where an estimate failed and there is none.
fn known(number: f64) -> String {
    match number.is_finite() {
        true => format!("{number:e}"),
        false => String::new(),
    }
}

/// A field that may hold commas and quotation marks.
pub(crate) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The rows as JSON, one a line.
///
/// # Errors
/// None in practice: the rows hold nothing that JSON cannot.
pub(crate) fn jsonl<'a, R: Serialize + 'a>(
    rows: impl IntoIterator<Item = &'a R>,
) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}
