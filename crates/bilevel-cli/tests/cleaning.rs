//! `clean` and `bench stochastic` as a person meets them.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::{bilevel, read, refuses};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Three classes around three corners, 240 rows, as a table.
fn write_table(folder: &Path) -> PathBuf {
    let path = folder.join("samples.csv");
    let row = |i: usize| {
        let class = i % 3;
        let noise = |k: usize| ((i * 37 + k * 101) % 97) as f64 / 97.0 - 0.5;
        let entry = |j: usize| 10.0 * (f64::from(u8::from(j == class)) * 2.0 + noise(j));
        format!(
            "{:.3},{:.3},{:.3},class{class}\n",
            entry(0),
            entry(1),
            entry(2)
        )
    };
    let rows: String = (0..240).map(row).collect();
    std::fs::write(&path, format!("a,b,c,label\n{rows}")).expect("written");
    path
}

/// The command on the table, with `arguments` and what they do not say.
fn clean(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut clean = bilevel();
    clean.arg("clean").args(arguments);
    let table = write_table(folder.path());
    let output = folder.path().join("out");
    let usual = [
        ("--data", table.to_str()),
        ("--output", output.to_str()),
        ("--corruption", Some("0.4")),
        ("--batch", Some("20")),
        ("--steps", Some("400")),
        ("--snapshots", Some("2")),
    ];
    for (name, value) in usual {
        if !arguments.contains(&name) {
            clean.args([name, value.expect("utf-8")]);
        }
    }
    clean
}

/// The wrong labels of a table are found, and what is written says which.
#[test]
fn wrong_labels_are_found() {
    let folder = folder();
    let output = clean(&folder, &["--method", "saba", "--seed", "3", "--json"])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(json["f1"].as_f64().expect("known") > 0.9, "{json}");
    assert!(json["test_accuracy"].is_null() && json["failure"].is_null());
    assert_eq!(json["course"].as_array().expect("a list").len(), 2);
    // Six blocks of each loss, 12 numbers of y, 120 of x: 6 (2 · 12 + 120) + 6 (12 + 120) numbers of four bytes.
    assert_eq!(json["table_bytes"], 4 * (6 * 144 + 6 * 132));
    // Two heaps of weights were found, or the half is what separates them.
    let threshold = json["threshold"].as_f64().expect("a number");
    assert!(threshold > 0.05 && threshold < 0.95, "{threshold}");
    assert!(json["f1"].as_f64() >= json["f1_at_half"].as_f64().map(|f1| f1 - 0.02));

    let out = folder.path().join("out");
    let table = String::from_utf8(read(out.join("weights.csv"))).expect("utf-8");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("sample,label,weight,kept,right"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 120);
    let agree = rows.iter().filter(|row| row[3] == row[4]).count();
    assert!(agree > 105, "{agree} of 120");
    for row in &rows {
        let weight: f64 = row[2].parse().expect("a number");
        assert!((0.0..=1.0).contains(&weight), "{row:?}");
    }
    for name in ["curves.png", "curves.svg", "course.jsonl", "report.json"] {
        assert!(!read(out.join(name)).is_empty());
    }
    refuses(&mut clean(&folder, &[]), &["out", "--overwrite"]);
}

/// Every method runs, and the same seed gives the same weights.
#[test]
fn every_method_cleans_and_repeats() {
    let methods = [
        "bome", "v-pbgd", "g-pbgd", "bvfsm", "f2sa", "f3sa", "bsg1", "pzobo", "soba", "ma-soba",
        "saba", "srba", "fsla", "amigo", "stocbio", "bsa", "ttsa", "sustain", "mrbo", "vrbo",
    ];
    for method in methods {
        let folder = folder();
        let weights = || {
            let output = clean(
                &folder,
                &["--method", method, "--steps", "5", "--overwrite", "--json"],
            )
            .output()
            .expect("it runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{method}: {errors}");
            read(folder.path().join("out/weights.csv"))
        };
        assert_eq!(weights(), weights(), "{method}");
    }
}

/// Nothing but the data has to be said, however few they are.
#[test]
fn a_small_table_needs_no_settings() {
    let folder = folder();
    let output = bilevel()
        .args(["clean", "--json", "--data"])
        .arg(write_table(folder.path()))
        .arg("--output")
        .arg(folder.path().join("out"))
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    // Nobody said which labels are right.
    assert!(
        json["f1"].is_null() && json["kept"].as_u64().expect("a number") > 100,
        "{json}"
    );
}

/// A hidden layer is trained by recording.
#[test]
fn other_classifiers_clean_too() {
    let folder = folder();
    let output = clean(
        &folder,
        &[
            "--classifier",
            "mlp",
            "--method",
            "soba",
            "--steps",
            "30",
            "--json",
        ],
    )
    .output()
    .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A run that diverges stops with the last good weights.
#[test]
fn divergence_leaves_good_weights() {
    let folder = folder();
    let output = clean(
        &folder,
        &["--method", "soba", "--lower-step", "1e30", "--json"],
    )
    .output()
    .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.lines().count() == 1 && errors.contains("--lower-step"),
        "{errors}"
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(json["failure"].is_string());
    let table = String::from_utf8(read(folder.path().join("out/weights.csv"))).expect("utf-8");
    assert_eq!(table.lines().count(), 121);
    assert!(!table.contains("NaN") && !table.contains("inf"));
}

#[test]
fn bad_calls_are_refused_in_one_line() {
    let folder = folder();
    let with = |arguments: &[&str]| clean(&folder, arguments);
    refuses(
        &mut with(&["--corruption", "1.5"]),
        &["--corruption", "1.5"],
    );
    refuses(&mut with(&["--corruption", "NaN"]), &["--corruption"]);
    refuses(&mut with(&["--batch", "500"]), &["--batch", "500", "120"]);
    refuses(&mut with(&["--training", "240"]), &["--training", "239"]);
    refuses(&mut with(&["--method", "best"]), &["best", "saba"]);
    refuses(&mut with(&["--upper-step=-1"]), &["upper_step", "> 0"]);
    refuses(&mut with(&["--first-weight", "1"]), &["--first-weight"]);

    let trusted = folder.path().join("two.csv");
    std::fs::write(&trusted, "1,2,3,class0\n4,5,6,class1\n").expect("written");
    let trusted = trusted.to_str().expect("utf-8");
    refuses(
        &mut with(&["--trusted", trusted]),
        &["--trusted", "2 classes", "3"],
    );

    let cut = folder.path().join("cut.csv.gz");
    let whole = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../assets/tabular/digits.csv.gz"
    );
    let bytes = read(whole);
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    let cut = cut.to_str().expect("utf-8");
    refuses(&mut with(&["--data", cut]), &["cut.csv.gz"]);
    assert!(!folder.path().join("out").exists(), "nothing was written");
}

/// Methods that reduce the variance reach the optimum at constant steps.
#[test]
fn the_benchmark_shows_who_converges() {
    let folder = folder();
    let out = folder.path().join("bench");
    let output = bilevel()
        .args(["bench", "stochastic", "--calls", "30000", "--json"])
        .args(["--method", "saba", "--method", "srba", "--method", "soba"])
        .arg("--output")
        .arg(&out)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: Value = serde_json::from_slice(&output.stdout).expect("one JSON array");
    let last = |method: &str| {
        let mut rows = rows.as_array().expect("a list").iter();
        let row = rows.rfind(|row| row["method"] == method);
        row.and_then(|row| row["gradient"].as_f64())
            .expect("a number")
    };
    assert!(last("SABA") < 1e-4 && last("SRBA") < 1e-4, "{rows}");
    assert!(last("SOBA") < 0.2 && last("SOBA") > 1e-4, "{rows}");
    for name in [
        "stochastic.csv",
        "stochastic.jsonl",
        "stochastic.png",
        "stochastic.svg",
    ] {
        assert!(!read(out.join(name)).is_empty());
    }
}
