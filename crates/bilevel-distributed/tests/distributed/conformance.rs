//! What every communicator has to do, asked of each in the same words.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, FaultKind, Hub, InProcess, Incarnation, MasterCommunicator, Payload, Respond, Simulated,
    SimulationSettings, Stamp, WorkerCommunicator, WorkerId,
};

/// A communicator with workers that begin with `first` and then echo what they are told.
pub(crate) trait Bench {
    type Master: MasterCommunicator;
    fn master(&mut self) -> &mut Self::Master;
    /// Begins a life.
    fn start(&mut self, worker: WorkerId, first: Payload);
    /// Ends the life that waits for a reply to this.
    fn kill(&mut self, waits: Stamp);
    /// No worker is left running.
    fn end(self);
}

pub(crate) const WAIT: Duration = Duration::from_secs(20);

fn event(bench: &mut impl Bench) -> Event {
    let master = bench.master();
    let deadline = master.now() + WAIT;
    let event = master
        .next_event(deadline)
        .expect("a communicator that works");
    event.expect("an event in time")
}

fn joined(bench: &mut impl Bench, worker: WorkerId) -> Incarnation {
    match event(bench) {
        Event::Joined(who, incarnation) if who == worker => incarnation,
        other => panic!("{worker} did not join first: {other:?}"),
    }
}

fn answer(bench: &mut impl Bench, worker: WorkerId) -> (Stamp, Payload) {
    match event(bench) {
        Event::Answer(stamp, payload) if stamp.worker == worker => (stamp, payload),
        other => panic!("no answer of {worker}: {other:?}"),
    }
}

fn payload(byte: u8) -> Payload {
    vec![byte].into()
}

/// Joins come before answers, answers are numbered, replies go to whom they are for.
fn order(bench: &mut impl Bench) {
    let workers = [WorkerId(0), WorkerId(1), WorkerId(2)];
    let mut stamps = Vec::new();
    for worker in workers {
        bench.start(worker, payload(worker.0 as u8));
        let incarnation = joined(bench, worker);
        let (stamp, first) = answer(bench, worker);
        assert_eq!((stamp.incarnation, stamp.seq), (incarnation, 0));
        assert_eq!(*first, [worker.0 as u8]);
        stamps.push(stamp);
    }
    for round in 1..=3u8 {
        // In another order than they came.
        for i in [2, 0, 1] {
            let stamp = stamps[i];
            bench.master().reply(stamp, payload(10 * round + i as u8));
            let (next, echo) = answer(bench, stamp.worker);
            assert_eq!(
                (next.incarnation, next.seq),
                (stamp.incarnation, u64::from(round))
            );
            assert_eq!(*echo, [10 * round + i as u8]);
            stamps[i] = next;
        }
    }
}

/// A life ends, is reported, and the next one is another; replies to the old one are lost without
/// harm.
fn rejoin(bench: &mut impl Bench) {
    let worker = WorkerId(1);
    bench.start(worker, payload(1));
    let first = joined(bench, worker);
    let (old, _) = answer(bench, worker);
    bench.kill(old);
    match event(bench) {
        Event::Left(who, life, _) => assert_eq!((who, life), (worker, first)),
        other => panic!("its end was not told: {other:?}"),
    }
    bench.master().reply(old, payload(9));
    bench.start(worker, payload(2));
    let second = joined(bench, worker);
    assert!(second > first);
    let (stamp, again) = answer(bench, worker);
    assert_eq!(
        (stamp.incarnation, stamp.seq, &*again),
        (second, 0, &[2][..])
    );
    bench.master().reply(old, payload(9));
    bench.master().reply(stamp, payload(3));
    assert_eq!(*answer(bench, worker).1, [3]);
}

/// 64 MiB both ways, unchanged.
fn large(bench: &mut impl Bench) {
    let bytes: Vec<u8> = (0..64 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let bytes = Payload::from(bytes);
    bench.start(WorkerId(0), bytes.clone());
    joined(bench, WorkerId(0));
    let (stamp, up) = answer(bench, WorkerId(0));
    assert!(up == bytes, "another payload came up");
    bench.master().reply(stamp, bytes.clone());
    assert!(
        answer(bench, WorkerId(0)).1 == bytes,
        "another payload came back"
    );
}

/// A worker that waits has one message under way, and nothing happens until it is replied to; time
/// goes on.
fn back_pressure(bench: &mut impl Bench) {
    bench.start(WorkerId(0), payload(0));
    joined(bench, WorkerId(0));
    answer(bench, WorkerId(0));
    let before = bench.master().now();
    let deadline = before + Duration::from_millis(50);
    assert_eq!(bench.master().next_event(deadline).expect("works"), None);
    assert!(bench.master().now() >= deadline);
}

/// A reply to something else is not taken for the reply.
fn replies_are_for_answers(bench: &mut impl Bench) {
    bench.start(WorkerId(0), payload(0));
    joined(bench, WorkerId(0));
    let (first, _) = answer(bench, WorkerId(0));
    bench.master().reply(first, payload(1));
    let (second, _) = answer(bench, WorkerId(0));
    bench.master().reply(first, payload(8));
    let unknown = Stamp { seq: 77, ..second };
    bench.master().reply(unknown, payload(9));
    bench.master().reply(second, payload(2));
    assert_eq!(*answer(bench, WorkerId(0)).1, [2]);
}

pub(crate) fn conform<B: Bench>(new: impl Fn() -> B) {
    let claims: [fn(&mut B); 5] = [order, rejoin, large, back_pressure, replies_are_for_answers];
    for claim in claims {
        let mut bench = new();
        claim(&mut bench);
        bench.end();
    }
}

/// A life that begins with `first` and then says what it is told, until it is told nothing or is
/// not answered.
pub(crate) fn echo(mut end: impl WorkerCommunicator, first: Payload) {
    let mut say = first;
    for seq in 0.. {
        match end.exchange(seq, say, WAIT) {
            Ok(reply) if !reply.is_empty() => say = reply,
            _ => return,
        }
    }
}

/// Threads that echo until they are told nothing.
struct Threads {
    master: InProcess,
    hub: Hub,
    lives: Vec<JoinHandle<()>>,
}

impl Bench for Threads {
    type Master = InProcess;

    fn master(&mut self) -> &mut InProcess {
        &mut self.master
    }

    fn start(&mut self, worker: WorkerId, first: Payload) {
        let end = self.hub.connect(worker);
        self.lives.push(std::thread::spawn(|| echo(end, first)));
    }

    fn kill(&mut self, waits: Stamp) {
        self.master.reply(waits, Vec::new().into());
    }

    fn end(self) {
        drop(self.master);
        for life in self.lives {
            life.join().expect("no panic");
        }
    }
}

#[test]
fn threads_conform() {
    conform(|| {
        let (master, hub) = InProcess::new();
        let lives = Vec::new();
        Threads { master, hub, lives }
    });
}

struct Echo(Payload);

impl Respond for Echo {
    fn begin(&mut self) -> Payload {
        self.0.clone()
    }

    fn respond(&mut self, directive: &Payload) -> Option<Payload> {
        (!directive.is_empty()).then(|| directive.clone())
    }
}

type Words = Rc<RefCell<HashMap<WorkerId, Payload>>>;

/// The same in virtual time.
struct Virtual<F> {
    master: Simulated<Echo, F>,
    words: Words,
}

impl<F: FnMut(WorkerId) -> Echo> Bench for Virtual<F> {
    type Master = Simulated<Echo, F>;

    fn master(&mut self) -> &mut Self::Master {
        &mut self.master
    }

    fn start(&mut self, worker: WorkerId, first: Payload) {
        self.words.borrow_mut().insert(worker, first);
        self.master.inject(worker, FaultKind::Restart);
    }

    fn kill(&mut self, waits: Stamp) {
        self.master.inject(waits.worker, FaultKind::Crash);
    }

    fn end(self) {}
}

#[test]
fn virtual_workers_conform() {
    conform(|| {
        let words = Words::default();
        let known = words.clone();
        let settings = SimulationSettings {
            begins: vec![Duration::MAX; 3],
            lease: Some(Duration::from_secs(1)),
            ..SimulationSettings::ideal()
        };
        let make = move |worker| Echo(known.borrow()[&worker].clone());
        let master = Simulated::new(settings, 3, make).expect("settings");
        Virtual { master, words }
    });
}

/// Only threads can wait for a master that is gone.
#[test]
fn workers_learn_that_the_master_is_gone() {
    let (master, hub) = InProcess::new();
    let mut end = hub.connect(WorkerId(0));
    let waits = std::thread::spawn(move || end.exchange(0, payload(1), WAIT).map(|_| ()));
    drop(master);
    let error = waits.join().expect("no panic").expect_err("no reply");
    assert!(error.to_string().contains("master is gone"), "{error}");

    let (mut master, hub) = InProcess::new();
    let mut early = hub.connect(WorkerId(0));
    master.close(payload(5));
    assert_eq!(
        *early.exchange(0, payload(1), WAIT).expect("a farewell"),
        [5]
    );
    let mut late = hub.connect(WorkerId(1));
    assert_eq!(
        *late.exchange(0, payload(1), WAIT).expect("a farewell"),
        [5]
    );
    let impatient = Duration::from_millis(10);
    let error = late
        .exchange(1, payload(1), impatient)
        .expect_err("no reply");
    assert!(error.to_string().contains("no reply"), "{error}");
    drop((early, late, hub));
    while master.next_event(WAIT).is_ok() {}
}
