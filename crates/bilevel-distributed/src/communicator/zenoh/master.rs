//! The master's end.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zenoh::sample::SampleKind;
use zenoh::{Session, Wait};

use super::hall::{Hall, lock};
use super::{ZenohSettings, network};
use crate::communicator::{Event, MasterCommunicator, Payload, Stamp};
use crate::error::{Error, ErrorKind};

/// The master's end of a run over Zenoh: it listens, and holds what workers ask until it replies.
pub struct ZenohMaster {
    events: Receiver<Event>,
    hall: Arc<Mutex<Hall>>,
    session: Session,
    start: Instant,
}

impl ZenohMaster {
    /// Listens.
    ///
    /// # Errors
    /// If a setting is wrong, or the address is taken: by another master, for one.
    pub fn listen(settings: &ZenohSettings) -> Result<Self, Error> {
        let session = zenoh::open(settings.master()?).wait().map_err(network)?;
        let (sender, events) = channel();
        let hall = Hall::new(sender, settings.most_bytes, settings.wait_before_close);
        let run = &settings.run;
        let waiting = hall.clone();
        session
            .declare_queryable(format!("{run}/answer/*"))
            .callback(move |query| Hall::query(&waiting, query))
            .background()
            .wait()
            .map_err(network)?;
        let known = hall.clone();
        session
            .liveliness()
            .declare_subscriber(format!("{run}/alive/*/*"))
            .history(true)
            .callback(move |sample| {
                let alive = sample.kind() == SampleKind::Put;
                Hall::token(&known, sample.key_expr().as_str(), alive);
            })
            .background()
            .wait()
            .map_err(network)?;
        Ok(Self {
            events,
            hall,
            session,
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
        lock(&self.hall).reply(to, directive);
    }

    fn close(&mut self, farewell: Payload) {
        lock(&self.hall).close(farewell);
    }
}

impl Drop for ZenohMaster {
    fn drop(&mut self) {
        // Farewells are sent before the links are closed.
        let senders = lock(&self.hall).end();
        for sender in senders {
            let _ = sender.join();
        }
        let _ = self.session.close().wait();
    }
}
