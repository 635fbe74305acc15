//! Pictures sorted into one folder per class.

use std::path::{Path, PathBuf};

use crate::folder::{entries, file_name};
use crate::{Error, ErrorKind, GrayImage, Labelled, image_paths};

/// Reads a folder that has one sub-folder per class, with the pictures of the class in it.
///
/// ```text
/// animals/cat/1.png   animals/cat/2.png   animals/dog/1.png
/// ```
///
/// Classes are the sub-folders in the order of the bytes of their names, hidden ones (with a dot in
/// front) left out; files beside them are passed over. Samples are the PNG and JPEG files in the
/// order of [`image_paths`], class by class, named `cat/1.png`. Pictures are grey, in [0, 1] and of
/// equal size. How pixels are read: [`GrayImage::load`].
///
/// ```
/// use bilevel_data::{GrayImage, load_class_folders};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let animals = folder.path().join("animals");
/// for picture in ["dog/1.png", "cat/1.png", "cat/2.png"] {
///     let path = animals.join(picture);
///     std::fs::create_dir_all(path.parent().unwrap()).unwrap();
///     GrayImage::new(2, 1, vec![0.0, 1.0]).save_png(path)?;
/// }
///
/// let animals = load_class_folders(animals)?;
/// assert_eq!(animals.classes(), ["cat", "dog"]);
/// assert_eq!(animals.labels(), [0, 0, 1]);
/// assert_eq!(animals.name(1), "cat/2.png");
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If the folder is missing, is not a folder or has no sub-folder, a class has no image, an image
/// is truncated or otherwise unreadable, or two images differ in size.
pub fn load_class_folders(path: impl AsRef<Path>) -> Result<Labelled, Error> {
    let path = path.as_ref();
    let folders = class_folders(path)?;
    if folders.is_empty() {
        return Err(ErrorKind::FolderHoldsNoClass { path: path.into() }.into());
    }
    let classes: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();

    let mut first: Option<(PathBuf, [usize; 2])> = None;
    let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (label, folder) in folders.iter().enumerate() {
        for file in image_paths(folder)? {
            let image = GrayImage::load(&file)?;
            features.extend_from_slice(image.pixels());
            labels.push(label);
            names.push(format!("{}/{}", classes[label], file_name(&file)));

            let size = [image.height(), image.width()];
            let (first_path, first_size) = first.get_or_insert_with(|| (file.clone(), size));
            if size != *first_size {
                return Err(ErrorKind::PictureSizesDiffer {
                    path: file,
                    size,
                    first_path: first_path.clone(),
                    first_size: *first_size,
                }
                .into());
            }
        }
    }
    let [height, width] = first.ok_or(ErrorKind::NoSample)?.1;
    Labelled::new(features, height * width, labels, classes)?
        .with_picture([height, width])?
        .with_names(names)
}

/// The sub-folders that are classes, sorted by name.
pub(crate) fn class_folders(path: &Path) -> Result<Vec<PathBuf>, ErrorKind> {
    let mut folders = entries(path)?;
    folders.retain(|entry| entry.is_dir() && !file_name(entry).starts_with('.'));
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn save(folder: &TempDir, class: &str, name: &str, size: (u32, u32), level: u8) {
        let class = folder.path().join(class);
        fs::create_dir_all(&class).unwrap();
        image::ImageBuffer::from_pixel(size.0, size.1, image::Luma([level]))
            .save(class.join(name))
            .unwrap();
    }

    fn animals() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        save(&folder, "dog", "1.png", (3, 2), 255);
        save(&folder, "cat", "b.PNG", (3, 2), 51);
        save(&folder, "cat", "a.png", (3, 2), 0);
        folder
    }

    /// Whatever lies in a folder, it is read or refused in one line.
    #[test]
    fn any_tree_is_read_or_refused_in_one_line() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let trees = std::env::var("DAMAGED").ok();
        let trees: usize = trees.map_or(200, |text| text.parse().unwrap());
        let mut read = 0;
        for _ in 0..trees {
            let folder = tempfile::tempdir().unwrap();
            for i in 0..rng.random_range(0..5) {
                let class = folder
                    .path()
                    .join(["a", "b b", ".hidden", "c\u{1b}[0m"][i % 4]);
                match rng.random_range(0..6) {
                    0 => fs::write(&class, "a file").unwrap(),
                    kind => {
                        fs::create_dir_all(class.join("deeper")).unwrap();
                        for j in 0..rng.random_range(0..4) {
                            let path = class.join(format!("{j}.png"));
                            match rng.random_range(0..8) {
                                0 => fs::write(&path, "no image").unwrap(),
                                1 => fs::create_dir_all(&path).unwrap(),
                                _ => {
                                    let size = (3, if kind == 1 { 2 } else { 3 });
                                    image::ImageBuffer::from_pixel(
                                        size.0,
                                        size.1,
                                        image::Luma([9u8]),
                                    )
                                    .save(&path)
                                    .unwrap();
                                }
                            }
                        }
                    }
                }
            }
            let messages = [
                load_class_folders(folder.path()).map(|_| ()),
                crate::load_omniglot(folder.path(), 28).map(|_| ()),
                crate::load_omniglot_runs(folder.path(), 28).map(|_| ()),
                crate::FewShotSet::load(folder.path()).map(|_| ()),
            ]
            .map(|result| result.map_err(|error| error.to_string()));
            for message in messages {
                match message {
                    Ok(()) => read += 1,
                    Err(message) => {
                        assert!(!message.contains(char::is_control), "{message:?}");
                    }
                }
            }
        }
        assert!(read > 10, "{read} were read");
    }

    fn fail(folder: &TempDir, named: &[PathBuf]) -> Error {
        let error = load_class_folders(folder.path()).unwrap_err();
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        for path in named {
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
        error
    }

    #[test]
    fn classes_and_pictures_come_in_the_order_of_their_names() {
        let folder = animals();
        fs::write(folder.path().join("README.md"), "text").unwrap();
        fs::write(folder.path().join("cat").join("notes.txt"), "text").unwrap();
        fs::create_dir(folder.path().join(".thumbnails")).unwrap();

        let animals = load_class_folders(folder.path()).unwrap();
        assert_eq!(animals.classes(), ["cat", "dog"]);
        assert_eq!(animals.labels(), [0, 0, 1]);
        assert_eq!(animals.names(), ["cat/a.png", "cat/b.PNG", "dog/1.png"]);
        assert_eq!(animals.picture(), Some([2, 3]));
        for (sample, level) in [0.0, 0.2, 1.0].into_iter().enumerate() {
            assert_eq!(animals.row(sample), [level; 6]);
        }
    }

    #[test]
    fn pictures_of_different_sizes_are_named() {
        let folder = animals();
        save(&folder, "dog", "2.png", (2, 3), 0);
        let path = |name: &str| folder.path().join(name);
        let error = fail(&folder, &[path("cat/a.png"), path("dog/2.png")]);
        assert!(matches!(
            error.kind(),
            ErrorKind::PictureSizesDiffer {
                size: [3, 2],
                first_size: [2, 3],
                ..
            }
        ));
    }

    #[test]
    fn class_without_a_picture_is_named() {
        let folder = animals();
        let empty = folder.path().join("emu");
        fs::create_dir(&empty).unwrap();
        let error = fail(&folder, std::slice::from_ref(&empty));
        assert!(matches!(error.kind(), ErrorKind::FolderHoldsNoImage { path } if *path == empty));
    }

    #[test]
    fn damaged_picture_is_named() {
        let folder = animals();
        let bad = folder.path().join("dog").join("bad.png");
        fs::write(&bad, "not an image").unwrap();
        let error = fail(&folder, std::slice::from_ref(&bad));
        assert!(matches!(error.kind(), ErrorKind::ImageUnreadable { .. }));
    }

    #[test]
    fn folder_without_classes() {
        let folder = tempfile::tempdir().unwrap();
        let error = fail(&folder, &[folder.path().into()]);
        assert!(matches!(error.kind(), ErrorKind::FolderHoldsNoClass { .. }));
        let missing = load_class_folders(folder.path().join("missing")).unwrap_err();
        assert!(matches!(missing.kind(), ErrorKind::FolderMissing { .. }));
    }
}
