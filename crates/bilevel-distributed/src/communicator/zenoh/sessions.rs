//! Where workers wait for replies.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zenoh::query::Query;

use super::outbox::{Outbox, Response};
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
/// A life is there as long as its token is. What it asks before its token has come is kept until
/// then; what comes after its token has gone counts only when the token is back: a dead worker's
/// last words do not revive it.
pub(super) struct Sessions {
    events: Sender<Event>,
    most_bytes: usize,
    /// A word that takes longer has lost its worker.
    send_timeout: Duration,
    of_worker: Vec<Option<Session>>,
    /// Sends to those who do not belong here.
    rejections: Outbox,
    shutdown: Option<Payload>,
    /// The last number that was given to a life.
    newest: u64,
}

struct Session {
    incarnation: Incarnation,
    /// Its token is there.
    alive: bool,
    /// The master was told that it joined, and not since that it left.
    present: bool,
    waits: Option<Waiting>,
    send_timeout: Duration,
    outbox: Outbox,
}

/// A question.
struct Waiting {
    seq: u64,
    query: Query,
    /// What it says, until the master is told.
    answer: Option<Payload>,
}

impl Sessions {
    pub fn new(
        events: Sender<Event>,
        workers: usize,
        most_bytes: usize,
        send_timeout: Duration,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            events,
            most_bytes,
            send_timeout,
            of_worker: (0..workers).map(|_| None).collect(),
            rejections: Outbox::new(|_| ()),
            shutdown: None,
            newest: 0,
        }))
    }

    /// A worker asks whether it may come in. It is told how many bytes a message may have here, and
    /// the number of its life.
    pub fn admit(&mut self, query: Query) {
        let worker = last_part(query.key_expr().as_str());
        let slot = worker.and_then(|worker| self.of_worker.get(worker.index()));
        let response = match slot {
            Some(session) => {
                let known = session.as_ref().map_or(0, |session| session.incarnation.0);
                self.newest = now().max(self.newest + 1).max(known + 1);
                let admission = Admission {
                    most_bytes: self.most_bytes as u64,
                    incarnation: Incarnation(self.newest),
                };
                Response::Reply(admission.to_bytes().into())
            }
            None => Response::Refusal(format!(
                "this run has {} workers, numbered from 0",
                self.of_worker.len()
            )),
        };
        self.rejections.put(query, response);
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
        let mut sessions = lock(this);
        if !alive {
            sessions.left(worker, incarnation, LeaveReason::Closed, true);
        } else if let Some(session) = sessions.session(this, worker, incarnation) {
            session.alive = true;
            sessions.join(worker);
        }
    }

    /// An answer came. Whether its token has to be looked for.
    pub fn query(this: &Arc<Mutex<Self>>, mut query: Query) -> Option<Stamp> {
        let worker = last_part(query.key_expr().as_str());
        let said = query.attachment().map(|bytes| detach(&bytes.to_bytes()));
        // Its bytes would be kept for as long as the query is.
        let body = query.payload_mut().map(std::mem::take).unwrap_or_default();
        let mut sessions = lock(this);
        let (Some(worker), Some((incarnation, seq))) = (worker, said.flatten()) else {
            let reason = "a question that does not say who asks".to_owned();
            sessions.rejections.put(query, Response::Refusal(reason));
            return None;
        };
        if body.len() > sessions.most_bytes {
            let reason = too_long(body.len(), sessions.most_bytes);
            sessions.rejections.put(query, Response::Refusal(reason));
            return None;
        }
        let shutdown = sessions.shutdown.clone();
        let Some(session) = sessions.session(this, worker, incarnation) else {
            let reason = format!("{worker} was started again, or is none of this run");
            sessions.rejections.put(query, Response::Refusal(reason));
            return None;
        };
        session.stop_waiting(Response::Nothing);
        if let Some(shutdown) = shutdown {
            session.outbox.put(query, Response::Reply(shutdown));
            return None;
        }
        session.waits = Some(Waiting {
            seq,
            query,
            answer: Some(body.to_bytes().into_owned().into()),
        });
        let alive = session.alive;
        sessions.join(worker);
        (!alive).then_some(Stamp {
            worker,
            incarnation,
            seq,
        })
    }

    /// This life, if it is not over: a worker's newer lives end older ones.
    fn session(
        &mut self,
        this: &Arc<Mutex<Self>>,
        worker: WorkerId,
        incarnation: Incarnation,
    ) -> Option<&mut Session> {
        let slot = self.of_worker.get_mut(worker.index())?;
        if slot
            .as_ref()
            .is_none_or(|session| session.incarnation < incarnation)
        {
            let back = Arc::downgrade(this);
            let outbox = Outbox::new(move |took| {
                if let Some(sessions) = back.upgrade() {
                    lock(&sessions).took(worker, incarnation, took);
                }
            });
            let older = slot.replace(Session {
                incarnation,
                alive: false,
                present: false,
                waits: None,
                send_timeout: self.send_timeout,
                outbox,
            });
            if let Some(mut older) = older {
                let reason = format!("{worker} was started again");
                older.stop_waiting(Response::Refusal(reason));
                if older.present {
                    let left = Event::Left(worker, older.incarnation, LeaveReason::Closed);
                    let _ = self.events.send(left);
                }
            }
        }
        slot.as_mut()
            .filter(|session| session.incarnation == incarnation)
    }

    /// Tells the master of a life, and of what it says.
    fn join(&mut self, worker: WorkerId) {
        let Some(session) = self.of_worker[worker.index()]
            .as_mut()
            .filter(|session| session.alive)
        else {
            return;
        };
        let incarnation = session.incarnation;
        if !session.present {
            session.present = true;
            let _ = self.events.send(Event::Joined(worker, incarnation));
        }
        let Some(waiting) = &mut session.waits else {
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
        let session = self
            .of_worker
            .get_mut(worker.index())
            .and_then(Option::as_mut);
        let Some(session) = session.filter(|session| session.incarnation == incarnation) else {
            return;
        };
        session.alive &= !gone;
        session.stop_waiting(Response::Nothing);
        if std::mem::take(&mut session.present) {
            let _ = self.events.send(Event::Left(worker, incarnation, reason));
        }
    }

    /// A word was said. Where it took too long the link was closed, and its token may be late to
    /// tell.
    fn took(&mut self, worker: WorkerId, incarnation: Incarnation, took: Duration) {
        let session = self
            .of_worker
            .get_mut(worker.index())
            .and_then(Option::as_mut);
        if let Some(session) = session.filter(|session| session.incarnation == incarnation)
            && took >= session.send_timeout
        {
            // If it was only slow, it will be believed to be slow.
            session.send_timeout = 2 * took;
            self.left(worker, incarnation, LeaveReason::Unresponsive, false);
        }
    }

    pub fn reply(&mut self, to: Stamp, directive: Payload) {
        let response = if directive.len() > self.most_bytes {
            Response::Refusal(too_long(directive.len(), self.most_bytes))
        } else {
            Response::Reply(directive)
        };
        let session = self
            .of_worker
            .get_mut(to.worker.index())
            .and_then(Option::as_mut);
        if let Some(session) = session.filter(|session| session.incarnation == to.incarnation)
            && session
                .waits
                .as_ref()
                .is_some_and(|waiting| waiting.seq == to.seq)
        {
            session.stop_waiting(response);
        }
    }

    pub fn close(&mut self, shutdown: Payload) {
        for session in self.of_worker.iter_mut().flatten() {
            session.stop_waiting(Response::Reply(shutdown.clone()));
        }
        self.shutdown = Some(shutdown);
    }

    /// Whether someone is there who is to be told farewell.
    pub fn is_waited_for(&self) -> bool {
        self.shutdown.is_some()
            && self
                .of_worker
                .iter()
                .flatten()
                .any(|session| session.present)
    }

    /// Ends all threads; they are to be waited for without the lock.
    pub fn end(&mut self) -> Vec<JoinHandle<()>> {
        let of_worker = self.of_worker.iter_mut().filter_map(Option::take);
        of_worker
            .map(|mut session| {
                session.stop_waiting(Response::Nothing);
                session.outbox.end()
            })
            .collect()
    }
}

impl Session {
    fn stop_waiting(&mut self, response: Response) {
        if let Some(Waiting { query, .. }) = self.waits.take() {
            self.outbox.put(query, response);
        }
    }
}

fn last_part(key: &str) -> Option<WorkerId> {
    let part = key.rsplit('/').next()?;
    part.parse().ok().map(WorkerId)
}
