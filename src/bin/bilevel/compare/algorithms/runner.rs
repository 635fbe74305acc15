//! Algorithms side by side: how far each got for what it spent.

use anyhow::Result;
use bilevel_core::{
    ConjugateGradient, Hoag, HoagState, ImplicitDifferentiation, Isgd, IsgdSettings, Maid,
    MaidSettings, MaidState, Probe, Report, Sampling, Schedule, State, Task, Tolerance,
};
use bilevel_models::physics::ClosedForm;
use burn::optim::SgdConfig;
use burn::tensor::backend::Backend;
use serde::Serialize;

use crate::compare::algorithms::problem::{Contest, Problem, Scored, Upper};
use crate::compare::estimators::comparison::quoted;

/// Steps of an adjoint's solve at most.
const ADJOINT_STEPS: usize = 200;
/// A row is made whenever the cost grew by this factor.
const SPACING: f64 = 1.25;
/// Levels at which costs are compared.
const SHARES: [f64; 5] = [0.25, 0.5, 0.75, 0.9, 0.97];
/// Tasks in a batch of ISGD.
const BATCH: usize = 2;

/// An algorithm with its schedules.
///
/// | algorithm | batch | step size | accuracies of lower solve and adjoint |
/// |---|---|---|---|
/// | MAID | all | its own, from 300 | its own, from 0.01 and 1e-5 (absolute) |
/// | ISGD, constant | 2 | 150 | 0.1, 0.1 |
/// | ISGD, decreasing | 2 | 1000 (t + 1)^(−½) | 0.3 (t + 1)^(−½), the same |
/// | HOAG, geometric | all | its own, from 300 | 0.3 · 0.9ᵏ, the same |
/// | HOAG, quadratic | all | its own, from 300 | 0.3 (k + 1)^(−2), the same |
///
/// First step sizes were scanned (MAID 30, 100, 300; ISGD 80, 150, 300 and 300, 1000, 3000; HOAG
/// 100, 300, 1000) at seed 0 and a budget of 15,000, for the best training PSNR at its end up to
/// the noise of the batches; accuracies and powers were not. Of ISGD's decreasing ones 3000 ended
/// 0.1 dB higher than 1000, and fell back by 2 dB twice on the way. HOAG's own first step, of
/// length `√d`, is far too long here.
///
/// MAID's strong convexity is the problem's. The constants that the problem does not state are
/// probed at every step, which counts as cost: its tests are estimated, not certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlgorithmName {
    /// Adaptive, on all crops in every step.
    Maid,
    /// Stochastic, constant step size and accuracies.
    IsgdConstant,
    /// Stochastic, decreasing step sizes and accuracies.
    IsgdDecreasing,
    /// All crops in every step, accuracies that fall geometrically.
    HoagGeometric,
    /// All crops in every step, accuracies that fall with the square of the step's number.
    HoagQuadratic,
}

impl AlgorithmName {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Maid,
        Self::IsgdConstant,
        Self::IsgdDecreasing,
        Self::HoagGeometric,
        Self::HoagQuadratic,
    ];

    /// As in the legend.
    pub fn title(self) -> &'static str {
        match self {
            Self::Maid => "MAID",
            Self::IsgdConstant => "ISGD, constant",
            Self::IsgdDecreasing => "ISGD, decreasing",
            Self::HoagGeometric => "HOAG, geometric",
            Self::HoagQuadratic => "HOAG, quadratic",
        }
    }
}

/// An algorithm at one moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The algorithm.
    pub algorithm: &'static str,
    /// Upper steps.
    pub step: usize,
    /// Lower and linear steps times images.
    pub cost: u64,
    /// The upper loss on all training crops.
    pub training_loss: f64,
    /// Mean PSNR of the training crops in dB.
    pub training_psnr: f64,
    /// Mean PSNR of the test crops in dB.
    pub test_psnr: f64,
    /// Of the last step.
    pub step_size: f64,
    /// `ε` of the last step.
    pub lower_accuracy: f64,
    /// `δ` of the last step: absolute for MAID, relative to the right side for the others.
    pub adjoint_accuracy: f64,
    /// Points that steps tried and threw away so far.
    pub rejected: usize,
    /// Lower solves so far that ended at their limit of steps.
    pub capped: u64,
    /// Why the algorithm ended here, if not for want of budget.
    pub failure: Option<String>,
}

impl Row {
    fn scored(&self, scored: Scored) -> Self {
        Self {
            training_loss: scored.loss,
            training_psnr: scored.training_psnr,
            test_psnr: scored.test_psnr,
            ..self.clone()
        }
    }
}

/// Runs the algorithm until it has spent `budget`; `progress` is told what it spent.
///
/// # Errors
/// If it cannot be scored.
pub(crate) fn run<B: Backend>(
    name: AlgorithmName,
    contest: &Contest<B>,
    budget: u64,
    seed: u64,
    progress: &dyn Fn(u64),
) -> Result<Vec<Row>> {
    let problem = contest.problem.clone();
    let lower = contest.lower();
    let x = contest.start.clone();
    let solver = ConjugateGradient {
        max_steps: ADJOINT_STEPS,
        tolerance: Tolerance::Relative(0.0),
    };
    let implicit = ImplicitDifferentiation {
        second_order: ClosedForm,
        solver,
    };
    let course = Recorded {
        name,
        contest,
        budget,
        progress,
    };
    let isgd = |step_size, accuracy, adjoint_accuracy| {
        let settings = IsgdSettings {
            batch: BATCH,
            sampling: Sampling::Shuffled,
            step_size,
            lower_accuracy: accuracy,
            adjoint_accuracy,
            seed,
        };
        Isgd::new(problem.clone(), lower, implicit, settings)
    };
    match name {
        AlgorithmName::Maid => {
            let settings = MaidSettings {
                convex: true,
                probe: Some(Probe {
                    probes: 2,
                    radius: 1e-2,
                    seed,
                }),
                ..MaidSettings::default()
            };
            let maid = Maid::new(problem.clone(), lower, ClosedForm, solver, settings)?;
            let state = MaidState {
                step_size: 300.0,
                eps: 0.01,
                delta: 1e-5,
                ..MaidState::new(x)
            };
            course.run(
                state,
                |state| &state.x,
                |state, tasks| Ok(maid.step(state, tasks)?),
            )
        }
        AlgorithmName::IsgdConstant => {
            let isgd = isgd(
                Schedule::Constant(150.0),
                Schedule::Constant(0.1),
                Schedule::Constant(0.1),
            )?;
            let state = State::new(x, SgdConfig::new().init());
            course.run(
                state,
                |state| &state.x,
                |state, tasks| Ok(isgd.step(state, tasks)),
            )
        }
        AlgorithmName::IsgdDecreasing => {
            let decay = |initial| Schedule::Polynomial {
                initial,
                power: 0.5,
            };
            let isgd = isgd(decay(1000.0), decay(0.3), decay(0.3))?;
            let state = State::new(x, SgdConfig::new().init());
            course.run(
                state,
                |state| &state.x,
                |state, tasks| Ok(isgd.step(state, tasks)),
            )
        }
        AlgorithmName::HoagGeometric | AlgorithmName::HoagQuadratic => {
            let initial = 0.3;
            let accuracy = match name {
                AlgorithmName::HoagGeometric => Schedule::Geometric {
                    initial,
                    factor: 0.9,
                },
                _ => Schedule::Polynomial {
                    initial,
                    power: 2.0,
                },
            };
            let hoag = Hoag::new(problem.clone(), lower, implicit, accuracy)?;
            let state = HoagState {
                smoothness: Some(1.0 / 300.0),
                ..HoagState::new(x)
            };
            course.run(
                state,
                |state| &state.x,
                |state, tasks| Ok(hoag.step(state, tasks)),
            )
        }
    }
}

/// The cost of the first row whose training PSNR is as good.
fn cost_to(psnr: f64, rows: &[Row]) -> Option<u64> {
    let reached = rows.iter().find(|row| row.training_psnr >= psnr);
    reached.map(|row| row.cost)
}

/// Training PSNRs on the way from the start to the best that any algorithm reached, in dB, and what
/// each algorithm had spent at its first row that is as good.
pub(crate) fn levels(courses: &[Vec<Row>]) -> Vec<Level> {
    let rows = courses.iter().flatten();
    let psnrs = rows.map(|row| row.training_psnr);
    let (low, high) = psnrs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), psnr| {
        (low.min(psnr), high.max(psnr))
    });
    let level = |share: f64| {
        let training_psnr = low + share * (high - low);
        let costs = courses.iter().map(|rows| cost_to(training_psnr, rows));
        Level {
            share,
            training_psnr,
            costs: costs.collect(),
        }
    };
    SHARES.map(level).into()
}

/// A training PSNR, and what it cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Level {
    /// How much of the way from the worst to the best.
    pub share: f64,
    /// In dB.
    pub training_psnr: f64,
    /// What each algorithm had spent when it was there; `None` if it never was.
    pub costs: Vec<Option<u64>>,
}

/// What came of every algorithm, for people.
pub(crate) fn table(courses: &[Vec<Row>], levels: &[Level]) -> String {
    let mut text = format!(
        "{:16}  {:>6}  {:>8}  {:>8}  {:>8}  {:>8}  {:>6}",
        "algorithm", "steps", "cost", "training", "test", "rejected", "capped"
    );
    for level in levels {
        text.push_str(&format!(
            "  {:>8}",
            format!("{:.2} dB", level.training_psnr)
        ));
    }
    for (number, rows) in courses.iter().enumerate() {
        let last = rows.last().expect("there is a first row");
        text.push_str(&format!(
            "\n{:16}  {:>6}  {:>8}  {:>8.2}  {:>8.2}  {:>8}  {:>6}",
            last.algorithm,
            last.step,
            last.cost,
            last.training_psnr,
            last.test_psnr,
            last.rejected,
            last.capped
        ));
        for level in levels {
            let cost = level.costs[number].map_or("-".to_owned(), |cost| cost.to_string());
            text.push_str(&format!("  {cost:>8}"));
        }
        if let Some(failure) = &last.failure {
            text.push_str(&format!("  ended: {failure}"));
        }
    }
    text
}

/// The rows as comma-separated values with a header.
pub(crate) fn csv(courses: &[Vec<Row>]) -> String {
    let mut text = "algorithm,step,cost,training_loss,training_psnr,test_psnr,step_size,\
                    lower_accuracy,adjoint_accuracy,rejected,capped,failure\n"
        .to_owned();
    for row in courses.iter().flatten() {
        text.push_str(&format!(
            "{},{},{},{:e},{},{},{:e},{:e},{:e},{},{},{}\n",
            quoted(row.algorithm),
            row.step,
            row.cost,
            row.training_loss,
            row.training_psnr,
            row.test_psnr,
            row.step_size,
            row.lower_accuracy,
            row.adjoint_accuracy,
            row.rejected,
            row.capped,
            quoted(row.failure.as_deref().unwrap_or_default())
        ));
    }
    text
}

/// What is the same for all.
struct Recorded<'a, B: Backend> {
    name: AlgorithmName,
    contest: &'a Contest<B>,
    budget: u64,
    progress: &'a dyn Fn(u64),
}

impl<B: Backend> Recorded<'_, B> {
    /// Upper steps until the budget is spent or a step fails, with rows on the way. The last row is
    /// what the budget has led to: a step that it does not cover is not counted.
    fn run<S>(
        &self,
        mut state: S,
        x: impl Fn(&S) -> &Upper<B>,
        mut step: impl FnMut(S, Vec<Task<B, Problem>>) -> Result<(S, Vec<Task<B, Problem>>, Report)>,
    ) -> Result<Vec<Row>> {
        let mut judge = self.contest.judge();
        let mut row = Row {
            algorithm: self.name.title(),
            step: 0,
            cost: 0,
            training_loss: 0.0,
            training_psnr: 0.0,
            test_psnr: 0.0,
            step_size: 0.0,
            lower_accuracy: 0.0,
            adjoint_accuracy: 0.0,
            rejected: 0,
            capped: 0,
            failure: None,
        };
        let mut rows = Vec::new();
        let mut tasks = self.contest.tasks();
        let mut next = 0.0;
        loop {
            if row.cost as f64 >= next {
                rows.push(row.scored(judge.score(x(&state))?));
                next = (row.cost as f64 * SPACING).max(1.0);
            }
            let before = x(&state).clone();
            let report;
            (state, tasks, report) = step(state, tasks)?;
            (self.progress)(report.cost.min(self.budget));
            // A step that is solved as it starts costs nothing: there are not endlessly many of them.
            let spent = report.cost.max(report.step as u64) > self.budget;
            if spent || report.failure.is_some() {
                row.cost = report.cost.min(self.budget);
                row.capped = report.truncated_solves;
                row.failure = report.failure.map(|failure| failure.to_string());
                rows.push(row.scored(judge.score(&before)?));
                return Ok(rows);
            }
            let accuracy = report.accuracy.expect("all of them tell");
            row = Row {
                step: report.step,
                cost: report.cost,
                step_size: report.step_size,
                lower_accuracy: accuracy.lower,
                adjoint_accuracy: accuracy.adjoint,
                rejected: row.rejected + report.rejected,
                capped: report.truncated_solves,
                ..row
            };
        }
    }
}
