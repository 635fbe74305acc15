//! The budget of an unrolled hypergradient, held against what the allocator hands out.

use bilevel_core::hypergradient::Descent;
use bilevel_core::{
    BilevelProblem, Checkpointing, DoubleBackward, Estimate, Hypergradient, Point, Tape, Unrolled,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use double_precision::B;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// `g = Σ ½ e^x y² − y + ¼ y⁴`, many entries and one upper variable: memory is that of the states.
struct Wide;

#[derive(Module, Debug)]
struct Entries<B: Backend> {
    values: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug)]
struct Nothing<B: Backend> {
    unused: Tensor<B, 1>,
}

impl BilevelProblem for Wide {
    type Upper<B: Backend> = Entries<B>;
    type Lower<B: Backend> = Entries<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &Entries<B>,
        y: &Entries<B>,
        _: &Nothing<B>,
    ) -> Tensor<B, 1> {
        y.values.val().sum()
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Entries<B>,
        y: &Entries<B>,
        _: &Nothing<B>,
    ) -> Tensor<B, 1> {
        let y = y.values.val();
        let yy = y.clone() * y.clone();
        let ridge = yy.clone() * x.values.val().exp() * 0.5;
        (ridge + yy.clone() * yy * 0.25 - y).sum()
    }
}

const ENTRIES: usize = 16_384;
const STATE: usize = ENTRIES * 8;
const MIB: usize = 1 << 20;

/// An estimate by 300 steps, and the most bytes it held beyond those before it.
fn estimate(keep: Checkpointing) -> (Estimate<B>, usize) {
    let device = Default::default();
    let entries = |n, value: f64| Entries {
        values: Param::from_tensor(Tensor::<Tape<B>, 1>::full([n], value, &device)),
    };
    let (x, y) = (entries(1, 0.1), entries(ENTRIES, 0.0));
    let batch = Nothing {
        unused: Tensor::zeros([1], &device),
    };
    let point = Point::<B, _> {
        problem: &Wide,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let method = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.2,
        steps: 300,
        keep,
    };
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let estimate = method.estimate(point, None, 0);
    (estimate, ALLOCATOR.peak_usage() - before)
}

/// What one pass needs is the same for every budget; the rest is the states.
#[test]
fn the_allocator_sees_the_budget_kept() {
    let (_, pass) = estimate(Checkpointing::Last(1));
    let (full, all) = estimate(Checkpointing::All);
    assert!(all > 295 * STATE, "storing everything is what costs: {all}");
    let (short, peak) = estimate(Checkpointing::Bytes(4 * MIB));
    assert_eq!(
        short.gradient.into_data().to_vec::<f64>().unwrap(),
        full.gradient.into_data().to_vec::<f64>().unwrap()
    );
    let memory = short.certificate.memory;
    assert_eq!(memory.planned, 4 * MIB);
    assert_eq!(memory.actual, memory.planned);
    // A pass holds some vectors itself; they are there in all three.
    assert!(peak < pass + 4 * MIB, "{peak} bytes, a pass alone {pass}");
    assert!(peak > 3 * MIB);
}
