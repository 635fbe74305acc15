//! What can be typed behind `few-shot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::count;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FewShotPreset {
    /// A few seconds: does everything work here?
    Smoke,
    /// Nearest class mean of a small embedding: a few minutes.
    Default,
    /// Nearest class mean of an embedding of 64 channels, up to an hour.
    Prototypes,
    /// MAML with second derivatives, 64 channels, up to an hour.
    Maml,
}

#[derive(Debug, Args)]
pub(crate) struct FewShotTrainArguments {
    /// The glyph set, a folder in Omniglot's layout (alphabet/character/drawing), or one with a
    /// folder of pictures for each class.
    #[arg(long, value_name = "DIR", default_value = "assets/glyphs")]
    pub data: PathBuf,
    /// How much to learn, and by which method.
    #[arg(long, value_enum, default_value = "default", conflicts_with = "recipe")]
    pub preset: FewShotPreset,
    /// What to learn and how, as a TOML file: a preset of your own. `recipe.toml` of a run is one.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// A model whose weights to begin with, of the recipe's network.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Steps, in place of the recipe's.
    #[arg(long)]
    pub steps: Option<usize>,
    /// Seed, in place of the recipe's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The folder of the run.
    #[arg(long, short, value_name = "DIR", default_value = "runs/few-shot")]
    pub output: PathBuf,
    /// Stop after this many steps of this call, as Ctrl-C does; --resume goes on.
    #[arg(long, value_name = "STEPS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "data", "preset", "recipe", "from", "steps", "seed"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FewShotEvaluateArguments {
    /// A model of `few-shot train`.
    #[arg(long, short, value_name = "FILE")]
    pub model: PathBuf,
    /// As for `few-shot train`: classes that were held back from learning are asked for.
    #[arg(long, value_name = "DIR", default_value = "assets/glyphs")]
    pub data: PathBuf,
    /// Ask for Omniglot's one-shot runs in this folder instead, which holds run01 to run20.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "ways", "shots", "episodes"])]
    pub runs: Option<PathBuf>,
    /// Classes of a task.
    #[arg(long, default_value_t = 5, value_parser = count(2, 10_000))]
    pub ways: usize,
    /// Pictures of each class to learn from.
    #[arg(long, default_value_t = 1, value_parser = count(1, 10_000))]
    pub shots: usize,
    /// Pictures of each class to be asked about.
    #[arg(long, default_value_t = 15, value_parser = count(1, 10_000))]
    pub queries: usize,
    /// Tasks.
    #[arg(long, default_value_t = 600, value_parser = count(2, 10_000_000))]
    pub episodes: usize,
    /// Seed of the tasks.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the first task with its answers as a PNG.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FewShotAdaptArguments {
    /// A model of `few-shot train`.
    #[arg(long, short, value_name = "FILE")]
    pub model: PathBuf,
    /// A folder with one sub-folder for each class, each with a few pictures of it.
    #[arg(long, value_name = "DIR")]
    pub support: PathBuf,
    /// Pictures to name, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The images are dark on light, as ink on paper; without it they are light on dark, as in
    /// training.
    #[arg(long, alias = "paper")]
    pub dark_on_light: bool,
    /// Write what was learned from and what was answered as a PNG.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}
