//! The glyph set that comes with the project.

use std::path::Path;

use crate::few_shot_set::with_looks;
use crate::idx::read_idx;
use crate::{Error, ErrorKind, FewShotSet, Labelled};

/// A part of the glyph set, by alphabets: no alphabet is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlyphSplit {
    /// 512 classes of eight alphabets.
    Train,
    /// 65 classes of two.
    Val,
    /// 209 classes of four.
    Test,
}

impl GlyphSplit {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

const PICTURES: &str = "glyphs-idx4-ubyte.gz";
const CLASSES: &str = "classes.tsv";

/// Whether a folder holds the glyph set.
pub fn holds_glyphs(folder: impl AsRef<Path>) -> bool {
    folder.as_ref().join(PICTURES).is_file()
}

/// Reads a part of the glyph set: 20 pictures of 28×28 pixels of each character, ink 1, paper 0.
///
/// A class is named by its character, its group is the alphabet, a picture is named `あ/3`.
///
/// ```
/// use bilevel_data::{GlyphSplit, load_glyphs};
///
/// let test = load_glyphs("../../assets/glyphs", GlyphSplit::Test)?;
/// assert_eq!((test.class_count(), test.samples().len()), (209, 4180));
/// assert_eq!(test.samples().picture(), Some([28, 28]));
/// assert_eq!(test.group(0), "hangul");
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If one of the two files is missing or damaged, or they do not fit each other.
pub fn load_glyphs(folder: impl AsRef<Path>, split: GlyphSplit) -> Result<FewShotSet, Error> {
    let folder = folder.as_ref();
    let ([count, each, height, width], pixels) = read_idx::<4>(&folder.join(PICTURES))?;
    let path = folder.join(CLASSES);
    let unreadable = |reason: String| ErrorKind::ClassesUnreadable {
        path: path.clone(),
        reason,
    };
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
    let lines: Vec<&str> = text.lines().skip(1).collect();
    if lines.len() != count {
        let reason = format!("it has {} classes, {PICTURES} has {count}", lines.len());
        return Err(unreadable(reason).into());
    }
    let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classes, mut groups) = (Vec::<String>::new(), Vec::new());
    for (number, line) in lines.into_iter().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, alphabet, part, _, character] = fields[..] else {
            let reason = format!("line {} has {} fields, not 5", number + 2, fields.len());
            return Err(unreadable(reason).into());
        };
        if part != split.name() {
            continue;
        }
        let size = each * height * width;
        let own = &pixels[number * size..][..size];
        features.extend(own.iter().map(|p| f32::from(*p) / 255.0));
        labels.extend(vec![classes.len(); each]);
        names.extend((0..each).map(|i| format!("{character}/{i}")));
        classes.push(character.into());
        groups.push(alphabet.into());
    }
    let samples = Labelled::new(features, height * width, labels, classes)?;
    FewShotSet::new(with_looks(samples, Some([height, width]), names)?, groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "../../assets/glyphs";

    #[test]
    fn splits_share_no_alphabet() {
        let parts = [GlyphSplit::Train, GlyphSplit::Val, GlyphSplit::Test]
            .map(|split| load_glyphs(FOLDER, split).unwrap());
        assert_eq!(
            parts.each_ref().map(FewShotSet::class_count),
            [512, 65, 209]
        );
        let alphabets = parts.each_ref().map(|part| {
            let groups = (0..part.class_count()).map(|c| part.group(c).to_string());
            groups.collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(alphabets.each_ref().map(|a| a.len()), [8, 2, 4]);
        assert!(alphabets[0].is_disjoint(&alphabets[2]) && alphabets[1].is_disjoint(&alphabets[2]));
        for part in &parts {
            assert!((0..part.class_count()).all(|c| part.members(c).len() == 20));
        }
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let copy =
            |name: &str| std::fs::copy(Path::new(FOLDER).join(name), folder.path().join(name));
        copy(PICTURES).unwrap();
        let error = load_glyphs(folder.path(), GlyphSplit::Val).unwrap_err();
        assert!(error.to_string().contains(CLASSES), "{error}");
        std::fs::write(folder.path().join(CLASSES), "class\n0\tx\n").unwrap();
        let error = load_glyphs(folder.path(), GlyphSplit::Val).unwrap_err();
        assert!(error.to_string().contains("786"), "{error}");
    }
}
