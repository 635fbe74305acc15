//! Who is heard in an iteration: S of N, none too late, and enough of them alive.

use std::time::Duration;

use crate::communicator::{Incarnation, Stamp, WorkerId};
use crate::error::{Error, in_range};

/// How many answers an iteration waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Participation {
    /// S: answers that are enough for an iteration, of all that live if they are fewer.
    pub active: usize,
    /// τ: every worker that lives is heard at least once in τ iterations; `None` for no such bound.
    pub staleness: Option<usize>,
    /// What becomes of a worker that is lost.
    pub on_loss: OnLoss,
    /// With fewer workers alive the run pauses.
    pub min_live: usize,
    /// For how long the first iteration waits for all workers; after that those that came are
    /// enough, if they are [`min_live`](Self::min_live).
    pub join_timeout: Duration,
    /// For how long a run pauses before it ends.
    pub quorum_timeout: Duration,
}

/// What becomes of a worker that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// It stays in the problem with its last x, y and θ. No planes are made until it is back:
    /// without it they would be of another problem. For workers that come back.
    Freeze,
    /// It leaves the sums, and the planes that were made with it are dropped; new ones are made by
    /// those who live. If it comes back, it begins anew at v and z, and planes do once more. For
    /// workers that may not come back.
    Drop,
    /// The run ends.
    Abort,
}

impl Participation {
    /// S = N, the synchronous case, for `workers` workers: nobody is late, none may be missing.
    pub fn synchronous(workers: usize) -> Self {
        Self {
            active: workers,
            staleness: Some(1),
            on_loss: OnLoss::Freeze,
            min_live: workers,
            join_timeout: Duration::from_secs(60),
            quorum_timeout: Duration::from_secs(60),
        }
    }

    pub(crate) fn check(&self, workers: usize) -> Result<(), Error> {
        let within = |n: usize| (1..=workers).contains(&n);
        let range = "at least 1 and at most the number of workers";
        in_range("active", self.active as f64, within(self.active), range)?;
        in_range(
            "min_live",
            self.min_live as f64,
            within(self.min_live),
            range,
        )?;
        if let Some(tau) = self.staleness {
            in_range("staleness", tau as f64, tau > 0, "at least 1")?;
        }
        Ok(())
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// From no worker of this run.
    Foreign,
    /// From a life that is not known to be on, or older than one that was taken.
    Outdated,
    /// The last one that was taken or refused, once more: its sender lacks the reply.
    Repeat,
    /// From one that has joined, for the first time or again: it may be admitted.
    Newcomer,
    /// To be taken.
    Fresh,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The iteration has heard enough.
    Release,
    /// Wait for an event, until then at most.
    Wait(
        /// When to ask again though nothing happened.
        Option<Duration>,
    ),
    /// Too few have been alive for too long.
    QuorumLost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    incarnation: Option<Incarnation>,
    /// It joined, and was not reported as lost since.
    present: bool,
    /// It is present and was admitted.
    live: bool,
    /// The newest answer that was taken or refused.
    taken: Option<u64>,
    refused: bool,
    /// Iterations since it was heard: `τᵢ`.
    counter: usize,
    heard: bool,
    strikes: u32,
}

/// Which workers live, which have been heard, and whether that is enough.
///
/// ```text
/// release when  #heard ≥ min(S, live)  and  max τᵢ < τ  over those alive;   then τᵢ ← τᵢ + 1,   τᵢ ← 0 when heard
/// ```
///
/// So an answer that is used is at most τ iterations old. It knows no threads and no clock: times
/// are told to it, which is how it is the same under every communicator. A worker is admitted by
/// [`admit`](Self::admit) after its first answer, and again after it was lost; an answer counts
/// once, by incarnation and sequence number.
///
/// ```
/// use std::time::Duration;
/// use bilevel_distributed::communicator::{Incarnation, Stamp, WorkerId};
/// use bilevel_distributed::{ActiveSet, Decision, Participation, AnswerKind};
///
/// let settings = Participation { active: 1, staleness: None, ..Participation::synchronous(2) };
/// let mut set = ActiveSet::new(settings, 2);
/// let stamp = |worker, seq| Stamp { worker: WorkerId(worker), incarnation: Incarnation(0), seq };
/// for worker in [0, 1] {
///     set.joined(WorkerId(worker), Incarnation(0));
///     assert_eq!(set.judge(stamp(worker, 0)), AnswerKind::Newcomer);
///     set.admit(stamp(worker, 0));
/// }
/// assert_eq!(set.decide(Duration::ZERO, false), Decision::Wait(None));
/// set.take(stamp(1, 1));
/// assert_eq!(set.judge(stamp(1, 1)), AnswerKind::Repeat);
/// assert_eq!(set.decide(Duration::ZERO, false), Decision::Release);
/// assert_eq!(set.release(), [1]);
/// ```
#[derive(Debug, Clone)]
pub struct ActiveSet {
    settings: Participation,
    slots: Vec<Slot>,
    begun: bool,
    short_since: Option<Duration>,
    stalest: usize,
}

/// Refused answers in a row that make a worker lost.
const STRIKES: u32 = 3;

impl ActiveSet {
    /// Nobody has come yet.
    pub fn new(settings: Participation, workers: usize) -> Self {
        Self {
            settings,
            slots: vec![Slot::default(); workers],
            begun: false,
            short_since: None,
            stalest: 0,
        }
    }

    /// A worker's life begins, or goes on after it was believed lost. Lives before it are over.
    ///
    /// Returns whether a worker that lived is lost by that.
    pub fn joined(&mut self, worker: WorkerId, incarnation: Incarnation) -> bool {
        let Some(slot) = self.slots.get_mut(worker.index()) else {
            return false;
        };
        match slot.incarnation {
            Some(known) if incarnation < known => false,
            Some(known) if incarnation == known => {
                slot.present = true;
                false
            }
            _ => {
                let lost = slot.live;
                *slot = Slot {
                    incarnation: Some(incarnation),
                    present: true,
                    ..Slot::default()
                };
                lost
            }
        }
    }

    /// A life is believed to be over. Returns whether it was one that counted.
    pub fn left(&mut self, worker: WorkerId, incarnation: Incarnation) -> bool {
        match self.slots.get_mut(worker.index()) {
            Some(slot) if slot.incarnation == Some(incarnation) => {
                let lost = slot.live;
                slot.present = false;
                slot.live = false;
                slot.heard = false;
                lost
            }
            _ => false,
        }
    }

    /// What an answer is; nothing changes by asking.
    pub fn judge(&self, stamp: Stamp) -> AnswerKind {
        let Some(slot) = self.slots.get(stamp.worker.index()) else {
            return AnswerKind::Foreign;
        };
        if !slot.present || slot.incarnation != Some(stamp.incarnation) {
            return AnswerKind::Outdated;
        }
        match slot.taken {
            Some(taken) if stamp.seq < taken => AnswerKind::Outdated,
            // Who was lost waits for a reply to what was taken, and no reply comes but a welcome.
            Some(taken) if stamp.seq == taken && (slot.live || slot.refused) => AnswerKind::Repeat,
            _ if slot.live => AnswerKind::Fresh,
            _ => AnswerKind::Newcomer,
        }
    }

    /// Admits a [`Newcomer`](AnswerKind::Newcomer): it lives, and has not been heard.
    pub fn admit(&mut self, stamp: Stamp) {
        self.slots[stamp.worker.index()] = Slot {
            incarnation: Some(stamp.incarnation),
            present: true,
            live: true,
            taken: Some(stamp.seq),
            refused: false,
            counter: 1,
            heard: false,
            strikes: 0,
        };
    }

    /// Takes a [`Fresh`](AnswerKind::Fresh) answer: its worker is heard.
    pub fn take(&mut self, stamp: Stamp) {
        let slot = &mut self.slots[stamp.worker.index()];
        slot.taken = Some(stamp.seq);
        slot.refused = false;
        slot.counter = 0;
        slot.heard = true;
        slot.strikes = 0;
    }

    /// Refuses an answer that is of no use: copies of it are repeats. Returns whether its worker is
    /// to be given up, which is after three in a row.
    pub fn refuse(&mut self, stamp: Stamp) -> bool {
        let slot = &mut self.slots[stamp.worker.index()];
        slot.taken = Some(stamp.seq);
        slot.refused = true;
        slot.strikes += 1;
        slot.strikes >= STRIKES
    }

    /// What to do at `now`; with a `barrier` all that live have to be heard.
    pub fn decide(&mut self, now: Duration, barrier: bool) -> Decision {
        let Participation {
            active,
            staleness,
            min_live,
            join_timeout,
            quorum_timeout,
            ..
        } = self.settings;
        let live = self.live();
        if !self.begun {
            if live < self.slots.len() && now < join_timeout {
                return Decision::Wait(Some(join_timeout));
            }
            self.begun = true;
        }
        if live < min_live {
            let since = *self.short_since.get_or_insert(now);
            let until = since.saturating_add(quorum_timeout);
            return if now < until {
                Decision::Wait(Some(until))
            } else {
                Decision::QuorumLost
            };
        }
        self.short_since = None;
        let heard = self.slots.iter().filter(|slot| slot.heard).count();
        let wanted = if barrier { live } else { active.min(live) };
        let in_time = staleness.is_none_or(|tau| self.oldest() < tau);
        if heard >= wanted && in_time {
            Decision::Release
        } else {
            Decision::Wait(None)
        }
    }

    /// Ends the iteration: those heard, in the order of their numbers. All counters rise.
    pub fn release(&mut self) -> Vec<usize> {
        self.stalest = self.stalest.max(self.oldest());
        let mut heard = Vec::new();
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if slot.heard {
                heard.push(i);
            }
            slot.heard = false;
            slot.counter += 1;
        }
        heard
    }

    /// Whether all that live have been heard.
    pub fn all_heard(&self) -> bool {
        self.slots.iter().all(|slot| slot.heard || !slot.live)
    }

    /// Whether a worker lives.
    pub fn is_live(&self, worker: usize) -> bool {
        self.slots[worker].live
    }

    /// How many live.
    pub fn live(&self) -> usize {
        self.slots.iter().filter(|slot| slot.live).count()
    }

    /// The largest counter that any iteration was released with: below τ.
    pub fn stalest(&self) -> usize {
        self.stalest
    }

    fn oldest(&self) -> usize {
        let live = self.slots.iter().filter(|slot| slot.live);
        live.map(|slot| slot.counter).max().unwrap_or(0)
    }
}
