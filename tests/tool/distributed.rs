//! Runs of `bilevel distributed local`, as short as they can be.

use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

use crate::common::{bilevel, read, refuses};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tabular/digits.csv.gz");

/// Four workers on digits of eight by eight pixels.
fn local(output: &Path, arguments: &[&str]) -> Command {
    let mut command = bilevel();
    command
        .args(["distributed", "local", "--data", DIGITS, "--workers", "4"])
        .args(["--stragglers", "1", "--samples", "40", "--iterations", "60"])
        .args([
            "--refresh",
            "10",
            "--checkpoint",
            "2",
            "--eval-every",
            "0.5",
        ])
        .arg("--output")
        .arg(output)
        .args(arguments)
        .timeout(Duration::from_secs(120));
    command
}

fn report(command: &mut Command) -> Value {
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn both_methods_are_compared_with_one_process() {
    let folder = tempfile::tempdir().expect("a directory");
    let report = report(&mut local(folder.path(), &["--json"]));
    assert_eq!(report["workers"], 4);
    assert_eq!(report["active"], 2);
    assert_eq!(report["samples"].as_array().expect("a list").len(), 3);
    let methods = report["methods"].as_array().expect("a list");
    let names: Vec<_> = methods.iter().map(|m| m["method"].as_str()).collect();
    assert_eq!(names, [Some("ADBO"), Some("SDBO")]);
    for method in methods {
        assert_eq!(method["iterations"], 60);
        assert_eq!(method["ended"], "the iterations are done");
        let looks = method["evaluations"].as_array().expect("a list");
        assert!(looks.len() > 1);
        let seconds = |look: &Value| look["seconds"].as_f64().expect("a number");
        assert!(
            looks
                .windows(2)
                .all(|two| seconds(&two[0]) < seconds(&two[1]))
        );
    }
    let seconds = |k: usize| methods[k]["seconds"].as_f64().expect("a number");
    assert!(seconds(0) < seconds(1), "ADBO waits for fewer");
    assert_eq!(report["centralised"]["steps"], 60);
    assert!(report["adbo_above_centralised"].is_f64());
    assert!(report["race"]["sdbo"].is_f64());

    let rows = String::from_utf8(read(folder.path().join("history.jsonl"))).expect("utf-8");
    let looks: usize = methods
        .iter()
        .map(|m| m["evaluations"].as_array().expect("a list").len())
        .sum();
    assert_eq!(rows.lines().count(), looks);
    let written: Value =
        serde_json::from_slice(&read(folder.path().join("report.json"))).expect("JSON");
    assert_eq!(written, report);
    let svg = String::from_utf8(read(folder.path().join("curves.svg"))).expect("utf-8");
    assert!(svg.contains("ADBO") && svg.contains("SDBO"));
    assert!(read(folder.path().join("curves.png")).starts_with(b"\x89PNG"));
}

#[test]
fn the_same_seed_gives_the_same_state_and_another_one_another() {
    let folder = tempfile::tempdir().expect("a directory");
    let state = |name: &str, seed: &str| {
        let output = folder.path().join(name);
        report(&mut local(&output, &["--json", "--seed", seed]));
        read(output.join("state.safetensors"))
    };
    let first = state("first", "1");
    assert!(first == state("second", "1"));
    assert!(first != state("third", "2"));
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a directory");
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    report(&mut local(&whole, &["--json"]));

    let output = local(&parts, &["--stop-after", "30"])
        .output()
        .expect("it runs");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("--resume"), "{text}");
    let go_on = |arguments: &[&str]| {
        let mut command = bilevel();
        command.args(["distributed", "local", "--resume", "--output"]);
        command.arg(&parts).args(arguments);
        assert!(command.output().expect("it runs").status.success());
    };
    // Into the second method, and to the end.
    go_on(&["--stop-after", "30"]);
    go_on(&["--json"]);
    assert!(read(whole.join("state.safetensors")) == read(parts.join("state.safetensors")));
    assert_eq!(
        read(whole.join("history.jsonl")),
        read(parts.join("history.jsonl"))
    );
}

/// What checkpoints are made of does not change what is computed: nothing is under way where they
/// are made.
#[test]
fn a_synchronous_run_does_not_depend_on_where_checkpoints_are() {
    let folder = tempfile::tempdir().expect("a directory");
    let last = |name: &str, checkpoint: &str| {
        let output = folder.path().join(name);
        let mut command = bilevel();
        command
            .args(["distributed", "local", "--data", DIGITS, "--workers", "4"])
            .args(["--stragglers", "1", "--samples", "40", "--iterations", "40"])
            .args(["--refresh", "10", "--method", "sdbo", "--json"])
            .args(["--checkpoint", checkpoint, "--output"])
            .arg(output);
        let report = report(&mut command);
        let looks = report["methods"][0]["evaluations"]
            .as_array()
            .expect("a list")
            .clone();
        looks.last().expect("a look")["loss"].as_f64()
    };
    let often = last("often", "1");
    assert!(often.is_some());
    assert_eq!(
        often.map(f64::to_bits),
        last("seldom", "100").map(f64::to_bits)
    );
}

#[test]
fn penalties_are_learned_on_threads() {
    let folder = tempfile::tempdir().expect("a directory");
    let arguments = [
        "--task", "select", "--clock", "threads", "--method", "adbo", "--json",
    ];
    let report = report(&mut local(folder.path(), &arguments));
    assert_eq!(report["methods"].as_array().expect("a list").len(), 1);
    assert_eq!(report["methods"][0]["iterations"], 60);
    assert!(report["race"].is_null());
    assert!(report["adbo_above_centralised"].is_f64());
}

#[test]
fn bad_calls_are_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a directory");
    let output = folder.path().join("none");
    let refused = |arguments: &[&str], words: &[&str]| {
        let mut command = bilevel();
        command.args(["distributed", "local", "--output"]);
        command.timeout(Duration::from_secs(20));
        refuses(command.arg(&output).args(arguments), words);
        assert!(!output.exists(), "nothing is written");
    };
    let bad = |arguments: &[&str], words: &[&str]| {
        refused(&[&["--data", DIGITS], arguments].concat(), words);
    };
    bad(
        &["--workers", "4", "--active", "5"],
        &["--active", "5", "4"],
    );
    bad(&["--workers", "4", "--active", "0"], &["--active"]);
    bad(&["--workers", "0"], &["--workers"]);
    bad(&["--staleness", "0"], &["--staleness"]);
    bad(&["--refresh", "0"], &["--refresh"]);
    bad(&["--task", "sort"], &["--task", "sort", "clean"]);
    bad(&["--seconds", "NaN"], &["--seconds"]);
    bad(&["--seconds", "-1"], &["--seconds"]);
    bad(&["--stragglers", "19"], &["--stragglers"]);
    bad(&["--samples", "0"], &["--samples"]);
    bad(&["--samples", "100000"], &["--samples"]);
    bad(&["--workers", "2000"], &["--samples"]);
    bad(&["--corruption", "1.5"], &["--corruption"]);
    refused(&["--data", "/nowhere"], &["/nowhere"]);
    refused(&["--resume"], &["--resume"]);
}

#[test]
fn a_run_is_not_replaced_unasked() {
    let folder = tempfile::tempdir().expect("a directory");
    report(&mut local(folder.path(), &["--json", "--method", "sdbo"]));
    refuses(&mut local(folder.path(), &[]), &["--overwrite", "--resume"]);
}

/// Without the feature the commands are there, and say what is missing.
#[cfg(not(feature = "zenoh"))]
#[test]
fn a_program_without_a_network_says_so() {
    for place in ["master", "worker"] {
        refuses(
            bilevel().args(["distributed", place]),
            &["--features zenoh"],
        );
    }
}

/// A state that the program wrote before its options had the names of today.
#[test]
fn a_run_of_an_older_version_is_resumed() {
    let folder = tempfile::tempdir().expect("a directory");
    let old = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/tool/fixtures/distributed-2026-12-01.safetensors"
    );
    std::fs::copy(old, folder.path().join("state.safetensors")).expect("copied");
    let mut command = bilevel();
    command.args(["distributed", "local", "--resume", "--json", "--output"]);
    let report = report(command.arg(folder.path()));
    let methods = report["methods"].as_array().expect("a list");
    assert!(methods.iter().all(|m| m["ended"] == "the time is over"));
    assert!(folder.path().join("history.jsonl").exists());
}
