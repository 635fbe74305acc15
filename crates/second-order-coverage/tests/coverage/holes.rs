//! What is not exact, and why: every cell of the table without a tick must be explained here.

/// Why cells are not ticked.
pub struct Hole {
    /// The cases whose names begin so.
    pub cases: &'static [&'static str],
    /// The backend, or `""` for all.
    pub backend: &'static str,
    /// What the panic says, if it panics; [`WRONG`] if it gives other numbers; nothing if they are
    /// rough.
    pub says: &'static str,
    pub why: &'static str,
}

/// Says of numbers that they are no approximation.
pub const WRONG: &str = "wrong";

pub const HOLES: &[Hole] = &[
    Hole {
        cases: &["rfft", "irfft"],
        backend: "NdArray",
        says: "is not supported for ndarray",
        why: "`NdArray` has no Fourier transform (\"rfft is not supported for ndarray\").",
    },
    Hole {
        cases: &["rfft", "irfft"],
        backend: "Cpu f64",
        says: "",
        why: "burn-flex transforms `f64` with sines and cosines rounded to `f32`.",
    },
    Hole {
        cases: &["RmsNorm"],
        backend: "f64",
        says: "",
        why: "`burn::nn::RmsNorm` computes the norm in `f32`, whatever the precision of its input.",
    },
];
