//! The update rules by name: the one place where a word becomes a type.

use anyhow::{Result, ensure};
use bilevel_core::algorithm::rule::{Dmlcbo, DmlcboSettings, StateOf};
use bilevel_core::projection::{Everywhere, Projection};
use bilevel_core::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, F2sa, F3sa, Failure, Fsla, Iterate,
    MaSoba, Mrbo, Oracle, Pbgd, Penalization, Pzobo, Rule, Run, Saba, Schedule, Soba, Srba,
    StocBio, Sustain, Ttsa, Vrbo,
};
use burn::tensor::backend::Backend;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::clean::ball::Ball;
use crate::clean::paper::Powers;
use crate::io::state_file::{record, restore};

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum MethodName {
    /// Dynamic barrier on the gradient of the value gap; first derivatives, all samples.
    Bome,
    /// Value-function penalty; first derivatives, all samples.
    VPbgd,
    /// Penalty on the gradient of the lower loss; all samples.
    GPbgd,
    /// Logarithmic barrier on the value gap; first derivatives, all samples.
    Bvfsm,
    /// Penalty with two lower variables; first derivatives.
    F2sa,
    /// F2SA in a single loop, with momentum.
    F3sa,
    /// Second derivatives by products of first ones.
    Bsg1,
    /// Differences of inner loops.
    Pzobo,
    /// Single loop on y, adjoint and x.
    Soba,
    /// SOBA with a moving average.
    MaSoba,
    /// SOBA with a memory of every block.
    Saba,
    /// SOBA with recursive directions.
    Srba,
    /// Single loop with momentum on the hypergradient.
    Fsla,
    /// Warm-started inner loops.
    Amigo,
    /// Inner loop and the sum of a Neumann series.
    Stocbio,
    /// Inner loop and a random product.
    Bsa,
    /// Two time scales and a random product.
    Ttsa,
    /// Recursive momentum and a random product.
    Sustain,
    /// Recursive momentum and a sum.
    Mrbo,
    /// Inner loop with recursive directions.
    Vrbo,
    /// Single loop with two momenta, y in a ball.
    Dmlcbo,
}

impl MethodName {
    /// The method's name in its paper.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bome => "BOME",
            Self::VPbgd => "V-PBGD",
            Self::GPbgd => "G-PBGD",
            Self::Bvfsm => "BVFSM",
            Self::F2sa => "F2SA",
            Self::F3sa => "F3SA",
            Self::Bsg1 => "BSG-1",
            Self::Pzobo => "PZOBO",
            Self::Soba => "SOBA",
            Self::MaSoba => "MA-SOBA",
            Self::Saba => "SABA",
            Self::Srba => "SRBA",
            Self::Fsla => "FSLA",
            Self::Amigo => "AmIGO",
            Self::Stocbio => "stocBiO",
            Self::Bsa => "BSA",
            Self::Ttsa => "TTSA",
            Self::Sustain => "SUSTAIN",
            Self::Mrbo => "MRBO",
            Self::Vrbo => "VRBO",
            Self::Dmlcbo => "DMLCBO",
        }
    }

    /// Whether the adjoint moves along with the iterate.
    pub fn has_adjoint(self) -> bool {
        use MethodName as M;
        matches!(
            self,
            M::Soba | M::MaSoba | M::Saba | M::Srba | M::Fsla | M::Amigo
        )
    }

    /// Whether the hypergradient is a Neumann series.
    pub fn has_series(self) -> bool {
        use MethodName as M;
        matches!(
            self,
            M::Stocbio | M::Bsa | M::Ttsa | M::Sustain | M::Mrbo | M::Vrbo | M::Dmlcbo
        )
    }

    /// Whether y makes several steps for one of x.
    pub fn has_inner_loop(self) -> bool {
        use MethodName as M;
        matches!(
            self,
            M::Bome
                | M::VPbgd
                | M::Bvfsm
                | M::F2sa
                | M::Bsg1
                | M::Pzobo
                | M::Amigo
                | M::Stocbio
                | M::Bsa
                | M::Vrbo
        )
    }

    /// Whether directions are averages or are followed from step to step, with a share for the
    /// newest.
    pub fn has_momentum(self) -> bool {
        use MethodName as M;
        matches!(
            self,
            M::F3sa | M::MaSoba | M::Fsla | M::Sustain | M::Mrbo | M::Dmlcbo
        )
    }
}

/// The numbers that a problem asks for; what is not among them each method sets as its paper does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tuning {
    /// Step of y (and of what moves with it).
    pub lower_step: f64,
    /// Step of x.
    pub upper_step: f64,
    /// How they and what else depends on the step's number.
    pub powers: Powers,
    /// Inner steps, where there is an inner loop.
    pub inner_steps: usize,
    /// Terms of a Neumann series.
    pub terms: usize,
    /// Step of a Neumann series, at most one over the largest curvature.
    pub series_step: f64,
    /// Multiplier of a penalty; η of BOME's barrier; radius of PZOBO.
    pub weight: f64,
    /// Steps from one look at all samples to the next.
    pub period: usize,
    /// Share of the newest direction, where there is momentum.
    pub eta: f64,
    /// Where y is kept, by a method that can.
    pub ball: Option<Ball>,
}

/// A run of some rule.
pub(crate) trait Runner<B: Backend> {
    /// One step.
    fn step(&mut self) -> Option<Failure>;

    /// The iterate.
    fn at(&self) -> &Iterate<B>;

    /// All that a run needs to go on with the same bits: what [`Start::Resumed`] takes.
    ///
    /// # Errors
    /// If it cannot be made a record.
    fn save(&self) -> Result<Vec<u8>>;
}

/// Where a run begins.
pub(crate) enum Start<B: Backend> {
    /// At a point, having made no step.
    Fresh(Iterate<B>),
    /// Where [`Runner::save`] left it.
    Resumed(Vec<u8>, B::Device),
}

struct Driver<'a, B: Backend, R: Rule<B>> {
    run: Run<'a, B, R>,
    /// Always there between steps.
    state: Option<StateOf<B, R>>,
}

impl<'a, B: Backend, R: Rule<B>> Driver<'a, B, R> {
    fn new(run: Run<'a, B, R>, begin: Start<B>) -> Result<Self> {
        let state = match begin {
            Start::Fresh(start) => run.start(start),
            Start::Resumed(bytes, device) => restore::<B, _>(bytes, &device)?,
        };
        Ok(Self {
            run,
            state: Some(state),
        })
    }

    fn state(&self) -> &StateOf<B, R> {
        self.state.as_ref().expect("there between steps")
    }
}

impl<B: Backend, R: Rule<B>> Runner<B> for Driver<'_, B, R> {
    fn step(&mut self) -> Option<Failure> {
        let state = self.state.take().expect("there between steps");
        let (state, failure) = self.run.step(state);
        self.state = Some(state);
        failure
    }

    fn at(&self) -> &Iterate<B> {
        &self.state().at
    }

    fn save(&self) -> Result<Vec<u8>> {
        record::<B, _>(self.state().clone())
    }
}

/// Largest table that is made without asking: 4 GiB.
const LARGEST_TABLE: usize = 4 << 30;

/// Bytes of the table that `method` keeps, one entry a block and derivative: only SABA's grows with
/// the blocks.
///
/// # Errors
/// If they are more than 4 GiB.
pub(crate) fn table_bytes<B: Backend>(
    method: MethodName,
    oracle: &dyn Oracle<B>,
    at: &Iterate<B>,
) -> Result<usize> {
    if method != MethodName::Saba {
        return Ok(0);
    }
    let bytes = Saba::table_numbers(oracle, at) * at.x.dtype().size();
    ensure!(
        bytes <= LARGEST_TABLE,
        "SABA's table would take {:.1} GiB, 4 at most: a larger --batch makes it smaller, --method srba has none",
        bytes as f64 / f64::from(1 << 30)
    );
    Ok(bytes)
}

/// A run of `method`.
///
/// # Errors
/// If a number of `tuning` is out of its range, or what was saved is damaged.
pub(crate) fn runner<'a, B: Backend>(
    method: MethodName,
    tuning: &Tuning,
    oracle: &'a dyn Oracle<B>,
    begin: Start<B>,
    seed: u64,
) -> Result<Box<dyn Runner<B> + 'a>> {
    let Tuning {
        inner_steps: n,
        terms,
        series_step: series,
        weight,
        period,
        ..
    } = *tuning;
    let (alpha, xi, powers) = (tuning.lower_step, tuning.upper_step, tuning.powers);
    let falling = |initial, power| match power {
        0.0 => Schedule::Constant(initial),
        _ => Schedule::Polynomial { initial, power },
    };
    let (rho, gamma) = (falling(alpha, powers.lower), falling(xi, powers.upper));
    let eta = falling(tuning.eta, powers.eta);
    let barrier = falling(weight, powers.weight);
    // What the multiplier `weight (t + 1)^power` grows by in a step.
    let growth =
        (powers.weight > 0.0).then(|| falling(powers.weight * weight, 1.0 - powers.weight));
    let value = Penalization::Value {
        steps: n,
        step: alpha,
    };
    macro_rules! run {
        ($rule:expr) => {
            Box::new(Driver::new(Run::new($rule?, oracle, seed), begin)?)
        };
    }
    Ok(match method {
        MethodName::Bome => {
            let barrier = Barrier::GradientNorm(weight);
            run!(Bome::new(barrier, n, alpha, alpha, xi))
        }
        // The penalised loss bends `weight` times as much as g does.
        MethodName::VPbgd => run!(Pbgd::new(value, weight, alpha / weight, xi)),
        MethodName::GPbgd => run!(Pbgd::new(Penalization::Gradient, weight, alpha, xi)),
        MethodName::Bvfsm => run!(Bvfsm::new(BvfsmSettings {
            lower_steps: [n, n],
            lower_step_size: alpha,
            upper_step_size: Schedule::Constant(xi),
            mu: barrier,
            sigma: barrier,
            theta: barrier,
        })),
        MethodName::F2sa => run!(F2sa::new(n, rho, gamma, weight, growth)),
        MethodName::F3sa => run!(F3sa::new(rho, gamma, eta, weight, growth)),
        MethodName::Bsg1 => run!(Bsg1::new(n, rho, gamma)),
        MethodName::Pzobo => run!(Pzobo::new(n, rho, gamma, 1, weight)),
        MethodName::Soba => run!(Soba::new(rho, gamma)),
        MethodName::MaSoba => run!(MaSoba::new(rho, gamma, eta)),
        MethodName::Saba => run!(Saba::new(rho, gamma)),
        MethodName::Srba => run!(Srba::new(rho, gamma, period)),
        MethodName::Fsla => run!(Fsla::new(rho, gamma, eta)),
        MethodName::Amigo => run!(Amigo::new(n, rho, gamma)),
        MethodName::Stocbio => run!(StocBio::new(n, rho, gamma, terms, series)),
        MethodName::Bsa => run!(Bsa::new(n, rho, gamma, terms, series)),
        MethodName::Ttsa => run!(Ttsa::new(rho, gamma, terms, series)),
        MethodName::Sustain => run!(Sustain::new(rho, gamma, eta, terms, series)),
        MethodName::Mrbo => run!(Mrbo::new(rho, gamma, eta, terms, series)),
        MethodName::Vrbo => run!(Vrbo::new(n, rho, gamma, period, terms, series)),
        MethodName::Dmlcbo => {
            let set: Box<dyn Projection<B>> = match tuning.ball {
                Some(ball) => ball.projection()?,
                None => Box::new(Everywhere),
            };
            let settings = DmlcboSettings {
                step_size: series,
                terms,
                upper_step_size: xi,
                lower_step_size: alpha,
                upper_momentum: tuning.eta,
                ..DmlcboSettings::default()
            };
            run!(Dmlcbo::new(set, settings))
        }
    })
}
