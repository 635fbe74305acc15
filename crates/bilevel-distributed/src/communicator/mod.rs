//! What carries messages between the master and its workers.
//!
//! A worker's answer is a question: it waits for the directive that replies to it. So every worker
//! has one message under way at most, and the master decides when to reply: to S of N workers when
//! an iteration is done. Nothing here knows what is in a message; [`message`](crate::message) does.
//!
//! | communicator | use it for |
//! |---|---|
//! | [`InProcess`] | workers as threads of one process |
//! | [`Simulated`] | virtual time: measurements of waiting, and faults by script |
//! | `ZenohMaster`, `ZenohWorker` (feature `zenoh`) | workers as processes, on this machine or others |
//! | [`Replay`] | around another one: a run once more, in the order of its log |
//!
//! **What is promised.** Delivery is at most once or, after a worker's retry, more than once; the
//! master takes an answer once by its [`Stamp`]. A life's first event is that it
//! [`Joined`](Event::Joined). One that has [`Left`](Event::Left) is only believed to be gone, but
//! nothing that it says counts until it has joined again. **What is not:** that a reply arrives,
//! and that workers tell the truth.
//!
//! Times are durations since the communicator was made, in its own clock. The loop above asks it
//! for the time and tells it how long to wait, and so runs in virtual time as it does in real time.

mod in_process;
mod replay;
mod simulated;
#[cfg(feature = "zenoh")]
mod zenoh;

#[cfg(feature = "zenoh")]
pub use self::zenoh::{Tls, ZenohMaster, ZenohSettings, ZenohWorker};
pub use in_process::{Hub, InProcess, InProcessWorker};
pub use replay::Replay;
pub use simulated::{Fault, FaultKind, Latency, Respond, Simulated, SimulationSettings};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A worker, the same over all its lives: it owns a part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId(
    /// From 0.
    pub u32,
);

impl WorkerId {
    /// Its place in lists of workers.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// One life of a worker; later lives have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Incarnation(
    /// Any number.
    pub u64,
);

/// Which answer it is: a repeat of it has the same stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Whose.
    pub worker: WorkerId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Which of that life: the first one has 0.
    pub seq: u64,
}

/// The bytes of a message. Clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<Vec<u8>>);

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// What happens to the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A life begins, or is back after it was believed lost.
    Joined(WorkerId, Incarnation),
    /// A life is believed to be over.
    Left(WorkerId, Incarnation, LeaveReason),
    /// An answer, to be replied to by its stamp.
    Answer(Stamp, Payload),
}

/// Why a worker is believed to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// It ended or was killed.
    Closed,
    /// It has not been seen alive for too long.
    Unresponsive,
}

/// The master's end.
pub trait MasterCommunicator {
    /// The time in this communicator's clock.
    fn now(&self) -> Duration;

    /// The next event, or `None` at the deadline.
    ///
    /// # Errors
    /// If nothing can happen any more.
    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error>;

    /// Replies to an answer. Never blocks; a reply that its worker no longer waits for is lost.
    fn reply(&mut self, to: Stamp, directive: Payload);

    /// From now on `shutdown` replies to every answer, also to those that wait.
    fn close(&mut self, shutdown: Payload);
}

/// A worker's end, for one life.
pub trait WorkerCommunicator {
    /// Gives an answer and waits for the directive that replies to it. Where the network may lose
    /// messages it is sent again, under the same `seq`, until `patience` ends.
    ///
    /// # Errors
    /// If there is no reply in time, or the master is gone.
    fn exchange(&mut self, seq: u64, answer: Payload, patience: Duration)
    -> Result<Payload, Error>;
}
