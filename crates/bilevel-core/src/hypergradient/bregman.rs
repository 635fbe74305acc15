//! Bregman iteration as steps that can be differentiated.

use burn::tensor::backend::Backend;

use super::{LowerMap, Nesterov, PullBack};
use crate::Vector;

/// Bregman iteration with [`Nesterov`]'s steps, for `g(y) = ½ ‖y − y₀‖² + R(y)` from its data `y₀`.
///
/// ```text
/// c = 0;   steps on g(y) − ⟨c, y⟩ = ½ ‖y − (y₀ + c)‖² + R(y) + const;   after every T of them:   c ← c + b (y₀ − y)
/// ```
///
/// A part b of what is missing from the data is added to them, and the new problem is solved from
/// where y is, the momentum beginning at rest. A regularizer that flattens noise flattens edges and
/// texture too; each of the problems is as convex as the first, and if `R` is convex, what is
/// missing from the data becomes less with each that is solved, for `b` in (0, 1].
/// [`Unrolled`](super::Unrolled) differentiates through all of them. The lower residual that it
/// reports is that of `g` itself, which is not to become zero.
///
/// `y₀` is where the steps start: every estimate has to start at the data. After another lower
/// solver, or from an earlier estimate's y, it gives back something else.
///
/// The state is `(y, d, c, y₀)`. A step costs what [`Nesterov`]'s costs; a stored state has four
/// vectors, not two.
///
/// # Example
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::hypergradient::{Bregman, LowerMap};
/// use burn::tensor::Tensor;
///
/// Cpu::use_f64().expect("the first tensors");
/// // R(y) = |y|, data of 3: the first solution is 2, and with b = 1 the second is 3 again.
/// type B = Cpu;
/// let device = Default::default();
/// let reached = |state: &[Tensor<B, 2>]| -> f64 { state[0].to_data().to_vec().unwrap()[0] };
/// let map = Bregman { momentum: 0.0, every: 60, feedback: 1.0 };
/// let eta = Tensor::<B, 2>::full([1, 1], 0.5, &device);
/// let mut state: Vec<Tensor<B, 2>> = map.start(Tensor::from_data([[3.0]], &device));
/// for k in 0..120 {
///     if k == 60 {
///         assert!((reached(&state) - 2.0).abs() < 1e-9);
///     }
///     let y = map.query(&state);
///     let g = y.clone() - 3.0 + y.sign();
///     state = map.step(k, &state, &g, &eta);
/// }
/// assert!((reached(&state) - 3.0).abs() < 1e-9);
/// ```
///
/// # References
/// Osher, Burger, Goldfarb, Xu, Yin (2005), "An iterative regularization method for total
/// variation-based image restoration", Multiscale Model. Simul. 4(2), where `b = 1` and each
/// problem is solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bregman {
    /// Momentum β of the steps, in `[0, 1)`.
    pub momentum: f64,
    /// T: steps between two additions to the data, at least 1.
    pub every: usize,
    /// b: the part of what is missing that is given back, in (0, 1].
    pub feedback: f64,
}

impl Bregman {
    fn steps(&self) -> Nesterov {
        Nesterov {
            momentum: self.momentum,
        }
    }

    /// Whether something is given back after step `k`.
    fn gives_back(&self, k: usize) -> bool {
        (k + 1).is_multiple_of(self.every)
    }
}

impl<B: Backend> LowerMap<B> for Bregman {
    const READS_GRADIENT: bool = false;
    const VECTORS: usize = 4;

    fn start(&self, y: Vector<B>) -> Vec<Vector<B>> {
        let none = y.zeros_like();
        vec![y.clone(), none.clone(), none, y]
    }

    fn query(&self, s: &[Vector<B>]) -> Vector<B> {
        self.steps().query(s)
    }

    fn step(&self, k: usize, s: &[Vector<B>], g: &Vector<B>, eta: &Vector<B>) -> Vec<Vector<B>> {
        let (c, data) = (s[2].clone(), s[3].clone());
        let mut next = self.steps().step(k, s, &(g.clone() - c.clone()), eta);
        if self.gives_back(k) {
            next[1] = next[1].zeros_like();
            next.push(c + (data.clone() - next[0].clone()) * self.feedback);
        } else {
            next.push(c);
        }
        next.push(data);
        next
    }

    fn pull_back(
        &self,
        k: usize,
        s: &[Vector<B>],
        g: Option<&Vector<B>>,
        eta: &Vector<B>,
        mut bar: Vec<Vector<B>>,
    ) -> PullBack<B> {
        let data = bar.pop().expect("four vectors");
        let c = bar.pop().expect("four vectors");
        let data = if self.gives_back(k) {
            let given = c.clone() * self.feedback;
            bar[0] = bar[0].clone() - given.clone();
            bar[1] = bar[1].zeros_like();
            data + given
        } else {
            data
        };
        let shifted = g.map(|g| g.clone() - s[2].clone());
        let mut back = self.steps().pull_back(k, s, shifted.as_ref(), eta, bar);
        back.state.push(c - back.gradient.clone());
        back.state.push(data);
        back
    }

    fn pull_back_query(&self, state: Vec<Vector<B>>, bar: Vector<B>) -> Vec<Vector<B>> {
        self.steps().pull_back_query(state, bar)
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
