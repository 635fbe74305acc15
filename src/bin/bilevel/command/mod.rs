//! What the tool does: one file a command.

mod audit;
mod bench_stochastic;
mod clean;
mod compare_algorithms;
mod compare_estimators;
mod comparison_files;
mod completions;
#[cfg(feature = "wgpu")]
mod devices;
mod distributed_local;
#[cfg(feature = "zenoh")]
mod distributed_master;
mod distributed_replay;
mod distributed_report;
#[cfg(feature = "zenoh")]
mod distributed_worker;
mod evaluate;
mod few_shot_adapt;
mod few_shot_evaluate;
mod few_shot_train;
mod man;
mod methods;
mod reconstruct;
mod train;
#[cfg(not(feature = "wgpu"))]
mod without_graphics;
#[cfg(not(feature = "zenoh"))]
mod without_network;

pub(crate) use audit::audit;
pub(crate) use bench_stochastic::bench_stochastic;
pub(crate) use clean::clean;
pub(crate) use compare_algorithms::compare_algorithms;
pub(crate) use compare_estimators::compare_estimators;
pub(crate) use completions::completions;
#[cfg(feature = "wgpu")]
pub(crate) use devices::devices;
pub(crate) use distributed_local::distributed_local;
#[cfg(feature = "zenoh")]
pub(crate) use distributed_master::distributed_master;
pub(crate) use distributed_replay::distributed_replay;
#[cfg(feature = "zenoh")]
pub(crate) use distributed_worker::distributed_worker;
pub(crate) use evaluate::evaluate;
pub(crate) use few_shot_adapt::few_shot_adapt;
pub(crate) use few_shot_evaluate::few_shot_evaluate;
pub(crate) use few_shot_train::few_shot_train;
pub(crate) use man::man;
pub(crate) use methods::methods;
pub(crate) use reconstruct::reconstruct;
pub(crate) use train::train;
#[cfg(not(feature = "wgpu"))]
pub(crate) use without_graphics::{without_graphics, without_graphics as devices};
#[cfg(not(feature = "zenoh"))]
pub(crate) use without_network::without_network;

use std::path::Path;

/// What a model is called in events.
fn model_name(path: Option<&Path>) -> String {
    path.map_or("on board".to_owned(), |path| path.display().to_string())
}
