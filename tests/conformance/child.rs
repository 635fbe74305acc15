//! Another process for another default float type.

use std::process::Command;
use std::{env, fs};

/// Where the child leaves its report.
const REPORT: &str = "BILEVEL_CONFORMANCE_REPORT";

/// What the test `name` of this program [`report`]s when run alone.
pub fn failures(name: &str) -> Vec<String> {
    let path = env::temp_dir().join(format!("bilevel-conformance-{}", std::process::id()));
    let child = Command::new(env::current_exe().expect("a test knows its program"))
        .args([name, "--exact", "--ignored"])
        .env(REPORT, &path)
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{name} failed: {said}");
    let text = fs::read_to_string(&path).expect("the child wrote its report");
    fs::remove_file(path).expect("the report can be removed");
    text.lines().map(str::to_owned).collect()
}

/// Leaves a report for the parent, if this is a child.
pub fn report(failures: &[String]) {
    if let Some(path) = env::var_os(REPORT) {
        fs::write(path, failures.join("\n")).expect("the report can be written");
    }
}
