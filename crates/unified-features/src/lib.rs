//! No code: the dependencies of this package hold the features of what the workspace shares (see
//! `Cargo.toml`).
