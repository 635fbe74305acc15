//! Matrix sensing on two levels: the first two columns of U are learned so that 700 measurements of
//! `UUᵀ` are met, the third so that 300 others are. From a second column of zero, descent stays at
//! a saddle; perturbed AID and iNEON leave it.
//!
//! ```text
//! min_x  ¼ mean_{i in D₁} (⟨A_i, xxᵀ + yyᵀ⟩ − b_i)²,      y in argmin_y  ¼ mean_{i in D₂} (⟨A_i, xxᵀ + yyᵀ⟩ − b_i)²
//! ```
//!
//! `cargo run --release --example bilevel_sensing` (d = 50, twelve minutes); with arguments,
//! matrices of that size and that many steps.

use std::time::Instant;

use bilevel::algorithm::escape::{
    Escape, Ineon, IneonSearch, IterationInfo, LanczosSettings, Objective, Perturbation,
    PerturbedAid, ReducedObjective, ValueAndGradient, lowest_curvature,
};
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::{Module, Param};
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Distribution, Int, Tensor, TensorData};
use bilevel::parameters::unpack;
use bilevel::{
    BilevelProblem, DoubleBackward, GradientDescent, LowerSolver, NeumannForm, Point,
    StochasticNeumann, Task, Tolerance, Vector,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

type B = Cpu;

const LOWER: GradientDescent = GradientDescent {
    step_size: 0.2,
    max_steps: 10,
    tolerance: Tolerance::Absolute(0.0),
};

struct Sensing;

#[derive(Module, Debug)]
struct Columns<B: Backend> {
    m: Param<Tensor<B, 2>>,
}

/// `A_i` as rows `[n, d²]`, `b`: `[n, 1]`.
#[derive(Module, Debug)]
struct Measured<B: Backend> {
    a: Tensor<B, 2>,
    b: Tensor<B, 2>,
}

#[derive(Module, Debug)]
struct Data<B: Backend> {
    upper: Measured<B>,
    lower: Measured<B>,
}

impl<B: Backend> Measured<B> {
    fn loss(&self, x: &Columns<B>, y: &Columns<B>) -> Tensor<B, 1> {
        let square = |m: Tensor<B, 2>| m.clone().matmul(m.transpose());
        let product = square(x.m.val()) + square(y.m.val());
        let [d, _] = product.dims();
        let missed = self.a.clone().matmul(product.reshape([d * d, 1])) - self.b.clone();
        missed.square().mean() * 0.25
    }

    /// A random half of the measurements.
    fn half(&self, rng: &mut ChaCha8Rng) -> Self {
        let [n, _] = self.a.dims();
        let rows: Vec<i64> = (0..n / 2)
            .map(|_| i64::from(rng.next_u32()) % n as i64)
            .collect();
        let rows: Tensor<B, 1, Int> = Tensor::from_data(&rows[..], &self.a.device());
        Self {
            a: self.a.clone().select(0, rows.clone()),
            b: self.b.clone().select(0, rows),
        }
    }
}

impl BilevelProblem for Sensing {
    type Upper<B: Backend> = Columns<B>;
    type Lower<B: Backend> = Columns<B>;
    type Batch<B: Backend> = Data<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &Columns<B>,
        y: &Columns<B>,
        data: &Data<B>,
    ) -> Tensor<B, 1> {
        data.upper.loss(x, y)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Columns<B>,
        y: &Columns<B>,
        data: &Data<B>,
    ) -> Tensor<B, 1> {
        data.lower.loss(x, y)
    }
}

impl Data<B> {
    fn half(&self, number: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(number);
        Self {
            upper: self.upper.half(rng),
            lower: self.lower.half(rng),
        }
    }
}

/// stocBiO's hypergradient: each draw solves y and differentiates on a half of the measurements,
/// each factor of the series on another half.
struct Drawn<'a> {
    data: &'a Data<B>,
    x: Columns<Tape<B>>,
    /// The draw before, the y that it began at and the one it ended at: differences of a draw are
    /// those of one function.
    draw: u64,
    from: Columns<Tape<B>>,
    y: Columns<Tape<B>>,
}

impl Objective<B> for Drawn<'_> {
    fn evaluate(&mut self, x: &Vector<B>, draw: u64) -> ValueAndGradient<B> {
        let series = StochasticNeumann {
            second_order: DoubleBackward,
            step_size: 0.05,
            terms: 40,
            form: NeumannForm::Sum,
            batches: |number| self.data.half(number),
        };
        if draw != self.draw {
            (self.draw, self.from) = (draw, self.y.clone());
        }
        let task = Task::new(self.data.half(draw), self.from.clone());
        let mut objective = ReducedObjective::new(&Sensing, (LOWER, series), self.x.clone(), task);
        let evaluated = objective.evaluate(x, draw);
        self.y = unpack(self.y.clone(), objective.y());
        evaluated
    }
}

fn normal(shape: [usize; 2], variance: f64, rng: &mut ChaCha8Rng) -> Tensor<B, 2> {
    let normal = Distribution::Normal(0.0, variance.sqrt());
    let data = TensorData::random::<f64, _, _>(shape, normal, rng);
    Tensor::from_data(data, &Default::default())
}

fn columns(m: Tensor<B, 2>) -> Columns<Tape<B>> {
    Columns {
        m: Param::from_tensor(Tensor::from_inner(m).require_grad()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Cpu::use_f64()?;
    let mut arguments = std::env::args().skip(1);
    let mut count = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (d, steps): (usize, usize) = (count(50)?, count(1000)?);
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let variance = 1.0 / d as f64;
    let hidden = normal([d, 3], variance, rng);
    let target = hidden.clone().matmul(hidden.transpose());
    let mut measured = |n| {
        let a = normal([n, d * d], 1.0, rng);
        let b = a.clone().matmul(target.clone().reshape([d * d, 1]));
        Measured { a, b }
    };
    let data = Data {
        upper: measured(14 * d),
        lower: measured(6 * d),
    };
    // One column, and one of zeros: along the second the hypergradient is zero for ever.
    let column = normal([d, 1], variance, rng);
    let x = || columns(Tensor::cat(vec![column.clone(), column.zeros_like()], 1));
    let y = columns(normal([d, 1], 0.01 * variance, rng));
    // Near zero g curves down: y is solved before x moves.
    let long = GradientDescent {
        max_steps: 500,
        ..LOWER
    };
    let y = LowerSolver::<B, _>::solve(
        &long,
        Point {
            problem: &Sensing,
            x: &x(),
            y: &y,
            batch: &data,
        },
    )
    .value;
    let task = || Task::new(data.clone(), y.clone());

    println!("d = {d}, rank 3, {steps} steps");
    println!(
        "{:16} {:>10} {:>10} {:>9} {:>8}",
        "", "f", "error", "λ_min", "seconds"
    );
    let report = |name: &str, clock: Instant, end: &Escape<B>| {
        let seconds = clock.elapsed().as_secs_f64();
        // Judged by all measurements and a solved y, whatever the method saw.
        let solved = PerturbedAid {
            lower_steps: 300,
            linear_steps: 60,
            ..aid(0.0)
        };
        let mut objective = solved.objective::<B, Sensing>(&Sensing, x(), task());
        objective.evaluate(&end.x, 0);
        let here = objective.evaluate(&end.x, 0);
        let probe = LanczosSettings {
            steps: 30,
            radius: 1e-4,
        };
        let lowest = lowest_curvature::<B>(&mut objective, &end.x, probe, 0).value;
        let square = |m: Vector<B>, columns| {
            let m = m.reshape([d, columns]);
            m.clone().matmul(m.transpose())
        };
        let missed = square(end.x.clone(), 2) + square(objective.y(), 1) - target.clone();
        let error = missed.square().sum() / target.clone().square().sum();
        let (f, error) = (here.loss, error.into_scalar());
        println!("{name:16} {f:10.2e} {error:10.2e} {lowest:9.4} {seconds:8.1}");
    };
    for (name, epsilon) in [("AID", 0.0), ("perturbed AID", 1e-2)] {
        let clock = Instant::now();
        let method = aid(epsilon);
        let mut objective = method.objective::<B, Sensing>(&Sensing, x(), task());
        let end = method.run(&mut objective, steps, 7, &mut |visit| say(name, visit));
        report(name, clock, &end);
    }
    let ineon = Ineon {
        step_size: 0.2,
        epsilon: 0.5,
        length: 0.1,
        search: IneonSearch {
            step_size: 0.2,
            steps: 300,
            radius: 0.01,
            limit: 0.3,
            decrease: 1e-5,
        },
        attempts: 6,
        window: 60,
    };
    for (name, search) in [("stocBiO", false), ("stocBiO + iNEON", true)] {
        let clock = Instant::now();
        let epsilon = if search {
            ineon.epsilon
        } else {
            f64::MIN_POSITIVE
        };
        let mut drawn = Drawn {
            data: &data,
            x: x(),
            draw: u64::MAX,
            from: y.clone(),
            y: y.clone(),
        };
        let first = aid(0.0)
            .objective::<B, Sensing>(&Sensing, x(), task())
            .first();
        let method = Ineon { epsilon, ..ineon };
        let end = method.run(&mut drawn, first, steps, 7, &mut |visit| say(name, visit));
        report(name, clock, &end);
    }
    Ok(())
}

/// Progress, on the other stream.
fn say(name: &str, visit: &IterationInfo<'_, B>) {
    if visit.step.is_multiple_of(100) {
        let (step, loss, size) = (visit.step, visit.loss, visit.gradient_norm);
        eprintln!("{name} {step}: f = {loss:.2e}, hypergradient {size:.1e}");
    }
}

/// AID with a displacement where the hypergradient is no longer than `epsilon`.
fn aid(epsilon: f64) -> PerturbedAid {
    PerturbedAid {
        lower_step_size: LOWER.step_size,
        lower_steps: LOWER.max_steps,
        linear_steps: 10,
        perturbation: Perturbation {
            step_size: 0.2,
            epsilon,
            radius: 0.01,
            scaled: false,
            window: 40,
            decrease: None,
        },
    }
}
