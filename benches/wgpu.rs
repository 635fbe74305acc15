//! What a graphics adapter is asked to do: kernel launches and reads of each piece of work, and its
//! time over that on the processor.
//!
//! `cargo bench --features wgpu --bench wgpu`. Launches are counted in CubeCL's own log, reads
//! where solvers read. The driver decides what the ratio means: Mesa's software Vulkan computes on
//! the same cores as `Cpu` does.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bilevel::backend::{Cpu, Tape, Wgpu, adapter};
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Tensor, TensorData};
use bilevel::models::physics::{ClosedForm, Denoising, Image, ImagePairs};
use bilevel::models::regularizer::{FieldsOfExperts, FieldsOfExpertsParameters, Potential};
use bilevel::vector::reads;
use bilevel::{
    Accelerated, ConjugateGradient, DoubleBackward, FixedLipschitz, Hypergradient,
    ImplicitDifferentiation, LinearSolver, LowerObjective, LowerSolver, Point, ReadEvery,
    SecondOrder, Tolerance, Vector,
};

/// Where the process that counts is told to.
const COUNT: &str = "BILEVEL_BENCH_COUNT";
/// Steps of a solver.
const STEPS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(log) = env::var_os(COUNT) {
        count(Path::new(&log));
        return Ok(());
    }
    println!("{}", adapter(0)?);
    println!("Fields of Experts, 24 filters 5x5, four images of 64x64 pixels\n");
    println!("| work | launches | reads | Wgpu / Cpu |\n|---|---|---|---|");
    let counts = counts()?;
    let [cpu, wgpu] = [times::<Cpu>(), times::<Wgpu>()];
    for (i, line) in counts.lines().enumerate() {
        let ratio = wgpu[i].as_secs_f64() / cpu[i].as_secs_f64();
        println!("{line} {ratio:.1} |");
    }
    Ok(())
}

/// What [`count`] prints in a process whose CubeCL keeps a log: it is set up once a process, by a
/// file in the current folder.
fn counts() -> Result<String, Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("bilevel-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let log = folder.join("launches.log");
    let settings = format!("[profiling.logger]\nlevel = \"minimal\"\nfile = {log:?}\n");
    fs::write(folder.join("cubecl.toml"), settings)?;
    let child = Command::new(env::current_exe()?)
        .current_dir(&folder)
        .env(COUNT, &log)
        .output()?;
    fs::remove_dir_all(folder)?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into());
    }
    Ok(String::from_utf8(child.stdout)?)
}

fn count(log: &Path) {
    let scene = Scene::<Wgpu>::new();
    for (name, work) in works::<Wgpu>() {
        work(&scene); // Kernels are compiled, and what is made once is made.
        let launches = launches(log);
        let before = reads();
        work(&scene);
        let reads = reads() - before;
        println!("| {name} | {} | {reads} |", self::launches(log) - launches);
    }
}

/// Lines of the log, when no more are coming.
fn launches(log: &Path) -> usize {
    Wgpu::sync(&Default::default()).expect("the device works");
    let lines = || fs::read_to_string(log).unwrap_or_default().lines().count();
    let mut last = lines();
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = lines();
        if now == last {
            return now;
        }
        last = now;
    }
}

/// The shortest of five times of each work.
fn times<B: Backend>() -> Vec<Duration> {
    let scene = Scene::<B>::new();
    let time = |work: &Work<B>| {
        work(&scene);
        let once = || {
            let start = Instant::now();
            work(&scene);
            B::sync(&Default::default()).expect("the device works");
            start.elapsed()
        };
        (0..5).map(|_| once()).min().expect("five times")
    };
    works::<B>().iter().map(|(_, work)| time(work)).collect()
}

type Problem = Denoising<FieldsOfExperts>;
type Work<B> = Box<dyn Fn(&Scene<B>)>;

/// Each without a read of its own result.
fn works<B: Backend>() -> Vec<(String, Work<B>)> {
    let second_order = DoubleBackward;
    let solver = ConjugateGradient {
        max_steps: STEPS,
        tolerance: Tolerance::Relative(0.0),
    };
    let lower = Accelerated {
        smoothness: FixedLipschitz(8.0),
        strong_convexity: 1.0,
        max_steps: STEPS,
        tolerance: Tolerance::Absolute(0.0),
    };
    let linear = |steps| {
        let solver = ReadEvery { steps, solver };
        let work = move |scene: &Scene<B>| {
            let g = ClosedForm.at(scene.point());
            let product = |v: Vector<B>| g.apply(v);
            solver.solve(&product, scene.v.clone(), None);
        };
        Box::new(work) as Work<B>
    };
    let descent = |steps| {
        let solver = ReadEvery {
            steps,
            solver: lower,
        };
        Box::new(move |scene: &Scene<B>| drop(solver.solve(scene.point()))) as Work<B>
    };
    let hypergradient = |steps| {
        let solver = ReadEvery { steps, solver };
        let method = ImplicitDifferentiation {
            second_order,
            solver,
        };
        let work = move |scene: &Scene<B>| drop(method.estimate(scene.point(), None, 0));
        Box::new(work) as Work<B>
    };
    vec![
        (
            "gradient of the lower loss, closed form".to_owned(),
            Box::new(|scene| drop(LowerObjective::new(scene.point()).gradient(scene.v.clone()))),
        ),
        (
            "Hessian product, closed form".to_owned(),
            Box::new(|scene| drop(ClosedForm.at(scene.point()).apply(scene.v.clone()))),
        ),
        (
            "Hessian product, two tapes".to_owned(),
            Box::new(|scene| drop(DoubleBackward.at(scene.point()).apply(scene.v.clone()))),
        ),
        (
            format!("{STEPS} steps of conjugate gradients, closed form"),
            linear(1),
        ),
        ("the same, read every 8".to_owned(), linear(8)),
        (format!("{STEPS} accelerated lower steps"), descent(1)),
        ("the same, read every 8".to_owned(), descent(8)),
        (
            format!("hypergradient, two tapes, {STEPS} steps of conjugate gradients"),
            hypergradient(1),
        ),
        ("the same, read every 8".to_owned(), hypergradient(8)),
    ]
}

struct Scene<B: Backend> {
    problem: Problem,
    x: FieldsOfExpertsParameters<Tape<B>>,
    y: Image<Tape<B>>,
    batch: ImagePairs<B>,
    v: Vector<B>,
}

impl<B: Backend> Scene<B> {
    fn new() -> Self {
        const SIDE: usize = 64;
        let pixel = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0;
        let tensor = |from: usize| -> Tensor<B, 4> {
            let pixels: Vec<f32> = (from..from + 4 * SIDE * SIDE).map(pixel).collect();
            Tensor::from_data(
                TensorData::new(pixels, [4, 1, SIDE, SIDE]),
                &Default::default(),
            )
        };
        let regularizer = FieldsOfExperts {
            filters: 24,
            size: 5,
            potential: Potential::StudentT,
        };
        let batch = ImagePairs {
            clean: tensor(0),
            data: tensor(17),
        };
        Self {
            x: regularizer.init_for(0.1, &Default::default()),
            problem: Denoising::new(regularizer, 0),
            y: batch.start(),
            batch,
            v: tensor(31).reshape([4, SIDE * SIDE]),
        }
    }

    fn point(&self) -> Point<'_, B, Problem> {
        Point {
            problem: &self.problem,
            x: &self.x,
            y: &self.y,
            batch: &self.batch,
        }
    }
}
