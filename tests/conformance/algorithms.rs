//! Twenty upper steps of algorithms that solve the lower problem.

use bilevel::algorithm::escape::{Perturbation, PerturbedAid};
use bilevel::burn::optim::{AdamConfig, SgdConfig};
use bilevel::burn::tensor::backend::Backend;
use bilevel::parameters::pack;
use bilevel::{
    Accelerated, ConjugateGradient, DoubleBackward, DoubleLoop, FixedLipschitz, Hoag, HoagState,
    ImplicitDifferentiation, Isgd, IsgdSettings, Maid, MaidSettings, MaidState, Probe, Sampling,
    Schedule, State, Stop, Tape, Tolerance,
};

use crate::quadratic::{Instance, L, MU, Numbers, Quadratic};
use crate::row::{Rows, entries};

const STEPS: usize = 20;

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Algorithms: x after twenty steps on three tasks");
    let tasks = || {
        vec![
            Instance::new(4).task::<B>(),
            Instance::new(5).task(),
            Instance::new(6).task(),
        ]
    };
    let x = || Instance::new(4).x::<B>();
    let stop = Stop::after(STEPS);
    let problem = Quadratic;
    let tolerance =
        bilevel::vector::epsilon(&bilevel::Vector::<B>::zeros([1, 1], &Default::default())) * 100.0;
    let lower = Accelerated {
        smoothness: FixedLipschitz(L),
        strong_convexity: MU,
        max_steps: 500,
        tolerance: Tolerance::Absolute(tolerance),
    };
    let second_order = DoubleBackward;
    let solver = ConjugateGradient {
        max_steps: 50,
        tolerance: Tolerance::Relative(tolerance),
    };
    let hypergradient = ImplicitDifferentiation {
        second_order,
        solver,
    };
    let end = |x: &Numbers<Tape<B>>| entries([pack(x, 1)]);

    let double_loop = DoubleLoop {
        problem,
        lower,
        hypergradient,
    };
    let state = State::new(x(), AdamConfig::new().init());
    let (state, ..) = double_loop.run(state, tasks(), 0.05, stop, &mut |_: &_| ());
    rows.golden("double loop, Adam", end(&state.x), 1e-3);

    let settings = IsgdSettings {
        batch: 2,
        sampling: Sampling::Shuffled,
        step_size: Schedule::Constant(0.3),
        lower_accuracy: Schedule::Polynomial {
            initial: 0.1,
            power: 1.0,
        },
        adjoint_accuracy: Schedule::Polynomial {
            initial: 0.1,
            power: 1.0,
        },
        seed: 1,
    };
    let isgd = Isgd::new(problem, lower, hypergradient, settings).expect("settings");
    let state = State::new(x(), SgdConfig::new().init());
    let (state, ..) = isgd.run(state, tasks(), stop, &mut |_: &_| ());
    rows.golden("ISGD", end(&state.x), 1e-3);

    let accuracy = Schedule::Geometric {
        initial: 0.1,
        factor: 0.8,
    };
    let hoag = Hoag::new(problem, lower, hypergradient, accuracy).expect("settings");
    let (state, ..) = hoag.run(HoagState::new(x()), tasks(), stop, &mut |_: &_| ());
    rows.golden("HOAG", end(&state.x), 1e-3);

    let settings = MaidSettings {
        probe: Some(Probe {
            probes: 10,
            radius: 1e-2,
            seed: 0,
        }),
        eps_min: tolerance,
        delta_min: tolerance,
        ..MaidSettings::default()
    };
    let maid = Maid::new(problem, lower, second_order, solver, settings).expect("settings");
    let start = MaidState {
        eps: 0.1,
        delta: 0.1,
        step_size: 1.0,
        ..MaidState::new(x())
    };
    let (state, ..) = maid
        .run(start, tasks(), stop, &mut |_: &_| ())
        .expect("constants are probed");
    // Its tests may fall on the other side of a bound in `f32`: the way differs, the end is near.
    rows.golden("MAID", end(&state.x), 3e-2);

    let method = PerturbedAid {
        lower_step_size: 1.0 / L,
        lower_steps: 10,
        linear_steps: 5,
        perturbation: Perturbation {
            step_size: 0.2,
            epsilon: 1e-12,
            radius: 1e-3,
            scaled: false,
            window: 50,
            decrease: None,
        },
    };
    let mut objective = method.objective::<B, _>(&problem, x(), Instance::new(4).task());
    let found = method.run(&mut objective, STEPS, 0, &mut |_| ());
    rows.golden("perturbed AID", entries([found.x]), 1e-3);
}
