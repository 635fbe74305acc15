//! MNIST and the sets that are kept in its form.

use std::path::{Path, PathBuf};

use crate::folder::{entries, file_name};
use crate::idx::read_idx;
use crate::labelled_sets::{check_fit, check_present};
use crate::{Error, ErrorKind, Labelled};

/// Reads the training and the test set of a folder laid out like MNIST.
///
/// The images are the one file `train*-images-idx3-ubyte` and the one file
/// `t10k*-images-idx3-ubyte` or `test*-images-idx3-ubyte`; the labels are beside them,
/// `labels-idx1` in place of `images-idx3`. Each may be compressed, with `.gz` behind its name; if
/// a file is there in both forms the plain one is read. How pixels and labels are read:
/// [`load_idx`]. Both sets have the classes 0 to the highest label of the training set.
///
/// ```
/// use bilevel_data::load_mnist_like;
///
/// let (train, test) = load_mnist_like("../../assets/mnist")?;
/// assert_eq!((train.len(), test.len()), (10_000, 10_000));
/// assert_eq!(train.picture(), Some([28, 28]));
/// assert_eq!(train.class_count(), 10);
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If there is no such folder or not one such file of each kind, a file is truncated or is no IDX
/// file, the numbers of images and labels differ, or the pictures or the classes of the two sets
/// do.
pub fn load_mnist_like(folder: impl AsRef<Path>) -> Result<(Labelled, Labelled), Error> {
    let folder = folder.as_ref();
    check_present(folder)?;
    let images: Vec<PathBuf> = entries(folder)?
        .into_iter()
        .filter(|path| is_idx_images(path) && !path.is_dir())
        .collect();
    let train = the_one(folder, &images, &["train"], "train*-images-idx3-ubyte")?;
    let test = the_one(
        folder,
        &images,
        &["t10k", "test"],
        "t10k*-images-idx3-ubyte",
    )?;

    let train = read_pair(train, &labels_of(train)?, 0)?;
    let test = read_pair(test, &labels_of(test)?, train.class_count())?;
    check_fit(&train, &test)?;
    Ok((train, test))
}

/// Reads an IDX file of images and one of their labels, plain or compressed by gzip.
///
/// The images have three dimensions (number, height, width), the labels one, both of unsigned
/// bytes. A pixel v becomes v / 255. The classes are 0 to the highest label, named by their number;
/// a sample is named by its number in the file, counted from 0.
///
/// ```
/// use bilevel_data::load_idx;
///
/// let folder = std::path::Path::new("../../assets/mnist");
/// let images = folder.join("t10k-images-idx3-ubyte.gz");
/// let digits = load_idx(images, folder.join("t10k-labels-idx1-ubyte.gz"))?;
/// assert_eq!(digits.classes()[digits.label(0)], "7");
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If a file cannot be read, is truncated or is no such file, or the numbers of images and labels
/// differ.
pub fn load_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Labelled, Error> {
    read_pair(images.as_ref(), labels.as_ref(), 0)
}

/// [`load_idx`] with at least so many classes.
fn read_pair(images: &Path, labels: &Path, classes: usize) -> Result<Labelled, Error> {
    let ([count, height, width], pixels) = read_idx(images)?;
    let ([label_count], labels_read) = read_idx(labels)?;
    if count != label_count {
        return Err(ErrorKind::CountsDiffer {
            images: images.into(),
            image_count: count,
            labels: labels.into(),
            label_count,
        }
        .into());
    }
    let features = pixels.iter().map(|&v| f32::from(v) / 255.0).collect();
    let labels: Vec<usize> = labels_read.into_iter().map(usize::from).collect();
    let highest = labels.iter().copied().max().unwrap_or_default();
    let classes = (0..classes.max(highest + 1))
        .map(|class| class.to_string())
        .collect();
    Labelled::new(features, height * width, labels, classes)?.with_picture([height, width])
}

/// Whether a file is named like the images of MNIST.
pub(crate) fn is_idx_images(path: &Path) -> bool {
    let name = file_name(path);
    let name = without_gz(&name);
    // Some archives unpack to a dot in place of the hyphen.
    name.ends_with("images-idx3-ubyte") || name.ends_with("images.idx3-ubyte")
}

/// The file of labels that belongs to a file of images.
pub(crate) fn labels_of(images: &Path) -> Result<PathBuf, Error> {
    let name = file_name(images)
        .replace("images", "labels")
        .replace("idx3", "idx1");
    let other_form = match name.strip_suffix(".gz") {
        Some(plain) => plain.to_string(),
        None => format!("{name}.gz"),
    };
    [&name, &other_form]
        .map(|name| images.with_file_name(name))
        .into_iter()
        .find(|labels| labels.is_file())
        .ok_or_else(|| {
            ErrorKind::LabelsMissing {
                images: images.into(),
                expected: images.with_file_name(name),
            }
            .into()
        })
}

/// The one file of sorted `images` whose name starts with a prefix; plain and compressed count as
/// one.
fn the_one<'a>(
    folder: &Path,
    images: &'a [PathBuf],
    prefixes: &[&str],
    pattern: &'static str,
) -> Result<&'a Path, ErrorKind> {
    let mut found: Vec<(String, &PathBuf)> = images
        .iter()
        .map(|path| (file_name(path), path))
        .filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    found.dedup_by(|(compressed, _), (plain, _)| without_gz(compressed) == plain);
    match &found[..] {
        [(_, path)] => Ok(path),
        [] => Err(ErrorKind::IdxMissing {
            folder: folder.into(),
            pattern,
        }),
        [(first, _), (second, _), ..] => Err(ErrorKind::IdxAmbiguous {
            folder: folder.into(),
            first: first.clone(),
            second: second.clone(),
        }),
    }
}

fn without_gz(name: &str) -> &str {
    name.strip_suffix(".gz").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::idx::idx;
    use crate::plain_or_gzip::gzip;

    const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/mnist");

    /// Three training and two test pictures of 2x1 pixels, the test files compressed.
    fn small() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, file: &[u8]| fs::write(folder.path().join(name), file).unwrap();
        write(
            "train-images-idx3-ubyte",
            &idx(&[3, 2, 1], &[0, 255, 51, 102, 1, 2]),
        );
        write("train-labels-idx1-ubyte", &idx(&[3], &[2, 0, 1]));
        write(
            "t10k-images-idx3-ubyte.gz",
            &gzip(&idx(&[2, 2, 1], &[0, 0, 5, 5])),
        );
        write("t10k-labels-idx1-ubyte.gz", &gzip(&idx(&[2], &[1, 0])));
        write("README.md", b"text");
        folder
    }

    fn fail(folder: &TempDir) -> Error {
        let error = load_mnist_like(folder.path()).unwrap_err();
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        let path = folder.path().to_str().unwrap();
        assert!(message.contains(path), "{message}");
        error
    }

    #[test]
    fn shipped_digits_have_the_documented_class_sizes() {
        let (train, test) = load_mnist_like(ASSETS).unwrap();
        let sizes = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978];
        assert_eq!(train.class_sizes(), sizes);
        let sizes = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
        assert_eq!(test.class_sizes(), sizes);
        for set in [train, test] {
            assert_eq!((set.len(), set.width()), (10_000, 28 * 28));
            assert_eq!(set.picture(), Some([28, 28]));
            assert_eq!(set.classes().join(""), "0123456789");
            assert_eq!(set.name(9_999), "9999");
            let (mut low, mut high) = (f32::MAX, f32::MIN);
            for &v in set.features() {
                (low, high) = (low.min(v), high.max(v));
            }
            assert_eq!((low.to_bits(), high.to_bits()), (0, 1f32.to_bits()));
        }
    }

    #[test]
    fn pixels_are_scaled_and_the_test_set_has_the_classes_of_the_training_set() {
        let (train, test) = load_mnist_like(small().path()).unwrap();
        assert_eq!(
            train.features(),
            [
                0.0,
                1.0,
                51.0 / 255.0,
                102.0 / 255.0,
                1.0 / 255.0,
                2.0 / 255.0
            ]
        );
        assert_eq!(train.picture(), Some([2, 1]));
        assert_eq!(train.labels(), [2, 0, 1]);
        assert_eq!(test.labels(), [1, 0]);
        assert_eq!(test.classes(), ["0", "1", "2"]);
    }

    #[test]
    fn every_spelling_of_the_names_is_found() {
        let folder = small();
        let rename = |from: &str, to: &str| {
            fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
        };
        rename("train-images-idx3-ubyte", "train-images.idx3-ubyte");
        rename("train-labels-idx1-ubyte", "train-labels.idx1-ubyte");
        rename("t10k-images-idx3-ubyte.gz", "test2-images-idx3-ubyte.gz");
        rename("t10k-labels-idx1-ubyte.gz", "test2-labels-idx1-ubyte.gz");
        let (train, test) = load_mnist_like(folder.path()).unwrap();
        assert_eq!((train.len(), test.len()), (3, 2));
    }

    #[test]
    fn plain_file_goes_before_its_compressed_form() {
        let folder = small();
        let compressed = folder.path().join("train-images-idx3-ubyte.gz");
        fs::write(&compressed, "not read").unwrap();
        assert_eq!(load_mnist_like(folder.path()).unwrap().0.len(), 3);

        // Images in one form, labels in the other.
        let plain = folder.path().join("train-images-idx3-ubyte");
        fs::write(&compressed, gzip(&fs::read(&plain).unwrap())).unwrap();
        fs::remove_file(&plain).unwrap();
        assert_eq!(load_mnist_like(folder.path()).unwrap().0.len(), 3);
    }

    #[test]
    fn missing_files_are_named() {
        let folder = small();
        fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
        let error = fail(&folder);
        assert!(
            matches!(error.kind(), ErrorKind::LabelsMissing { expected, .. }
            if expected.ends_with("train-labels-idx1-ubyte"))
        );

        fs::remove_file(folder.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
        let error = fail(&folder);
        assert!(matches!(error.kind(), ErrorKind::IdxMissing { pattern, .. }
            if pattern.starts_with("t10k")));
    }

    #[test]
    fn two_training_sets_are_ambiguous() {
        let folder = small();
        fs::write(folder.path().join("train10k-images-idx3-ubyte.gz"), "").unwrap();
        let error = fail(&folder);
        assert!(
            matches!(error.kind(), ErrorKind::IdxAmbiguous { first, second, .. }
            if first == "train-images-idx3-ubyte" && second == "train10k-images-idx3-ubyte.gz")
        );
    }

    #[test]
    fn more_images_than_labels() {
        let folder = small();
        let labels = folder.path().join("train-labels-idx1-ubyte");
        fs::write(labels, idx(&[2], &[0, 1])).unwrap();
        let error = fail(&folder);
        assert!(matches!(
            error.kind(),
            ErrorKind::CountsDiffer {
                image_count: 3,
                label_count: 2,
                ..
            }
        ));
    }

    #[test]
    fn images_in_place_of_labels() {
        let folder = small();
        let path = |name: &str| folder.path().join(name);
        fs::copy(
            path("train-images-idx3-ubyte"),
            path("train-labels-idx1-ubyte"),
        )
        .unwrap();
        let error = fail(&folder);
        assert!(
            error
                .to_string()
                .contains("its number of dimensions is 3, not 1"),
            "{error}"
        );
    }

    #[test]
    fn test_set_with_a_class_more() {
        let folder = small();
        let labels = folder.path().join("t10k-labels-idx1-ubyte.gz");
        fs::write(labels, idx(&[2], &[3, 0])).unwrap();
        let error = load_mnist_like(folder.path()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SetsDiffer { .. }));
    }

    #[test]
    fn missing_folder() {
        let folder = small();
        let error = load_mnist_like(folder.path().join("missing")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DataMissing { .. }));
        let error = load_mnist_like(folder.path().join("README.md")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotAFolder { .. }));
    }
}
