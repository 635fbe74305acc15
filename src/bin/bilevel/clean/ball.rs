//! A ball that what is trained is kept in.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use bilevel_core::projection::{L1Ball, L2Ball, Projection};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// A ball about zero, by its radius.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ball {
    /// `Σ |y| ≤ r`.
    L1(f64),
    /// `‖y‖ ≤ r`.
    L2(f64),
}

impl Ball {
    /// The projection onto it.
    ///
    /// # Errors
    /// If the radius is not above zero.
    pub fn projection<B: Backend>(self) -> Result<Box<dyn Projection<B>>> {
        Ok(match self {
            Self::L1(radius) => Box::new(L1Ball::new(radius)?),
            Self::L2(radius) => Box::new(L2Ball::new(radius)?),
        })
    }
}

impl fmt::Display for Ball {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L1(radius) => write!(f, "l1:{radius}"),
            Self::L2(radius) => write!(f, "l2:{radius}"),
        }
    }
}

impl FromStr for Ball {
    type Err = anyhow::Error;

    /// `l1:RADIUS` or `l2:RADIUS`.
    fn from_str(text: &str) -> Result<Self> {
        let radius = |text: &str| {
            text.parse()
                .ok()
                .filter(|r: &f64| r.is_finite() && *r > 0.0)
        };
        let ball = match text.split_once(':') {
            Some(("l1", text)) => radius(text).map(Self::L1),
            Some(("l2", text)) => radius(text).map(Self::L2),
            _ => None,
        };
        ball.ok_or_else(|| anyhow!("no ball of a radius above 0: write l1:400 or l2:5"))
    }
}
