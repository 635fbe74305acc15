//! What every regularizer claims of its derivatives, in `f64`, far from where learning starts.

use bilevel_backend::Tape;
use bilevel_core::parameters::{pack, unpack};
use bilevel_core::{DoubleBackward, GradientBackward, Point, SecondOrder};
use bilevel_models::physics::{ClosedForm, Denoising, Image, ImagePairs};
use bilevel_models::regularizer::{
    ConvexNetwork, FieldsOfExperts, Potential, Regularizer, ResidualPrior, Ridge,
    TotalDeepVariation, Tv,
};
use burn::module::AutodiffModule;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::{B, Number, in_single_precision};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Odd and even, so that scales are rounded.
const SHAPE: [usize; 4] = [2, 1, 7, 6];

fn random<const D: usize>(
    shape: [usize; D],
    (mean, deviation): (f64, f64),
    rng: &mut ChaCha8Rng,
) -> Tensor<B, D> {
    let data = TensorData::random::<f64, _, _>(shape, Distribution::Normal(mean, deviation), rng);
    Tensor::from_data(data, &Default::default())
}

fn read<const D: usize>(t: Tensor<B, D>) -> Vec<f64> {
    t.into_data().iter::<f64>().collect()
}

fn norm<const D: usize>(t: Tensor<B, D>) -> f64 {
    read(t).iter().map(|t| t * t).sum::<f64>().sqrt()
}

fn dot<const D: usize>(a: &Tensor<B, D>, b: &Tensor<B, D>) -> f64 {
    (a.clone() * b.clone()).sum().number()
}

#[track_caller]
fn equal<const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>, what: &str) {
    let scale = norm(b.clone());
    assert!(scale > 0.0, "{what}: nothing is compared");
    let error = norm(a - b) / scale;
    assert!(error < 1e-10, "{what}: {error:.1e}");
}

/// The parameters that learning starts from, each entry moved.
fn moved<R: Regularizer>(regularizer: &R, rng: &mut ChaCha8Rng) -> R::Parameters<Tape<B>>
where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    let x = regularizer.init::<Tape<B>>(&Default::default());
    let v = pack(&x, 1);
    let step = random(v.dims(), (0.0, 0.2), rng);
    regularizer.project(unpack(x, v + step))
}

/// Everything, for one regularizer.
fn check<R: Regularizer>(regularizer: R)
where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
    R::Parameters<Tape<Tape<B>>>:
        AutodiffModule<Tape<Tape<B>>, InnerModule = R::Parameters<Tape<B>>>,
{
    for seed in 0..3 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let x = moved(&regularizer, rng);
        let u = random(SHAPE, (0.5, 0.1), rng);
        let v = random(SHAPE, (0.0, 1.0), rng);
        first_derivatives(&regularizer, &x, &u, &v);
        second_derivatives(&regularizer, &x, &u, rng);
        curvature(&regularizer, &x.valid(), &u, rng);
    }
}

/// The gradient is what the recording gives, and the change of the value.
fn first_derivatives<R: Regularizer>(
    regularizer: &R,
    x: &R::Parameters<Tape<B>>,
    u: &Tensor<B, 4>,
    v: &Tensor<B, 4>,
) where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    let taped = Tensor::<Tape<B>, 4>::from_inner(u.clone()).require_grad();
    let recorded = regularizer.value(x, taped.clone()).backward();
    let recorded = taped.grad(&recorded).expect("R depends on the image");

    let x = x.valid();
    let value = |e: f64| -> f64 {
        let value = regularizer.value(&x, u.clone() + v.clone() * e);
        value.number()
    };
    let e = 1e-6;
    let difference = (value(e) - value(-e)) / (2.0 * e);
    let along = dot(&recorded, v);
    let scale = norm(recorded.clone()) * norm(v.clone());
    assert!(
        (along - difference).abs() < 1e-7 * scale,
        "{regularizer:?}: {along} is not the change {difference}"
    );
    if let Some(gradient) = regularizer.gradient(&x, u.clone()) {
        equal(gradient, recorded, "the gradient");
        let directional = regularizer.directional(&x, u.clone(), v.clone());
        let directional: f64 = directional.expect("it has a gradient").number();
        assert!((directional - along).abs() < 1e-10 * scale);
    }
}

/// Closed forms and one recording give what two recordings do.
fn second_derivatives<R: Regularizer>(
    regularizer: &R,
    x: &R::Parameters<Tape<B>>,
    u: &Tensor<B, 4>,
    rng: &mut ChaCha8Rng,
) where
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
    R::Parameters<Tape<Tape<B>>>:
        AutodiffModule<Tape<Tape<B>>, InnerModule = R::Parameters<Tape<B>>>,
{
    let problem = Denoising::new(regularizer.clone(), 0);
    let batch = ImagePairs {
        clean: u.clone(),
        data: random(SHAPE, (0.5, 0.1), rng),
    };
    let y = Image::new(Tensor::from_inner(u.clone()));
    let point = Point {
        problem: &problem,
        x,
        y: &y,
        batch: &batch,
    };
    let [n, _, height, width] = SHAPE;
    let v = random([n, height * width], (0.0, 1.0), rng);
    let oracle = SecondOrder::<B, _>::at(&DoubleBackward, point);
    let (product, cross) = oracle.both(v.clone());
    let engines = [
        SecondOrder::<B, _>::at(&ClosedForm, point),
        SecondOrder::<B, _>::at(&GradientBackward, point),
    ];
    for engine in engines {
        equal(engine.apply(v.clone()), product.clone(), "a product");
        equal(engine.cross(v.clone()), cross.clone(), "a cross term");
        let (p, c) = engine.both(v.clone());
        equal(p, product.clone(), "a product of both");
        equal(c, cross.clone(), "a cross term of both");
        equal(engine.gradient(), oracle.gradient(), "the lower gradient");
        let w = random(cross.dims(), (0.0, 1.0), rng);
        let transposed = dot(&engine.cross_transposed(w.clone()), &v);
        assert!((transposed - dot(&w, &cross)).abs() < 1e-10 * norm(w) * norm(cross.clone()));
    }
}

/// No direction bends more than the stated bound or less than the stated convexity.
fn curvature<R: Regularizer>(
    regularizer: &R,
    x: &R::Parameters<B>,
    u: &Tensor<B, 4>,
    rng: &mut ChaCha8Rng,
) {
    let gradient = |u: Tensor<B, 4>| regularizer.gradient(x, u);
    if gradient(u.clone()).is_none() {
        return;
    }
    let e = 1e-5;
    let hessian = |v: &Tensor<B, 4>| {
        let at = |e: f64| gradient(u.clone() + v.clone() * e).expect("it has one");
        (at(e) - at(-e)) / (2.0 * e)
    };
    let bound = regularizer.curvature_bound(x).unwrap_or(f64::INFINITY);
    let convexity = regularizer.convexity(x).unwrap_or(f64::NEG_INFINITY);
    // The extremes are sought by power iterations on H and on H − λ I.
    let mut shift = 0.0;
    for _ in 0..2 {
        let mut v = random(SHAPE, (0.0, 1.0), rng);
        for _ in 0..20 {
            v = v.clone() / norm(v);
            let h = hessian(&v);
            let quotient = dot(&h, &v);
            let rounding = 1e-6 * (1.0 + quotient.abs());
            assert!(
                quotient <= bound + rounding && quotient >= convexity - rounding,
                "{regularizer:?}: {quotient} is not between {convexity} and {bound}"
            );
            v = h - v * shift;
        }
        shift = norm(v);
    }
}

const EXPERTS: FieldsOfExperts = FieldsOfExperts {
    filters: 4,
    size: 3,
    potential: Potential::StudentT,
};
const RIDGE: Ridge = Ridge {
    filters: 4,
    size: 3,
    knots: 6,
    weak_convexity: None,
};

#[test]
fn tv() {
    check(Tv);
}

#[test]
fn fields_of_experts() {
    check(EXPERTS);
    check(FieldsOfExperts {
        potential: Potential::SmoothedAbs,
        ..EXPERTS
    });
}

#[test]
fn ridges() {
    for weak_convexity in [None, Some(0.0), Some(0.3)] {
        check(Ridge {
            weak_convexity,
            ..RIDGE
        });
    }
}

#[test]
fn a_convex_network() {
    check(ConvexNetwork {
        channels: 5,
        size: 3,
    });
}

#[test]
fn deep_variation() {
    for (scales, stride) in [(1, 1), (2, 1), (3, 1), (2, 2), (1, 3)] {
        check(TotalDeepVariation {
            channels: 3,
            size: 3,
            scales,
            stride,
        });
    }
}

#[test]
fn a_residual_prior() {
    check(ResidualPrior {
        channels: 3,
        size: 3,
        scales: 2,
    });
}

/// What `project` gives is admissible, and what is admissible stays as it is.
#[test]
fn weak_convexity_is_kept_by_projection() {
    for limit in [0.0, 0.3] {
        let ridge = Ridge {
            weak_convexity: Some(limit),
            ..RIDGE
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let free = moved(&RIDGE, rng).valid();
        let before = -RIDGE.convexity(&free).expect("known");
        assert!(before > limit + 0.1, "{before} does not test it");
        let x = ridge.project(free.clone());
        let after = -ridge.convexity(&x).expect("known");
        assert!((after - limit).abs() < 1e-9, "{after} is not {limit}");
        let again = ridge.project(x.clone()).curvatures.val();
        assert!(norm(again - x.curvatures.val()) < 1e-9);
        // Positive curvatures are left alone.
        let positive = |x: &Tensor<B, 2>| x.clone().clamp_min(0.0);
        let change = positive(&free.curvatures.val()) - positive(&x.curvatures.val());
        assert!(norm(change) < 1e-12);
    }
}

#[test]
fn a_convex_network_stays_one() {
    let network = ConvexNetwork {
        channels: 3,
        size: 3,
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let x = moved(&network, rng).valid();
    let smallest = |x: Vec<f64>| x.into_iter().fold(f64::INFINITY, f64::min);
    assert!(smallest(read(x.between.val())) >= 0.0);
    assert!(smallest(read(x.last.val())) >= 0.0);
    assert!(
        smallest(read(x.first.val())) < 0.0,
        "signed filters stay so"
    );
}

#[test]
fn ridges_have_one_gradient_by_kernel_and_by_look_up() {
    kernel_and_look_up_agree(1e-12);
}

#[test]
fn ridges_have_one_gradient_in_single_precision() {
    in_single_precision(|| kernel_and_look_up_agree(1e-5));
}

/// The table look-ups of a tape give what the kernel of the processor gives.
fn kernel_and_look_up_agree(tolerance: f64) {
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let x = moved(&RIDGE, rng);
    let u: Tensor<B, 4> = random(SHAPE, (0.5, 0.1), rng);
    let by_look_up = RIDGE.gradient(&x, Tensor::from_inner(u.clone()));
    let by_kernel = RIDGE.gradient(&x.valid(), u);
    let by_look_up = by_look_up.expect("a closed form").inner();
    let difference = by_kernel.expect("a closed form") - by_look_up.clone();
    assert!(norm(difference) < tolerance * norm(by_look_up));
}
