//! What an iteration of ADBO costs beside the workers' losses: time against the number of workers,
//! for some numbers of planes.
//!
//! `cargo run --release --example distributed_cost` (half a minute); with arguments, the most
//! workers and the path of the plot. Half of the workers are heard in each iteration. Their losses
//! are diagonal, of 100 unknowns, so that what is timed is the method: the messages of S workers,
//! packed and read, and the master's sums over all N of them and over the planes.

mod plot;

use std::error::Error;
use std::time::{Duration, Instant};

use bilevel::distributed::communicator::{Latency, Simulated, SimulationSettings, WorkerId};
use bilevel::distributed::message::Precision;
use bilevel::distributed::{
    Adbo, AdboSettings, AdboState, Cuts, EstimateSettings, LocalProblem, LowerProducts,
    Participation, Prune, Regularization, Report, Steps, Stop, UpperGradients, Worker,
};
use plot::Words;
use plotters::prelude::{BLUE, GREEN, IntoLogRange, RED, RGBColor, SeriesLabelPosition};

const DIM: usize = 100;
const WORKERS: [usize; 6] = [10, 30, 100, 300, 600, 1000];
const PLANES: [(usize, RGBColor); 3] = [(1, BLUE), (5, GREEN), (20, RED)];
/// Iterations that are timed, after the last plane is made.
const ITERATIONS: usize = 40;

/// `g = ½ ‖y − v‖²`, `G = ½ ‖y − t‖² + ½ ‖x‖²`
struct Bowl {
    t: f64,
}

impl LocalProblem for Bowl {
    fn upper_dim(&self) -> usize {
        DIM
    }

    fn lower_dim(&self) -> usize {
        DIM
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let dy: Vec<f64> = y.iter().map(|y| y - self.t).collect();
        let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
        UpperGradients {
            loss: 0.5 * (square(&dy) + square(x)),
            x: x.to_vec(),
            y: dy,
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        y.iter().zip(v).map(|(y, v)| y - v).collect()
    }

    fn lower_products(&self, _: &[f64], _: &[f64], w: &[f64]) -> LowerProducts {
        LowerProducts {
            hessian: w.to_vec(),
            cross: w.iter().map(|w| -w).collect(),
        }
    }
}

/// Workers, and the milliseconds of an iteration.
type Curve = Vec<(f64, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let most: usize = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let path = arguments
        .next()
        .unwrap_or_else(|| "distributed-cost.svg".to_owned());
    println!("milliseconds an iteration, {DIM} + {DIM} unknowns");
    println!("{:>7} {:>8} {:>8}", "planes", "workers", "ms");
    let mut curves = Vec::new();
    for (planes, colour) in PLANES {
        let mut curve = Curve::new();
        for workers in WORKERS.into_iter().filter(|&n| n <= most) {
            let time = milliseconds(workers, planes)?;
            println!("{planes:7} {workers:8} {time:8.3}");
            curve.push((workers as f64, time));
        }
        curves.push((planes, curve, colour));
    }
    draw(&path, &curves)?;
    println!("{path}");
    Ok(())
}

/// Mean time of an iteration with so many planes, none of which is made meanwhile.
fn milliseconds(workers: usize, planes: usize) -> Result<f64, Box<dyn Error>> {
    let adbo = Adbo::new(settings(workers, planes), workers)?;
    let delays = SimulationSettings {
        latency: Latency::LogNormal {
            median: Duration::from_millis(30),
            sigma: 1.0,
        },
        ..SimulationSettings::ideal()
    };
    let make = |worker: WorkerId| {
        Worker::new(Bowl {
            t: 1.0 + worker.0 as f64 / workers as f64,
        })
    };
    let mut communicator = Simulated::new(delays, workers, make)?;
    let mut start = None;
    let mut time = Duration::ZERO;
    let mut look = |_: &AdboState, report: &Report| {
        if report.iteration == planes + 1 {
            assert_eq!(report.planes, planes, "planes in force");
            start = Some(Instant::now());
        }
        time = start.map_or(Duration::ZERO, |start| start.elapsed());
    };
    let stop = Stop::after(planes + 1 + ITERATIONS);
    let state = AdboState::new(workers, vec![0.0; DIM], vec![0.0; DIM]);
    adbo.run(state, &mut communicator, stop, &mut look)?;
    Ok(1e3 * time.as_secs_f64() / ITERATIONS as f64)
}

/// A plane in each of the first iterations, and none after.
fn settings(workers: usize, planes: usize) -> AdboSettings {
    AdboSettings {
        steps: Steps {
            x: 0.01,
            y: 0.01,
            v: 0.01,
            z: 0.01,
            lambda: 0.01,
            theta: 0.01,
            largest_lambda: f64::INFINITY,
            largest_theta: f64::INFINITY,
        },
        lambda_regularization: Regularization::Constant(0.0),
        theta_regularization: Regularization::Constant(0.0),
        estimate: EstimateSettings {
            rounds: 1,
            lower_step: 0.1,
            consensus_step: 0.1 / workers as f64,
            multiplier_step: 0.1,
            penalty: 1.0,
        },
        cuts: Cuts {
            every: 1,
            until: planes + 1,
            epsilon: 0.0,
            most: planes,
            prune: Prune::Never,
        },
        participation: Participation {
            active: workers / 2,
            ..Participation::synchronous(workers)
        },
        precision: Precision::Double,
    }
}

/// Time against workers, both in powers of ten.
fn draw(path: &str, curves: &[(usize, Curve, RGBColor)]) -> Result<(), Box<dyn Error>> {
    let times = || curves.iter().flat_map(|(_, curve, _)| curve).map(|p| p.1);
    let lowest = times().fold(f64::INFINITY, f64::min) / 2.0;
    let highest = times().fold(0.0, f64::max) * 2.0;
    let words = Words {
        title: "An iteration of ADBO, half of the workers heard",
        x: "workers",
        y: "milliseconds",
        legend: SeriesLabelPosition::UpperLeft,
    };
    let lines = curves.iter().map(|(planes, curve, colour)| {
        let s = if *planes == 1 { "" } else { "s" };
        (format!("{planes} plane{s}"), curve.clone(), *colour)
    });
    let (x, y) = (8.0..1200.0, lowest..highest);
    plot::lines(path, words, x.log_scale(), y.log_scale(), lines)
}
