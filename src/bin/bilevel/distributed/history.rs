//! The history of a method: how accurate z was when.

use bilevel_distributed::{AdboState, Report, Stopped};
use serde::{Deserialize, Serialize};

use super::Task;

/// An evaluation of the master's z.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub iteration: usize,
    pub seconds: f64,
    /// On the test set.
    pub accuracy: f64,
    /// Mean of the workers' upper losses at their newest known points.
    pub loss: Option<f64>,
    pub planes: usize,
}

/// The history of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub method: String,
    /// Iterations done, and the time they took.
    pub iterations: usize,
    pub seconds: f64,
    /// Numbers sent from workers for their steps, to them, for estimates and for welcomes.
    pub sent: [usize; 4],
    /// The largest counter that an iteration was released with.
    pub stalest: usize,
    /// Why it ended, once it has.
    pub ended: Option<String>,
    /// Whether numbers were not finite.
    pub failed: bool,
    #[serde(alias = "looks")]
    pub evaluations: Vec<Evaluation>,
}

impl History {
    pub fn new(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            iterations: 0,
            seconds: 0.0,
            sent: [0; 4],
            stalest: 0,
            ended: None,
            failed: false,
            evaluations: Vec::new(),
        }
    }

    /// An iteration is done, of a run that began after `before` seconds. z is evaluated every `eval_every` seconds.
    pub fn observe(
        &mut self,
        task: &Task,
        eval_every: f64,
        before: f64,
        state: &AdboState,
        report: &Report,
    ) {
        let last = self.seconds;
        self.seconds = before + report.time.as_secs_f64();
        self.iterations = report.iteration;
        self.stalest = self.stalest.max(report.stalest);
        let traffic = report.traffic;
        let sent = [traffic.up, traffic.down, traffic.estimate, traffic.welcome];
        self.sent
            .iter_mut()
            .zip(sent)
            .for_each(|(sum, n)| *sum += n);
        let due = |seconds: f64| (seconds / eval_every).floor();
        if self.evaluations.is_empty() || due(self.seconds) > due(last) {
            self.evaluate(task, state);
        }
    }

    /// It is over.
    pub fn end(&mut self, task: &Task, state: &AdboState, why: Stopped) {
        self.ended = Some(why.to_string());
        self.failed = !matches!(why, Stopped::Iterations | Stopped::Time);
        self.evaluate(task, state);
    }

    /// At the last evaluation.
    pub fn accuracy(&self) -> f64 {
        self.evaluations
            .last()
            .map_or(0.0, |evaluation| evaluation.accuracy)
    }

    fn evaluate(&mut self, task: &Task, state: &AdboState) {
        let known = self
            .evaluations
            .last()
            .map(|evaluation| evaluation.iteration);
        if known == Some(self.iterations) {
            return;
        }
        self.evaluations.push(Evaluation {
            iteration: self.iterations,
            seconds: self.seconds,
            accuracy: task.judge(&state.z),
            loss: state
                .upper_loss()
                .map(|loss| loss / task.locals.len() as f64),
            planes: state.planes.len(),
        });
    }
}
