//! Numbers and files that nobody should give: one line and exit code 2, at once.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use bilevel_data::GrayImage;
use safetensors::tensor::{Dtype, TensorView};

use crate::command_line::Bench;
use crate::common::{bilevel, read, refuses, scene};

/// Numbers of the command line that no range holds.
#[test]
fn every_number_that_is_typed_has_a_range() {
    let huge = "18446744073709551615";
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/images/val");
    let evaluate = ["evaluate", "--images", images, "--sigma"];
    let few_shot = ["few-shot", "evaluate", "--model", "none"];
    let audit = ["audit", "denoise", "--estimator", "implicit"];
    let blur = [
        "reconstruct",
        "in.png",
        "-o",
        "out.png",
        "--physics",
        "blur",
        "--kernel",
    ];
    let kernel = format!("gaussian:{huge}:1");
    for (call, more, word) in [
        (&evaluate[..], &["1e300"][..], "at most 255"),
        (&evaluate, &["2500"], "at most 255"),
        (&evaluate, &["nan"], "at most 255"),
        (&["train", "denoise"], &["--steps", huge], "must be from"),
        (&["train", "denoise"], &["--crop", huge], "must be from"),
        (&["train", "denoise"], &["--sigma", "1e300"], "at most 255"),
        (&few_shot, &["--queries", huge], "must be from"),
        (&few_shot, &["--shots", huge], "must be from"),
        (&few_shot, &["--episodes", huge], "must be from"),
        (
            &["distributed", "local"],
            &["--workers", huge],
            "must be from",
        ),
        (
            &["distributed", "local"],
            &["--refresh", huge],
            "must be from",
        ),
        (&audit, &["--images", huge], "must be from"),
        (&audit, &["--draws", huge], "must be from"),
        (
            &["compare", "algorithms"],
            &["--images", huge],
            "must be from",
        ),
        (
            &["compare", "algorithms"],
            &["--budget", huge],
            "must be from",
        ),
        (&["bench", "stochastic"], &["--calls", "0"], "must be from"),
        (&["clean"], &["--snapshots", "1000000"], "0..=1000"),
        (&["clean"], &["--batch", huge], "must be from"),
        (&["clean"], &["--terms", huge], "must be from"),
        (&blur, &[&kernel], "at most 999"),
        (&blur, &["motion:100000:30"], "at most 999"),
        (&blur, &["motion:1e300:30"], "at most 999"),
    ] {
        refuses(bilevel().args(call).args(more), &[word]);
    }
}

/// A tensor: its name, its shape, its bytes.
type Value = (String, Vec<usize>, Vec<u8>);

/// A model file with this header and these values.
fn model_file(path: &Path, header: &str, values: &[Value]) {
    let views = values.iter().map(|(name, shape, bytes)| {
        (
            name.clone(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"),
        )
    });
    let metadata = [("bilevel".to_owned(), header.to_owned())].into();
    let file = safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata));
    fs::write(path, file.expect("a file")).expect("written");
}

/// The header and the values of a model file.
fn parts(path: &Path) -> (String, Vec<Value>) {
    let file = read(path);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&file).expect("a header");
    let header = metadata.metadata().as_ref().expect("metadata")["bilevel"].clone();
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("tensors");
    let values = tensors.tensors();
    let values = values
        .iter()
        .map(|(name, view)| (name.clone(), view.shape().to_vec(), view.data().to_vec()));
    (header, values.collect())
}

fn smoke_model(bench: &Bench) -> std::path::PathBuf {
    bench
        .smoke("trained")
        .args(["--steps", "1"])
        .assert()
        .success();
    bench.path("trained/model.safetensors")
}

#[test]
fn headers_of_models_are_checked_before_memory_is_taken() {
    let bench = Bench::new();
    let trained = smoke_model(&bench);
    let (header, values) = parts(&trained);
    let path = bench.path("bad.safetensors");
    scene(48, 1).save_png(bench.path("in.png")).expect("saved");
    let mut regularizers = vec![
        r#"{"kind":"deep-variation","channels":4096,"size":99,"scales":8,"stride":1}"#.to_owned(),
        r#"{"kind":"convex-network","channels":4096,"size":99}"#.to_owned(),
        r#"{"kind":"deep-variation","channels":8,"size":3,"scales":9,"stride":1}"#.to_owned(),
        r#"{"kind":"deep-variation","channels":8,"size":3,"scales":3,"stride":4}"#.to_owned(),
    ];
    for (filters, size, knots) in [
        ("0", "3", "4"),
        ("9", "3", "4"),
        ("8", "4", "4"),
        ("8", "3", "0"),
        ("18446744073709551615", "3", "4"),
        ("8", "18446744073709551615", "4"),
        ("8", "3", "18446744073709551615"),
    ] {
        regularizers.push(format!(
            r#"{{"kind":"ridge","filters":{filters},"size":{size},"knots":{knots}}}"#
        ));
    }
    let start = header.find("\"regularizer\":{").expect("it has one") + "\"regularizer\":".len();
    let end = start + header[start..].find('}').expect("it ends") + 1;
    let denoise = |path: &Path| {
        let mut denoise = bilevel();
        denoise
            .arg("denoise")
            .arg(bench.path("in.png"))
            .arg("-o")
            .arg(bench.path("out.png"));
        denoise.arg("--model").arg(path);
        denoise
    };
    for regularizer in regularizers {
        let bad = format!("{}{regularizer}{}", &header[..start], &header[end..]);
        model_file(&path, &bad, &values);
        refuses(&mut denoise(&path), &["bad.safetensors", "damaged"]);
    }
    for (from, to) in [
        ("\"sigma\":25.0", "\"sigma\":1e300"),
        ("\"tolerance\":0.0003", "\"tolerance\":0.0"),
        ("\"max_steps\":500", "\"max_steps\":18446744073709551615"),
    ] {
        assert!(
            header.contains(from),
            "the header changed: mend this test: {header}"
        );
        model_file(&path, &header.replacen(from, to, 1), &values);
        refuses(&mut denoise(&path), &["bad.safetensors", "damaged"]);
    }
}

#[test]
fn headers_of_few_shot_models_are_checked_before_memory_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = "/assets/models/protonet-conv4.safetensors";
    let model = format!("{}{model}", env!("CARGO_MANIFEST_DIR"));
    let (header, values) = parts(Path::new(&model));
    let network = header.find("\"network\":{").expect("it has one") + "\"network\":".len();
    let end = network + header[network..].find('}').expect("it ends") + 1;
    let path = folder.path().join("bad.safetensors");
    for network_header in [
        r#"{"kind":"conv4","channels":64,"side":15,"classes":null,"kept_steps":1}"#,
        r#"{"kind":"conv4","channels":9223372036854775807,"side":28,"classes":null,"kept_steps":1}"#,
        r#"{"kind":"conv4","channels":64,"side":28,"classes":1099511627776,"kept_steps":1}"#,
        r#"{"kind":"conv4","channels":64,"side":28,"classes":null,"kept_steps":0}"#,
        r#"{"kind":"resnet12","channels":[4096,4096,4096,4096],"side":28,"classes":null,"kept_steps":1}"#,
    ] {
        let bad = format!("{}{network_header}{}", &header[..network], &header[end..]);
        model_file(&path, &bad, &values);
        let mut evaluate = bilevel();
        evaluate
            .args(["few-shot", "evaluate", "--model"])
            .arg(&path);
        refuses(&mut evaluate, &["bad.safetensors", "damaged"]);
    }
}

/// One weight of 3e38: what comes out is no image, and is neither saved nor scored.
#[test]
fn what_is_not_finite_is_not_a_result() {
    let bench = Bench::new();
    let trained = smoke_model(&bench);
    let (header, mut values) = parts(&trained);
    let weights = values
        .iter_mut()
        .find(|(name, ..)| name.contains("log_weights"));
    let (_, _, bytes) = weights.expect("it has weights");
    bytes[..4].copy_from_slice(&3e38f32.to_le_bytes());
    let path = bench.path("wild.safetensors");
    model_file(&path, &header, &values);
    let (input, output) = (bench.path("in.png"), bench.path("out.png"));
    for path in [&input, &output] {
        scene(48, 1).save_png(path).expect("saved");
    }
    let before = read(&output);
    let mut denoise = bilevel();
    denoise
        .arg("denoise")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .arg("--model")
        .arg(&path);
    refuses(&mut denoise, &["not finite"]);
    assert!(read(&output) == before, "the old image is still there");
    let mut evaluate = bilevel();
    evaluate
        .arg("evaluate")
        .arg("--images")
        .arg(bench.path("test"))
        .arg("--model")
        .arg(&path);
    refuses(&mut evaluate, &["not finite"]);
}

#[test]
fn images_too_small_to_be_scored_are_found_before_the_training() {
    let bench = Bench::new();
    for (task, part, side) in [
        // Its sides are made even.
        ("upscale", "test", 11),
        ("denoise", "val", 8),
        ("denoise", "test", 10),
    ] {
        let small = bench.path("small");
        let _ = fs::remove_dir_all(&small);
        fs::create_dir(&small).expect("made");
        scene(side, 1)
            .save_png(small.join("small.png"))
            .expect("saved");
        let mut train = bilevel();
        train
            .args(["train", task, "--preset", "smoke", "--output"])
            .arg(bench.path("run"));
        for other in ["train", "val", "test"] {
            let folder = if other == part {
                small.clone()
            } else {
                bench.path(other)
            };
            train.arg(format!("--{other}")).arg(folder);
        }
        refuses(&mut train, &["small", "SSIM"]);
        assert!(!bench.path("run").exists(), "a refused call leaves nothing");
    }
    let mut evaluate = bilevel();
    evaluate
        .arg("evaluate")
        .arg("--images")
        .arg(bench.path("small"));
    refuses(&mut evaluate, &["SSIM"]);
}

#[test]
fn recipes_whose_models_could_not_be_read_are_refused_before_the_training() {
    let bench = Bench::new();
    bench
        .smoke("run")
        .args(["--stop-after", "0"])
        .assert()
        .success();
    let recipe = String::from_utf8(read(bench.path("run/recipe.toml"))).expect("utf-8");
    let path = bench.path("recipe.toml");
    let from = recipe.find("[regularizer]").expect("it has one");
    let to = from + recipe[from..].find("\n\n").unwrap_or(recipe.len() - from);
    let end = recipe[from + 1..]
        .find("\n[")
        .map_or(to, |end| from + 1 + end);
    for regularizer in [
        "kind = \"deep-variation\"\nchannels = 8\nsize = 3\nscales = 9",
        "kind = \"deep-variation\"\nchannels = 8\nsize = 3\nscales = 0",
        "kind = \"deep-variation\"\nchannels = 8\nsize = 3\nscales = 3\nstride = 4",
        "kind = \"deep-variation\"\nchannels = 8\nsize = 3\nscales = 3\nstride = 0",
        "kind = \"residual-prior\"\nchannels = 0\nsize = 3\nscales = 3",
        "kind = \"ridge\"\nfilters = 0\nsize = 3\nknots = 4",
        "kind = \"ridge\"\nfilters = 9\nsize = 3\nknots = 4",
        "kind = \"ridge\"\nfilters = 8\nsize = 4\nknots = 4",
        "kind = \"ridge\"\nfilters = 8\nsize = 3\nknots = 0",
        "kind = \"ridge\"\nfilters = 8\nsize = 3\nknots = 4\nweak_convexity = -1.0",
    ] {
        let bad = format!(
            "{}[regularizer]\n{regularizer}\n{}",
            &recipe[..from],
            &recipe[end..]
        );
        fs::write(&path, bad).expect("written");
        let mut train = bench.train("other");
        refuses(train.arg("--recipe").arg(&path), &["regularizer"]);
    }
    for (from, to) in [
        ("lower_tolerance = ", "lower_tolerance = inf #"),
        ("lower_steps = ", "lower_steps = 0 #"),
        ("max_steps = ", "max_steps = 0 #"),
        ("tolerance = ", "tolerance = nan #"),
        ("learning_rate = ", "learning_rate = inf #"),
    ] {
        assert!(recipe.contains(from), "the recipe changed: mend this test");
        fs::write(&path, recipe.replacen(from, to, 1)).expect("written");
        refuses(bench.train("other").arg("--recipe").arg(&path), &[]);
    }
    assert!(
        !bench.path("other").exists(),
        "a refused call leaves nothing"
    );
}

/// An image that is met exactly has an infinite PSNR, here that of the data, on which so little
/// noise makes no difference: a word in JSON, which has no such number.
#[test]
fn an_infinite_psnr_is_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let flat = GrayImage::new(16, 16, vec![0.5; 256]);
    flat.save_png(folder.path().join("black.png"))
        .expect("saved");
    let output = bilevel()
        .args(["evaluate", "--json", "--sigma", "1e-9", "--images"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("utf-8");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["data"]["psnr_mean"], "inf", "{text}");
}

/// Names that are commands to a terminal reach it as text.
#[test]
#[cfg(unix)]
fn names_cannot_command_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "a\u{1b}[31mb\nc\u{9b}2J.png";
    scene(48, 1)
        .save_png(folder.path().join(name))
        .expect("saved");
    let check = |command: &mut Command| {
        let output = command.output().expect("it runs");
        for bytes in [&output.stdout, &output.stderr] {
            let text = String::from_utf8(bytes.clone()).expect("utf-8");
            assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
        }
        output
    };
    let output = check(bilevel().arg("evaluate").arg("--images").arg(folder.path()));
    let text = String::from_utf8(output.stdout).expect("utf-8");
    let json = check(
        bilevel()
            .args(["evaluate", "--json", "--images"])
            .arg(folder.path()),
    );
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    // What the terminal is kept from is escaped as JSON escapes it.
    let read = json["data"]["images"][0]["name"].as_str().expect("a name");
    assert_eq!(format!("{read}.png"), name);
    let rows = text.lines().filter(|line| line.contains("31mb"));
    assert_eq!(rows.count(), 1, "one row: {text}");
    let out = folder.path().join("out");
    let output = check(
        bilevel()
            .arg("denoise")
            .arg(folder.path())
            .arg("-o")
            .arg(&out),
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    fs::write(folder.path().join(name), "no image").expect("written");
    let mut evaluate = bilevel();
    evaluate.arg("evaluate").arg("--images").arg(folder.path());
    refuses(&mut evaluate, &["31mb"]);
    // Of a model that does not exist, with lines in its name.
    refuses(
        bilevel().args(["evaluate", "--model", "a\nb\u{1b}[0m"]),
        &["a\\u000ab"],
    );
}

/// A column of names that are all different holds no classes.
#[test]
fn a_class_for_every_row_is_no_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.csv");
    let rows: String = (0..4000)
        .map(|i| format!("{},{},name{i}\n", i % 7, i % 5))
        .collect();
    fs::write(&table, format!("u,v,who\n{rows}")).expect("written");
    let mut clean = bilevel();
    clean
        .arg("clean")
        .arg("--data")
        .arg(&table)
        .arg("--output")
        .arg(folder.path().join("out"));
    refuses(&mut clean, &["4000 classes", "--label"]);
}

#[test]
fn a_comparison_that_cannot_begin_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let mut bench = bilevel();
    bench.args([
        "bench",
        "stochastic",
        "--method",
        "soba",
        "--lower-step",
        "-1",
        "--output",
    ]);
    refuses(bench.arg(&out), &[]);
    assert!(!out.exists());
}
