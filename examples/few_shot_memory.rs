//! Plot the memory of one MAML gradient against the number of inner steps, with all tapes kept and in a budget:
//! `cargo run --release --example few_shot_memory`. Writes `few-shot-memory.svg`; the first argument is another path.

use std::error::Error;

use bilevel::Keep;
use bilevel::backend::{Cpu, Tape};
use bilevel::models::meta::{
    Conv4, Episode, Filter, Learner, Loss, Maml, Normalization, Rates, Samples, StepLosses,
};
use peak_alloc::PeakAlloc;
use plotters::prelude::*;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const STEPS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Five classes, one picture of each to learn from and three to ask for.
fn episode() -> Episode<Cpu> {
    let samples = |each: usize| {
        let labels: Vec<usize> = (0..5 * each).map(|i| i / each).collect();
        let pixel = |i: usize| ((i * 37) % 101) as f32 / 100.0;
        let rows: Vec<f32> = (0..5 * each * 784).map(pixel).collect();
        Samples::classes(&rows, 784, &labels, 5, &Default::default()).expect("labels fit")
    };
    Episode {
        support: samples(1),
        query: samples(3),
    }
}

/// Most megabytes held during one gradient, above what is held before it.
fn peak(steps: usize, keep: Keep) -> f64 {
    let network = Conv4 {
        channels: 32,
        side: 28,
        classes: Some(5),
        kept_steps: 1,
    };
    let learner = Maml {
        network,
        loss: Loss::CrossEntropy,
        normalization: Normalization::Transductive,
        steps,
        rates: Rates::Fixed(0.05),
        keep,
        adapted: Filter::all(),
        step_losses: StepLosses::Last,
    };
    let weights = network.init::<Tape<Cpu>>(0, &Default::default());
    let x = Learner::<Cpu>::begin(&learner, weights);
    let episode = episode();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let found = learner.gradient(&x, &episode);
    assert!(found.failure.is_none());
    (MEMORY.peak_usage() - before) as f64 / 1e6
}

/// plotters measures text with a font of its own, for an SVG too.
const FONT: &[u8] = include_bytes!("../crates/bilevel-cli/assets/fonts/Roboto-Regular.ttf");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "few-shot-memory.svg".to_owned());
    // Three sets of the network's 28,357 weights.
    let budget = Keep::Bytes(3 * 4 * 28_357);
    let curves = [
        ("everything kept", Keep::All, RED),
        ("states in a budget of three", budget, BLUE),
    ]
    .map(|(name, keep, colour)| {
        let points: Vec<_> = STEPS.map(|steps| (steps as f64, peak(steps, keep))).into();
        (name, points, colour)
    });
    println!("steps  {}, MB  {}, MB", curves[0].0, curves[1].0);
    for (all, some) in curves[0].1.iter().zip(&curves[1].1) {
        println!("{:5}  {:19.2}  {:31.2}", all.0, all.1, some.1);
    }

    let highest = curves[0].1.iter().map(|point| point.1).fold(0.0, f64::max);
    plotters::style::register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| "a font that plotters cannot read")?;
    let area = SVGBackend::new(&path, (720, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Memory of one MAML gradient, Conv4-32", ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..64.0, 0.0..1.05 * highest)?;
    chart
        .configure_mesh()
        .x_desc("inner steps")
        .y_desc("peak, MB")
        .label_style(("sans-serif", 15))
        .draw()?;
    for (name, points, colour) in curves {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(("sans-serif", 15))
        .draw()?;
    area.present()?;
    println!("{path}");
    Ok(())
}
