//! Bilevel algorithms: one file each.

mod double_loop;
mod evaluation;
mod spent;
mod state;
mod stop;

pub use double_loop::DoubleLoop;
pub use spent::Spent;
pub use state::{State, Step, Task};
pub use stop::{Stop, Stopped};
