//! Projections onto convex sets, and their generalised Jacobians.
//!
//! | set | projection of z | Jacobian |
//! |---|---|---|
//! | [`Everywhere`] | z | I |
//! | [`NonNegative`] | max(z, 0) | 1 where z > 0 |
//! | [`Bounds`] | z cut to its bounds | 1 where z is within |
//! | [`L2Ball`] | z r/‖z‖ outside | r/‖z‖ (I − z zᵀ/‖z‖²) outside |
//! | [`L1Ball`] | signs times [`Simplex`] of the sizes outside | I_S − s_S s_Sᵀ/\|S\| outside |
//! | [`Simplex`] | max(z − θ, 0) | I_S − 1_S 1_Sᵀ/\|S\| |
//! | [`HalfSpace`] | z − (aᵀz − b)₊ a/‖a‖² | I − a aᵀ/‖a‖² outside |
//! | [`Affine`] | z − Aᵀ(AAᵀ)⁺(Az − b) | I − Aᵀ(AAᵀ)⁺A |
//! | [`Product`] | each block by itself | blocks |
//!
//! Every row of a vector is projected by itself. Sets are the same in every row. What is written of
//! a Jacobian is an element of Clarke's: where the projection is smooth it is the derivative, at a
//! kink it is the derivative from the one side that the table's conditions name.

mod affine;
mod bounds;
mod everywhere;
mod half_space;
mod l1_ball;
mod l2_ball;
mod non_negative;
mod product;
mod simplex;
mod smoothed;

pub use affine::Affine;
pub use bounds::Bounds;
pub use everywhere::Everywhere;
pub use half_space::HalfSpace;
pub use l1_ball::L1Ball;
pub use l2_ball::L2Ball;
pub use non_negative::NonNegative;
pub use product::Product;
pub use simplex::Simplex;
pub use smoothed::ProjectionJacobian;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::vector::norm;
use crate::{Error, ErrorKind, Vector};

/// The projection onto a closed convex set, `P(z) = argmin_{y ∈ Y} ‖y − z‖`, for each row.
pub trait Projection<B: Backend> {
    /// `P(z)`: `[systems, dim]`.
    ///
    /// # Panics
    /// If the set is one of vectors of another length, with both lengths.
    fn project(&self, z: Vector<B>) -> Vector<B>;

    /// `D v`, D an element of the generalised Jacobian of `P` at `z`: symmetric, `0 ⪯ D ⪯ I`.
    ///
    /// # Panics
    /// As [`project`](Self::project).
    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B>;

    /// `‖z − P(z)‖`, zero in the set: `[systems, 1]`.
    ///
    /// # Panics
    /// As [`project`](Self::project).
    fn distance(&self, z: Vector<B>) -> Vector<B> {
        norm(z.clone() - self.project(z))
    }

    /// The length of the vectors that the set consists of; `None` where any length will do.
    fn dim(&self) -> Option<usize> {
        None
    }

    /// # Errors
    /// If the set does not consist of vectors of `dim` entries.
    fn check(&self, dim: usize) -> Result<(), Error> {
        match self.dim() {
            Some(expected) if expected != dim => {
                let found = dim;
                Err(ErrorKind::ConstraintDimension { expected, found }.into())
            }
            _ => Ok(()),
        }
    }
}

/// A reference to a projection is one.
impl<B: Backend, C: Projection<B> + ?Sized> Projection<B> for &C {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        (**self).project(z)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        (**self).jacobian(z, v)
    }

    fn dim(&self) -> Option<usize> {
        (**self).dim()
    }
}

/// A boxed projection is one.
impl<B: Backend, C: Projection<B> + ?Sized> Projection<B> for Box<C> {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        (**self).project(z)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        (**self).jacobian(z, v)
    }

    fn dim(&self) -> Option<usize> {
        (**self).dim()
    }
}

/// Numbers as one row beside `z`.
fn row<B: Backend>(numbers: &[f64], z: &Vector<B>) -> Vector<B> {
    assert_eq!(
        numbers.len(),
        z.dims()[1],
        "a set of vectors of one length, vectors of another"
    );
    Tensor::<B, 1>::from_data(numbers, &z.device()).unsqueeze()
}

/// `yes` in the rows where `which` (`[systems, 1]`), `no` in the others.
fn choose<B: Backend>(
    which: Tensor<B, 2, burn::tensor::Bool>,
    yes: Vector<B>,
    no: Vector<B>,
) -> Vector<B> {
    let which = which.expand(no.shape());
    no.mask_where(which, yes)
}

#[cfg(test)]
mod tests;
