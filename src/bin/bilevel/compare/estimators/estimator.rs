//! The estimators of the hypergradient, by name.

use bilevel_backend::Cpu;
use bilevel_core::hypergradient::{Adam, Descent, HeavyBall, LowerMap, Nesterov};
use bilevel_core::{
    Accelerated, BilevelProblem, Checkpointing, ConjugateGradient, Darts, FixedLipschitz,
    ForwardMode, Gmres, ImplicitDifferentiation, Jacobi, JacobianFree, LinearSolver, Minres,
    Neumann, NeumannForm, NormalEquations, Nystrom, OneStep, Penalty, Richardson,
    StochasticNeumann, Tolerance, Unrolled, ZerothOrder,
};
use bilevel_models::physics::ClosedForm;
use burn::module::AutodiffModule;
use clap::ValueEnum;

use crate::compare::estimators::problem::{Estimator, SmallProblem};

/// An estimator. Each has one budget, the number that buys it accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EstimatorName {
    /// Implicit differentiation, K steps of conjugate gradients.
    Implicit,
    /// Implicit differentiation, K minimal residual steps.
    Minres,
    /// Implicit differentiation, K generalized minimal residual steps.
    Gmres,
    /// Implicit differentiation, K conjugate gradient steps on the normal equations.
    Normal,
    /// Implicit differentiation, K conjugate gradient steps after scaling by the diagonal.
    Jacobi,
    /// Implicit differentiation, K terms of the Neumann series.
    Neumann,
    /// Implicit differentiation, K steps of Richardson's iteration.
    Richardson,
    /// Implicit differentiation, a Hessian of low rank.
    Nystrom,
    /// K steps of gradient descent, differentiated in reverse.
    Unrolled,
    /// K steps with heavy-ball momentum, differentiated in reverse.
    HeavyBall,
    /// K steps with Nesterov's momentum, differentiated in reverse.
    Nesterov,
    /// K steps of Adam, differentiated in reverse.
    Adam,
    /// Only the last K of at least 100 steps of gradient descent are differentiated.
    Truncated,
    /// As `unrolled`, in the memory of eight states: the others are computed again.
    Checkpointed,
    /// As `nesterov`, differentiated forwards: one column for every parameter.
    Forward,
    /// One lower step from the solution, differentiated.
    OneStep,
    /// The inverse Hessian replaced by the step size.
    JacobianFree,
    /// As `one-step`, by differences of gradients.
    Darts,
    /// The Neumann series with a batch drawn for every factor: here always the same full batch.
    StochasticNeumann,
    /// Differences of lower solutions along N random directions.
    ZerothOrder,
    /// Two lower solutions, one of them with the upper loss added at 1/λ.
    Penalty,
}

/// What an estimator differentiates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// The condition that the lower solution fulfils, by a linear system.
    Adjoint,
    /// The steps of a lower solver.
    Steps,
    /// Less than either: one step, samples, or first derivatives only.
    Cheap,
}

/// Krylov solvers stop here; the certificate then says `converged`.
const TOLERANCE: f64 = 1e-12;
/// Lower steps of `truncated`, unless more of them are differentiated.
const TRUNCATED_STEPS: usize = 100;
/// States that `checkpointed` stores, and the one it works on.
const CHECKPOINTED_STATES: usize = 8 + 1;
/// More than there are columns: `nystrom` then takes them all.
const FULL_RANK: usize = usize::MAX;
/// Probes of the diagonal for `jacobi`.
const PROBES: usize = 8;
/// Adam's ε: with the usual 1e-8 its last steps are far longer than the 2/L that are stable.
const ADAM_EPSILON: f64 = 0.1;

impl EstimatorName {
    /// The name as it is typed.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no name is skipped");
        value.get_name().to_owned()
    }

    /// What it differentiates.
    pub fn family(self) -> Family {
        use EstimatorName::*;
        match self {
            Implicit | Minres | Gmres | Normal | Jacobi | Neumann | Richardson | Nystrom => {
                Family::Adjoint
            }
            Unrolled | HeavyBall | Nesterov | Adam | Truncated | Checkpointed | Forward => {
                Family::Steps
            }
            OneStep | JacobianFree | Darts | StochasticNeumann | ZerothOrder | Penalty => {
                Family::Cheap
            }
        }
    }

    /// Whether it solves the lower problem itself, from any start.
    pub fn solves(self) -> bool {
        self.family() == Family::Steps || self == EstimatorName::ZerothOrder
    }

    /// Whether there is anything to choose.
    pub fn has_budget(self) -> bool {
        use EstimatorName::*;
        !matches!(self, OneStep | JacobianFree | Darts)
    }

    /// A budget with which exact methods are exact to 1e-4 and much better, on small problems.
    pub fn ample_budget(self) -> usize {
        use EstimatorName::*;
        match self {
            Implicit | Minres | Gmres | Jacobi | Neumann | Richardson | Unrolled | HeavyBall
            | Nesterov | Truncated | Checkpointed | StochasticNeumann => 200,
            Normal => 400,
            Adam => 300,
            Nystrom => FULL_RANK,
            Forward => 36,
            ZerothOrder => 50,
            Penalty => 1000,
            OneStep | JacobianFree | Darts => 1,
        }
    }

    /// Budgets to compare it at.
    pub fn budgets(self) -> &'static [usize] {
        use EstimatorName::*;
        match self {
            Implicit | Minres | Gmres | Normal | Jacobi => &[1, 2, 5, 10, 20, 50],
            Neumann | Richardson | StochasticNeumann | Unrolled | HeavyBall | Nesterov | Adam
            | Truncated | Checkpointed => &[1, 2, 5, 10, 20, 50, 100],
            Nystrom => &[10, 30, 100, FULL_RANK],
            Forward => &[1, 2, 5],
            ZerothOrder => &[1, 2, 5, 10, 20],
            Penalty => &[1, 10, 100, 1000],
            OneStep | JacobianFree | Darts => &[1],
        }
    }

    /// The budget in words, such as `K=10`; nothing where there is no choice.
    pub fn setting(self, budget: usize) -> String {
        use EstimatorName::*;
        match self {
            OneStep | JacobianFree | Darts => String::new(),
            Nystrom if budget == FULL_RANK => "full rank".to_owned(),
            Nystrom => format!("rank={budget}"),
            Truncated => format!("last {budget} of {}", budget.max(TRUNCATED_STEPS)),
            ZerothOrder => format!("N={budget}"),
            Penalty => format!("lambda={budget}"),
            _ => format!("K={budget}"),
        }
    }

    /// The estimator with this budget; its step sizes are those for `problem`.
    pub fn build(self, budget: usize, problem: &SmallProblem) -> Estimator {
        let eta = 1.0 / problem.smoothness;
        // √(μ/L), for the data term's μ = 1.
        let root = eta.sqrt();
        let krylov = ConjugateGradient {
            max_steps: budget,
            tolerance: Tolerance::Relative(TOLERANCE),
        };
        let heavy_ball = HeavyBall {
            momentum: (1.0 - root).powi(2),
        };
        let nesterov = Nesterov {
            momentum: (1.0 - root) / (1.0 + root),
        };
        let second_order = ClosedForm;
        match self {
            Self::Implicit => implicit(krylov),
            Self::Minres => implicit(Minres {
                max_steps: budget,
                tolerance: Tolerance::Relative(TOLERANCE),
            }),
            Self::Gmres => implicit(Gmres {
                max_steps: budget,
                tolerance: Tolerance::Relative(TOLERANCE),
            }),
            Self::Normal => implicit(NormalEquations(krylov)),
            Self::Jacobi => implicit(Jacobi {
                probes: PROBES,
                seed: 0,
                solver: krylov,
            }),
            Self::Neumann => implicit(Neumann {
                step_size: eta,
                terms: budget,
            }),
            Self::Richardson => implicit(Richardson {
                step_size: eta,
                max_steps: budget,
                tolerance: Tolerance::Relative(TOLERANCE),
            }),
            Self::Nystrom => implicit(Nystrom {
                rank: budget,
                damping: nystrom_damping(budget, problem),
                seed: 0,
            }),
            Self::Unrolled => unrolled(Descent, eta, budget, Checkpointing::All),
            Self::HeavyBall => unrolled(heavy_ball, eta, budget, Checkpointing::All),
            Self::Nesterov => unrolled(nesterov, eta, budget, Checkpointing::All),
            Self::Adam => {
                let adam = Adam {
                    epsilon: ADAM_EPSILON,
                    ..Adam::default()
                };
                unrolled(adam, ADAM_EPSILON * eta, budget, Checkpointing::All)
            }
            Self::Truncated => {
                let steps = budget.max(TRUNCATED_STEPS);
                unrolled(Descent, eta, steps, Checkpointing::Last(budget))
            }
            Self::Checkpointed => {
                let state = size_of::<f64>() * problem.batch.clean.shape().num_elements();
                unrolled(
                    Descent,
                    eta,
                    budget,
                    Checkpointing::Bytes(CHECKPOINTED_STATES * state),
                )
            }
            Self::Forward => Box::new(ForwardMode {
                second_order,
                map: nesterov,
                step_size: eta,
                steps: budget,
            }),
            Self::OneStep => Box::new(OneStep {
                second_order,
                step_size: eta,
            }),
            Self::JacobianFree => Box::new(JacobianFree {
                second_order,
                step_size: eta,
            }),
            Self::Darts => Box::new(Darts {
                step_size: eta,
                radius: 0.01,
            }),
            Self::StochasticNeumann => {
                let batch = problem.batch.clone();
                Box::new(StochasticNeumann {
                    second_order,
                    step_size: eta,
                    terms: budget,
                    form: NeumannForm::Sum,
                    batches: move |_| batch.clone(),
                })
            }
            Self::ZerothOrder => Box::new(ZerothOrder {
                lower: problem.lower(1e-7),
                directions: budget,
                radius: 1e-3,
            }),
            Self::Penalty => penalty(budget as f64, problem),
        }
    }
}

fn implicit<S>(solver: S) -> Estimator
where
    S: LinearSolver<Cpu> + 'static,
{
    Box::new(ImplicitDifferentiation {
        second_order: ClosedForm,
        solver,
    })
}

fn unrolled<M>(map: M, step_size: f64, steps: usize, keep: Checkpointing) -> Estimator
where
    M: LowerMap<Cpu> + 'static,
{
    Box::new(Unrolled {
        second_order: ClosedForm,
        map,
        step_size,
        steps,
        keep,
    })
}

/// What is not in the sample is divided by it: the data term's 1, or little if all is in it.
fn nystrom_damping(rank: usize, problem: &SmallProblem) -> f64 {
    let [_, channels, height, width] = problem.batch.clean.dims();
    if rank < channels * height * width {
        1.0
    } else {
        1e-6
    }
}

fn penalty(weight: f64, problem: &SmallProblem) -> Estimator {
    let constants = problem
        .problem
        .constants(&problem.x.valid(), &problem.batch);
    let upper = constants.upper_smoothness.expect("denoising states it");
    Box::new(Penalty {
        lower: Accelerated {
            smoothness: FixedLipschitz(problem.smoothness + upper / weight),
            strong_convexity: problem.strong_convexity(),
            max_steps: 5000,
            tolerance: Tolerance::Absolute(1e-12),
        },
        weight,
    })
}
