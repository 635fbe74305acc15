//! Where workers wait for replies.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zenoh::query::Query;

use super::outbox::{Outbox, Word};
use super::wire::{Admission, detach};
use crate::communicator::{Event, Incarnation, LeaveReason, Payload, Stamp, WorkerId};
use crate::message::too_long;

/// Larger than with the last master, for workers that outlive it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos() as u64
}

/// A thread that panics under one of these locks leaves nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All workers of a run, their newest lives, and what these wait for.
///
/// A life is there as long as its token is. What it asks before its token has come is kept until then; what comes after its
/// token has gone counts only when the token is back: a dead worker's last words do not revive it.
pub(super) struct Hall {
    events: Sender<Event>,
    most_bytes: usize,
    /// A word that takes longer has lost its worker.
    longest: Duration,
    lives: Vec<Option<Life>>,
    /// Sends to those who do not belong here.
    porter: Outbox,
    farewell: Option<Payload>,
    /// The last number that was given to a life.
    newest: u64,
}

struct Life {
    incarnation: Incarnation,
    /// Its token is there.
    alive: bool,
    /// The master was told that it joined, and not since that it left.
    present: bool,
    waits: Option<Waiting>,
    longest: Duration,
    outbox: Outbox,
}

/// A question.
struct Waiting {
    seq: u64,
    query: Query,
    /// What it says, until the master is told.
    answer: Option<Payload>,
}

impl Hall {
    pub fn new(
        events: Sender<Event>,
        workers: usize,
        most_bytes: usize,
        longest: Duration,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            events,
            most_bytes,
            longest,
            lives: (0..workers).map(|_| None).collect(),
            porter: Outbox::new(|_| ()),
            farewell: None,
            newest: 0,
        }))
    }

    /// A worker asks whether it may come in. It is told how many bytes a message may have here, and the number of its life.
    pub fn knock(&mut self, query: Query) {
        let worker = last_part(query.key_expr().as_str());
        let slot = worker.and_then(|worker| self.lives.get(worker.index()));
        let word = match slot {
            Some(life) => {
                let known = life.as_ref().map_or(0, |life| life.incarnation.0);
                self.newest = now().max(self.newest + 1).max(known + 1);
                let admission = Admission {
                    most_bytes: self.most_bytes as u64,
                    incarnation: Incarnation(self.newest),
                };
                Word::Reply(admission.to_bytes().into())
            }
            None => Word::Refusal(format!(
                "this run has {} workers, numbered from 0",
                self.lives.len()
            )),
        };
        self.porter.put(query, word);
    }

    /// A token `run/alive/worker/incarnation` appeared or vanished.
    pub fn token(this: &Arc<Mutex<Self>>, key: &str, alive: bool) {
        let Some((key, incarnation)) = key.rsplit_once('/') else {
            return;
        };
        let (Some(worker), Ok(incarnation)) = (last_part(key), incarnation.parse()) else {
            return;
        };
        let incarnation = Incarnation(incarnation);
        let mut hall = lock(this);
        if !alive {
            hall.left(worker, incarnation, LeaveReason::Closed, true);
        } else if let Some(life) = hall.life(this, worker, incarnation) {
            life.alive = true;
            hall.join(worker);
        }
    }

    /// An answer came. Whether its token has to be looked for.
    pub fn query(this: &Arc<Mutex<Self>>, mut query: Query) -> Option<Stamp> {
        let worker = last_part(query.key_expr().as_str());
        let said = query.attachment().map(|bytes| detach(&bytes.to_bytes()));
        // Its bytes would be kept for as long as the query is.
        let body = query.payload_mut().map(std::mem::take).unwrap_or_default();
        let mut hall = lock(this);
        let (Some(worker), Some((incarnation, seq))) = (worker, said.flatten()) else {
            let reason = "a question that does not say who asks".to_owned();
            hall.porter.put(query, Word::Refusal(reason));
            return None;
        };
        if body.len() > hall.most_bytes {
            let reason = too_long(body.len(), hall.most_bytes);
            hall.porter.put(query, Word::Refusal(reason));
            return None;
        }
        let farewell = hall.farewell.clone();
        let Some(life) = hall.life(this, worker, incarnation) else {
            let reason = format!("{worker} was started again, or is none of this run");
            hall.porter.put(query, Word::Refusal(reason));
            return None;
        };
        life.stop_waiting(Word::Nothing);
        if let Some(farewell) = farewell {
            life.outbox.put(query, Word::Reply(farewell));
            return None;
        }
        life.waits = Some(Waiting {
            seq,
            query,
            answer: Some(body.to_bytes().into_owned().into()),
        });
        let alive = life.alive;
        hall.join(worker);
        (!alive).then_some(Stamp {
            worker,
            incarnation,
            seq,
        })
    }

    /// This life, if it is not over: a worker's newer lives end older ones.
    fn life(
        &mut self,
        this: &Arc<Mutex<Self>>,
        worker: WorkerId,
        incarnation: Incarnation,
    ) -> Option<&mut Life> {
        let slot = self.lives.get_mut(worker.index())?;
        if slot
            .as_ref()
            .is_none_or(|life| life.incarnation < incarnation)
        {
            let back = Arc::downgrade(this);
            let outbox = Outbox::new(move |took| {
                if let Some(hall) = back.upgrade() {
                    lock(&hall).took(worker, incarnation, took);
                }
            });
            let older = slot.replace(Life {
                incarnation,
                alive: false,
                present: false,
                waits: None,
                longest: self.longest,
                outbox,
            });
            if let Some(mut older) = older {
                let reason = format!("{worker} was started again");
                older.stop_waiting(Word::Refusal(reason));
                if older.present {
                    let left = Event::Left(worker, older.incarnation, LeaveReason::Closed);
                    let _ = self.events.send(left);
                }
            }
        }
        slot.as_mut().filter(|life| life.incarnation == incarnation)
    }

    /// Tells the master of a life, and of what it says.
    fn join(&mut self, worker: WorkerId) {
        let Some(life) = self.lives[worker.index()]
            .as_mut()
            .filter(|life| life.alive)
        else {
            return;
        };
        let incarnation = life.incarnation;
        if !life.present {
            life.present = true;
            let _ = self.events.send(Event::Joined(worker, incarnation));
        }
        let Some(waiting) = &mut life.waits else {
            return;
        };
        if let Some(answer) = waiting.answer.take() {
            let stamp = Stamp {
                worker,
                incarnation,
                seq: waiting.seq,
            };
            let _ = self.events.send(Event::Answer(stamp, answer));
        }
    }

    /// `gone` says whether its token is.
    fn left(
        &mut self,
        worker: WorkerId,
        incarnation: Incarnation,
        reason: LeaveReason,
        gone: bool,
    ) {
        let life = self.lives.get_mut(worker.index()).and_then(Option::as_mut);
        let Some(life) = life.filter(|life| life.incarnation == incarnation) else {
            return;
        };
        life.alive &= !gone;
        life.stop_waiting(Word::Nothing);
        if std::mem::take(&mut life.present) {
            let _ = self.events.send(Event::Left(worker, incarnation, reason));
        }
    }

    /// A word was said. Where it took too long the link was closed, and its token may be late to tell.
    fn took(&mut self, worker: WorkerId, incarnation: Incarnation, took: Duration) {
        let life = self.lives.get_mut(worker.index()).and_then(Option::as_mut);
        if let Some(life) = life.filter(|life| life.incarnation == incarnation)
            && took >= life.longest
        {
            // If it was only slow, it will be believed to be slow.
            life.longest = 2 * took;
            self.left(worker, incarnation, LeaveReason::Unresponsive, false);
        }
    }

    pub fn reply(&mut self, to: Stamp, directive: Payload) {
        let word = if directive.len() > self.most_bytes {
            Word::Refusal(too_long(directive.len(), self.most_bytes))
        } else {
            Word::Reply(directive)
        };
        let life = self
            .lives
            .get_mut(to.worker.index())
            .and_then(Option::as_mut);
        if let Some(life) = life.filter(|life| life.incarnation == to.incarnation)
            && life
                .waits
                .as_ref()
                .is_some_and(|waiting| waiting.seq == to.seq)
        {
            life.stop_waiting(word);
        }
    }

    pub fn close(&mut self, farewell: Payload) {
        for life in self.lives.iter_mut().flatten() {
            life.stop_waiting(Word::Reply(farewell.clone()));
        }
        self.farewell = Some(farewell);
    }

    /// Whether someone is there who is to be told farewell.
    pub fn is_waited_for(&self) -> bool {
        self.farewell.is_some() && self.lives.iter().flatten().any(|life| life.present)
    }

    /// Ends all threads; they are to be waited for without the lock.
    pub fn end(&mut self) -> Vec<JoinHandle<()>> {
        let lives = self.lives.iter_mut().filter_map(Option::take);
        lives
            .map(|mut life| {
                life.stop_waiting(Word::Nothing);
                life.outbox.end()
            })
            .collect()
    }
}

impl Life {
    fn stop_waiting(&mut self, word: Word) {
        if let Some(Waiting { query, .. }) = self.waits.take() {
            self.outbox.put(query, word);
        }
    }
}

fn last_part(key: &str) -> Option<WorkerId> {
    let part = key.rsplit('/').next()?;
    part.parse().ok().map(WorkerId)
}
