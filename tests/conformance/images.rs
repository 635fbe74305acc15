//! Regularizers and what happens to images.

use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Tensor, TensorData};
use bilevel::models::physics::{
    Blur, Boundary, ClosedForm, Denoising, Image, ImagePairs, Inpainting, Kernel, Mask, Physics,
    SuperResolution,
};
use bilevel::models::regularizer::{
    Architecture, ConvexNetwork, FieldsOfExperts, Potential, Regularizer, ResidualPrior, Ridge,
    TotalDeepVariation, Tv,
};
use bilevel::parameters::pack;
use bilevel::{DoubleBackward, LowerHessian, Point, SecondOrder, Tape};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::row::{Rows, entries};

pub const SIDE: usize = 12;

pub fn rows<B: Backend>(rows: &mut Rows) {
    regularizers::<B>(rows);
    physics::<B>(rows);
}

/// Entries in [0, 1].
pub fn uniform<B: Backend>(shape: [usize; 4], seed: u64) -> Tensor<B, 4> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let number = |_| f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let numbers: Vec<f64> = (0..shape.iter().product()).map(number).collect();
    let data = TensorData::new(numbers, shape);
    Tensor::from_data(data, &Default::default())
}

/// Two clean images, and the same with other numbers added.
pub fn pairs<B: Backend>(side: usize) -> ImagePairs<B> {
    let clean = uniform([2, 1, side, side], 1);
    let noise = (uniform([2, 1, side, side], 2) - 0.5) * 0.3;
    ImagePairs {
        data: clean.clone() + noise,
        clean,
    }
}

/// Gradient, Hessian product and cross term, on two tapes and in closed form.
fn regularizers<B: Backend>(rows: &mut Rows) {
    rows.section("Regularizers: gradient, Hessian product, cross term");
    let (filters, size) = (4, 3);
    let experts = |potential| FieldsOfExperts {
        filters,
        size,
        potential,
    };
    let ridge = |weak_convexity| Ridge {
        filters,
        size,
        knots: 9,
        weak_convexity,
    };
    let list: [(&str, &str, Architecture); 8] = [
        (
            "total variation, tape",
            "total variation, closed form",
            Tv.into(),
        ),
        (
            "fields of experts, Student-t, tape",
            "fields of experts, Student-t, closed form",
            experts(Potential::StudentT).into(),
        ),
        (
            "fields of experts, smoothed absolute value, tape",
            "fields of experts, smoothed absolute value, closed form",
            experts(Potential::SmoothedAbs).into(),
        ),
        ("CRR, tape", "CRR, closed form", ridge(Some(0.0)).into()),
        ("WCRR, tape", "WCRR, closed form", ridge(Some(1.0)).into()),
        (
            "convex network, tape",
            "convex network, closed form",
            ConvexNetwork { channels: 3, size }.into(),
        ),
        (
            "deep variation, tape",
            "deep variation, closed form",
            TotalDeepVariation {
                channels: 3,
                size,
                scales: 2,
                stride: 1,
            }
            .into(),
        ),
        (
            "residual prior, tape",
            "residual prior, closed form",
            ResidualPrior {
                channels: 3,
                size,
                scales: 2,
            }
            .into(),
        ),
    ];
    let batch = pairs::<B>(SIDE);
    let y = batch.start();
    let v = pack(
        &Image::new(Tensor::from_inner(uniform([2, 1, SIDE, SIDE], 3))),
        2,
    );
    for (taped, closed, architecture) in list {
        let x = architecture.init::<Tape<B>>(&Default::default());
        let problem = Denoising::new(architecture, 1);
        let point = Point {
            problem: &problem,
            x: &x,
            y: &y,
            batch: &batch,
        };
        let numbers = |g: &dyn LowerHessian<B>| {
            let (product, cross) = g.both(v.clone());
            entries([g.gradient(), product, cross])
        };
        rows.golden(taped, numbers(&*DoubleBackward.at(point)), 2e-4);
        rows.golden(closed, numbers(&*ClosedForm.at(point)), 2e-4);
    }
}

/// `A u` and `Aᵀ A u`.
fn physics<B: Backend>(rows: &mut Rows) {
    rows.section("Physics: what happens to an image, and the adjoint of that");
    let device = Default::default();
    let images = uniform::<B>([2, 1, SIDE, SIDE], 4);
    let gaussian = || Kernel::gaussian(5, 1.0, &device).expect("odd");
    let ups = || Kernel::gaussian(3, 0.7, &device).expect("odd");
    let seen = uniform::<B>([1, 1, SIDE, SIDE], 5)
        .greater_elem(0.4)
        .float();
    let blur = |boundary| Blur { boundary };
    add(
        rows,
        "blur, reflecting",
        &blur(Boundary::Reflect),
        &gaussian(),
        &images,
    );
    add(
        rows,
        "blur, periodic",
        &blur(Boundary::Periodic),
        &gaussian(),
        &images,
    );
    add(
        rows,
        "half the resolution",
        &SuperResolution::default(),
        &ups(),
        &images,
    );
    add(rows, "lost pixels", &Inpainting, &Mask { seen }, &images);
}

fn add<B: Backend, A: Physics>(
    rows: &mut Rows,
    name: &'static str,
    physics: &A,
    operator: &A::Operator<B>,
    images: &Tensor<B, 4>,
) {
    let data = physics.apply(operator, images.clone());
    let back = physics.adjoint(operator, data.clone(), [SIDE, SIDE]);
    let numbers = |t: Tensor<B, 4>| t.into_data().iter::<f64>().collect::<Vec<_>>();
    rows.golden(name, [numbers(data), numbers(back)].concat(), 1e-5);
}
