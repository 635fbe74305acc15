//! The range, the ticks and the tick labels of an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Values beyond this size are left out: sums and differences of them would not be finite.
const LARGEST: f64 = 1e100;

/// A logarithmic axis over fewer decades than this has ticks at 2 and 5 between the powers of ten.
const FEW_DECADES: f64 = 2.5;

/// A linear or logarithmic axis; plotters' own has no say in where its ticks are.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// Value at the lower end.
    low: f64,
    /// Value at the upper end, above `low`.
    high: f64,
    /// Values that are labelled, rising.
    ticks: Vec<f64>,
    scale: Scale,
}

#[derive(Clone, Debug)]
enum Scale {
    Linear {
        /// Digits after the point of the labels.
        decimals: usize,
    },
    Logarithmic,
}

/// Whether a value can be shown at all.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() < LARGEST
}

impl Axis {
    /// A linear axis with some room around `values`, which must be [`drawable`]; without any it has
    /// no ticks.
    pub(crate) fn linear(values: &[f64]) -> Self {
        let (low, high) = ends(values);
        let size = low.abs().max(high.abs());
        let room = if high > low {
            (0.05 * (high - low)).max(1e-4 * size)
        } else {
            0.05 * size
        };
        let pad = room.max(1e-12);
        let axis = Self::between(low - pad, high + pad, 9.0, 0.0);
        if values.is_empty() {
            Self {
                ticks: Vec::new(),
                ..axis
            }
        } else {
            axis
        }
    }

    /// A linear axis over whole numbers, such as steps.
    pub(crate) fn counting(values: &[f64]) -> Self {
        let (low, high) = ends(values);
        let pad = if high > low { 0.01 * (high - low) } else { 1.0 };
        Self::between(low - pad, high + pad, 10.0, 1.0)
    }

    /// A logarithmic axis if `values` are positive (above 1e-100) and span more than a decade, else
    /// a linear one.
    pub(crate) fn fitting(values: &[f64]) -> Self {
        let (low, high) = ends(values);
        if low < LARGEST.recip() || high / low <= 10.0 {
            return Self::linear(values);
        }
        let decades = high.log10() - low.log10();
        let pad = 10f64.powf(0.04 * decades);
        let (low, high) = (low / pad, high * pad);
        let every = (decades / 6.0).ceil();
        let mantissas: &[f64] = if decades < FEW_DECADES {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let first = (low.log10() / every).floor() as i32;
        let last = (high.log10() / every).ceil() as i32;
        let ticks = (first..=last)
            .map(|k| 10f64.powi(k * every as i32))
            .flat_map(|power| mantissas.iter().map(move |mantissa| mantissa * power))
            .filter(|tick| (low..=high).contains(tick));
        Self {
            low,
            high,
            ticks: ticks.collect(),
            scale: Scale::Logarithmic,
        }
    }

    /// A linear axis with at most `count` steps between ticks, each at least `smallest`.
    fn between(low: f64, high: f64, count: f64, smallest: f64) -> Self {
        let step = round_step((high - low) / count).max(smallest);
        let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        let ticks = (first..=last).map(|k| k as f64 * step).collect();
        let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
        Self {
            low,
            high,
            ticks,
            scale: Scale::Linear { decimals },
        }
    }

    /// Whether equal distances are equal ratios.
    pub(crate) fn is_logarithmic(&self) -> bool {
        matches!(self.scale, Scale::Logarithmic)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let position = |value: f64| {
            if self.is_logarithmic() {
                value.log10()
            } else {
                value
            }
        };
        let (low, high) = (position(self.low), position(self.high));
        let share = (position(*value) - low) / (high - low);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // plotters asks twice: for the labelled lines, and for a finer grid that we do without.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    /// The label at a tick: as a decimal where that is short, else in powers of ten.
    fn format_ext(&self, tick: &f64) -> String {
        let size = tick.abs();
        let written = match self.scale {
            Scale::Linear { decimals } if decimals <= 5 && size < 1e6 => {
                format!("{tick:.decimals$}")
            }
            Scale::Logarithmic if (0.9e-4..1e4).contains(&size) => {
                let decimals = (-(tick.log10() + 1e-9).floor()).max(0.0) as usize;
                format!("{tick:.decimals$}")
            }
            _ => in_powers_of_ten(*tick),
        };
        written.replace('-', "−")
    }
}

fn in_powers_of_ten(tick: f64) -> String {
    let written = format!("{tick:.6e}");
    match written.split_once('e') {
        Some((mantissa, exponent)) => {
            format!(
                "{}e{exponent}",
                mantissa.trim_end_matches('0').trim_end_matches('.')
            )
        }
        None => written,
    }
}

/// Smallest and largest value; 0 and 1 without any.
fn ends(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let high = values.iter().copied().reduce(f64::max).unwrap_or(1.0);
    (low, high)
}

/// The least of 1, 2, 5, 10, 20, ... (and of their tenths, ...) that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| step <= factor * power * (1.0 + 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks
            .iter()
            .map(|tick| axis.format_ext(tick))
            .collect()
    }

    #[test]
    fn a_linear_axis_has_round_ticks() {
        let axis = Axis::linear(&[27.1, 28.1]);
        assert_eq!(labels(&axis), ["27.2", "27.4", "27.6", "27.8", "28.0"]);
        let negative = Axis::linear(&[-1.0, 1.0]);
        assert_eq!(labels(&negative), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
    }

    #[test]
    fn steps_are_whole_numbers() {
        assert_eq!(labels(&Axis::counting(&[5.0])), ["4", "5", "6"]);
        assert_eq!(labels(&Axis::counting(&[0.0, 3.0])), ["0", "1", "2", "3"]);
        let hundreds = labels(&Axis::counting(&[0.0, 300.0]));
        assert_eq!(hundreds, ["0", "50", "100", "150", "200", "250", "300"]);
    }

    #[test]
    fn more_than_a_decade_makes_the_axis_logarithmic() {
        assert!(!Axis::fitting(&[1.0, 9.0]).is_logarithmic());
        assert!(!Axis::fitting(&[0.0, 90.0]).is_logarithmic());
        let axis = Axis::fitting(&[0.003, 0.09]);
        assert!(axis.is_logarithmic());
        assert_eq!(labels(&axis), ["0.005", "0.01", "0.02", "0.05", "0.1"]);
        assert_eq!(
            labels(&Axis::fitting(&[1e-12, 1.0]))[..2],
            ["1e−12", "1e−10"]
        );
    }

    #[test]
    fn equal_ratios_are_equally_far_apart_on_a_logarithmic_axis() {
        let axis = Axis::fitting(&[0.01, 100.0]);
        let [a, b, c] = [0.1, 1.0, 10.0].map(|value| axis.map(&value, (1000, 0)));
        assert!(a > b && (a - b) - (b - c) <= 1, "{a} {b} {c}");
        assert_eq!(axis.map(&axis.low, (1000, 0)), 1000);
        assert_eq!(axis.map(&axis.high, (1000, 0)), 0);
    }

    #[test]
    fn every_drawable_input_gives_a_range_and_a_few_ticks() {
        let inputs: [&[f64]; 7] = [
            &[0.0],
            &[1.0, 1.0 + f64::EPSILON],
            &[-9e99, 9e99],
            &[1e-300, 9e99],
            &[f64::MIN_POSITIVE, 5e-324],
            &[1e16, 1e16 + 2.0],
            &[-1e-30, 1e-30],
        ];
        for values in inputs {
            assert!(values.iter().all(|&value| drawable(value)));
            for axis in [Axis::linear(values), Axis::fitting(values)] {
                assert!(axis.low < axis.high, "{values:?}: {axis:?}");
                assert!((1..=20).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
                assert_eq!(labels(&axis).len(), axis.ticks.len());
            }
        }
        assert!(Axis::fitting(&[]).ticks.is_empty());
        assert!(!drawable(f64::NAN) && !drawable(f64::INFINITY) && !drawable(f64::MAX));
    }
}
