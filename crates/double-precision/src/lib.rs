//! What tests compute on: the backend `Cpu` in `f64`.
//!
//! `burn-ndarray` is generic in its numbers, so that each test program that uses it in `f64`
//! compiles it once more. `Cpu` is compiled once. Burn fixes the float type of a device when its
//! first tensor is made, which tests that run beside each other cannot agree upon: a program that
//! uses this crate computes in `f64` from before its `main`.

use std::any::type_name;
use std::env;
use std::process::Command;

use bilevel_backend::Cpu;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The backend of a test, in `f64`.
pub type B = Cpu;

/// Reads a tensor of one entry.
pub trait Number {
    /// The entry. (`into_scalar` would round it to the `f32` that the type [`B`] is of.)
    ///
    /// # Panics
    /// If there is not one entry.
    fn number(self) -> f64;
}

impl<T: Backend, const D: usize> Number for Tensor<T, D> {
    fn number(self) -> f64 {
        let entries: Vec<f64> = self.into_data().iter().collect();
        let &[entry] = entries.as_slice() else {
            panic!("{} entries where one is read", entries.len());
        };
        entry
    }
}

/// Set for a process that computes in `f32`.
const SINGLE: &str = "BILEVEL_TEST_IN_SINGLE_PRECISION";

#[ctor::ctor(unsafe)]
fn begin() {
    if env::var_os(SINGLE).is_none() {
        Cpu::use_f64().expect("no tensor was made before");
    }
}

/// Runs `test` in a process of its own that computes in `f32`. Call it with a closure, first and
/// last in a test.
///
/// # Panics
/// If the test fails, with what it printed.
pub fn in_single_precision<F: FnOnce()>(test: F) {
    if env::var_os(SINGLE).is_some() {
        return test();
    }
    // "program::module::name::{{closure}}"
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = path.split_once("::").expect("a closure in a function");
    let child = Command::new(env::current_exe().expect("a test knows its program"))
        .args([name, "--exact"])
        .env(SINGLE, "1")
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{name} failed: {said}");
    assert!(said.contains("1 passed"), "{name} is no test: {said}");
}
