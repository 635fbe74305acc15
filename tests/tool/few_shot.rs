//! `few-shot` as a person meets it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{bilevel, read, refuses};
use bilevel_data::{EpisodeSampler, EpisodeShape, GlyphSplit, GrayImage, load_glyphs};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn glyphs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/glyphs")
}

fn on_board(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/models")
        .join(name)
}

/// Glyphs of five classes as folders of pictures, and others of the same classes; ink is white.
fn folders(root: &Path) -> (PathBuf, Vec<(PathBuf, String)>) {
    let test = load_glyphs(glyphs(), GlyphSplit::Test).expect("glyphs");
    let shape = EpisodeShape {
        ways: 5,
        shots: 1,
        queries: 3,
    };
    let sampler = EpisodeSampler::new(&test, shape).expect("an episode");
    let episode = sampler.episode(5, 0);
    let picture = |row: &[f32]| GrayImage::new(28, 28, row.to_vec());
    let support = root.join("support");
    for i in 0..episode.support().len() {
        let class = support.join(format!("class {}", episode.support().label(i)));
        fs::create_dir_all(&class).expect("made");
        let image = picture(episode.support().row(i));
        image.save_png(class.join("one.png")).expect("saved");
    }
    let queries = root.join("queries");
    fs::create_dir(&queries).expect("made");
    let queries = (0..episode.query().len()).map(|i| {
        let path = queries.join(format!("{i:02}.png"));
        picture(episode.query().row(i))
            .save_png(&path)
            .expect("saved");
        (path, format!("class {}", episode.query().label(i)))
    });
    (support, queries.collect())
}

#[test]
fn training_leaves_a_model_that_can_be_used() {
    let folder = folder();
    let run = folder.path().join("run");
    let train = |run: &Path| {
        let mut train = bilevel();
        train.args(["few-shot", "train", "--preset", "smoke", "--json", "--data"]);
        train.arg(glyphs()).arg("--output").arg(run);
        train
    };
    let output = train(&run).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let accuracy = json["test_accuracy"].as_f64().expect("a number");
    assert!((0.2..1.0).contains(&accuracy), "{json}");
    assert!(json["test_interval"].as_f64().expect("a number") < 0.02);
    for file in ["recipe.toml", "curves.svg", "evaluation.json"] {
        assert!(!read(run.join(file)).is_empty());
    }
    let sheet = image::open(run.join("episode.png")).expect("a picture");
    assert!(sheet.width() > 300);
    let lines = String::from_utf8(read(run.join("metrics.jsonl"))).expect("utf-8");
    assert_eq!(
        lines.lines().count(),
        json["steps"].as_u64().expect("steps") as usize
    );

    refuses(&mut train(&run), &["already holds a run", "--overwrite"]);
    // The same seed is the same run.
    let again = folder.path().join("again");
    train(&again).assert().success();
    let model = "model.safetensors";
    assert_eq!(read(run.join(model)), read(again.join(model)));

    let mut evaluate = bilevel();
    evaluate.args([
        "few-shot",
        "evaluate",
        "--episodes",
        "20",
        "--ways",
        "7",
        "--json",
    ]);
    evaluate
        .arg("--data")
        .arg(glyphs())
        .arg("--model")
        .arg(run.join(model));
    let output = evaluate.output().expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(
        (json["ways"].as_u64(), json["episodes"].as_u64()),
        (Some(7), Some(20))
    );
    assert!(json["accuracy"].as_f64().expect("a number") > 1.0 / 7.0);
    assert!(json["interval"].as_f64().expect("a number") > 0.0);
}

/// What the README of the models says, on fewer tasks: within what chance leaves.
#[test]
fn the_models_on_board_are_as_good_as_their_readme_says() {
    let readme = String::from_utf8(read(on_board("README.md"))).expect("utf-8");
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `maml") || line.starts_with("| `protonet"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(!rows.is_empty());
    for row in rows {
        let model = on_board(row[0].trim_matches('`'));
        for (shots, column) in [("1", 3), ("5", 4)] {
            let stated: f64 = row[column]
                .split_whitespace()
                .next()
                .and_then(|number| number.parse().ok())
                .expect("a number");
            let mut evaluate = bilevel();
            evaluate.args([
                "few-shot",
                "evaluate",
                "--episodes",
                "60",
                "--seed",
                "2",
                "--json",
            ]);
            evaluate
                .args(["--shots", shots, "--data"])
                .arg(glyphs())
                .arg("--model")
                .arg(&model);
            let output = evaluate.output().expect("it runs");
            let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
            let found = 100.0 * json["accuracy"].as_f64().expect("a number");
            // Three standard deviations of a mean over 60 tasks, the interval being 1.96.
            let chance = 1.5 * 100.0 * json["interval"].as_f64().expect("a number");
            assert!(
                (found - stated).abs() < chance + 0.3,
                "{row:?}: {found}, ± {chance}"
            );
        }
    }
}

#[test]
fn a_few_pictures_name_others() {
    let folder = folder();
    let (support, queries) = folders(folder.path());
    let picture = folder.path().join("sheet.png");
    let mut adapt = bilevel();
    adapt.args(["few-shot", "adapt", "--json", "--model"]);
    adapt.arg(on_board("protonet-conv4.safetensors"));
    adapt
        .arg("--support")
        .arg(&support)
        .arg("--picture")
        .arg(&picture);
    adapt.arg(folder.path().join("queries"));
    let output = adapt.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a JSON list");
    assert_eq!(answers.len(), queries.len());
    let right = answers
        .iter()
        .zip(&queries)
        .filter(|(answer, (path, class))| {
            assert!(
                answer["file"]
                    .as_str()
                    .expect("a path")
                    .ends_with(path.file_name().and_then(|n| n.to_str()).expect("utf-8"))
            );
            answer["class"] == class.as_str()
        });
    let right = right.count();
    assert!(
        right * 10 >= queries.len() * 7,
        "{right} of {}",
        queries.len()
    );
    assert!(image::open(picture).expect("a picture").height() > 300);
}

#[test]
fn mistakes_are_one_line() {
    let folder = folder();
    let (support, queries) = folders(folder.path());
    let model = on_board("protonet-conv4.safetensors");
    let evaluate = |arguments: &[&str]| {
        let mut evaluate = bilevel();
        evaluate
            .args(["few-shot", "evaluate", "--data"])
            .arg(glyphs());
        evaluate.arg("--model").arg(&model).args(arguments);
        evaluate
    };
    refuses(
        &mut evaluate(&["--ways", "300"]),
        &["209 classes", "300 ways"],
    );
    refuses(
        &mut evaluate(&["--shots", "10"]),
        &["20 samples", "10 shots", "15 queries"],
    );
    refuses(&mut evaluate(&["--shots", "0"]), &["--shots", "from 1"]);
    refuses(&mut evaluate(&["--episodes", "1"]), &["--episodes"]);

    let adapt = |support: &Path, input: &Path| {
        let mut adapt = bilevel();
        adapt.args(["few-shot", "adapt", "--model"]).arg(&model);
        adapt.arg("--support").arg(support).arg(input);
        adapt
    };
    let own = support.join("class 0/one.png");
    refuses(&mut adapt(&support, &own), &["both support and queries"]);
    refuses(
        &mut adapt(&folder.path().join("none"), &queries[0].0),
        &["none"],
    );
    GrayImage::new(5, 4, vec![0.0; 20])
        .save_png(support.join("class 1/small.png"))
        .expect("saved");
    refuses(&mut adapt(&support, &queries[0].0), &["small.png"]);
    fs::write(support.join("class 1/small.png"), "").expect("written");
    refuses(&mut adapt(&support, &queries[0].0), &["small.png"]);

    let denoiser = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/models/denoise-wcrr-sigma25.safetensors");
    let mut other = bilevel();
    other
        .args(["few-shot", "evaluate", "--model"])
        .arg(denoiser);
    refuses(&mut other, &["few-shot-learner", "few-shot train"]);
}

/// A run that was stopped twice ends with the bits of one that was not, and is gone on with from
/// where it stands.
#[test]
fn training_resumes() {
    let folder = folder();
    let train = |name: &str, arguments: &[&str]| {
        let mut train = bilevel();
        train.args(["few-shot", "train"]).args(arguments);
        train.arg("--output").arg(folder.path().join(name));
        train
    };
    let data = glyphs();
    let data = data.to_str().expect("utf-8");
    let start = ["--preset", "smoke", "--data", data];
    train("whole", &start).assert().success();
    refuses(&mut train("parts", &["--resume"]), &["parts", "no run"]);
    let first = [&start[..], &["--stop-after", "3"]].concat();
    let output = train("parts", &first).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("after step 3") && errors.contains("--resume"));
    let again = train("parts", &["--resume", "--stop-after", "2"]).output();
    let errors = String::from_utf8_lossy(&again.expect("it runs").stderr).into_owned();
    assert!(errors.contains("after step 5"), "{errors}");
    train("parts", &["--resume"]).assert().success();
    for file in ["model.safetensors", "metrics.jsonl"] {
        let [whole, parts] = ["whole", "parts"].map(|run| read(folder.path().join(run).join(file)));
        assert!(whole == parts, "{file}");
    }
    let seed = train("parts", &["--resume", "--seed", "3"]).output();
    assert_eq!(seed.expect("it runs").status.code(), Some(2));
}

const RECIPE: &str = r#"
seed = 0
steps = 1
batch = 1
learning_rate = 0.001
validate_every = 1
rotations = false
normalization = "transductive"

[training]
ways = 5
shots = 1
queries = 5

[validation]
ways = 5
shots = 1
queries = 5

[method]
kind = "maml"
steps = 3
rates = { fixed = 0.4 }

[network]
kind = "conv4"
channels = 8
side = 28
classes = 5
kept_steps = 1
"#;

/// Two tasks in one go give the numbers of two tasks; a method that takes one at a time says so.
#[test]
fn tasks_at_once_are_tasks_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let train = |name: &str, recipe: String| {
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, recipe).expect("written");
        let mut train = bilevel();
        train.args(["few-shot", "train", "--json", "--data"]);
        train.arg(glyphs()).arg("--recipe").arg(path);
        train.arg("--output").arg(folder.path().join(name));
        train
    };
    let pairs = RECIPE.replace("batch = 1", "batch = 2");
    let together = pairs.replace("batch = 2", "batch = 2\ntasks_at_once = 2");
    let first = |name: &str, recipe: &str| -> Value {
        train(name, recipe.to_owned()).assert().success();
        let lines = read(folder.path().join(name).join("metrics.jsonl"));
        let line = lines.split(|byte| *byte == b'\n').next().expect("a line");
        serde_json::from_slice(line).expect("JSON")
    };
    let (one_by_one, at_once) = (first("pairs", &pairs), first("together", &together));
    for key in ["loss", "accuracy", "gradient_norm"] {
        let [a, b] = [&one_by_one, &at_once].map(|line| line[key].as_f64().expect("a number"));
        assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{key}: {a} and {b}");
    }
    let method = together.find("[method]").expect("a method");
    let network = together.find("[network]").expect("a network");
    let reptile = "[method]\nkind = \"reptile\"\nsteps = 2\nrate = 0.1\n\n";
    let other = [&together[..method], reptile, &together[network..]].concat();
    refuses(&mut train("other", other), &["tasks_at_once", "maml"]);
}

/// Not a panic in the middle of the first step.
#[test]
fn too_few_bytes_are_an_error_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = folder.path().join("recipe.toml");
    let text = RECIPE.replace("steps = 3\n", "steps = 3\nbytes = 1000\n");
    std::fs::write(&recipe, text).expect("written");
    let mut train = bilevel();
    train
        .args(["few-shot", "train", "--data"])
        .arg(glyphs())
        .arg("--recipe")
        .arg(&recipe)
        .arg("--output")
        .arg(folder.path().join("run"));
    refuses(&mut train, &["bytes", "1000", "give at least"]);
}
