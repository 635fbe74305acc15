//! Bilevel algorithms: one file each.

mod double_loop;

pub use double_loop::{DoubleLoop, State, Step, Task};
