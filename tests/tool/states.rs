//! What a run is resumed from: damage and other data are refused, and what is resumed has the same
//! bits.

use std::fs;

use crate::command_line::Bench;
use crate::common::{bilevel, read, refuses, scene};

#[test]
fn no_bit_of_a_state_can_flip_unnoticed() {
    let bench = Bench::new();
    bench
        .smoke("run")
        .args(["--stop-after", "2"])
        .assert()
        .success();
    let path = bench.path("run/state.safetensors");
    let state = read(&path);
    // The header bit by bit at every seventh byte, the records here and there.
    let header = 8 + u64::from_le_bytes(state[..8].try_into().expect("eight")) as usize;
    let places = (0..header)
        .step_by(7)
        .chain((header..state.len()).step_by(state.len() / 16));
    for (i, place) in places.enumerate() {
        let mut damaged = state.clone();
        damaged[place] ^= 1 << (i % 8);
        fs::write(&path, &damaged).expect("written");
        refuses(&mut bench.resume("run"), &["state.safetensors"]);
    }
    fs::write(&path, &state).expect("written");
    bench
        .resume("run")
        .args(["--stop-after", "1"])
        .assert()
        .success();
}

#[test]
fn metrics_of_another_run_are_refused() {
    let bench = Bench::new();
    bench
        .smoke("run")
        .args(["--stop-after", "2"])
        .assert()
        .success();
    let path = bench.path("run/metrics.jsonl");
    let text = String::from_utf8(read(&path)).expect("utf-8");
    let first = text.split_inclusive('\n').next().expect("a line");
    let other = text.replacen("\"upper_loss\":0.", "\"upper_loss\":1.", 1);
    for foreign in [first, "", &other] {
        fs::write(&path, foreign).expect("written");
        refuses(&mut bench.resume("run"), &["metrics.jsonl", "--overwrite"]);
    }
    fs::write(&path, &text).expect("written");
    bench.resume("run").assert().success();
}

#[test]
fn a_run_goes_on_with_the_images_that_it_began_with() {
    let bench = Bench::new();
    bench.smoke("whole").assert().success();
    bench
        .smoke("parts")
        .args(["--stop-after", "3"])
        .assert()
        .success();
    // From another folder than it was started in, by the command that it printed.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut command = bench.resume("parts");
    command.current_dir(elsewhere.path()).assert().success();
    for name in ["metrics.jsonl", "model.safetensors"] {
        let of = |run: &str| read(bench.path(run).join(name));
        assert!(of("whole") == of("parts"), "{name}");
    }
    // Other images in the same place.
    bench
        .smoke("other")
        .args(["--stop-after", "3"])
        .assert()
        .success();
    scene(48, 9)
        .save_png(bench.path("train/0.png"))
        .expect("saved");
    refuses(
        &mut bench.resume("other"),
        &["train", "do not hold the images", "--overwrite"],
    );
}

#[test]
fn samples_that_changed_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.csv");
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", i % 7, 5 * (i % 2), i % 2))
        .collect();
    fs::write(&table, &rows).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = bilevel();
        command.arg("clean").args(arguments).arg("--output");
        command.arg(folder.path().join("run"));
        command
    };
    let data = table.to_str().expect("utf-8");
    run(&["--data", data, "--steps", "5", "--stop-after", "2"])
        .assert()
        .success();
    fs::write(&table, rows.replacen("6,0,0", "5,0,0", 1)).expect("written");
    refuses(&mut run(&["--resume"]), &["samples", "--overwrite"]);
    fs::write(&table, &rows).expect("written");
    run(&["--resume"]).assert().success();
}
