//! FedNest: federated hypergradients, the baseline without planes.

use crate::error::{Error, ErrorKind, in_range};
use crate::flat::{add_scaled, is_finite};
use crate::{LocalProblem, LowerProducts, UpperGradients};

/// FedNest: local steps on both levels, corrected by the gradients of all, and a federated Neumann
/// series between them.
///
/// With means over the N workers, `g = mean gᵢ`, `f = mean Gᵢ`:
///
/// ```text
/// T times:   yᵢ ← y, then E times  yᵢ ← yᵢ − β (∇y gᵢ(x, yᵢ) − ∇y gᵢ(x, y) + ∇y g(x, y)),     y ← mean yᵢ
/// p = η Σ_{k<Q} (I − η ∇²yy g)^k ∇y f                                                          at (x, y)
/// hᵢ(x) = ∇x Gᵢ(x, y) − ∇²xy gᵢ(x, y) p
/// xᵢ ← x, then E times  xᵢ ← xᵢ − α (hᵢ(xᵢ) − hᵢ(x) + mean h(x)),     x ← mean xᵢ
/// ```
///
/// Every line waits for all workers: a round takes 2 T + Q + 3 exchanges of messages with each,
/// where [`Adbo`](crate::Adbo) takes one. It costs each worker `T (E + 1)` gradients of g, E + 2 of
/// G and Q + E + 1 products. Here all workers are in one process, in turn.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::Scalar;
/// use bilevel_distributed::{FedNest, FedNestSettings, FedNestState};
///
/// // The lower solution is y = 1.5 v, the best v is 1.5 · 2 / (1.5² + 0.5).
/// let workers = [Scalar { a: 1.0, t: 1.0 }, Scalar { a: 2.0, t: 3.0 }];
/// let fednest = FedNest::new(FedNestSettings {
///     upper_step: 0.1, lower_step: 0.3, lower_rounds: 5, local_steps: 3, terms: 30, series_step: 0.5,
/// })?;
/// let mut state = FedNestState { x: vec![0.0], y: vec![0.0] };
/// for _ in 0..200 {
///     assert!(fednest.round(&workers, &mut state));
/// }
/// assert!((state.x[0] - 3.0 / 2.75).abs() < 1e-6, "{}", state.x[0]);
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
///
/// # References
/// Tarzanagh, Li, Thrampoulidis, Oymak (2022), "FedNest: Federated Bilevel, Minimax, and
/// Compositional Optimization", ICML, arXiv:2205.02215.
///
/// # Differences from the paper
/// All workers take part and see all their data; the series is summed, where the paper draws one of
/// its terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FedNest {
    settings: FedNestSettings,
}

/// The settings of [`FedNest`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FedNestSettings {
    /// α.
    pub upper_step: f64,
    /// β.
    pub lower_step: f64,
    /// T.
    pub lower_rounds: usize,
    /// E.
    pub local_steps: usize,
    /// Q.
    pub terms: usize,
    /// η of the series, at most one over the largest curvature of g in y.
    pub series_step: f64,
}

/// Where [`FedNest`] stands.
#[derive(Debug, Clone, PartialEq)]
pub struct FedNestState {
    /// Upper variable.
    pub x: Vec<f64>,
    /// Lower variable.
    pub y: Vec<f64>,
}

impl FedNest {
    /// The method.
    ///
    /// # Errors
    /// If a setting is not above zero.
    pub fn new(settings: FedNestSettings) -> Result<Self, Error> {
        for (name, step) in [
            ("upper_step", settings.upper_step),
            ("lower_step", settings.lower_step),
            ("series_step", settings.series_step),
        ] {
            bilevel_core::positive(name, step).map_err(|e| Error::from(ErrorKind::Setting(e)))?;
        }
        for (name, count) in [
            ("lower_rounds", settings.lower_rounds),
            ("local_steps", settings.local_steps),
            ("terms", settings.terms),
        ] {
            in_range(name, count as f64, count > 0, "at least 1")?;
        }
        Ok(Self { settings })
    }

    /// One round. Returns whether it is finite; if not, it was not taken: lower the step sizes.
    ///
    /// # Panics
    /// If there is no worker.
    pub fn round<P: LocalProblem>(&self, workers: &[P], state: &mut FedNestState) -> bool {
        assert!(!workers.is_empty(), "a round of 0 workers");
        let FedNestSettings {
            upper_step,
            lower_step,
            lower_rounds,
            ..
        } = self.settings;
        let x = &state.x;
        let mut y = state.y.clone();
        for _ in 0..lower_rounds {
            y = self.local(workers, &y, lower_step, |worker, y| {
                worker.lower_gradient(x, y)
            });
        }
        let p = self.adjoint(workers, x, &y);
        let x = self.local(workers, x, upper_step, |worker, x| {
            let UpperGradients { x: mut h, .. } = worker.upper_gradients(x, &y);
            add_scaled(&mut h, -1.0, &worker.lower_products(x, &y, &p).cross);
            h
        });
        let finite = is_finite(&x) && is_finite(&y);
        if finite {
            *state = FedNestState { x, y };
        }
        finite
    }

    /// E steps of every worker from `from`, each gradient corrected by what it lacks there of the
    /// mean; the mean of where they end.
    fn local<P: LocalProblem>(
        &self,
        workers: &[P],
        from: &[f64],
        step: f64,
        gradient: impl Fn(&P, &[f64]) -> Vec<f64>,
    ) -> Vec<f64> {
        let own: Vec<_> = workers
            .iter()
            .map(|worker| gradient(worker, from))
            .collect();
        let all = mean(&own);
        let ends = workers.iter().zip(&own).map(|(worker, own)| {
            let mut at = from.to_vec();
            for _ in 0..self.settings.local_steps {
                let mut direction = gradient(worker, &at);
                add_scaled(&mut direction, -1.0, own);
                add_scaled(&mut direction, 1.0, &all);
                add_scaled(&mut at, -step, &direction);
            }
            at
        });
        mean(&ends.collect::<Vec<_>>())
    }

    /// `p`.
    fn adjoint<P: LocalProblem>(&self, workers: &[P], x: &[f64], y: &[f64]) -> Vec<f64> {
        let FedNestSettings {
            terms, series_step, ..
        } = self.settings;
        let of_f = workers.iter().map(|worker| worker.upper_gradients(x, y).y);
        let mut term = mean(&of_f.collect::<Vec<_>>());
        let mut sum = vec![0.0; term.len()];
        for _ in 0..terms {
            add_scaled(&mut sum, series_step, &term);
            let products = workers.iter().map(|worker| {
                let LowerProducts { hessian, .. } = worker.lower_products(x, y, &term);
                hessian
            });
            let product = mean(&products.collect::<Vec<_>>());
            add_scaled(&mut term, -series_step, &product);
        }
        sum
    }
}

/// The mean of vectors, of which there is one.
fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; vectors[0].len()];
    for vector in vectors {
        add_scaled(&mut mean, 1.0 / vectors.len() as f64, vector);
    }
    mean
}
