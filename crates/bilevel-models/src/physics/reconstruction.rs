//! The bilevel problem of undoing a physics.

use bilevel_backend::Tape;
use bilevel_core::{BilevelProblem, Constants, Vector};
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::image::rows;
use super::{Identity, Image, ImagePairs, Physics, UpperLoss, size_of};
use crate::Error;
use crate::error::ErrorKind;
use crate::regularizer::Regularizer;

/// Learning a regularizer by reconstruction, and the operator where it is not known.
///
/// ```text
/// f(x, y) = loss(y − clean)        g(x, y) = ½ ‖A y − data‖² + R(x, y)
/// ```
///
/// The [`loss`](UpperLoss), a mean of squares at first, leaves out a margin of pixels: what happens
/// at the cut edges of a training crop says little about the inside of a photograph.
///
/// `g` sums over the images, which are independent systems: one row each. For denoising it is
/// 1-strongly convex if `R` is convex. Elsewhere A loses something, and only `R` can make it
/// strongly convex.
///
/// The upper variables are [`Physics::Upper`]: the regularizer's parameters alone for denoising,
/// with a kernel or mask else. [`upper`](Self::upper) puts them together.
///
/// ```
/// use bilevel_backend::Tape;
/// use bilevel_backend::Cpu;
/// use bilevel_core::BilevelProblem;
/// use bilevel_models::physics::{Blur, Boundary, ImagePairs, Kernel, Reconstruction};
/// use bilevel_models::regularizer::{Regularizer, Tv};
/// use burn::tensor::Tensor;
///
/// type B = Cpu;
/// let device = Default::default();
/// let problem = Reconstruction::of(Blur { boundary: Boundary::Reflect }, Tv, 2);
/// let kernel = Kernel::<Tape<B>>::gaussian(5, 1.0, &device)?;
/// let clean = Tensor::<B, 4>::ones([2, 1, 16, 16], &device);
/// let known = Kernel::<B>::gaussian(5, 1.0, &device)?;
/// let batch = ImagePairs::simulate(&problem.physics, &known, clean, |shape| Tensor::zeros(shape, &device))?;
///
/// let x = problem.upper(Tv.init(&device), kernel); // semi-blind: kernel.learned()
/// problem.check(&x, &batch)?;
/// let y = problem.start(&x, &batch);
/// assert_eq!(problem.systems(&y), 2);
/// # Ok::<(), bilevel_models::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconstruction<A, R> {
    /// How the data came about.
    pub physics: A,
    /// The regularizer.
    pub regularizer: R,
    /// Pixels at each edge that the upper loss does not look at; less than half of an image.
    pub margin: usize,
    /// What is said of the error.
    pub loss: UpperLoss,
}

/// Learning a regularizer by denoising: `g(x, y) = ½ ‖y − data‖² + R(x, y)`.
///
/// The upper variables are the regularizer's parameters.
pub type Denoising<R> = Reconstruction<Identity, R>;

impl<A, R> Reconstruction<A, R> {
    /// The problem with the mean square as its loss, which leaves out `margin` pixels at each edge.
    pub fn of(physics: A, regularizer: R, margin: usize) -> Self {
        Self {
            physics,
            regularizer,
            margin,
            loss: UpperLoss::MeanSquare,
        }
    }
}

impl<R> Denoising<R> {
    /// Denoising with `regularizer`; the upper loss leaves out `margin` pixels at each edge.
    pub fn new(regularizer: R, margin: usize) -> Self {
        Self::of(Identity, regularizer, margin)
    }
}

/// Upper variables of a [`Reconstruction`].
type Upper<A, R, B> = <A as Physics>::Upper<B, <R as Regularizer>::Parameters<B>>;

impl<A: Physics, R: Regularizer> Reconstruction<A, R> {
    /// The upper variables, of their parts.
    pub fn upper<B: Backend>(
        &self,
        regularizer: R::Parameters<B>,
        operator: A::Operator<B>,
    ) -> A::Upper<B, R::Parameters<B>> {
        A::join(regularizer, operator)
    }

    /// The parts of the upper variables: the regularizer's parameters, and what A is made of.
    pub fn parts<'a, B: Backend>(
        &self,
        x: &'a A::Upper<B, R::Parameters<B>>,
    ) -> (&'a R::Parameters<B>, &'a A::Operator<B>) {
        A::split(x)
    }

    /// Whether operator, images, data and margin fit together. Looks at shapes only.
    ///
    /// # Errors
    /// If they do not, with what to change.
    pub fn check<B: Backend>(
        &self,
        x: &A::Upper<Tape<B>, R::Parameters<Tape<B>>>,
        batch: &ImagePairs<B>,
    ) -> Result<(), Error> {
        let (_, operator) = self.parts(x);
        let [n, channels, height, width] = batch.clean.dims();
        let image = [height, width];
        let [h, w] = self.physics.data_size(operator, image)?;
        let (found, expected) = (batch.data.dims(), [n, channels, h, w]);
        if found != expected {
            return Err(ErrorKind::DataShape { found, expected }.into());
        }
        let margin = self.margin;
        if 2 * margin >= height.min(width) {
            return Err(ErrorKind::MarginTooLarge { margin, image }.into());
        }
        Ok(())
    }

    /// Where reconstruction starts: [`Physics::start`].
    pub fn start<B: Backend>(
        &self,
        x: &Upper<A, R, Tape<B>>,
        batch: &ImagePairs<B>,
    ) -> Image<Tape<B>>
    where
        Upper<A, R, Tape<B>>: AutodiffModule<Tape<B>, InnerModule = Upper<A, R, B>>,
    {
        let x = x.valid();
        let (_, operator) = self.parts(&x);
        let size = size_of(&batch.clean);
        let pixels = self.physics.start(operator, batch.data.clone(), size);
        Image::new(Tensor::from_inner(pixels))
    }

    /// `A y − data`.
    pub(super) fn residual<B: Backend>(
        &self,
        operator: &A::Operator<B>,
        y: Tensor<B, 4>,
        batch: &ImagePairs<B>,
    ) -> Tensor<B, 4> {
        self.physics.apply(operator, y) - batch.data.clone()
    }
}

impl<A: Physics, R: Regularizer> BilevelProblem for Reconstruction<A, R> {
    type Upper<B: Backend> = A::Upper<B, R::Parameters<B>>;
    type Lower<B: Backend> = Image<B>;
    type Batch<B: Backend> = ImagePairs<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &Self::Upper<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Tensor<B, 1> {
        let error = y.pixels.val() - batch.clean.clone();
        let [n, channels, height, width] = error.dims();
        let m = self.margin;
        let inside = error.slice([0..n, 0..channels, m..height - m, m..width - m]);
        self.loss.value(inside)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Self::Upper<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Tensor<B, 1> {
        let (parameters, operator) = self.parts(x);
        let y = y.pixels.val();
        self.residual(operator, y.clone(), batch).square().sum() * 0.5
            + self.regularizer.value(parameters, y)
    }

    /// `Aᵀ(A y − data) + ∇R(y)`, if the regularizer states its gradient.
    fn lower_gradient<B: Backend>(
        &self,
        x: &Self::Upper<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Option<Vector<B>> {
        let (parameters, operator) = self.parts(x);
        let y = y.pixels.val();
        let size = size_of(&y);
        let gradient = self.regularizer.gradient(parameters, y.clone())?;
        let residual = self.residual(operator, y, batch);
        let fidelity = self.physics.adjoint(operator, residual, size);
        Some(rows(fidelity + gradient))
    }

    fn systems<B: Backend>(&self, y: &Image<B>) -> usize {
        y.pixels.dims()[0]
    }

    /// The regularizer's parameters made [admissible](Regularizer::project); the operator is left
    /// alone.
    fn project<B: Backend>(&self, x: Self::Upper<B>) -> Self::Upper<B> {
        let (regularizer, operator) = self.parts(&x);
        let regularizer = self.regularizer.project(regularizer.clone());
        self.upper(regularizer, operator.clone())
    }

    /// `μ = λmin(AᵀA) + m` where that is positive and `R` has convexity `m`; `∇y f` is
    /// `2/N`-Lipschitz for `N` pixels in the mean, and f does not depend on x.
    fn constants<B: Backend>(&self, x: &Self::Upper<B>, batch: &ImagePairs<B>) -> Constants {
        let (parameters, _) = self.parts(x);
        let [n, channels, height, width] = batch.clean.dims();
        let m = 2 * self.margin;
        let pixels = n * channels * (height - m) * (width - m);
        Constants {
            strong_convexity: self
                .regularizer
                .convexity(parameters)
                .map(|m| self.physics.strong_convexity() + m)
                .filter(|mu| *mu > 0.0),
            upper_smoothness: match self.loss {
                UpperLoss::MeanSquare => Some(2.0 / pixels as f64),
                UpperLoss::LogMeanSquare => None,
            },
            direct_lipschitz: Some(0.0),
            ..Constants::default()
        }
    }
}
