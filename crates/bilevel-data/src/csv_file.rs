//! Tables of features and a class.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::plain_or_gzip::{self, open};
use crate::{Error, ErrorKind, Labelled};

/// Which column of a table holds the classes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The one that the header calls `label`, `class`, `target` or `y`, in whatever case; the last
    /// if there is none. A `y` beside an `x` is a feature, unless it is the last.
    #[default]
    Found,
    /// The one that the header calls so.
    Named(String),
    /// The one of this number, from 1.
    Number(usize),
}

impl From<&str> for LabelColumn {
    /// A number is the number of a column, all else a name.
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Named(text.to_string()),
        }
    }
}

/// What the columns of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Columns {
    /// The one of the classes: its name, or `column 3` where there are no names.
    pub label: String,
    /// The features, in order.
    pub features: Vec<String>,
    /// Those that only number the rows, left out.
    pub dropped: Vec<String>,
}

/// Names of the column of the classes.
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];
/// Names of a column that may number the rows.
const ROW_NAMES: [&str; 5] = ["", "id", "index", "row", "unnamed: 0"];
/// More different numbers than these look measured if they are not whole, or nearly every row has
/// its own.
const MANY_CLASSES: usize = 20;

/// Reads a CSV file, plain or compressed by gzip: one sample a row, its features and its class,
/// which is in the column that the header calls `label`, `class`, `target` or `y`, else in the
/// last.
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
    load_csv_with(path, &LabelColumn::Found).map(|(samples, _)| samples)
}

/// [`load_csv`] with the classes in a column of choice, and what the columns are.
///
/// A column whose name is `id`, `index`, `row` or missing and whose cells count the rows is not a
/// feature.
///
/// ```
/// use bilevel_data::load_csv_with;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("flowers.csv");
/// std::fs::write(&path, "id,flower,width\n1,setosa,0.2\n2,virginica,2.5\n").unwrap();
///
/// let (flowers, columns) = load_csv_with(&path, &"flower".into())?;
/// assert_eq!(flowers.classes(), ["setosa", "virginica"]);
/// assert_eq!((columns.label.as_str(), columns.features), ("flower", vec!["width".to_string()]));
/// assert_eq!(columns.dropped, ["id"]);
/// # Ok::<(), bilevel_data::Error>(())
/// ```
///
/// # Errors
///
/// As [`load_csv`]; if there is no such column; if nobody said which column it is and its numbers
/// look measured.
pub fn load_csv_with(
    path: impl AsRef<Path>,
    label: &LabelColumn,
) -> Result<(Labelled, Columns), Error> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    open(path)
        .and_then(|mut source| source.read_to_end(&mut bytes))
        .map_err(|e| unreadable(path, plain_or_gzip::reason(&e)))?;
    read(path, &bytes, label)
}

fn read(path: &Path, text: &[u8], label: &LabelColumn) -> Result<(Labelled, Columns), Error> {
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
    if first.cells.len() == 1 && first.cells[0].contains(';') {
        let reason = "its cells are separated by semicolons: save it with commas between cells and points in numbers";
        return Err(unreadable(path, reason.into()).into());
    }
    let second: Option<Row> = rows.next().transpose()?;
    let header = Header::of(&first.cells, second.as_ref().map(|row| &row.cells), label);

    let cells = match (&header, &second) {
        (Header::Counts { .. }, Some(second)) => second.cells.len(),
        _ => first.cells.len(),
    };
    let names: Option<Vec<String>> =
        (header == Header::Names).then(|| first.cells.iter().map(String::from).collect());
    let class = label_column(path, names.as_deref(), cells, label)?;
    let mut table = Table {
        cells,
        class,
        guessed: *label == LabelColumn::Found,
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
    let name = |column: usize| match &names {
        Some(names) if !names[column].is_empty() => names[column].clone(),
        _ => format!("column {}", column + 1),
    };
    let features: Vec<usize> = (0..cells).filter(|&column| column != class).collect();
    let counts = |&place: &usize| {
        let named = |names: &Vec<String>| {
            let name = names[features[place]].to_ascii_lowercase();
            ROW_NAMES.contains(&name.as_str())
        };
        features.len() > 1 && names.as_ref().is_some_and(named) && table.counts_rows(place)
    };
    let (mut dropped, mut kept): (Vec<usize>, Vec<usize>) = (0..features.len()).partition(counts);
    if kept.is_empty() {
        std::mem::swap(&mut dropped, &mut kept);
    }
    let columns = Columns {
        label: name(class),
        features: kept.iter().map(|&place| name(features[place])).collect(),
        dropped: dropped.iter().map(|&place| name(features[place])).collect(),
    };
    let lines = table.lines.iter().map(|line| format!("line {line}"));
    let lines = lines.collect();
    let rows = table.features.chunks(features.len());
    let values = rows
        .flat_map(|row| kept.iter().map(|&place| row[place]))
        .collect();
    let samples = Labelled::new(values, kept.len(), labels, classes)?.with_names(lines)?;
    Ok((samples, columns))
}

/// The columns that are called as those of classes are. `y` is a feature where there is an `x`,
/// unless it is the last.
fn usual_labels(names: &[String]) -> Vec<usize> {
    let has_x = names.iter().any(|name| name.eq_ignore_ascii_case("x"));
    let usual = |(column, name): (usize, &String)| {
        let name = name.to_ascii_lowercase();
        let a_feature = name == "y" && has_x && column + 1 < names.len();
        (LABEL_NAMES.contains(&name.as_str()) && !a_feature).then_some(column)
    };
    names.iter().enumerate().filter_map(usual).collect()
}

/// The number of the column of the classes, from 0.
fn label_column(
    path: &Path,
    names: Option<&[String]>,
    cells: usize,
    label: &LabelColumn,
) -> Result<usize, ErrorKind> {
    let last = cells.saturating_sub(1);
    match label {
        LabelColumn::Found => match usual_labels(names.unwrap_or_default())[..] {
            [] => Ok(last),
            [column] => Ok(column),
            // The last of several is where a class is by custom.
            [.., column] if column == last => Ok(column),
            _ => Err(unreadable(
                path,
                "several columns are called label, class, target or y: say which holds the classes"
                    .into(),
            )),
        },
        LabelColumn::Named(name) => {
            let Some(names) = names else {
                let reason =
                    format!("it has no header, and so no column `{name}`: give its number");
                return Err(unreadable(path, reason));
            };
            let column = names.iter().position(|other| other == name);
            column.ok_or_else(|| {
                let reason = format!("it has no column `{name}`: it has {}", names.join(", "));
                unreadable(path, reason)
            })
        }
        LabelColumn::Number(number) => match number.checked_sub(1) {
            Some(column) if column < cells => Ok(column),
            _ => Err(unreadable(
                path,
                format!("it has no column {number}: they are numbered from 1 to {cells}"),
            )),
        },
    }
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
    fn of(first: &StringRecord, second: Option<&StringRecord>, label: &LabelColumn) -> Self {
        let Some(second) = second.filter(|_| first.len() > 1) else {
            return Self::None;
        };
        let is_number = |cell: &str| cell.parse::<f32>().is_ok();
        let cells: Vec<String> = first.iter().map(String::from).collect();
        let named = match label {
            LabelColumn::Named(name) => cells.iter().position(|cell| cell == name),
            LabelColumn::Found => usual_labels(&cells).first().copied(),
            LabelColumn::Number(_) => None,
        };
        let count = |column: usize| first.get(column)?.parse().ok();
        if let (Some(rows), Some(features)) = (count(0), count(1)) {
            let classes: Vec<String> = first.iter().skip(2).map(String::from).collect();
            let named = classes.len() >= 2 && !classes.iter().any(|class| is_number(class));
            if named && second.len() == features + 1 {
                return Self::Counts { rows, classes };
            }
        }
        // A name of the classes that is not itself a class.
        if named.is_some_and(|column| first.get(column) != second.get(column)) {
            return Self::Names;
        }
        let column = match label {
            LabelColumn::Number(number) => number.saturating_sub(1),
            LabelColumn::Named(name) => {
                let found = first.iter().position(|cell| cell == name);
                found.unwrap_or(first.len() - 1)
            }
            LabelColumn::Found => first.len() - 1,
        };
        let class = |row: &StringRecord| row.get(column).is_some_and(is_number);
        let features = || {
            let cells = first.iter().enumerate();
            cells.filter(|(i, _)| *i != column).map(|(_, cell)| cell)
        };
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
    /// Which of them is the class.
    class: usize,
    /// Whether nobody said so.
    guessed: bool,
    features: Vec<f32>,
    /// Where each row is in the file.
    lines: Vec<usize>,
    /// Its column as it is in the file.
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
        let features = cells.iter().enumerate();
        for (column, cell) in features.filter(|(column, _)| *column != self.class) {
            let feature = cell
                .parse()
                .ok()
                .filter(|feature: &f32| feature.is_finite());
            self.features.push(
                feature.ok_or_else(|| bad_cell(path, *line, column, cell, "a finite number"))?,
            );
        }
        self.lines.push(*line);
        self.classes.push(cells[self.class].into());
        Ok(())
    }

    /// Whether a feature is the number of the row, from whatever first.
    fn counts_rows(&self, place: usize) -> bool {
        let rows = self.features.chunks(self.cells - 1);
        let mut values = rows.map(|row| row[place]);
        let first = values.next().unwrap_or_default();
        (1..)
            .zip(values)
            .all(|(i, value)| (value - first - i as f32).abs() < f32::EPSILON)
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
            let rows = self.classes.len();
            let measured =
                numbers.iter().any(|number| number.fract() != 0.0) || 5 * numbers.len() > 4 * rows;
            if self.guessed && measured && numbers.len() > MANY_CLASSES && 2 * numbers.len() >= rows
            {
                let (column, n) = (self.class + 1, numbers.len());
                let reason = format!(
                    "column {column} has {n} different numbers in {rows} rows: it looks like a number to predict, not a class; \
                     say which column holds the classes"
                );
                return Err(unreadable(path, reason));
            }
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
            label(cell).ok_or_else(|| bad_cell(path, line, self.class, cell, expected))
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
        parse_with(text, LabelColumn::Found).map(|(samples, _)| samples)
    }

    fn parse_with(text: &str, label: LabelColumn) -> Result<(Labelled, Columns), Error> {
        read(Path::new("table.csv"), text.as_bytes(), &label)
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
    fn the_column_of_the_classes_is_found_or_named() {
        let text = "label,a,b\ncat,1,2\ndog,3,4\n";
        let (set, columns) = parse_with(text, LabelColumn::Found).unwrap();
        assert_eq!(set.features(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(set.classes(), ["cat", "dog"]);
        assert_eq!(
            (columns.label.as_str(), &columns.features[..]),
            ("label", &["a".to_string(), "b".to_string()][..])
        );
        for name in ["Class", "TARGET", "y"] {
            let text = format!("a,{name},b\n1,0,2\n3,1,4\n");
            assert_eq!(
                parse(&text).unwrap().features(),
                [1.0, 2.0, 3.0, 4.0],
                "{name}"
            );
        }
        let text = "1,0,2\n3,1,4\n";
        let (set, columns) = parse_with(text, "2".into()).unwrap();
        assert_eq!(
            (set.features(), set.labels()),
            (&[1.0, 2.0, 3.0, 4.0][..], &[0, 1][..])
        );
        assert_eq!(columns.label, "column 2");
        let message =
            |text: &str, label: &str| parse_with(text, label.into()).unwrap_err().to_string();
        assert!(message("a,b\n1,x\n2,y\n", "c").contains("no column `c`: it has a, b"));
        assert!(message("1,x\n2,y\n", "c").contains("no header"));
        assert!(message("1,x\n2,y\n", "3").contains("numbered from 1 to 2"));
        assert_fails("label,y,a\n1,0,2\n3,1,4\n", "several columns");
    }

    #[test]
    fn a_column_that_counts_the_rows_is_no_feature() {
        let (set, columns) =
            parse_with("id,a,class\n7,1,x\n8,2,y\n9,3,x\n", LabelColumn::Found).unwrap();
        assert_eq!((set.features(), set.width()), (&[1.0, 2.0, 3.0][..], 1));
        assert_eq!(columns.dropped, ["id"]);
        // Numbers that do not count are a feature, whatever they are called; what is not named is not left out.
        assert_eq!(
            parse("id,a,class\n7,1,x\n9,2,y\n8,3,x\n").unwrap().width(),
            2
        );
        assert_eq!(parse("1,5,x\n2,4,y\n3,3,x\n").unwrap().width(), 2);
    }

    #[test]
    fn x_and_y_are_features() {
        let set = parse("x,y,species\n1,2,setosa\n3,4,virginica\n").unwrap();
        assert_eq!(set.features(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(set.classes(), ["setosa", "virginica"]);
        assert_eq!(parse("x,y\n1,a\n3,b\n").unwrap().classes(), ["a", "b"]);
    }

    #[test]
    fn a_header_is_known_by_the_name_of_the_classes() {
        for (text, label) in [
            ("label,0,1\n7,0,5\n8,1,6\n", LabelColumn::Found),
            ("kind,0,1\n7,0,5\n8,1,6\n", "kind".into()),
        ] {
            let (set, _) = parse_with(text, label).expect(text);
            assert_eq!(set.features(), [0.0, 5.0, 1.0, 6.0], "{text}");
            assert_eq!(set.classes(), ["7", "8"], "{text}");
        }
    }

    #[test]
    fn a_number_to_predict_is_no_class() {
        let rows: String = (0..40).map(|i| format!("1,{}.5\n", i)).collect();
        assert_fails(
            &rows,
            "40 different numbers in 40 rows: it looks like a number to predict",
        );
        // Unless somebody says so.
        assert_eq!(parse_with(&rows, "2".into()).unwrap().0.class_count(), 40);
        // Two pictures of each letter are.
        let letters: String = (0..52).map(|i| format!("1,{}\n", i % 26)).collect();
        assert_eq!(parse(&letters).unwrap().class_count(), 26);
        // Many rows of each of many classes are fine.
        let rows: String = (0..120).map(|i| format!("1,{}\n", i % 30)).collect();
        assert_eq!(parse(&rows).unwrap().class_count(), 30);
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
        assert_fails("1;2;a\n3;4;b\n", "its cells are separated by semicolons");
        assert_fails("1,5;2,5;a\n3,5;4,5;b\n", "line 1");
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
        let bytes = b"1,a\n2,\xFF\n";
        let error = read(Path::new("table.csv"), bytes, &LabelColumn::Found).unwrap_err();
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
