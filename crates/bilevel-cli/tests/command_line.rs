//! The binary as a person meets it: runs, resumes, and says in one line what is wrong.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;

use assert_cmd::Command;
use bilevel_data::GrayImage;
use common::{bilevel, read, refuses, scene};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with images to learn from, to choose by and to report on.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (part, shift) in [("train", 0), ("val", 1), ("test", 2)] {
            let part = folder.path().join(part);
            fs::create_dir(&part).expect("made");
            for i in 0..2 {
                scene(48, shift + 3 * i)
                    .save_png(part.join(format!("{i}.png")))
                    .expect("saved");
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `train denoise` on the bench, in small.
    fn train(&self, run: &str) -> Command {
        let mut command = bilevel();
        command.args(["train", "denoise"]);
        for part in ["train", "val", "test"] {
            command.arg(format!("--{part}")).arg(self.path(part));
        }
        command.arg("--output").arg(self.path(run));
        command
    }

    fn smoke(&self, run: &str) -> Command {
        let mut command = self.train(run);
        command.args(["--preset", "smoke"]);
        command
    }

    /// A trained model.
    fn model(&self) -> PathBuf {
        self.smoke("trained")
            .args(["--steps", "1"])
            .assert()
            .success();
        self.path("trained/model.safetensors")
    }
}

#[test]
fn a_run_leaves_all_its_files_and_they_open() {
    let bench = Bench::new();
    let output = bench.smoke("run").arg("--json").output().expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(
        json["learned"]["images"].as_array().expect("a list").len(),
        2
    );
    let mean = |key: &str| json[key]["psnr_mean"].as_f64().expect("a number");
    assert!(mean("learned") > mean("noisy"), "{json}");

    let run = bench.path("run");
    let mut names: Vec<String> = fs::read_dir(&run)
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
            "comparison.png",
            "curves.png",
            "curves.svg",
            "evaluation.json",
            "filters.png",
            "metrics.jsonl",
            "model.safetensors",
            "recipe.json",
            "state.safetensors"
        ]
    );
    for picture in ["comparison.png", "curves.png", "filters.png"] {
        image::open(run.join(picture)).expect("a picture");
    }
    let metrics = String::from_utf8(read(run.join("metrics.jsonl"))).expect("utf-8");
    assert_eq!(metrics.lines().count(), 6);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let bench = Bench::new();
    bench.smoke("a").assert().success();
    bench.smoke("b").assert().success();
    bench.smoke("c").args(["--seed", "1"]).assert().success();
    let metrics = |run: &str| read(bench.path(run).join("metrics.jsonl"));
    assert_eq!(metrics("a"), metrics("b"));
    assert_ne!(metrics("a"), metrics("c"));
    let model = |run: &str| read(bench.path(run).join("model.safetensors"));
    assert_eq!(model("a"), model("b"));
}

#[test]
fn a_resumed_run_is_bit_equal_to_one_that_never_stopped() {
    let bench = Bench::new();
    bench.smoke("whole").assert().success();
    // Stops between two validations, and again after one.
    bench
        .smoke("parts")
        .args(["--stop-after", "2"])
        .assert()
        .success();
    bench
        .train("parts")
        .args(["--resume", "--stop-after", "2"])
        .assert()
        .success();
    bench.train("parts").arg("--resume").assert().success();
    for file in ["metrics.jsonl", "model.safetensors"] {
        assert_eq!(
            read(bench.path("whole").join(file)),
            read(bench.path("parts").join(file)),
            "{file}"
        );
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_the_state_and_the_run_can_go_on() {
    let bench = Bench::new();
    let mut child = Process::new(assert_cmd::cargo::cargo_bin!("bilevel"))
        .args(["train", "denoise", "--preset", "smoke", "--steps", "5000"])
        .arg("--train")
        .arg(bench.path("train"))
        .arg("--val")
        .arg(bench.path("val"))
        .arg("--test")
        .arg(bench.path("test"))
        .arg("--output")
        .arg(bench.path("run"))
        .spawn()
        .expect("it starts");
    let metrics = bench.path("run/metrics.jsonl");
    let steps = || fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
    while steps() < 2 {
        assert!(
            child.try_wait().expect("asked").is_none(),
            "it ended by itself"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let signal = Process::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signal.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let before = steps();
    bench
        .train("run")
        .args(["--resume", "--stop-after", "1"])
        .assert()
        .success();
    assert_eq!(steps(), before + 1);
}

#[test]
fn evaluate_prints_one_json_object() {
    let bench = Bench::new();
    let model = bench.model();
    let mut command = bilevel();
    command
        .args([
            "evaluate", "--sigma", "25", "--seed", "1", "--json", "--model",
        ])
        .arg(model);
    let output = command
        .arg("--images")
        .arg(bench.path("test"))
        .output()
        .expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for scores in [&json, &json["noisy"]] {
        assert!(
            scores["psnr_mean"].is_f64() && scores["ssim_mean"].is_f64(),
            "{json}"
        );
        let images = scores["images"].as_array().expect("a list");
        assert_eq!(images.len(), 2);
        for image in images {
            assert!(image["name"].is_string() && image["psnr"].is_f64() && image["ssim"].is_f64());
        }
    }
    let noisy = json["noisy"]["psnr_mean"].as_f64().expect("a number");
    assert!(
        (noisy - 20.17).abs() < 0.3,
        "noise of 25/255 leaves 20.17 dB: {noisy}"
    );
}

#[test]
fn denoise_brings_a_noisy_photograph_nearer_to_the_truth() {
    let bench = Bench::new();
    let clean = scene(64, 4);
    let noisy = bilevel_data::add_gaussian_noise(&clean, 25.0 / 255.0, 3, 0);
    let (input, output) = (bench.path("noisy.png"), bench.path("out.png"));
    noisy.save_png(&input).expect("saved");
    bilevel()
        .arg("denoise")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .assert()
        .success();
    let denoised = GrayImage::load(&output).expect("opens");
    let gain = bilevel_data::psnr(&denoised, &clean) - bilevel_data::psnr(&noisy, &clean);
    assert!(gain > 3.0, "{gain} dB");

    // Colour stays colour.
    let channels = [0, 1, 2].map(|seed| scene(48, seed));
    bilevel_data::save_channels(&channels, &input).expect("saved");
    bilevel()
        .arg("denoise")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .assert()
        .success();
    assert_eq!(
        bilevel_data::load_channels(&output).expect("opens").len(),
        3
    );

    // A folder in, a folder out, the names kept.
    bilevel()
        .arg("denoise")
        .arg(bench.path("test"))
        .arg("-o")
        .arg(bench.path("all"))
        .assert()
        .success();
    assert!(bench.path("all/0.png").exists() && bench.path("all/1.png").exists());
}

#[test]
fn images_that_are_not_there() {
    let bench = Bench::new();
    let missing = bench.path("nowhere");
    for part in ["train", "val", "test"] {
        fs::rename(bench.path(part), &missing).expect("moved");
        refuses(&mut bench.smoke("run"), &[part]);
        fs::rename(&missing, bench.path(part)).expect("moved back");
    }
    for command in [
        bilevel().args(["evaluate", "--images"]).arg(&missing),
        bilevel().arg("denoise").arg(&missing).args(["-o", "x.png"]),
    ] {
        refuses(command, &["nowhere"]);
    }
    let empty = bench.path("empty");
    fs::create_dir(&empty).expect("made");
    refuses(
        bilevel().args(["evaluate", "--images"]).arg(&empty),
        &["empty"],
    );
}

#[test]
fn images_that_cannot_be_used() {
    let bench = Bench::new();
    let whole = read(bench.path("train/0.png"));
    fs::write(bench.path("train/0.png"), &whole[..whole.len() / 2]).expect("written");
    refuses(&mut bench.smoke("run"), &["0.png"]);
    fs::write(bench.path("train/0.png"), b"no image").expect("written");
    refuses(&mut bench.smoke("run"), &["0.png"]);
    fs::write(bench.path("train/0.png"), &whole).expect("written");
    refuses(bench.smoke("run").args(["--crop", "49"]), &["48x48", "49"]);
    assert!(!bench.path("run").exists(), "a refused call leaves nothing");
}

#[test]
fn settings_that_make_no_sense() {
    let bench = Bench::new();
    for sigma in ["0", "-5", "nan", "inf"] {
        refuses(
            bench.smoke("run").args(["--sigma", sigma]),
            &["--sigma", "> 0"],
        );
        let mut evaluate = bilevel();
        evaluate
            .args(["evaluate", "--sigma", sigma, "--images"])
            .arg(bench.path("test"));
        refuses(&mut evaluate, &["--sigma", "> 0"]);
    }
    refuses(
        bench.smoke("run").args(["--learning-rate", "0"]),
        &["--learning-rate"],
    );
    refuses(bench.smoke("run").args(["--steps", "0"]), &["--steps"]);
    refuses(bench.smoke("run").args(["--crop", "2"]), &["--crop"]);
    assert!(!bench.path("run").exists(), "a refused call leaves nothing");
}

#[test]
fn models_that_cannot_be_used() {
    let bench = Bench::new();
    let whole = read(bench.model());
    let bad = bench.path("bad.safetensors");
    let mut evaluate = bilevel();
    evaluate
        .args(["evaluate", "--images"])
        .arg(bench.path("test"))
        .arg("--model")
        .arg(&bad);

    refuses(&mut evaluate, &["bad.safetensors", "cannot read"]);
    fs::write(&bad, &whole[..whole.len() - 1]).expect("written");
    refuses(&mut evaluate, &["bad.safetensors", "copy it again"]);
    let replaced = |from: &str, to: &str| {
        let text = whole.iter().map(|&b| b as char).collect::<String>();
        assert!(text.contains(from), "the header changed: mend this test");
        text.replace(from, to)
            .chars()
            .map(|c| c as u8)
            .collect::<Vec<u8>>()
    };
    fs::write(&bad, replaced(r#"\"version\":1"#, r#"\"version\":9"#)).expect("written");
    refuses(
        &mut evaluate,
        &["bad.safetensors", "version 9", "update the tool"],
    );
    fs::write(&bad, replaced("denoiser-fields", "unknown--fields")).expect("written");
    refuses(
        &mut evaluate,
        &["bad.safetensors", "unknown--fields-of-experts"],
    );
    fs::write(&bad, b"").expect("written");
    refuses(&mut evaluate, &["bad.safetensors", "copy it again"]);
}

#[test]
fn output_folders_that_cannot_be_used() {
    let bench = Bench::new();
    let file = bench.path("file");
    fs::write(&file, "in the way").expect("written");
    refuses(&mut bench.smoke("file/run"), &["file/run", "--output"]);
    refuses(
        bench.train("run").arg("--resume"),
        &["run", "no run to resume"],
    );

    bench.smoke("run").args(["--steps", "2"]).assert().success();
    let before = read(bench.path("run/metrics.jsonl"));
    refuses(&mut bench.smoke("run"), &["run", "--resume", "--overwrite"]);
    assert_eq!(
        read(bench.path("run/metrics.jsonl")),
        before,
        "the old run is untouched"
    );
    bench
        .smoke("run")
        .args(["--steps", "1", "--overwrite"])
        .assert()
        .success();

    fs::write(bench.path("run/state.safetensors"), b"damaged").expect("written");
    refuses(
        bench.train("run").arg("--resume"),
        &["state.safetensors", "--overwrite"],
    );
}

#[test]
fn a_run_that_diverges_keeps_its_last_good_state() {
    let bench = Bench::new();
    let output = bench
        .smoke("run")
        .args(["--learning-rate", "1e30"])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stderr).expect("utf-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("upper step")
            && text.contains("not finite")
            && text.contains("learning rate"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(bench.path("run/state.safetensors").exists());
}
