//! What the tool says while it works.

use assert_cmd::Command;

use crate::common::{bilevel, scene};

/// A short training off the terminal, with the words `more`.
fn said(more: &[&str], filter: Option<&str>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut train: Command = bilevel();
    train.args(["train", "denoise", "--preset", "smoke"]);
    for part in ["train", "val", "test"] {
        let images = folder.path().join(part);
        std::fs::create_dir(&images).expect("made");
        scene(48, 0).save_png(images.join("0.png")).expect("saved");
        train.arg(format!("--{part}")).arg(images);
    }
    train.arg("--output").arg(folder.path().join("run"));
    train.env("BILEVEL_PROGRESS_SECONDS", "0.02").args(more);
    match filter {
        Some(filter) => train.env("RUST_LOG", filter),
        None => train.env_remove("RUST_LOG"),
    };
    let output = train.output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stderr).expect("utf-8")
}

#[test]
fn off_a_terminal_there_are_lines() {
    let said = said(&[], None);
    let line = |line: &str| line.starts_with("training [00:") && line.contains("/6");
    assert!(said.lines().any(line), "{said}");
    assert!(said.lines().all(|line| line.contains('[')), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours off a terminal");
}

#[test]
fn a_quiet_tool_says_nothing() {
    assert_eq!(said(&["--quiet"], None), "");
    assert_eq!(said(&["-q"], None), "");
}

#[test]
fn a_verbose_tool_tells_of_validations_and_a_more_verbose_one_of_steps() {
    let count = |said: &str, words: &str| said.matches(words).count();
    let once = said(&["-v"], None);
    assert_eq!(count(&once, "images loaded"), 3, "{once}");
    assert_eq!(count(&once, "validation step="), 2, "{once}");
    assert_eq!(count(&once, "step step="), 0, "{once}");
    assert!(once.contains("threads="), "{once}");
    let twice = said(&["-vv"], None);
    assert_eq!(count(&twice, "validation step="), 2, "{twice}");
    assert_eq!(count(&twice, "step step="), 6, "{twice}");
}

#[test]
fn the_environment_goes_before_the_flags() {
    let said = said(&["--quiet"], Some("bilevel=debug"));
    assert_eq!(said.matches("step step=").count(), 6, "{said}");
    assert!(!said.contains("training ["), "{said}");
    let mut bad = bilevel();
    bad.args(["devices"]).env("RUST_LOG", "bilevel=loud");
    crate::common::refuses(&mut bad, &["RUST_LOG"]);
}
