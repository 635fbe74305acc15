//! Learned filters, magnified.

use std::path::Path;

use anyhow::{Result, ensure};

use super::canvas::{Canvas, Colour, FAINT};
use super::text;

/// Side of the square a tap is shown as, in pixels.
const TAP: u32 = 12;
/// Thin frame around a filter, in pixels.
const FRAME: u32 = 1;
/// Between neighbouring filters, in pixels.
const GAP: u32 = 10;
/// White border, in pixels.
const MARGIN: u32 = 12;
/// Height of the line with a filter's weight, in pixels.
const CAPTION: u32 = 18;
/// Height of a line of the note, in pixels.
const NOTE: u32 = 17;

const EM: f64 = 12.0;
const FRAME_COLOUR: Colour = [190, 190, 190];

/// What the picture shows, since it has no other legend.
const NOTES: [&str; 2] = [
    "ordered by weight × norm, the weight below",
    "each on its own scale: blue < 0, white 0, red > 0",
];

/// One linear filter of a regulariser and the weight of its penalty.
pub(crate) struct Filter {
    /// Taps on a side.
    pub(crate) size: usize,
    /// `[size, size]`, row-major.
    pub(crate) taps: Vec<f32>,
    /// Factor of the filter's penalty.
    pub(crate) weight: f32,
}

impl Filter {
    /// Weight times norm: how strongly the filter acts.
    ///
    /// ```text
    /// weight · ‖taps‖₂
    /// ```
    /// Without a finite value it counts as less than any.
    fn influence(&self) -> f32 {
        let norm = self.taps.iter().map(|tap| tap * tap).sum::<f32>().sqrt();
        let influence = self.weight * norm;
        if influence.is_finite() {
            influence
        } else {
            f32::NEG_INFINITY
        }
    }
}

/// Writes a PNG of all `filters` in a grid of about 4:3, the most influential first.
///
/// Each has its own scale, symmetric around zero: blue is negative, white zero, red positive.
/// A tap that is not finite is grey.
pub(crate) fn filter_picture(filters: &[Filter], path: &Path) -> Result<()> {
    draw(filters)?.save_png(path)
}

fn draw(filters: &[Filter]) -> Result<Canvas> {
    ensure!(!filters.is_empty(), "there are no filters to draw");
    for Filter { size, taps, .. } in filters {
        let count = taps.len();
        ensure!(
            size * size == count,
            "a filter of size {size} × {size} has {count} taps"
        );
    }

    let side = filters
        .iter()
        .map(|filter| filter.size as u32)
        .max()
        .unwrap_or(0);
    let side = side * TAP + 2 * FRAME;
    let captions = filters
        .iter()
        .map(|filter| text::width(&significant(filter.weight), EM));
    let cell = (
        side.max(captions.max().unwrap_or(0)) + GAP,
        side + CAPTION + GAP,
    );
    let columns = columns(filters.len() as u32, cell);
    let rows = (filters.len() as u32).div_ceil(columns);

    let notes = NOTES
        .iter()
        .map(|note| text::width(note, EM))
        .max()
        .unwrap_or(0);
    let grid = columns * cell.0 - GAP;
    let below = MARGIN + rows * cell.1;
    let width = grid.max(notes) + 2 * MARGIN;
    let mut canvas = Canvas::new(width, below + NOTES.len() as u32 * NOTE + MARGIN);

    for (i, filter) in (0..).zip(by_influence(filters)) {
        let centre = (width - grid) / 2 + i % columns * cell.0 + (cell.0 - GAP) / 2;
        draw_filter(
            &mut canvas,
            filter,
            (centre, MARGIN + i / columns * cell.1),
            side,
        );
    }
    for (line, note) in (1..).zip(NOTES) {
        let baseline = below + line * NOTE - 4;
        canvas.text(note, EM, FAINT, (width / 2, baseline));
    }
    Ok(canvas)
}

/// Draws a filter and its weight, centred at the column `x` below `y`, in a cell `side` pixels
/// high.
fn draw_filter(canvas: &mut Canvas, filter: &Filter, (x, y): (u32, u32), side: u32) {
    let width = filter.size as u32 * TAP + 2 * FRAME;
    let (left, top) = (x - width / 2, y + (side - width) / 2);
    canvas.fill((left, top), width, width, FRAME_COLOUR);
    let finite = filter.taps.iter().filter(|tap| tap.is_finite());
    let largest = finite.fold(0.0, |largest: f32, tap| largest.max(tap.abs()));
    for (i, &tap) in filter.taps.iter().enumerate() {
        let (column, row) = ((i % filter.size) as u32, (i / filter.size) as u32);
        let corner = (left + FRAME + column * TAP, top + FRAME + row * TAP);
        let colour = diverging(if tap == 0.0 { 0.0 } else { tap / largest });
        canvas.fill(corner, TAP, TAP, colour);
    }
    let caption = significant(filter.weight);
    canvas.text(&caption, EM, FAINT, (x, y + side + 14));
}

/// The filters from the most to the least influential.
fn by_influence(filters: &[Filter]) -> Vec<&Filter> {
    let mut sorted: Vec<&Filter> = filters.iter().collect();
    sorted.sort_by(|a, b| b.influence().total_cmp(&a.influence()));
    sorted
}

/// The number of columns that brings `count` cells of `(width, height)` near to 4:3 and leaves few
/// places empty.
fn columns(count: u32, (width, height): (u32, u32)) -> u32 {
    let distance = |columns: u32| {
        let rows = count.div_ceil(columns);
        let shape = f64::from(columns * width) / f64::from(rows * height);
        let filled = f64::from(count) / f64::from(rows * columns);
        (shape / (4.0 / 3.0)).ln().abs() + 2.0 * (1.0 - filled)
    };
    let best = (1..=count).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    best.unwrap_or(1)
}

/// Blue at -1, white at 0, red at 1, grey where there is no number.
fn diverging(t: f32) -> Colour {
    const MIDDLE: Colour = [255, 255, 255];
    let (half, end) = match t {
        t if !t.is_finite() => return [128; 3],
        t if t < 0.0 => ([146, 197, 222], [33, 102, 172]),
        _ => ([244, 165, 130], [178, 24, 43]),
    };
    let strength = t.abs().min(1.0) * 2.0;
    let mix = |from: Colour, to: Colour, t: f32| {
        std::array::from_fn(|i| {
            let (from, to) = (f32::from(from[i]), f32::from(to[i]));
            (from + t * (to - from)).round() as u8
        })
    };
    if strength <= 1.0 {
        mix(MIDDLE, half, strength)
    } else {
        mix(half, end, strength - 1.0)
    }
}

/// Three significant digits, in powers of ten where that is shorter.
fn significant(value: f32) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 || !size.is_finite() => format!("{value}"),
        _ if !(1e-3..1e4).contains(&size) => format!("{value:.1e}").replace('-', "−"),
        _ => {
            let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}").replace('-', "−")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(size: usize, tap: f32, weight: f32) -> Filter {
        Filter {
            size,
            taps: vec![tap; size * size],
            weight,
        }
    }

    #[test]
    fn the_most_influential_comes_first_and_the_unknown_last() {
        let filters = [
            constant(3, 1.0, 2.0),           // influence 6
            constant(3, f32::NAN, 9.0),      // unknown
            constant(5, 2.0, 1.0),           // influence 10
            constant(3, 0.1, 10.0),          // influence 3
            constant(3, 1.0, f32::INFINITY), // unknown
        ];
        let order: Vec<f32> = by_influence(&filters)
            .iter()
            .map(|filter| filter.weight)
            .collect();
        assert_eq!(order, [1.0, 2.0, 10.0, 9.0, f32::INFINITY]);
    }

    #[test]
    fn the_grid_is_about_four_to_three_and_nearly_full() {
        assert_eq!(columns(12, (100, 100)), 4);
        assert_eq!(columns(13, (100, 100)), 5);
        assert_eq!(
            columns(48, (96, 114)),
            8,
            "a full grid is worth a little of the shape"
        );
        assert_eq!(columns(1, (96, 114)), 1);
    }

    #[test]
    fn the_scale_is_symmetric_around_white() {
        assert_eq!(diverging(0.0), [255; 3]);
        assert_eq!(diverging(-1.0), [33, 102, 172]);
        assert_eq!(diverging(1.0), [178, 24, 43]);
        assert_eq!(diverging(f32::NAN), [128; 3]);
    }

    #[test]
    fn weights_have_three_digits() {
        let written = [0.01234, 1.0, 123.4, 1234.0, 2.5e-6, 0.0, -0.5].map(significant);
        assert_eq!(
            written,
            ["0.0123", "1.00", "123", "1234", "2.5e−6", "0", "−0.500"]
        );
    }

    #[test]
    fn the_file_holds_every_filter_and_its_signs() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("filters.png");
        let signs = Filter {
            size: 2,
            taps: vec![1.0, -1.0, 0.0, f32::NAN],
            weight: 1.0,
        };
        filter_picture(&[signs, constant(7, 0.0, 0.0)], &path).expect("written");
        let read = image::open(&path).expect("a picture").into_rgb8();
        let area = |colour| read.pixels().filter(|pixel| pixel.0 == colour).count() as u32;
        assert_eq!(area(diverging(1.0)), TAP * TAP);
        assert_eq!(area(diverging(-1.0)), TAP * TAP);
        let side = 7 * TAP + 2 * FRAME;
        let rows = MARGIN + 2 * (side + CAPTION + GAP) + 2 * NOTE + MARGIN;
        let row = MARGIN + (side + CAPTION + GAP) + 2 * NOTE + MARGIN;
        assert!(read.height() == rows || read.height() == row);
        assert!(read.width() >= side + 2 * MARGIN);
    }

    #[test]
    fn wrong_input_is_an_error() {
        let path = Path::new("never-written.png");
        assert!(filter_picture(&[], path).is_err());
        let short = Filter {
            size: 3,
            taps: vec![0.0; 8],
            weight: 1.0,
        };
        let error = filter_picture(&[short], path).expect_err("refused");
        assert_eq!(error.to_string(), "a filter of size 3 × 3 has 8 taps");
    }

    #[test]
    fn an_error_names_the_path_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("missing").join("filters.png");
        let error = filter_picture(&[constant(3, 1.0, 1.0)], &path).expect_err("refused");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("listed").count(),
            0
        );
    }
}
