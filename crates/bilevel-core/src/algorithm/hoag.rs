//! HOAG: accuracies on a schedule, a step size from the losses seen.

use std::convert::Infallible;

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::evaluation::{Evaluation, Solvers, each, equal_weights};
use super::state::project;
use super::stop::run;
use super::{Cost, End, Schedule, Stop, Task};
use crate::parameters::{pack, unpack};
use crate::vector::norms;
use crate::{
    Accuracy, Differentiable, Error, Hypergradient, LowerSolver, Observer, Report, WithTolerance,
};

/// Hyperparameter optimization with approximate gradients: the baseline of adaptive methods.
///
/// ```text
/// y to ‖∇y g‖ ≤ ε_k,   q to ‖∇y f − ∇²yy g · q‖ ≤ ε_k,   z = ∇x f − ∇²xy g · q,   L₀ = ‖z₀‖/√d,   x₊ = Π(x − z/L)
/// r = ‖x₊ − x‖,  C = ¼
/// f ≤ f₋ + C ε_k + (C + 1) ε₋ r − L r²:    x ← x₊,  L ← 0.95 L
/// else f ≥ 1.2 f₋:                         x stays, L ← 2 L,  ε ← ε/2 from now on
/// else:                                    x ← x₊
/// ```
///
/// `f₋`, `ε₋` are those of the step before. ε_k is a [`Schedule`]: `0.9ᵏ`, `(k+1)^{−2}` and
/// `(k+1)^{−3}` are the usual ones. It is the number in the tolerances of both solvers, which are
/// absolute in the paper. A step is judged one step later, by an inexact loss, and never taken
/// back: with a first step that is too long the loss grows before it falls. Costs one lower solve
/// and one estimate a step.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let lower = GradientDescent { step_size: 0.4, max_steps: 1000, tolerance: Tolerance::Absolute(0.0) };
/// let hypergradient = ImplicitDifferentiation {
///     second_order: DoubleBackward,
///     solver: ConjugateGradient { max_steps: 10, tolerance: Tolerance::Absolute(0.0) },
/// };
/// let accuracy = Schedule::Geometric { initial: 0.01, factor: 0.9 };
/// let hoag = Hoag::new(Scalar, lower, hypergradient, accuracy)?;
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let tasks = vec![Task::new(batch, y)];
/// let (state, ..) = hoag.run(HoagState::<B, _>::new(x), tasks, Stop::after(100), &mut |_: &Report| ());
/// assert!((state.x.value.val().into_scalar() - 0.4).abs() < 1e-3);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Pedregosa (2016), "Hyperparameter optimization with approximate gradient", ICML,
/// arXiv:1602.02355, Algorithm 1; the rule for L as the experiments of Salehi et al. (2025),
/// arXiv:2308.10098, have it.
///
/// # Differences from the paper
/// The paper leaves the step size open. A halved ε stays halved under every schedule.
#[derive(Debug, Clone)]
pub struct Hoag<P, L, H> {
    problem: P,
    lower: L,
    hypergradient: H,
    accuracy: Schedule,
}

/// What [`Hoag`] knows between steps.
pub struct HoagState<B: Backend, P: Differentiable<B>> {
    /// Upper variables.
    pub x: P::Upper<Tape<B>>,
    /// `L`, the inverse of the step size; `None`: from the first hypergradient.
    pub smoothness: Option<f64>,
    /// Factor on the scheduled accuracies.
    pub scale: f64,
    /// Loss and accuracy of the step before.
    pub last: Option<(f64, f64)>,
    /// Steps made, those included that left x where it was.
    pub step: usize,
    /// What was spent.
    pub cost: Cost,
}

/// What comes out of a step of [`Hoag`].
pub type HoagStep<B, P> = (HoagState<B, P>, Vec<Task<B, P>>, Report);

impl<B: Backend, P: Differentiable<B>> HoagState<B, P> {
    /// The state before the first step.
    pub fn new(x: P::Upper<Tape<B>>) -> Self {
        Self {
            x,
            smoothness: None,
            scale: 1.0,
            last: None,
            step: 0,
            cost: Cost::default(),
        }
    }
}

// By hand: a derived `Clone` would ask for `P: Clone`.
impl<B: Backend, P: Differentiable<B>> Clone for HoagState<B, P> {
    fn clone(&self) -> Self {
        Self {
            x: self.x.clone(),
            ..*self
        }
    }
}

impl<P, L, H> Hoag<P, L, H> {
    /// The method. Of the tolerances of `lower` and `hypergradient` the kind is used, absolute or
    /// relative, and not the number.
    ///
    /// # Errors
    /// If the accuracies are not positive.
    pub fn new(problem: P, lower: L, hypergradient: H, accuracy: Schedule) -> Result<Self, Error> {
        let accuracy = accuracy.checked("accuracy")?;
        Ok(Self {
            problem,
            lower,
            hypergradient,
            accuracy,
        })
    }
}

impl<P: Sync, L: Sync, H: Sync> Hoag<P, L, H> {
    /// One upper step on `tasks`, which come back with their solvers advanced.
    ///
    /// If the numbers on the way are of no use, state and tasks come back as they were, but for
    /// what was spent, and the report says where ([`Report::failure`]). A step that was refused has
    /// step size 0 in its report.
    ///
    /// # Panics
    /// If there is no task.
    pub fn step<B>(&self, mut state: HoagState<B, P>, tasks: Vec<Task<B, P>>) -> HoagStep<B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        H: Hypergradient<B, P> + WithTolerance,
    {
        const C: f64 = 0.25;
        let weights = equal_weights(tasks.len());
        let k = state.step;
        let epsilon = self.accuracy.at(k) * state.scale;
        let solvers = Solvers {
            problem: &self.problem,
            lower: &self.lower.with_number(epsilon),
            hypergradient: &self.hypergradient.with_number(epsilon),
        };
        let first = (k + 1) * tasks.len();
        let solved = each(&state.x, tasks.iter(), |index, x, task| {
            solvers.solve((first + index) as u64, &x, task)
        });
        let here = Evaluation::mean(&state.x, solved, &weights);
        state.cost += here.cost;
        let mut report = here.report(k + 1, 0.0, state.cost);
        report.accuracy = Some(Accuracy {
            lower: epsilon,
            adjoint: epsilon,
            bound: here.bound(&weights),
        });
        if report.failure.is_some() {
            return (state, tasks, report);
        }
        let (f, z) = (here.loss, here.gradient);
        state.step = k + 1;
        let (f_last, epsilon_last) = state
            .last
            .replace((f, epsilon))
            .unwrap_or((f64::INFINITY, 0.0));
        if here.gradient_norm <= 0.0 {
            return (state, here.tasks, report); // no step, and no L from it
        }
        let x = pack(&state.x, 1);
        let dim = x.dims()[1] as f64;
        let l = state.smoothness.unwrap_or(here.gradient_norm / dim.sqrt());
        let moved = unpack(state.x.clone(), x.clone() - z / l);
        let moved = project(&self.problem, moved);
        let r = norms(pack(&moved, 1) - x)[0];

        let (takes, factor) =
            if f <= f_last + C * epsilon + (C + 1.0) * epsilon_last * r - l * r * r {
                (true, 0.95)
            } else if f >= 1.2 * f_last {
                (false, 2.0)
            } else {
                (true, 1.0)
            };
        state.smoothness = Some(l * factor);
        if takes {
            report.step_size = 1.0 / l;
            state.x = moved;
        } else {
            report.rejected = 1;
            state.scale *= 0.5;
        }
        (state, here.tasks, report)
    }

    /// Upper steps on the same tasks until `stop`.
    ///
    /// # Panics
    /// If there is no task.
    pub fn run<B>(
        &self,
        state: HoagState<B, P>,
        tasks: Vec<Task<B, P>>,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> End<HoagState<B, P>, B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        H: Hypergradient<B, P> + WithTolerance,
    {
        let progress = |state: &HoagState<B, P>| (state.step, state.cost);
        let Ok(end) = run((state, tasks), stop, observer, progress, |state, tasks| {
            Ok::<_, Infallible>(self.step(state, tasks))
        });
        end
    }
}
