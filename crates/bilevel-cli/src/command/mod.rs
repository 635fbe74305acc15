//! What the tool does: one file a command.

mod audit;
mod bench_stochastic;
mod clean;
mod compare_algorithms;
mod compare_estimators;
mod comparison_files;
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
pub(crate) use reconstruct::reconstruct;
pub(crate) use train::train;
#[cfg(not(feature = "wgpu"))]
pub(crate) use without_graphics::{without_graphics, without_graphics as devices};
#[cfg(not(feature = "zenoh"))]
pub(crate) use without_network::without_network;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, with the time left; nothing where that is no terminal.
fn bar(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} [{elapsed_precise}] {wide_bar} {pos}/{len}, {eta} left {msg}",
    );
    ProgressBar::new(length as u64)
        .with_style(style.expect("a valid template"))
        .with_prefix(what)
}

/// A sign of life for work whose length is not known.
fn spinner(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{elapsed_precise}] {spinner}");
    let spinner = ProgressBar::new_spinner()
        .with_style(style.expect("a valid template"))
        .with_prefix(what);
    spinner.enable_steady_tick(Duration::from_millis(250));
    spinner
}
