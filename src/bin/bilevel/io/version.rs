//! Which program this is.

use std::sync::LazyLock;

/// Parts that a program may be built with or without, and whether this one has them.
const FEATURES: [(&str, bool); 2] = [
    ("wgpu", cfg!(feature = "wgpu")),
    ("zenoh", cfg!(feature = "zenoh")),
];

/// The version and the features, such as `0.1.0 (features: none)`.
pub(crate) fn with_features() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let built = FEATURES.iter().filter(|(_, built)| *built);
        let names: Vec<&str> = built.map(|(name, _)| *name).collect();
        let features = match &names[..] {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        format!("{} (features: {features})", env!("CARGO_PKG_VERSION"))
    });
    &TEXT
}
