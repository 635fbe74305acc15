//! A regularizer chosen at run time.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::{ErrorKind, check_weights, count};

use super::{
    ConvexNetwork, ConvexNetworkParameters, FieldsOfExperts, FieldsOfExpertsParameters, Hessian,
    Regularizer, ResidualPrior, ResidualPriorParameters, Ridge, RidgeParameters,
    TotalDeepVariation, TotalDeepVariationParameters, Tv, TvParameters,
};

/// The largest counts that make sense.
const MOST_SIZE: usize = 99;
const MOST_KNOTS: usize = 10_000;
const MOST_CHANNELS: usize = 4096;
const MOST_SCALES: usize = 8;

/// Any regularizer of this crate, for programs that read from a file which one it is.
///
/// Behaves as the regularizer inside. Serialised with its name in the field `kind`.
///
/// # Panics
/// Its methods panic if they are given the parameters of another kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Architecture {
    Tv(Tv),
    FieldsOfExperts(FieldsOfExperts),
    Ridge(Ridge),
    ConvexNetwork(ConvexNetwork),
    // The word in model files.
    #[serde(rename = "deep-variation")]
    TotalDeepVariation(TotalDeepVariation),
    ResidualPrior(ResidualPrior),
}

/// The parameters of an [`Architecture`].
#[derive(Module, Debug)]
#[allow(missing_docs)]
#[allow(
    clippy::large_enum_variant,
    reason = "one of them a program, and Burn's derive knows no boxes"
)]
pub enum ArchitectureParameters<B: Backend> {
    Tv(TvParameters<B>),
    FieldsOfExperts(FieldsOfExpertsParameters<B>),
    Ridge(RidgeParameters<B>),
    ConvexNetwork(ConvexNetworkParameters<B>),
    TotalDeepVariation(TotalDeepVariationParameters<B>),
    ResidualPrior(ResidualPriorParameters<B>),
}

/// Runs an expression on what is inside of both.
macro_rules! inside {
    ($architecture:expr, $parameters:expr, |$r:ident, $x:ident| $body:expr) => {
        inside!(@ $architecture, $parameters, $r, $x, $body,
            Tv FieldsOfExperts Ridge ConvexNetwork TotalDeepVariation ResidualPrior)
    };
    (@ $architecture:expr, $parameters:expr, $r:ident, $x:ident, $body:expr, $($kind:ident)*) => {
        match ($architecture, $parameters) {
            $((Architecture::$kind($r), ArchitectureParameters::$kind($x)) => $body,)*
            (r, _) => panic!("the parameters are not those of {r:?}"),
        }
    };
}

/// Parameters made by what is inside.
macro_rules! parameters {
    ($architecture:expr, |$r:ident| $body:expr) => {
        match $architecture {
            Architecture::Tv($r) => ArchitectureParameters::Tv($body),
            Architecture::FieldsOfExperts($r) => ArchitectureParameters::FieldsOfExperts($body),
            Architecture::Ridge($r) => ArchitectureParameters::Ridge($body),
            Architecture::ConvexNetwork($r) => ArchitectureParameters::ConvexNetwork($body),
            Architecture::TotalDeepVariation($r) => {
                ArchitectureParameters::TotalDeepVariation($body)
            }
            Architecture::ResidualPrior($r) => ArchitectureParameters::ResidualPrior($body),
        }
    };
}

macro_rules! from {
    ($($kind:ident)*) => {
        $(impl From<$kind> for Architecture {
            fn from(regularizer: $kind) -> Self {
                Self::$kind(regularizer)
            }
        })*
    };
}

from!(Tv FieldsOfExperts Ridge ConvexNetwork TotalDeepVariation ResidualPrior);

impl Architecture {
    /// The name of its kind, as in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tv(_) => "tv",
            Self::FieldsOfExperts(_) => "fields-of-experts",
            Self::Ridge(_) => "ridge",
            Self::ConvexNetwork(_) => "convex-network",
            Self::TotalDeepVariation(_) => "deep-variation",
            Self::ResidualPrior(_) => "residual-prior",
        }
    }

    /// Whether parameters of this architecture can be made: whoever reads one from a file checks it
    /// before [`init`](Regularizer::init).
    ///
    /// ```
    /// use bilevel_models::regularizer::{Architecture, FieldsOfExperts, Potential};
    ///
    /// let experts = |filters, size| {
    ///     let potential = Potential::StudentT;
    ///     Architecture::from(FieldsOfExperts { filters, size, potential }).check()
    /// };
    /// assert!(experts(24, 5).is_ok());
    /// let error = experts(25, 5).unwrap_err().to_string();
    /// assert_eq!(error, "filters must be from 1 to 24, got 25");
    /// ```
    ///
    /// # Errors
    /// If a size is even or above 99, there are no filters or more than are independent, no knots
    /// or more than 10,000, no scale or more than 8, more than 4096 channels, a stride longer than
    /// a filter, a bound that is not a number of its kind, or more than 134,217,728 weights.
    pub fn check(&self) -> Result<(), Error> {
        let size = self.size();
        if size.is_multiple_of(2) {
            return Err(ErrorKind::EvenFilter { size }.into());
        }
        count("size", size, [1, MOST_SIZE])?;
        let pixels = size * size;
        // The mean of a filter is zero.
        let independent = [1, pixels - 1];
        let bank = |filters: usize| filters as u64 * pixels as u64;
        // Two filters of 3x3 a block, two blocks a scale but for the coarsest.
        let network = |channels: usize, scales: usize| {
            (2 * scales as u64 - 1) * 18 * (channels as u64).pow(2)
        };
        let weights = match *self {
            Self::Tv(_) => 0,
            Self::FieldsOfExperts(FieldsOfExperts { filters, .. }) => {
                count("filters", filters, independent)?;
                bank(filters)
            }
            Self::Ridge(Ridge {
                filters,
                knots,
                weak_convexity,
                ..
            }) => {
                count("filters", filters, independent)?;
                count("knots", knots, [1, MOST_KNOTS])?;
                let bound = weak_convexity.unwrap_or(0.0);
                if !bound.is_finite() || bound < 0.0 {
                    let (name, value) = ("weak_convexity", bound);
                    return Err(ErrorKind::Negative { name, value }.into());
                }
                bank(filters) + filters as u64 * knots as u64
            }
            Self::ConvexNetwork(ConvexNetwork { channels, .. }) => {
                count("channels", channels, [1, MOST_CHANNELS])?;
                channels as u64 * bank(channels)
            }
            Self::TotalDeepVariation(TotalDeepVariation {
                channels,
                scales,
                stride,
                ..
            }) => {
                count("channels", channels, [1, MOST_CHANNELS.min(pixels - 1)])?;
                count("scales", scales, [1, MOST_SCALES])?;
                count("stride", stride, [1, size])?;
                bank(channels) + network(channels, scales)
            }
            Self::ResidualPrior(ResidualPrior {
                channels, scales, ..
            }) => {
                count("channels", channels, [1, MOST_CHANNELS.min(pixels - 1)])?;
                count("scales", scales, [1, MOST_SCALES])?;
                bank(channels) + network(channels, scales)
            }
        };
        check_weights(weights)
    }

    /// Side of the filters that look at the image, in pixels.
    pub fn size(&self) -> usize {
        match self {
            Self::Tv(_) => 3,
            Self::FieldsOfExperts(r) => r.size,
            Self::Ridge(r) => r.size,
            Self::ConvexNetwork(r) => r.size,
            Self::TotalDeepVariation(r) => r.size,
            Self::ResidualPrior(r) => r.size,
        }
    }

    /// How many feature maps of the size of the image its first layer makes, which is what its
    /// memory grows with.
    pub fn features(&self) -> usize {
        match *self {
            Self::Tv(_) => 2,
            Self::FieldsOfExperts(FieldsOfExperts { filters, .. })
            | Self::Ridge(Ridge { filters, .. }) => filters,
            Self::ConvexNetwork(ConvexNetwork { channels, .. })
            | Self::TotalDeepVariation(TotalDeepVariation { channels, .. })
            | Self::ResidualPrior(ResidualPrior { channels, .. }) => channels,
        }
    }

    /// Parameters to start from when the noise has standard deviation `sigma` (pixels in `[0, 1]`);
    /// those that do not depend on it for kinds that do not know how.
    ///
    /// # Panics
    /// If the architecture is not possible: see the kinds.
    pub fn init_for<B: Backend>(
        &self,
        sigma: f64,
        device: &B::Device,
    ) -> ArchitectureParameters<B> {
        match self {
            Self::FieldsOfExperts(r) => {
                ArchitectureParameters::FieldsOfExperts(r.init_for(sigma, device))
            }
            Self::Ridge(r) => ArchitectureParameters::Ridge(r.init_for(sigma, device)),
            Self::TotalDeepVariation(r) => {
                ArchitectureParameters::TotalDeepVariation(r.init_for(sigma, device))
            }
            Self::Tv(_) | Self::ConvexNetwork(_) | Self::ResidualPrior(_) => self.init(device),
        }
    }
}

impl Regularizer for Architecture {
    type Parameters<B: Backend> = ArchitectureParameters<B>;

    fn init<B: Backend>(&self, device: &B::Device) -> ArchitectureParameters<B> {
        parameters!(self, |r| r.init(device))
    }

    fn value<B: Backend>(
        &self,
        x: &ArchitectureParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        inside!(self, x, |r, x| r.value(x, images))
    }

    fn gradient<B: Backend>(
        &self,
        x: &ArchitectureParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        inside!(self, x, |r, x| r.gradient(x, images))
    }

    fn hessian<'a, B: Backend>(
        &'a self,
        x: &ArchitectureParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Hessian<'a, B>> {
        inside!(self, x, |r, x| r.hessian(x, images))
    }

    fn directional<B: Backend>(
        &self,
        x: &ArchitectureParameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Option<Tensor<B, 1>> {
        inside!(self, x, |r, x| r.directional(x, images, v))
    }

    fn curvature_bound<B: Backend>(&self, x: &ArchitectureParameters<B>) -> Option<f64> {
        inside!(self, x, |r, x| r.curvature_bound(x))
    }

    fn convexity<B: Backend>(&self, x: &ArchitectureParameters<B>) -> Option<f64> {
        inside!(self, x, |r, x| r.convexity(x))
    }

    fn project<B: Backend>(&self, x: ArchitectureParameters<B>) -> ArchitectureParameters<B> {
        macro_rules! project {
            ($($kind:ident)*) => {
                match (self, x) {
                    $((Self::$kind(r), ArchitectureParameters::$kind(x)) => {
                        ArchitectureParameters::$kind(r.project(x))
                    })*
                    (r, _) => panic!("the parameters are not those of {r:?}"),
                }
            };
        }
        project!(Tv FieldsOfExperts Ridge ConvexNetwork TotalDeepVariation ResidualPrior)
    }
}
