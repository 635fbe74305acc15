//! Steps of lower solvers that can be differentiated.

use burn::tensor::backend::Backend;

use crate::Vector;
use crate::vector::quotient;

/// One step of a lower solver, with its derivatives.
///
/// ```text
/// z = query(s),   s₊ = step(k, s, ∇y g(z), η)
/// ```
///
/// The state `s` is a list of vectors, the first of them y. Derivatives of `g` are not the map's
/// business: it sees a gradient and gives back what the hypergradient's adjoint of that gradient
/// is.
pub trait LowerMap<B: Backend> {
    /// Whether [`pull_back`](Self::pull_back) reads the gradient.
    const READS_GRADIENT: bool;

    /// How many vectors the state has.
    const VECTORS: usize;

    /// The state before the first step.
    fn start(&self, y: Vector<B>) -> Vec<Vector<B>>;

    /// Where the gradient is taken: at y, unless overridden.
    fn query(&self, state: &[Vector<B>]) -> Vector<B> {
        state[0].clone()
    }

    /// The state after step `k` (from 0).
    fn step(&self, k: usize, state: &[Vector<B>], g: &Vector<B>, eta: &Vector<B>)
    -> Vec<Vector<B>>;

    /// Adjoints of state, gradient and step size from the adjoint `bar` of the state after step
    /// `k`.
    ///
    /// `g` is `None` where nobody needs it: the adjoint of the step size is then `None` too.
    fn pull_back(
        &self,
        k: usize,
        state: &[Vector<B>],
        g: Option<&Vector<B>>,
        eta: &Vector<B>,
        bar: Vec<Vector<B>>,
    ) -> PullBack<B>;

    /// Adds the adjoint `bar` of the query to that of the state: to that of y, unless overridden.
    fn pull_back_query(&self, mut state: Vec<Vector<B>>, bar: Vector<B>) -> Vec<Vector<B>> {
        state[0] = state[0].clone() + bar;
        state
    }

    /// The tangent of [`step`](Self::step) along the tangents `ds` of the state and `dg` of the
    /// gradient.
    fn push_forward(
        &self,
        k: usize,
        state: &[Vector<B>],
        g: &Vector<B>,
        eta: &Vector<B>,
        ds: &[Vector<B>],
        dg: &Vector<B>,
    ) -> Vec<Vector<B>>;
}

/// Adjoints before a step.
#[derive(Debug, Clone)]
pub struct PullBack<B: Backend> {
    /// Of the state, without what comes through the gradient.
    pub state: Vec<Vector<B>>,
    /// Of the gradient.
    pub gradient: Vector<B>,
    /// Of the step size, entry by entry.
    pub step_size: Option<Vector<B>>,
}

/// Gradient descent: `y ← y − η g(y)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Descent;

impl<B: Backend> LowerMap<B> for Descent {
    const READS_GRADIENT: bool = false;
    const VECTORS: usize = 1;

    fn start(&self, y: Vector<B>) -> Vec<Vector<B>> {
        vec![y]
    }

    fn step(&self, _: usize, s: &[Vector<B>], g: &Vector<B>, eta: &Vector<B>) -> Vec<Vector<B>> {
        vec![s[0].clone() - g.clone() * eta.clone()]
    }

    fn pull_back(
        &self,
        _: usize,
        _: &[Vector<B>],
        g: Option<&Vector<B>>,
        eta: &Vector<B>,
        bar: Vec<Vector<B>>,
    ) -> PullBack<B> {
        let y = &bar[0];
        PullBack {
            gradient: -y.clone() * eta.clone(),
            step_size: g.map(|g| -y.clone() * g.clone()),
            state: bar,
        }
    }

    fn push_forward(
        &self,
        k: usize,
        _: &[Vector<B>],
        _: &Vector<B>,
        eta: &Vector<B>,
        ds: &[Vector<B>],
        dg: &Vector<B>,
    ) -> Vec<Vector<B>> {
        self.step(k, ds, dg, eta) // linear
    }
}

/// `d ← β d − η g`, `y ← y + d` on `s = (y, d)`; the two methods differ in where `g` is taken.
fn momentum_step<B: Backend>(
    beta: f64,
    s: &[Vector<B>],
    g: &Vector<B>,
    eta: &Vector<B>,
) -> Vec<Vector<B>> {
    let d = s[1].clone() * beta - g.clone() * eta.clone();
    vec![s[0].clone() + d.clone(), d]
}

fn momentum_pull_back<B: Backend>(
    beta: f64,
    g: Option<&Vector<B>>,
    eta: &Vector<B>,
    bar: Vec<Vector<B>>,
) -> PullBack<B> {
    let d = bar[1].clone() + bar[0].clone();
    PullBack {
        state: vec![bar[0].clone(), d.clone() * beta],
        gradient: -d.clone() * eta.clone(),
        step_size: g.map(|g| -d * g.clone()),
    }
}

/// Heavy ball: `y₊ = y − η g(y) + β (y − y₋)`.
///
/// # References
/// Polyak (1964), "Some methods of speeding up the convergence of iteration methods", USSR Comput.
/// Math. Math. Phys. 4(5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeavyBall {
    /// β in `[0, 1)`.
    pub momentum: f64,
}

/// Nesterov's momentum: `z = y + β (y − y₋)`, `y₊ = z − η g(z)`.
///
/// # References
/// Nesterov (1983), Soviet Math. Dokl. 27(2); with constant β as in Nesterov (2004), "Introductory
/// Lectures on Convex Optimization", scheme 2.2.11.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nesterov {
    /// β in `[0, 1)`.
    pub momentum: f64,
}

/// The parts of [`LowerMap`] that heavy ball and Nesterov share.
macro_rules! momentum {
    () => {
        const READS_GRADIENT: bool = false;
        const VECTORS: usize = 2;

        fn start(&self, y: Vector<B>) -> Vec<Vector<B>> {
            vec![y.clone(), y.zeros_like()]
        }

        fn step(
            &self,
            _: usize,
            s: &[Vector<B>],
            g: &Vector<B>,
            eta: &Vector<B>,
        ) -> Vec<Vector<B>> {
            momentum_step(self.momentum, s, g, eta)
        }

        fn pull_back(
            &self,
            _: usize,
            _: &[Vector<B>],
            g: Option<&Vector<B>>,
            eta: &Vector<B>,
            bar: Vec<Vector<B>>,
        ) -> PullBack<B> {
            momentum_pull_back(self.momentum, g, eta, bar)
        }

        fn push_forward(
            &self,
            _: usize,
            _: &[Vector<B>],
            _: &Vector<B>,
            eta: &Vector<B>,
            ds: &[Vector<B>],
            dg: &Vector<B>,
        ) -> Vec<Vector<B>> {
            momentum_step(self.momentum, ds, dg, eta) // linear
        }
    };
}

impl<B: Backend> LowerMap<B> for HeavyBall {
    momentum!();
}

impl<B: Backend> LowerMap<B> for Nesterov {
    momentum!();

    fn query(&self, state: &[Vector<B>]) -> Vector<B> {
        state[0].clone() + state[1].clone() * self.momentum
    }

    fn pull_back_query(&self, mut state: Vec<Vector<B>>, bar: Vector<B>) -> Vec<Vector<B>> {
        state[0] = state[0].clone() + bar.clone();
        state[1] = state[1].clone() + bar * self.momentum;
        state
    }
}

/// Adam on `s = (y, m, v)`.
///
/// ```text
/// m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   y ← y − η m̂ / (√v̂ + ε),   m̂ = m/(1 − β₁^k), v̂ = v/(1 − β₂^k)
/// ```
///
/// `√v̂` has no derivative at 0. It is taken as 0 there, which is the limit of the step's
/// derivative as the gradients so far go to zero: `∂y/∂g → −η (1 − β₁)/((1 − β₁^k) ε)`.
/// Differentiating the formula mechanically gives NaN. Near a solution the differentiated step is
/// therefore as long as `η/ε`: with the default ε the adjoint grows from step to step unless `η <
/// 2ε/L`. Take a larger ε to differentiate many steps there.
///
/// # References
/// Kingma, Ba (2015), "Adam: A Method for Stochastic Optimization", ICLR, arXiv:1412.6980.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// β₁ in `[0, 1)`.
    pub beta_1: f64,
    /// β₂ in `[0, 1)`.
    pub beta_2: f64,
    /// ε > 0.
    pub epsilon: f64,
}

impl Default for Adam {
    /// The paper's: 0.9, 0.999, 1e-8.
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
        }
    }
}

/// What step `k` of Adam computes on its way.
struct AdamStep<B: Backend> {
    m: Vector<B>,
    v: Vector<B>,
    /// `1 − β₁^k`, `1 − β₂^k` with k from 1.
    corrections: (f64, f64),
    m_hat: Vector<B>,
    /// `√v̂`.
    root: Vector<B>,
}

impl Adam {
    fn moments<B: Backend>(&self, k: usize, s: &[Vector<B>], g: &Vector<B>) -> AdamStep<B> {
        let Self { beta_1, beta_2, .. } = *self;
        let m = s[1].clone() * beta_1 + g.clone() * (1.0 - beta_1);
        let v = s[2].clone() * beta_2 + g.clone() * g.clone() * (1.0 - beta_2);
        let power = i32::try_from(k + 1).unwrap_or(i32::MAX);
        let corrections = (1.0 - beta_1.powi(power), 1.0 - beta_2.powi(power));
        AdamStep {
            m_hat: m.clone() / corrections.0,
            root: (v.clone() / corrections.1).sqrt(),
            corrections,
            m,
            v,
        }
    }
}

impl<B: Backend> LowerMap<B> for Adam {
    const READS_GRADIENT: bool = true;
    const VECTORS: usize = 3;

    fn start(&self, y: Vector<B>) -> Vec<Vector<B>> {
        vec![y.clone(), y.zeros_like(), y.zeros_like()]
    }

    fn step(&self, k: usize, s: &[Vector<B>], g: &Vector<B>, eta: &Vector<B>) -> Vec<Vector<B>> {
        let AdamStep {
            m, v, m_hat, root, ..
        } = self.moments(k, s, g);
        let y = s[0].clone() - m_hat / (root + self.epsilon) * eta.clone();
        vec![y, m, v]
    }

    fn pull_back(
        &self,
        k: usize,
        s: &[Vector<B>],
        g: Option<&Vector<B>>,
        eta: &Vector<B>,
        bar: Vec<Vector<B>>,
    ) -> PullBack<B> {
        let g = g.expect("Adam reads the gradient");
        let Self { beta_1, beta_2, .. } = *self;
        let AdamStep {
            corrections: (c_1, c_2),
            m_hat,
            root,
            ..
        } = self.moments(k, s, g);
        let below = root.clone() + self.epsilon;
        let y_eta = bar[0].clone() * eta.clone();
        let m = bar[1].clone() - y_eta.clone() / below.clone() / c_1;
        let of_root = y_eta * m_hat.clone() / (below.clone() * below.clone());
        let v = bar[2].clone() + quotient(of_root, root * (2.0 * c_2));
        PullBack {
            gradient: m.clone() * (1.0 - beta_1) + v.clone() * g.clone() * (2.0 * (1.0 - beta_2)),
            step_size: Some(-bar[0].clone() * m_hat / below),
            state: vec![bar[0].clone(), m * beta_1, v * beta_2],
        }
    }

    fn push_forward(
        &self,
        k: usize,
        s: &[Vector<B>],
        g: &Vector<B>,
        eta: &Vector<B>,
        ds: &[Vector<B>],
        dg: &Vector<B>,
    ) -> Vec<Vector<B>> {
        let Self { beta_1, beta_2, .. } = *self;
        let AdamStep {
            corrections: (c_1, c_2),
            m_hat,
            root,
            ..
        } = self.moments(k, s, g);
        let dm = ds[1].clone() * beta_1 + dg.clone() * (1.0 - beta_1);
        let dv = ds[2].clone() * beta_2 + g.clone() * dg.clone() * (2.0 * (1.0 - beta_2));
        let droot = quotient(dv.clone(), root.clone() * (2.0 * c_2));
        let below = root + self.epsilon;
        let dstep = dm.clone() / below.clone() / c_1 - m_hat * droot / (below.clone() * below);
        vec![ds[0].clone() - dstep * eta.clone(), dm, dv]
    }
}
