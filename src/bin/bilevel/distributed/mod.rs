//! Problems on many workers: what they are made of, and how they are run.

mod centralised;
mod history;
#[cfg(feature = "zenoh")]
mod launch;
#[cfg(feature = "zenoh")]
mod master;
mod master_method;
#[cfg(feature = "zenoh")]
mod network;
mod preset;
mod quadratic;
mod run;
mod saved;
mod task;
mod worker_table;

pub(crate) use centralised::{Centralised, centralised};
pub(crate) use history::{Evaluation, History};
#[cfg(feature = "zenoh")]
pub(crate) use launch::Launch;
#[cfg(feature = "zenoh")]
pub(crate) use master::{Keep, run_master};
pub(crate) use master_method::master_method;
#[cfg(feature = "zenoh")]
pub(crate) use network::network;
pub(crate) use preset::preset;
use quadratic::Quadratic;
pub(crate) use run::{Plan, run};
pub(crate) use saved::{Saved, Settings};
pub(crate) use task::{Shared, Task, task};
pub(crate) use worker_table::WorkerTable;
