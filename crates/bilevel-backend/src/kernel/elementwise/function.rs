//! The functions that are applied to every element, written so that the compiler can put a register
//! of elements through them at once: no branches, no tables.

#![allow(clippy::excessive_precision, reason = "the digits of the source")]

/// A function of one element, in both precisions.
///
/// The exponential, the logarithm and the hyperbolic tangent are the standard library's in `f64`.
/// In `f32` they are polynomials after S. Moshier's Cephes library (1992; `expf`, `logf`, `tanhf`),
/// within a few units in the last place: a call to the C library for every element costs ten times
/// as much.
pub trait Function: Copy + Send + Sync {
    /// The function in single precision.
    fn single(self, x: f32) -> f32;
    /// The function in double precision.
    fn double(self, x: f64) -> f64;
}

/// A function of two elements, in both precisions.
pub trait Function2: Copy + Send + Sync {
    /// The function in single precision.
    fn single(self, x: f32, y: f32) -> f32;
    /// The function in double precision.
    fn double(self, x: f64, y: f64) -> f64;
}

macro_rules! arithmetic {
    ($trait:ident: $($(#[$doc:meta])* $name:ident($($x:ident),*) = $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $trait for $name {
            #[inline(always)]
            fn single(self, $($x: f32),*) -> f32 {
                $value
            }
            #[inline(always)]
            fn double(self, $($x: f64),*) -> f64 {
                $value
            }
        }
    )*};
}

arithmetic! { Function:
    /// `-x`
    Negate(x) = -x;
    /// `1 / x`
    Reciprocal(x) = 1.0 / x;
    /// `|x|`
    Absolute(x) = x.abs();
    /// `sqrt(x)`
    SquareRoot(x) = x.sqrt();
    /// `x^2`
    Square(x) = x * x;
    /// `x^3`
    Cube(x) = x * x * x;
}

arithmetic! { Function2:
    /// `x + y`
    Add(x, y) = x + y;
    /// `x - y`
    Subtract(x, y) = x - y;
    /// `x y`
    Multiply(x, y) = x * y;
    /// `x / y`
    Divide(x, y) = x / y;
}

/// A function of two elements whose second is a constant.
#[derive(Clone, Copy, Debug)]
pub struct With<F>(pub F, pub f64);

impl<F: Function2> Function for With<F> {
    #[inline(always)]
    fn single(self, x: f32) -> f32 {
        self.0.single(x, self.1 as f32)
    }
    #[inline(always)]
    fn double(self, x: f64) -> f64 {
        self.0.double(x, self.1)
    }
}

/// A function of two elements with its arguments exchanged.
#[derive(Clone, Copy, Debug)]
pub struct Flip<F>(pub F);

impl<F: Function2> Function2 for Flip<F> {
    #[inline(always)]
    fn single(self, x: f32, y: f32) -> f32 {
        self.0.single(y, x)
    }
    #[inline(always)]
    fn double(self, x: f64, y: f64) -> f64 {
        self.0.double(y, x)
    }
}

/// `exp(x)`
#[derive(Clone, Copy, Debug)]
pub struct Exponential;

impl Function for Exponential {
    #[inline(always)]
    fn single(self, x: f32) -> f32 {
        // exp(x) = 2^n exp(r), |r| <= ln(2) / 2; beyond the ends the product over- or underflows.
        let clamped = x.clamp(-110.0, 100.0);
        let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = clamped - n * LN_2_HIGH + n * LN_2_REST;
        let p = horner(
            r,
            &[
                1.987_569_1e-4,
                1.398_2e-3,
                8.333_452e-3,
                4.166_579_6e-2,
                0.166_666_65,
                0.5,
            ],
        );
        let m = p * r * r + r + 1.0;
        // In two factors: 2^n alone need not be a number.
        let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        let half = n >> 1;
        m * power_of_two(half) * power_of_two(n.wrapping_sub(half))
    }
    #[inline(always)]
    fn double(self, x: f64) -> f64 {
        x.exp()
    }
}

/// `ln(x)`
#[derive(Clone, Copy, Debug)]
pub struct Logarithm;

impl Function for Logarithm {
    #[inline(always)]
    fn single(self, x: f32) -> f32 {
        // x = 2^e m, sqrt(1/2) <= m < sqrt(2). Subnormal numbers are scaled up first.
        let subnormal = x < f32::MIN_POSITIVE;
        let scaled = if subnormal { x * 33_554_432.0 } else { x };
        let bits = scaled.to_bits() as i32;
        let exponent = bits.wrapping_sub(0x3f35_04f3) >> 23;
        let m = f32::from_bits(bits.wrapping_sub(exponent << 23) as u32);
        let e = exponent as f32 - if subnormal { 25.0 } else { 0.0 };
        let f = m - 1.0;
        let z = f * f;
        let p = horner(
            f,
            &[
                7.037_683_6e-2,
                -0.115_146_1,
                0.116_769_98,
                -0.124_201_41,
                0.142_493_23,
                -0.166_680_57,
                0.200_007_15,
                -0.249_999_94,
                0.333_333_3,
            ],
        );
        let y = f * z * p - e * LN_2_REST - 0.5 * z;
        let finite = (f + y) + e * LN_2_HIGH;
        if x > 0.0 {
            if x < f32::INFINITY { finite } else { x }
        } else if x == 0.0 {
            f32::NEG_INFINITY
        } else {
            f32::NAN
        }
    }
    #[inline(always)]
    fn double(self, x: f64) -> f64 {
        x.ln()
    }
}

/// `tanh(x)`
#[derive(Clone, Copy, Debug)]
pub struct HyperbolicTangent;

impl Function for HyperbolicTangent {
    #[inline(always)]
    fn single(self, x: f32) -> f32 {
        let a = x.abs();
        let z = x * x;
        let p = horner(
            z,
            &[
                -5.704_988_7e-3,
                2.063_908_9e-2,
                -5.373_971_6e-2,
                0.133_314_42,
                -0.333_332_82,
            ],
        );
        let near = x + x * z * p;
        let far = 1.0 - 2.0 / (Exponential.single(2.0 * a) + 1.0);
        if a < 0.625 { near } else { far.copysign(x) }
    }
    #[inline(always)]
    fn double(self, x: f64) -> f64 {
        x.tanh()
    }
}

/// `1.5 * 2^23`: `x + ROUND` is rounded to a whole number, which its lowest bits then hold.
const ROUND: f32 = 12_582_912.0;

/// `ln(2)` to 9 bits, and `LN_2_HIGH - ln(2)`.
const LN_2_HIGH: f32 = 0.693_359_375;
const LN_2_REST: f32 = 2.121_944_4e-4;

/// `coefficients[0] x^(n-1) + ... + coefficients[n-1]`
#[inline(always)]
fn horner<const N: usize>(x: f32, coefficients: &[f32; N]) -> f32 {
    let mut p = coefficients[0];
    for c in &coefficients[1..] {
        p = p * x + c;
    }
    p
}

/// `2^n` for `-126 <= n <= 127`; anything for the rest, which only NaN leads to.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}
