//! The binary as a person meets it: runs, resumes, and says in one line what is wrong.

use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;

use crate::common::{bilevel, read, refuses, scene};
use assert_cmd::Command;
use bilevel_data::GrayImage;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with images to learn from, to choose by and to report on.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `train denoise` on the bench, in small.
    pub fn train(&self, run: &str) -> Command {
        self.train_for("denoise", run)
    }

    /// `train` for a task on the bench.
    fn train_for(&self, task: &str, run: &str) -> Command {
        let mut command = bilevel();
        command.args(["train", task]);
        for part in ["train", "val", "test"] {
            command.arg(format!("--{part}")).arg(self.path(part));
        }
        command.arg("--output").arg(self.path(run));
        command
    }

    /// `train denoise --resume`, with no word of where the images are.
    pub fn resume(&self, run: &str) -> Command {
        let mut command = bilevel();
        command.args(["train", "denoise", "--resume", "--output"]);
        command.arg(self.path(run));
        command
    }

    pub fn smoke(&self, run: &str) -> Command {
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
    assert!(mean("learned") > mean("data"), "{json}");

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
            // Of the run that writes here, while it does.
            ".lock",
            "comparison.png",
            "curves.png",
            "curves.svg",
            "evaluation.json",
            "filters.png",
            "metrics.jsonl",
            "model.safetensors",
            "recipe.toml",
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

/// A solver that looks every third step can only stop there, or where its steps are all made.
#[test]
fn solvers_look_as_seldom_as_they_are_told_to() {
    let bench = Bench::new();
    let mut train = bench.smoke("run");
    train.args(["--read-every", "3"]).assert().success();
    let text = |file: &str| fs::read_to_string(bench.path("run").join(file)).expect("a file");
    let recipe: toml::Table = toml::from_str(&text("recipe.toml")).expect("TOML");
    assert_eq!(recipe["read_every"].as_integer(), Some(3));
    let most = recipe["stage"][0]["estimator"]["lower_steps"].as_integer();
    let mut early = 0;
    for line in text("metrics.jsonl").lines() {
        let report: Value = serde_json::from_str(line).expect("JSON");
        let steps = report["lower"]["steps"].as_i64();
        early += usize::from(steps > Some(0) && steps < most);
        let looked = steps.is_some_and(|steps| steps % 3 == 0);
        assert!(looked || steps == most, "{steps:?} steps");
    }
    assert!(early > 0, "no solver ended by its residual");
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
    for scores in [&json, &json["data"]] {
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
    let noisy = json["data"]["psnr_mean"].as_f64().expect("a number");
    assert!(
        (noisy - 20.17).abs() < 0.3,
        "noise of 25/255 leaves 20.17 dB: {noisy}"
    );
}

/// The models beside the sources, by the table in their README: its last column is the mean over
/// the first two of the twelve test photographs.
#[test]
fn the_models_on_board_are_as_good_as_their_readme_says() {
    let bench = Bench::new();
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let sample = bench.path("sample");
    fs::create_dir(&sample).expect("made");
    for name in ["astronaut.png", "camera.png"] {
        let from = here.join("assets/images/test").join(name);
        fs::copy(from, sample.join(name)).expect("copied");
    }
    let models = here.join("assets/models");
    let readme = fs::read_to_string(models.join("README.md")).expect("the README");
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let files = fs::read_dir(&models).expect("the folder").count();
    assert_eq!(rows.len(), files - 1, "a row for every model");
    // Those that learn from a few pictures are in tests/few_shot.rs.
    let few_shot = |row: &&Vec<&str>| row[0].contains("maml") || row[0].contains("protonet");
    for row in rows.iter().filter(|row| !few_shot(row)) {
        let model = models.join(row[0].trim_matches('`'));
        let stated: f64 = row[row.len() - 1].parse().expect("a number");
        let output = bilevel()
            .args(["evaluate", "--json", "--images"])
            .arg(&sample)
            .arg("--model")
            .arg(model)
            .output();
        let output = output.expect("it runs").stdout;
        let json: Value = serde_json::from_slice(&output).expect("one JSON object");
        let psnr = json["psnr_mean"].as_f64().expect("a number");
        assert!((psnr - stated).abs() < 0.02, "{}: {psnr} dB", row[0]);
        assert_eq!(json["not_converged"].as_array().map(Vec::len), Some(0));
    }
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
            &["--sigma", "above 0"],
        );
        let mut evaluate = bilevel();
        evaluate
            .args(["evaluate", "--sigma", sigma, "--images"])
            .arg(bench.path("test"));
        refuses(&mut evaluate, &["--sigma", "above 0"]);
    }
    refuses(
        bench.smoke("run").args(["--learning-rate", "0"]),
        &["--learning-rate"],
    );
    refuses(bench.smoke("run").args(["--steps", "0"]), &["--steps"]);
    refuses(bench.smoke("run").args(["--crop", "2"]), &["--crop"]);
    refuses(
        bench.smoke("run").args(["--read-every", "0"]),
        &["--read-every", "from 1"],
    );
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
    fs::write(&bad, replaced("learned-regularizer", "unknown-regularizer")).expect("written");
    refuses(&mut evaluate, &["bad.safetensors", "unknown-regularizer"]);
    // Trained for another number of channels.
    fs::write(&bad, replaced("[8,1,3,3]", "[4,2,3,3]")).expect("written");
    refuses(
        &mut evaluate,
        &["bad.safetensors", "filters", "[4, 2, 3, 3]", "[8, 1, 3, 3]"],
    );
    fs::write(&bad, b"").expect("written");
    refuses(&mut evaluate, &["bad.safetensors", "copy it again"]);
}

/// A few steps on every task but denoising, which the other tests are about.
#[test]
fn every_task_can_be_trained_evaluated_and_used() {
    let bench = Bench::new();
    for task in ["deblur", "inpaint", "upscale"] {
        let mut train = bench.train_for(task, task);
        train.args(["--preset", "smoke"]).assert().success();
        let evaluation = read(bench.path(task).join("evaluation.json"));
        let json: Value = serde_json::from_slice(&evaluation).expect("JSON");
        let learned = json["learned"]["psnr_mean"].as_f64().expect("a number");
        assert!(learned > 15.0, "{task}: {learned} dB");
        if let Some(data) = json["data"]["psnr_mean"].as_f64() {
            assert!(learned > data, "{task}: {learned} dB from {data} dB");
        }
        let mut evaluate = bilevel();
        evaluate.args(["evaluate", "--json", "--images"]);
        evaluate.arg(bench.path("test")).arg("--model");
        let evaluate = evaluate.arg(bench.path(task).join("model.safetensors"));
        let output = evaluate.output().expect("it runs");
        let again: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(again["task"], task);
        assert_eq!(again["psnr_mean"], json["learned"]["psnr_mean"], "{task}");
    }
}

#[test]
fn recipes_decide_what_is_learned_and_how() {
    let bench = Bench::new();
    let feedback = "bregman = { every = 2, feedback = 0.5 }";
    let recipe = |regularizer: &str, estimator: &str| {
        let used = if estimator.contains(feedback) {
            format!(", {feedback}")
        } else {
            String::new()
        };
        format!(
            "sigma = 25.0\nseed = 0\ncrop = 24\nmargin = 2\nbatch = 2\ntasks = 2\n\
             loss = \"log-mean-square\"\nvalidate_every = 2\n\
             degradation = {{ kind = \"none\" }}\nregularizer = {{ {regularizer} }}\n\
             reconstruction = {{ kind = \"descent\", steps = 3, step_size = 0.3{used} }}\n\
             [[stage]]\nsteps = 1\nlearning_rate = 0.001\n\
             estimator = {{ kind = \"score-matching\" }}\n\
             [[stage]]\nsteps = 2\nlearning_rate = 0.001\nestimator = {{ {estimator} }}\n"
        )
    };
    let implicit = |solver: &str| {
        format!(
            "kind = \"implicit\", solver = \"{solver}\", lower_tolerance = 1e-3, \
             lower_steps = 30, adjoint_tolerance = 1e-2, adjoint_steps = 5"
        )
    };
    let free = "kind = \"jacobian-free\", lower_tolerance = 1e-3, lower_steps = 30";
    let unrolled = "kind = \"unrolled\", steps = 3, step_size = 0.3";
    let ridge = "kind = \"ridge\", filters = 4, size = 3, knots = 5, weak_convexity = 0.5";
    let cases = [
        (ridge, implicit("conjugate-gradient")),
        (ridge, implicit("minres")),
        (
            "kind = \"convex-network\", channels = 3, size = 3",
            free.to_owned(),
        ),
        (
            "kind = \"deep-variation\", channels = 3, size = 3, scales = 2",
            unrolled.to_owned(),
        ),
        (
            "kind = \"residual-prior\", channels = 3, size = 3, scales = 2",
            unrolled.to_owned(),
        ),
        ("kind = \"tv\"", format!("{unrolled}, momentum = 0.5")),
        ("kind = \"tv\"", unrolled.to_owned()),
        ("kind = \"tv\"", format!("{unrolled}, {feedback}")),
    ];
    let path = bench.path("recipe.toml");
    for (number, (regularizer, estimator)) in cases.iter().enumerate() {
        let text = recipe(regularizer, estimator);
        fs::write(&path, &text).expect("written");
        let run = format!("run{number}");
        let mut train = bench.train(&run);
        let output = train.arg("--recipe").arg(&path).arg("--json").output();
        let output = output.expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{errors}");
        let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(json["steps"], 3);
        let mean = |key: &str| json[key]["psnr_mean"].as_f64().expect("a number");
        assert!(mean("learned") > mean("data"), "{text}\n{json}");
        // Learning goes on from a model, of the same kind only.
        let mut from = bench.train("from");
        from.args(["--overwrite", "--recipe"])
            .arg(&path)
            .arg("--from");
        from.arg(bench.path(&run).join("model.safetensors"));
        from.assert().success();
        // What the run used is a recipe too.
        let again = bench.path(&run).join("recipe.toml");
        let mut train = bench.train("again");
        train.args(["--overwrite", "--recipe"]).arg(&again);
        train.assert().success();
        let model = |run: &str| read(bench.path(run).join("model.safetensors"));
        assert_eq!(model(&run), model("again"), "{text}");
    }
    // The last two: what is learned from is another image where data are given back.
    let losses = |number: usize| {
        let metrics = read(bench.path(&format!("run{number}")).join("metrics.jsonl"));
        let metrics = String::from_utf8(metrics).expect("utf-8");
        let loss = |line| serde_json::from_str::<Value>(line).expect("JSON")["upper_loss"].clone();
        metrics.lines().map(loss).collect::<Vec<_>>()
    };
    let (without, with) = (losses(cases.len() - 2), losses(cases.len() - 1));
    assert_eq!(without[0], with[0], "score matching");
    assert_ne!(without[1], with[1]);
}

#[test]
fn recipes_that_cannot_be_used() {
    let bench = Bench::new();
    bench.smoke("run").assert().success();
    let recipe = String::from_utf8(read(bench.path("run/recipe.toml"))).expect("utf-8");
    let path = bench.path("recipe.toml");
    let mut train = bench.train("other");
    train.arg("--recipe").arg(&path);
    refuses(&mut train, &["recipe.toml", "cannot read"]);
    for (from, to, words) in [
        ("margin", "magrin", ["line", "magrin"]),
        ("lower_steps", "lower_stepz", ["line", "lower_stepz"]),
        ("\"fields-of-experts\"", "\"fields\"", ["fields", "ridge"]),
        ("crop = 32", "crop = \"large\"", ["line 3", "expected"]),
        ("batch = 4", "batch = 0", ["batch", "from 1"]),
        (
            "[[stage]]",
            "[[stage]]\nsteps = 1\nlearning_rate = 1.0\n[stage.estimator]\nkind = \"unrolled\"\n\
             steps = 2\nstep_size = 0.1\nmomentum = 1.0\n[[stage]]",
            ["momentum", "[0, 1)"],
        ),
        (
            "\"none\"",
            "\"lost-pixels\"\nkept = 0.5\nseed = 1",
            ["train inpaint", "task"],
        ),
    ] {
        assert!(recipe.contains(from), "the recipe changed: mend this test");
        fs::write(&path, recipe.replacen(from, to, 1)).expect("written");
        refuses(&mut train, &words);
    }
    assert!(
        !bench.path("other").exists(),
        "a refused call leaves nothing"
    );
}

#[test]
fn photographs_are_reconstructed_by_the_physics_that_is_named() {
    let bench = Bench::new();
    let clean = scene(48, 4);
    let input = bench.path("input.png");
    let output = bench.path("output.png");
    let reconstruct = |words: &[&str]| {
        let mut command = bilevel();
        command
            .arg("reconstruct")
            .arg(&input)
            .arg("-o")
            .arg(&output);
        command.args(words);
        command
    };
    // Every fourth pixel is lost.
    let lost = |i: usize| i % 4 == 1;
    let pixels = clean.pixels().iter().enumerate();
    let data: Vec<f32> = pixels
        .map(|(i, &v)| if lost(i) { 0.0 } else { v })
        .collect();
    let mask: Vec<f32> = (0..48 * 48)
        .map(|i| f32::from(u8::from(!lost(i))))
        .collect();
    let data = GrayImage::new(48, 48, data);
    data.save_png(&input).expect("saved");
    let mask_path = bench.path("mask.png");
    let mask_words = [
        "--physics",
        "lost-pixels",
        "--mask",
        mask_path.to_str().expect("utf-8"),
    ];
    GrayImage::new(48, 48, mask)
        .save_png(&mask_path)
        .expect("saved");
    reconstruct(&mask_words).assert().success();
    let filled = GrayImage::load(&output).expect("opens");
    let gain = bilevel_data::psnr(&filled, &clean) - bilevel_data::psnr(&data, &clean);
    assert!(gain > 10.0, "{gain} dB");

    reconstruct(&["--physics", "blur", "--kernel", "gaussian:5:1.0"])
        .assert()
        .success();
    reconstruct(&["--physics", "downsampled", "--kernel", "gaussian:3:0.8"])
        .assert()
        .success();
    assert_eq!(GrayImage::load(&output).expect("opens").width(), 96);

    GrayImage::new(40, 48, vec![1.0; 40 * 48])
        .save_png(&mask_path)
        .expect("saved");
    refuses(&mut reconstruct(&mask_words), &["input.png", "40", "48"]);
    let blur = |kernel| reconstruct(&["--physics", "blur", "--kernel", kernel]);
    refuses(&mut blur("gaussian:51:9"), &["input.png", "51", "48"]);
    refuses(&mut blur("box:3"), &["box:3", "gaussian:5:1.0"]);
    refuses(&mut blur("gaussian:4:1"), &["4", "odd"]);
    refuses(&mut reconstruct(&["--physics", "blur"]), &["--kernel"]);
    let crr = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/models/denoise-crr-sigma25.safetensors"
    );
    let words = [
        "--model",
        crr,
        "--physics",
        "blur",
        "--kernel",
        "gaussian:5:1",
    ];
    refuses(&mut reconstruct(&words), &["Bregman", "--physics"]);
    refuses(&mut reconstruct(&["--physics", "masked"]), &["--mask"]);
    refuses(
        &mut reconstruct(&["--kernel", "gaussian:5:1"]),
        &["--physics"],
    );
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

/// Words of before are understood: what is wrong with these calls is something else.
#[test]
fn older_words_of_options_are_understood() {
    let nowhere = ["--data", "/nowhere"];
    refuses(
        bilevel().args(["clean", "--references"]).args(nowhere),
        &["/nowhere"],
    );
    refuses(
        bilevel().args(["distributed", "local", "--look", "-1"]),
        &["--eval-every"],
    );
    refuses(
        bilevel().args([
            "few-shot",
            "adapt",
            "--paper",
            "--model",
            "/nowhere.safetensors",
            "--support",
            "/nowhere",
            "/nothing",
        ]),
        &["/nowhere"],
    );
    for physics in ["halved", "lost-pixels"] {
        let call = [
            "reconstruct",
            "/nowhere.png",
            "-o",
            "/nothing.png",
            "--physics",
            physics,
        ];
        let output = bilevel().args(call).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("is none of"), "{text}");
    }
    refuses(
        bilevel().args(["reconstruct", "a.png", "-o", "b.png", "--physics", "cut"]),
        &["masked", "downsampled"],
    );
}
