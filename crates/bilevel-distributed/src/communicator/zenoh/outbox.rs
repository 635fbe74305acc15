//! A thread that sends to one worker, so that none waits because another one does not read.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zenoh::Wait;
use zenoh::query::Query;

use super::{REFUSAL, shared};
use crate::communicator::Payload;

/// What is said to a question.
pub(super) enum Word {
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
    words: Sender<(Query, Word)>,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// `took` is told how long each word took.
    pub fn new(took: impl Fn(Duration) + Send + 'static) -> Self {
        let (words, waiting) = channel();
        let thread = std::thread::spawn(move || {
            for (query, word) in waiting {
                let start = Instant::now();
                say(query, word);
                took(start.elapsed());
            }
        });
        Self { words, thread }
    }

    pub fn put(&self, query: Query, word: Word) {
        // The thread is there as long as this is.
        let _ = self.words.send((query, word));
    }

    /// The thread, which ends when all is said.
    pub fn end(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Whether it arrives is not known here: a worker that gets no reply asks again.
fn say(query: Query, word: Word) {
    match word {
        Word::Reply(reply) => {
            let _ = query.reply(query.key_expr(), shared(reply)).wait();
        }
        Word::Refusal(reason) => {
            let _ = query.reply_err(reason).encoding(REFUSAL).wait();
        }
        Word::Nothing => {}
    }
}
