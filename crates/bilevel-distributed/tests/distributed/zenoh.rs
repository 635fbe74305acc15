//! The same claims over a network of this machine.

use std::thread::JoinHandle;
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, MasterCommunicator, Payload, Replay, Stamp, WorkerCommunicator, WorkerId, ZenohMaster,
    ZenohSettings, ZenohWorker,
};
use bilevel_distributed::{Adbo, AdboSettings, AdboState, Stop, Worker};

use crate::conformance::{Bench, WAIT, conform};
use crate::problems::{Bent, at_zero};
use crate::{Outcome, PATIENCE, asynchronous, run_in_threads, run_over, settings};

/// A master on a port that was free a moment ago.
fn listen() -> (ZenohMaster, ZenohSettings) {
    for _ in 0..20 {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = probe.local_addr().expect("an address").port();
        drop(probe);
        let settings = ZenohSettings::local("test", port);
        if let Ok(master) = ZenohMaster::listen(&settings) {
            return (master, settings);
        }
    }
    panic!("no port is free");
}

struct Network {
    master: ZenohMaster,
    settings: ZenohSettings,
    lives: Vec<JoinHandle<()>>,
}

impl Bench for Network {
    type Master = ZenohMaster;

    fn master(&mut self) -> &mut ZenohMaster {
        &mut self.master
    }

    fn start(&mut self, worker: WorkerId, first: Payload) {
        let mut end = ZenohWorker::connect(&self.settings, worker).expect("a master");
        self.lives.push(std::thread::spawn(move || {
            let mut say = first;
            for seq in 0.. {
                match end.exchange(seq, say, WAIT) {
                    Ok(reply) if !reply.is_empty() => say = reply,
                    _ => return,
                }
            }
        }));
    }

    fn kill(&mut self, waits: Stamp) {
        self.master.reply(waits, Vec::new().into());
    }

    fn end(mut self) {
        self.master.close(Vec::new().into());
        for life in self.lives {
            life.join().expect("no panic");
        }
    }
}

#[test]
fn the_network_conforms() {
    conform(|| {
        let (master, settings) = listen();
        let lives = Vec::new();
        Network {
            master,
            settings,
            lives,
        }
    });
}

fn run_over_network<C: MasterCommunicator>(
    method: AdboSettings,
    problems: &[Bent],
    around: impl FnOnce(ZenohMaster) -> C,
    start: AdboState,
    stop: Stop,
) -> Outcome {
    let (master, settings) = listen();
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

#[test]
fn a_second_master_is_refused() {
    let (_first, settings) = listen();
    ZenohMaster::listen(&settings).expect_err("the address is taken");
}

#[test]
fn open_addresses_need_certificates() {
    let settings = ZenohSettings {
        address: "0.0.0.0:7447".to_owned(),
        ..ZenohSettings::local("test", 7447)
    };
    let error = ZenohMaster::listen(&settings).expect_err("open to all");
    let text = error.to_string();
    assert!(
        text.contains("certificates") && !text.contains('\n'),
        "{text}"
    );
}

/// A worker goes on asking while no master is there, and is heard by the next one.
#[test]
fn workers_outlive_their_master() {
    let (mut master, settings) = listen();
    let mut end = ZenohWorker::connect(&settings, WorkerId(0)).expect("a master");
    let asks = std::thread::spawn(move || end.exchange(0, vec![1].into(), WAIT));
    let heard = |master: &mut ZenohMaster| loop {
        let deadline = master.now() + WAIT;
        match master
            .next_event(deadline)
            .expect("works")
            .expect("an event in time")
        {
            Event::Answer(stamp, _) => return stamp,
            Event::Joined(..) | Event::Left(..) => {}
        }
    };
    heard(&mut master);
    drop(master);
    std::thread::sleep(Duration::from_millis(300));
    let mut next = ZenohMaster::listen(&settings).expect("the port is free again");
    let stamp = heard(&mut next);
    assert_eq!(stamp.seq, 0);
    next.reply(stamp, vec![2].into());
    assert_eq!(*asks.join().expect("no panic").expect("a reply"), [2]);
}
