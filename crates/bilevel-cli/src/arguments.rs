//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cleaning::ClassifierName;
use crate::estimator::EstimatorName;
use crate::method::MethodName;

/// Learn image regularizers by bilevel optimization and use them, clean data.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to compute; `audit`, `bench` and `compare estimators` compute in f64 on ndarray, whatever is said
    /// here.
    #[arg(long, value_enum, default_value = "cpu", global = true)]
    pub backend: BackendName,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BackendName {
    /// f32 on all cores.
    Cpu,
    /// f32 by the ndarray crate: slow, for comparison.
    Ndarray,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    InSingle(SingleCommand),
    /// Is a hypergradient right? Compare it with differences of the solved problem, in f64.
    ///
    /// Exits with 0 if the hypergradient is sound, with 1 if it is not.
    Audit {
        #[command(subcommand)]
        task: AuditTask,
    },
    /// How fast are methods on a problem whose answer is known?
    Bench {
        #[command(subcommand)]
        task: BenchTask,
    },
    /// What do estimators of the hypergradient, or whole algorithms, cost, and how good are they?
    Compare {
        #[command(subcommand)]
        task: CompareTask,
    },
}

/// What computes in f32 on the backend of choice.
#[derive(Debug, Subcommand)]
pub(crate) enum SingleCommand {
    /// Learn a regularizer from clean images.
    Train {
        #[command(subcommand)]
        task: TrainTask,
    },
    /// Find the labels of a data set that are wrong, with the help of a few that are known to be right.
    Clean(CleanArguments),
    /// Degrade clean images as a model was trained to undo, reconstruct them, report PSNR and SSIM.
    Evaluate(EvaluateArguments),
    /// Denoise a photograph, or every photograph of a folder.
    Denoise(DenoiseArguments),
    /// Undo what happened to a photograph: noise, blur, lost pixels, half of the resolution.
    Reconstruct(ReconstructArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditTask {
    /// On learning to remove Gaussian noise. Always in f64 on ndarray, whatever --backend says.
    Denoise(AuditArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchTask {
    /// All update rules on random quadratics: 1024 samples of each loss, 100 entries of x and of y. Always in f64 on
    /// ndarray, whatever --backend says.
    Stochastic(BenchStochasticArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CompareTask {
    /// All estimators of one hypergradient, that of learning to remove Gaussian noise. Always in f64 on
    /// ndarray, whatever --backend says.
    #[command(alias = "denoise")]
    Estimators(CompareEstimatorsArguments),
    /// MAID, ISGD and HOAG on learning to remove Gaussian noise from a few crops, at the same cost.
    Algorithms(CompareAlgorithmsArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrainTask {
    /// Learn to remove Gaussian noise.
    Denoise(TrainArguments),
    /// Learn to undo a blur, with noise after it.
    Deblur(TrainArguments),
    /// Learn to fill in lost pixels, the others being noisy.
    Inpaint(TrainArguments),
    /// Learn to double the resolution, with noise after it was halved.
    Upscale(TrainArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// Clean images to learn from.
    #[arg(long, value_name = "DIR", default_value = "assets/images/train")]
    pub train: PathBuf,
    /// Clean images to choose the model by.
    #[arg(long, value_name = "DIR", default_value = "assets/images/val")]
    pub val: PathBuf,
    /// Clean images to report on; never used for learning or choosing.
    #[arg(long, value_name = "DIR", default_value = "assets/images/test")]
    pub test: PathBuf,
    /// The folder of the run [default: runs/ and the task].
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How much to learn.
    #[arg(long, value_enum, default_value = "default")]
    pub preset: Preset,
    /// What to learn and how, as a TOML file: a preset of your own. `recipe.toml` of a run is one.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub recipe: Option<PathBuf>,
    /// A model to go on learning from, of the recipe's regularizer.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Standard deviation of the noise, on the scale of 0 to 255, in place of the recipe's.
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<f64>,
    /// Upper steps of the last stage, in place of the recipe's.
    #[arg(long)]
    pub steps: Option<usize>,
    /// Side of the training crops in pixels, in place of the recipe's.
    #[arg(long)]
    pub crop: Option<usize>,
    /// Learning rate at the start of the last stage, in place of the recipe's.
    #[arg(long, allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,
    /// Seed of crops and noise: the same seed gives the same run; in place of the recipe's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Stop after this many steps of this call, as Ctrl-C does; --resume goes on.
    #[arg(long, value_name = "STEPS")]
    pub stop_after: Option<usize>,
    /// Go on with the run in the output folder, with the settings it was started with.
    #[arg(long, conflicts_with_all = [
        "overwrite", "preset", "recipe", "from", "sigma", "steps", "crop", "learning_rate", "seed"
    ])]
    pub resume: bool,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// A few seconds: does everything work here?
    Smoke,
    /// A few minutes.
    Default,
    /// More and larger filters, up to half an hour.
    Long,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArguments {
    /// The samples: a folder with IDX files as MNIST's, a folder with a sub-folder of pictures for each class, a
    /// CSV file with the class in its last column (all may be gzipped), or an IDX file of pictures.
    #[arg(long, value_name = "PATH", default_value = "assets/mnist")]
    pub data: PathBuf,
    /// Samples that are known to be right; without it those of --data behind the first --training.
    #[arg(long, value_name = "PATH", conflicts_with = "training")]
    pub trusted: Option<PathBuf>,
    /// How many samples of --data are to be cleaned, the others being trusted [default: half].
    #[arg(long, value_name = "SAMPLES")]
    pub training: Option<usize>,
    /// The method.
    #[arg(long, short, value_enum, default_value = "soba")]
    pub method: MethodName,
    /// What is trained on the samples.
    #[arg(long, value_enum, default_value = "linear")]
    pub classifier: ClassifierName,
    /// Share of the labels to be cleaned that are redrawn at random first, to see whether they are found.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub corruption: f64,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Weight of the squares of the classifier's weights.
    #[arg(long, default_value_t = 1e-3, allow_negative_numbers = true)]
    pub regularization: f64,
    /// Steps, in place of the method's own number.
    #[arg(long)]
    pub steps: Option<usize>,
    /// Samples a block, for methods that see blocks, in place of the method's own number.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Step of the classifier, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub lower_step: Option<f64>,
    /// Step of the weights in units of the number of samples, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub upper_step: Option<f64>,
    /// Multiplier of a penalty, eta of BOME or radius of PZOBO, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub weight: Option<f64>,
    /// Steps of an inner loop, where there is one, in place of the method's own.
    #[arg(long)]
    pub inner_steps: Option<usize>,
    /// Weight of every sample at the start, in (0, 1).
    #[arg(long, default_value_t = 0.5, allow_negative_numbers = true)]
    pub first_weight: f64,
    /// How often the weights are judged on the way.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub snapshots: u32,
    /// The folder for weights and pictures.
    #[arg(long, short, value_name = "DIR", default_value = "runs/clean")]
    pub output: PathBuf,
    /// Replace the run in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

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
    /// A PNG or JPEG file, or a folder of them. Colour is taken apart into luma and chroma, each of which
    /// is reconstructed for itself.
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
    /// What happened to the photograph, besides noise [default: what the model was trained to undo].
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
    LostPixels,
    /// It was blurred by --kernel, then every second pixel of every second row was kept.
    Halved,
}

#[derive(Debug, Args)]
pub(crate) struct SmallProblemArguments {
    /// A clean image, or a folder of them, that crops are cut from.
    #[arg(long, value_name = "FILE_OR_DIR", default_value = "assets/images/val")]
    pub image: PathBuf,
    /// Side of the crops in pixels.
    #[arg(long, default_value_t = 16)]
    pub crop: usize,
    /// Crops, each a lower problem of its own.
    #[arg(long, default_value_t = 2)]
    pub images: usize,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// The estimator.
    #[arg(long, short, value_enum, value_name = "NAME")]
    pub estimator: EstimatorName,
    /// Its steps (terms, rank, directions, weight) [default: enough, where enough is possible].
    #[arg(long)]
    pub steps: Option<usize>,
    /// The model at whose parameters to look; without it three filters of 3x3, not yet trained.
    #[arg(long, short, value_name = "FILE")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub problem: SmallProblemArguments,
    /// Random directions along which the hypergradient is measured.
    #[arg(long, default_value_t = 4)]
    pub directions: usize,
    /// Relative error up to which two derivatives agree.
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Estimates that are averaged, for estimators that draw at random.
    #[arg(long, default_value_t = 1)]
    pub draws: usize,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareEstimatorsArguments {
    #[command(flatten)]
    pub problem: SmallProblemArguments,
    /// The folder for the numbers and the pictures.
    #[arg(long, short, value_name = "DIR", default_value = "runs/compare")]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareAlgorithmsArguments {
    /// Clean images to learn from.
    #[arg(long, value_name = "DIR", default_value = "assets/images/train")]
    pub train: PathBuf,
    /// Clean images for the score on what was not learned from.
    #[arg(long, value_name = "DIR", default_value = "assets/images/test")]
    pub test: PathBuf,
    /// Training crops, each with the same noise for good.
    #[arg(long, default_value_t = 16)]
    pub images: usize,
    /// Side of the crops in pixels.
    #[arg(long, default_value_t = 32)]
    pub crop: usize,
    /// What every algorithm may spend: steps of lower and linear solvers, times images.
    #[arg(long, default_value_t = 40_000)]
    pub budget: u64,
    /// Seed of crops, noise and batches.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The folder for the numbers and the picture.
    #[arg(
        long,
        short,
        value_name = "DIR",
        default_value = "runs/compare-algorithms"
    )]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchStochasticArguments {
    /// Only these methods; may be given several times.
    #[arg(long, short, value_enum)]
    pub method: Vec<MethodName>,
    /// What every method may ask: derivatives on a block of samples; one on all samples counts as all blocks.
    #[arg(long, default_value_t = 200_000)]
    pub calls: u64,
    /// Seed of the problem and of the blocks.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Step of y, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub lower_step: Option<f64>,
    /// Step of x, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub upper_step: Option<f64>,
    /// Power with which steps fall, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub power: Option<f64>,
    /// Multiplier of a penalty, eta of BOME or radius of PZOBO, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub weight: Option<f64>,
    /// Steps of an inner loop, where there is one, in place of the method's own.
    #[arg(long)]
    pub inner_steps: Option<usize>,
    /// The folder for the numbers and the picture.
    #[arg(
        long,
        short,
        value_name = "DIR",
        default_value = "runs/bench-stochastic"
    )]
    pub output: PathBuf,
    /// Replace the comparison in the output folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON array and nothing else.
    #[arg(long)]
    pub json: bool,
}
