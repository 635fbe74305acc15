//! A worker's end.

use std::time::{Duration, Instant};

use zenoh::liveliness::LivelinessToken;
use zenoh::query::ConsolidationMode;
use zenoh::{Session, Wait};

use super::access::common_name;
use super::wire::{Admission, attach};
use super::{REFUSAL, ZenohSettings, network, shared};
use crate::communicator::{Incarnation, Payload, WorkerCommunicator, WorkerId};
use crate::error::{Error, ErrorKind};
use crate::message::too_long;

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
    /// If a setting is wrong, or the master cannot be reached in time or does not let this worker
    /// in.
    pub fn connect(settings: &ZenohSettings, worker: WorkerId) -> Result<Self, Error> {
        let start = Instant::now();
        let session = zenoh::open(settings.worker()?).wait().map_err(network)?;
        let run = &settings.run;
        // A name that the master's access control does not know gets no reply, just as one that asks too early.
        let patience = settings.connect_timeout.saturating_sub(start.elapsed());
        let door = format!("{run}/door/{}", worker.0);
        let nothing = Payload::from(Vec::new());
        let Some(reply) = ask(&session, &door, &nothing, &[], patience)? else {
            let name = common_name(worker.index());
            return Err(network(format!(
                "the master at {} lets no {worker} of run {run} in: is it of that run? A certificate needs the common name {name}",
                settings.address
            )));
        };
        let most_bytes = settings.most_bytes;
        let admission = Admission::from_bytes(&reply)
            .filter(|admission| admission.most_bytes == most_bytes as u64);
        let Some(Admission { incarnation, .. }) = admission else {
            return Err(network(format!(
                "a message may have {most_bytes} bytes here, but not at the master: set the same on both sides"
            )));
        };
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
            most_bytes,
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
        if answer.len() > self.most_bytes {
            let reason = too_long(answer.len(), self.most_bytes);
            return Err(ErrorKind::Message { reason }.into());
        }
        let attachment = attach(self.incarnation, seq);
        let reply = ask(&self.session, &self.key, &answer, &attachment, patience)?;
        reply.ok_or_else(|| {
            let seconds = patience.as_secs_f64();
            ErrorKind::Timeout { seconds }.into()
        })
    }
}

/// Asks until there is a reply; `None` if there is none in time. Without a reply a question ends at
/// once where the master is not there, or when the time is over.
fn ask(
    session: &Session,
    key: &str,
    payload: &Payload,
    attachment: &[u8],
    patience: Duration,
) -> Result<Option<Payload>, Error> {
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        let replies = session
            .get(key)
            .payload(shared(payload.clone()))
            .attachment(attachment)
            .consolidation(ConsolidationMode::None)
            .timeout(left)
            .wait();
        if let Ok(replies) = replies {
            while let Ok(reply) = replies.recv() {
                match reply.into_result() {
                    Ok(sample) => {
                        return Ok(Some(sample.payload().to_bytes().into_owned().into()));
                    }
                    Err(error) if *error.encoding() == REFUSAL.into() => {
                        let reason = String::from_utf8_lossy(&error.payload().to_bytes()).into();
                        return Err(ErrorKind::Refused { reason }.into());
                    }
                    // Zenoh's own: the time is over.
                    Err(_) => {}
                }
            }
        }
        std::thread::sleep(pause.min(patience.saturating_sub(start.elapsed())));
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}
