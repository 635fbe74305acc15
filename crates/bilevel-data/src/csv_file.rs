//! Tables of features and a class.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::plain_or_gzip::{self, open};
use crate::{Error, ErrorKind, Labelled};

/// Reads a CSV file, plain or compressed by gzip: one sample a row, its features and then, in the
/// last column, its class.
///
/// Cells are separated by commas. Features are finite numbers, read as they are. If all classes are
/// numbers they are ordered as numbers, else as text by their bytes; label k is the k-th of those
/// that occur. Samples are named by their line in the file: `line 17`.
///
/// The first row is a header, and is passed over, if none of its features is a number, or if its
/// class alone is not a number and that of the second row is.
///
/// A header that counts, as in the files of scikit-learn, gives the number of rows, the number of
/// features and the names of two or more classes, none of them a number; the last column then holds
/// numbers into these names (or the names), and label k is the k-th name:
///
/// ```text
/// 569,30,malignant,benign
/// ```
///
/// ```
/// use bilevel_data::load_csv;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("flowers.csv");
/// std::fs::write(&path, "length,width,flower\n1.4,0.2,setosa\n6.0,2.5,virginica\n").unwrap();
///
/// let flowers = load_csv(&path)?;
/// assert_eq!(flowers.classes(), ["setosa", "virginica"]);
/// assert_eq!(flowers.row(1), [6.0, 2.5]);
/// assert_eq!(flowers.name(1), "line 3");
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// If the file cannot be read, is truncated or has no row, rows differ in length, a feature is not
/// a finite number, a class is missing or not one of those in the header, or there are not as many
/// rows as the header promises. A cell is named by its line and column, both counted from 1.
pub fn load_csv(path: impl AsRef<Path>) -> Result<Labelled, Error> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    open(path)
        .and_then(|mut source| source.read_to_end(&mut bytes))
        .map_err(|e| unreadable(path, plain_or_gzip::reason(&e)))?;
    read(path, &bytes)
}

fn read(path: &Path, text: &[u8]) -> Result<Labelled, Error> {
    if let Err(error) = str::from_utf8(text) {
        let lines = newlines(&text[..error.valid_up_to()]);
        return Err(unreadable(path, format!("line {} is not UTF-8 text", lines + 1)).into());
    }
    let mut lines = Lines::of(text);
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text)
        .into_records()
        .map(|record| {
            let cells = record.map_err(|error| unreadable(path, error.to_string()))?;
            let line = lines.line_of(&cells);
            Ok::<_, ErrorKind>(Row { line, cells })
        });

    let first = rows
        .next()
        .ok_or_else(|| unreadable(path, "it is empty".into()))??;
    let second: Option<Row> = rows.next().transpose()?;
    let header = Header::of(&first.cells, second.as_ref().map(|row| &row.cells));

    let cells = match (&header, &second) {
        (Header::Counts { .. }, Some(second)) => second.cells.len(),
        _ => first.cells.len(),
    };
    let mut table = Table {
        cells,
        ..Table::default()
    };
    let first = Some(first).filter(|_| header == Header::None);
    for row in first.into_iter().chain(second).map(Ok).chain(rows) {
        table.push(path, &row?)?;
    }
    let (labels, classes) = match header {
        Header::Counts { rows, classes } => {
            let found = table.lines.len();
            if rows != found {
                let reason = format!("its header promises {rows} rows, {found} follow");
                return Err(unreadable(path, reason).into());
            }
            (table.labels_in(path, &classes)?, classes)
        }
        Header::Names | Header::None => table.own_labels(path)?,
    };
    let names = table.lines.iter().map(|line| format!("line {line}"));
    let names = names.collect();
    let width = table.cells - 1;
    Labelled::new(table.features, width, labels, classes)?.with_names(names)
}

/// A row and where it is.
struct Row {
    line: usize,
    cells: StringRecord,
}

/// Counts lines. (`csv` counts those at which it stops reading, which after a blank line or a
/// carriage return are not those at which the next row starts.)
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        let (at, line) = (0, 1);
        Self { text, at, line }
    }

    /// The line of a row, no earlier in the text than the one before.
    fn line_of(&mut self, row: &StringRecord) -> usize {
        let from = row
            .position()
            .map_or(0, |position| position.byte() as usize);
        let blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = from + self.text[from..].iter().take_while(blank).count();
        self.line += newlines(&self.text[self.at..start]);
        self.at = start;
        self.line
    }
}

fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// What the first row is.
#[derive(PartialEq)]
enum Header {
    /// A sample.
    None,
    /// The names of the columns.
    Names,
    /// What follows, and the names of the classes.
    Counts { rows: usize, classes: Vec<String> },
}

impl Header {
    fn of(first: &StringRecord, second: Option<&StringRecord>) -> Self {
        let Some(second) = second.filter(|_| first.len() > 1) else {
            return Self::None;
        };
        let is_number = |cell: &str| cell.parse::<f32>().is_ok();
        let count = |column: usize| first.get(column)?.parse().ok();
        if let (Some(rows), Some(features)) = (count(0), count(1)) {
            let classes: Vec<String> = first.iter().skip(2).map(String::from).collect();
            let named = classes.len() >= 2 && !classes.iter().any(|class| is_number(class));
            if named && second.len() == features + 1 {
                return Self::Counts { rows, classes };
            }
        }
        let last = first.len() - 1;
        let class = |row: &StringRecord| row.iter().next_back().is_some_and(is_number);
        let features = || first.iter().take(last);
        if !features().any(is_number)
            || (features().all(is_number) && !class(first) && class(second))
        {
            return Self::Names;
        }
        Self::None
    }
}

/// The rows read so far.
#[derive(Default)]
struct Table {
    /// Cells in each row, the class included.
    cells: usize,
    features: Vec<f32>,
    /// Where each row is in the file.
    lines: Vec<usize>,
    /// The last column as it is in the file.
    classes: Vec<String>,
}

impl Table {
    fn push(&mut self, path: &Path, row: &Row) -> Result<(), ErrorKind> {
        let Row { line, cells } = row;
        if cells.len() != self.cells || cells.len() < 2 {
            return Err(ErrorKind::CsvRowLength {
                path: path.into(),
                line: *line,
                cells: cells.len(),
                expected: self.cells.max(2),
            });
        }
        let class = cells.len() - 1;
        for (column, cell) in cells.iter().take(class).enumerate() {
            let feature = cell
                .parse()
                .ok()
                .filter(|feature: &f32| feature.is_finite());
            self.features.push(
                feature.ok_or_else(|| bad_cell(path, *line, column, cell, "a finite number"))?,
            );
        }
        self.lines.push(*line);
        self.classes.push(cells[class].into());
        Ok(())
    }

    /// Labels from the classes of a header.
    fn labels_in(&self, path: &Path, classes: &[String]) -> Result<Vec<usize>, ErrorKind> {
        let label = |cell: &String| {
            let number = cell.parse().ok().filter(|&number| number < classes.len());
            number.or_else(|| classes.iter().position(|class| class == cell))
        };
        let expected = format!("one of the {} classes of the header", classes.len());
        self.labels(path, &expected, label)
    }

    /// Labels and classes from the classes that occur.
    fn own_labels(&self, path: &Path) -> Result<(Vec<usize>, Vec<String>), ErrorKind> {
        let number = |cell: &String| cell.parse::<f64>().ok();
        if let Some(mut numbers) = self.classes.iter().map(number).collect::<Option<Vec<_>>>() {
            numbers.sort_by(f64::total_cmp);
            numbers.dedup();
            let label = |cell: &String| {
                let class = number(cell).filter(|class| class.is_finite())?;
                Some(numbers.partition_point(|&smaller| smaller < class))
            };
            let labels = self.labels(path, "a finite number or a name", label)?;
            return Ok((labels, numbers.iter().map(f64::to_string).collect()));
        }
        let mut names = self.classes.clone();
        names.sort();
        names.dedup();
        let label = |cell: &String| names.binary_search(cell).ok().filter(|_| !cell.is_empty());
        Ok((self.labels(path, "the name of a class", label)?, names))
    }

    fn labels(
        &self,
        path: &Path,
        expected: &str,
        label: impl Fn(&String) -> Option<usize>,
    ) -> Result<Vec<usize>, ErrorKind> {
        let rows = self.classes.iter().zip(&self.lines);
        rows.map(|(cell, &line)| {
            label(cell).ok_or_else(|| bad_cell(path, line, self.cells - 1, cell, expected))
        })
        .collect()
    }
}

/// `column` counts from 0, the message from 1.
fn bad_cell(path: &Path, line: usize, column: usize, cell: &str, expected: &str) -> ErrorKind {
    const SHOWN: usize = 40;
    let mut shown: String = cell.chars().take(SHOWN).collect();
    if shown.len() < cell.len() {
        shown.push('…');
    }
    ErrorKind::CsvCell {
        path: path.into(),
        line,
        column: column + 1,
        cell: shown,
        expected: expected.into(),
    }
}

fn unreadable(path: &Path, reason: String) -> ErrorKind {
    ErrorKind::CsvUnreadable {
        path: path.into(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plain_or_gzip::gzip;

    const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/tabular");

    fn parse(text: &str) -> Result<Labelled, Error> {
        read(Path::new("table.csv"), text.as_bytes())
    }

    fn assert_fails(text: &str, message: &str) {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("table.csv"), "{error}");
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn shipped_tables_have_the_documented_sizes() {
        let tumours = load_csv(Path::new(ASSETS).join("breast_cancer.csv.gz")).unwrap();
        assert_eq!((tumours.len(), tumours.width()), (569, 30));
        assert_eq!(tumours.classes(), ["malignant", "benign"]);
        assert_eq!(tumours.class_sizes(), [212, 357]);
        assert_eq!(tumours.row(0)[..3], [17.99, 10.38, 122.8]);
        assert_eq!(tumours.name(0), "line 2");
        assert_eq!(tumours.picture(), None);

        let digits = load_csv(Path::new(ASSETS).join("digits.csv.gz")).unwrap();
        assert_eq!((digits.len(), digits.width()), (1797, 64));
        assert_eq!(digits.classes().join(""), "0123456789");
        assert_eq!(digits.labels()[..4], [0, 1, 2, 3]);
        assert_eq!(digits.name(0), "line 1");
        let sixteenths = |v: &f32| (0.0..=16.0).contains(v) && v.fract().abs() < f32::EPSILON;
        assert!(digits.features().iter().all(sixteenths));
    }

    proptest! {
        /// Whatever the text, blank lines, quotes and all, and with every kind of line end.
        #[test]
        fn any_text_is_read_or_refused_in_one_line(text in "\u{feff}?[1-3a,\"\r\n ]{0,40}") {
            match parse(&text) {
                Ok(set) => prop_assert!(set.len() <= text.len()),
                Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
            }
        }

        #[test]
        fn line_of_a_sample_is_where_its_text_is(
            rows in prop::collection::vec((0u8..100, 0usize..3), 1..20), carriage_return: bool,
        ) {
            let end = if carriage_return { "\r\n" } else { "\n" };
            let text: String = rows
                .iter()
                .map(|(feature, blank)| format!("{}{feature},a{end}", end.repeat(*blank)))
                .collect();
            let set = parse(&text).unwrap();
            for i in 0..set.len() {
                let line: usize = set.name(i).strip_prefix("line ").unwrap().parse().unwrap();
                let expected = format!("{},a", set.row(i)[0]);
                prop_assert_eq!(text.lines().nth(line - 1), Some(expected.as_str()));
            }
        }
    }

    #[test]
    fn header_is_found() {
        let rows = "1,2,0\n3,4,1\n5,6,0\n";
        let plain = parse(rows).unwrap();
        assert_eq!(plain.features(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(plain.labels(), [0, 1, 0]);
        assert_eq!(plain.names(), ["line 1", "line 2", "line 3"]);
        for header in ["a,b,class", ",b,class", "0,1,class", "\u{feff}a,b,class"] {
            let set = parse(&format!("{header}\n{rows}")).expect(header);
            assert_eq!(set.features(), plain.features(), "{header}");
            assert_eq!(set.labels(), plain.labels(), "{header}");
            assert_eq!(set.names(), ["line 2", "line 3", "line 4"], "{header}");
        }
    }

    #[test]
    fn header_that_counts_is_found_though_it_is_as_long_as_a_row() {
        let set = parse("2,3,cat,dog\n1,2,3,1\n4,5,6,dog\n").unwrap();
        assert_eq!(set.classes(), ["cat", "dog"]);
        assert_eq!(set.labels(), [1, 1]);
        let set = parse("2,1,cat,dog,emu\n1,0\n2,1\n").unwrap();
        assert_eq!(set.class_sizes(), [1, 1, 0]);
    }

    #[test]
    fn header_that_counts_is_held_to_its_word() {
        assert_fails(
            "3,1,cat,dog\n1,0\n2,1\n",
            "its header promises 3 rows, 2 follow",
        );
        assert_fails(
            "2,1,cat,dog\n1,0\n2,2\n",
            "line 3, column 2 of table.csv is \"2\", not one of the 2 classes of the header",
        );
    }

    #[test]
    fn first_sample_is_not_taken_for_a_header() {
        for rows in [
            "1,a\n2,b\n",
            "5,2,a\n1,2,b\n",
            "1,a\n",
            "3,1,a\n2,1,b\n7,1,a\n",
        ] {
            assert_eq!(parse(rows).unwrap().len(), rows.lines().count(), "{rows}");
        }
    }

    #[test]
    fn classes_are_ordered_as_numbers_or_as_text() {
        let classes = |column: [&str; 4]| {
            let rows = column.map(|class| format!("0,{class}\n")).concat();
            let set = parse(&rows).unwrap();
            (set.classes().join(" "), set.labels().to_vec())
        };
        let expect = |classes: &str, labels: [usize; 4]| (classes.to_string(), labels.to_vec());
        assert_eq!(
            classes(["10", "9", "-1", "9.0"]),
            expect("-1 9 10", [2, 1, 0, 1])
        );
        assert_eq!(classes(["b", "a", "B", "b"]), expect("B a b", [2, 1, 0, 2]));
        assert_eq!(
            classes(["10", "9", "nan", "x"]),
            expect("10 9 nan x", [0, 1, 2, 3])
        );
    }

    #[test]
    fn quotes_spaces_blank_lines_and_carriage_returns_are_understood() {
        let set = parse("a,b\r\n\r\n 1 ,\"cat, wild\"\r\n\r\n2e0,dog").unwrap();
        assert_eq!(set.features(), [1.0, 2.0]);
        assert_eq!(set.classes(), ["cat, wild", "dog"]);
        assert_eq!(set.names(), ["line 3", "line 5"]);
        let set = parse("\n1,\"two\nlines\"\n2,a\n\n\n3,b\n").unwrap();
        assert_eq!(set.names(), ["line 2", "line 4", "line 7"]);
    }

    #[test]
    fn rows_of_different_lengths() {
        assert_fails(
            "1,2,a\n1,2,b\n1,a\n",
            "cells in line 3 of table.csv is 2, not 3",
        );
        assert_fails(
            "1,2,a\n1,2,3,b\n",
            "cells in line 2 of table.csv is 4, not 3",
        );
        assert_fails("1\n2\n", "cells in line 1 of table.csv is 1, not 2");
        assert_fails("1;2;a\n3;4;b\n", "line 1 of table.csv is 1, not 2");
        assert_fails("a,class\n1,2,x\n", "line 2 of table.csv is 3, not 2");
        assert_fails(
            "2,1,cat,dog\n1,0\n1,2,0\n",
            "line 3 of table.csv is 3, not 2",
        );
    }

    #[test]
    fn cells_that_are_not_finite_numbers() {
        for cell in ["x", "", "nan", "inf", "-Infinity", "1e39", "1,5"] {
            let text = format!("1,2,a\n3,\"{cell}\",b\n");
            assert_fails(
                &text,
                &format!("line 2, column 2 of table.csv is \"{cell}\", not a finite number"),
            );
        }
        assert_fails("1,x,a\n1,2,b\n", "line 1, column 2");
        let long = "x".repeat(1000);
        let error = parse(&format!("1,a\n{long},b")).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }

    #[test]
    fn classes_that_are_missing_or_not_finite() {
        assert_fails(
            "1,a\n2,\n",
            "line 2, column 2 of table.csv is \"\", not the name of a class",
        );
        assert_fails(
            "1,0\n2,nan\n",
            "line 2, column 2 of table.csv is \"nan\", not a finite number or a name",
        );
    }

    #[test]
    fn nothing_to_read() {
        assert_fails("", "it is empty");
        assert_fails("\n\n", "it is empty");
        assert_fails("a,b,class\n", "line 1, column 1");
    }

    #[test]
    fn bytes_that_are_not_text() {
        let error = read(Path::new("table.csv"), b"1,a\n2,\xFF\n").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CsvUnreadable { .. }));
        let message = error.to_string();
        assert!(
            message.contains("table.csv (line 2 is not UTF-8 text)"),
            "{message}"
        );
    }

    #[test]
    fn compressed_file_and_its_truncations() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv.gz");
        let whole = gzip(b"1,a\n2,b\n3,c\n4,d\n");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(load_csv(&path).unwrap().len(), 4);
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = load_csv(&path).expect_err(&format!("{length} bytes"));
            let message = error.to_string();
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
        let error = load_csv(folder.path().join("missing.csv")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CsvUnreadable { .. }));
    }
}
