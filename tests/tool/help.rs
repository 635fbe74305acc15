//! What the tool says about itself.

use std::fs;

use crate::common::bilevel;

/// What a call prints that succeeds.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = bilevel().args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}");
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).expect("utf-8")
}

#[test]
fn versions_are_short_and_long() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(printed(&["-V"]), format!("bilevel {version}\n"));
    let names = [
        ("wgpu", cfg!(feature = "wgpu")),
        ("zenoh", cfg!(feature = "zenoh")),
    ];
    let names = names.iter().filter(|(_, built)| *built);
    let mut names: Vec<_> = names.map(|(name, _)| *name).collect();
    if names.is_empty() {
        names.push("none");
    }
    assert_eq!(
        printed(&["--version"]),
        format!("bilevel {version} (features: {})\n", names.join(", "))
    );
}

#[test]
fn what_every_command_takes_stands_at_the_end() {
    for command in [&["--help"][..], &["train", "denoise", "--help"]] {
        let help = printed(command);
        let (_, global) = help.split_once("Global options:").expect("a heading");
        for option in ["--backend", "--device", "--quiet", "--verbose"] {
            assert!(global.contains(option), "{global}");
            assert_eq!(help.matches(&format!("  {option}")).count().max(1), 1);
        }
        assert!(!global.contains("--output"), "{global}");
    }
}

#[test]
fn commands_that_are_not_built_in_are_not_listed() {
    let listed = |help: &str, command: &str| {
        let line = |line: &str| line.split_whitespace().next() == Some(command);
        help.lines().any(line)
    };
    let help = printed(&["--help"]);
    assert!(listed(&help, "denoise"));
    assert_eq!(listed(&help, "devices"), cfg!(feature = "wgpu"), "{help}");
    let help = printed(&["distributed", "--help"]);
    assert!(listed(&help, "local"));
    for place in ["master", "worker"] {
        assert_eq!(listed(&help, place), cfg!(feature = "zenoh"), "{help}");
    }
}

#[test]
fn shells_complete_calls() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("denoise"), "{shell}");
        assert!(script.contains("learning-rate"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man/man1");
    printed(&["man", pages.to_str().expect("utf-8")]);
    for (page, words) in [
        ("bilevel.1", "bilevel optimization"),
        ("bilevel-train-denoise.1", "learning\\-rate"),
        ("bilevel-few-shot-evaluate.1", "episodes"),
    ] {
        let text = fs::read_to_string(pages.join(page)).expect(page);
        assert!(text.contains(words), "{page}:\n{text}");
    }
    assert_eq!(
        pages.join("bilevel-devices.1").exists(),
        cfg!(feature = "wgpu")
    );
}
