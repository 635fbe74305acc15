//! A box.

use burn::tensor::backend::Backend;

use super::{Projection, row};
use crate::{Error, ErrorKind, Vector};

/// The box `{ y : low ≤ y ≤ high }`. A bound may be infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds(Limits);

#[derive(Debug, Clone, PartialEq)]
enum Limits {
    /// The same of every entry.
    All(f64, f64),
    /// Of each entry.
    Each(Vec<f64>, Vec<f64>),
}

impl Bounds {
    /// Every entry between `low` and `high`.
    ///
    /// # Errors
    /// If no number is.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_core::Vector;
    /// use bilevel_core::projection::{Bounds, Projection};
    ///
    /// Cpu::use_f64().expect("the first tensors");
    /// let z = Vector::<Cpu>::from_data([[-2.0, 0.5, 7.0]], &Default::default());
    /// let y = Bounds::all(-1.0, 1.0)?.project(z);
    /// assert_eq!(y.into_data().to_vec::<f64>().unwrap(), [-1.0, 0.5, 1.0]);
    /// assert!(Bounds::all(1.0, -1.0).is_err());
    /// # Ok::<(), bilevel_core::Error>(())
    /// ```
    pub fn all(low: f64, high: f64) -> Result<Self, Error> {
        nonempty(0, low, high)?;
        Ok(Self(Limits::All(low, high)))
    }

    /// Entry i between `low[i]` and `high[i]`.
    ///
    /// # Errors
    /// If there is no number between two bounds, or a different number of lower and upper ones.
    pub fn each(low: Vec<f64>, high: Vec<f64>) -> Result<Self, Error> {
        if low.len() != high.len() {
            let (expected, found) = (low.len(), high.len());
            return Err(ErrorKind::ConstraintDimension { expected, found }.into());
        }
        for (i, (low, high)) in low.iter().zip(&high).enumerate() {
            nonempty(i, *low, *high)?;
        }
        Ok(Self(Limits::Each(low, high)))
    }
}

fn nonempty(entry: usize, low: f64, high: f64) -> Result<(), Error> {
    if low <= high {
        return Ok(());
    }
    let reason = format!("entry {entry} is to be at least {low} and at most {high}");
    Err(ErrorKind::EmptySet { reason }.into())
}

impl<B: Backend> Projection<B> for Bounds {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        match &self.0 {
            Limits::All(low, high) => z.clamp(*low, *high),
            Limits::Each(low, high) => {
                let (low, high) = (row(low, &z), row(high, &z));
                z.max_pair(low).min_pair(high)
            }
        }
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        let within = match &self.0 {
            Limits::All(low, high) => {
                let above = z.clone().greater_elem(*low);
                above.bool_and(z.clone().lower_elem(*high))
            }
            Limits::Each(low, high) => {
                let shape = z.shape();
                let [low, high] = [low, high].map(|bound| row(bound, z).expand(shape.clone()));
                let above = z.clone().greater(low);
                above.bool_and(z.clone().lower(high))
            }
        };
        v * within.float()
    }

    fn dim(&self) -> Option<usize> {
        match &self.0 {
            Limits::All(..) => None,
            Limits::Each(low, _) => Some(low.len()),
        }
    }
}
