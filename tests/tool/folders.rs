//! The folder of a run: whose it is, what is in it at any time, what a dead run leaves.

use std::fs;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::Bench;
use crate::common::{read, refuses, scene};

/// Starts `train denoise` in the folder `run` with so many steps, and waits for its first state.
fn started(bench: &Bench, run: &str, steps: &str, more: &[&str]) -> std::process::Child {
    let smoke = bench.smoke(run);
    let mut command = Process::new(smoke.get_program());
    command
        .args(smoke.get_args())
        .args(["--steps", steps])
        .args(more);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    let state = bench.path(run).join("recipe.toml");
    let start = Instant::now();
    while !state.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "no state");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Whether every moment is tried: `bash .ci/run drivers`.
fn long() -> bool {
    std::env::var_os("LONG_DRIVERS").is_some()
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).expect("made");
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("copied");
    }
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    names
        .map(|name| name.into_string().expect("utf-8"))
        .collect()
}

#[test]
fn a_folder_is_written_to_by_one_run_alone() {
    let bench = Bench::new();
    let mut child = started(&bench, "run", "100000", &[]);
    refuses(
        bench.smoke("run").arg("--overwrite"),
        &["another run writes to", "--output"],
    );
    refuses(&mut bench.resume("run"), &["another run writes to"]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    // A dead run leaves no lock.
    bench
        .resume("run")
        .args(["--stop-after", "1"])
        .assert()
        .success();
}

#[test]
fn what_a_killed_run_left_half_written_is_removed() {
    let bench = Bench::new();
    bench
        .smoke("run")
        .args(["--stop-after", "2"])
        .assert()
        .success();
    let run = bench.path("run");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for name in [".unfinished-abc", ".unfinished-state"] {
        let file = fs::File::create(run.join(name)).expect("written");
        file.set_modified(long_ago).expect("made old");
    }
    // Of somebody who writes here now.
    fs::write(run.join(".unfinished-new"), "half").expect("written");
    fs::write(run.join("notes.txt"), "mine").expect("written");
    bench
        .resume("run")
        .args(["--stop-after", "1"])
        .assert()
        .success();
    let names = names(&run);
    let left = names.iter().filter(|name| name.starts_with(".unfinished"));
    assert_eq!(left.collect::<Vec<_>>(), [".unfinished-new"]);
    assert!(
        names.contains(&"notes.txt".to_owned()),
        "what is not ours stays"
    );
}

#[test]
fn a_run_that_is_killed_at_once_can_be_resumed() {
    let bench = Bench::new();
    bench.smoke("whole").assert().success();
    // A smoke run takes about as long as the last of these.
    let every = if long() { 2 } else { 50 };
    for kill_after in (0..=150).step_by(every) {
        let name = format!("killed-{kill_after}");
        let smoke = bench.smoke(&name);
        let mut command = Process::new(smoke.get_program());
        command
            .args(smoke.get_args())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let state = bench.path(&name).join("state.safetensors");
        let start = Instant::now();
        while !state.exists() && start.elapsed() < Duration::from_secs(300) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(kill_after));
        child.kill().expect("killed");
        child.wait().expect("ended");
        bench.resume(&name).assert().success();
        for file in ["metrics.jsonl", "model.safetensors"] {
            let of = |run: &str| read(bench.path(run).join(file));
            assert!(of("whole") == of(&name), "{name}: {file}");
        }
    }
}

/// A disk that is full at any byte of a run: one line, and the state before is whole.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_no_state() {
    let bench = Bench::new();
    bench.smoke("whole").assert().success();
    bench
        .smoke("begun")
        .args(["--stop-after", "2"])
        .assert()
        .success();
    let largest = fs::metadata(bench.path("whole/state.safetensors")).expect("a file");
    // Blocks of 512 bytes that one file may have. Where a signal would end the program, it is told by an error.
    let blocks = largest.len() / 512 + 1;
    let every = if long() { 1 } else { blocks / 6 };
    let mut full = 0;
    for most in (0..=blocks).step_by(every.max(1) as usize) {
        for (run, command) in [("begun", bench.resume("run")), ("new", bench.smoke("run"))] {
            let folder = bench.path("run");
            let _ = fs::remove_dir_all(&folder);
            if run == "begun" {
                copy(&bench.path("begun"), &folder);
            }
            let limit = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" \"$@\"");
            let mut limited = Process::new("sh");
            limited.arg("-c").arg(limit).arg(command.get_program());
            limited.args(command.get_args()).arg("--quiet");
            let output = limited.output().expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                continue;
            }
            full += 1;
            assert_eq!(output.status.code(), Some(2), "{run}, {most}: {told}");
            assert_eq!(told.lines().count(), 1, "{run}, {most}: {told}");
            if folder.join("state.safetensors").exists() {
                bench.resume("run").assert().success();
            } else {
                assert_eq!(run, "new", "{most}: the state is gone");
                bench.smoke("run").assert().success();
            }
            for file in ["metrics.jsonl", "model.safetensors"] {
                let of = |run: &str| read(bench.path(run).join(file));
                assert!(of("whole") == of("run"), "{run}, {most}: {file}");
            }
        }
    }
    assert!(full > 3, "{full} of the disks were full");
}

/// A run that was killed before its first state leaves a folder in which one can be started.
#[test]
fn a_folder_without_a_state_is_free() {
    let bench = Bench::new();
    let run = bench.path("run");
    fs::create_dir(&run).expect("made");
    fs::write(run.join(".lock"), "").expect("written");
    fs::write(run.join(".unfinished-state"), "half").expect("written");
    bench
        .smoke("run")
        .args(["--stop-after", "1"])
        .assert()
        .success();
}

/// A call that is refused takes nothing away, and one that is not leaves a run that goes on at any
/// time.
#[test]
fn an_old_run_is_there_until_the_new_one_has_begun() {
    let bench = Bench::new();
    bench.smoke("run").assert().success();
    let model = read(bench.path("run/model.safetensors"));
    refuses(
        bench.smoke("run").args(["--overwrite", "--sigma", "0"]),
        &["--sigma"],
    );
    assert!(read(bench.path("run/model.safetensors")) == model);
    let mut child = started(&bench, "run", "100000", &["--overwrite"]);
    let start = Instant::now();
    while bench.path("run/evaluation.json").exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "no state");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let run = bench.path("run");
    let state = read(run.join("state.safetensors"));
    let text = String::from_utf8_lossy(&state);
    assert!(text.contains("100000"), "the state is the new run's");
}

#[test]
fn states_are_saved_now_and_then_without_a_validation() {
    let bench = Bench::new();
    let recipe = bench.path("recipe.toml");
    bench
        .smoke("short")
        .args(["--stop-after", "0"])
        .assert()
        .success();
    let text = String::from_utf8(read(bench.path("short/recipe.toml"))).expect("utf-8");
    let (from, to) = ("validate_every = 3", "validate_every = 1000000");
    assert!(text.contains(from), "the recipe changed: mend this test");
    fs::write(&recipe, text.replacen(from, to, 1)).expect("written");
    let train = bench.train("run");
    let mut command = Process::new(train.get_program());
    command.args(train.get_args()).arg("--recipe").arg(&recipe);
    command
        .args(["--steps", "100000"])
        .env("BILEVEL_SAVE_SECONDS", "0.05");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    // From the state before the first step to one of a step.
    let state = bench.path("run/state.safetensors");
    let start = Instant::now();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 3 {
        assert!(start.elapsed() < Duration::from_secs(300), "no states");
        seen.extend(fs::read(&state).ok());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let mut resume = bench.resume("run");
    resume.args(["--json", "--stop-after", "0"]);
    let output = resume.output().expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(
        json["stopped_after"].as_u64().expect("a number") > 0,
        "{json}"
    );
}

#[test]
fn a_run_that_is_stopped_says_so_in_json() {
    let bench = Bench::new();
    let output = bench
        .smoke("run")
        .args(["--json", "--stop-after", "2"])
        .output()
        .expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(
        (&json["stopped_after"], &json["steps"]),
        (&2.into(), &6.into())
    );
    assert!(
        json["go_on"]
            .as_str()
            .expect("a command")
            .contains("--resume")
    );
}

/// Every command that prints, where standard output is full: a line on standard error and exit code
/// 2.
#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error_in_one_line() {
    let bench = Bench::new();
    let images = bench.path("test");
    let output = bench.path("output");
    let denoised = bench.path("denoised");
    let path = |path: &std::path::Path| path.to_str().expect("utf-8").to_owned();
    scene(48, 1).save_png(bench.path("one.png")).expect("saved");
    let table = bench.path("table.csv");
    let rows: String = (0..60)
        .map(|i| format!("{},{},{}\n", i % 7, 5 * (i % 2), i % 2))
        .collect();
    fs::write(&table, rows).expect("written");
    let calls: Vec<Vec<String>> = vec![
        ["methods"].map(String::from).to_vec(),
        ["methods", "--json"].map(String::from).to_vec(),
        ["completions", "zsh"].map(String::from).to_vec(),
        vec!["evaluate".into(), "--images".into(), path(&images)],
        vec![
            "evaluate".into(),
            "--json".into(),
            "--images".into(),
            path(&images),
        ],
        vec![
            "denoise".into(),
            path(&images),
            "-o".into(),
            path(&denoised),
        ],
        vec![
            "clean".into(),
            "--data".into(),
            path(&table),
            "--steps".into(),
            "3".into(),
            "--overwrite".into(),
            "--output".into(),
            path(&output),
        ],
        vec![
            "bench".into(),
            "stochastic".into(),
            "--calls".into(),
            "200".into(),
            "--method".into(),
            "soba".into(),
            "--overwrite".into(),
            "--output".into(),
            path(&output),
        ],
    ];
    for call in calls {
        let mut command = Process::new(assert_cmd::cargo::cargo_bin!("bilevel"));
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        command
            .args(&call)
            .arg("--quiet")
            .stdout(full)
            .stderr(Stdio::piped());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{call:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{call:?}: {said}");
        assert!(
            said.contains("cannot write to standard output"),
            "{call:?}: {said}"
        );
    }
    // The image whose name could not be printed is whole.
    assert!(bilevel_data::GrayImage::load(denoised.join("0.png")).is_ok());
}
