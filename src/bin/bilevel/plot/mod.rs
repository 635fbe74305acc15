//! Pictures of results: comparison sheets, learned filters and curves.
//!
//! | function | shows | file |
//! | --- | --- | --- |
//! | [`comparison_sheet`] | images side by side, a caption under each | PNG |
//! | [`episode_sheet`] | what was learned from, and queries with what was answered | PNG |
//! | [`filter_picture`] | learned filters, the most influential first | PNG |
//! | [`training_curves`] | loss and validation over the upper steps | SVG and PNG |
//! | [`tradeoff_curves`] | error against work, time or memory | SVG and PNG |
//! | [`progress_curves`] | PSNR against cost | SVG and PNG |
//! | [`accuracy_curves`] | accuracy of methods over time | SVG and PNG |
//! | [`cleaning_curves`] | accuracies and F1 over time | SVG and PNG |
//!
//! Each takes plain values, knows nothing of Burn or of the commands, and writes each file whole or
//! not at all.

mod accuracy_over_time;
mod axis;
mod canvas;
mod cleaning;
mod curves;
mod episode;
mod figure;
mod filters;
mod font;
mod mark;
mod medium;
mod panel;
mod progress;
mod sheet;
mod text;
mod tradeoff;
mod trend;

pub(crate) use accuracy_over_time::{AccuracySeries, accuracy_curves};
pub(crate) use cleaning::{CleaningPoint, cleaning_curves};
pub(crate) use curves::{CurvePoint, Measure, training_curves};
pub(crate) use episode::{EpisodePicture, QueryPicture, episode_sheet};
pub(crate) use filters::{Filter, filter_picture};
pub(crate) use progress::{ProgressPoint, ProgressSeries, progress_curves};
pub(crate) use sheet::{SheetCell, SheetRow, comparison_sheet};
pub(crate) use tradeoff::{
    TradeoffAxes, TradeoffFamily, TradeoffPoint, TradeoffSeries, tradeoff_curves,
};
