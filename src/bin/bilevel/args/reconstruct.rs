//! What can be typed to use a model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// The model; without it the one that comes with the tool.
    #[arg(long, short, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Clean images.
    #[arg(long, value_name = "DIR", default_value = "assets/images/test")]
    pub images: PathBuf,
    /// Standard deviation of the noise, on the scale of 0 to 255 [default: the model's].
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<f64>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DenoiseArguments {
    /// A PNG or JPEG file, or a folder of them.
    pub input: PathBuf,
    /// Where to write: a PNG file, or a folder if the input is one.
    #[arg(long, short, value_name = "OUTPUT")]
    pub output: PathBuf,
    /// The model; without it the one that comes with the tool.
    #[arg(long, short, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

impl From<DenoiseArguments> for ReconstructArguments {
    fn from(arguments: DenoiseArguments) -> Self {
        let DenoiseArguments {
            input,
            output,
            model,
        } = arguments;
        Self {
            input,
            output,
            model,
            physics: PhysicsArguments {
                physics: Some(PhysicsName::None),
                kernel: None,
                mask: None,
            },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReconstructArguments {
    /// A PNG or JPEG file, or a folder of them. Colour is taken apart into luma and chroma, each of
    /// which is reconstructed for itself.
    pub input: PathBuf,
    /// Where to write: a PNG file, or a folder if the input is one.
    #[arg(long, short, value_name = "OUTPUT")]
    pub output: PathBuf,
    /// The model; without it the one that comes with the tool.
    #[arg(long, short, value_name = "FILE")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub physics: PhysicsArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PhysicsArguments {
    /// What happened to the photograph, besides noise [default: what the model was trained to
    /// undo].
    #[arg(long, value_enum, value_name = "NAME")]
    pub physics: Option<PhysicsName>,
    /// The blur: gaussian:SIZE:SIGMA or motion:LENGTH:ANGLE, in pixels and degrees.
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<String>,
    /// An image that is black where a pixel was lost.
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhysicsName {
    /// Nothing.
    None,
    /// It was blurred by --kernel.
    Blur,
    /// Pixels were lost, those of --mask.
    #[value(alias = "lost-pixels")]
    Masked,
    /// It was blurred by --kernel, then every second pixel of every second row was kept.
    #[value(alias = "halved")]
    Downsampled,
}
