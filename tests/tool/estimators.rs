//! `audit` and `compare estimators` as a person meets them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::common::{bilevel, read, refuses, scene};
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with one image, and room for results.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        scene(48, 1)
            .save_png(folder.path().join("image.png"))
            .expect("saved");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on one tiny crop of the image.
    fn tiny(&self, command: &str, task: &str) -> Command {
        let mut tiny = bilevel();
        tiny.args([command, task, "--crop", "10", "--images", "1"])
            .arg("--image")
            .arg(self.path("image.png"));
        tiny
    }

    fn audit(&self, estimator: &str) -> Command {
        let mut audit = self.tiny("audit", "denoise");
        audit.args(["--estimator", estimator, "--directions", "2"]);
        audit
    }

    fn compare(&self, output: &str) -> Command {
        let mut compare = self.tiny("compare", "estimators");
        compare.arg("--output").arg(self.path(output));
        compare
    }
}

/// Standard output of a command that ends with `code`.
#[track_caller]
fn stdout(output: Output, code: i32) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).expect("utf-8")
}

#[test]
fn exact_estimators_are_sound() {
    let bench = Bench::new();
    for estimator in [
        "implicit",
        "minres",
        "gmres",
        "normal",
        "jacobi",
        "neumann",
        "richardson",
        "nystrom",
        "unrolled",
        "heavy-ball",
        "nesterov",
        "adam",
        "truncated",
        "checkpointed",
        "forward",
        "stochastic-neumann",
        "penalty",
    ] {
        let text = stdout(bench.audit(estimator).output().expect("it runs"), 0);
        assert_eq!(text.lines().next(), Some("sound"), "{text}");
        assert!(!text.contains("\n- "), "no finding: {text}");
    }
}

#[test]
fn rough_estimators_are_not_sound_and_the_error_is_named() {
    let bench = Bench::new();
    for estimator in ["one-step", "jacobian-free", "darts", "zeroth-order"] {
        let text = stdout(bench.audit(estimator).output().expect("it runs"), 1);
        assert_eq!(text.lines().next(), Some("not sound"), "{text}");
        assert!(text.contains("\n- the estimate is off by "), "{text}");
    }
}

#[test]
fn audit_prints_one_json_object_with_the_verdict() {
    let bench = Bench::new();
    let json = |estimator: &str, code| -> Value {
        let output = bench.audit(estimator).arg("--json").output();
        let text = stdout(output.expect("it runs"), code);
        serde_json::from_str(&text).expect("one JSON object")
    };
    let exact = json("implicit", 0);
    assert_eq!(exact["verdict"], "sound");
    assert_eq!(exact["directions"].as_array().expect("a list").len(), 2);
    assert!(exact["error"].as_f64().expect("a number") < 1e-4);
    assert!(exact["certificate"]["products"].as_u64().expect("a number") > 1);

    let rough = json("jacobian-free", 1);
    assert_eq!(rough["verdict"], "not sound");
    assert_eq!(rough["findings"].as_array().expect("a list").len(), 1);
}

/// In `f32` differences of a solved problem have three digits.
#[test]
fn audits_compute_in_f64() {
    let bench = Bench::new();
    let audit = bench.audit("implicit").arg("--json").output();
    let text = stdout(audit.expect("it runs"), 0);
    let audit: Value = serde_json::from_str(&text).expect("one JSON object");
    assert!(audit["error"].as_f64().expect("a number") < 1e-6, "{text}");
}

#[test]
fn what_cannot_be_audited_is_refused_in_one_line() {
    let bench = Bench::new();
    refuses(
        &mut bench.audit("magic"),
        &["--estimator", "magic", "implicit", "penalty"],
    );
    for (option, value) in [("--steps", "0"), ("--crop", "4"), ("--images", "0")] {
        let mut audit = bilevel();
        audit
            .args(["audit", "denoise", "--estimator", "implicit", option, value])
            .arg("--image")
            .arg(bench.path("image.png"));
        refuses(&mut audit, &[option, "must be"]);
    }
    let mut audit = bilevel();
    audit.args(["audit", "denoise", "-e", "implicit", "--image", "nowhere"]);
    refuses(&mut audit, &["nowhere"]);
}

#[test]
fn compare_leaves_all_its_files_and_they_hold_every_estimator() {
    let bench = Bench::new();
    let output = bench.compare("out").arg("--json").output();
    let json: Value =
        serde_json::from_str(&stdout(output.expect("it runs"), 0)).expect("one JSON object");
    let rows = json["rows"].as_array().expect("a list");

    let mut names: Vec<String> = fs::read_dir(bench.path("out"))
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("utf-8")
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".lock",
            "compare.csv",
            "compare.jsonl",
            "compare.png",
            "compare.svg"
        ]
    );
    image::open(bench.path("out/compare.png")).expect("a picture");

    let csv = String::from_utf8(read(bench.path("out/compare.csv"))).expect("utf-8");
    let jsonl = String::from_utf8(read(bench.path("out/compare.jsonl"))).expect("utf-8");
    assert_eq!(csv.lines().count(), rows.len() + 1);
    assert_eq!(jsonl.lines().count(), rows.len());
    for (line, row) in csv.lines().skip(1).zip(rows) {
        let text = |key: &str| row[key].as_str().expect("a text");
        let start = format!("{},{},", text("estimator"), text("setting"));
        assert!(line.starts_with(&start), "{line} is not of {start}");
    }

    let errors = |estimator: &str| -> Vec<f64> {
        let of = |row: &&Value| row["estimator"] == estimator;
        let error = |row: &Value| row["error"].as_f64().expect("a finite error");
        rows.iter().filter(of).map(error).collect()
    };
    let implicit = errors("implicit");
    assert_eq!(implicit.len(), 6);
    assert!(
        implicit[..4].windows(2).all(|e| e[1] < e[0]),
        "{implicit:?}"
    );
    assert!(implicit[5] < 1e-9, "{implicit:?}");
    // The same numbers another way.
    let (nesterov, forward) = (errors("nesterov"), errors("forward"));
    for (reverse, forward) in nesterov.iter().zip(&forward) {
        assert!(
            (reverse / forward - 1.0).abs() < 1e-6,
            "{nesterov:?} {forward:?}"
        );
    }

    let before = read(bench.path("out/compare.csv"));
    refuses(
        &mut bench.compare("out"),
        &["out", "--overwrite", "--output"],
    );
    assert_eq!(
        read(bench.path("out/compare.csv")),
        before,
        "the old one is untouched"
    );
    let again = bench.compare("out").arg("--overwrite").output();
    assert!(stdout(again.expect("it runs"), 0).contains("stochastic-neumann"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "in the way").expect("written");
    refuses(&mut bench.compare("file/out"), &["file/out", "--output"]);
}
