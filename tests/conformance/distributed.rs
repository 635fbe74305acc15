//! Twenty iterations over three workers, each with an instance of its own; ADBO and SDBO in virtual
//! time.

use std::time::Duration;

use bilevel::DoubleBackward;
use bilevel::burn::tensor::backend::Backend;
use bilevel::distributed::communicator::{Latency, Simulated, SimulationSettings, WorkerId};
use bilevel::distributed::message::Precision;
use bilevel::distributed::{
    Adbo, AdboSettings, AdboState, Cpbo, CpboSettings, CpboState, Cuts, EstimateSettings, FedNest,
    FedNestSettings, FedNestState, ModuleProblem, Participation, Prune, Regularization, Sdbo,
    Steps, Stop, Worker,
};

use crate::quadratic::{Instance, L, Quadratic};
use crate::row::Rows;

const WORKERS: usize = 3;
const STEPS: usize = 20;

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Three workers: v and z after twenty iterations");
    let local = |seed| {
        let instance = Instance::new(seed);
        let (x, y) = (instance.x::<B>(), instance.y());
        ModuleProblem::new(Quadratic, DoubleBackward, instance.data(), x, y)
    };
    let locals: Vec<_> = (4..).take(WORKERS).map(local).collect();
    let (v, z) = locals[0].start();
    let mut add = |name, method: &Adbo| {
        let make = |worker: WorkerId| Worker::new(&locals[worker.index()]);
        let delays = SimulationSettings {
            latency: Latency::LogNormal {
                median: Duration::from_millis(30),
                sigma: 1.0,
            },
            ..SimulationSettings::ideal()
        };
        let mut communicator = Simulated::new(delays, WORKERS, make).expect("a simulation");
        let start = AdboState::new(WORKERS, v.clone(), z.clone());
        let stop = Stop {
            iterations: STEPS,
            time: Duration::MAX,
        };
        let (state, _) = method
            .run(start, &mut communicator, stop, &mut |_: &_, _: &_| ())
            .expect("a run that ends");
        assert!(!state.planes.is_empty(), "{name} has planes");
        rows.golden(name, [state.v, state.z].concat(), 1e-3);
    };
    let two_of_three = Participation {
        active: 2,
        staleness: Some(5),
        ..Participation::synchronous(WORKERS)
    };
    let adbo = Adbo::new(settings(two_of_three), WORKERS).expect("settings");
    add("ADBO, two of three", &adbo);
    let sdbo = Sdbo::new(settings(two_of_three), WORKERS).expect("settings");
    add("SDBO", sdbo.as_adbo());

    let fednest = FedNest::new(FedNestSettings {
        upper_step: 0.05,
        lower_step: 0.05,
        lower_rounds: 5,
        local_steps: 2,
        terms: 5,
        series_step: 1.0 / L,
    });
    let fednest = fednest.expect("settings");
    let mut state = FedNestState {
        x: v.clone(),
        y: z.clone(),
    };
    for _ in 0..STEPS {
        assert!(fednest.round(&locals, &mut state), "numbers are of use");
    }
    rows.golden("FedNest", [state.x, state.y].concat(), 1e-3);

    rows.section("One process: x and y after twenty iterations");
    let cpbo = Cpbo::new(CpboSettings {
        x_step: 0.05,
        y_step: 0.05,
        lambda_step: 0.1,
        regularization: Regularization::Constant(0.04),
        inner_steps: 2,
        inner_step: 0.05,
        cuts: CUTS,
    });
    let cpbo = cpbo.expect("settings");
    let mut state = CpboState::new(v, z);
    for _ in 0..STEPS {
        cpbo.step(&locals[0], &mut state);
    }
    assert!(!state.planes.is_empty(), "CPBO has planes");
    rows.golden("CPBO", [state.x, state.y].concat(), 1e-3);
}

const CUTS: Cuts = Cuts {
    every: 5,
    until: usize::MAX,
    epsilon: 0.0,
    most: 20,
    prune: Prune::IdleTwice,
};

fn settings(participation: Participation) -> AdboSettings {
    AdboSettings {
        steps: Steps {
            x: 0.05,
            y: 0.05,
            v: 0.05,
            z: 0.05,
            lambda: 0.1,
            theta: 0.05,
            largest_lambda: f64::INFINITY,
            largest_theta: f64::INFINITY,
        },
        lambda_regularization: Regularization::Constant(0.04),
        theta_regularization: Regularization::Constant(0.002),
        estimate: EstimateSettings {
            rounds: 1,
            lower_step: 0.05,
            consensus_step: 0.05,
            multiplier_step: 0.05,
            penalty: 1.0,
        },
        cuts: CUTS,
        participation,
        precision: Precision::Double,
    }
}
