//! Processes, on one machine or many, over Zenoh.
//!
//! A worker's answer is a query that the master holds until it replies; that a worker lives is said by a liveliness token
//! `run/alive/worker/incarnation`. The master listens, workers connect to it and to nobody else.

mod hall;
mod master;
mod settings;
mod worker;

pub use master::ZenohMaster;
pub use settings::{Tls, ZenohSettings};
pub use worker::ZenohWorker;

use crate::error::{Error, ErrorKind};

fn network(error: impl std::fmt::Display) -> Error {
    // One line, whatever the library says.
    let words: Vec<String> = error
        .to_string()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    ErrorKind::Network {
        reason: words.join(" "),
    }
    .into()
}
