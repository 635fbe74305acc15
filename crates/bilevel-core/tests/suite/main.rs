//! The claims of the crate, tested through its public interface; in `f64` unless a test says
//! otherwise.

mod audit;
mod bad_input;
mod bome;
mod certificate;
mod closed_forms;
mod conjugate_gradient;
mod constrained;
mod derivatives;
mod double_loop;
mod escape;
mod estimators;
mod hoag;
mod hypergradient;
mod isgd;
mod linear_solvers;
mod lower;
mod maid;
mod matrices;
mod meta_learning;
mod parameters;
mod problems;
mod read_every;
mod reference;
mod rules;
mod scales;
mod schedule_free;
mod shared_parameters;
mod soba;
mod threads;
mod unrolled;
mod upper_problems;

use bilevel_core::Vector;
use burn::record::{BinBytesRecorder, DoublePrecisionSettings, Record, Recorder};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::B;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Standard normal numbers.
fn normal<B: Backend, const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng) -> Tensor<B, D> {
    let data = TensorData::random::<f64, _, _>(shape, Distribution::Normal(0.0, 1.0), rng);
    Tensor::from_data(data, &Default::default())
}

/// One row per system.
fn vector<B: Backend>(rows: &[Vec<f64>]) -> Vector<B> {
    let shape = [rows.len(), rows[0].len()];
    Vector::from_data(TensorData::new(rows.concat(), shape), &Default::default())
}

/// One system.
fn row<B: Backend>(entries: &[f64]) -> Vector<B> {
    vector(&[entries.to_vec()])
}

/// The rows again.
fn rows<B: Backend>(v: &Vector<B>) -> Vec<Vec<f64>> {
    let width = v.dims()[1];
    let entries = bilevel_core::vector::read(v.clone());
    entries.chunks(width).map(<[f64]>::to_vec).collect()
}

/// Euclidean norm of all entries.
fn size<B: Backend>(v: &Vector<B>) -> f64 {
    length(&bilevel_core::vector::read(v.clone()))
}

/// `‖a − b‖ / ‖b‖` over all entries.
fn relative_error<B: Backend>(a: &Vector<B>, b: &Vector<B>) -> f64 {
    size(&(a.clone() - b.clone())) / size(b)
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// What a file would give back; of tensors on `Cpu`, which Burn reads as `f32`, in single precision
/// only.
fn saved_and_loaded<R: Record<B>>(record: R) -> R {
    let recorder = BinBytesRecorder::<DoublePrecisionSettings>::default();
    let bytes = Recorder::<B>::record(&recorder, record, ()).expect("saved");
    recorder.load(bytes, &Default::default()).expect("loaded")
}
