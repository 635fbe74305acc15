//! What every method makes of two clouds of points, 5 standard deviations apart: no right label is
//! thrown away where none is wrong, and wrong ones are found.
//!
//! A short form in every run of the tests; `bash .ci/run drivers` tries all combinations.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::common::{bilevel, read};

const METHODS: [&str; 21] = [
    "bome", "v-pbgd", "g-pbgd", "bvfsm", "f2sa", "f3sa", "bsg1", "pzobo", "soba", "ma-soba",
    "saba", "srba", "fsla", "amigo", "stocbio", "bsa", "ttsa", "sustain", "mrbo", "vrbo", "dmlcbo",
];

/// A set of points, a share of wrong labels and a method.
#[derive(Debug, Clone, Copy)]
struct Case {
    method: &'static str,
    rows: usize,
    /// The share of the rarer cloud.
    rare: f64,
    /// The share of wrong labels.
    wrong: f64,
}

/// Two clouds, the second one with `rare` of the rows and four of them at least: half of the rows
/// are trusted.
fn clouds(folder: &Path, rows: usize, rare: f64) -> PathBuf {
    let path = folder.join(format!("{rows}-{rare}.csv"));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut uniform = || (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0;
    // Half of the way to the other cloud at most: what is beyond belongs to the other one for all that anybody can see.
    let mut normal = || loop {
        let (u, v) = (uniform(), uniform());
        let number = (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos();
        if number.abs() < 2.5 {
            break number;
        }
    };
    let second = ((rows as f64 * rare).round() as usize).max(4);
    let row = |i: usize| {
        let (u, v) = (normal(), normal());
        match i < second {
            true => format!("{:.6},{v:.6},b\n", u + 5.0),
            false => format!("{u:.6},{v:.6},a\n"),
        }
    };
    let text: String = (0..rows).map(row).collect();
    fs::write(&path, format!("u,v,label\n{text}")).expect("written");
    path
}

/// Of the right labels the share that is kept, and the number of mistakes and F1 of the wrong
/// labels found.
struct Score {
    kept: f64,
    mistakes: usize,
    f1: f64,
}

fn clean(folder: &Path, case: Case) -> Score {
    let data = clouds(folder, case.rows, case.rare);
    let output = folder.join("out");
    bilevel()
        .args([
            "clean",
            "--quiet",
            "--overwrite",
            "--seed",
            "1",
            "--snapshots",
            "0",
        ])
        .args([
            "--method",
            case.method,
            "--corruption",
            &case.wrong.to_string(),
        ])
        .arg("--data")
        .arg(data)
        .arg("--output")
        .arg(&output)
        .env("RAYON_NUM_THREADS", "1")
        .assert()
        .success();
    let table = String::from_utf8(read(output.join("weights.csv"))).expect("utf-8");
    let rows = table.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        // Without wrong labels there is no last column.
        (
            cells[3] == "true",
            cells.get(4).is_none_or(|right| *right == "true"),
        )
    });
    let rows: Vec<(bool, bool)> = rows.collect();
    let count = |wanted: (bool, bool)| rows.iter().filter(|row| **row == wanted).count() as f64;
    let (found, missed, lost) = (
        count((false, false)),
        count((true, false)),
        count((false, true)),
    );
    Score {
        kept: count((true, true)) / (count((true, true)) + lost),
        mistakes: (missed + lost) as usize,
        f1: if found + missed + lost > 0.0 {
            2.0 * found / (2.0 * found + missed + lost)
        } else {
            1.0
        },
    }
}

fn check(case: Case, score: &Score) -> Option<String> {
    let good = if case.wrong == 0.0 {
        score.kept >= 0.98
    } else {
        // Among a handful of labels one mistake is more than a tenth. BSG-1 puts a matrix of rank one in place of the
        // inverse Hessian: its weights are right by chance only, and what is found is the classifier's.
        let least = if case.method == "bsg1" { 0.6 } else { 0.9 };
        score.f1 >= least || score.mistakes <= 1
    };
    (!good).then(|| {
        format!(
            "{case:?}: {:.3} of the right labels kept, F1 of the wrong ones {:.3}, {} mistakes",
            score.kept, score.f1, score.mistakes
        )
    })
}

#[test]
fn matrix_of_methods_and_clouds() {
    let long = std::env::var_os("LONG_DRIVERS").is_some();
    let rows: &[usize] = if long { &[12, 24, 200, 2000] } else { &[24] };
    let shares: &[f64] = if long {
        &[0.0, 0.05, 0.2, 0.5]
    } else {
        &[0.0, 0.2]
    };
    let balances: &[f64] = if long { &[0.5, 0.03] } else { &[0.03] };
    let mut cases = Vec::new();
    for method in METHODS {
        for &rows in rows {
            for &rare in balances {
                for &wrong in shares {
                    cases.push(Case {
                        method,
                        rows,
                        rare,
                        wrong,
                    });
                }
            }
        }
    }
    // The larger set too, but not with everyone.
    for method in ["bome", "v-pbgd", "pzobo", "vrbo", "soba"] {
        cases.push(Case {
            method,
            rows: 200,
            rare: 0.03,
            wrong: 0.0,
        });
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bad = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            bad.extend(check(*case, &clean(folder.path(), *case)));
        }
        bad
    };
    let bad: Vec<String> = thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("it ends"))
            .collect()
    });
    assert!(
        bad.is_empty(),
        "{} of {}:\n{}",
        bad.len(),
        cases.len(),
        bad.join("\n")
    );
}
