//! The course of a training: loss and validation over the upper steps.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::{DrawingBackend, RGBColor};

use super::axis::{Axis, drawable};
use super::figure::{Plot, save_plot};
use super::mark::Mark;
use super::medium::{Area, Medium};
use super::panel::{Line, Panel};
use super::trend::running_median;

/// Height of the panel with the loss, in units.
const LOSS_HEIGHT: u32 = 280;
/// Height of the panel with the PSNR and the labels of the x axis, in units.
const PSNR_HEIGHT: u32 = 320;

const BLUE: RGBColor = RGBColor(31, 95, 168);
const PALE_BLUE: RGBColor = RGBColor(176, 206, 236);
const RED: RGBColor = RGBColor(190, 75, 30);

/// What is known about one upper step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurvePoint {
    /// Number of the upper step.
    pub(crate) step: usize,
    /// Loss of the step's training batch.
    pub(crate) loss: f64,
    /// What validation found, where it was made; more is better.
    pub(crate) validation: Option<f64>,
}

/// What validation measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    title: &'static str,
    label: &'static str,
    unit: &'static str,
}

impl Measure {
    /// Of reconstructed images.
    pub(crate) const PSNR: Self = Self {
        title: "Validation PSNR",
        label: "PSNR (dB)",
        unit: "dB",
    };
    /// Of classifiers.
    pub(crate) const ACCURACY: Self = Self {
        title: "Validation accuracy",
        label: "accuracy (%)",
        unit: "%",
    };
}

/// Writes `points` as the pictures `stem.svg` and `stem.png` (900 × 600 units, the PNG twice that
/// in pixels).
///
/// Above, the loss as it is and its running median, logarithmic if it spans more than a decade;
/// below, what validation measured.
/// Values that are not finite (or beyond ±1e100) are left out; a panel without any value says so.
pub(crate) fn training_curves(points: &[CurvePoint], measure: Measure, stem: &Path) -> Result<()> {
    save_plot(&Curves { points, measure }, stem)
}

struct Curves<'a> {
    points: &'a [CurvePoint],
    measure: Measure,
}

impl Plot for Curves<'_> {
    const SIZE: (u32, u32) = (900, LOSS_HEIGHT + PSNR_HEIGHT);

    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>, medium: Medium) -> Result<()> {
        let steps: Vec<f64> = self.points.iter().map(|point| point.step as f64).collect();
        let x = Axis::counting(&steps);
        let (above, below) = area.split_vertically(medium.pixels(LOSS_HEIGHT as i32));
        loss_panel(self.points).draw(&x, &above, medium)?;
        validation_panel(self.points, self.measure).draw(&x, &below, medium)
    }
}

fn loss_panel(points: &[CurvePoint]) -> Panel {
    let (steps, losses): (Vec<f64>, Vec<f64>) = points
        .iter()
        .filter(|point| drawable(point.loss))
        .map(|point| (point.step as f64, point.loss))
        .unzip();
    let y = Axis::fitting(&losses);
    let window = (losses.len() / 15) | 1;
    let trend = running_median(&losses, window);
    let line = |values: Vec<f64>, colour, width, legend: &str| Line {
        points: steps.iter().copied().zip(values).collect(),
        colour,
        width,
        mark: (steps.len() == 1).then_some(Mark::Disc),
        legend: legend.to_string(),
    };
    let lines = if window == 1 {
        vec![line(losses, BLUE, 2, "each step")]
    } else {
        let legend = format!("running median of {window}");
        vec![
            line(losses, PALE_BLUE, 1, "each step"),
            line(trend, BLUE, 2, &legend),
        ]
    };
    let y_label = if y.is_logarithmic() {
        "loss (logarithmic)"
    } else {
        "loss"
    };
    Panel {
        title: "Training loss",
        y_label,
        y,
        x_label: None,
        lines,
    }
}

fn validation_panel(points: &[CurvePoint], measure: Measure) -> Panel {
    let unit = measure.unit;
    let measured: Vec<(usize, f64)> = points
        .iter()
        .filter_map(|point| Some((point.step, point.validation?)))
        .filter(|&(_, value)| drawable(value))
        .collect();
    let values: Vec<f64> = measured.iter().map(|point| point.1).collect();
    let best = measured
        .iter()
        .copied()
        .reduce(|a, b| if b.1 > a.1 { b } else { a });
    let legend = best.map(|(step, value)| format!("best {value:.2} {unit} at step {step}"));
    let line = Line {
        points: measured
            .iter()
            .map(|&(step, value)| (step as f64, value))
            .collect(),
        colour: RED,
        width: 2,
        mark: Some(Mark::Disc),
        legend: legend.unwrap_or_default(),
    };
    Panel {
        title: measure.title,
        y_label: measure.label,
        y: Axis::linear(&values),
        x_label: Some("upper step"),
        lines: vec![line],
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::with_suffix;
    use super::*;

    fn point(step: usize, loss: f64, validation: Option<f64>) -> CurvePoint {
        CurvePoint {
            step,
            loss,
            validation,
        }
    }

    /// Draws into an empty directory and returns the SVG, after a look at the PNG.
    fn drawn(points: &[CurvePoint]) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let stem = directory.path().join("sigma0.1");
        training_curves(points, Measure::PSNR, &stem).expect("written");
        let png = directory.path().join("sigma0.1.png");
        let size = image::image_dimensions(png).expect("a picture");
        assert_eq!(size, (1800, 1200));
        image::open(directory.path().join("sigma0.1.png")).expect("readable to its end");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            2
        );
        std::fs::read_to_string(directory.path().join("sigma0.1.svg")).expect("text")
    }

    /// Every tag is closed, in order, and the document is one `svg`.
    fn assert_well_formed(svg: &str) {
        assert!(svg.starts_with("<svg"), "{svg:.40}");
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().expect("a name"));
            }
        }
        assert!(open.is_empty(), "{open:?} left open");
    }

    #[test]
    fn both_files_hold_both_panels() {
        let points: Vec<CurvePoint> = (0..60)
            .map(|i| {
                point(
                    i,
                    (-0.1 * i as f64).exp(),
                    (i % 10 == 9).then_some(25.0 + 0.1 * i as f64),
                )
            })
            .collect();
        let svg = drawn(&points);
        assert_well_formed(&svg);
        for label in [
            "Training loss",
            "Validation PSNR",
            "upper step",
            "loss (logarithmic)",
            "PSNR (dB)",
            "each step",
            "running median of 5",
            "best 30.90 dB at step 59",
            "sans-serif",
        ] {
            assert!(svg.contains(label), "no '{label}'");
        }
        assert_eq!(
            svg.matches("<circle").count(),
            6 + 1,
            "six measurements and the legend"
        );
    }

    #[test]
    fn a_narrow_loss_is_drawn_on_a_linear_axis() {
        let svg = drawn(&[point(0, 2.0, None), point(1, 1.0, None)]);
        assert!(!svg.contains("logarithmic"));
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let svg = drawn(&[
            point(0, f64::NAN, Some(f64::INFINITY)),
            point(1, 1.0, Some(20.0)),
            point(2, f64::INFINITY, Some(f64::NAN)),
            point(3, f64::MAX, None),
            point(4, 0.5, Some(21.0)),
        ]);
        assert_well_formed(&svg);
        assert!(svg.contains("best 21.00 dB at step 4"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<circle").count(), 2 + 1);
    }

    #[test]
    fn one_point_or_none_is_enough() {
        let svg = drawn(&[point(7, 0.3, Some(25.0))]);
        assert_well_formed(&svg);
        assert_eq!(
            svg.matches("<circle").count(),
            4,
            "a mark and a legend in each panel"
        );
        for points in [&[][..], &[point(3, f64::NAN, None)]] {
            assert_eq!(drawn(points).matches("no finite values").count(), 2);
        }
    }

    #[test]
    fn an_error_names_the_path_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let stem = directory.path().join("missing").join("curves");
        let error =
            training_curves(&[point(0, 1.0, None)], Measure::PSNR, &stem).expect_err("refused");
        let path = with_suffix(&stem, ".svg").display().to_string();
        assert!(error.to_string().contains(&path), "{error}");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            0
        );
    }
}
