//! What the program reads and writes: files, standard output, signals, memory.

pub(crate) mod checksum;
pub(crate) mod file;
pub(crate) mod interrupt;
pub(crate) mod logging;
pub(crate) mod memory;
pub(crate) mod number;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod resume;
pub(crate) mod run_folder;
pub(crate) mod state_file;
pub(crate) mod version;
