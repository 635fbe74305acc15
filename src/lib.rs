//! Bilevel optimization for deep learning on Burn.
