//! Tables, IDX files and pictures: the first byte says which.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use bilevel_data::{load_channels, load_csv, load_idx};
use libfuzzer_sys::fuzz_target;

/// Where the inputs lie as files.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("bilevel-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, file)) = input.split_first() else {
        return;
    };
    let path = FOLDER.join("input");
    std::fs::write(&path, file).expect("written");
    match kind % 3 {
        0 => drop(load_csv(&path)),
        1 => {
            // Images, and their labels behind them.
            let labels = FOLDER.join("labels");
            std::fs::write(&labels, &file[file.len() / 2..]).expect("written");
            std::fs::write(&path, &file[..file.len() / 2]).expect("written");
            drop(load_idx(&path, &labels));
        }
        _ => drop(load_channels(&path)),
    }
});
