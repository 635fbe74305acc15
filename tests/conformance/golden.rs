//! What `NdArray<f64>` computed once, in a file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::row::Rows;

/// Numbers by section and name.
pub struct Golden(HashMap<String, Vec<f64>>);

impl Golden {
    pub fn read() -> Self {
        let text = fs::read_to_string(path()).unwrap_or_default();
        let line = |line: &str| {
            let (key, numbers) = line.split_once('\t')?;
            let numbers = numbers.split(' ').map(|n| n.parse().expect("a number"));
            Some((key.to_owned(), numbers.collect()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    pub fn of(&self, section: &str, name: &str) -> &Vec<f64> {
        self.0.get(&key(section, name)).unwrap_or_else(|| {
            panic!("golden.tsv has no {section}: {name}; run this test with UPDATE_CONFORMANCE=1")
        })
    }
}

/// Replaces the file.
pub fn write(rows: &Rows) {
    let mut text = String::new();
    for row in rows.list.iter().filter(|row| row.expected.is_none()) {
        let numbers: Vec<String> = row.value.iter().map(|v| format!("{v:e}")).collect();
        let _ = writeln!(
            text,
            "{}\t{}",
            key(row.section, row.name),
            numbers.join(" ")
        );
    }
    let draft = path().with_extension("draft");
    fs::write(&draft, text).expect("the folder of this test can be written to");
    fs::rename(draft, path()).expect("the file can be replaced");
}

fn key(section: &str, name: &str) -> String {
    format!("{section}: {name}")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden.tsv")
}
