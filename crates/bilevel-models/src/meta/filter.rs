//! Which parameters of a network learn from a support set.

/// Parameters by the beginning of their paths: `head` stands for `head.weight` and `head.bias`.
///
/// ```
/// use bilevel_models::meta::Filter;
///
/// let head = Filter::only(["head"]);
/// assert!(head.accepts("head.weight") && !head.accepts("blocks.0.weight") && !head.accepts("headline"));
/// assert!(Filter::all().accepts("blocks.0.weight"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Filter(Option<Vec<String>>);

impl Filter {
    /// Every parameter.
    pub fn all() -> Self {
        Self(None)
    }

    /// Those at or below one of `paths`.
    pub fn only<S: Into<String>>(paths: impl IntoIterator<Item = S>) -> Self {
        Self(Some(paths.into_iter().map(Into::into).collect()))
    }

    /// Whether the parameter at `path` is one of them.
    pub fn accepts(&self, path: &str) -> bool {
        let Some(paths) = &self.0 else { return true };
        let below = |start: &String| {
            path.strip_prefix(start.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        paths.iter().any(below)
    }
}
