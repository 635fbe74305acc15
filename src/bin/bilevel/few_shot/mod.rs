//! Few-shot learning as the command line sees it: recipes, data and model files.

mod data;
mod method;
mod model;
mod recipe;
mod training;

pub(crate) use data::{check_side, load_few_shot, on_device};
pub(crate) use method::{AnyLearner, Method};
#[cfg(any(test, fuzzing))]
pub(crate) use model::decode;
pub(crate) use model::{About, FewShotModel, load_few_shot_model, save_few_shot_model};
pub(crate) use recipe::FewShotRecipe;
pub(crate) use training::{FewShotProgress, FewShotTraining};
