//! Which of the inner steps the queries judge.

/// Which weights the queries judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepLosses {
    /// Those after the last step.
    #[default]
    Last,
    /// Those after every step: `F = (1 − s) f(y_K) + s mean_k f(y_k)`. MAML++ lets the share s fall
    /// from 1 to 0.
    Every {
        /// s in `[0, 1]`.
        share: f64,
    },
}

impl StepLosses {
    /// The weight of `f(y_k)`, k from 1 to `steps`; of `f(y₀)` if there is no step.
    pub(super) fn weight(self, k: usize, steps: usize) -> f64 {
        let last = f64::from(k == steps);
        match self {
            Self::Every { share } if steps > 0 => (1.0 - share) * last + share / steps as f64,
            // Where there is no step, the start is the end.
            Self::Last | Self::Every { .. } => last,
        }
    }
}
