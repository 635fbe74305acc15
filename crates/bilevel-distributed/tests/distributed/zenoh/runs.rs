//! Whole runs over a network.

use std::sync::Mutex;
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, MasterCommunicator, Payload, Replay, Stamp, WorkerCommunicator, WorkerId, ZenohMaster,
    ZenohSettings, ZenohWorker,
};
use bilevel_distributed::message::{Directive, Welcome, decode, encode};
use bilevel_distributed::{
    Adbo, AdboSettings, AdboState, Checkpoint, Error, ErrorKind, Report, Stop, Worker, WorkerState,
};

use super::listen;
use crate::conformance::WAIT;
use crate::problems::{Bent, at_zero};
use crate::{Outcome, PATIENCE, asynchronous, run_in_threads, run_over, settings};

fn run_over_network<C: MasterCommunicator>(
    method: AdboSettings,
    problems: &[Bent],
    around: impl FnOnce(ZenohMaster) -> C,
    start: AdboState,
    stop: Stop,
) -> Outcome {
    let (master, settings) = listen(problems.len());
    let adbo = Adbo::new(method, problems.len()).expect("settings");
    std::thread::scope(|scope| {
        for (i, problem) in problems.iter().enumerate() {
            let settings = &settings;
            scope.spawn(move || {
                let worker = WorkerId(i as u32);
                let mut end = ZenohWorker::connect(settings, worker).expect("a master");
                Worker::new(problem)
                    .serve(&mut end, PATIENCE)
                    .expect("served")
            });
        }
        run_over(&mut around(master), &adbo, start, stop)
    })
}

/// With S = N the network changes no bit.
#[test]
fn the_network_computes_the_same() {
    let problems = Bent::several(4, 2, 4, 61);
    let method = settings(4);
    let stop = || Stop::after(40);
    let over = run_over_network(method, &problems, |c| c, at_zero(&problems), stop());
    let adbo = Adbo::new(method, 4).expect("settings");
    let threads = run_in_threads(&adbo, &problems, |c| c, at_zero(&problems), stop());
    assert_eq!(over.state.v, threads.state.v);
    assert_eq!(over.state.z, threads.state.z);
}

#[test]
fn a_run_over_the_network_is_replayed() {
    let problems = Bent::several(4, 2, 4, 62);
    let method = AdboSettings {
        participation: asynchronous(4, 2, Some(6)),
        ..settings(4)
    };
    let stop = || Stop::after(60);
    let first = run_over_network(method, &problems, |c| c, at_zero(&problems), stop());
    let adbo = Adbo::new(method, 4).expect("settings");
    let log = first.state.log.clone();
    let again = run_in_threads(
        &adbo,
        &problems,
        |c| Replay::new(c, &log),
        at_zero(&problems),
        stop(),
    );
    assert_eq!(again.state, first.state);
}

/// A worker's end that keeps what it was welcomed with, and breaks after so many exchanges.
struct Mortal<'a, C> {
    inner: C,
    left: usize,
    welcomes: &'a Mutex<Vec<Welcome>>,
}

impl<C: WorkerCommunicator> WorkerCommunicator for Mortal<'_, C> {
    fn exchange(&mut self, seq: u64, answer: Payload, wait: Duration) -> Result<Payload, Error> {
        if self.left == 0 {
            return Err(ErrorKind::Closed { side: "worker" }.into());
        }
        self.left -= 1;
        let directive = self.inner.exchange(seq, answer, wait)?;
        if let Ok(Directive::Welcome(welcome)) = decode(&directive, 1 << 20) {
            self.welcomes.lock().expect("no panic").push(*welcome);
        }
        Ok(directive)
    }
}

/// A master's end that breaks when it is `over`; if it is killed nobody is told.
struct Breaking<F> {
    inner: ZenohMaster,
    over: F,
    killed: bool,
}

impl<F: FnMut() -> bool> MasterCommunicator for Breaking<F> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        if (self.over)() {
            return Err(ErrorKind::Closed { side: "master" }.into());
        }
        self.inner.next_event(deadline)
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        self.inner.reply(to, directive);
    }

    fn close(&mut self, shutdown: Payload) {
        if !self.killed {
            self.inner.close(shutdown);
        }
    }
}

/// A worker dies four times; each time the next life gets back what was its own.
#[test]
fn a_worker_that_comes_back_gets_its_own() {
    const WORKERS: usize = 3;
    const LIVES: usize = 5;
    let problems = Bent::several(WORKERS, 2, 4, 63);
    let (inner, network) = listen(WORKERS);
    let method = AdboSettings {
        participation: asynchronous(WORKERS, 2, Some(6)),
        ..settings(WORKERS)
    };
    let adbo = Adbo::new(method, WORKERS).expect("settings");
    let welcomes = Mutex::new(Vec::new());
    let mut known: Vec<WorkerState> = vec![at_zero(&problems).workers[1].clone()];
    std::thread::scope(|scope| {
        for i in [0, 2] {
            let (network, problem) = (&network, &problems[i]);
            scope.spawn(move || {
                let mut end = ZenohWorker::connect(network, WorkerId(i as u32)).expect("a master");
                Worker::new(problem)
                    .serve(&mut end, PATIENCE)
                    .expect("served")
            });
        }
        let welcomes = &welcomes;
        let (network, problem) = (&network, &problems[1]);
        scope.spawn(move || {
            for life in 1..=LIVES {
                let mut end = Mortal {
                    inner: ZenohWorker::connect(network, WorkerId(1)).expect("a master"),
                    left: if life == LIVES { usize::MAX } else { 12 },
                    welcomes,
                };
                let served = Worker::new(problem).serve(&mut end, PATIENCE);
                assert_eq!(served.is_ok(), life == LIVES, "{served:?}");
            }
        });
        let mut master = Breaking {
            inner,
            over: || welcomes.lock().expect("no panic").len() == LIVES,
            killed: false,
        };
        let mut look = |state: &AdboState, _: &Report| known.push(state.workers[1].clone());
        let stop = Stop::after(usize::MAX);
        adbo.run(at_zero(&problems), &mut master, stop, &mut look)
            .expect_err("it breaks");
    });
    let welcomes = welcomes.into_inner().expect("no panic");
    assert_eq!(welcomes.len(), LIVES);
    for welcome in welcomes {
        let own = &known[welcome.iteration];
        assert_eq!(welcome.x.unpack(), own.x);
        assert_eq!(welcome.y.unpack(), own.y);
        assert_eq!(welcome.theta.unpack(), own.theta);
    }
    assert_ne!(known[0].x, known[known.len() - 1].x, "it did not move");
}

/// A master is killed twice; the next one goes on from its file, with the same workers, and no
/// iteration and no bit is lost.
#[test]
fn a_master_goes_on_where_the_last_one_was_killed() {
    const WORKERS: usize = 3;
    let problems = Bent::several(WORKERS, 2, 4, 64);
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = Checkpoint {
        path: folder.path().join("state"),
        every: 1,
    };
    let path = checkpoint.path.clone();
    let adbo = Adbo::new(settings(WORKERS), WORKERS).expect("settings");
    let whole = run_in_threads(&adbo, &problems, |c| c, at_zero(&problems), Stop::after(60));
    let adbo = adbo.with_checkpoint(checkpoint).expect("settings");
    let (first, network) = listen(WORKERS);
    let mut first = Some(first);
    let mut seen = Vec::new();
    let state = std::thread::scope(|scope| {
        for (i, problem) in problems.iter().enumerate() {
            let network = &network;
            scope.spawn(move || {
                let mut end = ZenohWorker::connect(network, WorkerId(i as u32)).expect("a master");
                Worker::new(problem)
                    .serve(&mut end, PATIENCE)
                    .expect("served")
            });
        }
        let mut state = at_zero(&problems);
        loop {
            let inner = first.take().unwrap_or_else(|| again(&network, WORKERS));
            let mut left = if state.iteration < 40 {
                100
            } else {
                usize::MAX
            };
            let mut master = Breaking {
                inner,
                over: || {
                    left -= 1;
                    left == 0
                },
                killed: true,
            };
            let mut look = |_: &AdboState, report: &Report| seen.push(report.iteration);
            let ended = adbo.run(state, &mut master, Stop::after(60), &mut look);
            match ended {
                Ok((state, _)) => {
                    let shutdown = encode(&Directive::Stop("over".to_owned()));
                    master.inner.close(shutdown);
                    break state;
                }
                Err(_) => state = AdboState::load(&path).expect("a state"),
            }
        }
    });
    assert!(seen.iter().copied().eq(1..=60), "{seen:?}");
    let ended = AdboState {
        log: Vec::new(),
        ..state
    };
    let expected = AdboState {
        log: Vec::new(),
        ..whole.state
    };
    assert_eq!(ended, expected);
}

/// The next master, as soon as the port is free.
fn again(settings: &ZenohSettings, workers: usize) -> ZenohMaster {
    let start = std::time::Instant::now();
    loop {
        match ZenohMaster::listen(settings, workers) {
            Ok(master) => return master,
            Err(error) => assert!(start.elapsed() < WAIT, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_second_master_is_refused() {
    let (_first, settings) = listen(1);
    let error = ZenohMaster::listen(&settings, 1).expect_err("the address is taken");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn open_addresses_need_certificates() {
    let settings = ZenohSettings {
        address: "0.0.0.0:7447".to_owned(),
        ..ZenohSettings::local("test", 7447)
    };
    let error = ZenohMaster::listen(&settings, 1).expect_err("open to all");
    let text = error.to_string();
    assert!(
        text.contains("certificates") && !text.contains('\n'),
        "{text}"
    );
}
