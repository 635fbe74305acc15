//! A master and workers as processes of this machine: some are killed, some stand still, some are
//! not let in.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde::Deserialize;

/// For what happens at once where a machine has time.
const WAIT: Duration = Duration::from_secs(60);
const WORKERS: usize = 4;

/// These tests measure time and fill the machine: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that ends with its test.
struct Process(Child);

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bilevel"));
        command.arg("distributed").args(arguments);
        for name in [
            "RANK",
            "WORLD_SIZE",
            "MASTER_ADDR",
            "MASTER_PORT",
            "SLURM_PROCID",
            "SLURM_NTASKS",
        ] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self(command.stderr(Stdio::piped()).spawn().expect("it starts"))
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let kill = Command::new("kill").args([name, &id]).status();
        assert!(kill.expect("kill").success());
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().expect("it lives");
        self.0.wait().expect("it ends");
    }

    /// Its code and what it said, once it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().expect("a process") {
                break status;
            }
            assert!(start.elapsed() < WAIT, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        let errors = self.0.stderr.as_mut().expect("a pipe");
        errors.read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line of the master's log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Line {
    iteration: usize,
    seconds: f64,
    active: Vec<usize>,
    lost: Vec<usize>,
}

/// A master whose log is read while it runs.
struct Master {
    process: Process,
    lines: Receiver<Line>,
    reads: Vec<JoinHandle<()>>,
}

impl Master {
    /// Starts one, unless the port is taken.
    fn try_start(port: u16, arguments: &[&str]) -> Result<Self, String> {
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec!["master", "--listen", &listen, "--log", "/dev/stdout"];
        all.extend(arguments);
        let mut process = Process::start(&all);
        let mut errors = BufReader::new(process.0.stderr.take().expect("a pipe"));
        let mut first = String::new();
        errors.read_line(&mut first).expect("text");
        if !first.starts_with("listening") {
            return Err(first);
        }
        let (sender, lines) = channel();
        let log = BufReader::new(process.0.stdout.take().expect("a pipe"));
        let reads = vec![
            std::thread::spawn(move || {
                for line in log.lines().map_while(Result::ok) {
                    if let Ok(line) = serde_json::from_str(&line) {
                        let _ = sender.send(line);
                    }
                }
            }),
            std::thread::spawn(move || errors.lines().for_each(drop)),
        ];
        Ok(Self {
            process,
            lines,
            reads,
        })
    }

    /// On a port that was free a moment ago.
    fn start(arguments: &[&str]) -> (Self, u16) {
        let mut why = String::new();
        for _ in 0..20 {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = probe.local_addr().expect("an address").port();
            drop(probe);
            match Self::try_start(port, arguments) {
                Ok(master) => return (master, port),
                Err(said) => why = said,
            }
        }
        panic!("no master: {why}");
    }

    fn line(&self) -> Line {
        self.lines.recv_timeout(WAIT).expect("an iteration in time")
    }

    /// All lines until one is as it should be, that one included.
    fn until(&self, done: impl Fn(&Line) -> bool) -> Vec<Line> {
        let start = Instant::now();
        let mut lines = Vec::new();
        loop {
            assert!(
                start.elapsed() < WAIT,
                "it does not come to this: {:?}",
                lines.last()
            );
            lines.push(self.line());
            if lines.last().is_some_and(&done) {
                return lines;
            }
        }
    }

    /// The lines that are left, and its code, once it has ended.
    fn end(mut self) -> (Vec<Line>, Option<i32>) {
        let lines = self.lines.iter().collect();
        let code = self.process.0.wait().expect("it ends").code();
        self.reads
            .into_iter()
            .for_each(|read| read.join().expect("no panic"));
        (lines, code)
    }
}

/// The problem of these tests.
struct Problem {
    dim: String,
}

impl Problem {
    fn new(dim: usize) -> Self {
        Self {
            dim: dim.to_string(),
        }
    }

    fn master<'a>(&'a self, folder: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let output = folder.to_str().expect("a name");
        let mut all = vec!["--task", "quadratic", "--dim", &self.dim];
        all.extend([
            "--seconds",
            "3600",
            "--eval-every",
            "3600",
            "--patience",
            "60",
        ]);
        all.extend(["--output", output]);
        all.extend(more);
        all
    }

    fn worker(&self, i: usize, port: u16, more: &[&str]) -> Process {
        let (i, connect) = (i.to_string(), format!("127.0.0.1:{port}"));
        let mut all = vec!["worker", "--task", "quadratic", "--dim", &self.dim];
        all.extend(["--worker", &i, "--connect", &connect]);
        all.extend(more);
        Process::start(&all)
    }
}

/// The longest time from one iteration to the next.
fn longest_gap(lines: &[Line]) -> f64 {
    let gaps = lines.windows(2).map(|two| two[1].seconds - two[0].seconds);
    gaps.fold(0.0, f64::max)
}

/// Vectors of 4 MB: a worker is killed, nobody waits for it, and it is heard again when it is back.
#[test]
fn a_killed_worker_stops_nobody_and_comes_back() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(1_000_000);
    let often = ["--refresh", "1000000", "--checkpoint", "1000000"];
    let (master, port) = Master::start(&problem.master(folder.path(), &often));
    let mut workers: Vec<_> = (0..WORKERS).map(|i| problem.worker(i, port, &[])).collect();
    master.until(|line| line.iteration >= 10 && line.lost.is_empty());
    workers[2].kill();
    let mut lines = master.until(|line| line.lost == [2]);
    lines.extend((0..20).map(|_| master.line()));
    workers[2] = problem.worker(2, port, &[]);
    lines.extend(master.until(|line| line.lost.is_empty() && line.active.contains(&2)));
    let gap = longest_gap(&lines);
    eprintln!("{} iterations, the longest gap {gap:.3} s", lines.len());
    assert!(gap < 0.5, "{gap} s without an iteration");
    assert!(
        lines
            .iter()
            .all(|line| line.lost.is_empty() || line.lost == [2])
    );
}

/// A worker stands still while more than 16 MB are owed to it: the others keep their links, and it
/// is heard again when it goes on.
#[test]
fn a_frozen_worker_that_is_owed_a_reply_stops_nobody() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(4_200_000);
    let often = [
        "--refresh",
        "1000000",
        "--checkpoint",
        "1000000",
        "--lease",
        "3",
    ];
    let (master, port) = Master::start(&problem.master(folder.path(), &often));
    // The first one is quicker than the others: most of the time it waits.
    let slow = ["--lease", "3", "--pause", "1000"];
    let workers: Vec<_> = (0..WORKERS)
        .map(|i| problem.worker(i, port, if i == 0 { &slow[..2] } else { &slow }))
        .collect();
    let before = master.until(|line| line.iteration >= 8 && line.lost.is_empty());
    let usual = longest_gap(&before[before.len() / 2..]);
    // It was owed a reply if it was heard in an iteration that ended after it stood still.
    let mut owed = false;
    let mut after = Vec::new();
    for _ in 0..10 {
        // In the midst of an iteration, when it has answered.
        master.line();
        std::thread::sleep(Duration::from_secs_f64(usual / 2.0));
        workers[0].signal("-STOP");
        while master.lines.try_recv().is_ok() {}
        after = master.until(|line| line.lost == [0]);
        owed = after.iter().any(|line| line.active.contains(&0));
        if owed {
            break;
        }
        workers[0].signal("-CONT");
        master.until(|line| line.lost.is_empty() && line.active.contains(&0));
    }
    assert!(owed, "it was never owed a reply");
    after.extend((0..10).map(|_| master.line()));
    workers[0].signal("-CONT");
    let back = master.until(|line| line.lost.is_empty() && line.active.contains(&0));
    let gap = longest_gap(&after);
    eprintln!(
        "{} iterations, the longest gap {gap:.3} s, {usual:.3} s before",
        after.len()
    );
    // A slow worker's step takes 1.4 s; a master that sends replies itself stood still for 5 s.
    assert!(gap < 4.0, "{gap} s without an iteration");
    for line in after.iter().chain(&back) {
        assert!(
            line.lost.is_empty() || line.lost == [0],
            "others are lost: {line:?}"
        );
    }
    for i in 1..WORKERS {
        assert!(
            after.iter().any(|line| line.active.contains(&i)),
            "{i} is not heard"
        );
    }
}

/// A master is killed, the next one is stopped as by Ctrl-C. The one after it goes on with the same
/// workers, and what was in its log is done.
#[test]
fn a_killed_master_loses_no_iteration() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(1000);
    let begin = ["--iterations", "400", "--refresh", "20"];
    let (mut master, port) = Master::start(&problem.master(folder.path(), &begin));
    let workers: Vec<_> = (0..WORKERS)
        .map(|i| problem.worker(i, port, &["--pause", "5"]))
        .collect();
    let mut seen = Vec::new();
    for (stop, signal) in [(100, "-KILL"), (200, "-INT")] {
        seen.extend(master.until(|line| line.iteration >= stop));
        master.process.signal(signal);
        let (rest, code) = master.end();
        assert_eq!(code, (signal == "-INT").then_some(130));
        seen.extend(rest);
        let resume = [
            "--resume",
            "--output",
            folder.path().to_str().expect("a name"),
        ];
        master = again(port, &resume);
    }
    let (rest, code) = master.end();
    seen.extend(rest);
    assert_eq!(code, Some(0));
    let order = |two: &[Line]| two[0].iteration < two[1].iteration;
    assert!(
        seen.windows(2).all(order),
        "an iteration that was done is done again"
    );
    // Between the file and the log there is a moment in which a master can be killed.
    assert!(seen.len() >= 398 && seen.last().is_some_and(|line| line.iteration == 400));
    for worker in workers {
        let (code, said) = worker.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let path = folder.path().to_str().expect("a name");
    let (code, said) = Process::start(&["master", "--resume", "--output", path]).end();
    assert!(code == Some(2) && said.contains("is over"), "{said}");
    let (code, said) = Process::start(&["replay", "--output", path]).end();
    assert!(code == Some(2) && said.contains("taken up"), "{said}");
}

/// The next master, as soon as the port is free.
fn again(port: u16, arguments: &[&str]) -> Master {
    let start = Instant::now();
    loop {
        match Master::try_start(port, arguments) {
            Ok(master) => return master,
            Err(said) => assert!(start.elapsed() < WAIT, "{said}"),
        }
    }
}

/// The order in which the network brought answers, once more in one process: the same bits.
#[test]
fn a_run_is_replayed() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(1000);
    let more = ["--iterations", "300", "--refresh", "20"];
    let (master, port) = Master::start(&problem.master(folder.path(), &more));
    let workers: Vec<_> = (0..WORKERS).map(|i| problem.worker(i, port, &[])).collect();
    let (lines, code) = master.end();
    assert_eq!((lines.len(), code), (300, Some(0)));
    assert!(
        lines.iter().any(|line| line.active.len() < WORKERS),
        "all were waited for"
    );
    for worker in workers {
        assert_eq!(worker.end().0, Some(0));
    }
    for name in [
        "state.safetensors",
        "history.jsonl",
        "report.json",
        "curves.svg",
    ] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let replay = Command::new(env!("CARGO_BIN_EXE_bilevel"))
        .args(["distributed", "replay", "--output"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&replay.stdout);
    assert!(
        said.contains("300 iterations of ADBO once more, in one process: the same bits"),
        "{said}"
    );
}

/// SDBO beside a run of ADBO, in one plot.
#[test]
fn two_runs_are_drawn_in_one_plot() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(10);
    let output = |name: &str| folder.path().join(name);
    let (adbo, sdbo) = (output("adbo"), output("sdbo"));
    let beside = [
        "--method",
        "sdbo",
        "--compare-with",
        adbo.to_str().expect("a name"),
    ];
    for (output, more) in [(&adbo, &beside[..0]), (&sdbo, &beside[..])] {
        let more = [&["--iterations", "20"], more].concat();
        let (master, port) = Master::start(&problem.master(output, &more));
        let _workers: Vec<_> = (0..WORKERS).map(|i| problem.worker(i, port, &[])).collect();
        assert_eq!(master.end().1, Some(0));
    }
    let plot = fs::read_to_string(sdbo.join("curves.svg")).expect("a plot");
    assert!(plot.contains("ADBO") && plot.contains("SDBO"));
}

/// Workers are killed and started again, or stand still for a while, one after the other: the
/// others are never lost, and the master never pauses.
#[test]
#[ignore = "takes two minutes"]
fn a_soak() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(1_000_000);
    let mut more = vec!["--refresh", "1000000", "--checkpoint", "1000000"];
    // A silent worker is not waited for.
    more.extend(["--staleness", "1000000", "--lease", "3"]);
    let (master, port) = Master::start(&problem.master(folder.path(), &more));
    let start = |i| problem.worker(i, port, &["--lease", "3"]);
    let mut workers: Vec<_> = (0..WORKERS).map(start).collect();
    let mut lines = master.until(|line| line.iteration >= 10 && line.lost.is_empty());
    lines.clear();
    let begin = Instant::now();
    for round in 0.. {
        if begin.elapsed() > Duration::from_secs(120) {
            break;
        }
        let i = (7 * round + round / 3) % WORKERS;
        // The moment is drawn from the round.
        let pause = Duration::from_millis(37 * (round as u64 * 29 % 50));
        std::thread::sleep(pause);
        if round % 2 == 0 {
            workers[i].kill();
            lines.extend(master.until(|line| line.lost == [i]));
            workers[i] = start(i);
        } else {
            workers[i].signal("-STOP");
            lines.extend(master.until(|line| line.lost == [i]));
            workers[i].signal("-CONT");
        }
        let seen = lines.len();
        lines.extend(master.until(|line| line.lost.is_empty() && line.active.contains(&i)));
        let others = |line: &&Line| !line.lost.is_empty() && line.lost != [i];
        assert_eq!(lines[seen..].iter().find(others), None);
    }
    let gap = longest_gap(&lines);
    eprintln!("{} iterations, the longest gap {gap:.3} s", lines.len());
    assert!(gap < 0.5, "{gap} s without an iteration");
}

/// Signs a certificate of that name, and gives its file and that of its key.
fn sign(issuer: &CertifiedIssuer<'static, KeyPair>, folder: &Path, name: &str) -> [PathBuf; 2] {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let files = [(certificate.pem(), "pem"), (key.serialize_pem(), "key")];
    files.map(|(text, kind)| {
        let path = folder.join(format!("{name}.{kind}"));
        fs::write(&path, text).expect("written");
        path
    })
}

#[test]
fn without_a_certificate_a_worker_is_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let issuer = issuer.expect("a certificate");
    let authority = folder.path().join("ca.pem");
    fs::write(&authority, issuer.pem()).expect("written");
    let tls = |name: &str| -> Vec<String> {
        let [certificate, key] = sign(&issuer, folder.path(), name);
        let files = [
            ("--tls-ca", &authority),
            ("--tls-cert", &certificate),
            ("--tls-key", &key),
        ];
        let words = files.map(|(option, path)| [option.to_owned(), path.display().to_string()]);
        words.concat()
    };
    let problem = Problem::new(10);
    let output = folder.path().join("run");
    let one = ["--workers", "1"];
    let with = |tls: &[String], more: &[&'static str]| -> Vec<String> {
        let more = one.iter().chain(more).map(|&word| word.to_owned());
        tls.iter().cloned().chain(more).collect()
    };
    let words = with(&tls("master"), &["--iterations", "20"]);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (master, port) = Master::start(&problem.master(&output, &words));
    let end = |tls: &[String], patience: &[&'static str]| {
        let words = with(tls, patience);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        problem.worker(0, port, &words).end()
    };
    for tls in [Vec::new(), tls("worker-7"), tls("master")] {
        let (code, said) = end(&tls, &["--patience", "2"]);
        assert!(code == Some(2) && said.lines().count() == 1, "{said}");
        assert!(said.starts_with("error: "), "{said}");
    }
    assert!(master.lines.try_recv().is_err(), "nobody took part");
    let (code, said) = end(&tls("worker-0"), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(master.end().1, Some(0));
}

/// The names of torchrun: rank 0 is the master, rank 1 the first worker.
#[test]
fn launchers_say_who_is_who() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let problem = Problem::new(10);
    let more = ["--iterations", "20", "--workers", "1"];
    let (master, port) = Master::start(&problem.master(folder.path(), &more));
    let mut worker = Command::new(env!("CARGO_BIN_EXE_bilevel"));
    worker.args([
        "distributed",
        "worker",
        "--task",
        "quadratic",
        "--dim",
        "10",
    ]);
    worker.envs([
        ("RANK", "1"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "127.0.0.1"),
    ]);
    worker.env("MASTER_PORT", port.to_string());
    let output = worker.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(master.end().1, Some(0));
}

#[test]
fn bad_calls_are_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("none");
    let path = output.to_str().expect("a name");
    let refused = |arguments: &[&str], word: &str| {
        let (code, said) = Process::start(arguments).end();
        assert!(code == Some(2) && said.lines().count() == 1, "{said}");
        assert!(said.contains(word), "{said}");
        assert!(!output.exists(), "nothing is written");
    };
    let master = |more: &[&str], word: &str| {
        let base = ["master", "--task", "quadratic", "--output", path];
        refused(&[&base, more].concat(), word);
    };
    master(&["--listen", "0.0.0.0:7447"], "certificates");
    master(&["--listen", "nonsense"], "certificates");
    master(&["--run", "a/b"], "a/b");
    master(&["--lease", "1"], "--lease");
    master(&["--min-live", "5"], "--min-live");
    master(&["--active", "5"], "--active");
    master(&["--patience", "0"], "--patience");
    master(&["--compare-with", "/nowhere"], "/nowhere");
    refused(&["master", "--resume", "--output", path], "--resume");
    let worker = |more: &[&str], word: &str| {
        refused(&[&["worker", "--task", "quadratic"], more].concat(), word);
    };
    worker(&[], "--worker");
    worker(&["--worker", "4"], "--worker");
    worker(
        &["--worker", "0", "--connect", "10.0.0.1:7447"],
        "certificates",
    );
    refused(&["replay", "--output", path], "no run");
}
