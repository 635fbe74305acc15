//! How the tool ends when it is told to, and where nobody reads what it says.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::common::{read, scene};

/// For what has to happen before a signal is sent.
const PATIENCE: Duration = Duration::from_secs(300);
/// What the tool may take to end: it takes 2 s, and more where other tests fill the machine.
const END: Duration = Duration::from_secs(5);

/// A folder of images.
fn images(folder: &Path, name: &str, size: usize, count: usize) -> PathBuf {
    let images = folder.join(name);
    fs::create_dir(&images).expect("made");
    for i in 0..count {
        let path = images.join(format!("{i}.png"));
        scene(size, i).save_png(path).expect("saved");
    }
    images
}

/// Small images to learn from and to choose by.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["train", "val", "test"] {
            images(folder.path(), part, 48, 2);
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `train denoise` with its output in the folder `run`.
    fn train(&self, run: &str, more: &[&str]) -> Command {
        self.train_and_test("test", run, more)
    }

    /// The same, with other images to report on.
    fn train_and_test(&self, test: &str, run: &str, more: &[&str]) -> Command {
        let mut command = tool(&["train", "denoise"]);
        for (part, folder) in [("train", "train"), ("val", "val"), ("test", test)] {
            command.arg(format!("--{part}")).arg(self.path(folder));
        }
        command.arg("--output").arg(self.path(run)).args(more);
        command
    }

    /// `train denoise` that makes 30 quick steps and then one that does not end.
    fn stuck(&self, run: &str, more: &[&str]) -> Command {
        let path = self.path("stuck.toml");
        fs::write(&path, STUCK).expect("written");
        let mut command = self.train(run, &["--recipe"]);
        command.arg(path).args(more);
        command
    }
}

const STUCK: &str = r#"
sigma = 25.0
seed = 0
crop = 32
margin = 6
batch = 2
tasks = 1
loss = "mean-square"
validate_every = 1000
[degradation]
kind = "none"
[regularizer]
kind = "fields-of-experts"
filters = 4
size = 3
potential = "student-t"
[reconstruction]
kind = "minimiser"
tolerance = 3e-4
max_steps = 500
[[stage]]
steps = 30
learning_rate = 0.001
estimator = { kind = "score-matching" }
[[stage]]
steps = 1
learning_rate = 0.03
estimator = { kind = "jacobian-free", lower_tolerance = 1e-30, lower_steps = 1000000 }
"#;

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bilevel"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// A process that ends with its test, and what it says on standard error.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let reader = thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                *heard.lock().expect("whole") += &format!("{line}\n");
            }
        });
        Self {
            child,
            said,
            reader: Some(reader),
        }
    }

    fn said(&self) -> String {
        self.said.lock().expect("whole").clone()
    }

    /// Until something is so.
    #[track_caller]
    fn wait(&mut self, until: impl Fn(&str) -> bool) {
        let start = Instant::now();
        loop {
            let said = self.said();
            if until(&said) {
                return;
            }
            let ended = self.child.try_wait().expect("asked");
            assert!(ended.is_none(), "it ended by itself: {ended:?}\n{said}");
            assert!(start.elapsed() < PATIENCE, "it hangs:\n{said}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until it has said `words` on `count` lines.
    #[track_caller]
    fn wait_for(&mut self, words: &str, count: usize) {
        self.wait(|said| said.matches(words).count() >= count);
    }

    fn signal(&self, names: &[&str]) {
        let kill = |name: &&str| format!("kill -{name} {}", self.child.id());
        let kills: Vec<String> = names.iter().map(kill).collect();
        let status = Command::new("sh").arg("-c").arg(kills.join(";")).status();
        assert!(status.expect("sh runs").success());
    }

    /// Its code and what it said, once it has ended, which it has to do soon.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                break status;
            }
            assert!(start.elapsed() < END, "it goes on:\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        };
        let reader = self.reader.take().expect("read once");
        reader.join().expect("read to its end");
        (status.code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files that were not finished.
fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| {
        let name = entry.expect("readable").file_name();
        name.into_string().expect("utf-8")
    });
    // What is locked as long as a run writes stays.
    names
        .filter(|name| name.starts_with('.') && name != ".lock")
        .collect()
}

/// The parameters in a state, without the names that they get at random.
fn parameters(run: &Path) -> Vec<u8> {
    const NAME: usize = 13;
    let bytes = read(run.join("state.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).expect("a state");
    let mut x = tensors.tensor("x").expect("the parameters").data().to_vec();
    let is_name = |x: &[u8]| {
        x[0] as usize == NAME
            && x[1..]
                .iter()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
    };
    for i in 0..x.len() - NAME {
        if is_name(&x[i..=i + NAME]) {
            x[i + 1..=i + NAME].fill(0);
        }
    }
    x
}

/// Whether a program that is started from here ignores SIGHUP, as under `nohup`.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Three times, by each of the signals; the run ends with the bits of one that was never stopped.
#[test]
fn a_run_that_was_stopped_by_signals_goes_on_with_the_same_bits() {
    let bench = Bench::new();
    let steps = ["--preset", "smoke", "--steps", "150"];
    let whole = bench.train("whole", &steps).output().expect("it runs");
    assert!(whole.status.success());
    let start = [&steps[..], &["-vv"]].concat();
    let signals = [("INT", 130), ("TERM", 143), ("HUP", 129)];
    for (number, (signal, expected)) in signals.into_iter().enumerate() {
        if signal == "HUP" && hangups_are_ignored() {
            continue;
        }
        let more = if number == 0 {
            &start[..]
        } else {
            &["--resume", "-vv"]
        };
        let mut run = Running::start(bench.train("parts", more));
        run.wait_for("step step=", 2);
        run.signal(&[signal]);
        let (code, said) = run.end();
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("stopped after step"), "{said}");
        assert!(said.contains("--resume --output"), "{said}");
    }
    let rest = bench.train("parts", &["--resume"]).output();
    assert!(rest.expect("it runs").status.success());
    for file in ["metrics.jsonl", "model.safetensors"] {
        let [whole, parts] = ["whole", "parts"].map(|run| read(bench.path(run).join(file)));
        assert_eq!(whole, parts, "{file}");
    }
    assert!(leftovers(&bench.path("parts")).is_empty());
}

#[test]
fn a_run_that_was_stopped_in_its_evaluation_is_evaluated_later() {
    let bench = Bench::new();
    images(bench.folder.path(), "large", 320, 6);
    let more = ["--preset", "smoke", "--steps", "2", "-v"];
    let mut run = Running::start(bench.train_and_test("large", "run", &more));
    run.wait_for("evaluating", 1);
    run.signal(&["TERM"]);
    let (code, said) = run.end();
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("stopped after the last step"), "{said}");
    let folder = bench.path("run");
    assert!(folder.join("model.safetensors").exists());
    assert!(folder.join("state.safetensors").exists());
    assert!(!folder.join("evaluation.json").exists());
    assert!(leftovers(&folder).is_empty());

    let rest = bench.train("run", &["--resume"]).output();
    assert!(rest.expect("it runs").status.success());
    assert!(folder.join("evaluation.json").exists());
    let metrics = fs::read_to_string(folder.join("metrics.jsonl")).expect("metrics");
    assert_eq!(metrics.lines().count(), 2);
}

#[test]
fn a_step_that_does_not_end_is_left_and_those_before_it_are_saved() {
    let bench = Bench::new();
    let mut run = Running::start(bench.stuck("run", &["-vv"]));
    run.wait_for("step step=", 30);
    run.signal(&["TERM"]);
    let (code, said) = run.end();
    assert_eq!(code, Some(143), "{said}");
    let words = said.split("stopped after step ").nth(1).expect("said so");
    let steps: usize = words
        .split(';')
        .next()
        .expect("a word")
        .parse()
        .expect(words);
    // Keeping the last of steps as short as these would have cost too much.
    assert!((1..=30).contains(&steps), "{steps}");

    let steps = steps.to_string();
    let shorter = bench.stuck("shorter", &["--stop-after", &steps]).output();
    assert!(shorter.expect("it runs").status.success());
    let [run, shorter] = ["run", "shorter"].map(|run| parameters(&bench.path(run)));
    assert_eq!(run, shorter);
    let again = bench
        .train("run", &["--resume", "--stop-after", "0"])
        .output();
    assert!(again.expect("it runs").status.success());
    assert!(leftovers(&bench.path("run")).is_empty());
}

#[test]
fn a_second_signal_ends_a_step_at_once() {
    let bench = Bench::new();
    let mut run = Running::start(bench.stuck("run", &["-vv"]));
    run.wait_for("step step=", 30);
    run.signal(&["TERM", "INT"]);
    let (code, said) = run.end();
    // Whichever of two signals that wait the system hands over first.
    assert!(matches!(code, Some(130 | 143)), "{code:?} {said}");
    assert!(!said.contains("stopped after"), "it was waited for: {said}");
}

#[test]
fn commands_that_have_nothing_to_lose_end_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = images(folder.path(), "large", 320, 6);
    let large = large.to_str().expect("utf-8");
    let out = folder.path().join("out");
    let out = out.to_str().expect("utf-8");
    let crops = ["--image", large, "--crop", "64", "--images", "16"];
    let audit = [&["audit", "denoise", "-e", "implicit"][..], &crops].concat();
    let cases: [(&[&str], &str); 4] = [
        (&["denoise", large, "-o", out], "reconstructing"),
        (&["evaluate", "--images", large], "reconstructing"),
        (&audit, "auditing"),
        (
            &["bench", "stochastic", "--calls", "100000000", "-o", out],
            "running",
        ),
    ];
    for (arguments, event) in cases {
        let mut command = tool(arguments);
        command.arg("-v");
        let mut run = Running::start(command);
        run.wait_for(event, 1);
        run.signal(&["TERM"]);
        let (code, said) = run.end();
        assert_eq!(code, Some(143), "{arguments:?}: {said}");
    }
    assert!(leftovers(Path::new(out)).is_empty());
}

#[test]
fn a_distributed_run_goes_on_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tabular/digits.csv.gz");
    let out = folder.path().join("out");
    let mut command = tool(&["distributed", "local", "--data", digits, "--workers", "4"]);
    command.args(["--stragglers", "1", "--samples", "40", "--refresh", "10"]);
    // A checkpoint that is never reached: what is there to go on from is the start.
    command.args(["--seconds", "1e9", "--checkpoint", "1000000", "-v"]);
    command.arg("--output").arg(&out);
    let mut run = Running::start(command);
    run.wait_for("ADBO", 1);
    run.signal(&["TERM"]);
    let (code, said) = run.end();
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("stopped at a checkpoint"), "{said}");
    let again = tool(&["distributed", "local", "--resume", "--stop-after", "0"])
        .arg("--output")
        .arg(&out)
        .output();
    assert!(again.expect("it runs").status.success());
}

/// A run that shall outlive its terminal does.
#[test]
#[cfg(target_os = "linux")]
fn nohup_is_respected() {
    let bench = Bench::new();
    let tool = bench.train("run", &["--preset", "smoke", "--steps", "100000", "-vv"]);
    let mut command = Command::new("nohup");
    command.arg(tool.get_program()).args(tool.get_args());
    command.env_remove("RUST_LOG");
    let mut run = Running::start(command);
    run.wait_for("step step=", 1);
    run.signal(&["HUP"]);
    let before = run.said().matches("step step=").count();
    run.wait_for("step step=", before + 5);
    run.signal(&["TERM"]);
    assert_eq!(run.end().0, Some(143));
}

/// As in `bilevel evaluate --json | head -c 1`.
#[test]
fn a_closed_pipe_ends_the_tool_without_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = images(folder.path(), "small", 48, 1);
    let mut evaluate = tool(&["evaluate", "--json", "--images"]);
    evaluate.arg(small).stdout(Stdio::piped());
    let mut help = tool(&["--help"]);
    help.stdout(Stdio::piped());
    let mut completions = tool(&["completions", "bash"]);
    completions.stdout(Stdio::piped());
    for (mut command, code) in [(evaluate, 141), (completions, 141), (help, 0)] {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.is_empty(), "{said}");
    }
}

/// Where standard error is closed, a run goes on.
#[test]
fn nobody_has_to_read_what_a_run_says() {
    let bench = Bench::new();
    let mut train = bench.train("run", &["--preset", "smoke", "--steps", "3", "-vv"]);
    train.env("BILEVEL_PROGRESS_SECONDS", "0.01");
    train.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = train.spawn().expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(bench.path("run/evaluation.json").exists());
}
