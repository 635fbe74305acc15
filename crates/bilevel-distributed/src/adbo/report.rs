//! What a run tells the world.

use std::time::Duration;

/// One iteration, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The iteration, from 1.
    pub iteration: usize,
    /// When it was done, in the communicator's clock.
    pub time: Duration,
    /// Workers that were heard: Q.
    pub active: Vec<usize>,
    /// Workers that live.
    pub live: usize,
    /// The others.
    pub lost: Vec<usize>,
    /// Over the workers heard, the largest number of iterations since the directive that they
    /// followed: at most τ.
    pub staleness: usize,
    /// The largest counter `τᵢ` that any iteration so far was released with: below τ.
    pub stalest: usize,
    /// `h`, if planes were refreshed.
    pub distance: Option<f64>,
    /// Planes in force.
    pub planes: usize,
    /// `max λ_l`; 0 without planes.
    pub largest_lambda: f64,
    /// What was sent in this iteration.
    pub traffic: Traffic,
    /// Answers so far that were repeats, of a life that was over, or of no worker.
    pub dropped: u64,
    /// Answers so far that could not be used.
    pub refused: u64,
}

/// Numbers of vectors that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Taken from workers in their steps: `|Q| (dim x + dim y)`.
    pub up: usize,
    /// To workers for their steps: `|Q| (planes + dim x)`, and `N dim y` where there is a new
    /// plane.
    pub down: usize,
    /// For the estimate, both ways.
    pub estimate: usize,
    /// To workers that join.
    pub welcome: usize,
}

/// When a run ends: at the first of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Iterations that the state has behind it, those of earlier runs included.
    pub iterations: usize,
    /// Time in the communicator's clock.
    pub time: Duration,
}

impl Stop {
    /// After so many iterations.
    pub fn after(iterations: usize) -> Self {
        Self {
            iterations,
            time: Duration::MAX,
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The iterations are done.
    Iterations,
    /// The time is over.
    Time,
    /// The master's step is not finite: lower step sizes. The state is the one before it.
    NonFinite,
    /// Too few workers have been alive for too long.
    QuorumLost,
    /// A worker was lost, and the settings say that the run ends then.
    WorkerLost(
        /// Which.
        usize,
    ),
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stopped::Iterations => write!(f, "the iterations are done"),
            Stopped::Time => write!(f, "the time is over"),
            Stopped::NonFinite => write!(f, "the step is not finite: lower the step sizes"),
            Stopped::QuorumLost => write!(f, "too few workers are alive: start them again"),
            Stopped::WorkerLost(i) => write!(f, "worker {i} was lost: start it again"),
        }
    }
}
