//! A folder of images.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, GrayImage};

/// An image and what to call it in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedImage {
    /// The file name without its extension, or with it if another image differs only in that.
    pub name: String,
    /// The image.
    pub image: GrayImage,
}

/// Reads every PNG and JPEG file of a folder, in the order of the file names.
///
/// A file counts as an image if its name ends in `.png`, `.jpg` or `.jpeg`, in any case; other
/// files and sub-folders are passed over. The order is that of the bytes of the names, the same on
/// every machine. How pixels are read: [`GrayImage::load`].
///
/// # Errors
///
/// If the folder is missing, is not a folder or holds no image, or if one of its images is
/// truncated or otherwise unreadable: a damaged data set is better noticed before the training than
/// after.
pub fn load_folder(path: impl AsRef<Path>) -> Result<Vec<NamedImage>, Error> {
    let files = image_paths(path)?;
    let mut uses: HashMap<String, usize> = HashMap::new();
    for file in &files {
        *uses.entry(stem(file)).or_default() += 1;
    }
    let name = |file: &PathBuf| match stem(file) {
        stem if uses[&stem] == 1 => stem,
        _ => file_name(file),
    };
    files
        .iter()
        .map(|f| {
            Ok(NamedImage {
                name: name(f),
                image: GrayImage::load(f)?,
            })
        })
        .collect()
}

/// The paths of the images that [`load_folder`] reads, in its order.
///
/// # Errors
///
/// If the folder is missing, is not a folder or holds no image.
pub fn image_paths(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
    let folder = folder.as_ref();
    let files = image_files(folder)?;
    if files.is_empty() {
        return Err(ErrorKind::FolderHoldsNoImage {
            path: folder.into(),
        }
        .into());
    }
    Ok(files)
}

/// The files that are named like images, sorted by name.
fn image_files(folder: &Path) -> Result<Vec<PathBuf>, ErrorKind> {
    let mut files = entries(folder)?;
    files.retain(|file| is_named_like_an_image(file) && !file.is_dir());
    Ok(files)
}

/// The paths of all files and folders directly in a folder, sorted by name.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ErrorKind> {
    let path = || folder.to_path_buf();
    let listing = folder.read_dir().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::FolderMissing { path: path() },
        io::ErrorKind::NotADirectory => ErrorKind::NotAFolder { path: path() },
        _ => ErrorKind::FolderUnreadable {
            path: path(),
            reason: error.to_string(),
        },
    })?;
    let mut paths = listing
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| ErrorKind::FolderUnreadable {
            path: path(),
            reason: error.to_string(),
        })?;
    paths.sort();
    Ok(paths)
}

fn is_named_like_an_image(file: &Path) -> bool {
    file.extension().is_some_and(|extension| {
        ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The last part of a path.
pub(crate) fn file_name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/images");

    fn save(folder: &Path, name: &str, level: f32) {
        // `image` chooses the format by the name, `save_png` would not.
        let pixel = image::Luma([(255.0 * level) as u8]);
        image::ImageBuffer::from_pixel(8, 8, pixel)
            .save(folder.join(name))
            .unwrap();
    }

    fn assert_one_line_with(error: &Error, path: &Path) {
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }

    #[test]
    fn shipped_folders_load_sorted() {
        for (split, count, size) in [("train", 96, 180), ("val", 12, 180), ("test", 12, 256)] {
            let images = load_folder(Path::new(ASSETS).join(split)).unwrap();
            assert_eq!(images.len(), count);
            assert!(images.is_sorted_by(|a, b| a.name < b.name));
            for NamedImage { name, image } in &images {
                assert_eq!((image.width(), image.height()), (size, size), "{name}");
                assert!(
                    image.pixels().iter().all(|v| (0.0..=1.0).contains(v)),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn other_files_and_folders_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "b.JPG", 0.0);
        save(folder.path(), "a.Png", 1.0);
        save(folder.path(), "c.jpeg", 0.0);
        std::fs::write(folder.path().join("README.md"), "text").unwrap();
        std::fs::write(folder.path().join("png"), "no extension").unwrap();
        std::fs::create_dir(folder.path().join("nested.png")).unwrap();

        let images = load_folder(folder.path()).unwrap();
        let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(images[0].image, GrayImage::new(8, 8, vec![1.0; 64]));
    }

    #[test]
    fn files_that_share_a_stem_keep_their_extension() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["twin.png", "twin.jpg", "single.v2.png"] {
            save(folder.path(), name, 0.5);
        }
        let images = load_folder(folder.path()).unwrap();
        let names: Vec<_> = images.into_iter().map(|image| image.name).collect();
        assert_eq!(names, ["single.v2", "twin.jpg", "twin.png"]);
    }

    #[test]
    fn folder_missing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("missing");
        let error = load_folder(&path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::FolderMissing { .. }));
        assert_one_line_with(&error, &path);
    }

    #[test]
    fn file_in_place_of_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = load_folder(file.path()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotAFolder { .. }));
        assert_one_line_with(&error, file.path());
    }

    #[test]
    fn folder_without_images() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("README.md"), "text").unwrap();
        let error = load_folder(folder.path()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::FolderHoldsNoImage { .. }));
        assert_one_line_with(&error, folder.path());
    }

    #[test]
    fn damaged_image_is_named() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "good.png", 0.5);
        let bad = folder.path().join("bad.png");
        let whole = std::fs::read(folder.path().join("good.png")).unwrap();
        std::fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
        let error = load_folder(folder.path()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ImageUnreadable { path, .. } if *path == bad));
        assert_one_line_with(&error, &bad);
    }
}
