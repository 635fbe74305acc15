//! Optimizers whose averaging takes the place of a schedule for the learning rate.

use std::collections::HashMap;

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, ModuleMapper, Param, ParamId};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::optim::{Optimizer, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::{Error, ErrorKind, positive};

/// Schedule-free stochastic gradient descent.
///
/// ```text
/// y = (1 − β) z + β x                                  the parameter: gradients are taken here
/// z ← z − γ ∇F(y),   x ← (1 − c) x + c z,   c = γ² / Σ γ²
/// ```
///
/// `x`, an average of all `z`, is what converges: [`evaluation_point`] gives the module with it.
/// With `β = 0` this is averaged SGD, with `β = 1` primal averaging. γ is the learning rate of the
/// step; where it is constant, `c = 1/t`. Costs two vectors of memory.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// use burn::optim::adaptor::OptimizerAdaptor;
/// use burn::optim::{GradientsParams, Optimizer};
/// let optimizer = ScheduleFreeSgd::new(0.9)?;
/// let mut optimizer: OptimizerAdaptor<_, Number<Tape<B>>, Tape<B>> = optimizer.into();
/// let At { mut x, .. } = scalar(1.0, 0.0);
/// for _ in 0..2 {
///     let loss = x.value.val() * 2.0; // the slope is 2 everywhere
///     let gradients = GradientsParams::from_grads(loss.backward(), &x);
///     x = optimizer.step(0.1, x, gradients);
/// }
/// // z: 0.8, 0.6;  x: 0.8, 0.7;  y: 0.1 · 0.6 + 0.9 · 0.7
/// assert!((x.value.val().into_data().to_vec::<f64>().unwrap()[0] - 0.69).abs() < 1e-12);
/// let x = evaluation_point(x, &optimizer);
/// assert!((x.value.val().into_data().to_vec::<f64>().unwrap()[0] - 0.7).abs() < 1e-12);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Defazio, Yang, Khaled, Mishchenko, Mehta, Cutkosky (2024), "The Road Less Scheduled", NeurIPS,
/// arXiv:2405.15682.
///
/// # Differences from the paper
/// No weight decay; warm-up is the caller's learning rate. A projection moves the parameter y and
/// neither z nor x: project the evaluation point, too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleFreeSgd {
    beta: f64,
}

/// Schedule-free Adam.
///
/// ```text
/// y = (1 − β₁) z + β₁ x                                the parameter: gradients are taken here
/// v ← β₂ v + (1 − β₂) g²,   g = ∇F(y),   γ_t = γ √(1 − β₂ᵗ)
/// z ← z − γ_t g / (√v + ϵ),   x ← (1 − c) x + c z,   c = γ_t² / Σ γ_t²
/// ```
///
/// As [`ScheduleFreeSgd`], with steps scaled entry by entry. Costs three vectors of memory.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// use burn::optim::adaptor::OptimizerAdaptor;
/// use burn::optim::{GradientsParams, Optimizer};
/// let optimizer = ScheduleFreeAdam::new(0.9, 0.99, 1e-12)?;
/// let mut optimizer: OptimizerAdaptor<_, Number<Tape<B>>, Tape<B>> = optimizer.into();
/// let At { x, .. } = scalar(1.0, 0.0);
/// let gradients = GradientsParams::from_grads((x.value.val() * 7.0).backward(), &x);
/// let x = optimizer.step(0.1, x, gradients);
/// // √v = √(1 − β₂) · 7 and γ_1 = √(1 − β₂) · 0.1: the first step has length 0.1.
/// assert!((x.value.val().into_data().to_vec::<f64>().unwrap()[0] - 0.9).abs() < 1e-9);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Defazio et al. (2024), arXiv:2405.15682, Algorithm 1.
///
/// # Differences from the paper
/// As [`ScheduleFreeSgd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleFreeAdam {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

/// What both optimizers remember of a parameter.
#[derive(Record, Clone, Debug)]
pub struct ScheduleFreeState<B: Backend, const D: usize> {
    /// The sequence of steps.
    pub z: Tensor<B, D>,
    /// Its average.
    pub x: Tensor<B, D>,
    /// The average of squared gradients, for Adam.
    pub v: Option<Tensor<B, D>>,
    /// `Σ γ²`.
    pub weight: f64,
    /// Steps made.
    pub time: usize,
}

impl ScheduleFreeSgd {
    /// With interpolation `beta`; 0.9 is the usual one.
    ///
    /// # Errors
    /// If it is not in [0, 1].
    pub fn new(beta: f64) -> Result<Self, Error> {
        share("beta", beta).map(|beta| Self { beta })
    }
}

impl ScheduleFreeAdam {
    /// With interpolation `beta_1`, memory `beta_2` of squares, and `epsilon` added to their root;
    /// usual are 0.9, 0.999 and 1e-8.
    ///
    /// # Errors
    /// If a beta is not in [0, 1], or `epsilon` not above zero.
    pub fn new(beta_1: f64, beta_2: f64, epsilon: f64) -> Result<Self, Error> {
        Ok(Self {
            beta_1: share("beta_1", beta_1)?,
            beta_2: share("beta_2", beta_2)?,
            epsilon: positive("epsilon", epsilon)?,
        })
    }
}

fn share(name: &'static str, value: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        let range = "in [0, 1]";
        Err(ErrorKind::OutOfRange { name, value, range }.into())
    }
}

impl<B: Backend, const D: usize> ScheduleFreeState<B, D> {
    fn new(start: Tensor<B, D>) -> Self {
        Self {
            z: start.clone(),
            x: start,
            v: None,
            weight: 0.0,
            time: 0,
        }
    }

    /// A step of `z` with learning rate γ along `direction`; returns the next y.
    fn advance(&mut self, gamma: f64, direction: Tensor<B, D>, beta: f64) -> Tensor<B, D> {
        self.z = self.z.clone() - direction * gamma;
        self.weight += gamma * gamma;
        // A learning rate of zero is no step.
        let c = if self.weight > 0.0 {
            gamma * gamma / self.weight
        } else {
            0.0
        };
        self.x = self.x.clone() * (1.0 - c) + self.z.clone() * c;
        self.z.clone() * (1.0 - beta) + self.x.clone() * beta
    }

    fn on(self, device: &B::Device) -> Self {
        Self {
            z: self.z.to_device(device),
            x: self.x.to_device(device),
            v: self.v.map(|v| v.to_device(device)),
            ..self
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for ScheduleFreeSgd {
    type State<const D: usize> = ScheduleFreeState<B, D>;

    fn step<const D: usize>(
        &self,
        gamma: f64,
        y: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let mut state = state.unwrap_or_else(|| ScheduleFreeState::new(y));
        state.time += 1;
        let y = state.advance(gamma, gradient, self.beta);
        (y, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        state.on(device)
    }
}

impl<B: Backend> SimpleOptimizer<B> for ScheduleFreeAdam {
    type State<const D: usize> = ScheduleFreeState<B, D>;

    fn step<const D: usize>(
        &self,
        gamma: f64,
        y: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let Self {
            beta_1,
            beta_2,
            epsilon,
        } = *self;
        let mut state = state.unwrap_or_else(|| ScheduleFreeState::new(y));
        state.time += 1;
        let squares = gradient.clone().square() * (1.0 - beta_2);
        let v = match state.v.take() {
            None => squares,
            Some(v) => v * beta_2 + squares,
        };
        state.v = Some(v.clone());
        let gamma = gamma * (1.0 - beta_2.powf(state.time as f64)).sqrt();
        let y = state.advance(gamma, gradient / (v.sqrt() + epsilon), beta_1);
        (y, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        state.on(device)
    }
}

/// An optimizer whose result is not the parameter it steps but an average beside it.
pub trait ScheduleFree<B: Backend>: SimpleOptimizer<B> {
    /// `x`.
    fn average<const D: usize>(state: Self::State<D>) -> Tensor<B, D>;
}

impl<B: Backend> ScheduleFree<B> for ScheduleFreeSgd {
    fn average<const D: usize>(state: Self::State<D>) -> Tensor<B, D> {
        state.x
    }
}

impl<B: Backend> ScheduleFree<B> for ScheduleFreeAdam {
    fn average<const D: usize>(state: Self::State<D>) -> Tensor<B, D> {
        state.x
    }
}

/// The module with the averages `x` that `optimizer` holds, as fresh leaves: to look at, to save,
/// not to go on from. Parameters that were not stepped yet are as they were.
pub fn evaluation_point<B, M, O>(module: M, optimizer: &OptimizerAdaptor<O, M, Tape<B>>) -> M
where
    B: Backend,
    M: AutodiffModule<Tape<B>>,
    O: ScheduleFree<B>,
{
    let records = optimizer.to_record().into_iter().collect();
    module.map(&mut Averages { records })
}

/// Replaces parameters by averages.
struct Averages<B: Backend, O: SimpleOptimizer<B>> {
    records: HashMap<ParamId, AdaptorRecord<O, Tape<B>>>,
}

impl<B: Backend, O: ScheduleFree<B>> ModuleMapper<Tape<B>> for Averages<B, O> {
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Tape<B>, D>>,
    ) -> Param<Tensor<Tape<B>, D>> {
        let (id, value, mapper) = param.consume();
        let value = match self.records.remove(&id) {
            Some(record) => {
                let average = O::average(record.into_state::<D>());
                Tensor::from_inner(average).set_require_grad(value.is_require_grad())
            }
            None => value,
        };
        Param::from_mapped_value(id, value, mapper)
    }
}
