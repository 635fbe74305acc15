//! The one font of all pictures, compiled into the program.

use std::sync::Once;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

/// Font family as an SVG names it: a viewer without Roboto takes the next.
///
/// The same string is the key under which plotters finds the registered font.
const FAMILY: &str = "Roboto, Helvetica, Arial, sans-serif";

/// See `assets/fonts/README.md` for its origin and licence.
const ROBOTO: &[u8] = include_bytes!("../../../../assets/fonts/Roboto-Regular.ttf");

/// plotters' font size that gives an em of one pixel in a bitmap: ascent plus descent, in em.
pub(crate) const BITMAP_SIZE: f64 = (1900.0 + 500.0) / 2048.0;

/// plotters' font size that gives an em of one unit in an SVG.
pub(crate) const SVG_SIZE: f64 = 1.24;

/// Height of a capital letter, in em.
pub(crate) const CAPITAL: f64 = 1456.0 / 2048.0;

/// The font at one of plotters' sizes, which are [`BITMAP_SIZE`] or [`SVG_SIZE`] per em.
pub(crate) fn sized(size: f64) -> FontDesc<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let result = register_font(FAMILY, FontStyle::Normal, ROBOTO);
        assert!(
            result.is_ok(),
            "assets/fonts/Roboto-Regular.ttf is not a font plotters can read"
        );
    });
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_is_found_and_measures_text() {
        let (narrow, _) = sized(20.0).box_size("iii").expect("the font is registered");
        let (wide, _) = sized(20.0).box_size("MMM").expect("the font is registered");
        assert!(0 < narrow && narrow < wide);
    }

    #[test]
    fn an_svg_viewer_without_roboto_falls_back() {
        assert!(FAMILY.ends_with(", sans-serif"));
    }
}
