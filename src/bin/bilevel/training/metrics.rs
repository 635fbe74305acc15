//! `metrics.jsonl`: one JSON object a step.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bilevel_core::{Outcome, Report};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::checksum::Checksum;
use crate::io::file::save;
use crate::plot::CurvePoint;

/// What is known about a step, as a line. It holds no times, so that the same seed gives the same
/// file.
pub(crate) trait MetricsLine: Serialize + DeserializeOwned {
    /// What the training curves show of it.
    fn point(&self) -> CurvePoint;
}

/// The line of an upper step of `train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Upper step, from 1.
    pub step: usize,
    /// Mean squared error on the batch.
    #[serde(with = "crate::io::number")]
    pub upper_loss: f64,
    /// Euclidean norm of the hypergradient.
    #[serde(with = "crate::io::number")]
    pub hypergradient_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// The lower solve.
    pub lower: Solve,
    /// The solve for the adjoint, of estimators that make one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adjoint: Option<Solve>,
    /// Lower and linear steps times images, of the run so far.
    #[serde(default)]
    pub cost: u64,
    /// Mean PSNR on the validation images after the step, in dB.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        with = "crate::io::number::option"
    )]
    pub validation_psnr: Option<f64>,
}

/// How a solve ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Solve {
    /// `converged`, `max_steps`, `breakdown`.
    pub status: String,
    /// Steps made.
    pub steps: usize,
    /// Largest residual norm over the images.
    #[serde(with = "crate::io::number")]
    pub residual: f64,
}

impl From<Outcome> for Solve {
    fn from(outcome: Outcome) -> Self {
        Self {
            status: outcome.status.to_string(),
            steps: outcome.steps,
            residual: outcome.residual,
        }
    }
}

impl Line {
    /// The line of a step.
    pub fn new(report: &Report, validation_psnr: Option<f64>) -> Self {
        Self {
            step: report.step,
            upper_loss: report.upper_loss,
            hypergradient_norm: report.hypergradient_norm,
            learning_rate: report.step_size,
            lower: report.lower.into(),
            adjoint: report.adjoint.map(Solve::from),
            cost: report.cost,
            validation_psnr,
        }
    }
}

impl MetricsLine for Line {
    fn point(&self) -> CurvePoint {
        CurvePoint {
            step: self.step,
            loss: self.upper_loss,
            validation: self.validation_psnr,
        }
    }
}

/// The lines of a run, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Metrics<L> {
    path: PathBuf,
    file: File,
    lines: Vec<L>,
    checksum: Checksum,
}

impl<L: MetricsLine> Metrics<L> {
    /// The file at `path` with its lines up to `step`, whose [`checksum`](Self::checksum) is known;
    /// later ones belong to steps that were lost.
    ///
    /// # Errors
    /// If the file cannot be written, or its lines are not those that the run wrote.
    pub fn open(path: &Path, step: usize, expected: u32) -> Result<Self> {
        let old = if step == 0 {
            String::new()
        } else {
            let text = std::fs::read_to_string(path);
            text.with_context(|| format!("cannot read {}: start with --overwrite", path.display()))?
        };
        let lines = old
            .lines()
            .take(step)
            .map(serde_json::from_str)
            .collect::<Result<Vec<L>, _>>()
            .with_context(|| format!("{} is damaged: start with --overwrite", path.display()))?;
        let mut checksum = Checksum::default();
        let mut kept = String::new();
        for line in old.lines().take(step) {
            checksum.add(line.as_bytes());
            kept += line;
            kept += "\n";
        }
        ensure!(
            step == 0 || checksum.value() == expected,
            "{} is not what the run left: start with --overwrite",
            path.display()
        );
        save(path, kept.as_bytes())?;
        let file = File::options().append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            lines,
            checksum,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, line: L) -> Result<()> {
        let mut text = serde_json::to_string(&line)?;
        self.checksum.add(text.as_bytes());
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        self.lines.push(line);
        Ok(())
    }

    /// All lines.
    pub fn lines(&self) -> &[L] {
        &self.lines
    }

    /// The checksum of the lines, which belongs to the state of the run.
    pub fn checksum(&self) -> u32 {
        self.checksum.value()
    }

    /// What the training curves show.
    pub fn curve(&self) -> Vec<CurvePoint> {
        self.lines.iter().map(L::point).collect()
    }
}
