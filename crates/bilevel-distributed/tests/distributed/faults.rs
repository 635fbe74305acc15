//! Runs under faults: what they may cost, and what they may not.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, Fault, FaultKind, Latency, MasterCommunicator, Payload, Respond, Simulated,
    SimulationSettings, Stamp, WorkerId,
};
use bilevel_distributed::message::{Answer, Floats, decode, encode};
use bilevel_distributed::{
    Adbo, AdboSettings, AdboState, Cuts, Error, LocalProblem, LowerProducts, OnLoss, Participation,
    Prune, Report, Stop, Stopped, UpperGradients, Worker, WorkerState,
};
use proptest::prelude::*;

use crate::problems::{Scalar, at_zero};
use crate::{Outcome, asynchronous, lognormal, run_over, settings, simulate};

const WORKERS: usize = 5;
const ACTIVE: usize = 2;
const TAU: usize = 6;

fn scalars() -> Vec<Scalar> {
    let scalar = |i| Scalar {
        a: 0.5 + 0.25 * f64::from(i),
        t: f64::from(i) - 1.0,
    };
    (0..WORKERS as u32).map(scalar).collect()
}

fn tolerant() -> AdboSettings {
    let base = settings(WORKERS);
    AdboSettings {
        steps: bilevel_distributed::Steps {
            lambda: 0.005,
            ..base.steps
        },
        participation: Participation {
            quorum_timeout: Duration::from_secs(3600),
            ..asynchronous(WORKERS, ACTIVE, Some(TAU))
        },
        estimate: bilevel_distributed::EstimateSettings {
            rounds: 40,
            ..base.estimate
        },
        cuts: Cuts {
            every: 20,
            // Far from the set multipliers overshoot to 0, and a plane pruned then is one that is needed.
            prune: Prune::Never,
            ..base.cuts
        },
        ..base
    }
}

fn simulation(faults: Vec<Fault>) -> SimulationSettings {
    SimulationSettings {
        faults,
        retry: Some(Duration::from_millis(400)),
        lease: Some(Duration::from_millis(150)),
        ..lognormal(61)
    }
}

/// Passes everything on and keeps what the master was told, as a witness.
struct Witness<C> {
    inner: C,
    /// Steps by stamp, each with the x and y that it carried.
    steps: HashMap<Stamp, (Vec<f64>, Vec<f64>)>,
}

impl<C: MasterCommunicator> MasterCommunicator for Witness<C> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        let event = self.inner.next_event(deadline)?;
        if let Some(Event::Answer(stamp, payload)) = &event
            && let Ok(Answer::Step { x, y, .. }) = decode(payload, 1 << 20)
        {
            let step = (x.unpack(), y.unpack());
            let known = self.steps.entry(*stamp).or_insert_with(|| step.clone());
            assert_eq!(*known, step, "one stamp, two answers");
        }
        Ok(event)
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        self.inner.reply(to, directive);
    }

    fn close(&mut self, shutdown: Payload) {
        self.inner.close(shutdown);
    }
}

fn fault_kind() -> impl Strategy<Value = FaultKind> {
    let time = (1u64..3000).prop_map(Duration::from_millis);
    prop_oneof![
        time.clone().prop_map(FaultKind::Delay),
        Just(FaultKind::Drop),
        Just(FaultKind::DropReply),
        Just(FaultKind::Duplicate),
        time.clone().prop_map(FaultKind::Reorder),
        Just(FaultKind::Corrupt),
        time.prop_map(FaultKind::Freeze),
        Just(FaultKind::Crash),
        Just(FaultKind::Restart),
    ]
}

/// Faults in the first quarter of a run, in which a refresh takes nine seconds in twenty
/// iterations' ten; then everyone is started again.
fn script() -> impl Strategy<Value = Vec<Fault>> {
    let fault = (0u64..400_000, 0u32..WORKERS as u32, fault_kind());
    let fault = fault.prop_map(|(ms, worker, kind)| Fault {
        at: Duration::from_millis(ms),
        worker: WorkerId(worker),
        kind,
    });
    prop::collection::vec(fault, 0..80).prop_map(|mut faults| {
        faults.extend((0..WORKERS as u32).map(|worker| Fault {
            at: Duration::from_secs(420),
            worker: WorkerId(worker),
            kind: FaultKind::Restart,
        }));
        faults
    })
}

const ITERATIONS: usize = 3000;

/// `v` on its way from `start`, without faults and waiting for all; where it is on average, the
/// first third left out: at constant steps it circles about the optimum.
fn undisturbed(start: AdboState) -> f64 {
    let settings = AdboSettings {
        participation: Participation::synchronous(WORKERS),
        ..tolerant()
    };
    let stop = Stop::after(start.iteration + ITERATIONS);
    let problems = scalars();
    let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
    let ideal = SimulationSettings::ideal();
    let mut inner = Simulated::new(ideal, WORKERS, make).expect("a simulation");
    let mut path = Vec::new();
    let mut look = |state: &AdboState, _: &Report| path.push(state.v[0]);
    let adbo = Adbo::new(settings, WORKERS).expect("settings");
    adbo.run(start, &mut inner, stop, &mut look)
        .expect("a run that ends");
    let settled = &path[ITERATIONS / 3..];
    settled.iter().sum::<f64>() / settled.len() as f64
}

/// How far two ends may be apart: G does not see v, which only `h ≤ ε` holds. Where all `y_i = z =
/// t̄`, the optimum, `h = (N + 1)(t̄ − ā v)²` with `ā = 1`: every v within `√(ε/(N + 1))` of t̄ is
/// as good, and which of them a run ends at is decided by the planes that it met on its way.
fn width_of_optima() -> f64 {
    2.0 * (tolerant().cuts.epsilon / (WORKERS + 1) as f64).sqrt()
}

/// From zero, once.
fn calm() -> f64 {
    static CENTER: OnceLock<f64> = OnceLock::new();
    *CENTER.get_or_init(|| undisturbed(at_zero(&scalars())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn faults_cost_time_and_nothing_else(faults in script()) {
        let problems = scalars();
        let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
        let inner = Simulated::new(simulation(faults), WORKERS, make).expect("a simulation");
        let mut witness = Witness { inner, steps: HashMap::new() };
        let adbo = Adbo::new(tolerant(), WORKERS).expect("settings");
        // Past the last fault, and then long enough to forget it.
        let mut taken: Vec<(usize, Vec<f64>, Vec<f64>)> = Vec::new();
        let mut before: Vec<WorkerState> = at_zero(&problems).workers;
        let mut reports = Vec::new();
        let mut look = |state: &AdboState, report: &Report| {
            for &i in &report.active {
                let worker = &state.workers[i];
                taken.push((i, worker.x.clone(), worker.y.clone()));
            }
            // Who was not heard keeps all that is its own.
            for i in (0..WORKERS).filter(|i| !report.active.contains(i)) {
                assert_eq!(state.workers[i], before[i]);
            }
            before.clone_from(&state.workers);
            reports.push(report.clone());
        };
        let stop = Stop { iterations: usize::MAX, time: Duration::from_secs(900) };
        let (state, stopped) = adbo
            .run(at_zero(&problems), &mut witness, stop, &mut look)
            .expect("a run that ends");
        prop_assert_eq!(stopped, Stopped::Time);
        for report in &reports {
            // Some may have been lost between the release and the report, none can have come.
            prop_assert!(report.active.len() >= ACTIVE.min(report.live));
            prop_assert!(report.staleness <= TAU);
            prop_assert!(report.stalest < TAU);
        }
        // With everyone back, so are refreshes; but for those who were given up, who are back only if that was before.
        let last = reports.last().expect("iterations");
        prop_assert!(last.time > Duration::from_secs(850), "stuck since {:?}", last.time);
        if last.live == WORKERS {
            let late = reports.iter().filter(|report| report.time > Duration::from_secs(450));
            prop_assert!(late.filter(|report| report.distance.is_some()).count() > 10);
        }
        // No step is taken twice: there are at most as many of equal numbers as were said.
        let mut said: HashMap<Vec<u64>, usize> = HashMap::new();
        let key = |i: usize, x: &[f64], y: &[f64]| -> Vec<u64> {
            let numbers = x.iter().chain(y).map(|v| v.to_bits());
            [i as u64].into_iter().chain(numbers).collect()
        };
        for (stamp, (x, y)) in &witness.steps {
            *said.entry(key(stamp.worker.index(), x, y)).or_default() += 1;
        }
        for (i, x, y) in &taken {
            let left = said.get_mut(&key(*i, x, y)).expect("a step that somebody said");
            prop_assert!(*left > 0, "a step of worker {i} was taken twice");
            *left -= 1;
        }
        // Nothing is left behind that would lead elsewhere.
        let found = undisturbed(state);
        let apart = (found - calm()).abs();
        prop_assert!(apart < width_of_optima(), "{found} is far from {}", calm());
    }
}

fn at(ms: u64, worker: u32, kind: FaultKind) -> Fault {
    Fault {
        at: Duration::from_millis(ms),
        worker: WorkerId(worker),
        kind,
    }
}

fn disturbed(faults: Vec<Fault>, iterations: usize) -> Outcome {
    let problems = scalars();
    let start = at_zero(&problems);
    simulate(
        tolerant(),
        &problems,
        simulation(faults),
        start,
        Stop::after(iterations),
    )
}

#[test]
fn damaged_answers_are_refused_and_said_again() {
    let faults = (0..10).map(|i| at(200 + 300 * i, (i % 5) as u32, FaultKind::Corrupt));
    let outcome = disturbed(faults.collect(), 400);
    let last = outcome.reports.last().expect("iterations");
    assert_eq!((last.refused, last.live), (10, WORKERS));
}

#[test]
fn repeats_are_dropped() {
    let faults = (0..10).map(|i| at(200 + 300 * i, (i % 5) as u32, FaultKind::Duplicate));
    let outcome = disturbed(faults.collect(), 400);
    let last = outcome.reports.last().expect("iterations");
    assert!(last.dropped >= 10, "{}", last.dropped);
    assert_eq!(last.live, WORKERS);
}

#[test]
fn lost_replies_are_sent_again() {
    let faults = (0..10).map(|i| at(200 + 300 * i, (i % 5) as u32, FaultKind::DropReply));
    let outcome = disturbed(faults.collect(), 400);
    assert_eq!(outcome.stopped, Stopped::Iterations);
    // Nobody was lost: each went on from the reply that was sent twice.
    let lost = |arrival: &&bilevel_distributed::Arrival| {
        matches!(arrival, bilevel_distributed::Arrival::Lost(_))
    };
    assert_eq!(outcome.state.log.iter().filter(lost).count(), 0);
    assert!(outcome.reports.last().expect("iterations").dropped >= 10);
}

/// What a worker says after a loss: the master's word for where it was.
#[test]
fn a_worker_that_comes_back_gets_back_what_was_its_own() {
    let problems = scalars();
    let first = simulate(
        tolerant(),
        &problems,
        lognormal(3),
        at_zero(&problems),
        Stop::after(60),
    );
    let state = first.state;
    assert!(!state.planes.is_empty());
    let (mut master, hub) = bilevel_distributed::communicator::InProcess::new();
    let settings = AdboSettings {
        participation: Participation::synchronous(1),
        ..tolerant()
    };
    let alone = AdboState {
        workers: vec![state.workers[3].clone()],
        planes: Default::default(),
        ..state.clone()
    };
    let adbo = Adbo::new(settings, 1).expect("settings");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use bilevel_distributed::communicator::WorkerCommunicator;
            use bilevel_distributed::message::Directive;
            let mut end = hub.connect(WorkerId(0));
            let hello = encode(&Answer::Hello { upper: 1, lower: 1 });
            let reply = end.exchange(0, hello, crate::PATIENCE).expect("a welcome");
            let Ok(Directive::Welcome(welcome)) = decode(&reply, 1 << 20) else {
                panic!("no welcome");
            };
            let own = &state.workers[3];
            assert_eq!(welcome.iteration, 60);
            assert_eq!(welcome.x.unpack(), own.x);
            assert_eq!(welcome.y.unpack(), own.y);
            assert_eq!(welcome.theta.unpack(), own.theta);
            let answer = Answer::Step {
                x: Floats::Double(vec![0.0]),
                y: Floats::Double(vec![0.0]),
                loss: 0.0,
            };
            end.exchange(1, encode(&answer), crate::PATIENCE)
                .expect("an update");
        });
        let run = run_over(&mut master, &adbo, alone.clone(), Stop::after(61));
        assert_eq!(run.stopped, Stopped::Iterations);
    });
}

/// One that goes mad after some steps, or is of another model.
struct Odd {
    inner: Scalar,
    mad_after: Option<std::cell::Cell<usize>>,
    upper: usize,
}

impl LocalProblem for Odd {
    fn upper_dim(&self) -> usize {
        self.upper
    }

    fn lower_dim(&self) -> usize {
        1
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let mut gradients = self.inner.upper_gradients(x, y);
        if let Some(left) = &self.mad_after {
            left.set(left.get().saturating_sub(1));
            if left.get() == 0 {
                gradients.y[0] = f64::NAN;
            }
        }
        gradients
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        self.inner.lower_gradient(v, y)
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        self.inner.lower_products(v, y, w)
    }
}

fn with_an_odd_one(mad_after: Option<usize>, upper: usize) -> Outcome {
    let odd = |inner| Odd {
        inner,
        mad_after: None,
        upper: 1,
    };
    let mut problems: Vec<Odd> = scalars().into_iter().map(odd).collect();
    problems[2].mad_after = mad_after.map(std::cell::Cell::new);
    problems[2].upper = upper;
    let start = at_zero(&problems);
    let mut settings = tolerant();
    settings.participation.join_timeout = Duration::from_secs(5);
    simulate(
        settings,
        &problems,
        simulation(Vec::new()),
        start,
        Stop::after(200),
    )
}

#[test]
fn numbers_that_are_not_finite_are_refused_and_end_their_worker() {
    let outcome = with_an_odd_one(Some(20), 1);
    let last = outcome.reports.last().expect("iterations");
    assert_eq!(outcome.stopped, Stopped::Iterations);
    assert_eq!((last.refused, last.live), (3, WORKERS - 1));
    let worker = &outcome.state.workers[2];
    assert!(worker.y[0].is_finite() && outcome.state.v[0].is_finite());
    assert_ne!(worker.y, [0.0]);
}

#[test]
fn a_worker_of_another_model_is_sent_away() {
    let outcome = with_an_odd_one(None, 2);
    let last = outcome.reports.last().expect("iterations");
    assert_eq!(outcome.stopped, Stopped::Iterations);
    assert_eq!((last.refused, last.live), (1, WORKERS - 1));
}

/// Steps that are far too long: the last good state is kept.
#[test]
fn a_step_that_is_not_finite_is_not_taken() {
    let mut settings = tolerant();
    settings.steps.v = 1e200;
    settings.steps.theta = 1e200;
    let problems = scalars();
    let start = at_zero(&problems);
    let ideal = SimulationSettings::ideal();
    let outcome = simulate(settings, &problems, ideal, start, Stop::after(100));
    assert_eq!(outcome.stopped, Stopped::NonFinite);
    assert!(outcome.state.v[0].is_finite());
    assert!(outcome.state.iteration < 100);
}

/// What `Drop` means: the problem of the others is solved, `v = ā t̄ / (ā² + ½)` but for ε. Who is
/// frozen keeps its multiplier, and planes are those of the whole problem.
#[test]
fn a_lost_worker_stays_in_the_problem_or_leaves_it() {
    let run = |on_loss, faults| {
        let mut settings = tolerant();
        settings.steps.lambda = 0.05;
        // Fewer rounds would not tell the set from a larger one.
        settings.estimate.rounds = 150;
        settings.participation = Participation {
            on_loss,
            min_live: 1,
            ..Participation::synchronous(WORKERS)
        };
        let simulation = SimulationSettings {
            latency: Latency::Constant(Duration::from_millis(10)),
            ..simulation(faults)
        };
        let problems = scalars();
        let start = at_zero(&problems);
        let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
        let mut inner = Simulated::new(simulation, WORKERS, make).expect("a simulation");
        let adbo = Adbo::new(settings, WORKERS).expect("settings");
        let mut path = Vec::new();
        let mut look = |state: &AdboState, _: &Report| path.push(state.v[0]);
        let run = adbo.run(start, &mut inner, Stop::after(4000), &mut look);
        let settled = &path[3000..];
        let center = settled.iter().sum::<f64>() / settled.len() as f64;
        (run.expect("a run that ends").0, center)
    };
    let loss = || vec![at(150_000, 4, FaultKind::Crash)];
    let (_, calm) = run(OnLoss::Freeze, Vec::new());
    let (frozen, _) = run(OnLoss::Freeze, loss());
    let (dropped, fewer) = run(OnLoss::Drop, loss());
    eprintln!("v: all {calm:.4}, without the last {fewer:.4}");
    let optimum = |a: f64, t: f64| a * t / (a * a + 0.5);
    assert!((calm - optimum(1.0, 1.0)).abs() < 0.03);
    assert!((fewer - optimum(0.875, 0.5)).abs() < 0.03);
    assert_ne!(frozen.workers[4].theta, [0.0]);
    assert!(
        frozen
            .planes
            .as_slice()
            .iter()
            .all(|plane| plane.b[4] != [0.0])
    );
    assert_eq!(dropped.workers[4].theta, [0.0]);
    assert!(!dropped.planes.is_empty());
    assert!(
        dropped
            .planes
            .as_slice()
            .iter()
            .all(|plane| plane.b[4] == [0.0])
    );
}

/// An echo that lasts for ever, for workers that are not asked.
#[test]
fn a_stranger_is_no_one() {
    struct Mute;
    impl Respond for Mute {
        fn begin(&mut self) -> Payload {
            encode(&Answer::Hello { upper: 1, lower: 1 })
        }

        fn respond(&mut self, _: &Payload) -> Option<Payload> {
            None
        }
    }
    // Three workers for a run of two: the third is dropped.
    let mut simulated = Simulated::new(SimulationSettings::ideal(), 3, |_| Mute).expect("settings");
    let adbo = Adbo::new(
        AdboSettings {
            participation: asynchronous(2, 1, None),
            ..settings(2)
        },
        2,
    )
    .expect("settings");
    let stop = Stop {
        iterations: 5,
        time: Duration::from_secs(10),
    };
    let start = AdboState::new(2, vec![0.0], vec![0.0]);
    let run = run_over(&mut simulated, &adbo, start, stop);
    assert_eq!((run.stopped, run.state.iteration), (Stopped::Time, 0));
}
