//! The last step of every estimator: read the numbers, judge them.

use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use super::product_counter::{Counted, ProductCounter};
use super::{Bound, Certificate, Curvature, Estimate, Evidence, Memory};
use crate::failure::{Cause, Failure, Phase};
use crate::parameters::{non_finite_parameter, pack, paths};
use crate::vector::{largest, norm, norms, read};
use crate::{Differentiable, LossGradients, Outcome, Point, SecondOrder, Status, Vector};

/// An estimate before its numbers are read from the device.
pub(super) struct EstimateBuilder<B: Backend> {
    /// The losses' gradients at `y`: `f` and its gradients.
    pub f: LossGradients<B>,
    /// The hypergradient.
    pub gradient: Vector<B>,
    /// Where it was made.
    pub y: Vector<B>,
    /// `∇y g` there.
    pub lower_gradient: Vector<B>,
    /// How the estimator's own lower steps ended.
    pub lower: Option<Outcome>,
    /// The adjoint, its residual and how its solve ended.
    pub adjoint: Option<Adjoint<B>>,
    /// The adjoint of the first state, of an estimator that reverses steps.
    pub reversed: Option<Vector<B>>,
    /// Vectors kept.
    pub memory: Memory,
}

/// An adjoint `q`.
pub(super) struct Adjoint<B: Backend> {
    pub q: Vector<B>,
    /// `∇y f − ∇²yy g · q`, if it was computed.
    pub residual: Option<Vector<B>>,
    /// How its solve ended, if there was one.
    pub outcome: Option<Outcome>,
}

impl<B: Backend> EstimateBuilder<B> {
    /// The estimate. Two reads from the device: one of all norms, one of the curvature.
    pub fn build<P: Differentiable<B>>(
        self,
        point: Point<'_, B, P>,
        counter: &ProductCounter<B>,
    ) -> Estimate<B> {
        let (evidence, growth, size) = self.evidence();
        let curvature = counter
            .seen()
            .and_then(|seen| Curvature::from_rows(&read(seen)));
        let adjoint = self.adjoint.as_ref().and_then(|a| a.outcome);
        let mut certificate = Certificate {
            evidence,
            lower: self.lower,
            adjoint,
            adjoint_growth: growth,
            gradients: counter.gradients.get(),
            products: counter.products.get(),
            crosses: counter.crosses.get(),
            curvature,
            memory: self.memory,
            bound: Bound::NotCovered,
        };
        // The solver's residual may be of a damped system; this one is of the adjoint's.
        if let (Some(outcome), Some(residual)) =
            (certificate.adjoint, certificate.adjoint_residual())
        {
            certificate.adjoint = Some(Outcome {
                residual,
                ..outcome
            });
        }
        let failure = self.failure(point, &certificate, size);
        // A structural zero is the right number; of another failure no number may be taken for one.
        let gradient = match &failure {
            Some(failure) if failure.cause != Cause::Structural => {
                self.gradient.full_like(f64::NAN)
            }
            _ => self.gradient,
        };
        let constants = point.problem.constants(&point.x.valid(), point.batch);
        certificate.bound = certificate.bound_for(&constants);
        Estimate {
            loss: self.f.loss,
            gradient,
            y: self.y,
            adjoint: self.adjoint.map(|a| a.q),
            certificate,
            failure,
        }
    }

    /// The norms of each row, how far a reversed adjoint grew, and the norm of the gradient.
    fn evidence(&self) -> (Vec<Evidence>, Option<f64>, f64) {
        let residual = self.adjoint.as_ref().and_then(|a| a.residual.as_ref());
        let upper = norm(self.f.y.clone());
        let lower = norm(self.lower_gradient.clone());
        // A column for the residual, or for the adjoint of what was reversed: no estimate has both.
        let third = residual.or(self.reversed.as_ref());
        let residuals = third.map_or_else(|| upper.zeros_like(), |r| norm(r.clone()));
        let size = norm(self.gradient.clone()).expand(upper.shape());
        let mut rows = read(Vector::cat(vec![lower, upper, residuals, size], 1));
        // Squares may have vanished or overflowed. (Without a residual its column is zero.)
        let there = |&(i, _): &(usize, &f64)| residual.is_some() || i % 4 != 2;
        let mut norms_there = rows.iter().enumerate().filter(there);
        if norms_there.any(|(_, norm)| !(1e-15..1e15).contains(norm)) {
            let columns = [Some(&self.lower_gradient), Some(&self.f.y), third];
            for (column, vector) in columns.into_iter().enumerate() {
                let Some(vector) = vector else { continue };
                for (row, norm) in norms(vector.clone()).into_iter().enumerate() {
                    rows[4 * row + column] = norm;
                }
            }
            rows[3] = norms(self.gradient.clone())[0];
        }
        let evidence = rows.chunks(4).map(|row| Evidence {
            lower_gradient: row[0],
            adjoint_residual: residual.is_some().then_some(row[2]),
            upper_gradient: row[1],
        });
        let growth = self.reversed.is_some().then(|| {
            // Where ∇y f = 0 the adjoint is 0 too.
            let growths = rows.chunks(4).filter(|row| row[1] != 0.0);
            let growths: Vec<f64> = growths.map(|row| row[2] / row[1]).collect();
            largest(&growths)
        });
        (evidence.collect(), growth, rows[3])
    }

    /// The first thing that is wrong, in the order of the computation.
    fn failure<P: Differentiable<B>>(
        &self,
        point: Point<'_, B, P>,
        certificate: &Certificate,
        size: f64,
    ) -> Option<Failure> {
        let of_y = |v: &Vector<B>| non_finite_parameter(point.y, v.clone());
        let of_x = |v: &Vector<B>| non_finite_parameter(point.x, v.clone());
        let failure = |phase, cause, iteration, parameter| {
            Some(Failure {
                phase,
                cause,
                iteration,
                parameter,
            })
        };
        let Certificate { lower, adjoint, .. } = certificate;
        if let Some(lower) = lower
            && lower.status == Status::NonFinite
        {
            let parameter = of_y(&self.y).or_else(|| of_y(&self.lower_gradient));
            return failure(Phase::Lower, Cause::NonFinite, Some(lower.steps), parameter);
        }
        if !certificate.lower_gradient_norm().is_finite() {
            let parameter = of_y(&self.lower_gradient);
            return failure(Phase::Lower, Cause::NonFinite, None, parameter);
        }
        if !self.f.loss.is_finite() {
            let parameter = of_x(&self.f.x).or_else(|| of_y(&self.f.y));
            return failure(Phase::UpperLoss, Cause::NonFinite, None, parameter);
        }
        if certificate
            .evidence
            .iter()
            .any(|e| !e.upper_gradient.is_finite())
        {
            let parameter = of_y(&self.f.y);
            return failure(Phase::UpperGradient, Cause::NonFinite, None, parameter);
        }
        if let Some(adjoint) = adjoint
            && adjoint.status.is_failure()
        {
            let cause = match adjoint.status {
                Status::Diverged => Cause::Diverged,
                _ => Cause::NonFinite,
            };
            return failure(
                Phase::Adjoint,
                cause,
                Some(adjoint.steps),
                of_x(&self.gradient),
            );
        }
        if !size.is_finite() {
            return failure(
                Phase::Hypergradient,
                Cause::NonFinite,
                None,
                of_x(&self.gradient),
            );
        }
        // Exact zeros are rare, and then worth the question whether they are structural.
        if certificate.evidence.iter().all(|e| e.lower_gradient <= 0.0) {
            let unseen = point.unreached().lower_loss_in_y;
            if unseen == paths(point.y) {
                return failure(
                    Phase::Lower,
                    Cause::Structural,
                    None,
                    unseen.into_iter().next(),
                );
            }
        }
        if size <= 0.0 {
            let unseen = point.unreached().without_hypergradient();
            if unseen == paths(point.x) {
                let parameter = unseen.into_iter().next();
                return failure(Phase::Hypergradient, Cause::Structural, None, parameter);
            }
        }
        None
    }
}

/// The estimate `∇x f − ∇²xy g · q` for an adjoint `q` that came without a solve; one pass gives
/// the cross term and the residual.
pub(super) fn with_adjoint<B, P, D>(
    point: Point<'_, B, P>,
    f: LossGradients<B>,
    q: Vector<B>,
    second_order: &D,
    vectors: usize,
    counter: &ProductCounter<B>,
) -> Estimate<B>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
{
    let g = second_order.at(point);
    let (product, cross) = Counted::new(&*g, counter).both(q.clone());
    let y = y_of(point);
    EstimateBuilder {
        gradient: f.x.clone() - cross,
        lower_gradient: g.gradient(),
        lower: None,
        adjoint: Some(Adjoint {
            residual: Some(f.y.clone() - product),
            outcome: None,
            q,
        }),
        reversed: None,
        memory: fixed(vectors, &y),
        f,
        y,
    }
    .build(point, counter)
}

/// The bytes of `vectors` vectors like `like`.
pub(super) fn bytes<B: Backend>(vectors: usize, like: &Vector<B>) -> usize {
    vectors * like.shape().num_elements() * like.dtype().size()
}

/// Memory that is known beforehand.
pub(super) fn fixed<B: Backend>(vectors: usize, like: &Vector<B>) -> Memory {
    let bytes = bytes(vectors, like);
    Memory {
        planned: bytes,
        actual: bytes,
    }
}

/// The packed y of a point.
pub(super) fn y_of<B: Backend, P: Differentiable<B>>(point: Point<'_, B, P>) -> Vector<B> {
    pack(point.y, point.systems())
}
