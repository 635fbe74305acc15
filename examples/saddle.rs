//! Two runs from `(1, 0)` on `Φ(x) = ½ x₁² − ½ x₂² + ¼ x₂⁴`, hidden behind a lower level: descent
//! along the hypergradient ends at the saddle, perturbed AID in a minimum. Writes a picture: `cargo
//! run --release --example saddle -- saddle.svg`.

#[path = "plot/font.rs"]
mod font;

use std::error::Error;

use bilevel::algorithm::escape::{LanczosSettings, Perturbation, PerturbedAid, lowest_curvature};
use bilevel::backend::{Cpu, Tape};
use bilevel::burn::module::{Module, Param};
use bilevel::burn::tensor::Tensor;
use bilevel::burn::tensor::backend::Backend;
use bilevel::vector::read;
use bilevel::{BilevelProblem, Task, Vector};
use plotters::prelude::*;

type B = Cpu;

/// `g = ½ (y + x₂/2)²,  f = ½ x₁² + x₂ y + ¼ x₂⁴`.
struct Hidden;

#[derive(Module, Debug)]
struct Row<B: Backend> {
    row: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
struct NoData<B: Backend> {
    unused: Tensor<B, 1>,
}

impl BilevelProblem for Hidden {
    type Upper<B: Backend> = Row<B>;
    type Lower<B: Backend> = Row<B>;
    type Batch<B: Backend> = NoData<B>;

    fn upper_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, _: &NoData<B>) -> Tensor<B, 1> {
        let [x1, x2] = [0, 1].map(|i| x.row.val().narrow(1, i, 1));
        (x1.square() * 0.5 + x2.clone() * y.row.val() + x2.powi_scalar(4) * 0.25).sum()
    }

    fn lower_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, _: &NoData<B>) -> Tensor<B, 1> {
        (y.row.val() + x.row.val().narrow(1, 1, 1) * 0.5)
            .square()
            .sum()
            * 0.5
    }
}

fn phi(x1: f64, x2: f64) -> f64 {
    0.5 * x1 * x1 - 0.5 * x2 * x2 + 0.25 * x2.powi(4)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "saddle.svg".to_owned());
    Cpu::use_f64()?;
    let device = Default::default();
    let row = |entries: &[f64]| Row::<Tape<B>> {
        row: Param::from_tensor(Tensor::<_, 1>::from_data(entries, &device).unsqueeze()),
    };
    let batch = NoData {
        unused: Tensor::zeros([1], &device),
    };
    let mut ways = Vec::new();
    // Never small enough to be displaced; displaced once, in either direction.
    for (name, epsilon, seed) in [
        ("descent", 1e-300, 0),
        ("perturbed", 1e-4, 0),
        ("perturbed", 1e-4, 4),
    ] {
        let method = PerturbedAid {
            lower_step_size: 1.0,
            lower_steps: 3,
            linear_steps: 2,
            perturbation: Perturbation {
                step_size: 0.1,
                epsilon,
                radius: 1e-3,
                scaled: false,
                window: 50,
                decrease: Some(1e-6),
            },
        };
        let mut objective = method.objective::<B, _>(
            &Hidden,
            row(&[1.0, 0.0]),
            Task::new(batch.clone(), row(&[0.0])),
        );
        let mut way = Vec::new();
        let end = method.run(&mut objective, 1000, seed, &mut |visit| {
            let x = read(visit.x.clone());
            way.push((x[0], x[1]));
        });
        let probe = LanczosSettings {
            steps: 2,
            radius: 1e-3,
        };
        let lowest = lowest_curvature::<B>(&mut objective, &end.x, probe, 0).value;
        let verdict = if lowest < -1e-3 { "no" } else { "yes" };
        let x: Vector<B> = end.x;
        let x = read(x);
        println!(
            "{name:9}  x = ({:.4}, {:.4})  Φ = {:.4}  λ_min = {lowest:.3}  approximate local minimum: {verdict}",
            x[0], x[1], end.loss
        );
        ways.push((name, way));
    }
    draw(&path, &ways)?;
    println!("{path}");
    Ok(())
}

/// The runs on a map of Φ.
fn draw(path: &str, ways: &[(&str, Vec<(f64, f64)>)]) -> Result<(), Box<dyn Error>> {
    font::register()?;
    let area = SVGBackend::new(path, (640, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Φ(x) = ½ x₁² − ½ x₂² + ¼ x₂⁴", ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.7..1.2, -1.5..1.5)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("x₁")
        .y_desc("x₂")
        .label_style(("sans-serif", 14))
        .draw()?;
    // Bands of equal Φ, from light (low) to dark.
    let (columns, rows) = (57, 60);
    let [width, height] = [1.9 / f64::from(columns), 3.0 / f64::from(rows)];
    let cells = (0..columns).flat_map(|i| (0..rows).map(move |j| (i, j)));
    chart.draw_series(cells.map(|(i, j)| {
        let (x1, x2) = (-0.7 + width * f64::from(i), -1.5 + height * f64::from(j));
        let band = ((phi(x1 + width / 2.0, x2 + height / 2.0) + 0.25) * 20.0).floor() / 20.0;
        let shade = (250.0 - 110.0 * band.clamp(0.0, 1.2)) as u8;
        let colour = RGBColor(shade.saturating_sub(12), shade.saturating_sub(4), shade);
        Rectangle::new([(x1, x2), (x1 + width, x2 + height)], colour.filled())
    }))?;
    // Descent last: it is under the others else.
    for (name, way) in ways.iter().rev() {
        let colour = if *name == "descent" { BLACK } else { RED };
        chart.draw_series(LineSeries::new(way.iter().copied(), colour.stroke_width(2)))?;
        let end = way.last().copied().unwrap_or_default();
        chart.draw_series([Circle::new(end, 5, colour.filled())])?;
    }
    for (text, at) in [
        ("start", (1.02, 0.06)),
        ("descent ends at the saddle", (-0.62, 0.08)),
        ("perturbed AID ends in a minimum", (0.07, 1.08)),
        ("perturbed AID, another seed", (0.07, -1.02)),
    ] {
        chart.draw_series([Text::new(text, at, ("sans-serif", 15))])?;
    }
    area.present()?;
    Ok(())
}
