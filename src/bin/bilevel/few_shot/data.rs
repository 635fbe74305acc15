//! Pictures to learn from, to choose by and to report on.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use bilevel_data::{
    EpisodeSamples, FewShotSet, GlyphSplit, Labelled, holds_glyphs, load_glyphs, load_omniglot,
};
use bilevel_models::meta::{AnyNetwork, Episode, Samples};
use burn::tensor::backend::Backend;

/// Three sets that share no class.
pub(crate) struct FewShotSplits {
    /// To learn from.
    pub train: FewShotSet,
    /// To choose by.
    pub val: FewShotSet,
    /// To report on.
    pub test: FewShotSet,
}

/// Side of Omniglot's drawings once they are shrunk.
const SIDE: usize = 28;
/// Of classes that come without a split, every fifth is for validation and every fifth for the
/// report.
const SHARE: usize = 5;

/// The glyph set, Omniglot's layout or a folder of pictures for each class: what `folder` holds.
///
/// # Errors
/// If it holds none of them, or a picture cannot be read.
pub(crate) fn load_few_shot(folder: &Path) -> Result<FewShotSplits> {
    if holds_glyphs(folder) {
        return Ok(FewShotSplits {
            train: load_glyphs(folder, GlyphSplit::Train)?,
            val: load_glyphs(folder, GlyphSplit::Val)?,
            test: load_glyphs(folder, GlyphSplit::Test)?,
        });
    }
    let all = if has_alphabets(folder) {
        load_omniglot(folder, SIDE)?
    } else {
        FewShotSet::load(folder)?
    };
    if all.class_count() < SHARE {
        bail!(
            "{} holds {} classes, learning to learn needs {SHARE} or more",
            folder.display(),
            all.class_count()
        );
    }
    let part = |wanted: &dyn Fn(usize) -> bool| all.only(|class| wanted(class % SHARE));
    Ok(FewShotSplits {
        train: part(&|c| c < SHARE - 2)?,
        val: part(&|c| c == SHARE - 2)?,
        test: part(&|c| c == SHARE - 1)?,
    })
}

/// Whether the folder's folders hold folders.
fn has_alphabets(folder: &Path) -> bool {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .map(|e| e.path())
            .filter(|path| path.is_dir())
            .collect::<Vec<_>>()
    };
    folders(folder)
        .iter()
        .any(|inner| !folders(inner).is_empty())
}

/// # Errors
/// If the pictures are not those that the network takes.
pub(crate) fn check_side(network: &AnyNetwork, set: &FewShotSet) -> Result<()> {
    let Some(side) = network.side() else {
        return Ok(());
    };
    let picture = set.samples().picture();
    ensure!(
        picture == Some([side, side]),
        "the network takes pictures of {side}x{side}, these are {}: change `side` of the recipe, or the pictures",
        picture.map_or("none".to_string(), |[h, w]| format!("{h}x{w}"))
    );
    Ok(())
}

/// An episode as tensors.
///
/// # Errors
/// If a part is empty.
pub(crate) fn on_device<B: Backend>(
    episode: &EpisodeSamples,
    device: &B::Device,
) -> Result<Episode<B>> {
    let samples = |part: &Labelled| {
        let ways = part.class_count();
        Samples::classes(part.features(), part.width(), part.labels(), ways, device)
    };
    Ok(Episode {
        support: samples(episode.support())?,
        query: samples(episode.query())?,
    })
}
