//! What can go wrong with files and settings.

use std::fmt;
use std::path::PathBuf;

/// A file or a setting that cannot be used.
///
/// Its `Display` is one line that names the path or the image and says what to do; control
/// characters, such as a line break in a file name, are escaped. [`Error::kind`] is for programs.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The reason behind an [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is nothing at the path of a folder.
    #[error(
        "no folder at {}: check the spelling, or create it and put PNG or JPEG images in it",
        path.display()
    )]
    FolderMissing {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The path of a folder leads to something else.
    #[error("{} is not a folder: give the folder that holds the images", path.display())]
    NotAFolder {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("cannot list the folder {} ({reason}): check its permissions", path.display())]
    FolderUnreadable {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A folder holds no file that is named like an image.
    #[error(
        "no image in {}: put .png, .jpg or .jpeg files directly in it (sub-folders are not \
         searched)",
        path.display()
    )]
    FolderHoldsNoImage {
        /// The folder.
        path: PathBuf,
    },
    /// An image file is missing, truncated, damaged or not an image.
    #[error(
        "cannot read the image {} ({reason}): check the path, or replace the file by a complete \
         PNG or JPEG",
        path.display()
    )]
    ImageUnreadable {
        /// The image file.
        path: PathBuf,
        /// What the operating system or the decoder said.
        reason: String,
    },
    /// An image file cannot be written.
    #[error(
        "cannot write the image {} ({reason}): check that its folder exists and may be written to",
        path.display()
    )]
    ImageUnwritable {
        /// The image file.
        path: PathBuf,
        /// What the operating system or the encoder said.
        reason: String,
    },
    /// Classes and their groups differ in number.
    #[error("there are {groups} groups for {classes} classes: give one for each")]
    GroupsDoNotFit {
        /// Groups given.
        groups: usize,
        /// Classes of the samples.
        classes: usize,
    },
    /// Samples that are to be turned are not square pictures.
    #[error(
        "only square pictures can be turned, these are {}: crop them, or leave rotations out",
        picture.map_or("no pictures".to_string(), |[h, w]| format!("{h}x{w}"))
    )]
    NotSquare {
        /// Height and width, if they are pictures.
        picture: Option<[usize; 2]>,
    },
    /// A list of classes is missing or damaged.
    #[error("cannot read the classes of {} ({reason}): give a whole file", path.display())]
    ClassesUnreadable {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder has none of Omniglot's runs.
    #[error(
        "no run in {}: give the folder that holds run01 to run20 with their class_labels.txt",
        path.display()
    )]
    FolderHoldsNoRun {
        /// The folder.
        path: PathBuf,
    },
    /// An episode of this shape is none.
    #[error(
        "an episode needs 2 ways, 1 shot and 1 query or more, not {ways}, {shots} and {queries}"
    )]
    EpisodeShape {
        /// Classes.
        ways: usize,
        /// Samples of each to learn from.
        shots: usize,
        /// Samples of each to be judged by.
        queries: usize,
    },
    /// An episode needs more classes than there are.
    #[error("there are {classes} classes to draw from, {ways} ways need more: ask for fewer ways")]
    FewerClassesThanWays {
        /// Classes of the set, or of its largest group.
        classes: usize,
        /// Classes of an episode.
        ways: usize,
    },
    /// An episode needs more samples of a class than there are.
    #[error(
        "class {class} has {samples} samples, {shots} shots and {queries} queries need more: ask for fewer, or leave \
         the class out"
    )]
    ClassTooSmall {
        /// Its name.
        class: String,
        /// Its samples.
        samples: usize,
        /// Samples to learn from.
        shots: usize,
        /// Samples to be judged by.
        queries: usize,
    },
    /// Support and queries of an episode are of different sizes.
    #[error(
        "the support has samples of {support:?}, the queries of {query:?}: bring them to one size"
    )]
    EpisodeSizes {
        /// Height and width, or width.
        support: Vec<usize>,
        /// Height and width, or width.
        query: Vec<usize>,
    },
    /// Support and queries of an episode have different classes.
    #[error("support and queries have different classes: give both the same list")]
    EpisodeClasses,
    /// A sample is in support and queries.
    #[error("{name} is in both support and queries: what is learned from cannot judge")]
    SupportAndQueryOverlap {
        /// Its name.
        name: String,
    },
    /// There is no image to take crops from.
    #[error("no image to take crops from: give at least one")]
    NothingToCrop,
    /// Crops of size 0 were asked for.
    #[error("the crop size is 0: give a size of at least 1 pixel")]
    CropSizeZero,
    /// An image is smaller than the crops to be taken from it.
    #[error(
        "image {name} is {width}x{height}, smaller than the {size}x{size} crops: make the crops \
         smaller or remove this image"
    )]
    CropTooLarge {
        /// The image.
        name: String,
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
        /// The side of the square crops in pixels.
        size: usize,
    },
    /// There is nothing at a path.
    #[error("nothing at {}: check the spelling", path.display())]
    DataMissing {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// A path leads to nothing that labelled samples are read from.
    #[error(
        "no labelled samples known at {}: give a folder with train*-images-idx3-ubyte and its \
         companions, a folder with one sub-folder of images per class, a .csv or .csv.gz file, or \
         an IDX file named *images-idx3-ubyte",
        path.display()
    )]
    DataUnknown {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder has no sub-folder that could be a class.
    #[error(
        "no sub-folder in {}: make one for each class and put its PNG or JPEG images in it",
        path.display()
    )]
    FolderHoldsNoClass {
        /// The folder.
        path: PathBuf,
    },
    /// Two pictures of a set differ in size.
    #[error(
        "the image {} is {}x{}, unlike {} with {}x{}: give images of equal size",
        path.display(), size[1], size[0], first_path.display(), first_size[1], first_size[0]
    )]
    PictureSizesDiffer {
        /// The image.
        path: PathBuf,
        /// Its height and width in pixels.
        size: [usize; 2],
        /// The first image of the set.
        first_path: PathBuf,
        /// Its height and width in pixels.
        first_size: [usize; 2],
    },
    /// A folder lacks a file of images in the IDX format.
    #[error("no file {pattern} in {}: put it there, plain or with .gz", folder.display())]
    IdxMissing {
        /// The folder.
        folder: PathBuf,
        /// The name, up to an asterisk.
        pattern: &'static str,
    },
    /// A folder holds two files where one is needed.
    #[error("both {first} and {second} are in {}: keep one of them there", folder.display())]
    IdxAmbiguous {
        /// The folder.
        folder: PathBuf,
        /// The first file.
        first: String,
        /// The second file.
        second: String,
    },
    /// There is no file of labels beside a file of images.
    #[error("no labels for {}: put them at {}", images.display(), expected.display())]
    LabelsMissing {
        /// The file of images.
        images: PathBuf,
        /// Where its labels should be.
        expected: PathBuf,
    },
    /// An IDX file is missing, truncated or not what it should be.
    #[error(
        "cannot read the IDX file {} ({reason}): check the path, or replace the file by a complete \
         one",
        path.display()
    )]
    IdxUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There are not as many labels as images.
    #[error(
        "{} holds {image_count} images and {} {label_count} labels: give files that belong \
         together",
        images.display(), labels.display()
    )]
    CountsDiffer {
        /// The file of images.
        images: PathBuf,
        /// How many it holds.
        image_count: usize,
        /// The file of labels.
        labels: PathBuf,
        /// How many it holds.
        label_count: usize,
    },
    /// A CSV file is missing, truncated or not what it should be.
    #[error(
        "cannot read the table {} ({reason}): check the path, or replace the file by a complete \
         one",
        path.display()
    )]
    CsvUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of a CSV file is longer or shorter than the others.
    #[error(
        "the number of cells in line {line} of {} is {cells}, not {expected}: give every row its \
         features and then its class, separated by commas",
        path.display()
    )]
    CsvRowLength {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// How many cells it has.
        cells: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A cell of a CSV file cannot be used.
    #[error(
        "line {line}, column {column} of {} is \"{cell}\", not {expected}: correct or remove the \
         line",
        path.display()
    )]
    CsvCell {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// The beginning of the cell.
        cell: String,
        /// What it should be.
        expected: String,
    },
    /// There is no labelled sample.
    #[error("no sample: give at least one")]
    NoSample,
    /// The numbers of features and of labels do not go together.
    #[error(
        "{features} features are not {samples} samples of {width}: give as many features, at least \
         1, for each label"
    )]
    FeaturesDoNotFit {
        /// How many features there are.
        features: usize,
        /// How many a sample should have.
        width: usize,
        /// How many labels there are.
        samples: usize,
    },
    /// A feature is NaN or infinite.
    #[error(
        "feature {column} of sample {sample} is {value}, both counted from 0: correct it or leave \
         the sample out"
    )]
    FeatureNotFinite {
        /// The sample, counted from 0.
        sample: usize,
        /// The feature, counted from 0.
        column: usize,
        /// Its value.
        value: f32,
    },
    /// A label is not the number of a class.
    #[error(
        "sample {sample} has the label {label}, but there are {classes} classes: give labels that \
         count from 0, or more classes"
    )]
    LabelOutOfRange {
        /// The sample, counted from 0.
        sample: usize,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// There is not one of a thing for each sample.
    #[error("{count} {what} for {samples} samples: give one per sample")]
    NotOnePerSample {
        /// The things, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The number of samples.
        samples: usize,
    },
    /// The rows of a set are not pictures of this size.
    #[error(
        "a picture of {width}x{height} does not have {features} pixels: give the size of the \
         pictures"
    )]
    PictureDoesNotFit {
        /// The height in pixels.
        height: usize,
        /// The width in pixels.
        width: usize,
        /// The number of features of a sample.
        features: usize,
    },
    /// A sample was asked for that is not there.
    #[error(
        "sample {sample} was asked for, but there are {samples}, counted from 0: ask for fewer"
    )]
    SampleOutOfRange {
        /// The number of the sample.
        sample: usize,
        /// How many samples there are.
        samples: usize,
    },
    /// A training and a test set do not belong together.
    #[error(
        "the {what} is {train} in the training set and {test} in the test set: give two sets of \
         the same kind"
    )]
    SetsDiffer {
        /// What they differ in.
        what: String,
        /// How it is in the training set.
        train: String,
        /// How it is in the test set.
        test: String,
    },
    /// The fraction of labels to corrupt is not a fraction.
    #[error("the fraction of corrupted labels is {fraction}: give a number from 0 to 1")]
    FractionOutOfRange {
        /// The fraction.
        fraction: f64,
    },
}

impl Error {
    /// The reason, for a program to match on.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_whatever_the_path_and_the_reason() {
        let error = Error::from(ErrorKind::ImageUnreadable {
            path: PathBuf::from("two\nlines.png"),
            reason: "first\r\nsecond".into(),
        });
        assert_eq!(
            error.to_string(),
            "cannot read the image two\\nlines.png (first\\r\\nsecond): check the path, or replace \
             the file by a complete PNG or JPEG"
        );
    }

    #[test]
    fn result_stays_small() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }
}
