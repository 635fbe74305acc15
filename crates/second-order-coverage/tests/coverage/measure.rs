//! Gradients and Hessian products of a case, and how far they are from differences.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use bilevel_backend::Tape;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::case::{Case, normal};

/// A case on the two tapes above one backend.
pub struct Subject<'a, B: Backend> {
    once: &'a Case<Tape<B>>,
    twice: &'a Case<Tape<Tape<B>>>,
}

/// What should come out, from differences in `f64`.
#[derive(Debug, Clone)]
pub struct Judge {
    pub x: Vec<f64>,
    /// `∇f(x)`
    pub gradient: Vec<f64>,
    /// `∇²f(x) v`
    pub product: Vec<f64>,
    /// Of `⟨∇f(x), v⟩`, against differences of values.
    pub slope_error: f64,
}

impl<'a, B: Backend> Subject<'a, B> {
    pub fn new(once: &'a Case<Tape<B>>, twice: &'a Case<Tape<Tape<B>>>) -> Self {
        Self { once, twice }
    }

    /// At a random point without a kink nearby: one where differences that are as coarse as those
    /// of `f32` give the same product.
    pub fn judge(&self) -> Result<Judge, String> {
        attempt(|| {
            let at = |draw| {
                let x = self.once.point(draw);
                let v = direction(&x);
                let gradient = self.gradient(&x);
                let slope = richardson(&x, &v, self.once.step, |x| vec![self.loss(x)]);
                let product = richardson(&x, &v, self.once.step, |x| self.gradient(x));
                let coarse = self.differences(&x, &v, f32::EPSILON.into());
                let judge = Judge {
                    slope_error: error(&[dot(&gradient, &v)], &slope),
                    x,
                    gradient,
                    product,
                };
                (error(&coarse, &judge.product), judge)
            };
            let smooth = |(error, _): &(f64, Judge)| *error < 5e-3;
            let drawn = (0..20).map(at).find(smooth).unwrap_or_else(|| at(0));
            drawn.1
        })
    }

    /// The errors of double backward and of differences. A product is no better than the gradient
    /// it belongs to.
    pub fn errors(&self, judge: &Result<Judge, String>, epsilon: f64) -> [Result<f64, String>; 2] {
        let engine = |product: fn(&Self, &[f64], &[f64], f64) -> Vec<f64>| {
            let Judge {
                x,
                gradient,
                product: right,
                slope_error,
            } = judge.clone()?;
            attempt(|| {
                error(&product(self, &x, &direction(&x), epsilon), &right)
                    .max(error(&self.gradient(&x), &gradient))
                    .max(slope_error)
            })
        };
        [
            engine(|subject, x, v, _| subject.double_backward(x, v)),
            engine(Self::differences),
        ]
    }

    fn loss(&self, x: &[f64]) -> f64 {
        read(self.once.loss(vector(x)))[0]
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let x = vector::<Tape<B>>(x).require_grad();
        let gradients = self.once.loss(x.clone()).backward();
        read(gradient(&x, &gradients))
    }

    /// `∇²f(x) v` by `Tape<Tape<B>>`.
    fn double_backward(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        let x = vector::<Tape<B>>(x).require_grad();
        let outer = Tensor::<Tape<Tape<B>>, 1>::from_inner(x.clone()).require_grad();
        let gradients = self.twice.loss(outer.clone()).backward();
        let along_v = (gradient(&outer, &gradients) * vector(v)).sum();
        read(gradient(&x, &along_v.backward()))
    }

    /// `∇²f(x) v` by two gradients, with the step of bilevel-core's `CentralDifference`.
    fn differences(&self, x: &[f64], v: &[f64], epsilon: f64) -> Vec<f64> {
        let e = epsilon.cbrt() * (1.0 + norm(x)) / norm(v);
        central(x, v, e, |x| self.gradient(x))
    }
}

fn direction(x: &[f64]) -> Vec<f64> {
    normal(&mut ChaCha8Rng::seed_from_u64(0), x.len())
}

fn gradient<B: AutodiffBackend>(
    x: &Tensor<B, 1>,
    gradients: &B::Gradients,
) -> Tensor<B::InnerBackend, 1> {
    x.grad(gradients)
        .unwrap_or_else(|| Tensor::zeros(x.shape(), &x.device()))
}

fn vector<B: Backend>(values: &[f64]) -> Tensor<B, 1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, &B::Device::default())
}

fn read<B: Backend>(tensor: Tensor<B, 1>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// `(g(x + e v) − g(x − e v)) / 2e`
fn central(x: &[f64], v: &[f64], e: f64, g: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let at = |e: f64| g(&x.iter().zip(v).map(|(x, v)| x + e * v).collect::<Vec<_>>());
    at(e)
        .iter()
        .zip(at(-e))
        .map(|(p, m)| (p - m) / (2.0 * e))
        .collect()
}

/// Central differences at `e` and `2e`, combined so that their error in `e²` cancels.
fn richardson(x: &[f64], v: &[f64], e: f64, g: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let [near, far] = [e, 2.0 * e].map(|e| central(x, v, e, &g));
    near.iter()
        .zip(far)
        .map(|(n, f)| (4.0 * n - f) / 3.0)
        .collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

/// `‖u − v‖ / max(‖v‖, 1)`: infinite if anything is not a number.
fn error(u: &[f64], v: &[f64]) -> f64 {
    let difference: Vec<f64> = u.iter().zip(v).map(|(u, v)| u - v).collect();
    let error = norm(&difference) / norm(v).max(1.0);
    if error.is_nan() { f64::INFINITY } else { error }
}

/// The result, or what the panic said (in one line, and not on the terminal).
fn attempt<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    thread_local!(static ATTEMPTING: Cell<bool> = const { Cell::new(false) });
    QUIET.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !ATTEMPTING.get() {
                print(info);
            }
        }));
    });
    ATTEMPTING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    ATTEMPTING.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a message")
            .replace(['\n', '\t'], " ")
    })
}
