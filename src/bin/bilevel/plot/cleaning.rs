//! The course of a cleaning: accuracies and F1 over time.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::{DrawingBackend, RGBColor};

use super::axis::Axis;
use super::figure::{Plot, save_plot};
use super::mark::Mark;
use super::medium::{Area, Medium};
use super::panel::{Line, Panel};

/// Height of the panel with the accuracies, in units.
const ACCURACY_HEIGHT: u32 = 300;
/// Height of the panel with F1 and the labels of the x axis, in units.
const F1_HEIGHT: u32 = 280;

const BLUE: RGBColor = RGBColor(31, 95, 168);
const PALE_BLUE: RGBColor = RGBColor(150, 190, 230);
const RED: RGBColor = RGBColor(190, 75, 30);

/// What is known at a moment; shares in [0, 1].
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleaningPoint {
    /// Spent on steps.
    pub(crate) seconds: f64,
    /// Accuracy of the classifier trained with the weights.
    pub(crate) solved: Option<f64>,
    /// Accuracy of the method's own iterate.
    pub(crate) own: Option<f64>,
    /// Of the samples kept.
    pub(crate) f1: Option<f64>,
}

/// Writes `points` as the pictures `stem.svg` and `stem.png`. A panel without any value says so.
pub(crate) fn cleaning_curves(points: &[CleaningPoint], stem: &Path) -> Result<()> {
    save_plot(&Curves { points }, stem)
}

struct Curves<'a> {
    points: &'a [CleaningPoint],
}

impl Curves<'_> {
    fn line(
        &self,
        share: fn(&CleaningPoint) -> Option<f64>,
        colour: RGBColor,
        legend: &str,
    ) -> Line {
        let points = self.points.iter();
        Line {
            points: points
                .filter_map(|point| Some((point.seconds, 100.0 * share(point)?)))
                .collect(),
            colour,
            width: 2,
            mark: Some(Mark::Disc),
            legend: legend.to_string(),
        }
    }
}

/// An axis for what the lines show.
fn fitting(lines: &[Line]) -> Axis {
    let values: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.1)
        .collect();
    Axis::fitting(&values)
}

impl Plot for Curves<'_> {
    const SIZE: (u32, u32) = (900, ACCURACY_HEIGHT + F1_HEIGHT);

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let seconds: Vec<f64> = self.points.iter().map(|point| point.seconds).collect();
        let x = Axis::fitting(&seconds);
        let (above, below) = area.split_vertically(medium.pixels(ACCURACY_HEIGHT as i32));
        let lines = vec![
            self.line(|p| p.own, PALE_BLUE, "the method's own iterate"),
            self.line(|p| p.solved, BLUE, "trained with the weights"),
        ];
        let accuracies = Panel {
            title: "Accuracy on the test set",
            y_label: "%",
            y: fitting(&lines),
            x_label: None,
            lines,
        };
        accuracies.draw(&x, &above, medium)?;
        let lines = vec![self.line(|p| p.f1, RED, "")];
        let f1 = Panel {
            title: "F1 of the samples kept",
            y_label: "%",
            y: fitting(&lines),
            x_label: Some("seconds of steps"),
            lines,
        };
        f1.draw(&x, &below, medium)
    }
}
