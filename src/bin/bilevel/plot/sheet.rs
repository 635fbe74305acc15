//! Images side by side: one row an image, one column a method.

use std::path::Path;

use anyhow::{Result, ensure};
use bilevel_data::GrayImage;

use super::canvas::{Canvas, FAINT, INK};
use super::text;

/// White border, and height and em of the texts, in pixels.
const MARGIN: u32 = 12;
/// Between neighbouring columns and between rows, in pixels.
const GAP: u32 = 8;
/// Height of the column titles' line, in pixels.
const HEADER: u32 = 24;
/// Width of the strip with the rows' names, in pixels.
const NAMES: u32 = 22;
/// Height of a caption's line, in pixels.
const CAPTION: u32 = 20;

const TITLE_EM: f64 = 16.0;
const NAME_EM: f64 = 14.0;
const CAPTION_EM: f64 = 13.0;

/// One image of the sheet, in all its versions.
pub(crate) struct SheetRow {
    /// Written upwards at the left; may be empty.
    pub(crate) name: String,
    /// From left to right, at most as many as there are columns.
    pub(crate) cells: Vec<SheetCell>,
}

/// One version of an image.
pub(crate) struct SheetCell {
    /// Shown pixel for pixel.
    pub(crate) image: GrayImage,
    /// Written below it, for example `27.31 dB`; may be empty.
    pub(crate) caption: String,
}

/// Writes a PNG of all `rows` under the titles `columns`.
///
/// The images keep their size and may differ in it; a column is as wide as its widest part.
pub(crate) fn comparison_sheet(columns: &[&str], rows: &[SheetRow], path: &Path) -> Result<()> {
    draw(columns, rows)?.save_png(path)
}

fn draw(columns: &[&str], rows: &[SheetRow]) -> Result<Canvas> {
    ensure!(
        !columns.is_empty() && !rows.is_empty(),
        "a sheet needs a column and a row"
    );
    for row in rows {
        let (cells, titles) = (row.cells.len(), columns.len());
        ensure!(
            cells <= titles,
            "row '{}' has {cells} cells for {titles} columns",
            row.name
        );
    }

    let named = rows.iter().any(|row| !row.name.is_empty());
    let left = MARGIN + if named { NAMES } else { 0 };
    let widths: Vec<u32> = (0..columns.len())
        .map(|i| column_width(columns[i], i, rows))
        .collect();
    let heights: Vec<u32> = rows.iter().map(row_height).collect();
    let width = left + widths.iter().sum::<u32>() + GAP * (widths.len() as u32 - 1) + MARGIN;
    let height = MARGIN + HEADER + heights.iter().map(|h| h + GAP).sum::<u32>();
    let mut canvas = Canvas::new(width, height);

    let centres: Vec<u32> = widths
        .iter()
        .scan(left, |x, width| {
            let centre = *x + width / 2;
            *x += width + GAP;
            Some(centre)
        })
        .collect();
    for (title, &centre) in columns.iter().zip(&centres) {
        let baseline = MARGIN + HEADER - 9;
        canvas.text(title, TITLE_EM, INK, (centre, baseline));
    }
    let mut top = MARGIN + HEADER;
    for (row, height) in rows.iter().zip(heights) {
        draw_row(&mut canvas, row, &centres, top);
        top += height + GAP;
    }
    Ok(canvas)
}

/// Draws a row whose images begin at the height `top`.
fn draw_row(canvas: &mut Canvas, row: &SheetRow, centres: &[u32], top: u32) {
    let middle = top + (row_height(row) - CAPTION) / 2;
    canvas.text_upwards(&row.name, NAME_EM, INK, (MARGIN + 13, middle));
    for (cell, &centre) in row.cells.iter().zip(centres) {
        let (width, height) = (cell.image.width() as u32, cell.image.height() as u32);
        canvas.gray(&cell.image, (centre - width / 2, top), 1);
        let baseline = top + height + 15;
        canvas.text(&cell.caption, CAPTION_EM, FAINT, (centre, baseline));
    }
}

/// Width of the widest of title, images and captions.
fn column_width(title: &str, column: usize, rows: &[SheetRow]) -> u32 {
    let cells = rows.iter().filter_map(|row| row.cells.get(column));
    let widest =
        cells.map(|cell| text::width(&cell.caption, CAPTION_EM).max(cell.image.width() as u32));
    widest.max().unwrap_or(0).max(text::width(title, TITLE_EM))
}

/// Height of the tallest image or of the name, whichever is more, and of the captions' line.
fn row_height(row: &SheetRow) -> u32 {
    let images = row.cells.iter().map(|cell| cell.image.height() as u32);
    images
        .max()
        .unwrap_or(0)
        .max(text::width(&row.name, NAME_EM))
        + CAPTION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, width: usize, height: usize, cells: usize) -> SheetRow {
        let cell = || SheetCell {
            image: GrayImage::new(width, height, vec![0.5; width * height]),
            caption: "27.31 dB".to_string(),
        };
        SheetRow {
            name: name.to_string(),
            cells: (0..cells).map(|_| cell()).collect(),
        }
    }

    #[test]
    fn images_keep_their_size_and_rows_their_own_height() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sheet.png");
        let rows = [row("large", 120, 100, 2), row("small", 80, 90, 1)];
        comparison_sheet(&["noisy", "clean"], &rows, &path).expect("written");
        let read = image::open(&path).expect("a picture").into_luma8();
        let width = MARGIN + NAMES + 120 + GAP + 120 + MARGIN;
        let height = MARGIN + HEADER + (100 + CAPTION + GAP) + (90 + CAPTION + GAP);
        assert_eq!(read.dimensions(), (width, height));
        // Every image is there, pixel for pixel; texts may add a few pixels of the same grey.
        let gray = read.pixels().filter(|pixel| pixel.0 == [128]).count();
        let images = 2 * 120 * 100 + 80 * 90;
        assert!((images..images + 200).contains(&gray), "{gray} grey pixels");
    }

    #[test]
    fn a_long_name_or_caption_makes_room_for_itself() {
        let sheet = draw(
            &["a long column title"],
            &[row("a rather long name", 4, 4, 1)],
        );
        let size = sheet.expect("drawn").shrunk(1);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sheet.png");
        size.save_png(&path).expect("written");
        let (width, height) = image::image_dimensions(&path).expect("a picture");
        assert!(width >= 2 * MARGIN + NAMES + text::width("a long column title", TITLE_EM));
        assert!(height >= MARGIN + HEADER + text::width("a rather long name", NAME_EM));
    }

    #[test]
    fn more_cells_than_columns_is_an_error() {
        let path = Path::new("never-written.png");
        let error = comparison_sheet(&["only"], &[row("two", 4, 4, 2)], path).expect_err("refused");
        assert_eq!(error.to_string(), "row 'two' has 2 cells for 1 columns");
        assert!(comparison_sheet(&["only"], &[], path).is_err());
    }

    #[test]
    fn an_error_names_the_path_and_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("missing").join("sheet.png");
        let error = comparison_sheet(&["only"], &[row("", 4, 4, 1)], &path).expect_err("refused");
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
