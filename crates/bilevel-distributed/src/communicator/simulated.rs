//! Workers in virtual time, with faults by script.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, LogNormal};

use super::{Event, Incarnation, LeaveReason, MasterCommunicator, Payload, Stamp, WorkerId};
use crate::error::{Error, ErrorKind, in_range};

/// A worker that is asked instead of asking: [`Worker`](crate::Worker) is one.
pub trait Respond {
    /// The first answer of its life.
    fn begin(&mut self) -> Payload;

    /// What follows from a directive; nothing if it ends.
    fn respond(&mut self, directive: &Payload) -> Option<Payload>;
}

/// How long a worker takes from a directive to its answer, messages included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(
        /// How long.
        Duration,
    ),
    /// `exp(N(ln median, sigma²))`, independent.
    LogNormal {
        /// Half of them are shorter.
        median: Duration,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// The settings of [`Simulated`].
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationSettings {
    /// How long workers take.
    pub latency: Latency,
    /// By which factor each worker is slower; 1 for those that are not listed.
    pub slowness: Vec<f64>,
    /// When each worker begins its first life; at once for those that are not listed.
    pub begins: Vec<Duration>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// After which time a worker that has no reply says its answer again; `None` for never.
    pub retry: Option<Duration>,
    /// After which time a crashed or frozen worker is reported as lost; `None` for never.
    pub lease: Option<Duration>,
    /// Of the latencies.
    pub seed: u64,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// With whom.
    pub worker: WorkerId,
    /// What.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// The next answer takes longer by this.
    Delay(
        /// How much.
        Duration,
    ),
    /// The next answer is lost.
    Drop,
    /// The next reply is lost.
    DropReply,
    /// The next answer arrives twice.
    Duplicate,
    /// A copy of the next answer arrives late, after others.
    Reorder(
        /// How late.
        Duration,
    ),
    /// A byte of the next answer is changed.
    Corrupt,
    /// It stands still for this long.
    Freeze(
        /// How long.
        Duration,
    ),
    /// Its life ends.
    Crash,
    /// A new life begins, if there is none.
    Restart,
}

impl SimulationSettings {
    /// Nothing goes wrong, and answers take no time.
    pub fn ideal() -> Self {
        Self {
            latency: Latency::Constant(Duration::ZERO),
            slowness: Vec::new(),
            begins: Vec::new(),
            faults: Vec::new(),
            retry: None,
            lease: None,
            seed: 0,
        }
    }
}

/// Workers in one thread, in virtual time: seconds cost nothing, and a run is the same every time.
///
/// A worker computes when it is replied to, and its answer arrives after a [`Latency`]. Every
/// worker draws from a stream of its own, so that methods that ask for different numbers of answers
/// meet the same delays.
///
/// ```
/// use std::time::Duration;
/// use bilevel_distributed::communicator::{
///     Event, Latency, MasterCommunicator, Payload, Respond, Simulated, SimulationSettings,
/// };
///
/// struct Echo;
/// impl Respond for Echo {
///     fn begin(&mut self) -> Payload { vec![0].into() }
///     fn respond(&mut self, directive: &Payload) -> Option<Payload> { Some(directive.clone()) }
/// }
///
/// let hour = Duration::from_secs(3600);
/// let settings = SimulationSettings { latency: Latency::Constant(hour), ..SimulationSettings::ideal() };
/// let mut master = Simulated::new(settings, 1, |_| Echo)?;
/// assert!(matches!(master.next_event(Duration::MAX)?, Some(Event::Joined(..))));
/// let Some(Event::Answer(stamp, _)) = master.next_event(Duration::MAX)? else { panic!("an answer") };
/// master.reply(stamp, vec![7].into());
/// let Some(Event::Answer(_, answer)) = master.next_event(Duration::MAX)? else { panic!("an answer") };
/// assert_eq!((answer[0], master.now()), (7, hour * 2));
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
#[derive(Debug)]
pub struct Simulated<R, F> {
    settings: SimulationSettings,
    make: F,
    machines: Vec<Machine<R>>,
    /// What will happen, by time and then in the order in which it was foreseen.
    future: BTreeMap<(Duration, u64), Happening>,
    foreseen: u64,
    now: Duration,
}

#[derive(Debug)]
struct Machine<R> {
    session: Option<Session<R>>,
    lives: u64,
    random: ChaCha8Rng,
    /// Faults that wait for an answer to meet.
    pending: VecDeque<FaultKind>,
}

impl<R> Machine<R> {
    /// The fault that meets the next reply, or else the next answer, if it is its turn.
    fn next_fault(&mut self, of_reply: bool) -> Option<FaultKind> {
        let first = *self.pending.front()?;
        if (first == FaultKind::DropReply) == of_reply {
            self.pending.pop_front()
        } else {
            None
        }
    }
}

#[derive(Debug)]
struct Session<R> {
    incarnation: Incarnation,
    worker: R,
    seq: u64,
    answer: Payload,
    waits: bool,
    frozen_until: Duration,
    suspected: bool,
}

#[derive(Debug)]
enum Happening {
    Fault(usize, FaultKind),
    Arrival(Stamp, Payload),
    Retry(Stamp),
    Crashed(WorkerId, Incarnation),
    Lease(WorkerId, Incarnation),
    Thaw(WorkerId, Incarnation),
}

impl<R: Respond, F: FnMut(WorkerId) -> R> Simulated<R, F> {
    /// `workers` of them, each life made by `make`; all begin at their time.
    ///
    /// # Errors
    /// If a latency's sigma is negative, a slowness is not above zero, or a retry comes at once.
    pub fn new(settings: SimulationSettings, workers: usize, make: F) -> Result<Self, Error> {
        if let Latency::LogNormal { sigma, .. } = settings.latency {
            crate::error::not_negative("sigma", sigma)?;
        }
        for &slowness in &settings.slowness {
            bilevel_core::positive("slowness", slowness)
                .map_err(|e| Error::from(ErrorKind::Setting(e)))?;
        }
        if let Some(retry) = settings.retry {
            in_range("retry", retry.as_secs_f64(), !retry.is_zero(), "> 0")?;
        }
        let machine = |i: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
            random.set_stream(i as u64);
            Machine {
                session: None,
                lives: 0,
                random,
                pending: VecDeque::new(),
            }
        };
        let mut simulated = Self {
            make,
            machines: (0..workers).map(machine).collect(),
            future: BTreeMap::new(),
            foreseen: 0,
            now: Duration::ZERO,
            settings,
        };
        for i in 0..workers {
            let begin = simulated
                .settings
                .begins
                .get(i)
                .copied()
                .unwrap_or_default();
            simulated.foresee(begin, Happening::Fault(i, FaultKind::Restart));
        }
        for fault in simulated.settings.faults.clone() {
            let worker = fault.worker.index();
            if worker < workers {
                simulated.foresee(fault.at, Happening::Fault(worker, fault.kind));
            }
        }
        Ok(simulated)
    }

    /// Something goes wrong now.
    pub fn inject(&mut self, worker: WorkerId, kind: FaultKind) {
        self.foresee(self.now, Happening::Fault(worker.index(), kind));
    }

    fn foresee(&mut self, at: Duration, happening: Happening) {
        self.future.insert((at, self.foreseen), happening);
        self.foreseen += 1;
    }

    fn session(&mut self, worker: WorkerId, incarnation: Incarnation) -> Option<&mut Session<R>> {
        let session = self.machines[worker.index()].session.as_mut()?;
        (session.incarnation == incarnation).then_some(session)
    }

    fn latency(&mut self, worker: usize) -> Duration {
        let slowness = self.settings.slowness.get(worker).copied().unwrap_or(1.0);
        let latency = match self.settings.latency {
            Latency::Constant(latency) => latency,
            Latency::LogNormal { median, sigma } => {
                let of_logarithm = LogNormal::new(median.as_secs_f64().ln(), sigma);
                let random = &mut self.machines[worker].random;
                Duration::from_secs_f64(of_logarithm.expect("a sigma >= 0").sample(random))
            }
        };
        latency.mul_f64(slowness)
    }

    /// The current answer of a worker sets out.
    fn send(&mut self, worker: usize) {
        let latency = self.latency(worker);
        let now = self.now;
        let machine = &mut self.machines[worker];
        let Some(session) = &machine.session else {
            return;
        };
        let stamp = Stamp {
            worker: WorkerId(worker as u32),
            incarnation: session.incarnation,
            seq: session.seq,
        };
        let mut answer = session.answer.clone();
        let mut at = now.max(session.frozen_until) + latency;
        let mut copy = None;
        match machine.next_fault(false) {
            Some(FaultKind::Delay(by)) => at += by,
            Some(FaultKind::Duplicate) => copy = Some(at),
            Some(FaultKind::Reorder(by)) => copy = Some(at + by),
            Some(FaultKind::Corrupt) => {
                let mut bytes = answer.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 0x10;
                }
                answer = bytes.into();
            }
            Some(FaultKind::Drop) => {
                self.foresee_retry(at, stamp);
                return;
            }
            _ => {}
        }
        self.foresee_retry(at, stamp);
        if let Some(late) = copy {
            self.foresee(late, Happening::Arrival(stamp, answer.clone()));
        }
        self.foresee(at, Happening::Arrival(stamp, answer));
    }

    fn foresee_retry(&mut self, sent: Duration, stamp: Stamp) {
        if let Some(retry) = self.settings.retry {
            self.foresee(sent + retry, Happening::Retry(stamp));
        }
    }

    fn fault(&mut self, worker: usize, kind: FaultKind) -> Option<Event> {
        let now = self.now;
        let lease = self.settings.lease;
        let id = WorkerId(worker as u32);
        let machine = &mut self.machines[worker];
        match kind {
            FaultKind::Restart if machine.session.is_none() => {
                let incarnation = Incarnation(machine.lives);
                machine.lives += 1;
                let mut worker_of_life = (self.make)(id);
                machine.session = Some(Session {
                    incarnation,
                    answer: worker_of_life.begin(),
                    worker: worker_of_life,
                    seq: 0,
                    waits: true,
                    frozen_until: now,
                    suspected: false,
                });
                self.send(worker);
                return Some(Event::Joined(id, incarnation));
            }
            FaultKind::Restart => {}
            FaultKind::Crash => {
                if let (Some(session), Some(lease)) = (machine.session.take(), lease) {
                    let crashed = Happening::Crashed(id, session.incarnation);
                    self.foresee(now + lease, crashed);
                }
            }
            FaultKind::Freeze(time) => {
                if let Some(session) = &mut machine.session {
                    session.frozen_until = session.frozen_until.max(now + time);
                    let (until, incarnation) = (session.frozen_until, session.incarnation);
                    if let Some(lease) = lease {
                        self.foresee(now + lease, Happening::Lease(id, incarnation));
                    }
                    self.foresee(until, Happening::Thaw(id, incarnation));
                }
            }
            of_next_message => machine.pending.push_back(of_next_message),
        }
        None
    }

    fn happen(&mut self, happening: Happening) -> Option<Event> {
        let now = self.now;
        match happening {
            Happening::Fault(worker, kind) => self.fault(worker, kind),
            Happening::Arrival(stamp, answer) => {
                let session = self.session(stamp.worker, stamp.incarnation)?;
                if session.frozen_until > now {
                    let until = session.frozen_until;
                    self.foresee(until, Happening::Arrival(stamp, answer));
                    return None;
                }
                Some(Event::Answer(stamp, answer))
            }
            Happening::Retry(stamp) => {
                let session = self.session(stamp.worker, stamp.incarnation)?;
                if session.seq == stamp.seq && session.waits {
                    self.send(stamp.worker.index());
                }
                None
            }
            Happening::Crashed(worker, incarnation) => {
                Some(Event::Left(worker, incarnation, LeaveReason::Closed))
            }
            Happening::Lease(worker, incarnation) => {
                let session = self.session(worker, incarnation)?;
                if session.frozen_until <= now || session.suspected {
                    return None;
                }
                session.suspected = true;
                let reason = LeaveReason::Unresponsive;
                Some(Event::Left(worker, incarnation, reason))
            }
            Happening::Thaw(worker, incarnation) => {
                let session = self.session(worker, incarnation)?;
                if session.frozen_until > now || !session.suspected {
                    return None;
                }
                session.suspected = false;
                if session.waits {
                    self.send(worker.index());
                }
                Some(Event::Joined(worker, incarnation))
            }
        }
    }
}

impl<R: Respond, F: FnMut(WorkerId) -> R> MasterCommunicator for Simulated<R, F> {
    fn now(&self) -> Duration {
        self.now
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        loop {
            match self.future.first_entry() {
                Some(next) if next.key().0 <= deadline => {
                    self.now = self.now.max(next.key().0);
                    let happening = next.remove();
                    if let Some(event) = self.happen(happening) {
                        return Ok(Some(event));
                    }
                }
                None if deadline == Duration::MAX => {
                    return Err(ErrorKind::Closed { side: "workers" }.into());
                }
                _ => {
                    self.now = self.now.max(deadline);
                    return Ok(None);
                }
            }
        }
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        let worker = to.worker.index();
        if self.machines[worker].next_fault(true).is_some() {
            return;
        }
        let Some(session) = self.session(to.worker, to.incarnation) else {
            return;
        };
        if session.seq != to.seq || !session.waits {
            return;
        }
        match session.worker.respond(&directive) {
            Some(answer) => {
                session.seq += 1;
                session.answer = answer;
                self.send(worker);
            }
            None => session.waits = false,
        }
    }

    fn close(&mut self, _: Payload) {
        self.future.clear();
    }
}
