//! A worker's end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zenoh::liveliness::LivelinessToken;
use zenoh::query::ConsolidationMode;
use zenoh::{Session, Wait};

use super::hall::attach;
use super::{ZenohSettings, network};
use crate::communicator::{Incarnation, Payload, WorkerCommunicator, WorkerId};
use crate::error::{Error, ErrorKind};

/// A worker's end of a run over Zenoh, for one life. The master is told when it is dropped.
pub struct ZenohWorker {
    // Before the session, so that it is taken back before the link is closed.
    _token: LivelinessToken,
    session: Session,
    key: String,
    incarnation: Incarnation,
    most_bytes: usize,
}

/// Between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl ZenohWorker {
    /// Connects to the master; waits for it if it does not listen yet.
    ///
    /// # Errors
    /// If a setting is wrong, or the master cannot be reached in time.
    pub fn connect(settings: &ZenohSettings, worker: WorkerId) -> Result<Self, Error> {
        let session = zenoh::open(settings.worker()?).wait().map_err(network)?;
        // Later lives have larger numbers, on whichever machine they are lived.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let incarnation = Incarnation(since.as_nanos() as u64);
        let run = &settings.run;
        let token = session
            .liveliness()
            .declare_token(format!("{run}/alive/{}/{}", worker.0, incarnation.0))
            .wait()
            .map_err(network)?;
        Ok(Self {
            _token: token,
            session,
            key: format!("{run}/answer/{}", worker.0),
            incarnation,
            most_bytes: settings.most_bytes,
        })
    }
}

impl std::fmt::Debug for ZenohWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZenohWorker({}, {:?})", self.key, self.incarnation)
    }
}

impl WorkerCommunicator for ZenohWorker {
    fn exchange(
        &mut self,
        seq: u64,
        answer: Payload,
        patience: Duration,
    ) -> Result<Payload, Error> {
        let start = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        let body = zenoh::bytes::ZBytes::from(answer.to_vec());
        loop {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                let seconds = patience.as_secs_f64();
                return Err(ErrorKind::Timeout { seconds }.into());
            }
            // Without a reply the query ends: at once where the master is not there, or at its own time limit.
            let replies = self
                .session
                .get(&self.key)
                .payload(body.clone())
                .attachment(attach(self.incarnation, seq))
                .consolidation(ConsolidationMode::None)
                .timeout(left)
                .wait();
            if let Ok(replies) = replies {
                while let Ok(reply) = replies.recv() {
                    if let Ok(sample) = reply.into_result()
                        && sample.payload().len() <= self.most_bytes
                    {
                        return Ok(sample.payload().to_bytes().into_owned().into());
                    }
                }
            }
            std::thread::sleep(pause.min(patience.saturating_sub(start.elapsed())));
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}
