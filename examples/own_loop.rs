//! A hypergradient in a training loop of one's own: `cargo run --example own_loop`.

use bilevel::prelude::*;

type Slope<B> = Param<Tensor<B, 1>>;
type Points<B> = [Tensor<B, 1>; 3];

/// Fit the slope y to the points (t, b), drawn towards the slope x; choose x so that y fits (t, c).
struct Fit;

impl BilevelProblem for Fit {
    type Upper<B: Backend> = Slope<B>;
    type Lower<B: Backend> = Slope<B>;
    type Batch<B: Backend> = Points<B>;
    fn lower_loss<B: Backend>(&self, x: &Slope<B>, y: &Slope<B>, p: &Points<B>) -> Tensor<B, 1> {
        let fit = (y.val() * p[0].clone() - p[1].clone()).square().mean();
        fit + (y.val() - x.val()).square()
    }
    fn upper_loss<B: Backend>(&self, _: &Slope<B>, y: &Slope<B>, p: &Points<B>) -> Tensor<B, 1> {
        (y.val() * p[0].clone() - p[2].clone()).square().mean()
    }
}

fn main() {
    let device = Default::default();
    let points = |slope: f64| Tensor::<Cpu, 1>::from_data([0.0, slope, 2.0 * slope], &device);
    let batch = [points(1.0), points(3.0), points(2.0)];
    let [mut x, mut y] = [0.0, 0.0].map(|at| Slope::from_data([at], &device));
    let (lower, mut optimizer) = (Accelerated::default(), AdamConfig::new().init());
    for step in 0..100 {
        y = Point::new(&Fit, &x, &y, &batch).solve(&lower).value; // or any steps of your own
        let h = hypergradient(&Fit, &x, &y, &batch);
        let grads = h.grads(&x);
        x = optimizer.step(0.1, x, grads);
        println!("{step:3}  loss {:.5}  {}", h.loss, h.certificate);
    }
    // y* = (5/3 · 3 + x) / (5/3 + 1) is 2 at x = 1/3.
    assert!((x.val().into_scalar() - 1.0 / 3.0).abs() < 0.01);
}
