//! ADBO equals an independent program, `tests/reference` at the root: two workers, forty
//! synchronous iterations.

use std::path::Path;

use bilevel_distributed::communicator::{Simulated, SimulationSettings, WorkerId};
use bilevel_distributed::{
    Adbo, AdboSettings, AdboState, Cuts, EstimateSettings, LocalProblem, LowerProducts,
    Regularization, Report, Steps, Stop, UpperGradients, Worker,
};

use crate::problems::product;
use crate::settings;

/// `G = ½ ‖y − c‖² + ½ r ‖x‖²,   g = ½ yᵀAy − yᵀBv`
struct Quadratic {
    a: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    c: Vec<f64>,
    r: f64,
}

impl LocalProblem for Quadratic {
    fn upper_dim(&self) -> usize {
        self.b[0].len()
    }

    fn lower_dim(&self) -> usize {
        self.c.len()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let far: Vec<f64> = y.iter().zip(&self.c).map(|(y, c)| y - c).collect();
        UpperGradients {
            loss: 0.5 * product(&far, &far) + 0.5 * self.r * product(x, x),
            x: x.iter().map(|x| self.r * x).collect(),
            y: far,
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        let rows = self.a.iter().zip(&self.b);
        rows.map(|(a, b)| product(a, y) - product(b, v)).collect()
    }

    fn lower_products(&self, v: &[f64], _: &[f64], w: &[f64]) -> LowerProducts {
        let column = |j: usize| self.b.iter().map(|row| row[j]).collect::<Vec<_>>();
        LowerProducts {
            hessian: self.a.iter().map(|row| product(row, w)).collect(),
            cross: (0..v.len()).map(|j| -product(&column(j), w)).collect(),
        }
    }
}

/// The rows of a table below its head, column by column.
fn table(name: &str) -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    let path = root.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let row = |line: &str| line.split('\t').map(str::to_string).collect();
    text.lines().skip(1).map(row).collect()
}

fn numbers(cell: &str) -> Vec<f64> {
    let number = |word: &str| word.parse().expect("a number");
    cell.split_whitespace().map(number).collect()
}

#[test]
fn adbo_equals_an_independent_program() {
    let problem = table("problem.tsv");
    let row = |name: &str| {
        let row = problem.iter().find(|row| row[0] == name);
        numbers(&row.expect("a row of that name")[1])
    };
    let matrix = |name: String, width: usize| -> Vec<Vec<f64>> {
        row(&name).chunks(width).map(<[f64]>::to_vec).collect()
    };
    let problems = [0, 1].map(|i| Quadratic {
        a: matrix(format!("A{i}"), 4),
        b: matrix(format!("B{i}"), 3),
        c: row(&format!("c{i}")),
        r: row(&format!("r{i}"))[0],
    });
    let base = settings(2);
    let settings = AdboSettings {
        steps: Steps {
            x: 0.05,
            y: 0.05,
            v: 0.04,
            z: 0.03,
            lambda: 0.5,
            theta: 0.06,
            ..base.steps
        },
        lambda_regularization: Regularization::Falling { floor: 0.01 },
        theta_regularization: Regularization::Constant(0.02),
        estimate: EstimateSettings {
            rounds: 3,
            lower_step: 0.2,
            consensus_step: 0.1,
            multiplier_step: 0.15,
            penalty: 1.0,
        },
        cuts: Cuts {
            every: 5,
            epsilon: 1e-3,
            most: 3,
            ..base.cuts
        },
        ..base
    };
    let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
    let mut communicator =
        Simulated::new(SimulationSettings::ideal(), 2, make).expect("a simulation");
    let adbo = Adbo::new(settings, 2).expect("settings");
    let start = AdboState::new(2, row("x"), row("y"));
    let mut iterations: Vec<[Vec<f64>; 7]> = Vec::new();
    let mut keep = |state: &AdboState, report: &Report| {
        let workers = || state.workers.iter();
        iterations.push([
            state.v.clone(),
            state.z.clone(),
            workers().flat_map(|w| w.x.clone()).collect(),
            workers().flat_map(|w| w.y.clone()).collect(),
            workers().flat_map(|w| w.theta.clone()).collect(),
            state.planes.lambda(),
            report.distance.into_iter().collect(),
        ]);
    };
    adbo.run(start, &mut communicator, Stop::after(40), &mut keep)
        .expect("a run that ends");
    let expected = table("adbo.tsv");
    assert_eq!(iterations.len(), expected.len());
    let names = ["v", "z", "x", "y", "θ", "λ", "h"];
    for (iteration, wanted) in iterations.iter().zip(&expected) {
        for ((here, cell), name) in iteration.iter().zip(&wanted[1..]).zip(names) {
            let there = numbers(cell);
            assert_eq!(here.len(), there.len(), "{name} after step {}", wanted[0]);
            for (a, b) in here.iter().zip(&there) {
                let off = (a - b).abs();
                assert!(
                    off < 1e-12,
                    "{name} after step {}: off by {off:.1e}",
                    wanted[0]
                );
            }
        }
    }
}
