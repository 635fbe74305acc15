//! A learned regularizer in a browser: a photograph is degraded and reconstructed, a step at a
//! time.
//!
//! The same [`Session`] runs on `Wgpu`, which is WebGPU in a browser, and on `Flex`; the test runs
//! it natively. Nothing in a step waits for the device, which a browser would not allow: images and
//! energies are read when they are shown.

mod model;
mod session;

#[cfg(target_family = "wasm")]
mod browser;

pub use model::Model;
pub use session::{Session, degrade};
