//! A run once more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::{Event, Incarnation, LeaveReason, MasterCommunicator, Payload, Stamp, WorkerId};
use crate::{Arrival, Error};

/// Holds events back until the log of an earlier run says that it was their turn.
///
/// With the same settings, problems and start the iterates are those of that run, bit by bit,
/// whatever the threads or the network do this time: they depend on nothing but the order in which
/// answers were taken. It must have been one run, not one that was taken up, and must have begun
/// with all its workers. A worker that was lost then is lost now, and its next answer is one of its
/// next life.
#[derive(Debug)]
pub struct Replay<C> {
    inner: C,
    log: VecDeque<Arrival>,
    waiting: HashMap<WorkerId, VecDeque<(Stamp, Payload)>>,
    /// Answers that were handed on and have not been replied to.
    open: HashMap<WorkerId, (Stamp, Payload)>,
    lives: HashMap<WorkerId, Incarnation>,
    again: Option<Event>,
}

impl<C: MasterCommunicator> Replay<C> {
    /// Over `inner`, in the order of `log`; after its end events pass as they come.
    pub fn new(inner: C, log: &[Arrival]) -> Self {
        Self {
            inner,
            log: log.iter().copied().collect(),
            waiting: HashMap::new(),
            open: HashMap::new(),
            lives: HashMap::new(),
            again: None,
        }
    }

    fn hand_on(&mut self, stamp: Stamp, answer: Payload) -> Event {
        self.open.insert(stamp.worker, (stamp, answer.clone()));
        Event::Answer(stamp, answer)
    }
}

impl<C: MasterCommunicator> MasterCommunicator for Replay<C> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        if let Some(again) = self.again.take() {
            return Ok(Some(again));
        }
        loop {
            match self.log.front().copied() {
                Some(Arrival::Lost(worker)) => {
                    // Whoever was lost then is on now, and joins again.
                    if let Some(&incarnation) = self.lives.get(&worker) {
                        self.log.pop_front();
                        self.again = Some(Event::Joined(worker, incarnation));
                        return Ok(Some(Event::Left(worker, incarnation, LeaveReason::Closed)));
                    }
                }
                Some(Arrival::Received(worker)) => {
                    let next = self.waiting.get_mut(&worker).and_then(VecDeque::pop_front);
                    // One whose answer was lost with its life does not say it again.
                    if let Some((stamp, answer)) = next.or_else(|| self.open.remove(&worker)) {
                        self.log.pop_front();
                        return Ok(Some(self.hand_on(stamp, answer)));
                    }
                }
                None => {
                    let next = self.waiting.values_mut().find_map(VecDeque::pop_front);
                    if let Some((stamp, answer)) = next {
                        return Ok(Some(self.hand_on(stamp, answer)));
                    }
                }
            }
            match self.inner.next_event(deadline)? {
                None => return Ok(None),
                Some(Event::Answer(stamp, answer)) => {
                    let waiting = self.waiting.entry(stamp.worker).or_default();
                    waiting.push_back((stamp, answer));
                }
                Some(Event::Joined(worker, incarnation)) => {
                    self.lives.insert(worker, incarnation);
                    return Ok(Some(Event::Joined(worker, incarnation)));
                }
                // The log knows who was lost when.
                Some(Event::Left(..)) => {}
            }
        }
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        self.open.remove(&to.worker);
        self.inner.reply(to, directive);
    }

    fn close(&mut self, shutdown: Payload) {
        self.inner.close(shutdown);
    }
}
