//! The ready-made problems, against closed forms and differences.

mod cleaning;
mod derivatives;
mod few_shot;
mod learned_weight;
mod physics;
mod poisoning;
mod regularizers;
mod training_settings;
