//! One pass over memory: a function of every element, or a sum of them.

pub mod channels;
pub mod function;
pub mod map;
pub mod piecewise;
pub mod rows;
pub mod sum;
