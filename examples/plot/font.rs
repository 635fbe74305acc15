//! plotters measures text with a font of its own, for an SVG too.

use std::error::Error;

use plotters::style::{FontStyle, register_font};

const FONT: &[u8] = include_bytes!("../../assets/fonts/Roboto-Regular.ttf");

/// To be called before anything is drawn.
pub fn register() -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| "a font that plotters cannot read".into())
}
