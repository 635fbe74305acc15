//! A thread that sends to one worker, so that none waits because another one does not read.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zenoh::Wait;
use zenoh::query::Query;

use super::{REFUSAL, shared};
use crate::communicator::Payload;

/// What is said to a question.
pub(super) enum Response {
    Reply(Payload),
    /// It is not to be asked again; why.
    Refusal(String),
    /// Nothing: who is still there asks again.
    Nothing,
}

/// The way to one worker.
///
/// Questions end here too: that a question has ended is a message, and may block.
pub(super) struct Outbox {
    responses: Sender<(Query, Response)>,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// `took` is told how long each word took.
    pub fn new(took: impl Fn(Duration) + Send + 'static) -> Self {
        let (responses, waiting) = channel();
        let thread = std::thread::spawn(move || {
            for (query, response) in waiting {
                let start = Instant::now();
                say(query, response);
                took(start.elapsed());
            }
        });
        Self { responses, thread }
    }

    pub fn put(&self, query: Query, response: Response) {
        // The thread is there as long as this is.
        let _ = self.responses.send((query, response));
    }

    /// The thread, which ends when all is said.
    pub fn end(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Whether it arrives is not known here: a worker that gets no reply asks again.
fn say(query: Query, response: Response) {
    match response {
        Response::Reply(reply) => {
            let _ = query.reply(query.key_expr(), shared(reply)).wait();
        }
        Response::Refusal(reason) => {
            let _ = query.reply_err(reason).encoding(REFUSAL).wait();
        }
        Response::Nothing => {}
    }
}
