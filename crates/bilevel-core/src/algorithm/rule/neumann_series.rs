//! Hypergradients by a Neumann series with a fresh block in every factor.

use burn::tensor::backend::Backend;

use super::{Block, Draws, Iterate, Oracle};
use crate::hypergradient::NeumannForm;
use crate::{Error, Vector, positive};

/// How a stochastic method estimates the hypergradient where it stands.
///
/// ```text
/// E[q] = η Σ_{k<n} (I − ηH)ᵏ ∇y f
/// Sum:            q = η Σ_{k<n} Π_{j=1..k} (I − ηH_j) ∇y f_J                        (SHIA)
/// RandomProduct:  q = η n Π_{j=1..c} (I − ηH_j) ∇y f_J,     c uniform in {0, …, n−1}   (HIA)
/// D = ∇x f_J − ∇²xy g_I q
/// ```
///
/// The same estimators as [`StochasticNeumann`](crate::hypergradient::StochasticNeumann), on an
/// oracle. Costs one gradient of `f`, one cross product and at most `n − 1` Hessian products.
///
/// # References
/// As there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeumannSeries {
    form: NeumannForm,
    step: f64,
    terms: usize,
}

/// The blocks of one estimate: with them it can be repeated at another point.
#[derive(Debug, Clone)]
pub struct Drawn {
    upper: Block,
    cross: Block,
    factors: Vec<Block>,
}

impl NeumannSeries {
    /// With `terms` n and step size `step` η, at most 1/L.
    ///
    /// # Errors
    /// If one of them is not above zero.
    pub fn new(form: NeumannForm, terms: usize, step: f64) -> Result<Self, Error> {
        positive("terms", terms as f64)?;
        Ok(Self {
            form,
            step: positive("series_step_size", step)?,
            terms,
        })
    }

    /// Blocks for an estimate.
    pub fn draw(&self, draws: &mut Draws) -> Drawn {
        let factors = match self.form {
            NeumannForm::Sum => self.terms - 1,
            NeumannForm::RandomProduct => draws.below(self.terms),
        };
        Drawn {
            upper: draws.upper(),
            cross: draws.lower(),
            factors: (0..factors).map(|_| draws.lower()).collect(),
        }
    }

    /// All samples everywhere: the whole series, whatever the form.
    pub fn all(&self) -> Drawn {
        Drawn {
            upper: Block::All,
            cross: Block::All,
            factors: vec![Block::All; self.terms - 1],
        }
    }

    /// `D`: `[1, dim x]`, an estimate of the hypergradient if `at.y` solves the lower problem.
    pub fn hypergradient<B: Backend>(
        &self,
        oracle: &dyn Oracle<B>,
        on: &Drawn,
        at: &Iterate<B>,
    ) -> Vector<B> {
        let f = oracle.upper_gradients(on.upper, at);
        let q = self.adjoint(oracle, on, at, f.y);
        f.x - oracle.cross(on.cross, at, &q)
    }

    /// `q` for the right side `p`: `[systems, dim y]`.
    pub fn adjoint<B: Backend>(
        &self,
        oracle: &dyn Oracle<B>,
        on: &Drawn,
        at: &Iterate<B>,
        p: Vector<B>,
    ) -> Vector<B> {
        let eta = self.step;
        let mut term = p;
        let mut sum = term.clone();
        for &j in &on.factors {
            term = term.clone() - oracle.hessian(j, at, &term) * eta;
            if self.form == NeumannForm::Sum {
                sum = sum + term.clone();
            }
        }
        match self.form {
            NeumannForm::Sum => sum * eta,
            NeumannForm::RandomProduct => term * (eta * self.terms as f64),
        }
    }
}
