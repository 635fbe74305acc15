//! Settings and data that do not fit together.

/// What does not fit, and what to change. One line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting must be a finite number above zero.
    #[error("{name} must be finite and > 0, got {value}")]
    NotPositive {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// A setting must be a finite number, and zero at least.
    #[error("{name} must be finite and >= 0, got {value}")]
    Negative {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// There is nothing to learn from.
    #[error("there is no sample: give at least one")]
    NoSample,
    /// Episodes cannot be joined.
    #[error(
        "an episode has {} + {} samples (support + queries), another {} + {}: joined episodes need as many as each other",
        expected[0], expected[1], found[0], found[1]
    )]
    UnequalEpisodes {
        /// Support and queries of the first.
        expected: [usize; 2],
        /// Of one that differs.
        found: [usize; 2],
    },
    /// A number must be finite.
    #[error("{name} must be finite, got {value}")]
    NotFinite {
        /// The number.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// A kernel is not an odd square.
    #[error("a kernel must be [1, 1, k, k] with k odd, got {shape:?}: surround it with zeros")]
    KernelShape {
        /// Its shape.
        shape: [usize; 4],
    },
    /// The numbers given do not fill a kernel.
    #[error("a {size}x{size} kernel has {} entries, got {found}", size * size)]
    KernelEntries {
        /// Side of the kernel.
        size: usize,
        /// How many numbers there were.
        found: usize,
    },
    /// A kernel is longer than any blur.
    #[error("a kernel of {length} pixels is too long: at most {most}")]
    KernelTooLong {
        /// Its length in pixels.
        length: f64,
        /// What it may be.
        most: usize,
    },
    /// A count of a regularizer or a network is out of its range.
    #[error("{setting} must be from {least} to {most}, got {value}")]
    Count {
        /// The setting.
        setting: &'static str,
        /// What it was.
        value: usize,
        /// What it has to be at least.
        least: usize,
        /// What it may be.
        most: usize,
    },
    /// A filter has no pixel in its middle.
    #[error("size must be odd, got {size}")]
    EvenFilter {
        /// Its side.
        size: usize,
    },
    /// A model would have more weights than is sensible.
    #[error(
        "this makes {weights} weights, at most {most} are possible: take fewer filters or channels"
    )]
    TooManyWeights {
        /// Its weights.
        weights: u64,
        /// What there may be.
        most: u64,
    },
    /// A kernel is larger than the image.
    #[error(
        "the kernel is {kernel}x{kernel}, the image {}x{}: take a smaller kernel or larger images",
        image[0], image[1]
    )]
    KernelTooLarge {
        /// Side of the kernel.
        kernel: usize,
        /// Height and width of the image.
        image: [usize; 2],
    },
    /// A mask belongs to images of another size.
    #[error(
        "the mask is {mask:?}, images of {}x{} need [1, 1, {}, {}]: crop the mask as the images",
        image[0], image[1], image[0], image[1]
    )]
    MaskShape {
        /// Shape of the mask.
        mask: [usize; 4],
        /// Height and width of the image.
        image: [usize; 2],
    },
    /// Pixels are to be left out by a factor of zero.
    #[error("the factor of super-resolution is 0: give at least 1")]
    FactorZero,
    /// Data have another shape than the physics gives them.
    #[error("data have shape {found:?}, the images' data have {expected:?}: simulate them anew")]
    DataShape {
        /// Shape of the data.
        found: [usize; 4],
        /// Shape that the physics makes of the clean images.
        expected: [usize; 4],
    },
    /// Samples cannot be put into blocks of this size.
    #[error("blocks of {block} samples: take 1 to {samples}, as many as there are")]
    BlockSize {
        /// Samples a block.
        block: usize,
        /// Samples there are.
        samples: usize,
    },
    /// A label is none of the classes.
    #[error("sample {sample} has the label {label}: with {classes} classes they are 0 to {}", classes - 1)]
    Label {
        /// The sample, from 0.
        sample: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The upper loss looks at nothing.
    #[error(
        "a margin of {margin} leaves no pixel of {}x{} images: make it smaller than half of them",
        image[0], image[1]
    )]
    MarginTooLarge {
        /// The margin.
        margin: usize,
        /// Height and width of the images.
        image: [usize; 2],
    },
}

impl Error {
    /// The kind, to match on.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

/// `value` if it is from `least` to `most`, an error that names it otherwise.
pub(crate) fn count(
    setting: &'static str,
    value: usize,
    [least, most]: [usize; 2],
) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ErrorKind::Count {
            setting,
            value,
            least,
            most,
        }
        .into())
    }
}

/// The most weights that a model may have: half a gigabyte in `f32`.
const MOST_WEIGHTS: u64 = 1 << 27;

/// Whether a model may have so many weights.
pub(crate) fn check_weights(weights: u64) -> Result<(), Error> {
    if weights <= MOST_WEIGHTS {
        Ok(())
    } else {
        Err(ErrorKind::TooManyWeights {
            weights,
            most: MOST_WEIGHTS,
        }
        .into())
    }
}

/// `value` if it is finite and above zero, an error that names it otherwise.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64, Error> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(ErrorKind::NotPositive { name, value }.into())
    }
}

/// `value` if it is finite, an error that names it otherwise.
pub(crate) fn finite(name: &'static str, value: f64) -> Result<f64, Error> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(ErrorKind::NotFinite { name, value }.into())
    }
}
