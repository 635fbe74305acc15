//! How far algorithms get for what they spend: PSNR against cost, one line an algorithm.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, drawable};
use super::figure::{Plot, save_plot};
use super::mark::Mark;
use super::medium::{Area, Medium, Text};
use super::panel::{INK, LABEL_EM, Line, Panel, SAMPLE};
use super::text::width;

/// Height of the panels in units.
const PANELS: i32 = 440;
/// Height of the legend.
const LEGEND: i32 = 44;
/// Where the legend begins.
const LEGEND_LEFT: i32 = 76;
/// From one entry of the legend to the next.
const GAP: i32 = 34;

/// Colour and mark of each algorithm; colours that can be told apart without seeing red and green.
const LOOKS: [(RGBColor, Mark); 5] = [
    (RGBColor(0, 90, 170), Mark::Disc),
    (RGBColor(213, 94, 0), Mark::Square),
    (RGBColor(225, 160, 0), Mark::Square),
    (RGBColor(0, 145, 105), Mark::Triangle),
    (RGBColor(190, 70, 140), Mark::Triangle),
];

/// An algorithm at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgressPoint {
    /// What it has spent.
    pub(crate) cost: f64,
    /// On the images it learns from, in dB.
    pub(crate) training_psnr: f64,
    /// On others, in dB.
    pub(crate) test_psnr: f64,
}

/// One algorithm.
#[derive(Clone, Debug)]
pub(crate) struct ProgressSeries {
    pub(crate) name: &'static str,
    /// In the order in which they are joined.
    pub(crate) points: Vec<ProgressPoint>,
}

/// Writes the series, at most five, as `stem.svg` and `stem.png`.
///
/// Points that cost nothing yet are left out, and those that are not finite.
pub(crate) fn progress_curves(series: &[ProgressSeries], stem: &Path) -> Result<()> {
    save_plot(&Curves { series }, stem)
}

struct Curves<'a> {
    series: &'a [ProgressSeries],
}

impl Plot for Curves<'_> {
    const SIZE: (u32, u32) = (1300, (PANELS + LEGEND) as u32);

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let (above, below) = area.split_vertically(medium.pixels(PANELS));
        let (left, right) = above.split_horizontally(medium.pixels(Self::SIZE.0 as i32 / 2));
        self.panel("Training crops", |p| p.training_psnr, &left, medium)?;
        self.panel("Other photographs", |p| p.test_psnr, &right, medium)?;
        self.legend(&below, medium)
    }
}

impl Curves<'_> {
    fn panel<DB: DrawingBackend>(
        &self,
        title: &'static str,
        psnr: fn(&ProgressPoint) -> f64,
        area: &Area<DB>,
        medium: Medium,
    ) -> Result<()> {
        let lines = self.looks().map(|(series, colour, mark)| {
            let points = series.points.iter().map(|p| (p.cost, psnr(p)));
            let visible = |&(x, y): &(f64, f64)| x > 0.0 && drawable(x) && drawable(y);
            Line {
                points: points.filter(visible).collect(),
                colour,
                width: 2,
                mark: Some(mark),
                legend: String::new(),
            }
        });
        let lines: Vec<Line> = lines.collect();
        let points = lines.iter().flat_map(|line| line.points.iter().copied());
        let (xs, ys): (Vec<f64>, Vec<f64>) = points.unzip();
        let panel = Panel {
            title,
            y_label: "mean PSNR (dB)",
            y: Axis::linear(&ys),
            x_label: Some("cost: (lower steps + linear steps) × images"),
            lines,
        };
        panel.draw(&Axis::fitting(&xs), area, medium)
    }

    /// Every algorithm with its colour and its mark.
    fn looks(&self) -> impl Iterator<Item = (&ProgressSeries, RGBColor, Mark)> {
        let looks = self.series.iter().zip(LOOKS);
        looks.map(|(series, (colour, mark))| (series, colour, mark))
    }

    fn legend<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let baseline = LEGEND - 18;
        let mut x = LEGEND_LEFT;
        for (series, colour, mark) in self.looks() {
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
            let name = Text {
                text: series.name,
                em: LABEL_EM,
                colour: INK,
            };
            medium.write(area, name, (x, baseline), HPos::Left)?;
            x += width(series.name, LABEL_EM) as i32 + GAP;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_panels_have_every_point_that_can_be_shown() {
        let point = |cost, psnr| ProgressPoint {
            cost,
            training_psnr: psnr,
            test_psnr: psnr - 1.0,
        };
        let series = |name, points| ProgressSeries { name, points };
        let all = [
            series(
                "method one",
                vec![point(0.0, 20.0), point(10.0, 21.0), point(1e3, 25.0)],
            ),
            series("method two", vec![point(50.0, f64::NAN), point(60.0, 22.0)]),
        ];
        let directory = tempfile::tempdir().expect("a directory");
        let stem = directory.path().join("algorithms");
        progress_curves(&all, &stem).expect("written");
        image::open(directory.path().join("algorithms.png")).expect("readable to its end");
        let svg = std::fs::read_to_string(directory.path().join("algorithms.svg")).expect("text");
        for label in [
            "Training crops",
            "Other photographs",
            "method one",
            "method two",
        ] {
            assert!(svg.contains(label), "no '{label}'");
        }
        // Two panels and the legend; squares are polygons.
        assert_eq!(svg.matches("<circle").count(), 2 * 2 + 1);
        assert!(!svg.contains("NaN"));
    }
}
