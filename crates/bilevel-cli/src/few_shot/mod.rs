//! Few-shot learning as the command line sees it: recipes, data and model files.

mod data;
mod method;
mod model;
mod recipe;

pub(crate) use data::{FewShotSplits, load_few_shot};
pub(crate) use method::{AnyLearner, Method};
pub(crate) use model::{FewShotModel, load_few_shot_model, save_few_shot_model};
pub(crate) use recipe::{EpisodeRecipe, FewShotRecipe};
