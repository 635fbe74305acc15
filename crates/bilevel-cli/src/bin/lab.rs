//! scratch
use std::time::Instant;
use bilevel_backend::*;
use bilevel_core::*;
use bilevel_data::*;
use bilevel_models::physics::*;
use bilevel_models::regularizer::*;
use burn::module::AutodiffModule;
use burn::optim::AdamConfig;
use burn::tensor::Tensor;
use clap::Parser;
type B = Cpu;
type T = Tape<B>;
#[derive(Parser)]
struct A {
    #[arg(long)] arch: String, // json
    #[arg(long, default_value="implicit")] mode: String, // pre | implicit | unrolled
    #[arg(long, default_value_t=200)] steps: usize,
    #[arg(long, default_value_t=64)] crop: usize,
    #[arg(long, default_value_t=6)] margin: usize,
    #[arg(long, default_value_t=8)] batch: usize,
    #[arg(long, default_value_t=0.01)] lr: f64,
    #[arg(long, default_value_t=25.0)] sigma: f64,
    #[arg(long, default_value_t=1e-3)] tol: f64,
    #[arg(long, default_value_t=100)] lower_steps: usize,
    #[arg(long, default_value_t=10)] cg: usize,
    #[arg(long, default_value_t=1e-2)] cg_tol: f64,
    #[arg(long, default_value_t=6)] unroll: usize,
    #[arg(long, default_value_t=1.0)] eta: f64,
    #[arg(long)] from: Option<String>,
    #[arg(long)] out: Option<String>,
    #[arg(long, default_value_t=50)] every: usize,
    #[arg(long, default_value_t=0)] seed: u64,
    #[arg(long, default_value_t=0.99)] beta2: f32,
    #[arg(long, default_value_t=0)] pad: usize,
    #[arg(long, default_value_t=3e-4)] eval_tol: f64,
    #[arg(long)] test: bool,
}
fn mirror(im: &GrayImage, p: usize) -> GrayImage {
    let (w, h) = (im.width() as i64, im.height() as i64);
    let r = |i: i64, n: i64| -> i64 { let mut i = i; if i < 0 { i = -1 - i } if i >= n { i = 2*n - 1 - i } i };
    let p = p as i64;
    let mut px = vec![];
    for y in -p..h+p { for x in -p..w+p { px.push(im.pixels()[(r(y,h)*w + r(x,w)) as usize]); } }
    GrayImage::new((w+2*p) as usize, (h+2*p) as usize, px)
}
fn evaluate(a: &A, arch: &Architecture, x: &ArchitectureParameters<T>, clean: &[NamedImage], pad: usize, verbose: bool) -> (f64, f64) {
    let dev = Default::default();
    let problem = Denoising::new(arch.clone(), 0);
    let start = Instant::now();
    let work: Vec<_> = clean.iter().enumerate().map(|(i, c)| (i, c, ArchitectureParameters::<T>::from_inner(x.valid()))).collect();
    let out = parallel::map(work, |(i, c, x)| {
        let noisy = mirror(&add_gaussian_noise(&c.image, (a.sigma/255.0) as f32, 1, i as u64), pad);
        let data = to_tensor::<B>(std::slice::from_ref(&noisy), &dev);
        let batch = ImagePairs { clean: data.clone(), data: data.clone() };
        let y0 = batch.start();
        let point = Point { problem: &problem, x: &x, y: &y0, batch: &batch };
        let (pix, steps) = if a.mode == "implicit" {
            let s = Accelerated { smoothness: CurvatureBound, strong_convexity: 0.0, max_steps: 300, tolerance: a.eval_tol * (noisy.pixels().len() as f64).sqrt() }.solve(point);
            (s.value.pixels.val().inner(), s.steps)
        } else {
            let k = if a.mode == "pre" { 1 } else { a.unroll };
            let mut y = data.clone();
            for _ in 0..k {
                let g = arch.gradient(&x.valid(), y.clone()).unwrap();
                y = y.clone() - (y - data.clone() + g) * a.eta;
            }
            (y, k)
        };
        let im = from_tensor(pix).remove(0).crop(pad, pad, c.image.width(), c.image.height());
        (psnr(&im, &c.image), steps)
    });
    let t = start.elapsed().as_secs_f64() / clean.len() as f64;
    if verbose { for (c, (p, s)) in clean.iter().zip(&out) { println!("  {:20} {p:.2} {s}", c.name); } }
    (out.iter().map(|o| o.0).sum::<f64>() / out.len() as f64, t)
}
fn main() {
    let a = A::parse();
    let dev = Default::default();
    let arch: Architecture = serde_json::from_str(&a.arch).unwrap();
    let mut x = arch.init::<T>(&dev);
    if let Some(f) = &a.from {
        let v: Vec<f32> = serde_json::from_slice(&std::fs::read(f).unwrap()).unwrap();
        let n = v.len();
        let t = Tensor::<B, 1>::from_data(v.as_slice(), &dev).reshape([1, n]);
        x = parameters::unpack::<T, _>(x, t);
    }
    let val = load_folder("assets/images/val").unwrap();
    let test = load_folder("assets/images/test").unwrap();
    if a.steps == 0 || a.test {
        for pad in [0, a.pad] { let (p, t) = evaluate(&a, &arch, &x, &test, pad, pad > 0); println!("test pad {pad}: {p:.3} dB, {t:.2} s an image on both cores"); }
        if a.steps == 0 { return; }
    }
    let crops = RandomCrops::new(load_folder("assets/images/train").unwrap(), a.crop, a.seed).unwrap();
    let unrolled = |steps, eta| Unrolled { second_order: ClosedForm, map: bilevel_core::hypergradient::Descent, step_size: eta, steps, keep: Keep::All };
    let h: Box<dyn Hypergradient<B, Denoising<Architecture>> + Sync> = match a.mode.as_str() {
        "pre" => Box::new(unrolled(1, 1.0)),
        "unrolled" => Box::new(unrolled(a.unroll, a.eta)),
        "jf" => Box::new(JacobianFree { second_order: ClosedForm, learning_rate: 1.0 }),
        _ => Box::new(ImplicitDifferentiation { second_order: ClosedForm, solver: ConjugateGradient { max_steps: a.cg, tolerance: a.cg_tol } }),
    };
    let implicit = a.mode == "implicit" || a.mode == "jf";
    let lower = Accelerated { smoothness: CurvatureBound, strong_convexity: 0.0, max_steps: if implicit { a.lower_steps } else { 0 }, tolerance: a.tol * a.crop as f64 };
    let lp = DoubleLoop { problem: Denoising::new(arch.clone(), a.margin), lower, hypergradient: h };
    let adam = AdamConfig::new().with_beta_2(a.beta2).init::<T, ArchitectureParameters<T>>();
    let mut state = State::new(x, adam);
    let start = Instant::now();
    let (mut loss, mut ls, mut cs, mut capped) = (0.0, 0, 0, 0);
    for step in 0..a.steps {
        let clean = crops.batch(step as u64, a.batch);
        let noisy: Vec<_> = clean.iter().enumerate().map(|(i, c)| add_gaussian_noise(c, (a.sigma/255.0) as f32, (1 << 40) + a.seed, (step * a.batch + i) as u64)).collect();
        let tasks = clean.chunks(a.batch / 2).zip(noisy.chunks(a.batch / 2)).map(|(c, n)| {
            let b = ImagePairs { clean: to_tensor(c, &dev), data: to_tensor(n, &dev) };
            let s = b.start();
            Task::new(b, s)
        }).collect();
        let t = step as f64 / a.steps as f64;
        let warm = ((step + 1) as f64 / 20.0).min(1.0);
        let lr = a.lr * warm * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * t).cos()));
        let report;
        (state, _, report) = lp.step(state, tasks, lr);
        state.x = arch.project(state.x);
        if let Some(f) = &report.failure { println!("{f}"); break; }
        loss += report.upper_loss; ls += report.lower.steps; cs += report.adjoint.as_ref().map_or(0, |a| a.steps);
        if report.lower.status == Status::MaxSteps { capped += 1; }
        if (step + 1) % a.every == 0 || step + 1 == a.steps {
            let k = a.every as f64;
            let train_time = start.elapsed().as_secs_f64();
            let (p, t) = evaluate(&a, &arch, &state.x, &val, 0, false);
            println!("{:5} {:6.0} s  train {:.3} dB  val {p:.3} dB ({t:.2} s)  lower {:.0} adjoint {:.0} capped {capped}", step + 1, train_time, -10.0 * (loss / k).log10(), ls as f64 / k, cs as f64 / k);
            (loss, ls, cs, capped) = (0.0, 0, 0, 0);
            if let Some(f) = &a.out {
                let v: Vec<f32> = parameters::pack::<T, _>(&state.x, 1).into_data().iter::<f32>().collect();
                std::fs::write(f, serde_json::to_vec(&v).unwrap()).unwrap();
            }
        }
    }
    let (p, t) = evaluate(&a, &arch, &state.x, &test, 0, false);
    println!("test: {p:.3} dB, {t:.2} s");
}
