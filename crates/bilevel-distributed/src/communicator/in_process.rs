//! Workers as threads.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{
    Event, Incarnation, LeaveReason, MasterCommunicator, Payload, Stamp, WorkerCommunicator,
    WorkerId,
};
use crate::error::{Error, ErrorKind};

/// Messages over channels between threads of one process. Payloads are passed on, not copied.
///
/// ```
/// use std::time::Duration;
/// use bilevel_distributed::communicator::{
///     Event, InProcess, MasterCommunicator, WorkerCommunicator, WorkerId,
/// };
///
/// let (mut master, hub) = InProcess::new();
/// let mut worker = hub.connect(WorkerId(0));
/// let thread = std::thread::spawn(move || {
///     worker.exchange(0, vec![1].into(), Duration::from_secs(10)).expect("a reply")[0]
/// });
/// let wait = Duration::from_secs(10);
/// assert!(matches!(master.next_event(wait)?, Some(Event::Joined(WorkerId(0), _))));
/// let Some(Event::Answer(stamp, answer)) = master.next_event(wait)? else { panic!("an answer") };
/// master.reply(stamp, vec![answer[0] + 1].into());
/// assert_eq!(thread.join().expect("no panic"), 2);
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
#[derive(Debug)]
pub struct InProcess {
    events: Receiver<Event>,
    shared: Arc<Mutex<Shared>>,
    start: Instant,
}

/// Where workers connect; one for each thread that makes workers.
#[derive(Debug, Clone)]
pub struct Hub {
    events: Sender<Event>,
    shared: Arc<Mutex<Shared>>,
}

/// A worker's end. The master is told when it is dropped.
#[derive(Debug)]
pub struct InProcessWorker {
    worker: WorkerId,
    incarnation: Incarnation,
    events: Sender<Event>,
    directives: Receiver<Directive>,
}

#[derive(Debug, Default)]
struct Shared {
    lives: u64,
    outboxes: HashMap<(WorkerId, Incarnation), Sender<Directive>>,
    shutdown: Option<Payload>,
}

/// What replies to an answer; without a number, to any.
type Directive = (Option<u64>, Payload);

impl InProcess {
    /// The master's end, and where workers connect.
    pub fn new() -> (InProcess, Hub) {
        let (sender, events) = channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let master = InProcess {
            events,
            shared: shared.clone(),
            start: Instant::now(),
        };
        let hub = Hub {
            events: sender,
            shared,
        };
        (master, hub)
    }
}

/// A thread that panics under this lock leaves nothing half done.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// A new life of `worker`.
    pub fn connect(&self, worker: WorkerId) -> InProcessWorker {
        let (outbox, directives) = channel();
        let mut shared = lock(&self.shared);
        let incarnation = Incarnation(shared.lives);
        shared.lives += 1;
        if let Some(shutdown) = &shared.shutdown {
            let _ = outbox.send((None, shutdown.clone()));
        }
        shared.outboxes.insert((worker, incarnation), outbox);
        // Under the lock, so that lives of one worker join in the order of their numbers.
        let _ = self.events.send(Event::Joined(worker, incarnation));
        InProcessWorker {
            worker,
            incarnation,
            events: self.events.clone(),
            directives,
        }
    }
}

impl MasterCommunicator for InProcess {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        let wait = deadline.saturating_sub(self.now());
        let event = match self.events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ErrorKind::Closed { side: "workers" }.into());
            }
        };
        if let Event::Left(worker, incarnation, _) = event {
            lock(&self.shared).outboxes.remove(&(worker, incarnation));
        }
        Ok(Some(event))
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        if let Some(outbox) = lock(&self.shared)
            .outboxes
            .get(&(to.worker, to.incarnation))
        {
            // A worker that has gone takes no reply.
            let _ = outbox.send((Some(to.seq), directive));
        }
    }

    fn close(&mut self, shutdown: Payload) {
        let mut shared = lock(&self.shared);
        for outbox in shared.outboxes.values() {
            let _ = outbox.send((None, shutdown.clone()));
        }
        shared.shutdown = Some(shutdown);
    }
}

impl WorkerCommunicator for InProcessWorker {
    fn exchange(
        &mut self,
        seq: u64,
        answer: Payload,
        patience: Duration,
    ) -> Result<Payload, Error> {
        let stamp = Stamp {
            worker: self.worker,
            incarnation: self.incarnation,
            seq,
        };
        // Where the master is gone, its farewell may still be here.
        let _ = self.events.send(Event::Answer(stamp, answer));
        let start = Instant::now();
        loop {
            let left = patience.saturating_sub(start.elapsed());
            match self.directives.recv_timeout(left) {
                Ok((Some(to), _)) if to != seq => {}
                Ok((_, directive)) => return Ok(directive),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = patience.as_secs_f64();
                    return Err(ErrorKind::Timeout { seconds }.into());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ErrorKind::Closed { side: "master" }.into());
                }
            }
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        // Workers that wait learn that nobody will reply.
        lock(&self.shared).outboxes.clear();
    }
}

impl Drop for InProcessWorker {
    fn drop(&mut self) {
        let left = Event::Left(self.worker, self.incarnation, LeaveReason::Closed);
        let _ = self.events.send(left);
    }
}
