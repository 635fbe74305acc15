//! Activation functions.

use burn_flex::Flex;

use super::Cpu;
use crate::delegate::prelude::*;

/// Flex's sigmoid and hard sigmoid keep the precision of `f64`.
impl ActivationOps<Self> for Cpu {
    activation_ops!(Flex);
    composed_activation_ops!(Flex);
}
