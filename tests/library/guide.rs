//! The guide as a book: every page is in its summary, every link within it leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/src")
}

/// Targets of the Markdown links in a page, those to the web left out, and without their fragments.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let summary = fs::read_to_string(pages().join("SUMMARY.md")).expect("a summary");
    let listed = links(&summary);
    assert!(listed.len() > 10);
    for entry in fs::read_dir(pages()).expect("pages") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("utf-8").to_owned();
        assert!(
            name == "SUMMARY.md" || listed.contains(&name),
            "{name} is not in the summary"
        );
        let text = fs::read_to_string(&path).expect("utf-8");
        for target in links(&text) {
            assert!(pages().join(&target).is_file(), "{name}: {target}");
        }
    }
}

#[test]
fn links_of_the_readme_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("utf-8");
    assert!(text.lines().count() <= 150, "the README is one page");
    for target in links(&text) {
        assert!(root.join(&target).exists(), "README.md: {target}");
    }
}
