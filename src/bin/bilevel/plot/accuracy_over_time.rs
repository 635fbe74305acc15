//! How soon methods get how far: accuracy against time, one line a method.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::{DrawingBackend, RGBColor};

use super::axis::Axis;
use super::figure::{Plot, save_plot};
use super::mark::Mark;
use super::medium::{Area, Medium};
use super::panel::{FAINT, Line, Panel};

/// Colours that can be told apart without seeing red and green.
const COLOURS: [RGBColor; 2] = [RGBColor(0, 90, 170), RGBColor(213, 94, 0)];

/// One method.
#[derive(Clone, Debug)]
pub(crate) struct AccuracySeries<'a> {
    pub(crate) name: &'a str,
    /// Seconds, and the accuracy then, in [0, 1].
    pub(crate) points: Vec<(f64, f64)>,
}

/// Writes the methods, at most two, as `stem.svg` and `stem.png`; `goal`, if there is one, is a
/// level line.
pub(crate) fn accuracy_curves(
    series: &[AccuracySeries],
    goal: Option<f64>,
    clock: &'static str,
    stem: &Path,
) -> Result<()> {
    save_plot(
        &Race {
            series,
            goal,
            clock,
        },
        stem,
    )
}

struct Race<'a> {
    series: &'a [AccuracySeries<'a>],
    goal: Option<f64>,
    clock: &'static str,
}

impl Plot for Race<'_> {
    const SIZE: (u32, u32) = (900, 440);

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let percent = |&(x, y): &(f64, f64)| (x, 100.0 * y);
        let series = self.series.iter().zip(COLOURS);
        let mut lines: Vec<Line> = series
            .map(|(racer, colour)| Line {
                points: racer.points.iter().map(percent).collect(),
                colour,
                width: 2,
                mark: (racer.points.len() == 1).then_some(Mark::Disc),
                legend: racer.name.to_owned(),
            })
            .collect();
        let (seconds, mut accuracies): (Vec<f64>, Vec<f64>) =
            lines.iter().flat_map(|line| line.points.clone()).unzip();
        if let Some(goal) = self.goal {
            let last = seconds.iter().copied().fold(0.0, f64::max);
            lines.push(Line {
                points: vec![(0.0, 100.0 * goal), (last, 100.0 * goal)],
                colour: FAINT,
                width: 1,
                mark: None,
                legend: "all data in one process".to_owned(),
            });
            accuracies.push(100.0 * goal);
        }
        let panel = Panel {
            title: "Accuracy of z on the test set",
            y_label: "%",
            y: Axis::linear(&accuracies),
            x_label: Some(self.clock),
            lines,
        };
        panel.draw(&Axis::linear(&seconds), area, medium)
    }
}
