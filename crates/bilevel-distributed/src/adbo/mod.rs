//! ADBO: asynchronous distributed bilevel optimization.

mod checkpoint;
mod master;
mod report;
mod settings;
mod state;

pub use checkpoint::Checkpoint;
pub use report::{Report, Stop, Stopped, Traffic};
pub use settings::{AdboSettings, Cuts, Steps};
pub use state::{AdboState, Arrival, WorkerState};

use crate::communicator::MasterCommunicator;
use crate::error::{Error, ErrorKind, in_range};
use master::Master;

/// Sees every [`Report`], and the state after the iteration; changes nothing.
pub trait Observer {
    /// Called after each iteration.
    fn report(&mut self, state: &AdboState, report: &Report);
}

/// Any closure observes.
impl<F: FnMut(&AdboState, &Report)> Observer for F {
    fn report(&mut self, state: &AdboState, report: &Report) {
        self(state, report);
    }
}

/// ADBO: N workers with their own data, a master that waits for S of them.
///
/// ```text
/// min Σᵢ Gᵢ(xᵢ, yᵢ)   s.t.  xᵢ = v,   h(v, {yᵢ}, z) ≤ ε
/// L = Σᵢ Gᵢ(xᵢ, yᵢ) + Σ_l λ_l (a_lᵀv + Σᵢ b_{i,l}ᵀyᵢ + c_lᵀz + κ_l) + Σᵢ θᵢᵀ(xᵢ − v) − ½ c₁ ‖λ‖² − ½ c₂ Σᵢ ‖θᵢ‖²
/// ```
///
/// `h` is the squared distance from an [estimate](crate::LowerEstimate) of the lower solution; `h ≤
/// ε` is replaced by [cutting planes](crate::Planes). Workers descend `L` in `xᵢ`, `yᵢ` with the
/// multipliers that they were told last; the master, when it has [heard enough of
/// them](crate::ActiveSet), descends in v, then z, and ascends in λ and the θᵢ of those heard.
/// Inactive workers keep all that is theirs.
///
/// Every [`Cuts::every`] iterations planes are refreshed: that iteration waits for all workers that
/// live, then they make the rounds of the estimate together, and, if `h > ε`, the rounds back. It
/// is the one synchronous place; what becomes of it where workers are lost is said at
/// [`OnLoss`](crate::OnLoss).
///
/// A worker costs a gradient of `G` an iteration that it takes part in; the rounds cost it K
/// gradients of `g` and K products. The master costs `|Q| P dim y + P (dim x + dim y) + N dim x`
/// multiplications with P planes. Sent: see [`Traffic`]. Memory of the master: `(N + 1)(2 dim x +
/// dim y)` numbers and `dim x + (N + 1) dim y` a plane.
///
/// **Step sizes.** A plane made at distance `√h` from the set has a gradient of about `2 √h`, and y
/// and λ circle about each other: with P such planes `η_λ η_y 4 h P` has to stay well below 4,
/// which bounds `η_λ` by the largest h of the run. Smaller c and steps circle less; with few of N
/// heard the average of the iterates is nearer to the optimum than the last one.
///
/// # Example
///
/// Two workers with `gᵢ = ½ (y − aᵢ v)²`, `Gᵢ = ½ (y − tᵢ)² + ¼ x²`; the lower solution is `y = 1.5
/// v`, the best v is `1.5 · 2 / (1.5² + 0.5)`, or 1.077 where `h ≤ ε = 10⁻²` is enough.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::Scalar;
/// use std::thread;
/// use std::time::Duration;
/// use bilevel_distributed::communicator::{InProcess, WorkerId};
/// use bilevel_distributed::message::Precision;
/// use bilevel_distributed::{
///     Adbo, AdboSettings, AdboState, Cuts, EstimateSettings, Participation, Prune, Regularization,
///     Steps, Stop, Stopped, Worker,
/// };
///
/// let adbo = Adbo::new(AdboSettings {
///     steps: Steps {
///         x: 0.02, y: 0.02, v: 0.02, z: 0.02, lambda: 0.02, theta: 0.02,
///         largest_lambda: f64::INFINITY, largest_theta: f64::INFINITY,
///     },
///     lambda_regularization: Regularization::Constant(0.0),
///     theta_regularization: Regularization::Constant(0.0),
///     estimate: EstimateSettings {
///         rounds: 50, lower_step: 0.2, consensus_step: 0.2, multiplier_step: 0.2, penalty: 1.0,
///     },
///     cuts: Cuts { every: 10, prune: Prune::Never, ..Cuts::default() },
///     // With S = 2 of 2 threads change nothing; `active: 1, staleness: Some(15)` waits for the faster one only.
///     participation: Participation::synchronous(2),
///     precision: Precision::Double,
/// }, 2)?;
///
/// let (mut master, hub) = InProcess::new();
/// let patience = Duration::from_secs(60);
/// let workers: Vec<_> = [(1.0, 1.0), (2.0, 3.0)].into_iter().enumerate().map(|(i, (a, t))| {
///     let mut end = hub.connect(WorkerId(i as u32));
///     thread::spawn(move || Worker::new(Scalar { a, t }).serve(&mut end, patience))
/// }).collect();
/// let start = AdboState::new(2, vec![0.0], vec![0.0]);
/// let (state, why) = adbo.run(start, &mut master, Stop::after(4000), &mut |_: &_, _: &_| ())?;
/// assert_eq!(why, Stopped::Iterations);
/// assert!((state.v[0] - 1.077).abs() < 0.01, "{}", state.v[0]);
/// for worker in workers {
///     worker.join().expect("no panic")?;
/// }
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
///
/// # References
/// Jiao, Yang, Wu, Song, Jian (2023), "Asynchronous Distributed Bilevel Optimization", ICLR,
/// arXiv:2212.10048.
///
/// # Differences from the paper
/// Where paper and program of the authors differ: planes are added only where `h > ε` and pruned by
/// the paper's rule or the program's ([`Prune`](crate::Prune)); regularisations fall as in the
/// paper or are constant as in the program; the refresh is the program's barrier. The start of the
/// estimate's rounds counts as fixed when `h` is differentiated, as in the program. Lost workers,
/// which the paper does not have, see [`OnLoss`](crate::OnLoss). Without a detector of losses a
/// silent worker stops the run after τ iterations, or at a refresh: that is what a bounded delay
/// means.
#[derive(Debug, Clone, PartialEq)]
pub struct Adbo {
    settings: AdboSettings,
    workers: usize,
    checkpoint: Option<Checkpoint>,
}

impl Adbo {
    /// For `workers` N.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(settings: AdboSettings, workers: usize) -> Result<Self, Error> {
        in_range("workers", workers as f64, workers > 0, "at least 1")?;
        settings.check(workers)?;
        Ok(Self {
            settings,
            workers,
            checkpoint: None,
        })
    }

    /// Keeps its state in a file. [`AdboState::load`] gives it back.
    ///
    /// # Errors
    /// If `every` is 0.
    pub fn with_checkpoint(self, checkpoint: Checkpoint) -> Result<Self, Error> {
        let every = checkpoint.every;
        in_range("checkpoint.every", every as f64, every > 0, "at least 1")?;
        Ok(Self {
            checkpoint: Some(checkpoint),
            ..self
        })
    }

    /// The settings.
    pub fn settings(&self) -> &AdboSettings {
        &self.settings
    }

    /// Iterations from `state` until `stop`, each seen by `observer`. The communicator is closed at
    /// the end: it serves one run, and its workers are told why it is over.
    ///
    /// # Errors
    /// If the state is not one of N workers of equal lengths, the communicator fails, or a
    /// checkpoint cannot be written. What ends a run otherwise is [`Stopped`], beside the state.
    pub fn run(
        &self,
        state: AdboState,
        communicator: &mut dyn MasterCommunicator,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> Result<(AdboState, Stopped), Error> {
        self.check(&state)?;
        let mut master = Master::new(self, state, communicator);
        let ended = master.run(stop, observer);
        let reason = match &ended {
            Ok(stopped) => stopped.to_string(),
            Err(e) => e.to_string(),
        };
        let state = master.close(reason);
        let stopped = ended?;
        if let Some(checkpoint) = &self.checkpoint {
            state.save(&checkpoint.path)?;
        }
        Ok((state, stopped))
    }

    fn check(&self, state: &AdboState) -> Result<(), Error> {
        let (n, m) = (state.v.len(), state.z.len());
        let fits = |w: &WorkerState| w.x.len() == n && w.theta.len() == n && w.y.len() == m;
        let reason = if state.workers.len() != self.workers {
            format!(
                "the state is of {} workers, the settings are for {}",
                state.workers.len(),
                self.workers
            )
        } else if let Some(i) = state.workers.iter().position(|worker| !fits(worker)) {
            format!("x, y or θ of worker {i} has another length than v ({n}) or z ({m})")
        } else {
            return Ok(());
        };
        Err(ErrorKind::Mismatch { reason }.into())
    }
}
