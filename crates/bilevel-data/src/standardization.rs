//! Features on a common scale.

use crate::{Error, Labelled};

/// A shift and a scale for each feature, so that a data set has mean 0 and standard deviation 1.
///
/// ```text
/// aᵢ ↦ (aᵢ − meanᵢ) / deviationᵢ          constant features become 0
/// ```
///
/// Gradient methods need it where features have units of their own; the brightness of pictures has
/// one already.
///
/// ```
/// use bilevel_data::{Labelled, Standardization};
///
/// let classes = vec!["small".to_string(), "large".to_string()];
/// let data = Labelled::new(vec![1.0, 100.0, 3.0, 300.0], 2, vec![0, 1], classes)?;
/// let scaled = Standardization::of(&data).apply(&data)?;
/// assert_eq!(scaled.features(), [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), bilevel_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Standardization {
    /// Mean and standard deviation of each feature.
    moments: Vec<(f64, f64)>,
}

impl Standardization {
    /// The one that standardizes `data`.
    pub fn of(data: &Labelled) -> Self {
        let n = data.len() as f64;
        let column = |j: usize| (0..data.len()).map(move |i| f64::from(data.row(i)[j]));
        let moments = (0..data.width()).map(|j| {
            let mean = column(j).sum::<f64>() / n;
            let variance = column(j).map(|a| (a - mean) * (a - mean)).sum::<f64>() / n;
            (mean, variance.sqrt())
        });
        Self {
            moments: moments.collect(),
        }
    }

    /// `data` on the scale of the set that this was made of.
    ///
    /// # Errors
    ///
    /// If a feature becomes too large to be a number.
    ///
    /// # Panics
    ///
    /// If `data` has another number of features.
    pub fn apply(&self, data: &Labelled) -> Result<Labelled, Error> {
        let width = self.moments.len();
        assert_eq!(
            data.width(),
            width,
            "the scale is for {width} features, the data have {}",
            data.width()
        );
        let scaled = |(a, (mean, deviation)): (&f32, &(f64, f64))| {
            if *deviation > 0.0 {
                ((f64::from(*a) - mean) / deviation) as f32
            } else {
                0.0
            }
        };
        let rows = data.features().chunks(width);
        let features = rows.flat_map(|row| row.iter().zip(&self.moments).map(scaled));
        Labelled::new(
            features.collect(),
            width,
            data.labels().to_vec(),
            data.classes().to_vec(),
        )?
        .with_names(data.names().to_vec())
    }
}
