//! `compare algorithms` as a person meets it.

use crate::common::{bilevel, read, refuses};
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Photographs: the step sizes are made for such.
const PHOTOGRAPHS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/images/val");

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// As little as there is to compare.
fn tiny(folder: &TempDir) -> Command {
    let mut tiny = bilevel();
    tiny.args(["compare", "algorithms", "--images", "4", "--budget", "600"])
        .args(["--train", PHOTOGRAPHS, "--test", PHOTOGRAPHS, "--output"])
        .arg(folder.path().join("out"));
    tiny
}

#[test]
fn every_algorithm_learns_and_stays_in_its_budget() {
    let folder = folder();
    let output = tiny(&folder).arg("--json").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rows = json["rows"].as_array().expect("a list");
    let algorithms = json["algorithms"].as_array().expect("a list");
    assert_eq!(algorithms.len(), 5);
    for algorithm in algorithms {
        let rows: Vec<&Value> = rows
            .iter()
            .filter(|r| &r["algorithm"] == algorithm)
            .collect();
        let number = |row: &Value, key: &str| row[key].as_f64().expect("a number");
        assert!(rows.len() > 2, "{algorithm}: {rows:?}");
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        assert!(number(first, "cost") < 1.0 && number(last, "cost") <= 600.0);
        // On so few crops only MAID is sure not to end above its start.
        let below = |row: &Value| number(row, "training_loss") < number(first, "training_loss");
        let learned = rows.iter().any(|row| below(row));
        assert!(learned && (algorithm != "MAID" || below(last)), "{last}");
        assert!(last["failure"].is_null(), "{last}");
    }
    // All start alike.
    let starts: Vec<&Value> = rows.iter().filter(|r| r["step"] == 0).collect();
    for start in &starts {
        assert_eq!(start["training_psnr"], starts[0]["training_psnr"]);
    }

    let text = |name: &str| {
        let bytes = read(folder.path().join("out").join(name));
        String::from_utf8(bytes).expect("utf-8")
    };
    assert_eq!(text("algorithms.csv").lines().count(), rows.len() + 1);
    assert_eq!(text("algorithms.jsonl").lines().count(), rows.len());
    assert!(text("algorithms.svg").contains("HOAG, quadratic"));
    image::open(folder.path().join("out/algorithms.png")).expect("a picture");

    refuses(&mut tiny(&folder), &["out", "--overwrite", "--output"]);
}

#[test]
fn what_cannot_be_compared_is_refused_in_one_line() {
    let folder = folder();
    for (option, value) in [("--budget", "0"), ("--crop", "4"), ("--images", "0")] {
        let mut compare = bilevel();
        compare
            .args(["compare", "algorithms", option, value, "--output"])
            .arg(folder.path().join("out"));
        refuses(&mut compare, &[option, "must be"]);
    }
}
