//! The master's end.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zenoh::sample::SampleKind;
use zenoh::{Session, Wait};

use super::sessions::{Sessions, lock};
use super::{ZenohSettings, network};
use crate::communicator::{Event, MasterCommunicator, Payload, Stamp};
use crate::error::{Error, ErrorKind};

/// The master's end of a run over Zenoh: it listens, and holds what workers ask until it replies.
///
/// Dropped after it was [closed](MasterCommunicator::close) it stays until all workers have left,
/// but not longer than [`linger`](ZenohSettings::linger). Dropped before, it is gone at once, and
/// workers wait for the next master.
pub struct ZenohMaster {
    events: Receiver<Event>,
    sessions: Arc<Mutex<Sessions>>,
    session: Session,
    linger: Duration,
    start: Instant,
}

impl ZenohMaster {
    /// Listens, for `workers` N; others are refused.
    ///
    /// # Errors
    /// If a setting is wrong, or the address is taken: by another master, for one.
    pub fn listen(settings: &ZenohSettings, workers: usize) -> Result<Self, Error> {
        let config = settings.master(workers)?;
        let session = zenoh::open(config).wait().map_err(network)?;
        let (sender, events) = channel();
        let sessions = Sessions::new(
            sender,
            workers,
            settings.most_bytes,
            settings.wait_before_close,
        );
        let run = &settings.run;
        let (hears, looks) = (sessions.clone(), session.clone());
        let alive = format!("{run}/alive");
        session
            .declare_queryable(format!("{run}/answer/*"))
            .callback(move |query| {
                // It may have overtaken its token, or the token's return its end.
                if let Some(stamp) = Sessions::query(&hears, query) {
                    let token = format!("{alive}/{}/{}", stamp.worker.0, stamp.incarnation.0);
                    let hears = hears.clone();
                    let _ = looks
                        .liveliness()
                        .get(token)
                        .callback(move |found| {
                            if let Ok(token) = found.result() {
                                Sessions::token(&hears, token.key_expr().as_str(), true);
                            }
                        })
                        .wait();
                }
            })
            .background()
            .wait()
            .map_err(network)?;
        let sees = sessions.clone();
        session
            .liveliness()
            .declare_subscriber(format!("{run}/alive/*/*"))
            .history(true)
            .callback(move |sample| {
                let alive = sample.kind() == SampleKind::Put;
                Sessions::token(&sees, sample.key_expr().as_str(), alive);
            })
            .background()
            .wait()
            .map_err(network)?;
        // Last: who is let in finds everything else in its place.
        let opens = sessions.clone();
        session
            .declare_queryable(format!("{run}/door/*"))
            .callback(move |query| lock(&opens).admit(query))
            .background()
            .wait()
            .map_err(network)?;
        Ok(Self {
            events,
            sessions,
            session,
            linger: settings.linger,
            start: Instant::now(),
        })
    }
}

impl std::fmt::Debug for ZenohMaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZenohMaster({})", self.session.zid())
    }
}

impl MasterCommunicator for ZenohMaster {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, Error> {
        match self
            .events
            .recv_timeout(deadline.saturating_sub(self.now()))
        {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(ErrorKind::Closed { side: "workers" }.into())
            }
        }
    }

    fn reply(&mut self, to: Stamp, directive: Payload) {
        lock(&self.sessions).reply(to, directive);
    }

    fn close(&mut self, shutdown: Payload) {
        lock(&self.sessions).close(shutdown);
    }
}

impl Drop for ZenohMaster {
    fn drop(&mut self) {
        // A word that was sent has not arrived yet: that a worker leaves is the only sign that it got its farewell.
        let until = self.now().saturating_add(self.linger);
        while lock(&self.sessions).is_waited_for() && self.now() < until {
            let _ = self.next_event(until);
        }
        let senders = lock(&self.sessions).end();
        for sender in senders {
            let _ = sender.join();
        }
        let _ = self.session.close().wait();
    }
}
