//! Writing a file whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::io::interrupt::writing;

/// What the names of files begin with that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Writes `bytes` to `path` by way of a temporary file in the same directory.
///
/// Whoever reads `path` sees the old file or the new one, never a part, after a loss of power too.
/// Neither a failure nor a signal leaves anything behind. What is killed on the way leaves a file
/// that begins with [`UNFINISHED`].
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).with_context(|| {
        format!(
            "cannot write {}: is its directory there, and writable?",
            path.display()
        )
    })
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _whole = writing();
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // A temporary file is private by default; a picture is not. The umask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name reaches the disk with its directory, on systems that open one.
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_file_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("picture.png");
        save(&path, b"a longer old text").expect("written");
        save(&path, b"new").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"new");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            1
        );
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_path() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("missing").join("picture.png");
        let error = save(&path, b"new").expect_err("no such directory");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            0
        );
    }

    #[test]
    fn a_failed_replacement_leaves_nothing_beside_the_output() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("picture.png");
        std::fs::create_dir(&path).expect("a directory where the file should go");
        let error = save(&path, b"new").expect_err("a directory is not replaced");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            1
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_directory_stays_empty() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path(), mode(0o555)).expect("changed");
        let path = directory.path().join("picture.png");
        // The superuser may write there all the same.
        if let Err(error) = save(&path, b"new") {
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
            assert_eq!(
                std::fs::read_dir(directory.path()).expect("listed").count(),
                0
            );
        }
        std::fs::set_permissions(directory.path(), mode(0o755)).expect("changed back");
    }
}
