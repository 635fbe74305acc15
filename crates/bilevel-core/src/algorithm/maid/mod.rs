//! MAID: accuracies and step size chosen by certified tests.

mod constants;
mod gradient;
mod settings;
mod slack;
mod state;
mod trial;

pub use settings::{Direction, MaidSettings};
pub use state::MaidState;

use burn::tensor::backend::Backend;

use self::gradient::{Verdict, inaccurate};
use super::evaluation::equal_weights;
use super::stop::run;
use super::{End, Stop, Task};
use crate::{
    Accuracy, Differentiable, Error, LinearSolver, LowerSolver, Observer, Phase, Report,
    SecondOrder, WithTolerance, positive,
};

/// The Method of Adaptive Inexact Descent: it decides itself how exactly to solve, and how far to
/// step.
///
/// ```text
/// y:  ‖∇y g‖ ≤ μ ε,      q:  ‖∇²yy g · q − ∇y f‖ ≤ δ,      z = ∇x f − ∇²xy g · q,      ‖z − ∇F‖ ≤ ω
/// until ω ≤ (1 − η) ‖z‖:   ε ← ν ε,  δ ← ν δ                                        (z descends)
/// until ψ(α) ≤ 0:          α ← ρ α;  none of max_backtracks: ε ← ν ε, δ ← ν δ, from the top
///     ψ(α) = U(x₊) − D(x) + λ α ‖z‖²,   x₊ = x − α z,   y₊ solved from y to ε        (F decreases)
///     U = f + ‖∇y f‖ e + (L_f/2) e²,    D = f − ‖∇y f‖ e − (L_f/2) e²,   e = ‖∇y g‖/μ
/// x ← x₊,   α ← ρ̄ α,   ε ← ν̄ ε,   δ ← ν̄ δ
/// ```
///
/// Every step that is taken decreases the exact `F` by `λ α ‖z‖²` at least, whatever the first ε, δ
/// and α were: they need no tuning. With `f` convex in y ([`MaidSettings::convex`]) the last term
/// of `D` falls away. Near a minimum `F` decreases by less than its values are rounded by, and the
/// step fails: where `‖z‖` is about the root of the float type's precision, relative to the first.
/// End the run before, at a [`gradient_norm`](Stop::gradient_norm).
///
/// **Several systems and tasks.** `F = mean over tasks`, and a task's loss sees its systems `i`
/// with errors `‖y_i − y_i*‖ ≤ e_i`. With `⟨∇y f, y* − y⟩ ≤ Σ ‖∇y f_i‖ e_i` and `‖y* − y‖² ≤ Σ
/// e_i²`, in `U` and `D` stand the sums over the systems of `‖∇y f_i‖ e_i` and `(L_f/2) e_i²`;
/// `L_f` is that of the whole `f` in y, which for an `f` that is a sum over the systems is the
/// largest of theirs. The terms of ω add up over the systems too, for the cross terms do. Over the
/// tasks all three are means, as `F` and `z` are.
///
/// **Where a projection Π is given** ([`project`](crate::BilevelProblem::project)), `x₊ = Π(x − α
/// z)` and `(x − x₊)/α` stands for `z` in both tests, and in [`Report::hypergradient_norm`].
///
/// The constants are the problem's ([`constants`](crate::BilevelProblem::constants)). Those it does
/// not state are estimated at every step if there is a [`MaidSettings::probe`], and the worst found
/// so far counts; the tests are then estimated too, and not certified. Costs a step: one lower
/// solve and one adjoint for every refinement, one lower solve and one gradient of `f` and `g` for
/// every step size.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let all = Constants {
///     strong_convexity: Some(2.0),
///     upper_smoothness: Some(1.0),
///     cross_norm: Some(1.0),
///     cross_lipschitz: Some(0.0),
///     hessian_lipschitz: Some(0.0),
///     direct_lipschitz: Some(0.0),
/// };
/// # struct Stated(Constants);
/// # impl BilevelProblem for Stated {
/// #     type Upper<B: Backend> = Number<B>;
/// #     type Lower<B: Backend> = Number<B>;
/// #     type Batch<B: Backend> = NoData<B>;
/// #     fn upper_loss<B: Backend>(&self, x: &Number<B>, y: &Number<B>, d: &NoData<B>) -> Tensor<B, 1> {
/// #         Scalar.upper_loss(x, y, d)
/// #     }
/// #     fn lower_loss<B: Backend>(&self, x: &Number<B>, y: &Number<B>, d: &NoData<B>) -> Tensor<B, 1> {
/// #         Scalar.lower_loss(x, y, d)
/// #     }
/// #     fn constants<B: Backend>(&self, _: &Number<B>, _: &NoData<B>) -> Constants { self.0 }
/// # }
/// let problem = Stated(all); // the example with its constants
/// let lower = GradientDescent { step_size: 0.4, max_steps: 1000, tolerance: Tolerance::Absolute(0.0) };
/// let solver = ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(0.0) };
/// let maid = Maid::new(problem, lower, DoubleBackward, solver, MaidSettings::default())?;
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let stop = Stop { gradient_norm: 1e-6, ..Stop::after(1000) };
/// let (state, _, why) =
///     maid.run(MaidState::<B, _>::new(x), vec![Task::new(batch, y)], stop, &mut |_: &Report| ())?;
/// assert_eq!(why, Stopped::GradientNorm);
/// assert!((state.x.value.val().into_scalar() - 0.4).abs() < 1e-5);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Salehi, Mukherjee, Roberts, Ehrhardt (2025), "An Adaptively Inexact First-Order Method for
/// Bilevel Optimization with Application to Hyperparameter Learning", SIMODS 7(3),
/// arXiv:2308.10098, Algorithms 3.1 and 3.2, Theorem 2.1, Lemma 3.5.
///
/// # Differences from the paper
/// The measured `‖∇y g‖/μ` and residual, which are at most ε and δ, stand in ω, `U` and `D`: a
/// bound that is as valid and smaller, and that also holds where a solver ran out of steps.
/// Refinements end at `eps_min` and `delta_min`, where the step fails
/// ([`Cause::Inaccurate`](crate::Cause::Inaccurate)). Projection, systems and tasks are ours.
#[derive(Debug, Clone)]
pub struct Maid<P, L, D, S> {
    problem: P,
    lower: L,
    second_order: D,
    solver: S,
    settings: MaidSettings,
}

/// What comes out of a step of [`Maid`].
pub type MaidStep<B, P> = (MaidState<B, P>, Vec<Task<B, P>>, Report);

impl<P, L, D, S> Maid<P, L, D, S> {
    /// The method; the tolerances that `lower` and `solver` have are not used, their limits of
    /// steps are.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(
        problem: P,
        lower: L,
        second_order: D,
        solver: S,
        settings: MaidSettings,
    ) -> Result<Self, Error> {
        let settings = settings.checked()?;
        Ok(Self {
            problem,
            lower,
            second_order,
            solver,
            settings,
        })
    }

    /// The settings.
    pub fn settings(&self) -> &MaidSettings {
        &self.settings
    }
}

impl<P: Sync, L: Sync, D: Sync, S: Sync> Maid<P, L, D, S> {
    /// One upper step on `tasks`, which come back with their solvers advanced.
    ///
    /// If the numbers on the way are of no use, or cannot be had as exactly as they are needed,
    /// state and tasks come back as they were, but for what was spent, and the report says where
    /// ([`Report::failure`]).
    ///
    /// # Errors
    /// If a constant is neither stated nor probed, or ε, δ or α is not above zero.
    ///
    /// # Panics
    /// If there is no task.
    pub fn step<B>(
        &self,
        state: MaidState<B, P>,
        tasks: Vec<Task<B, P>>,
    ) -> Result<MaidStep<B, P>, Error>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        D: SecondOrder<B, P>,
        S: LinearSolver<B> + WithTolerance,
    {
        self.step_unless(Stop::default(), state, tasks)
    }

    /// Upper steps on the same tasks until `stop`.
    ///
    /// `stop.gradient_norm` is compared with `‖z‖` and with ω, before the line search: the last
    /// report then has step size 0.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    ///
    /// # Panics
    /// If there is no task.
    pub fn run<B>(
        &self,
        state: MaidState<B, P>,
        tasks: Vec<Task<B, P>>,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> Result<End<MaidState<B, P>, B, P>, Error>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        D: SecondOrder<B, P>,
        S: LinearSolver<B> + WithTolerance,
    {
        let progress = |state: &MaidState<B, P>| (state.step, state.cost);
        run((state, tasks), stop, observer, progress, |state, tasks| {
            self.step_unless(stop, state, tasks)
        })
    }

    /// A step, unless the hypergradient is as small as `stop` asks for.
    fn step_unless<B>(
        &self,
        stop: Stop,
        mut state: MaidState<B, P>,
        tasks: Vec<Task<B, P>>,
    ) -> Result<MaidStep<B, P>, Error>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        D: SecondOrder<B, P>,
        S: LinearSolver<B> + WithTolerance,
    {
        let MaidSettings {
            backtracking: rho,
            step_growth: rho_bar,
            relaxation: nu_bar,
            decrease: lambda,
            max_backtracks,
            max_refinements,
            convex,
            ..
        } = self.settings;
        let weights = equal_weights(tasks.len());
        let (mut eps, mut delta) = (positive("eps", state.eps)?, positive("delta", state.delta)?);
        positive("step_size", state.step_size)?;
        self.probe(&mut state, &tasks);
        let constants = self.constants(&state.x, &tasks, state.probed)?;
        let mut rejected = 0;
        let mut advanced = tasks.clone();
        for refinements in 0.. {
            let z = self.gradient(&mut state, &advanced, (eps, delta), &constants, stop);
            (eps, delta) = (z.eps, z.delta);
            let mut report = z.here.report(state.step + 1, 0.0, state.cost);
            report.hypergradient_norm = z.norm;
            report.rejected = rejected;
            report.accuracy = Some(Accuracy {
                lower: eps,
                adjoint: delta,
                bound: Some(z.omega),
            });
            match z.verdict {
                Verdict::Descends => {}
                Verdict::Flat => {
                    (state.eps, state.delta) = (eps, delta);
                    return Ok((state, z.here.tasks, report));
                }
                Verdict::Failed(failure) => {
                    report.failure = Some(failure);
                    return Ok((state, tasks, report));
                }
            }
            // D(x), at the accuracy that this hypergradient was made with.
            let systems = z.here.certificates.iter().zip(&constants);
            let below = systems.map(|(certificate, constants)| {
                let norms = certificate.evidence.iter();
                let norms = norms.map(|e| (e.lower_gradient, e.upper_gradient));
                constants.slack(norms).below(convex)
            });
            let below = below.zip(&weights).map(|(b, w)| b * w).sum::<f64>();
            let lowest = z.here.loss - below;

            let mut alpha = state.step_size;
            for _ in 0..max_backtracks + refinements {
                let (x, size) = self.moved(&state.x, &z.here.gradient, alpha);
                let trial = self.trial(&x, &z.here.tasks, eps, state.probed, &weights)?;
                state.cost += trial.cost;
                let psi = trial.upper - lowest + lambda * alpha * size * size;
                if psi <= 0.0 {
                    report.step_size = alpha;
                    report.rejected = rejected;
                    (report.cost, report.truncated_solves) =
                        (state.cost.steps, state.cost.truncated_solves);
                    let state = MaidState {
                        x,
                        eps: nu_bar * eps,
                        delta: nu_bar * delta,
                        step_size: rho_bar * alpha,
                        step: state.step + 1,
                        ..state
                    };
                    return Ok((state, trial.tasks, report));
                }
                rejected += 1;
                alpha *= rho;
            }
            let finer = self.refined(eps, delta);
            let Some(finer) = finer.filter(|_| refinements < max_refinements) else {
                report.rejected = rejected;
                (report.cost, report.truncated_solves) =
                    (state.cost.steps, state.cost.truncated_solves);
                report.failure = Some(inaccurate(Phase::UpperLoss));
                return Ok((state, tasks, report));
            };
            (eps, delta) = finer;
            advanced = z.here.tasks;
        }
        unreachable!("the loop ends with its refinements")
    }
}
