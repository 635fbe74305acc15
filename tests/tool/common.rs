//! What the tests of the binary share.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use bilevel_data::GrayImage;

/// The tool.
pub fn bilevel() -> Command {
    let mut tool = Command::cargo_bin("bilevel").expect("the binary is built");
    // What a test reads is not what somebody wants to see of other programs.
    tool.env_remove("RUST_LOG");
    tool
}

/// Blocks, a ramp and some texture.
#[allow(dead_code, reason = "some tests look at photographs")]
pub fn scene(size: usize, seed: usize) -> GrayImage {
    let pixel = |i: usize| {
        let (x, y) = (i % size, i / size);
        let block = ((x + seed * 5) / 12 + y / 12) % 2;
        let texture = if y > size / 2 {
            ((x * 3 + y * (seed + 1)) % 7) as f32 / 40.0
        } else {
            0.0
        };
        (0.2 + 0.4 * block as f32 + 0.2 * x as f32 / size as f32 + texture).min(1.0)
    };
    GrayImage::new(size, size, (0..size * size).map(pixel).collect())
}

/// The command fails with exit code 2 and one line that holds all of `words`; nothing on stdout.
#[track_caller]
pub fn refuses(command: &mut Command, words: &[&str]) {
    let output = command.output().expect("it runs");
    let text = String::from_utf8(output.stderr).expect("utf-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}

/// The bytes of a file that must be there.
#[allow(dead_code, reason = "some tests look at no file")]
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path.as_ref()).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}
