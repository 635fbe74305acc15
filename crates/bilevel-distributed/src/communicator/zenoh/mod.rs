//! Processes, on one machine or many, over Zenoh.
//!
//! The master listens, workers connect to it and to nobody else.
//!
//! | key | is |
//! |---|---|
//! | `run/door/worker` | queried when a worker connects: may it come in? |
//! | `run/alive/worker/incarnation` | a liveliness token: this life is on |
//! | `run/answer/worker` | queried with an answer; the master holds the query until it replies |

mod access;
mod master;
mod outbox;
mod sessions;
mod settings;
mod wire;
mod worker;

pub use master::ZenohMaster;
pub use settings::{Tls, ZenohSettings};
pub use worker::ZenohWorker;

use zenoh::bytes::ZBytes;

use crate::communicator::Payload;
use crate::error::{Error, ErrorKind};

/// The encoding of an error that is ours: its text says why a question is not to be asked again.
const REFUSAL: &str = "bilevel/refusal";

/// These bytes, not copied.
fn shared(payload: Payload) -> ZBytes {
    struct Owner(Payload);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    bytes::Bytes::from_owner(Owner(payload)).into()
}

/// In one line, and without the place in the library's source that it adds.
fn network(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    let said = match text.rsplit_once(" at ") {
        Some((said, place)) if place.contains(".rs:") => said,
        _ => &text,
    };
    let words: Vec<&str> = said.split_whitespace().collect();
    ErrorKind::Network {
        reason: words.join(" "),
    }
    .into()
}
