//! The plot that several examples end with: lines with a legend.

mod font;

use std::error::Error;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// A name, points, and a colour.
pub type Line = (String, Vec<(f64, f64)>, RGBColor);

/// What is written beside the lines, and the corner of the legend.
pub struct Words {
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub legend: SeriesLabelPosition,
}

/// Draws an SVG of lines over the axes `x` and `y`.
pub fn lines<X, Y>(
    path: &str,
    words: Words,
    x: X,
    y: Y,
    lines: impl IntoIterator<Item = Line>,
) -> Result<(), Box<dyn Error>>
where
    X: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
{
    font::register()?;
    let area = SVGBackend::new(path, (720, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(words.title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(words.x)
        .y_desc(words.y)
        .label_style(("sans-serif", 14))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (name, points, colour) in lines {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(words.legend)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(("sans-serif", 15))
        .draw()?;
    area.present()?;
    Ok(())
}
