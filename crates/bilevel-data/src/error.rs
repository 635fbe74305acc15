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
