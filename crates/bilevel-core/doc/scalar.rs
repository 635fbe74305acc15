// The problem of the examples in the documentation, and how to stand at a point of it.
//
//     g = y² − x y,   f = ½ (y − 0.2)²:   y* = x/2,   dF/dx = (x/2 − 0.2)/2

pub use bilevel_backend::Cpu;
pub use bilevel_core::hypergradient::*;
pub use bilevel_core::*;
pub use burn::module::{Module, Param};
pub use burn::tensor::Tensor;
pub use burn::tensor::backend::Backend;

pub type B = Cpu;

#[derive(Module, Debug)]
pub struct Number<B: Backend> {
    pub value: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug)]
pub struct NoData<B: Backend> {
    pub unused: Tensor<B, 1>,
}

pub struct Scalar;

impl BilevelProblem for Scalar {
    type Upper<B: Backend> = Number<B>;
    type Lower<B: Backend> = Number<B>;
    type Batch<B: Backend> = NoData<B>;

    fn upper_loss<B: Backend>(&self, _: &Number<B>, y: &Number<B>, _: &NoData<B>) -> Tensor<B, 1> {
        (y.value.val() - 0.2).square() * 0.5
    }

    fn lower_loss<B: Backend>(&self, x: &Number<B>, y: &Number<B>, _: &NoData<B>) -> Tensor<B, 1> {
        y.value.val().square() - x.value.val() * y.value.val()
    }
}

pub struct At {
    pub x: Number<Tape<B>>,
    pub y: Number<Tape<B>>,
    pub batch: NoData<B>,
}

impl At {
    pub fn point(&self) -> Point<'_, B, Scalar> {
        Point {
            problem: &Scalar,
            x: &self.x,
            y: &self.y,
            batch: &self.batch,
        }
    }
}

/// The scalar problem at `(x, y)`, in `f64`.
pub fn scalar(x: f64, y: f64) -> At {
    Cpu::use_f64().expect("the first tensors");
    let number = |v| Number {
        value: Param::from_data([v], &Default::default()),
    };
    At {
        x: number(x),
        y: number(y),
        batch: NoData {
            unused: Tensor::zeros([1], &Default::default()),
        },
    }
}

/// Whether the estimate is `expected`, to rounding.
pub fn is(estimate: Estimate<B>, expected: f64) -> bool {
    let gradient: Vec<f64> = estimate.gradient.into_data().iter().collect();
    (gradient[0] - expected).abs() < 1e-9
}
