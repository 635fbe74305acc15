//! The arithmetic of [`Cpu`](crate::Cpu): plain functions of slices, generic over the instruction
//! set.
//!
//! | module | what |
//! |---|---|
//! | [`convolution`] | a convolution and its two adjoints, of any stride, padding, dilation and groups |
//! | [`skinny_matmul`] | products of a long matrix with a narrow one |
//! | [`sparse`] | the same where most entries of the long one are zero |
//! | [`product`] | any other product of matrices |
//! | [`tile`] | the block of sums in registers, which convolutions and products share |
//! | [`pooling`] | maxima of blocks |
//! | [`elementwise`] | one pass over memory: arithmetic, exponentials, sums |
//! | [`element`] | `f32` and `f64` and their registers |
//! | [`parallel`] | work shared out to threads |
//! | [`memory`] | scratch memory and results without a pass of zeros; the only `unsafe` code |

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "loops of a constant length are unrolled into registers; they read best all alike"
)]

pub mod convolution;
pub mod element;
pub mod elementwise;
pub mod memory;
pub mod parallel;
pub mod pooling;
pub mod product;
pub mod skinny_matmul;
pub mod sparse;
pub mod tile;
