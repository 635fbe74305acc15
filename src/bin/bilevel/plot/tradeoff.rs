//! What accuracy costs: error against work, time and memory, one line a method.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, drawable};
use super::figure::{Plot, save_plot};
use super::mark::Mark;
use super::medium::{Area, Medium, Text};
use super::panel::{FAINT, INK, LABEL_EM, Line, Panel, SAMPLE};
use super::text::width;

/// Height of the panels in units.
const PANELS: i32 = 440;
/// Height of a line of the legend.
const ROW: i32 = 26;
/// Where the legend's samples begin.
const LEGEND_LEFT: i32 = 320;
/// From one entry of the legend to the next.
const GAP: i32 = 26;

/// The shape of the marks of each family.
const MARKS: [Mark; 3] = [Mark::Disc, Mark::Square, Mark::Triangle];
/// Colours that can be told apart, the first ones also by those who do not see red and green.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 90, 170),
    RGBColor(213, 94, 0),
    RGBColor(0, 145, 105),
    RGBColor(190, 70, 140),
    RGBColor(120, 85, 60),
    RGBColor(70, 170, 225),
    RGBColor(225, 160, 0),
    RGBColor(110, 110, 110),
];

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradeoffPoint {
    /// Work.
    pub(crate) cost: f64,
    pub(crate) seconds: f64,
    pub(crate) bytes: f64,
    pub(crate) error: f64,
}

/// One method, with points in the order in which they are joined.
#[derive(Clone, Debug)]
pub(crate) struct TradeoffSeries {
    pub(crate) name: String,
    pub(crate) points: Vec<TradeoffPoint>,
}

/// Methods of one kind: a line of the legend, and a shape of the marks.
#[derive(Clone, Debug)]
pub(crate) struct TradeoffFamily {
    pub(crate) title: &'static str,
    pub(crate) series: Vec<TradeoffSeries>,
}

/// What the error is, and the quantities it is drawn against, a panel each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradeoffAxes {
    pub(crate) error: &'static str,
    pub(crate) panels: &'static [TradeoffPanel],
}

/// A panel's title, the name of its x axis, and what is on it.
pub(crate) type TradeoffPanel = (&'static str, &'static str, fn(&TradeoffPoint) -> f64);

/// Writes the families, at most three of at most eight methods, as `stem.svg` and `stem.png`.
///
/// Points whose error is zero or not finite are left out.
pub(crate) fn tradeoff_curves(
    axes: TradeoffAxes,
    families: &[TradeoffFamily],
    stem: &Path,
) -> Result<()> {
    save_plot(&Curves { axes, families }, stem)
}

struct Curves<'a> {
    axes: TradeoffAxes,
    families: &'a [TradeoffFamily],
}

impl Plot for Curves<'_> {
    const SIZE: (u32, u32) = (1400, (PANELS + 3 * ROW + 22) as u32);

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let (above, below) = area.split_vertically(medium.pixels(PANELS));
        let panels = self.axes.panels;
        for (area, panel) in above.split_evenly((1, panels.len())).iter().zip(panels) {
            self.panel(*panel, area, medium)?;
        }
        self.legend(&below, medium)
    }
}

impl Curves<'_> {
    fn panel<DB: DrawingBackend>(
        &self,
        (title, x_label, quantity): TradeoffPanel,
        area: &Area<DB>,
        medium: Medium,
    ) -> Result<()> {
        let point = |p: &TradeoffPoint| (quantity(p), p.error);
        let visible = |&(x, y): &(f64, f64)| x > 0.0 && y > 0.0 && drawable(x) && drawable(y);
        // The first methods are the ones to look for: they are drawn last, on top.
        let mut looks: Vec<_> = self.looks().collect();
        looks.reverse();
        let lines: Vec<Line> = looks
            .into_iter()
            .map(|(series, colour, mark)| Line {
                points: series.points.iter().map(point).filter(visible).collect(),
                colour,
                width: 2,
                mark: Some(mark),
                legend: String::new(),
            })
            .collect();
        let (xs, ys): (Vec<f64>, Vec<f64>) = lines
            .iter()
            .flat_map(|line| line.points.iter().copied())
            .unzip();
        let panel = Panel {
            title,
            y_label: self.axes.error,
            y: Axis::fitting(&ys),
            x_label: Some(x_label),
            lines,
        };
        panel.draw(&Axis::fitting(&xs), area, medium)
    }

    /// Every method with its colour and its mark.
    fn looks(&self) -> impl Iterator<Item = (&TradeoffSeries, RGBColor, Mark)> {
        self.families.iter().zip(MARKS).flat_map(|(family, mark)| {
            let with_look = move |(series, colour)| (series, colour, mark);
            family.series.iter().zip(COLOURS).map(with_look)
        })
    }

    fn legend<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let text = |text, colour| Text {
            text,
            em: LABEL_EM,
            colour,
        };
        for (row, (family, mark)) in self.families.iter().zip(MARKS).enumerate() {
            let baseline = 26 + row as i32 * ROW;
            let place = (LEGEND_LEFT - 16, baseline);
            medium.write(area, text(family.title, INK), place, HPos::Right)?;
            let mut x = LEGEND_LEFT;
            for (series, colour) in family.series.iter().zip(COLOURS) {
                let sample = Line {
                    points: Vec::new(),
                    colour,
                    width: 2,
                    mark: Some(mark),
                    legend: String::new(),
                };
                x += SAMPLE;
                sample.draw_sample(area, (x, baseline - 4), medium)?;
                x += 7;
                let name = text(&series.name, FAINT);
                medium.write(area, name, (x, baseline), HPos::Left)?;
                x += width(&series.name, LABEL_EM) as i32 + GAP;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(title: &'static str, errors: &[f64]) -> TradeoffFamily {
        let point = |(i, &error): (usize, &f64)| TradeoffPoint {
            cost: 10f64.powi(i as i32),
            seconds: 1e-3,
            bytes: 4e3,
            error,
        };
        TradeoffFamily {
            title,
            series: vec![TradeoffSeries {
                name: format!("method of {title}"),
                points: errors.iter().enumerate().map(point).collect(),
            }],
        }
    }

    const AXES: TradeoffAxes = TradeoffAxes {
        error: "error",
        panels: &[
            ("Error against work", "gradients", |p| p.cost),
            ("Error against time", "seconds", |p| p.seconds),
            ("Error against memory", "bytes of vectors kept", |p| p.bytes),
        ],
    };

    fn drawn(families: &[TradeoffFamily]) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let stem = directory.path().join("compare");
        tradeoff_curves(AXES, families, &stem).expect("written");
        image::open(directory.path().join("compare.png")).expect("readable to its end");
        std::fs::read_to_string(directory.path().join("compare.svg")).expect("text")
    }

    #[test]
    fn every_panel_has_every_point_and_the_legend_every_name() {
        let svg = drawn(&[family("one", &[1.0, 1e-3, 1e-9]), family("two", &[2.0])]);
        for label in [
            "Error against work",
            "seconds",
            "bytes of vectors kept",
            "method of one",
            "method of two",
        ] {
            assert!(svg.contains(label), "no '{label}'");
        }
        assert_eq!(svg.matches("<circle").count(), 3 * 3 + 1);
    }

    #[test]
    fn errors_that_a_logarithm_cannot_show_are_left_out() {
        let svg = drawn(&[family("one", &[0.0, f64::NAN, f64::INFINITY, 1.0])]);
        assert_eq!(svg.matches("<circle").count(), 3 + 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(
            drawn(&[family("one", &[])])
                .matches("no finite values")
                .count(),
            3
        );
    }
}
