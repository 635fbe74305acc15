//! `clean` and `bench stochastic` as a person meets them.

use std::path::{Path, PathBuf};

use crate::common::{bilevel, read, refuses};
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Three classes around three corners, 240 rows, as a table.
fn write_table(folder: &Path) -> PathBuf {
    let path = folder.join("samples.csv");
    let row = |i: usize| {
        let class = i % 3;
        let noise = |k: usize| ((i * 37 + k * 101) % 97) as f64 / 97.0 - 0.5;
        let entry = |j: usize| 10.0 * (f64::from(u8::from(j == class)) * 2.0 + noise(j));
        format!(
            "{:.3},{:.3},{:.3},class{class}\n",
            entry(0),
            entry(1),
            entry(2)
        )
    };
    let rows: String = (0..240).map(row).collect();
    std::fs::write(&path, format!("a,b,c,label\n{rows}")).expect("written");
    path
}

/// The command on the table, with `arguments` and what they do not say.
fn clean(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut clean = bilevel();
    clean.arg("clean").args(arguments);
    let table = write_table(folder.path());
    let output = folder.path().join("out");
    let usual = [
        ("--data", table.to_str()),
        ("--output", output.to_str()),
        ("--corruption", Some("0.4")),
        ("--batch", Some("20")),
        ("--steps", Some("400")),
        ("--snapshots", Some("2")),
    ];
    for (name, value) in usual {
        if !arguments.contains(&name) {
            clean.args([name, value.expect("utf-8")]);
        }
    }
    clean
}

/// The wrong labels of a table are found, and what is written says which.
#[test]
fn wrong_labels_are_found() {
    let folder = folder();
    let output = clean(&folder, &["--method", "saba", "--seed", "3", "--json"])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(json["f1"].as_f64().expect("known") > 0.9, "{json}");
    assert!(json["test_accuracy"].is_null() && json["failure"].is_null());
    assert_eq!(json["history"].as_array().expect("a list").len(), 2);
    // Six blocks of each loss, 12 numbers of y, 120 of x: 6 (2 · 12 + 120) + 6 (12 + 120) numbers of four bytes.
    assert_eq!(json["table_bytes"], 4 * (6 * 144 + 6 * 132));
    // Two heaps of weights were found, or the half is what separates them.
    let threshold = json["threshold"].as_f64().expect("a number");
    assert!(threshold > 0.05 && threshold < 0.95, "{threshold}");
    assert!(json["f1"].as_f64() >= json["f1_at_half"].as_f64().map(|f1| f1 - 0.02));

    let out = folder.path().join("out");
    let table = String::from_utf8(read(out.join("weights.csv"))).expect("utf-8");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("sample,label,weight,kept,right"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 120);
    let agree = rows.iter().filter(|row| row[3] == row[4]).count();
    assert!(agree > 105, "{agree} of 120");
    for row in &rows {
        let weight: f64 = row[2].parse().expect("a number");
        assert!((0.0..=1.0).contains(&weight), "{row:?}");
    }
    for name in ["curves.png", "curves.svg", "history.jsonl", "report.json"] {
        assert!(!read(out.join(name)).is_empty());
    }
    refuses(&mut clean(&folder, &[]), &["out", "--overwrite"]);
}

/// Every method runs, the same seed gives the same weights, and a run that was stopped twice ends
/// with the bits of one that was not.
#[test]
fn every_method_cleans_repeats_and_resumes() {
    let methods = [
        "bome", "v-pbgd", "g-pbgd", "bvfsm", "f2sa", "f3sa", "bsg1", "pzobo", "soba", "ma-soba",
        "saba", "srba", "fsla", "amigo", "stocbio", "bsa", "ttsa", "sustain", "mrbo", "vrbo",
        "dmlcbo",
    ];
    for method in methods {
        let folder = folder();
        let run = |name: &str, arguments: &[&str]| {
            let out = folder.path().join(name);
            let mut command = bilevel();
            command
                .arg("clean")
                .args(arguments)
                .arg("--output")
                .arg(&out);
            let output = command.output().expect("it runs");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{method}: {errors}");
            (out, errors)
        };
        let table = write_table(folder.path());
        let settings = [
            ["--data", table.to_str().expect("utf-8")],
            ["--method", method],
            ["--corruption", "0.4"],
            ["--batch", "20"],
            ["--steps", "5"],
            ["--snapshots", "2"],
        ]
        .concat();
        let (whole, _) = run("whole", &settings);
        let (parts, errors) = run("parts", &[&settings[..], &["--stop-after", "1"]].concat());
        assert!(errors.contains("after step 1") && errors.contains("--resume"));
        let (_, errors) = run("parts", &["--resume", "--stop-after", "3"]);
        assert!(errors.contains("after step 4"), "{errors}");
        run("parts", &["--resume"]);
        for file in ["weights.csv", "history.jsonl"] {
            assert_eq!(
                without_times(&whole.join(file)),
                without_times(&parts.join(file)),
                "{method}: {file}"
            );
        }
        // Weights in a table are rounded; the state of a run is not.
        assert_eq!(state(&whole), state(&parts), "{method}");
    }
}

/// What a run computes with, as saved.
fn state(run: &Path) -> Vec<u8> {
    let file = read(run.join("state.safetensors"));
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("a state");
    tensors.tensor("run").expect("its records").data().to_vec()
}

/// The lines of a file, without the seconds that it took.
fn without_times(path: &Path) -> Vec<String> {
    let text = String::from_utf8(read(path)).expect("utf-8");
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut object)) => {
            object.remove("seconds");
            Value::Object(object).to_string()
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect()
}

/// Ctrl-C leaves weights and a state, and the run goes on to the same end.
#[test]
#[cfg(unix)]
fn ctrl_c_leaves_a_run_that_can_go_on() {
    let folder = folder();
    let steps = ["--seed", "7", "--steps", "20000", "--snapshots", "20"];
    clean(&folder, &steps).assert().success();
    let out = folder.path().join("out");
    let whole = (read(out.join("weights.csv")), state(&out));

    let mut again = std::process::Command::new(assert_cmd::cargo::cargo_bin!("bilevel"))
        .args(clean(&folder, &[&steps[..], &["--overwrite"]].concat()).get_args())
        .spawn()
        .expect("it starts");
    // The state of the first run goes when this one begins, and comes back with its first look at the weights.
    while out.join("report.json").exists() || !out.join("state.safetensors").exists() {
        assert!(again.try_wait().expect("asked").is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let signal = std::process::Command::new("kill")
        .args(["-INT", &again.id().to_string()])
        .status();
    assert!(signal.expect("kill runs").success());
    assert_eq!(again.wait().expect("it ends").code(), Some(130));
    assert!(!out.join("report.json").exists() && out.join("weights.csv").exists());

    let mut resumed = bilevel();
    resumed.args(["clean", "--resume", "--output"]).arg(&out);
    resumed.assert().success();
    assert_eq!(whole, (read(out.join("weights.csv")), state(&out)));
}

/// What cannot be gone on with says why.
#[test]
fn bad_resumes_are_refused_in_one_line() {
    let folder = folder();
    let out = folder.path().join("out");
    let resume = |arguments: &[&str]| {
        let mut command = bilevel();
        command.args(["clean", "--resume"]).args(arguments);
        command.arg("--output").arg(&out);
        command
    };
    refuses(&mut resume(&[]), &["out", "no run to resume"]);
    let stopped = clean(&folder, &["--method", "saba", "--stop-after", "3"]).output();
    assert!(stopped.expect("it runs").status.success());
    for settings in [["--method", "soba"], ["--lower-step", "0.1"]] {
        let output = resume(&settings).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains(settings[0]),
            "{errors}"
        );
    }
    refuses(&mut clean(&folder, &[]), &["--resume", "--overwrite"]);

    let table = folder.path().join("samples.csv");
    let text = String::from_utf8(read(&table)).expect("utf-8");
    let shorter: Vec<&str> = text.lines().take(200).collect();
    std::fs::write(&table, shorter.join("\n")).expect("written");
    refuses(&mut resume(&[]), &["samples", "120", "--overwrite"]);
    std::fs::write(&table, &text).expect("written");

    let state = out.join("state.safetensors");
    let bytes = read(&state);
    std::fs::write(&state, &bytes[..bytes.len() / 2]).expect("written");
    refuses(&mut resume(&[]), &["state.safetensors", "--overwrite"]);
    std::fs::write(&state, &bytes).expect("written");
    resume(&[]).assert().success();
}

/// Nothing but the data has to be said, however few they are.
#[test]
fn a_small_table_needs_no_settings() {
    let folder = folder();
    let output = bilevel()
        .args(["clean", "--json", "--data"])
        .arg(write_table(folder.path()))
        .arg("--output")
        .arg(folder.path().join("out"))
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    // Nobody said which labels are right.
    assert!(
        json["f1"].is_null() && json["kept"].as_u64().expect("a number") > 100,
        "{json}"
    );
}

/// A hidden layer is trained by recording.
#[test]
fn other_classifiers_clean_too() {
    let folder = folder();
    let output = clean(
        &folder,
        &[
            "--classifier",
            "mlp",
            "--method",
            "soba",
            "--steps",
            "30",
            "--json",
        ],
    )
    .output()
    .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A classifier kept in a small ball learns less than one in a large ball; what is written says in
/// which.
#[test]
fn a_ball_confines_the_classifier() {
    let accuracy = |ball: &str| {
        let folder = folder();
        let output = clean(
            &folder,
            &[
                "--method", "dmlcbo", "--ball", ball, "--seed", "3", "--json",
            ],
        )
        .output()
        .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(json["ball"], ball);
        json["f1"].as_f64().expect("known")
    };
    assert!(accuracy("l1:20") > 0.85);
    assert!(accuracy("l2:5") > 0.85);
    assert!(accuracy("l1:0.001") < 0.8);
}

/// A run that diverges stops with the last good weights.
#[test]
fn divergence_leaves_good_weights() {
    let folder = folder();
    let output = clean(
        &folder,
        &["--method", "soba", "--lower-step", "1e30", "--json"],
    )
    .output()
    .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.lines().count() == 1 && errors.contains("--lower-step"),
        "{errors}"
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(json["failure"].is_string());
    let table = String::from_utf8(read(folder.path().join("out/weights.csv"))).expect("utf-8");
    assert_eq!(table.lines().count(), 121);
    assert!(!table.contains("NaN") && !table.contains("inf"));
}

#[test]
fn bad_calls_are_refused_in_one_line() {
    let folder = folder();
    let with = |arguments: &[&str]| clean(&folder, arguments);
    refuses(
        &mut with(&["--corruption", "1.5"]),
        &["--corruption", "1.5"],
    );
    refuses(&mut with(&["--corruption", "NaN"]), &["--corruption"]);
    refuses(&mut with(&["--batch", "500"]), &["--batch", "500", "120"]);
    refuses(&mut with(&["--training", "240"]), &["--training", "239"]);
    refuses(&mut with(&["--method", "best"]), &["best", "saba"]);
    refuses(&mut with(&["--upper-step=-1"]), &["upper_step", "> 0"]);
    refuses(&mut with(&["--first-weight", "1"]), &["--first-weight"]);

    let ball = |ball, method| clean(&folder, &["--ball", ball, "--method", method]);
    refuses(&mut ball("l1:5", "soba"), &["--ball", "dmlcbo", "SOBA"]);
    let mut mlp = ball("l1:5", "dmlcbo");
    refuses(mlp.args(["--classifier", "mlp"]), &["--ball", "linear"]);
    for text in ["l1:0", "l3:5", "5", "l2:inf"] {
        refuses(&mut ball(text, "dmlcbo"), &["--ball", text, "l1:400"]);
    }

    let trusted = folder.path().join("two.csv");
    std::fs::write(&trusted, "1,2,3,class0\n4,5,6,class1\n").expect("written");
    let trusted = trusted.to_str().expect("utf-8");
    refuses(
        &mut with(&["--trusted", trusted]),
        &["--trusted", "2 classes", "3"],
    );

    let cut = folder.path().join("cut.csv.gz");
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tabular/digits.csv.gz");
    let bytes = read(whole);
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    let cut = cut.to_str().expect("utf-8");
    refuses(&mut with(&["--data", cut]), &["cut.csv.gz"]);
    assert!(!folder.path().join("out").exists(), "nothing was written");
}

/// Methods that reduce the variance reach the optimum at constant steps.
#[test]
fn the_benchmark_shows_who_converges() {
    let folder = folder();
    let out = folder.path().join("bench");
    let output = bilevel()
        .args(["bench", "stochastic", "--calls", "30000", "--json"])
        .args(["--method", "saba", "--method", "srba", "--method", "soba"])
        .arg("--output")
        .arg(&out)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: Value = serde_json::from_slice(&output.stdout).expect("one JSON array");
    let last = |method: &str| {
        let mut rows = rows.as_array().expect("a list").iter();
        let row = rows.rfind(|row| row["method"] == method);
        row.and_then(|row| row["gradient"].as_f64())
            .expect("a number")
    };
    assert!(last("SABA") < 1e-4 && last("SRBA") < 1e-4, "{rows}");
    assert!(last("SOBA") < 0.2 && last("SOBA") > 1e-4, "{rows}");
    for name in [
        "stochastic.csv",
        "stochastic.jsonl",
        "stochastic.png",
        "stochastic.svg",
    ] {
        assert!(!read(out.join(name)).is_empty());
    }
}

/// What is reached without cleaning, to compare with.
#[test]
fn references_are_there_on_request() {
    let folder = folder();
    let output = clean(&folder, &["--method", "saba", "--baselines", "--json"]).output();
    let json: Value = serde_json::from_slice(&output.expect("it runs").stdout).expect("JSON");
    let references = &json["baselines"];
    assert!(
        references["f1_of_trusted"].as_f64().expect("known") > 0.8,
        "{json}"
    );
    // A table has no test set.
    assert!(references["all"].is_null() && references["right_and_trusted"].is_null());
    assert!(json["f1_agreed"].as_f64().expect("known") > 0.8, "{json}");

    let pictures = write_pictures(folder.path());
    let mut output = clean(
        &folder,
        &[
            "--data",
            pictures.to_str().expect("utf-8"),
            "--method",
            "saba",
            "--training",
            "200",
            "--corruption",
            "0.9",
            "--batch",
            "20",
            "--baselines",
            "--json",
            "--overwrite",
        ],
    );
    let json: Value =
        serde_json::from_slice(&output.output().expect("it runs").stdout).expect("one JSON object");
    let of = |name: &str| json["baselines"][name].as_f64().expect("known");
    assert!(of("all") < of("right"), "{json}");
    assert!(of("trusted") <= of("right_and_trusted"), "{json}");
    assert!(json["test_accuracy"].as_f64() >= Some(of("all")), "{json}");
}

/// Pictures of 2x2 pixels in three classes, 240 to train on and 90 to test on, as MNIST's files.
fn write_pictures(folder: &Path) -> PathBuf {
    let path = folder.join("pictures");
    std::fs::create_dir(&path).expect("a folder");
    for (name, count) in [("train", 240), ("t10k", 90)] {
        let pixel = |i: usize, k: usize| match k {
            k if k == i % 3 => 150 + (i * 37 + k * 101) % 97,
            _ => (i * 53 + k * 71) % 97,
        };
        let pixels = (0..count).flat_map(|i| (0..4).map(move |k| pixel(i, k) as u8));
        let labels = (0..count).map(|i| (i % 3) as u8);
        let header = |kind: u8, sizes: &[usize]| {
            let sizes = sizes.iter().flat_map(|n| (*n as u32).to_be_bytes());
            [0, 0, 8, kind]
                .into_iter()
                .chain(sizes)
                .collect::<Vec<u8>>()
        };
        let pictures = header(3, &[count, 2, 2]).into_iter().chain(pixels);
        let labels = header(1, &[count]).into_iter().chain(labels);
        for (file, bytes) in [
            ("images-idx3", pictures.collect::<Vec<_>>()),
            ("labels-idx1", labels.collect()),
        ] {
            std::fs::write(path.join(format!("{name}-{file}-ubyte")), bytes).expect("written");
        }
    }
    path
}

/// A file that is sorted by class is divided within each class.
#[test]
fn a_table_sorted_by_class_is_cleaned() {
    let folder = folder();
    let table = write_table(folder.path());
    let text = String::from_utf8(read(&table)).expect("utf-8");
    let (head, rows) = text.split_once('\n').expect("a head");
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_by_key(|row| row.rsplit(',').next().map(str::to_string));
    std::fs::write(&table, format!("{head}\n{}\n", rows.join("\n"))).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = bilevel();
        command.args(["clean", "--json", "--overwrite", "--data"]);
        command.arg(&table).args(arguments).arg("--output");
        command.arg(folder.path().join("sorted"));
        command
    };
    let output = run(&[]).output().expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(json["samples"], serde_json::json!([120, 120, 0]));
    // No label is wrong.
    assert!(json["kept"].as_u64().expect("a number") > 110, "{json}");
    // In the order of the file the last class would have none to be compared with.
    refuses(
        &mut run(&["--training", "160"]),
        &["no trusted sample of `class0`, `class1`"],
    );
    let one: Vec<&str> = rows[..80].to_vec();
    std::fs::write(&table, format!("{head}\n{}\n", one.join("\n"))).expect("written");
    refuses(&mut run(&[]), &["all samples are of one class"]);
}

/// The column of the classes is found by its name, what only numbers the rows is no feature, and
/// the report says so.
#[test]
fn columns_are_told_apart() {
    let folder = folder();
    let table = write_table(folder.path());
    let text = String::from_utf8(read(&table)).expect("utf-8");
    // id, label, a, b, c
    let turned: String = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let (features, class) = line.rsplit_once(',').expect("cells");
            let id = if i == 0 {
                "id".to_string()
            } else {
                i.to_string()
            };
            format!("{id},{class},{features}\n")
        })
        .collect();
    std::fs::write(&table, &turned).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = bilevel();
        command.args(["clean", "--json", "--overwrite", "--steps", "50"]);
        command.arg("--data").arg(&table).args(arguments);
        command.arg("--output").arg(folder.path().join("out"));
        command
    };
    let output = run(&[]).output().expect("it runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(json["label"], "label");
    assert_eq!(json["dropped"], serde_json::json!(["id"]));
    assert_eq!(json["classes"][0], serde_json::json!(["class0", 40, 40]));
    // The same column by its number, and one that is none.
    run(&["--label", "2"]).assert().success();
    refuses(
        &mut run(&["--label", "kind"]),
        &["no column `kind`", "id, label, a, b, c"],
    );
    // With a feature for the class the names of the classes are a feature.
    refuses(
        &mut run(&["--label", "c"]),
        &["column 2", "class0", "not a finite number"],
    );

    let trusted = folder.path().join("trusted.csv");
    let refused = |text: &str, words: &[&str]| {
        std::fs::write(&trusted, text).expect("written");
        refuses(
            &mut run(&["--trusted", trusted.to_str().expect("utf-8")]),
            words,
        );
    };
    refused(
        &turned.replacen("id,label,a,b,c", "id,label,b,a,c", 1),
        &["`b` where --data has `a`"],
    );
    refused(
        &turned.replace("class2", "other"),
        &["class `other` where --data has `class2`"],
    );
    // A part of such a table, whose numbers no longer count its rows.
    let part = turned.lines().enumerate().filter(|(i, _)| i % 4 != 1);
    let part: String = part.map(|(_, line)| format!("{line}\n")).collect();
    std::fs::write(&trusted, part).expect("written");
    run(&["--trusted", trusted.to_str().expect("utf-8")])
        .assert()
        .success();
    std::fs::write(&table, turned.replace(',', ";")).expect("written");
    refuses(&mut run(&[]), &["separated by semicolons"]);
}

/// Every label to be cleaned is wrong: all are found, by what the trusted ones say.
#[test]
fn labels_that_are_all_wrong_are_found() {
    let folder = folder();
    let arguments = [
        "--method",
        "soba",
        "--corruption",
        "1.0",
        "--seed",
        "3",
        "--json",
    ];
    let output = clean(&folder, &arguments).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let table = String::from_utf8(read(folder.path().join("out/weights.csv"))).expect("utf-8");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let wrong = rows.iter().filter(|row| row[4] == "false").count();
    let kept = rows
        .iter()
        .filter(|row| row[4] == "false" && row[3] == "true")
        .count();
    assert!(
        wrong > 60 && kept <= wrong / 10,
        "{kept} of {wrong} wrong labels are kept"
    );
}
