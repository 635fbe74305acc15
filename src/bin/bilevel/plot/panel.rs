//! One chart of a plot, with its title and its legend.

use anyhow::Result;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::{ChartBuilder, Color, DrawingBackend, LineSeries, PathElement, RGBColor};
use plotters::style::text_anchor::HPos;

use super::axis::Axis;
use super::mark::Mark;
use super::medium::{Area, Medium, Text, failure};
use super::text;

/// From the left edge to the y axis, in units.
const LEFT: i32 = 76;
/// From the right end of the x axis to the edge.
const RIGHT: i32 = 24;
/// Height of the line with title and legend.
const TITLE: i32 = 40;
/// Height of the tick labels and the name of the x axis.
const TICK_LABELS: i32 = 44;
/// Length of a line's sample in the legend.
pub(super) const SAMPLE: i32 = 26;

const TITLE_EM: f64 = 17.0;
/// Size of labels and legends.
pub(super) const LABEL_EM: f64 = 13.0;

/// Colour of titles and labels.
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
/// Colour of axes and legends.
pub(super) const FAINT: RGBColor = RGBColor(96, 96, 96);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// A chart over an x axis that it may share with others.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// Quantity and unit of the y axis.
    pub(crate) y_label: &'static str,
    pub(crate) y: Axis,
    /// Quantity and unit of the x axis; without, another panel below has the labels.
    pub(crate) x_label: Option<&'static str>,
    /// Drawn in this order.
    pub(crate) lines: Vec<Line>,
}

/// One line of a panel.
pub(crate) struct Line {
    /// `(x, y)` in the order they were measured; finite.
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) colour: RGBColor,
    /// Width in units.
    pub(crate) width: u32,
    /// The mark of each point.
    pub(crate) mark: Option<Mark>,
    /// Its name beside the title; empty if it is named elsewhere.
    pub(crate) legend: String,
}

impl Panel {
    /// Draws the panel over all of `area`.
    pub(crate) fn draw<DB: DrawingBackend>(
        &self,
        x: &Axis,
        area: &Area<DB>,
        medium: Medium,
    ) -> Result<()> {
        let below = if self.x_label.is_some() {
            TICK_LABELS
        } else {
            8
        };
        let mut chart = ChartBuilder::on(area)
            .margin_top(medium.pixels(TITLE))
            .margin_right(medium.pixels(RIGHT))
            .margin_left(medium.pixels(8))
            .margin_bottom(medium.pixels(4))
            .y_label_area_size(medium.pixels(LEFT - 8))
            .x_label_area_size(medium.pixels(below))
            .build_cartesian_2d(x.clone(), self.y.clone())
            .map_err(failure)?;
        let tick = |tick: &f64| self.x_label.map(|_| x.format_ext(tick)).unwrap_or_default();
        chart
            .configure_mesh()
            .bold_line_style(GRID.stroke_width(medium.stroke(1)))
            .axis_style(FAINT.stroke_width(medium.stroke(1)))
            .set_all_tick_mark_size(medium.pixels(4))
            .label_style(medium.font(LABEL_EM, INK))
            .axis_desc_style(medium.font(LABEL_EM, INK))
            .y_label_offset(medium.raised(LABEL_EM))
            .x_label_formatter(&tick)
            .x_desc(self.x_label.unwrap_or_default())
            .y_desc(self.y_label)
            .draw()
            .map_err(failure)?;
        for line in &self.lines {
            let style = line.colour.stroke_width(medium.stroke(line.width));
            let series = LineSeries::new(line.points.iter().copied(), style);
            chart.draw_series(series).map_err(failure)?;
            if let Some(mark) = line.mark {
                let (left, top) = area.get_base_pixel();
                for point in &line.points {
                    let (x, y) = chart.backend_coord(point);
                    mark.draw(area, (x - left, y - top), line.colour, medium)?;
                }
            }
        }
        self.draw_texts(area, medium)
    }

    /// Title at the left, legend at the right, and a note where there is nothing to see.
    fn draw_texts<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let (width, height) = medium.size(area);
        let baseline = TITLE - 12;
        let title = Text {
            text: self.title,
            em: TITLE_EM,
            colour: INK,
        };
        medium.write(area, title, (LEFT, baseline), HPos::Left)?;

        let label = |text| Text {
            text,
            em: LABEL_EM,
            colour: FAINT,
        };
        if self.lines.iter().all(|line| line.points.is_empty()) {
            let middle = ((LEFT + width - RIGHT) / 2, height / 2);
            return medium.write(area, label("no finite values"), middle, HPos::Center);
        }
        let mut right = width - RIGHT;
        for line in self
            .lines
            .iter()
            .rev()
            .filter(|line| !line.legend.is_empty())
        {
            medium.write(area, label(&line.legend), (right, baseline), HPos::Right)?;
            right -= text::width(&line.legend, LABEL_EM) as i32 + 8;
            line.draw_sample(area, (right, baseline - 4), medium)?;
            right -= SAMPLE + 24;
        }
        Ok(())
    }
}

impl Line {
    /// Draws the line's sample in the legend, its right end at `(x, y)` in units.
    pub(crate) fn draw_sample<DB: DrawingBackend>(
        &self,
        area: &Area<DB>,
        (x, y): (i32, i32),
        medium: Medium,
    ) -> Result<()> {
        let place = |x| (medium.pixels(x), medium.pixels(y));
        let style = self.colour.stroke_width(medium.stroke(self.width));
        area.draw(&PathElement::new([place(x - SAMPLE), place(x)], style))
            .map_err(failure)?;
        if let Some(mark) = self.mark {
            mark.draw(area, place(x - SAMPLE / 2), self.colour, medium)?;
        }
        Ok(())
    }
}
