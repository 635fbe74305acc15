//! Denoising: data are the image plus noise.

use bilevel_backend::Tape;
use bilevel_core::parameters::pack_gradients;
use bilevel_core::{
    BilevelProblem, Constants, DoubleBackward, GradientBackward, Known, LinearOperator,
    LowerHessian, LowerObjective, Point, PowerIteration, SecondOrder, Smoothness, Vector,
};
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::regularizer::{Hessian, Regularizer};

/// Learning a regularizer by denoising.
///
/// ```text
/// f(x, y) = mean (y − clean)²        g(x, y) = ½ ‖y − noisy‖² + R(x, y)
/// ```
///
/// The mean in `f` leaves out a margin of pixels: what happens at the cut edges of a training crop
/// says little about the inside of a photograph.
///
/// `g` sums over the images, which are independent systems: one row each. It is 1-strongly convex
/// if `R` is convex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denoising<R> {
    /// The regularizer; its parameters are `x`.
    pub regularizer: R,
    /// Pixels at each edge that the upper loss does not look at; less than half of an image.
    pub margin: usize,
}

/// Images that are being reconstructed.
#[derive(Module, Debug)]
pub struct Image<B: Backend> {
    /// `[n, 1, height, width]`.
    pub pixels: Param<Tensor<B, 4>>,
}

impl<B: Backend> Image<B> {
    /// Images as a lower variable, to be built on a tape.
    pub fn new(pixels: Tensor<B, 4>) -> Self {
        Self {
            pixels: Param::from_tensor(pixels),
        }
    }
}

/// Noisy images and the truth behind them, each `[n, 1, height, width]`.
#[derive(Module, Debug)]
pub struct ImagePairs<B: Backend> {
    /// The truth.
    pub clean: Tensor<B, 4>,
    /// The data.
    pub noisy: Tensor<B, 4>,
}

impl<B: Backend> ImagePairs<B> {
    /// Where reconstruction starts: at the data.
    pub fn start(&self) -> Image<Tape<B>> {
        Image::new(Tensor::from_inner(self.noisy.clone()))
    }
}

impl<R: Regularizer> BilevelProblem for Denoising<R> {
    type Upper<B: Backend> = R::Parameters<B>;
    type Lower<B: Backend> = Image<B>;
    type Batch<B: Backend> = ImagePairs<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &R::Parameters<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Tensor<B, 1> {
        let error = y.pixels.val() - batch.clean.clone();
        let [n, channels, height, width] = error.dims();
        let m = self.margin;
        error
            .slice([0..n, 0..channels, m..height - m, m..width - m])
            .square()
            .mean()
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &R::Parameters<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Tensor<B, 1> {
        let y = y.pixels.val();
        (y.clone() - batch.noisy.clone()).square().sum() * 0.5 + self.regularizer.value(x, y)
    }

    fn lower_gradient<B: Backend>(
        &self,
        x: &R::Parameters<B>,
        y: &Image<B>,
        batch: &ImagePairs<B>,
    ) -> Option<Vector<B>> {
        let y = y.pixels.val();
        let gradient = self.regularizer.gradient(x, y.clone())?;
        Some(rows(y - batch.noisy.clone() + gradient))
    }

    fn systems<B: Backend>(&self, y: &Image<B>) -> usize {
        y.pixels.dims()[0]
    }

    /// `μ = 1 + m` where `R` has convexity `m > −1`; `∇y f` is `2/N`-Lipschitz for `N` pixels in the mean, and f does
    /// not depend on x.
    fn constants<B: Backend>(&self, x: &R::Parameters<B>, batch: &ImagePairs<B>) -> Constants {
        let [n, channels, height, width] = batch.clean.dims();
        let m = 2 * self.margin;
        let pixels = n * channels * (height - m) * (width - m);
        Constants {
            strong_convexity: self
                .regularizer
                .convexity(x)
                .map(|m| 1.0 + m)
                .filter(|mu| *mu > 0.0),
            upper_smoothness: Some(2.0 / pixels as f64),
            direct_lipschitz: Some(0.0),
            ..Constants::default()
        }
    }
}

/// The Lipschitz constant of `∇y g` from the regularizer's own bound: `L = 1 + bound on ∇²R`.
///
/// Regularizers that know none get an estimate by [`PowerIteration`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CurvatureBound;

/// Where no bound is known.
const WITHOUT_BOUND: PowerIteration = PowerIteration {
    steps: 10,
    margin: 1.5,
};

impl<B: Backend, R: Regularizer> Smoothness<B, Denoising<R>> for CurvatureBound
where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    fn constant(
        &self,
        objective: &LowerObjective<'_, B, Denoising<R>>,
        y: &Vector<B>,
    ) -> Vector<B> {
        let regularizer = &objective.problem().regularizer;
        match regularizer.curvature_bound(objective.x()) {
            Some(bound) => Known(1.0 + bound).constant(objective, y),
            None => WITHOUT_BOUND.constant(objective, y),
        }
    }
}

/// Second derivatives from the regularizer's own formulas: `∇²yy g = I + ∇²R`.
///
/// The same numbers as [`DoubleBackward`](bilevel_core::DoubleBackward) gives, several times faster
/// (`cargo bench` prints by how much).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClosedForm;

impl<B: Backend, R: Regularizer> SecondOrder<B, Denoising<R>> for ClosedForm
where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
    R::Parameters<Tape<Tape<B>>>:
        AutodiffModule<Tape<Tape<B>>, InnerModule = R::Parameters<Tape<B>>>,
{
    fn at<'a>(&'a self, point: Point<'a, B, Denoising<R>>) -> Box<dyn LowerHessian<B> + 'a> {
        let images = point.y.valid().pixels.val();
        let regularizer = &point.problem.regularizer;
        match regularizer.hessian(&point.x.valid(), images.clone()) {
            Some(hessian) => Box::new(At {
                point,
                images,
                hessian,
            }),
            None => GradientBackward.at(point),
        }
    }
}

struct At<'a, B: Backend, R: Regularizer>
where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    point: Point<'a, B, Denoising<R>>,
    images: Tensor<B, 4>,
    hessian: Hessian<'a, B>,
}

impl<B, R> LinearOperator<B> for At<'_, B, R>
where
    B: Backend,
    R: Regularizer,
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        rows((self.hessian)(v.clone().reshape(self.images.dims()))) + v
    }
}

impl<B, R> LowerHessian<B> for At<'_, B, R>
where
    B: Backend,
    R: Regularizer,
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
    R::Parameters<Tape<Tape<B>>>:
        AutodiffModule<Tape<Tape<B>>, InnerModule = R::Parameters<Tape<B>>>,
{
    fn cross(&self, v: Vector<B>) -> Vector<B> {
        let v = Tensor::from_inner(v.reshape(self.images.dims()));
        let images = Tensor::from_inner(self.images.clone());
        let regularizer = &self.point.problem.regularizer;
        let slope = regularizer.directional(self.point.x, images, v);
        let slope = slope.expect("a regularizer with a Hessian has a gradient");
        pack_gradients::<Tape<B>, _>(self.point.x, &slope.backward(), 1)
    }

    /// By double backward: nobody has needed it faster.
    fn cross_transposed(&self, u: Vector<B>) -> Vector<B> {
        DoubleBackward.at(self.point).cross_transposed(u)
    }

    fn gradient(&self) -> Vector<B> {
        LowerObjective::new(self.point).gradient(rows(self.images.clone()))
    }
}

/// Images as rows of a vector.
fn rows<B: Backend>(images: Tensor<B, 4>) -> Vector<B> {
    let [n, channels, height, width] = images.dims();
    images.reshape([n, channels * height * width])
}
