//! A few-shot task: what was learned from, and what was answered.

use std::path::Path;

use anyhow::Result;
use bilevel_data::GrayImage;

use super::canvas::{Canvas, Colour, FAINT, INK};
use super::text;

/// One task.
pub(crate) struct EpisodePicture {
    /// Names of the classes.
    pub(crate) classes: Vec<String>,
    /// Pictures with their class, to learn from.
    pub(crate) support: Vec<(GrayImage, usize)>,
    /// Pictures that were asked about.
    pub(crate) queries: Vec<QueryPicture>,
}

/// A picture that was asked about.
pub(crate) struct QueryPicture {
    pub(crate) image: GrayImage,
    /// Its class, where that is known.
    pub(crate) class: Option<usize>,
    /// The class it was taken for.
    pub(crate) answer: usize,
}

/// Side of a picture, in pixels of the sheet; small ones are enlarged by a whole factor up to it.
const CELL: u32 = 64;
const GAP: u32 = 8;
const MARGIN: u32 = 16;
const FRAME: u32 = 3;
const HEADER: u32 = 26;
const NAME_EM: f64 = 15.0;
/// Columns of support and of queries at most.
const COLUMNS: usize = 12;

const RIGHT: Colour = [0, 145, 105];
const WRONG: Colour = [213, 94, 0];

/// Writes a row a class: its name, its support, and the queries that were taken for it, framed
/// green where that is right and orange where it is wrong; without a frame where nobody knows.
pub(crate) fn episode_sheet(episode: &EpisodePicture, path: &Path) -> Result<()> {
    let rows: Vec<_> = (0..episode.classes.len())
        .map(|class| {
            let support = episode.support.iter().filter(|(_, c)| *c == class);
            // Mistakes first: a long row is cut.
            let wrong = |q: &&QueryPicture| q.class.is_some_and(|known| known != class);
            let answers = episode.queries.iter().filter(|q| q.answer == class);
            let (wrong, right): (Vec<_>, Vec<_>) = answers.partition(wrong);
            let answers = wrong.into_iter().chain(right);
            (
                support
                    .map(|(image, _)| image)
                    .take(COLUMNS)
                    .collect::<Vec<_>>(),
                answers.take(COLUMNS).collect::<Vec<_>>(),
            )
        })
        .collect();
    let widest = |count: usize| count.max(2) as u32 * (CELL + GAP);
    let of_support = widest(rows.iter().map(|(s, _)| s.len()).max().unwrap_or(0));
    let of_answers = widest(rows.iter().map(|(_, a)| a.len()).max().unwrap_or(0));
    let names = episode
        .classes
        .iter()
        .map(|name| text::width(name, NAME_EM));
    let names = names.max().unwrap_or(0) + 2 * GAP;
    let width = 2 * MARGIN + names + of_support + 3 * GAP + of_answers;
    let height = 2 * MARGIN + HEADER + rows.len() as u32 * (CELL + GAP);
    let mut canvas = Canvas::new(width, height);

    let support_left = MARGIN + names;
    let answers_left = support_left + of_support + 3 * GAP;
    let title = |canvas: &mut Canvas, title: &str, left: u32| {
        let centre = left + text::width(title, NAME_EM) / 2;
        canvas.text(title, NAME_EM, FAINT, (centre, MARGIN + HEADER - 9));
    };
    title(&mut canvas, "learned from", support_left);
    title(&mut canvas, "taken for it", answers_left);
    for (class, (support, answers)) in rows.into_iter().enumerate() {
        let top = MARGIN + HEADER + class as u32 * (CELL + GAP);
        let name = &episode.classes[class];
        let centre = MARGIN + text::width(name, NAME_EM) / 2;
        canvas.text(name, NAME_EM, INK, (centre, top + CELL / 2 + 5));
        let mut x = support_left;
        for image in support {
            cell(&mut canvas, image, None, (x, top));
            x += CELL + GAP;
        }
        let mut x = answers_left;
        for query in answers {
            let right = query.class.map(|known| known == class);
            let frame = right.map(|right| if right { RIGHT } else { WRONG });
            cell(&mut canvas, &query.image, frame, (x, top));
            x += CELL + GAP;
        }
    }
    canvas.save_png(path)
}

fn cell(canvas: &mut Canvas, image: &GrayImage, frame: Option<Colour>, (x, y): (u32, u32)) {
    if let Some(colour) = frame {
        canvas.fill((x, y), CELL, CELL, colour);
    }
    let inside = CELL - 2 * FRAME;
    let longest = image.width().max(image.height());
    let (image, scale) = if longest > inside as usize {
        let size = |old: usize| (old * inside as usize / longest).max(1);
        (image.resized(size(image.width()), size(image.height())), 1)
    } else {
        (image.clone(), inside / longest as u32)
    };
    let left = x + (CELL - image.width() as u32 * scale) / 2;
    let top = y + (CELL - image.height() as u32 * scale) / 2;
    canvas.gray(&image, (left, top), scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_what_is_right() {
        let image = GrayImage::new(28, 28, vec![0.5; 784]);
        let query = |class, answer| QueryPicture {
            image: image.clone(),
            class,
            answer,
        };
        let episode = EpisodePicture {
            classes: vec!["a".into(), "b".into()],
            support: vec![(image.clone(), 0), (image.clone(), 1)],
            queries: vec![query(Some(0), 0), query(Some(0), 1), query(None, 1)],
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("episode.png");
        episode_sheet(&episode, &path).expect("written");
        let sheet = image::open(path).expect("a picture").into_rgb8();
        let count = |colour: Colour| sheet.pixels().filter(|p| p.0 == colour).count() as u32;
        // What the picture, twice its size, leaves of a cell.
        let frame = CELL * CELL - 56 * 56;
        assert_eq!((count(RIGHT), count(WRONG)), (frame, frame));
        assert!(count([128; 3]) >= 5 * 56 * 56);
    }
}
