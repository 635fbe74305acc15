//! Times of gradients, Hessian products, cross terms and whole hypergradients on the CPU backend.
//!
//! `cargo bench`. The shapes are those that PyTorch and JAX were timed on; `record/` keeps results.
//! Absolute times depend on the machine: compare numbers of one run.

use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::{AutodiffModule, Module, Param};
use bilevel::burn::tensor::activation::log_softmax;
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::module::conv2d;
use bilevel::burn::tensor::ops::ConvOptions;
use bilevel::burn::tensor::{Distribution, Int, Tensor};
use bilevel::burn::{self};
use bilevel::models::physics::{ClosedForm, Denoising, Image, ImagePairs};
use bilevel::models::regularizer::{
    FieldsOfExperts, FieldsOfExpertsParameters, Potential, Regularizer,
};
use bilevel::parameters::pack_gradients;
use bilevel::{
    BilevelProblem, CentralDifference, ConjugateGradient, DoubleBackward, GradientDescent,
    Hypergradient, ImplicitDifferentiation, LowerObjective, LowerSolver, Point, SecondOrder,
    Tolerance, Vector,
};
use divan::Bencher;

fn main() {
    divan::main();
}

fn normal<const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<Cpu, D> {
    Tensor::random(
        shape,
        Distribution::Normal(0.0, deviation),
        &Default::default(),
    )
}

/// A problem and a point of it, with a direction.
struct Scene<P: BilevelProblem> {
    problem: P,
    x: P::Upper<Tape<Cpu>>,
    y: P::Lower<Tape<Cpu>>,
    batch: P::Batch<Cpu>,
    v: Vector<Cpu>,
}

/// The point of a scene.
macro_rules! point {
    ($scene:expr) => {
        Point {
            problem: &$scene.problem,
            x: &$scene.x,
            y: &$scene.y,
            batch: &$scene.batch,
        }
    };
}

/// Fields of Experts: 8 images 96x96, 48 filters 7x7.
#[divan::bench_group(sample_count = 10, sample_size = 1)]
mod fields_of_experts {
    use super::*;

    fn scene() -> Scene<Denoising<FieldsOfExperts>> {
        let regularizer = FieldsOfExperts {
            filters: 48,
            size: 7,
            potential: Potential::StudentT,
        };
        let x: FieldsOfExpertsParameters<Tape<Cpu>> = regularizer.init(&Default::default());
        let clean = normal([8, 1, 96, 96], 0.3);
        let batch = ImagePairs {
            data: clean.clone() + normal([8, 1, 96, 96], 0.1),
            clean,
        };
        let y: Image<Tape<Cpu>> = batch.start();
        let v = normal([8, 96 * 96], 1.0);
        Scene {
            problem: Denoising::new(regularizer, 0),
            x,
            y,
            batch,
            v,
        }
    }

    /// In y alone, as the closed form's.
    #[divan::bench]
    fn gradient_recorded(bencher: Bencher) {
        let scene = scene();
        let x = scene.x.clone().no_grad();
        let batch = ImagePairs::from_inner(scene.batch.clone());
        bencher.bench_local(|| {
            let loss = scene.problem.lower_loss(&x, &scene.y, &batch);
            pack_gradients(&scene.y, &loss.backward(), 8)
        });
    }

    #[divan::bench]
    fn gradient_closed_form(bencher: Bencher) {
        let scene = scene();
        let objective = LowerObjective::new(point!(scene));
        let y = objective.start();
        bencher.bench_local(|| objective.gradient(y.clone()));
    }

    fn product<D: SecondOrder<Cpu, Denoising<FieldsOfExperts>>>(bencher: Bencher, engine: D) {
        let scene = scene();
        let hessian = engine.at(point!(scene));
        bencher.bench_local(|| hessian.apply(scene.v.clone()));
    }

    #[divan::bench]
    fn hessian_product_double_backward(bencher: Bencher) {
        product(bencher, DoubleBackward);
    }

    #[divan::bench]
    fn hessian_product_closed_form(bencher: Bencher) {
        product(bencher, ClosedForm);
    }

    #[divan::bench]
    fn hessian_product_central_difference(bencher: Bencher) {
        product(
            bencher,
            CentralDifference::for_precision_of::<Cpu>(&Default::default()),
        );
    }

    fn cross<D: SecondOrder<Cpu, Denoising<FieldsOfExperts>>>(bencher: Bencher, engine: D) {
        let scene = scene();
        let hessian = engine.at(point!(scene));
        bencher.bench_local(|| hessian.cross(scene.v.clone()));
    }

    #[divan::bench]
    fn cross_term_double_backward(bencher: Bencher) {
        cross(bencher, DoubleBackward);
    }

    #[divan::bench]
    fn cross_term_closed_form(bencher: Bencher) {
        cross(bencher, ClosedForm);
    }

    fn hypergradient<D>(bencher: Bencher, second_order: D)
    where
        D: SecondOrder<Cpu, Denoising<FieldsOfExperts>>,
    {
        let scene = scene();
        // The tolerance is out of reach: all 20 steps are taken.
        let solver = ConjugateGradient {
            max_steps: 20,
            tolerance: Tolerance::Relative(0.0),
        };
        let estimator = ImplicitDifferentiation {
            second_order,
            solver,
        };
        bencher.bench_local(|| estimator.estimate(point!(scene), None, 0).gradient);
    }

    #[divan::bench(sample_count = 3)]
    fn hypergradient_20_cg_double_backward(bencher: Bencher) {
        hypergradient(bencher, DoubleBackward);
    }

    #[divan::bench(sample_count = 5)]
    fn hypergradient_20_cg_closed_form(bencher: Bencher) {
        hypergradient(bencher, ClosedForm);
    }

    #[divan::bench(sample_count = 5)]
    fn lower_solve_20_gradient_steps(bencher: Bencher) {
        let scene = scene();
        let solver = GradientDescent {
            step_size: 0.1,
            max_steps: 20,
            tolerance: Tolerance::Absolute(0.0),
        };
        bencher.bench_local(|| solver.solve(point!(scene)));
    }
}

/// One weight decay over a softmax regression: 5000 samples, 784 -> 10.
#[divan::bench_group(sample_count = 20, sample_size = 1)]
mod softmax_regression {
    use super::*;

    #[derive(Module, Debug)]
    pub struct Decay<B: Backend> {
        log: Param<Tensor<B, 1>>,
    }
    #[derive(Module, Debug)]
    pub struct Weights<B: Backend> {
        w: Param<Tensor<B, 2>>,
    }
    #[derive(Module, Debug)]
    pub struct Samples<B: Backend> {
        inputs: Tensor<B, 2>,
        labels: Tensor<B, 2, Int>,
    }

    struct Softmax;

    impl BilevelProblem for Softmax {
        type Upper<B: Backend> = Decay<B>;
        type Lower<B: Backend> = Weights<B>;
        type Batch<B: Backend> = Samples<B>;

        fn upper_loss<B: Backend>(
            &self,
            _: &Decay<B>,
            y: &Weights<B>,
            batch: &Samples<B>,
        ) -> Tensor<B, 1> {
            let scores = log_softmax(batch.inputs.clone().matmul(y.w.val()), 1);
            -scores.gather(1, batch.labels.clone()).mean()
        }

        fn lower_loss<B: Backend>(
            &self,
            x: &Decay<B>,
            y: &Weights<B>,
            batch: &Samples<B>,
        ) -> Tensor<B, 1> {
            let w = y.w.val();
            self.upper_loss(x, y, batch) + (w.clone() * w).sum() * x.log.val().exp()
        }
    }

    fn scene() -> Scene<Softmax> {
        let device = Default::default();
        let w = Tensor::from_inner(normal([784, 10], 0.05));
        let classes = Distribution::Uniform(0.0, 9.99);
        Scene {
            problem: Softmax,
            x: Decay {
                log: Param::from_tensor(Tensor::full([1], -7.0, &device)),
            },
            y: Weights {
                w: Param::from_tensor(w),
            },
            batch: Samples {
                inputs: normal([5000, 784], 1.0),
                labels: Tensor::<Cpu, 2>::random([5000, 1], classes, &device).int(),
            },
            v: normal([1, 7840], 1.0),
        }
    }

    #[divan::bench]
    fn gradient(bencher: Bencher) {
        let scene = scene();
        let objective = LowerObjective::new(point!(scene));
        let y = objective.start();
        bencher.bench_local(|| objective.gradient(y.clone()));
    }

    #[divan::bench]
    fn hessian_product(bencher: Bencher) {
        let scene = scene();
        let hessian = DoubleBackward.at(point!(scene));
        bencher.bench_local(|| hessian.apply(scene.v.clone()));
    }
}

/// The weights of one convolution 64 -> 64, 3x3, on 25 maps of 14x14.
#[divan::bench_group(sample_count = 10, sample_size = 1)]
mod convolution_64_channels {
    use super::*;

    #[derive(Module, Debug)]
    pub struct Kernel<B: Backend> {
        k: Param<Tensor<B, 4>>,
    }
    #[derive(Module, Debug)]
    pub struct Maps<B: Backend> {
        maps: Tensor<B, 4>,
    }

    struct Convolution;

    impl BilevelProblem for Convolution {
        type Upper<B: Backend> = Kernel<B>;
        type Lower<B: Backend> = Kernel<B>;
        type Batch<B: Backend> = Maps<B>;

        fn upper_loss<B: Backend>(
            &self,
            _: &Kernel<B>,
            y: &Kernel<B>,
            _: &Maps<B>,
        ) -> Tensor<B, 1> {
            y.k.val().square().sum()
        }

        fn lower_loss<B: Backend>(
            &self,
            _: &Kernel<B>,
            y: &Kernel<B>,
            batch: &Maps<B>,
        ) -> Tensor<B, 1> {
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let t = conv2d(batch.maps.clone(), y.k.val(), None, options).tanh();
            (t.clone() * t).sum()
        }
    }

    fn scene() -> Scene<Convolution> {
        let kernel = || Kernel {
            k: Param::from_tensor(Tensor::from_inner(normal([64, 64, 3, 3], 0.05))),
        };
        Scene {
            problem: Convolution,
            x: kernel(),
            y: kernel(),
            batch: Maps {
                maps: normal([25, 64, 14, 14], 1.0),
            },
            v: normal([1, 64 * 64 * 9], 0.05),
        }
    }

    #[divan::bench]
    fn gradient(bencher: Bencher) {
        let scene = scene();
        let objective = LowerObjective::new(point!(scene));
        let y = objective.start();
        bencher.bench_local(|| objective.gradient(y.clone()));
    }

    #[divan::bench]
    fn hessian_product(bencher: Bencher) {
        let scene = scene();
        let hessian = DoubleBackward.at(point!(scene));
        bencher.bench_local(|| hessian.apply(scene.v.clone()));
    }
}
