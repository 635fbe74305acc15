//! The same derivatives here, in PyTorch and in JAX, timed in turn in one run.
//!
//! `cargo bench --bench peers -- --python PATH` where PATH is a Python that can import `torch`,
//! `jax` or both (those it cannot import are left out). Each round times all works of one library
//! after the other; the table gives the median over the rounds of each library's medians, and the
//! median (lowest to highest) of the rounds' ratios of ours to theirs. Without `--python` ours
//! alone. Absolute times depend on the machine and on what else it does: only the ratios of one run
//! mean anything.
//!
//! Memory comes from mimalloc, as in the command line tool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bilevel::algorithm::rule::Adjoint;
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::tensor::activation::log_softmax;
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::module::conv2d;
use bilevel::burn::tensor::ops::ConvOptions;
use bilevel::burn::tensor::{Distribution, Int, Tensor};
use bilevel::models::classification::{Dataset, Linear, TrainValidation};
use bilevel::models::cleaning::{Cleaning, SoftmaxOracle, Weighting};
use bilevel::models::meta::{
    Conv4, Episode, Filter, Learner, Loss, Maml, Normalization, Samples, StepLosses, StepSizes,
};
use bilevel::models::physics::{ClosedForm, Denoising, Image, ImagePairs};
use bilevel::models::regularizer::{
    FieldsOfExperts, FieldsOfExpertsParameters, Potential, Regularizer,
};
use bilevel::{
    Checkpointing, ConjugateGradient, DoubleBackward, GradientDescent, Hypergradient,
    ImplicitDifferentiation, Iterate, LowerSolver, Point, Run, RunState, Schedule, SecondOrder,
    Soba, Tolerance,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time derivatives here and in other libraries, in turn.
#[derive(Parser)]
struct Arguments {
    /// Python interpreter with torch, jax or both.
    #[arg(long)]
    python: Option<PathBuf>,
    /// How often every library has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Time only the works whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    Cpu::join_pool();
    let arguments = Arguments::parse();
    let peers: Vec<Peer> = arguments
        .python
        .iter()
        .flat_map(|python| Peer::ALL.into_iter().filter(|peer| peer.runs_in(python)))
        .collect();
    let mut times = Times::default();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}: bilevel", arguments.rounds);
        for mut work in works() {
            if work.name.contains(&arguments.only) {
                times.add(work.name, "bilevel", median(work.sample()));
            }
        }
        for peer in &peers {
            eprintln!("round {round} of {}: {}", arguments.rounds, peer.name);
            let python = arguments.python.as_ref().expect("peers have a Python");
            for (name, time) in peer.run(python) {
                times.add(&name, peer.name, time);
            }
        }
    }
    print!("{}", times.table(&peers));
}

/// A library to compare with: a script that prints `work<TAB>milliseconds`.
struct Peer {
    name: &'static str,
    module: &'static str,
    script: &'static str,
}

impl Peer {
    const ALL: [Self; 2] = [
        Self {
            name: "PyTorch",
            module: "torch",
            script: "benches/peers/torch_works.py",
        },
        Self {
            name: "JAX",
            module: "jax",
            script: "benches/peers/jax_works.py",
        },
    ];

    fn runs_in(&self, python: &Path) -> bool {
        let import = format!("import {}", self.module);
        let found = Command::new(python).args(["-c", &import]).output();
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        if !found.status.success() {
            eprintln!(
                "{} is left out: {} cannot import it",
                self.name,
                python.display()
            );
        }
        found.status.success()
    }

    fn run(&self, python: &Path) -> Vec<(String, f64)> {
        let threads = rayon::current_num_threads().to_string();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.script);
        let output = Command::new(python).arg(script).arg(threads).output();
        let output = output.expect("it could import the library");
        assert!(
            output.status.success(),
            "{} failed:\n{}",
            self.script,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(work, time)| (work.to_owned(), time.parse().expect("milliseconds")))
            .collect()
    }
}

/// Milliseconds by work and library, one entry a round.
#[derive(Default)]
struct Times {
    works: Vec<String>,
    times: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Times {
    fn add(&mut self, work: &str, library: &'static str, time: f64) {
        if !self.works.iter().any(|known| known == work) {
            self.works.push(work.to_owned());
        }
        self.times
            .entry((work.to_owned(), library))
            .or_default()
            .push(time);
    }

    fn table(&self, peers: &[Peer]) -> String {
        let mut table = "| work | bilevel, ms |".to_owned();
        for peer in peers {
            table += &format!(" {0}, ms | bilevel / {0} |", peer.name);
        }
        table += "\n|---|---|";
        table += &"---|---|".repeat(peers.len());
        table += "\n";
        for work in &self.works {
            let times = |library| self.times.get(&(work.clone(), library)).cloned();
            let Some(ours) = times("bilevel") else {
                continue;
            };
            table += &format!("| {work} | {:.2} |", median(ours.clone()));
            for peer in peers {
                table += &match times(peer.name) {
                    Some(theirs) => {
                        let mut ratios: Vec<f64> =
                            ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
                        ratios.sort_by(f64::total_cmp);
                        format!(
                            " {:.2} | {:.2} ({:.2} to {:.2}) |",
                            median(theirs),
                            median(ratios.clone()),
                            ratios[0],
                            ratios[ratios.len() - 1]
                        )
                    }
                    None => " | |".to_owned(),
                };
            }
            table += "\n";
        }
        table
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Work {
    name: &'static str,
    samples: usize,
    run: Box<dyn FnMut()>,
}

impl Work {
    fn new<T>(name: &'static str, samples: usize, mut run: impl FnMut() -> T + 'static) -> Self {
        let run = Box::new(move || drop(std::hint::black_box(run())));
        Self { name, samples, run }
    }

    fn sample(&mut self) -> Vec<f64> {
        (self.run)();
        (self.run)();
        let time = |()| {
            let start = Instant::now();
            (self.run)();
            start.elapsed().as_secs_f64() * 1e3
        };
        std::iter::repeat_n((), self.samples).map(time).collect()
    }
}

type Once = Tape<Cpu>;
type Twice = Tape<Tape<Cpu>>;

fn normal<const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<Cpu, D> {
    Tensor::random(
        shape,
        Distribution::Normal(0.0, deviation),
        &Default::default(),
    )
}

fn once<const D: usize>(x: &Tensor<Cpu, D>) -> Tensor<Once, D> {
    Tensor::from_inner(x.clone())
}

/// `grad f(x)` on one tape.
fn gradient<const D: usize>(
    x: &Tensor<Cpu, D>,
    f: impl Fn(Tensor<Once, D>) -> Tensor<Once, 1>,
) -> Tensor<Cpu, D> {
    let x = once(x).require_grad();
    x.grad(&f(x.clone()).backward()).expect("f depends on x")
}

/// The gradient in `z` of `grad_x f(x, z) . v`, on two tapes. `z` is `x` for a Hessian product.
fn second<const D: usize, const E: usize>(
    x: Tensor<Once, D>,
    z: &Tensor<Once, E>,
    v: &Tensor<Cpu, D>,
    f: impl Fn(Tensor<Twice, D>) -> Tensor<Twice, 1>,
) -> Tensor<Cpu, E> {
    let x = Tensor::<Twice, D>::from_inner(x).require_grad();
    let g = x.grad(&f(x.clone()).backward()).expect("f depends on x");
    let along = (g * once(v)).sum();
    z.grad(&along.backward())
        .expect("the gradient depends on z")
}

fn hessian_product<const D: usize>(
    x: &Tensor<Cpu, D>,
    v: &Tensor<Cpu, D>,
    f: impl Fn(Tensor<Twice, D>) -> Tensor<Twice, 1>,
) -> Tensor<Cpu, D> {
    let x = once(x).require_grad();
    second(x.clone(), &x, v, f)
}

fn same(size: usize) -> ConvOptions<2> {
    ConvOptions::new([1, 1], [size / 2, size / 2], [1, 1], 1)
}

/// `sum log(1 + (k * x)^2)`
fn energy<B: Backend>(x: Tensor<B, 4>, k: Tensor<B, 4>) -> Tensor<B, 1> {
    let r = conv2d(x, k, None, same(7));
    (r.clone() * r + 1.0).log().sum()
}

/// `mean -log softmax(a z)[t]`
fn cross_entropy<B: Backend>(
    a: Tensor<B, 2>,
    z: Tensor<B, 2>,
    t: Tensor<B, 2, Int>,
) -> Tensor<B, 1> {
    -log_softmax(a.matmul(z), 1).gather(1, t).mean()
}

/// `sum tanh(k * maps)^2`
fn layer<B: Backend>(maps: Tensor<B, 4>, k: Tensor<B, 4>) -> Tensor<B, 1> {
    conv2d(maps, k, None, same(3)).tanh().powi_scalar(2).sum()
}

fn works() -> Vec<Work> {
    let lift = |x: &Tensor<Cpu, 4>| Tensor::<Twice, 4>::from_inner(once(x));
    let mut works = Vec::new();

    let images = [8, 1, 96, 96];
    let (x, v, k) = (
        normal(images, 1.0),
        normal(images, 1.0),
        normal([48, 1, 7, 7], 0.1),
    );
    let [(x1, k1), (x2, k2), (x3, k3)] = [0; 3].map(|_| (x.clone(), k.clone()));
    works.push(Work::new("FoE gradient", 15, move || {
        gradient(&x1, |x| energy(x, once(&k1)))
    }));
    let v2 = v.clone();
    works.push(Work::new("FoE Hessian product", 15, move || {
        hessian_product(&x2, &v2, |x| energy(x, lift(&k2)))
    }));
    works.push(Work::new("FoE cross term", 15, move || {
        let k = once(&k3).require_grad();
        let on_twice = Tensor::<Twice, 4>::from_inner(k.clone());
        second(once(&x3), &k, &v, |x| energy(x, on_twice.clone()))
    }));

    works.push(hypergradient(
        "FoE hypergradient, 20 CG steps",
        DoubleBackward,
    ));
    works.push(hypergradient(
        "FoE hypergradient, 20 CG steps, closed form",
        ClosedForm,
    ));
    works.push(Work::new("FoE lower solve, 20 gradient steps", 5, {
        let scene = Scene::new();
        let solver = GradientDescent {
            step_size: 0.1,
            max_steps: 20,
            tolerance: Tolerance::Absolute(0.0),
        };
        move || solver.solve(scene.point())
    }));

    let a = normal([5000, 784], 1.0);
    let classes = Distribution::Uniform(0.0, 9.99);
    let t = Tensor::<Cpu, 2>::random([5000, 1], classes, &Default::default()).int();
    let (z, along) = (normal([784, 10], 0.05), normal([784, 10], 0.05));
    let (a1, t1, z1) = (a.clone(), t.clone(), z.clone());
    works.push(Work::new("softmax gradient", 15, move || {
        gradient(&z1, |z| {
            cross_entropy(once(&a1), z, Tensor::from_inner(t1.clone()))
        })
    }));
    works.push(Work::new("softmax Hessian product", 15, move || {
        hessian_product(&z, &along, |z| {
            let t = Tensor::from_inner(Tensor::<Once, 2, Int>::from_inner(t.clone()));
            cross_entropy(Tensor::from_inner(once(&a)), z, t)
        })
    }));

    works.push(soba_step("SOBA step of cleaning, block of 64", 64));
    works.push(soba_step("SOBA step of cleaning, block of 5000", 5000));

    works.push(maml("MAML gradient, Conv4-64, 5 steps", Checkpointing::All));
    works.push(maml("MAML gradient, first order", Checkpointing::Last(0)));

    let maps = normal([25, 64, 14, 14], 1.0);
    let (k, along) = (normal([64, 64, 3, 3], 0.05), normal([64, 64, 3, 3], 0.05));
    let (m1, k1) = (maps.clone(), k.clone());
    works.push(Work::new("64 channels weight gradient", 15, move || {
        gradient(&k1, |k| layer(once(&m1), k))
    }));
    works.push(Work::new("64 channels Hessian product", 15, move || {
        hessian_product(&k, &along, |k| layer(lift(&maps), k))
    }));
    works
}

/// SOBA steps of cleaning 5000 samples of 784 numbers, 10 classes, in blocks of `block`; time a
/// step.
fn soba_step(name: &'static str, block: usize) -> Work {
    const SAMPLES: usize = 5000;
    let device = Default::default();
    let classifier = Linear {
        features: 784,
        classes: 10,
    };
    let set = |seed: usize| {
        let rows: Vec<f32> = normal([SAMPLES, 784], 1.0).into_data().iter().collect();
        let labels: Vec<usize> = (0..SAMPLES).map(|i| (i * 7 + i / 10 + seed) % 10).collect();
        Dataset::<Cpu>::new(&rows, 784, &labels, 10, block, &device).expect("blocks fit")
    };
    let data = TrainValidation {
        training: set(0),
        validation: set(3),
    };
    let problem = Cleaning::new(classifier, Weighting::Sigmoid, 1e-3).expect("positive");
    let oracle = SoftmaxOracle::new(problem, data);
    let rule = Soba::new(Schedule::Constant(0.1), Schedule::Constant(0.1)).expect("positive");
    let mut state = Some(RunState {
        at: Iterate {
            x: Tensor::zeros([1, SAMPLES], &device),
            y: Tensor::zeros([1, 7850], &device),
        },
        memory: Adjoint {
            q: Tensor::zeros([1, 7850], &device),
        },
        step: 0,
    });
    Work::new(name, 100, move || {
        let run = Run::new(rule, &oracle, 0);
        let (next, failure) = run.step(state.take().expect("there between steps"));
        assert!(failure.is_none());
        state = Some(next);
    })
}

/// The gradient of MAML on one task: 5 ways, 1 shot, 15 queries of 28x28 pixels, 5 inner steps.
fn maml(name: &'static str, keep: Checkpointing) -> Work {
    let device = Default::default();
    let network = Conv4 {
        channels: 64,
        side: 28,
        classes: Some(5),
        kept_steps: 1,
    };
    let learner = Maml {
        network,
        loss: Loss::CrossEntropy,
        normalization: Normalization::Transductive,
        steps: 5,
        step_sizes: StepSizes::Fixed(0.4),
        checkpointing: keep,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    };
    let x = Learner::<Cpu>::begin(&learner, network.init(0, &device));
    let samples = |each: usize| {
        let labels: Vec<usize> = (0..5 * each).map(|i| i / each).collect();
        let rows: Vec<f32> = normal([5 * each, 784], 1.0).into_data().iter().collect();
        Samples::classes(&rows, 784, &labels, 5, &device).expect("labels fit")
    };
    let episode = Episode {
        support: samples(1),
        query: samples(15),
    };
    Work::new(name, 7, move || learner.gradient(&x, &episode).gradient)
}

/// Denoising 8 images with Fields of Experts.
struct Scene {
    problem: Denoising<FieldsOfExperts>,
    x: FieldsOfExpertsParameters<Once>,
    y: Image<Once>,
    batch: ImagePairs<Cpu>,
}

impl Scene {
    fn new() -> Self {
        let regularizer = FieldsOfExperts {
            filters: 48,
            size: 7,
            potential: Potential::StudentT,
        };
        let x = regularizer.init(&Default::default());
        let clean = normal([8, 1, 96, 96], 0.3);
        let noisy = clean.clone() + normal([8, 1, 96, 96], 0.1);
        let batch = ImagePairs { data: noisy, clean };
        let y = batch.start();
        Self {
            problem: Denoising::new(regularizer, 0),
            x,
            y,
            batch,
        }
    }

    fn point(&self) -> Point<'_, Cpu, Denoising<FieldsOfExperts>> {
        Point {
            problem: &self.problem,
            x: &self.x,
            y: &self.y,
            batch: &self.batch,
        }
    }
}

fn hypergradient<D>(name: &'static str, second_order: D) -> Work
where
    D: SecondOrder<Cpu, Denoising<FieldsOfExperts>> + 'static,
{
    let scene = Scene::new();
    // The tolerance is out of reach: all 20 steps are taken.
    let solver = ConjugateGradient {
        max_steps: 20,
        tolerance: Tolerance::Relative(0.0),
    };
    let estimator = ImplicitDifferentiation {
        second_order,
        solver,
    };
    Work::new(name, 5, move || {
        estimator.estimate(scene.point(), None, 0).gradient
    })
}
