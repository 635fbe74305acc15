//! The hypergradient of a lower solver's steps.

use burn::tensor::backend::Backend;

use super::estimate_builder::{EstimateBuilder, bytes};
use super::product_counter::{Counted, ProductCounter, count};
use super::{CheckpointSchedule, Estimate, Hypergradient, LowerMap, Memory, StepSize};
use crate::error::ErrorKind;
use crate::vector::{is_finite, largest, norms};
use crate::{
    Differentiable, Error, LossGradients, LowerObjective, Outcome, Point, SecondOrder, Status,
    Vector,
};

/// Iterative differentiation (ITD) in reverse mode: the exact gradient of what `steps` lower steps
/// from the point's `y` reach.
///
/// ```text
/// s_{k+1} = Φ(s_k, ∇y g(x, z_k), η),   y_K from s_K              F_K(x) = f(x, y_K(x))
/// a_K = ∇y f(y_K);   k = K−1 … 0:   ḡ from Φᵀ,   ∇F_K += ∇²xy g(z_k) ḡ,   a_k = Φ_sᵀ a_{k+1} + ∇²yy g(z_k) ḡ
/// ```
///
/// No tape spans the steps: the states are stored, or computed again, and each step is reversed by
/// one double backward pass, which gives both products. [`Checkpointing`] says what is stored: all
/// states, the last ones only (truncation, K-RMD), or as many as fit in a number of bytes, the
/// others being computed again from binomial checkpoints.
///
/// For gradient descent with `η ≤ 1/L` the error against `dF/dx` is `O((1 − ημ)^K)`, for the
/// truncation to `k` steps `O((1 − ημ)^k)` at a solution. The derivative of the start in x is taken
/// as 0.
///
/// Costs K gradients (more if states are computed again, see [`Unrolled::plan`]), one product and
/// cross term a differentiated step, and the memory of the states kept. 1,000 steps of gradient
/// descent:
///
/// | states kept | gradients for stepping |
/// |---|---|
/// | 1000 (all) | 1000 |
/// | 256 | 1743 |
/// | 44 | 1955 |
/// | 17 | 2811 |
/// | 5 | 6285 |
/// | 2 | 28821 |
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = Unrolled {
///     second_order: DoubleBackward,
///     map: Descent,
///     step_size: 0.1,
///     steps: 10,
///     keep: Checkpointing::Bytes(1024),
/// };
/// let start = scalar(1.0, 0.0);
/// assert_eq!(method.plan(start.point()).unwrap().gradients, 10); // all ten states fit
/// let reached = 0.5 * (1.0 - 0.8f64.powi(10));
/// let slope = 0.5 * (1.0 - 0.8f64.powi(10));
/// assert!(is(method.estimate(start.point(), None, 0), (reached - 0.2) * slope));
/// ```
///
/// # References
/// Franceschi, Donini, Frasconi, Pontil (2017), "Forward and Reverse Gradient-Based Hyperparameter
/// Optimization", ICML, arXiv:1703.01785; truncation: Shaban, Cheng, Hatch, Boots (2019), AISTATS,
/// arXiv:1810.10667; checkpoints: Griewank, Walther (2000), ACM Trans. Math. Softw. 26(1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unrolled<D, M, R> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The lower step: [`Descent`](super::Descent), [`HeavyBall`](super::HeavyBall),
    /// [`Nesterov`](super::Nesterov), [`Adam`](super::Adam), [`Bregman`](super::Bregman).
    pub map: M,
    /// Step size η: a number, [`PerParameter`](super::PerParameter) or [`Learned`](super::Learned).
    pub step_size: R,
    /// Lower steps K.
    pub steps: usize,
    /// What is stored.
    pub keep: Checkpointing,
}

/// Which states an unrolled estimator stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpointing {
    /// All of them.
    All,
    /// The last ones; earlier steps are not differentiated.
    Last(usize),
    /// As many as fit in so many bytes; the others are computed again.
    Bytes(usize),
}

impl Checkpointing {
    /// How many of `steps` steps are differentiated, and how many states of `bytes` bytes are
    /// stored for it.
    ///
    /// # Errors
    /// If the bytes of [`Checkpointing::Bytes`] do not hold two states: one stored, one to work on.
    pub fn schedule(self, steps: usize, bytes: usize) -> Result<CheckpointSchedule, Error> {
        let steps = match self {
            Self::Last(last) => last.min(steps),
            Self::All | Self::Bytes(_) => steps,
        };
        let states = match self {
            Self::All | Self::Last(_) => steps.max(1),
            Self::Bytes(budget) if budget < 2 * bytes => {
                return Err(ErrorKind::MemoryBudget {
                    budget,
                    needed: 2 * bytes,
                }
                .into());
            }
            Self::Bytes(budget) => (budget / bytes - 1).min(steps.max(1)),
        };
        Ok(CheckpointSchedule { steps, states })
    }
}

/// What an unrolled estimate will store and compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of states, the working one included.
    pub bytes: usize,
    /// Gradients for stepping forward, recomputation included.
    pub gradients: usize,
    /// Steps that are differentiated, and states that may be stored.
    reversed: CheckpointSchedule,
}

impl<D, M, R> Unrolled<D, M, R> {
    /// What an estimate at `point` will store and compute.
    ///
    /// # Errors
    /// If the bytes of [`Checkpointing::Bytes`] do not hold two states: one stored, one to work on.
    pub fn plan<B, P>(&self, point: Point<'_, B, P>) -> Result<Plan, Error>
    where
        B: Backend,
        P: Differentiable<B>,
        M: LowerMap<B>,
    {
        let y = super::estimate_builder::y_of(point);
        self.plan_for(&y)
    }

    fn plan_for<B: Backend>(&self, y: &Vector<B>) -> Result<Plan, Error>
    where
        M: LowerMap<B>,
    {
        let state = bytes(M::VECTORS, y);
        let reversed = self.keep.schedule(self.steps, state)?;
        // The last step's own y is reached by one more.
        let last = usize::from(reversed.steps > 0);
        Ok(Plan {
            bytes: (reversed.states + 1) * state,
            gradients: self.steps - reversed.steps + reversed.forward_steps() + last,
            reversed,
        })
    }
}

impl<B, P, D, M, R> Hypergradient<B, P> for Unrolled<D, M, R>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    M: LowerMap<B>,
    R: StepSize<B, P>,
{
    /// # Panics
    /// If [`Unrolled::plan`] is an error.
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        let counter = ProductCounter::new();
        let steps = Steps::new(point, &self.map, &self.step_size, &counter);
        let start = steps.map.start(steps.objective.start());
        let plan = self
            .plan_for(&start[0])
            .unwrap_or_else(|error| panic!("{error}"));
        let first = self.steps - plan.reversed.steps;
        let kept = steps.advance(start.clone(), 0..first);
        let state_bytes = bytes(M::VECTORS, &start[0]);
        let mut gradient: Option<Vector<B>> = None;
        let mut eta_bar: Option<Vector<B>> = None;
        // The end of the chain, once it is reached, and the adjoint of the state before it.
        let mut end: Option<End<B>> = None;
        let mut bar: Vec<Vector<B>> = Vec::new();
        let peak = plan.reversed.reverse(
            first,
            kept.clone(),
            |state, range| steps.advance(state, range),
            |k, state| {
                if end.is_none() {
                    let reached = End::at(point, steps.advance(state.clone(), k..k + 1));
                    bar = vec![state[0].zeros_like(); M::VECTORS];
                    bar[0] = reached.f.y.clone();
                    end = Some(reached);
                }
                let reversed = self.reverse(point, &steps, k, state, std::mem::take(&mut bar));
                bar = reversed.state;
                gradient = Some(add(gradient.take(), reversed.gradient));
                if let Some(step_size) = reversed.step_size {
                    eta_bar = Some(add(eta_bar.take(), step_size));
                }
            },
        );
        let end = end.unwrap_or_else(|| End::at(point, kept));
        let lower_gradient = steps.objective.gradient(end.y.clone());
        let mut total = end.f.x.clone();
        if let Some(gradient) = gradient {
            total = total + gradient;
        }
        if let Some(bar) = eta_bar
            && let Some(part) = self.step_size.pull_back(point.x, bar)
        {
            total = total + part;
        }
        let lower = steps.outcome(&start, &lower_gradient, self.steps);
        EstimateBuilder {
            gradient: total,
            lower_gradient,
            lower: Some(lower),
            adjoint: None,
            reversed: bar.into_iter().next(),
            memory: Memory {
                planned: plan.bytes,
                actual: peak * state_bytes,
            },
            y: end.y,
            f: end.f,
        }
        .build(point, &counter)
    }
}

impl<D, M, R> Unrolled<D, M, R> {
    /// Reverses step `k` from `state`.
    fn reverse<B, P>(
        &self,
        point: Point<'_, B, P>,
        steps: &Steps<'_, B, P, M>,
        k: usize,
        state: &[Vector<B>],
        bar: Vec<Vector<B>>,
    ) -> Reversed<B>
    where
        B: Backend,
        P: Differentiable<B>,
        D: SecondOrder<B, P>,
        M: LowerMap<B>,
        R: StepSize<B, P>,
    {
        let z = steps.map.query(state);
        let learned = self.step_size.is_learned();
        let g = (M::READS_GRADIENT || learned).then(|| {
            count(&steps.counter.gradients);
            steps.objective.gradient(z.clone())
        });
        let back = steps.map.pull_back(k, state, g.as_ref(), &steps.eta, bar);
        let z = steps.objective.module(z);
        let hessian = self.second_order.at(Point { y: &z, ..point });
        let (product, cross) = Counted::new(&*hessian, steps.counter).both(back.gradient);
        Reversed {
            state: steps.map.pull_back_query(back.state, product),
            gradient: cross,
            step_size: back.step_size.filter(|_| learned),
        }
    }
}

/// What the reversal of one step gives.
struct Reversed<B: Backend> {
    state: Vec<Vector<B>>,
    gradient: Vector<B>,
    step_size: Option<Vector<B>>,
}

fn add<B: Backend>(sum: Option<Vector<B>>, part: Vector<B>) -> Vector<B> {
    match sum {
        None => part,
        Some(sum) => sum + part,
    }
}

/// Where the lower steps end.
pub(super) struct End<B: Backend> {
    pub y: Vector<B>,
    /// The upper loss and its gradients there.
    pub f: LossGradients<B>,
}

impl<B: Backend> End<B> {
    pub fn at<P: Differentiable<B>>(point: Point<'_, B, P>, mut state: Vec<Vector<B>>) -> Self {
        let y = state.swap_remove(0);
        let module = crate::parameters::unpack(point.y.clone(), y.clone());
        let f = Point {
            y: &module,
            ..point
        }
        .upper_gradients();
        Self { y, f }
    }
}

/// The lower steps.
pub(super) struct Steps<'a, B: Backend, P: Differentiable<B>, M> {
    pub objective: LowerObjective<'a, B, P>,
    pub map: &'a M,
    pub eta: Vector<B>,
    pub counter: &'a ProductCounter<B>,
}

impl<'a, B: Backend, P: Differentiable<B>, M: LowerMap<B>> Steps<'a, B, P, M> {
    /// The steps of `map` around `point`.
    pub fn new(
        point: Point<'a, B, P>,
        map: &'a M,
        step_size: &impl StepSize<B, P>,
        counter: &'a ProductCounter<B>,
    ) -> Self {
        Self {
            objective: LowerObjective::new(point),
            map,
            eta: step_size.rates(point.x),
            counter,
        }
    }

    /// `∇y g` where the map wants it.
    pub fn gradient(&self, state: &[Vector<B>]) -> Vector<B> {
        count(&self.counter.gradients);
        self.objective.gradient(self.map.query(state))
    }

    /// The state after the steps of `range`.
    pub fn advance(
        &self,
        mut state: Vec<Vector<B>>,
        range: std::ops::Range<usize>,
    ) -> Vec<Vector<B>> {
        for k in range {
            let g = self.gradient(&state);
            state = self.map.step(k, &state, &g, &self.eta);
        }
        state
    }

    /// How the steps ended: if not well, they are made again to see where.
    pub fn outcome(
        &self,
        start: &[Vector<B>],
        lower_gradient: &Vector<B>,
        steps: usize,
    ) -> Outcome {
        let residual = largest(&norms(lower_gradient.clone()));
        if residual.is_finite() {
            return Outcome {
                status: Status::MaxSteps,
                steps,
                residual,
            };
        }
        let mut state = start.to_vec();
        let mut good = 0;
        while good < steps {
            let g = self.objective.gradient(self.map.query(&state));
            state = self.map.step(good, &state, &g, &self.eta);
            if !is_finite(g) || !is_finite(state[0].clone()) {
                break;
            }
            good += 1;
        }
        Outcome {
            status: Status::NonFinite,
            steps: good,
            residual,
        }
    }
}
