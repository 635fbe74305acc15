//! The operations of the backends, against Flex, the definition and differences.

mod channels;
mod convolution;
mod deformable_convolution;
mod elementwise;
mod permuted_axes;
mod piecewise;
mod repeated_views;
mod sparse_rows;
