//! Labelled samples from whatever a path leads to.

use std::path::Path;

use crate::class_folders::class_folders;
use crate::folder::{entries, file_name};
use crate::mnist::{is_idx_images, labels_of};
use crate::{
    Columns, Error, ErrorKind, LabelColumn, Labelled, load_class_folders, load_csv_with, load_idx,
    load_mnist_like,
};

/// Samples to train on and, if they come with them, samples to test on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LabelledSets {
    /// The training set.
    pub train: Labelled,
    /// The test set, of the same classes and features.
    pub test: Option<Labelled>,
    /// What the columns are, of a table.
    pub columns: Option<Columns>,
}

impl LabelledSets {
    /// A training set and a test set that fits it.
    ///
    /// # Errors
    ///
    /// If the sets differ in their classes, the number of their features or the size of their
    /// pictures.
    pub fn new(train: Labelled, test: Option<Labelled>) -> Result<Self, Error> {
        if let Some(test) = &test {
            check_fit(&train, test)?;
        }
        Ok(Self {
            train,
            test,
            columns: None,
        })
    }
}

/// Reads labelled samples from a file or a folder.
///
/// | What the path leads to | is read by |
/// | --- | --- |
/// | a folder with a file `*images-idx3-ubyte` or `*images-idx3-ubyte.gz` | [`load_mnist_like`] |
/// | a folder with sub-folders | [`load_class_folders`] |
/// | a file `*.csv` or `*.csv.gz` | [`load_csv`](crate::load_csv) |
/// | a file `*images-idx3-ubyte` or `*images-idx3-ubyte.gz` | [`load_idx`], `labels-idx1` in place of `images-idx3` for the labels |
///
/// Only the first has a test set.
///
/// ```
/// use bilevel_data::load_labelled;
///
/// let tumours = load_labelled("../../assets/tabular/breast_cancer.csv.gz")?;
/// assert_eq!(tumours.train.classes(), ["malignant", "benign"]);
/// assert_eq!(tumours.train.class_sizes(), [212, 357]);
/// assert!(tumours.test.is_none());
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If there is nothing at the path, what is there is none of these, or it cannot be read.
pub fn load_labelled(path: impl AsRef<Path>) -> Result<LabelledSets, Error> {
    load_labelled_with(path, &LabelColumn::Found)
}

/// [`load_labelled`] with the classes of a table in a column of choice.
///
/// # Errors
///
/// As [`load_labelled`]; if a table has no such column.
pub fn load_labelled_with(
    path: impl AsRef<Path>,
    label: &LabelColumn,
) -> Result<LabelledSets, Error> {
    let path = path.as_ref();
    check_present(path)?;
    if path.is_dir() {
        if entries(path)?.iter().any(|entry| is_idx_images(entry)) {
            let (train, test) = load_mnist_like(path)?;
            return LabelledSets::new(train, Some(test));
        }
        if !class_folders(path)?.is_empty() {
            return LabelledSets::new(load_class_folders(path)?, None);
        }
    } else if is_csv(path) {
        let (train, columns) = load_csv_with(path, label)?;
        return Ok(LabelledSets {
            columns: Some(columns),
            ..LabelledSets::new(train, None)?
        });
    } else if is_idx_images(path) {
        return LabelledSets::new(load_idx(path, labels_of(path)?)?, None);
    }
    Err(ErrorKind::DataUnknown { path: path.into() }.into())
}

fn is_csv(path: &Path) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    name.ends_with(".csv") || name.ends_with(".csv.gz")
}

/// That there is something at a path.
pub(crate) fn check_present(path: &Path) -> Result<(), ErrorKind> {
    if path.exists() {
        return Ok(());
    }
    Err(ErrorKind::DataMissing { path: path.into() })
}

/// That a model trained on one set can be tested on the other.
pub(crate) fn check_fit(train: &Labelled, test: &Labelled) -> Result<(), ErrorKind> {
    let agree = |what: &str, of_train: &dyn ToString, of_test: &dyn ToString| {
        let (train, test) = (of_train.to_string(), of_test.to_string());
        if train == test {
            return Ok(());
        }
        Err(ErrorKind::SetsDiffer {
            what: what.into(),
            train,
            test,
        })
    };
    agree("number of features", &train.width(), &test.width())?;
    if let (Some([height, width]), Some([test_height, test_width])) =
        (train.picture(), test.picture())
    {
        agree("width of the pictures", &width, &test_width)?;
        agree("height of the pictures", &height, &test_height)?;
    }
    agree(
        "number of classes",
        &train.class_count(),
        &test.class_count(),
    )?;
    for (class, (of_train, of_test)) in train.classes().iter().zip(test.classes()).enumerate() {
        agree(&format!("name of class {class}"), of_train, of_test)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::idx::idx;

    fn assets(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../assets")
            .join(name)
    }

    fn set(width: usize, classes: &[&str]) -> Labelled {
        let classes = classes.iter().map(|class| class.to_string()).collect();
        Labelled::new(vec![0.0; 2 * width], width, vec![0; 2], classes).unwrap()
    }

    #[test]
    fn folder_like_mnist() {
        let sets = load_labelled(assets("mnist")).unwrap();
        assert_eq!(sets.train.len(), 10_000);
        assert_eq!(sets.test.unwrap().len(), 10_000);
    }

    #[test]
    fn one_idx_file_of_images() {
        let path = assets("mnist/t10k-images-idx3-ubyte.gz");
        let sets = load_labelled(path).unwrap();
        assert_eq!(sets.train.class_sizes()[1], 1135);
        assert_eq!(sets.test, None);
    }

    #[test]
    fn idx_file_without_labels_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images-idx3-ubyte");
        fs::write(&path, idx(&[1, 1, 1], &[0])).unwrap();
        let error = load_labelled(&path).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::LabelsMissing { expected, .. }
            if *expected == folder.path().join("labels-idx1-ubyte"))
        );
    }

    #[test]
    fn table() {
        let sets = load_labelled(assets("tabular/digits.csv.gz")).unwrap();
        assert_eq!((sets.train.len(), sets.train.width()), (1797, 64));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("TABLE.CSV");
        fs::write(&path, "1,a\n2,b\n").unwrap();
        assert_eq!(load_labelled(&path).unwrap().train.len(), 2);
    }

    #[test]
    fn folder_of_class_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("class")).unwrap();
        fs::copy(
            assets("images/test/camera.png"),
            folder.path().join("class").join("camera.png"),
        )
        .unwrap();
        let sets = load_labelled(folder.path()).unwrap();
        assert_eq!(sets.train.names(), ["class/camera.png"]);
    }

    #[test]
    fn what_is_nothing_known_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        fs::write(&text, "text").unwrap();
        for path in [folder.path(), &text] {
            let error = load_labelled(path).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::DataUnknown { .. }));
            let message = error.to_string();
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
        let error = load_labelled(folder.path().join("missing")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DataMissing { .. }));
    }

    #[test]
    fn sets_that_do_not_fit() {
        let train = set(4, &["cat", "dog"]);
        let picture = |size| train.clone().with_picture(size).unwrap();
        let fits = |train: &Labelled, test: Labelled| LabelledSets::new(train.clone(), Some(test));
        assert!(fits(&train, set(4, &["cat", "dog"])).is_ok());
        assert!(fits(&train, picture([2, 2])).is_ok());

        for (train, test, message) in [
            (
                &train,
                set(5, &["cat", "dog"]),
                "number of features is 4 in the training set and 5",
            ),
            (
                &train,
                set(4, &["cat"]),
                "number of classes is 2 in the training set and 1",
            ),
            (
                &train,
                set(4, &["cat", "emu"]),
                "name of class 1 is dog in the training set and emu",
            ),
            (
                &picture([2, 2]),
                picture([1, 4]),
                "width of the pictures is 2 in the training set and 4",
            ),
        ] {
            let error = fits(train, test).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::SetsDiffer { .. }));
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
