//! Problems on many workers: what they are made of, and how they are run in one process.

mod centralised;
mod preset;
mod run;
mod task;
mod worker_table;

pub(crate) use centralised::{Centralised, centralised};
pub(crate) use preset::preset;
pub(crate) use run::{Course, Look, Plan, Progress, Saved, run};
pub(crate) use task::{Shared, Task, task};
pub(crate) use worker_table::WorkerTable;
