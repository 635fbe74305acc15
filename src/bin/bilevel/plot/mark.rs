//! The marks of measured points.

use anyhow::Result;
use plotters::prelude::{Circle, Color, DrawingBackend, Polygon, RGBColor, WHITE};

use super::medium::{Area, Medium, failure};

/// Radius of a mark in units.
const RADIUS: i32 = 4;

/// The shape of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A filled circle.
    Disc,
    /// The outline of a square.
    Square,
    /// A filled triangle.
    Triangle,
}

impl Mark {
    /// Draws the mark around a pixel of `area`.
    pub fn draw<DB: DrawingBackend>(
        self,
        area: &Area<DB>,
        (x, y): (i32, i32),
        colour: RGBColor,
        medium: Medium,
    ) -> Result<()> {
        let r = medium.pixels(RADIUS);
        let around = |r: i32, corners: &[(i32, i32)]| -> Vec<(i32, i32)> {
            let corner = |(a, b): &(i32, i32)| (x + a * r / 8, y + b * r / 8);
            corners.iter().map(corner).collect()
        };
        match self {
            Mark::Disc => area.draw(&Circle::new((x, y), r, colour.filled())),
            Mark::Square => {
                let square = |r| around(r, &[(-8, -8), (8, -8), (8, 8), (-8, 8)]);
                area.draw(&Polygon::new(square(r), colour.filled()))
                    .map_err(failure)?;
                area.draw(&Polygon::new(square(r / 2), WHITE.filled()))
            }
            Mark::Triangle => {
                let corners = around(r, &[(0, -11), (10, 7), (-10, 7)]);
                area.draw(&Polygon::new(corners, colour.filled()))
            }
        }
        .map_err(failure)
    }
}
