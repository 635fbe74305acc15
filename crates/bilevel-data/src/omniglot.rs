//! Omniglot in its published layout.

use std::path::{Path, PathBuf};

use crate::class_folders::class_folders;
use crate::few_shot_set::{ink, with_looks};
use crate::folder::file_name;
use crate::{EpisodeSamples, Error, ErrorKind, FewShotSet, GrayImage, Labelled, image_paths};

/// Reads a folder of alphabets with a folder of drawings for each character, as `images_background`
/// of Omniglot.
///
/// ```text
/// images_background/Greek/character01/0394_01.png   images_background/Greek/character01/0394_02.png
/// ```
///
/// Drawings, dark on white and of any size, become `side`×`side` pixels with ink 1 and paper 0. A
/// class is named `Greek/character01`, its group is the alphabet.
///
/// # Errors
///
/// If the folder is missing or has no such sub-folders, or a picture cannot be read.
///
/// # References
///
/// Lake, Salakhutdinov, Tenenbaum (2015), "Human-level concept learning through probabilistic
/// program induction", Science 350.
pub fn load_omniglot(folder: impl AsRef<Path>, side: usize) -> Result<FewShotSet, Error> {
    let folder = folder.as_ref();
    let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classes, mut groups) = (Vec::new(), Vec::new());
    for alphabet in class_folders(folder)? {
        for character in class_folders(&alphabet)? {
            let name = format!("{}/{}", file_name(&alphabet), file_name(&character));
            for drawing in image_paths(&character)? {
                features.extend(ink(&GrayImage::load(&drawing)?, side));
                labels.push(classes.len());
                names.push(format!("{name}/{}", file_name(&drawing)));
            }
            classes.push(name);
            groups.push(file_name(&alphabet));
        }
    }
    if classes.is_empty() {
        return Err(ErrorKind::FolderHoldsNoClass {
            path: folder.into(),
        }
        .into());
    }
    let samples = Labelled::new(features, side * side, labels, classes)?;
    FewShotSet::new(with_looks(samples, Some([side, side]), names)?, groups)
}

/// Reads Omniglot's 20 one-shot runs, each 20 drawings to learn from and 20 to be named, within an
/// alphabet.
///
/// ```text
/// all_runs/run01/training/class01.png   all_runs/run01/test/item01.png   all_runs/run01/class_labels.txt
/// ```
///
/// A line of `class_labels.txt` names an item and the class of the same drawing by another hand.
///
/// # Errors
///
/// If the folder is missing or has no run, a list is damaged, or a picture cannot be read.
pub fn load_omniglot_runs(
    folder: impl AsRef<Path>,
    side: usize,
) -> Result<Vec<EpisodeSamples>, Error> {
    let folder = folder.as_ref();
    let runs: Vec<PathBuf> = class_folders(folder)?
        .into_iter()
        .filter(|path| path.join(LABELS).is_file())
        .collect();
    if runs.is_empty() {
        return Err(ErrorKind::FolderHoldsNoRun {
            path: folder.into(),
        }
        .into());
    }
    runs.iter().map(|run| load_run(run, side)).collect()
}

const LABELS: &str = "class_labels.txt";

fn load_run(run: &Path, side: usize) -> Result<EpisodeSamples, Error> {
    let list = run.join(LABELS);
    let unreadable = |reason: String| ErrorKind::ClassesUnreadable {
        path: list.clone(),
        reason,
    };
    let text = std::fs::read_to_string(&list).map_err(|e| unreadable(e.to_string()))?;
    let mut pairs = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [item, class] = fields[..] else {
            return Err(unreadable(format!("a line is `{line}`, not two paths")).into());
        };
        pairs.push((item.to_string(), class.to_string()));
    }
    let mut classes: Vec<String> = pairs.iter().map(|(_, class)| class.clone()).collect();
    classes.sort();
    classes.dedup();
    // Paths begin with the name of the run.
    let above = run.parent().unwrap_or(Path::new(""));
    let set = |files: Vec<String>, labels: Vec<usize>| {
        let mut features = Vec::new();
        for file in &files {
            features.extend(ink(&GrayImage::load(above.join(file))?, side));
        }
        let samples = Labelled::new(features, side * side, labels, classes.clone())?;
        with_looks(samples, Some([side, side]), files)
    };
    let support = set(classes.clone(), (0..classes.len()).collect())?;
    let label = |class: &String| classes.binary_search(class).expect("it is one of them");
    let labels = pairs.iter().map(|(_, class)| label(class)).collect();
    let query = set(pairs.into_iter().map(|(item, _)| item).collect(), labels)?;
    EpisodeSamples::new(support, query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(path: PathBuf, dark: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let picture = |x: u32, _| image::Luma([if x < dark { 0u8 } else { 255 }]);
        image::ImageBuffer::from_fn(8, 8, picture)
            .save(path)
            .unwrap();
    }

    #[test]
    fn alphabets_and_characters() {
        let folder = tempfile::tempdir().unwrap();
        for (character, dark) in [
            ("Greek/character01", 2),
            ("Greek/character02", 4),
            ("Thai/a", 8),
        ] {
            for hand in ["0394_01.png", "0394_02.png"] {
                draw(folder.path().join(character).join(hand), dark);
            }
        }
        let set = load_omniglot(folder.path(), 4).unwrap();
        assert_eq!(set.class_count(), 3);
        assert_eq!((set.group(1), set.group(2)), ("Greek", "Thai"));
        assert_eq!(set.samples().name(2), "Greek/character02/0394_01.png");
        assert_eq!(set.samples().row(2)[..4], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(set.samples().row(0)[..4], [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn runs() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run01");
        for (name, dark) in [
            ("training/class01.png", 2),
            ("training/class02.png", 4),
            ("test/item01.png", 4),
            ("test/item02.png", 2),
        ] {
            draw(run.join(name), dark);
        }
        let list = "run01/test/item01.png run01/training/class02.png\nrun01/test/item02.png run01/training/class01.png\n";
        std::fs::write(run.join(LABELS), list).unwrap();
        let runs = load_omniglot_runs(folder.path(), 4).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].support().labels(), [0, 1]);
        assert_eq!(runs[0].query().labels(), [1, 0]);
        assert_eq!(runs[0].query().row(0), runs[0].support().row(1));

        std::fs::write(run.join(LABELS), "one\n").unwrap();
        let error = load_omniglot_runs(folder.path(), 4).unwrap_err();
        assert!(error.to_string().contains("not two paths"), "{error}");
        std::fs::remove_file(run.join(LABELS)).unwrap();
        let error = load_omniglot_runs(folder.path(), 4).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::FolderHoldsNoRun { .. }));
    }
}
