//! Poisoned training pictures, and what defences are worth against them: a study, with DMLCBO as
//! the attacker.
//!
//! `cargo run --release --example poisoning` (two minutes); with arguments, that many steps of the
//! attack and of each training, and the path of the picture. 500 pictures of MNIST may be changed
//! by 0.2 per pixel, so that a small network trained on them, its weights in a ball, does badly.
//! Each defence then trains networks from other first weights on what came out; beside it, on the
//! pictures as they were and on random changes of the same size.

#[path = "plot/font.rs"]
mod font;

use std::error::Error;

use bilevel::algorithm::rule::{Dmlcbo, DmlcboSettings};
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::tensor::module::conv2d;
use bilevel::burn::tensor::ops::ConvOptions;
use bilevel::burn::tensor::{Distribution, Tensor, TensorData};
use bilevel::data::{Labelled, load_mnist_like};
use bilevel::models::classification::{
    Batch, Classifier, Cnn, CnnParameters, Dataset, Minibatch, TrainValidation, accuracy,
};
use bilevel::models::poisoning::{Perturbation, Poisoning};
use bilevel::parameters::unpack;
use bilevel::projection::L2Ball;
use bilevel::vector::read;
use bilevel::{
    DoubleBackward, LowerSolver, Point, ProblemOracle, ProjectedGradient, Run, Tolerance,
};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SAMPLES: usize = 500;
const BOUND: f64 = 0.2;
const RADIUS: f64 = 20.0;
const CNN: Cnn = Cnn {
    picture: [28, 28],
    channels: [8, 16],
    hidden: 32,
    classes: 10,
};
/// First weights of the networks that are trained on what came out; the attacker's own have seed 1.
const SEEDS: [u64; 3] = [2, 3, 4];

/// `[samples, 784]`.
type Pictures = Tensor<Cpu, 2>;

/// What is done against poison: a name, the radius of the weights' ball, and what is done to
/// pictures.
type Defence = (&'static str, f64, fn(Pictures) -> Pictures);

const DEFENCES: [Defence; 3] = [
    ("none", RADIUS, |pictures| pictures),
    ("small ball", 0.4 * RADIUS, |pictures| pictures),
    ("blur", RADIUS, blur),
];

/// Means of 3 × 3 pixels.
fn blur(pictures: Pictures) -> Pictures {
    let [n, _] = pictures.dims();
    let mean = Tensor::full([1, 1, 3, 3], 1.0 / 9.0, &pictures.device());
    let same = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let pictures = pictures.reshape([n, 1, 28, 28]);
    conv2d(pictures, mean, None, same).reshape([n, 784])
}

fn main() -> Result<(), Box<dyn Error>> {
    Cpu::join_pool();
    let mut arguments = std::env::args().skip(1);
    let mut count = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (steps, training_steps): (usize, usize) = (count(600)?, count(300)?);
    let path = arguments.next().unwrap_or_else(|| "poisoning.png".into());
    let device = Default::default();
    let (train, test) = load_mnist_like(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/mnist"))?;
    let set = |samples: Labelled, block| {
        let (features, labels) = (samples.features(), samples.labels());
        Dataset::<Cpu>::new(features, 784, labels, 10, block, &device)
    };
    let data = TrainValidation {
        training: set(train.subset(0..SAMPLES)?, 100)?,
        validation: set(train.subset(SAMPLES..2 * SAMPLES)?, 100)?,
    };
    let test = set(test.subset(0..2000)?, 2000)?.whole().clone();
    let given = data.training.whole().clone();

    let problem = Poisoning::new(CNN, 1e-4)?;
    let first = |seed| -> CnnParameters<Tape<Cpu>> { CNN.init(seed, &device) };
    let x = Perturbation::none(&Tensor::from_inner(given.features.clone()), BOUND)?;
    let oracle = ProblemOracle::new(problem.clone(), DoubleBackward, data, x.clone(), first(1));
    let settings = DmlcboSettings {
        step_size: 0.1,
        terms: 10,
        upper_step_size: 30.0,
        lower_step_size: 0.1,
        upper_momentum: 0.5,
        ..DmlcboSettings::default()
    };
    let run = Run::new(Dmlcbo::new(L2Ball::new(RADIUS)?, settings)?, &oracle, 1);
    let start = oracle.first();
    let outside = run.outside(&start);
    if outside > 0.0 {
        println!("the first weights are {outside:.2} outside the ball of {RADIUS}: projected");
    }
    let (end, failure) = run.run(run.start(start), steps, &mut |state| {
        if state.step % 100 == 0 {
            eprintln!("attack: step {} of {steps}", state.step);
        }
    });
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let poison = unpack(x.clone(), end.at.x).valid();
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let signs = TensorData::random::<f32, _, _>([SAMPLES, 784], Distribution::Bernoulli(0.5), rng);
    let signs: Pictures = Tensor::from_data(signs, &device) * 2.0 - 1.0;
    let random = poison.nearest(signs * BOUND);
    let poison = poison.values.val();
    let largest = read(poison.clone().abs().max_dim(1).max_dim(0))[0];
    assert!(largest < BOUND + 1e-6, "a pixel was changed by {largest}");

    // The mean accuracy of networks trained with a defence on given pictures.
    let judge = |(_, radius, filter): Defence, pictures: Pictures| -> Result<f64, Box<dyn Error>> {
        let part = |features, part: &Minibatch<Cpu>| Minibatch {
            features: filter(features),
            ..part.clone()
        };
        let batch = Batch {
            training: part(pictures, &given),
            validation: part(test.features.clone(), &test),
        };
        let solver = ProjectedGradient {
            projection: L2Ball::new(radius)?,
            step_size: 0.1,
            momentum: true,
            max_steps: training_steps,
            tolerance: Tolerance::Absolute(1e-4),
        };
        let accuracies = SEEDS.map(|seed| {
            let point = Point {
                problem: &problem,
                x: &x,
                y: &first(seed),
                batch: &batch,
            };
            let y = LowerSolver::<Cpu, _>::solve(&solver, point).value;
            accuracy::<Cpu, _>(&CNN, &y.valid(), &batch.validation)
        });
        Ok(100.0 * accuracies.iter().sum::<f64>() / SEEDS.len() as f64)
    };
    let clean = given.features.clone();
    let conditions = [
        ("as they were", clean.clone()),
        ("random changes", clean.clone() + random),
        ("poison", clean.clone() + poison),
    ];
    println!("test accuracy, %, of networks trained on pictures with");
    print!("{:12}", "defence");
    conditions.iter().for_each(|c| print!("{:>16}", c.0));
    println!();
    let mut table = Vec::new();
    for defence in DEFENCES {
        let judged = conditions.iter().map(|c| judge(defence, c.1.clone()));
        let row = judged.collect::<Result<Vec<f64>, _>>()?;
        print!("{:12}", defence.0);
        row.iter().for_each(|accuracy| print!("{accuracy:16.2}"));
        println!();
        table.push(row);
    }
    let shown = |pictures: &Pictures| read(pictures.clone().narrow(0, 0, SHOWN));
    draw(
        &path,
        &conditions.each_ref().map(|c| (c.0, shown(&c.1))),
        &table,
    )?;
    println!("{path}");
    Ok(())
}

/// Pictures of each kind that are shown.
const SHOWN: usize = 5;
const COLOURS: [RGBColor; 3] = [RGBColor(70, 130, 90), RGBColor(70, 110, 190), RED];
/// The first pictures of each kind, and the accuracies as bars.
fn draw(
    path: &str,
    kinds: &[(&str, Vec<f64>); 3],
    table: &[Vec<f64>],
) -> Result<(), Box<dyn Error>> {
    font::register()?;
    let (width, height) = (900, 380);
    let mut buffer = vec![0; 3 * width as usize * height as usize];
    let area = BitMapBackend::with_buffer(&mut buffer, (width, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let (sheet, bars) = area.split_horizontally(470);
    for (k, (name, pixels)) in kinds.iter().enumerate() {
        let top = 20 + 120 * k as i32;
        let style = ("sans-serif", 14).into_font().color(&COLOURS[k]);
        sheet.draw(&Text::new(*name, (12, top), style))?;
        for (p, grey) in pixels.iter().enumerate() {
            let (picture, pixel) = (p / 784, p % 784);
            let left = 12 + picture as i32 * 90 + pixel as i32 % 28 * 3;
            let down = top + 20 + pixel as i32 / 28 * 3;
            let grey = (255.0 * grey) as u8;
            let square = [(left, down), (left + 3, down + 3)];
            let style = RGBColor(grey, grey, grey).filled();
            sheet.draw(&Rectangle::new(square, style))?;
        }
    }
    let mut chart = ChartBuilder::on(&bars)
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..DEFENCES.len() as f64, 50.0..90.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(0)
        .x_desc("defence")
        .y_desc("test accuracy, %")
        .label_style(("sans-serif", 14))
        .draw()?;
    let name = |d: usize| {
        let style = ("sans-serif", 14).into_font().color(&BLACK);
        let middle = style.pos(Pos::new(HPos::Center, VPos::Top));
        EmptyElement::at((d as f64 + 0.5, 50.0)) + Text::new(DEFENCES[d].0, (0, 9), middle)
    };
    for (d, row) in table.iter().enumerate() {
        chart.plotting_area().draw(&name(d))?;
        for (k, accuracy) in row.iter().enumerate() {
            let left = d as f64 + 0.14 + 0.24 * k as f64;
            let bar = [(left, 50.0), (left + 0.22, accuracy.max(50.0))];
            chart.draw_series([Rectangle::new(bar, COLOURS[k].filled())])?;
        }
    }
    area.present()?;
    drop((chart, sheet, bars, area));
    image::save_buffer(path, &buffer, width, height, image::ColorType::Rgb8)?;
    Ok(())
}
