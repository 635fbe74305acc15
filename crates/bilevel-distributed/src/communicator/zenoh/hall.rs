//! Workers that wait for a reply, each with a thread that sends to it.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zenoh::Wait;
use zenoh::query::Query;

use crate::communicator::{Event, Incarnation, LeaveReason, Payload, Stamp, WorkerId};

/// What queries carry beside the answer.
pub(super) fn attach(incarnation: Incarnation, seq: u64) -> Vec<u8> {
    [incarnation.0.to_le_bytes(), seq.to_le_bytes()].concat()
}

fn detach(bytes: &[u8]) -> Option<(Incarnation, u64)> {
    let (incarnation, seq) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    Some((Incarnation(number(incarnation)?), number(seq)?))
}

/// A thread that panics under one of these locks leaves nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that wait.
pub(super) struct Hall {
    events: Sender<Event>,
    most_bytes: usize,
    /// A thread that needs longer than this to send has lost its worker.
    longest: Duration,
    lives: HashMap<WorkerId, Life>,
    farewell: Option<Payload>,
}

struct Life {
    incarnation: Incarnation,
    present: bool,
    waits: Option<(u64, Query)>,
    outbox: Arc<Outbox>,
    sender: Option<JoinHandle<()>>,
}

/// What a thread has to send: of replies the newest only.
#[derive(Default)]
struct Outbox {
    tray: Mutex<Tray>,
    bell: Condvar,
}

/// Queries are dropped by the thread that sends too: the end of a query is a message, and may block.
#[derive(Default)]
struct Tray {
    reply: Option<(Query, Payload)>,
    ended: Vec<Query>,
    over: bool,
}

impl Outbox {
    fn put(&self, query: Query, reply: Option<Payload>) {
        let mut tray = lock(&self.tray);
        match reply {
            Some(reply) => {
                if let Some((older, _)) = tray.reply.replace((query, reply)) {
                    tray.ended.push(older);
                }
            }
            None => tray.ended.push(query),
        }
        self.bell.notify_one();
    }

    fn end(&self) {
        lock(&self.tray).over = true;
        self.bell.notify_one();
    }

    /// Sends until it is over; `late` is told of the time that a reply took.
    fn serve(&self, late: impl Fn(Duration)) {
        loop {
            let mut tray = lock(&self.tray);
            while tray.reply.is_none() && tray.ended.is_empty() && !tray.over {
                tray = self.bell.wait(tray).unwrap_or_else(PoisonError::into_inner);
            }
            let (reply, ended) = (tray.reply.take(), std::mem::take(&mut tray.ended));
            let over = tray.over && reply.is_none() && ended.is_empty();
            drop(tray);
            if over {
                return;
            }
            let start = Instant::now();
            drop(ended);
            if let Some((query, reply)) = reply {
                // Whether it arrives is not known here: a worker that gets none asks again.
                let _ = query.reply(query.key_expr(), reply.to_vec()).wait();
                drop(query);
            }
            late(start.elapsed());
        }
    }
}

impl Hall {
    pub(super) fn new(
        events: Sender<Event>,
        most_bytes: usize,
        longest: Duration,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            events,
            most_bytes,
            longest,
            lives: HashMap::new(),
            farewell: None,
        }))
    }

    /// A token `run/alive/worker/incarnation` appeared or vanished.
    pub(super) fn token(this: &Arc<Mutex<Self>>, key: &str, alive: bool) {
        let mut parts = key.rsplit('/');
        let incarnation = parts.next().and_then(|part| part.parse().ok());
        let worker = parts.next().and_then(|part| part.parse().ok());
        if let (Some(worker), Some(incarnation)) = (worker, incarnation) {
            let (worker, incarnation) = (WorkerId(worker), Incarnation(incarnation));
            if alive {
                Self::joined(this, &mut lock(this), worker, incarnation);
            } else {
                lock(this).left(worker, incarnation, LeaveReason::Closed);
            }
        }
    }

    /// An answer came.
    pub(super) fn query(this: &Arc<Mutex<Self>>, mut query: Query) {
        let worker = query.key_expr().as_str().rsplit('/').next();
        let worker = worker.and_then(|part| part.parse().ok()).map(WorkerId);
        let stamp = query
            .attachment()
            .and_then(|bytes| detach(&bytes.to_bytes()));
        let (Some(worker), Some((incarnation, seq))) = (worker, stamp) else {
            return;
        };
        // Its bytes would be kept for as long as the query is.
        let Some(body) = query.payload_mut().map(std::mem::take) else {
            return;
        };
        let mut hall = lock(this);
        if body.len() > hall.most_bytes {
            return;
        }
        // A query may overtake the token of its life.
        if !Self::joined(this, &mut hall, worker, incarnation) {
            return;
        }
        let answer = Payload::from(body.to_bytes().into_owned());
        let farewell = hall.farewell.clone();
        let Some(life) = hall.lives.get_mut(&worker) else {
            return;
        };
        if let Some((_, older)) = life.waits.take() {
            life.outbox.put(older, None);
        }
        if let Some(farewell) = farewell {
            life.outbox.put(query, Some(farewell));
            return;
        }
        life.waits = Some((seq, query));
        let stamp = Stamp {
            worker,
            incarnation,
            seq,
        };
        let _ = hall.events.send(Event::Answer(stamp, answer));
    }

    /// Whether this life is the one that is on now.
    fn joined(
        this: &Arc<Mutex<Self>>,
        hall: &mut Self,
        worker: WorkerId,
        incarnation: Incarnation,
    ) -> bool {
        match hall.lives.get(&worker) {
            Some(life) if incarnation < life.incarnation => return false,
            Some(life) if incarnation == life.incarnation && life.present => return true,
            _ => {}
        }
        if let Some(mut older) = hall.lives.remove(&worker) {
            older.leave();
        }
        let outbox = Arc::new(Outbox::default());
        let (thread, longest, back) = (outbox.clone(), hall.longest, Arc::downgrade(this));
        let sender = std::thread::spawn(move || {
            thread.serve(|took| {
                if took >= longest
                    && let Some(hall) = back.upgrade()
                {
                    lock(&hall).left(worker, incarnation, LeaveReason::Unresponsive);
                }
            });
        });
        let life = Life {
            incarnation,
            present: true,
            waits: None,
            outbox,
            sender: Some(sender),
        };
        hall.lives.insert(worker, life);
        let _ = hall.events.send(Event::Joined(worker, incarnation));
        true
    }

    fn left(&mut self, worker: WorkerId, incarnation: Incarnation, reason: LeaveReason) {
        if let Some(life) = self.lives.get_mut(&worker)
            && life.incarnation == incarnation
            && life.present
        {
            life.leave();
            let _ = self.events.send(Event::Left(worker, incarnation, reason));
        }
    }

    pub(super) fn reply(&mut self, to: Stamp, directive: Payload) {
        if let Some(life) = self.lives.get_mut(&to.worker)
            && life.incarnation == to.incarnation
            && let Some((_, query)) = life.waits.take_if(|(seq, _)| *seq == to.seq)
        {
            life.outbox.put(query, Some(directive));
        }
    }

    pub(super) fn close(&mut self, farewell: Payload) {
        for life in self.lives.values_mut() {
            if let Some((_, query)) = life.waits.take() {
                life.outbox.put(query, Some(farewell.clone()));
            }
        }
        self.farewell = Some(farewell);
    }

    /// Ends all threads; they are to be waited for without the lock.
    pub(super) fn end(&mut self) -> Vec<JoinHandle<()>> {
        let lives = self.lives.drain();
        lives
            .filter_map(|(_, mut life)| {
                life.leave();
                life.sender.take()
            })
            .collect()
    }
}

impl Life {
    fn leave(&mut self) {
        self.present = false;
        if let Some((_, query)) = self.waits.take() {
            self.outbox.put(query, None);
        }
        self.outbox.end();
    }
}
