//! The claims of the physics and of reconstruction, in `f64`.

use bilevel_backend::Tape;
use bilevel_core::parameters::{named_values, pack, paths, unpack};
use bilevel_core::{
    Accelerated, BilevelProblem, CentralDifference, ConjugateGradient, DoubleBackward,
    Hypergradient, ImplicitDifferentiation, LipschitzConstant, LowerObjective, LowerSolver, Point,
    SecondOrder, Status, Tolerance, TwiceDifferentiable, Vector,
};
use bilevel_models::physics::{
    Blur, Boundary, ClosedForm, CurvatureBound, Denoising, Identity, Image, ImagePairs, Inpainting,
    Kernel, Learned, Mask, NoOperator, Physics, Reconstruction, SuperResolution,
};
use bilevel_models::regularizer::{
    FieldsOfExperts, FieldsOfExpertsParameters, Potential, Regularizer, Tv, TvParameters,
};
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Distribution, Tensor, TensorData};
use double_precision::{B, Number, in_single_precision};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const BOUNDARIES: [Boundary; 4] = [
    Boundary::Reflect,
    Boundary::Periodic,
    Boundary::Zero,
    Boundary::Valid,
];

fn boundaries() -> impl Strategy<Value = Boundary> {
    (0..4usize).prop_map(|i| BOUNDARIES[i])
}

/// Odd sides of kernels.
fn sides() -> impl Strategy<Value = usize> {
    (0..4usize).prop_map(|half| 2 * half + 1)
}

/// Normal numbers around `mean`.
fn random<C: Backend, const D: usize>(
    shape: [usize; D],
    (mean, deviation): (f64, f64),
    rng: &mut ChaCha8Rng,
) -> Tensor<C, D> {
    let data = TensorData::random::<f64, _, _>(shape, Distribution::Normal(mean, deviation), rng);
    Tensor::from_data(data, &Default::default())
}

fn read<const D: usize>(t: Tensor<B, D>) -> Vec<f64> {
    t.into_data().iter::<f64>().collect()
}

fn dot<const D: usize>(a: &Tensor<B, D>, b: &Tensor<B, D>) -> f64 {
    (a.clone() * b.clone()).sum().number()
}

fn norm<const D: usize>(t: &Tensor<B, D>) -> f64 {
    dot(t, t).sqrt()
}

fn largest<const D: usize>(t: Tensor<B, D>) -> f64 {
    t.abs().max().number()
}

fn kernel<C: Backend>(side: usize, rng: &mut ChaCha8Rng) -> Kernel<C> {
    Kernel::new(random([1, 1, side, side], (0.0, 1.0), rng)).expect("an odd square")
}

/// A kernel without negative weights that sum to one.
fn positive_kernel(side: usize, rng: &mut ChaCha8Rng) -> Kernel<B> {
    let weights = random::<B, 4>([1, 1, side, side], (0.0, 1.0), rng).abs();
    let total = weights.clone().sum().reshape([1, 1, 1, 1]);
    Kernel::new(weights / total).expect("an odd square")
}

fn mask<C: Backend>([h, w]: [usize; 2], rng: &mut ChaCha8Rng) -> Mask<C> {
    Mask {
        seen: random::<C, 4>([1, 1, h, w], (0.2, 1.0), rng)
            .greater_elem(0.0)
            .float(),
    }
}

/// A module off its tape.
fn plain<M: AutodiffModule<Tape<B>>>(module: &M) -> M::InnerModule {
    module.valid()
}

// --- The operators --------------------------------------------------------------------------------

/// `⟨A u, z⟩ = ⟨u, Aᵀ z⟩`.
fn adjoint_error<A: Physics>(
    physics: &A,
    a: &A::Operator<B>,
    shape: [usize; 4],
    rng: &mut ChaCha8Rng,
) -> f64 {
    let [n, channels, h, w] = shape;
    let size = [h, w];
    let [zh, zw] = physics.data_size(a, size).expect("it fits");
    let u = random(shape, (0.0, 1.0), rng);
    let z = random([n, channels, zh, zw], (0.0, 1.0), rng);
    let (au, atz) = (
        physics.apply(a, u.clone()),
        physics.adjoint(a, z.clone(), size),
    );
    assert_eq!(au.dims(), z.dims());
    assert_eq!(atz.dims(), u.dims());
    let scale = norm(&au) * norm(&z) + norm(&u) * norm(&atz);
    // A mask may leave nothing.
    (dot(&au, &z) - dot(&u, &atz)).abs() / scale.max(f64::MIN_POSITIVE)
}

/// `(P u)` at row or column `i − m` of the image, by the table in the documentation.
fn source(boundary: Boundary, i: isize, n: usize) -> Option<usize> {
    let n = n as isize;
    let inside = (0..n).contains(&i);
    let i = match boundary {
        Boundary::Reflect if i < 0 => -i,
        Boundary::Reflect if i >= n => 2 * (n - 1) - i,
        Boundary::Periodic => i.rem_euclid(n),
        Boundary::Zero | Boundary::Valid if !inside => return None,
        _ => i,
    };
    Some(i as usize)
}

/// `Σ_q k_q u_{factor p − q}`, written out; `q` is counted from the middle of the kernel.
fn written_out(
    boundary: Boundary,
    factor: usize,
    kernel: &[f64],
    image: &[f64],
    [h, w]: [usize; 2],
) -> Vec<f64> {
    let k = kernel.len().isqrt();
    let half = (k / 2) as isize;
    let first = if boundary == Boundary::Valid { half } else { 0 };
    let positions = |n: usize| (first..n as isize - first).step_by(factor);
    let mut data = Vec::new();
    for row in positions(h) {
        for column in positions(w) {
            let mut sum = 0.0;
            for (q, weight) in kernel.iter().enumerate() {
                let r = source(boundary, row - ((q / k) as isize - half), h);
                let c = source(boundary, column - ((q % k) as isize - half), w);
                if let (Some(r), Some(c)) = (r, c) {
                    sum += weight * image[r * w + c];
                }
            }
            data.push(sum);
        }
    }
    data
}

/// `λmax(AᵀA)` from below. Starts at 1, which is not orthogonal to the eigenvector of a positive
/// operator.
fn norm_squared<A: Physics>(
    physics: &A,
    a: &A::Operator<B>,
    size: [usize; 2],
    start: Tensor<B, 4>,
) -> f64 {
    let mut v = start;
    let mut eigenvalue = 0.0;
    for _ in 0..300 {
        let length = norm(&v);
        v = physics.adjoint(a, physics.apply(a, v / length), size);
        eigenvalue = norm(&v);
    }
    eigenvalue
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn padding_has_its_adjoint(
        boundary in boundaries(),
        n in 1..3usize, channels in 1..3usize, h in 2..9usize, w in 2..9usize,
        m in 0..8usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let m = m.min(h - 1).min(w - 1);
        let u = random([n, channels, h, w], (0.0, 1.0), rng);
        let padded = boundary.pad(u.clone(), m);
        let z = random(padded.dims(), (0.0, 1.0), rng);
        let adjoint = boundary.pad_adjoint(z.clone(), m);
        prop_assert_eq!(adjoint.dims(), u.dims());
        let (left, right) = (dot(&padded, &z), dot(&u, &adjoint));
        prop_assert!((left - right).abs() <= 1e-12 * norm(&padded) * norm(&z));
    }

    #[test]
    fn every_operator_has_its_adjoint(
        boundary in boundaries(),
        side in sides(),
        factor in 1..5usize,
        n in 1..3usize, channels in 1..4usize, more_h in 0..9usize, more_w in 0..9usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let shape = [n, channels, side + more_h, side + more_w];
        let kernel = kernel(side, rng);
        let error = adjoint_error(&Blur { boundary }, &kernel, shape, rng);
        prop_assert!(error < 1e-12, "blur: {error:.1e}");
        let error = adjoint_error(&SuperResolution { factor, boundary }, &kernel, shape, rng);
        prop_assert!(error < 1e-12, "super-resolution: {error:.1e}");
        let error = adjoint_error(&Inpainting, &mask([shape[2], shape[3]], rng), shape, rng);
        prop_assert!(error < 1e-12, "inpainting: {error:.1e}");
        let error = adjoint_error(&Identity, &NoOperator, shape, rng);
        prop_assert!(error < 1e-12, "identity: {error:.1e}");
    }

    #[test]
    fn blur_and_super_resolution_are_the_formula(
        boundary in boundaries(),
        side in sides(),
        factor in 1..4usize,
        more_h in 0..6usize, more_w in 0..6usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let [h, w] = [side + more_h, side + more_w];
        let kernel = kernel::<B>(side, rng);
        let images = random([2, 2, h, w], (0.0, 1.0), rng);
        let physics = SuperResolution { factor, boundary };
        let data = read(physics.apply(&kernel, images.clone()));
        let weights = read(kernel.weights.val());
        let expected: Vec<f64> = read(images.clone())
            .chunks(h * w)
            .flat_map(|image| written_out(boundary, factor, &weights, image, [h, w]))
            .collect();
        prop_assert_eq!(data.len(), expected.len());
        for (a, b) in data.iter().zip(&expected) {
            prop_assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        if factor == 1 {
            let blurred = Blur { boundary }.apply(&kernel, images);
            prop_assert!(read(blurred).iter().zip(&data).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    /// Certain for any kernel.
    #[test]
    fn the_norm_is_bounded(
        boundary in boundaries(),
        side in sides(),
        factor in 1..4usize,
        more_h in 0..12usize, more_w in 0..12usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let size = [side + more_h, side + more_w];
        let kernel = kernel::<B>(side, rng);
        let physics = SuperResolution { factor, boundary };
        let start = random([1, 1, size[0], size[1]], (0.0, 1.0), rng);
        let from_below = norm_squared(&physics, &kernel, size, start);
        let bound = physics.norm_squared_bound(&kernel, size);
        prop_assert!(from_below <= bound, "{from_below} > {bound}");
    }

    /// Of use for the kernels of cameras: no negative weights.
    #[test]
    fn the_bound_is_near_the_norm_of_positive_kernels(
        boundary in boundaries(),
        side in sides(),
        factor in 1..4usize,
        more_h in 0..12usize, more_w in 0..12usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let size = [side + more_h, side + more_w];
        let kernel = positive_kernel(side, rng);
        let physics = SuperResolution { factor, boundary };
        let start = Tensor::ones([1, 1, size[0], size[1]], &Default::default());
        let from_below = norm_squared(&physics, &kernel, size, start);
        let bound = physics.norm_squared_bound(&kernel, size);
        prop_assert!(from_below <= bound, "{from_below} > {bound}");
        prop_assert!(bound <= 2.0 * from_below, "{bound} is no use for {from_below}");
        if boundary == Boundary::Periodic && factor == 1 {
            prop_assert!((bound - 1.0).abs() < 1e-11, "{bound}");
        }
    }

    #[test]
    fn a_blur_keeps_what_is_constant(
        boundary in (0..2usize).prop_map(|i| BOUNDARIES[i]),
        side in sides(),
        more_h in 0..5usize, more_w in 0..5usize,
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let kernel = positive_kernel(side, rng);
        let flat = Tensor::<B, 4>::full([1, 2, side + more_h, side + more_w], 0.7, &Default::default());
        let change = Blur { boundary }.apply(&kernel, flat.clone()) - flat;
        prop_assert!(largest(change) < 1e-14);
    }
}

/// What a point of light looks like, and where.
#[test]
fn a_point_of_light_becomes_the_kernel() {
    let device = Default::default();
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let kernel = Kernel::<B>::from_numbers(3, &numbers, &device).expect("nine numbers");
    let point = Tensor::<B, 4>::from_data(
        [[[
            [0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ]]],
        &device,
    );
    let zero = Blur {
        boundary: Boundary::Zero,
    };
    assert_eq!(
        read(zero.apply(&kernel, point.clone())),
        [0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0, 7.0, 8.0, 9.0]
    );
    let half = SuperResolution {
        factor: 2,
        boundary: Boundary::Zero,
    };
    assert_eq!(read(half.apply(&kernel, point)), [0.0, 2.0, 0.0, 8.0]);
}

#[test]
fn super_resolution_halves_and_rounds_up() {
    let kernel = Kernel::<B>::gaussian(5, 1.0, &Default::default()).expect("odd");
    for (boundary, sizes) in [
        (
            Boundary::Reflect,
            [([8, 8], [4, 4]), ([9, 12], [5, 6]), ([5, 7], [3, 4])],
        ),
        (
            Boundary::Valid,
            [([8, 8], [2, 2]), ([9, 12], [3, 4]), ([5, 7], [1, 2])],
        ),
    ] {
        let physics = SuperResolution {
            factor: 2,
            boundary,
        };
        for ([h, w], [zh, zw]) in sizes {
            let images = Tensor::ones([3, 2, h, w], &Default::default());
            assert_eq!(physics.apply(&kernel, images).dims(), [3, 2, zh, zw]);
        }
    }
    assert_eq!(SuperResolution::default().factor, 2);
}

// --- The kernels ----------------------------------------------------------------------------------

#[test]
fn gaussians_are_gaussian() {
    let kernel = Kernel::<B>::gaussian(7, 1.3, &Default::default()).expect("odd");
    let k = read(kernel.weights.val());
    assert!((k.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    let ratio = |a: f64, b: f64| (-(a * a + b * b) / (2.0 * 1.3 * 1.3)).exp();
    for (i, weight) in k.iter().enumerate() {
        let expected = ratio((i / 7) as f64 - 3.0, (i % 7) as f64 - 3.0) * k[24];
        assert!((weight - expected).abs() < 1e-15);
    }
}

#[test]
fn motions_are_lines() {
    let motion = |length: f64, angle: f64| {
        let kernel = Kernel::<B>::motion(length, angle, &Default::default()).expect("positive");
        let side = kernel.size().expect("odd");
        (read(kernel.weights.val()), side)
    };
    // The hat around each pixel, integrated over −1.5..1.5.
    let (k, side) = motion(3.0, 0.0);
    assert_eq!(side, 5);
    for (weight, expected) in k[10..15].iter().zip([0.125, 0.875, 1.0, 0.875, 0.125]) {
        assert!(
            (weight - expected / 3.0).abs() < 1e-4,
            "{weight} {expected}"
        );
    }
    let quarter = std::f64::consts::FRAC_PI_2;
    for (length, angle) in [
        (3.0, 0.0),
        (9.0, 0.4),
        (6.5, 2.0),
        (0.3, 1.0),
        (7.0, quarter),
    ] {
        let (k, side) = motion(length, angle);
        assert!((k.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!(k.iter().all(|weight| *weight >= 0.0));
        // The same from behind.
        for (a, b) in k.iter().zip(k.iter().rev()) {
            assert!((a - b).abs() < 1e-12);
        }
        // The mean square of the distance from the middle is length²/12 along the line, and what the hat
        // adds, up to 1/4 in each direction.
        let half = (side / 2) as f64;
        let spread: f64 = (0..side * side)
            .map(|i| {
                let (r, c) = ((i / side) as f64 - half, (i % side) as f64 - half);
                k[i] * (r * r + c * c)
            })
            .sum();
        let line = length * length / 12.0;
        assert!(
            line - 1e-3 <= spread && spread <= line + 0.5,
            "{length} {angle}: {spread} {line}"
        );
        // Turned by a right angle.
        let (turned, _) = motion(length, angle + quarter);
        for (i, weight) in k.iter().enumerate() {
            let (r, c) = (i / side, i % side);
            assert!((turned[(side - 1 - c) * side + r] - weight).abs() < 1e-9);
        }
        // No jumps: a little turn changes little.
        let (near, _) = motion(length, angle + 1e-4);
        let change: f64 = near.iter().zip(&k).map(|(a, b)| (a - b).abs()).sum();
        assert!(change < 1e-4 * (length + 4.0), "{length} {angle}: {change}");
    }
}

/// Up is up: a motion at 45 degrees goes from the lower left to the upper right.
#[test]
fn angles_are_counted_from_right_to_up() {
    let kernel = Kernel::<B>::motion(2.8, std::f64::consts::FRAC_PI_4, &Default::default());
    let k = read(kernel.expect("positive").weights.val());
    let corner = |row: usize, column: usize| k[row * 5 + column];
    assert!(corner(1, 3) > 10.0 * corner(1, 1) && corner(3, 1) > 10.0 * corner(3, 3));
}

// --- The problem ----------------------------------------------------------------------------------

fn reconstruction<A, R>(physics: A, regularizer: R, margin: usize) -> Reconstruction<A, R> {
    Reconstruction::of(physics, regularizer, margin)
}

/// Two images.
const SHAPE: [usize; 4] = [2, 1, 8, 7];

/// Convex, and not too flat.
fn experts<C: Backend>(rng: &mut ChaCha8Rng) -> (FieldsOfExperts, FieldsOfExpertsParameters<C>) {
    let regularizer = FieldsOfExperts {
        filters: 2,
        size: 3,
        potential: Potential::SmoothedAbs,
    };
    let x = FieldsOfExpertsParameters {
        filters: Param::from_tensor(random([2, 1, 3, 3], (0.0, 0.5), rng)),
        log_weights: Param::from_tensor(random([2], (-2.5, 0.3), rng)),
        log_smoothings: Param::from_tensor(random([2], (-0.5, 0.2), rng)),
    };
    (regularizer, x)
}

fn simulated<A: Physics>(
    physics: &A,
    a: &A::Operator<B>,
    shape: [usize; 4],
    rng: &mut ChaCha8Rng,
) -> ImagePairs<B> {
    let clean = random(shape, (0.5, 0.3), rng);
    ImagePairs::simulate(physics, a, clean, |shape| random(shape, (0.0, 0.05), rng))
        .expect("it fits")
}

/// All four physics with an operator, as far as it can be learned, at the same images.
macro_rules! for_each_physics {
    ($rng:ident, |$physics:ident, $operator:ident| $body:expr) => {{
        for boundary in BOUNDARIES {
            let ($physics, $operator) = (Blur { boundary }, kernel::<Tape<B>>(3, $rng).learned());
            $body;
            let factor = 2;
            let ($physics, $operator) = (
                SuperResolution { factor, boundary },
                kernel::<Tape<B>>(5, $rng).learned(),
            );
            $body;
        }
        let ($physics, $operator) = (
            Blur::default(),
            Kernel::<Tape<B>>::gaussian(3, 0.6, &Default::default()).expect("odd"),
        );
        $body;
        let ($physics, $operator) = (Inpainting, mask::<Tape<B>>([SHAPE[2], SHAPE[3]], $rng));
        $body;
        let ($physics, $operator) = (Identity, NoOperator);
        $body;
    }};
}

fn equal<const D: usize>(a: &Tensor<B, D>, b: &Tensor<B, D>, what: &str) {
    let (error, size) = (norm(&(a.clone() - b.clone())), norm(b));
    assert!(error <= 1e-11 * size, "{what}: {error:.1e} of {size:.1e}");
    assert!(size > 0.0, "{what} is zero");
}

/// Closed forms are what double backward computes.
fn closed_forms_agree<P>(
    problem: &P,
    x: &P::Upper<Tape<B>>,
    y: &P::Lower<Tape<B>>,
    batch: &P::Batch<B>,
    rng: &mut ChaCha8Rng,
) where
    P: TwiceDifferentiable<B>,
    ClosedForm: SecondOrder<B, P>,
{
    let point = Point {
        problem,
        x,
        y,
        batch,
    };
    let objective = LowerObjective::new(point);
    let v: Vector<B> = random(objective.start().dims(), (0.0, 1.0), rng);
    let u: Vector<B> = random(pack(x, 1).dims(), (0.0, 1.0), rng);
    let (closed, taped) = (ClosedForm.at(point), DoubleBackward.at(point));
    equal(
        &objective.gradient(objective.start()),
        &point.lower_gradients().y,
        "∇y g",
    );
    equal(&closed.gradient(), &taped.gradient(), "∇y g at the point");
    equal(
        &closed.apply(v.clone()),
        &taped.apply(v.clone()),
        "a product",
    );
    equal(
        &closed.cross(v.clone()),
        &taped.cross(v.clone()),
        "a cross term",
    );
    let transposed = closed.cross_transposed(u.clone());
    equal(
        &transposed,
        &taped.cross_transposed(u.clone()),
        "a transposed cross term",
    );
    let (left, right) = (dot(&closed.cross(v.clone()), &u), dot(&transposed, &v));
    assert!(
        (left - right).abs() < 1e-11 * norm(&transposed) * norm(&v),
        "{left} {right}"
    );
    let [both, expected] = [closed.both(v.clone()), taped.both(v)];
    equal(&both.0, &expected.0, "a product of both");
    equal(&both.1, &expected.1, "a cross term of both");
}

#[test]
fn closed_forms_are_what_the_tape_computes() {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let (regularizer, parameters) = experts::<Tape<B>>(rng);
    for_each_physics!(rng, |physics, operator| {
        let problem = reconstruction(physics, regularizer.clone(), 1);
        let batch = simulated(&physics, &plain(&operator), SHAPE, rng);
        let y = Image::new(random(SHAPE, (0.5, 0.3), rng));
        let x = problem.upper(parameters.clone(), operator.clone());
        closed_forms_agree(&problem, &x, &y, &batch, rng);
        // A regularizer without a gradient in closed form.
        let problem = reconstruction(physics, Tv, 1);
        let x = problem.upper(Tv::with(-2.0, -1.0, &Default::default()), operator);
        closed_forms_agree(&problem, &x, &y, &batch, rng);
    });
}

const SIZES: [(usize, usize); 4] = [(1, 3), (1, 9), (2, 5), (3, 7)];

fn error<const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> f64 {
    norm(&(a - b.clone())) / norm(&b)
}

/// `A` against the formula, and `Aᵀ` as its adjoint.
#[test]
fn operators_are_the_same_in_single_precision() {
    in_single_precision(|| {
        for boundary in BOUNDARIES {
            for (factor, side) in SIZES {
                let physics = SuperResolution { factor, boundary };
                let rng = &mut ChaCha8Rng::seed_from_u64(10 * factor as u64);
                let kernel = kernel::<B>(side, rng);
                let images: Tensor<B, 4> = random([2, 1, 20, 23], (0.5, 0.3), rng);
                let data = physics.apply(&kernel, images.clone());
                assert_eq!(data.dtype(), DType::F32);
                let weights = read(kernel.weights.val());
                let expected: Vec<f64> = read(images)
                    .chunks(20 * 23)
                    .flat_map(|image| written_out(boundary, factor, &weights, image, [20, 23]))
                    .collect();
                let size = expected.iter().map(|v| v * v).sum::<f64>().sqrt();
                let errors = read(data).into_iter().zip(expected);
                let error = errors.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(error < 1e-5 * size, "{physics:?} {side}: {error:.1e}");
                let error = adjoint_error(&physics, &kernel, [2, 1, 20, 23], rng);
                assert!(error < 1e-5, "adjoint of {physics:?} {side}: {error:.1e}");
            }
        }
    });
}

/// A Hessian product and a cross term in `f32`, against double backward.
#[test]
fn derivatives_are_the_same_in_single_precision() {
    in_single_precision(|| {
        for boundary in BOUNDARIES {
            for (factor, side) in SIZES {
                let physics = SuperResolution { factor, boundary };
                let rng = &mut ChaCha8Rng::seed_from_u64(10 * factor as u64);
                let (regularizer, parameters) = experts::<Tape<B>>(rng);
                let kernel = kernel::<Tape<B>>(side, rng);
                let [h, w] = physics.data_size(&kernel, [20, 23]).expect("it fits");
                let problem = reconstruction(physics, regularizer, 0);
                let x = problem.upper(parameters, kernel.learned());
                let shape = [2, 1, 20, 23];
                let batch = ImagePairs {
                    clean: random(shape, (0.5, 0.3), rng),
                    data: random([2, 1, h, w], (0.5, 0.3), rng),
                };
                let y = Image::new(Tensor::from_inner(random(shape, (0.5, 0.3), rng)));
                let point = Point {
                    problem: &problem,
                    x: &x,
                    y: &y,
                    batch: &batch,
                };
                let v = random::<B, 2>([2, 20 * 23], (0.0, 1.0), rng);
                let (product, cross) = ClosedForm.at(point).both(v.clone());
                let (taped_product, taped_cross) = DoubleBackward.at(point).both(v);
                let errors = [error(product, taped_product), error(cross, taped_cross)];
                assert!(
                    errors.iter().all(|error| *error < 1e-5),
                    "{physics:?} {side}: {errors:?}"
                );
            }
        }
    });
}

/// Both derivatives of the data term against a judge that records once; and several channels.
#[test]
fn second_derivatives_are_differences_of_gradients() {
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let shape = [2, 3, 8, 7];
    for_each_physics!(rng, |physics, operator| {
        let problem = reconstruction(physics, Tv, 0);
        let batch = simulated(&physics, &plain(&operator), shape, rng);
        let y = Image::new(random(shape, (0.5, 0.3), rng));
        let x = problem.upper(Tv::with(-2.0, -1.0, &Default::default()), operator);
        let point = Point {
            problem: &problem,
            x: &x,
            y: &y,
            batch: &batch,
        };
        let v = random([2, 3 * 8 * 7], (0.0, 1.0), rng);
        let (hv, cross) = ClosedForm.at(point).both(v.clone());
        let differences = CentralDifference::for_precision_of::<B>(&Default::default());
        let (expected, expected_cross) = differences.at(point).both(v);
        assert!(norm(&(hv - expected.clone())) < 1e-7 * norm(&expected));
        assert!(norm(&(cross - expected_cross.clone())) < 1e-7 * norm(&expected_cross));
    });
}

/// Relative errors of derivatives of F along random directions, against differences of F itself.
fn errors_against_differences<P>(
    problem: &P,
    x: &P::Upper<Tape<B>>,
    start: &P::Lower<Tape<B>>,
    batch: &P::Batch<B>,
    directions: &[Vector<B>],
) -> Vec<f64>
where
    P: TwiceDifferentiable<B>,
    ClosedForm: SecondOrder<B, P>,
    CurvatureBound: LipschitzConstant<B, P>,
{
    let solve = |x: &P::Upper<Tape<B>>| {
        let lower = Accelerated {
            smoothness: CurvatureBound,
            strong_convexity: 0.0,
            max_steps: 100_000,
            tolerance: Tolerance::Absolute(1e-12),
        };
        let y = lower.solve(Point {
            problem,
            x,
            y: start,
            batch,
        });
        assert_eq!(y.status, Status::Converged, "residual {:.1e}", y.residual);
        y.value
    };
    let solver = ConjugateGradient {
        max_steps: 1000,
        tolerance: Tolerance::Relative(1e-13),
    };
    let estimator = ImplicitDifferentiation {
        second_order: ClosedForm,
        solver,
    };
    let point = Point {
        problem,
        x,
        y: &solve(x),
        batch,
    };
    let gradient = estimator.estimate(point, None, 0).gradient;
    let values = pack(x, 1);
    let value = |direction: &Vector<B>, e: f64| {
        let x = unpack(x.clone(), values.clone() + direction.clone() * e);
        let point = Point {
            x: &x,
            y: &solve(&x),
            ..point
        };
        point.upper_gradients().loss
    };
    directions
        .iter()
        .map(|direction| {
            let e = 1e-4;
            // Of fourth order: the truncation is below the rounding.
            let near = value(direction, e) - value(direction, -e);
            let far = value(direction, 2.0 * e) - value(direction, -2.0 * e);
            let difference = (8.0 * near - far) / (12.0 * e);
            (dot(&gradient, direction) - difference).abs() / (norm(&gradient) * norm(direction))
        })
        .collect()
}

/// Directions in all variables, and in the last `kernel` of them and in the others alone.
fn directions(dim: usize, kernel: usize, rng: &mut ChaCha8Rng) -> Vec<Vector<B>> {
    let all: Vector<B> = random([1, dim], (0.0, 1.0), rng);
    if kernel == 0 {
        return vec![all];
    }
    let (first, last) = (
        all.clone().narrow(1, 0, dim - kernel),
        all.clone().narrow(1, dim - kernel, kernel),
    );
    let zeros = |t: &Vector<B>| t.zeros_like();
    let of_regularizer = Tensor::cat(vec![first.clone(), zeros(&last)], 1);
    let of_kernel = Tensor::cat(vec![zeros(&first), last], 1);
    vec![all, of_regularizer, of_kernel]
}

#[test]
fn semi_blind_hypergradients_agree_with_differences_of_the_solved_problem() {
    for (seed, boundary) in (0..).zip(BOUNDARIES) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (regularizer, parameters) = experts::<Tape<B>>(rng);
        let near = || Kernel::<Tape<B>>::gaussian(3, 0.5, &Default::default()).expect("odd");
        let truth = Kernel::<B>::gaussian(3, 0.6, &Default::default()).expect("odd");
        let shape = [2, 1, 7, 6];
        macro_rules! check {
            ($physics:expr) => {
                let problem = reconstruction($physics, regularizer.clone(), 1);
                let batch = simulated(&problem.physics, &truth, shape, rng);
                for (operator, learned) in [(near().learned(), 9), (near(), 0)] {
                    let x = problem.upper(parameters.clone(), operator);
                    let dim = pack(&x, 1).dims()[1];
                    assert_eq!(dim, 2 * 9 + 2 + 2 + learned);
                    let start = problem.start(&x, &batch);
                    let directions = directions(dim, learned, rng);
                    let errors =
                        errors_against_differences(&problem, &x, &start, &batch, &directions);
                    println!("{:?}: {errors:?}", problem.physics);
                    assert!(
                        errors.iter().all(|error| *error < 1e-7),
                        "{:?}: {errors:?}",
                        problem.physics
                    );
                }
            };
        }
        check!(Blur { boundary });
        check!(SuperResolution {
            factor: 2,
            boundary
        });
    }
}

#[test]
fn hypergradients_of_inpainting_agree_with_differences() {
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let (regularizer, parameters) = experts::<Tape<B>>(rng);
    let problem = reconstruction(Inpainting, regularizer, 1);
    let operator = mask::<Tape<B>>([8, 7], rng);
    let batch = simulated(&Inpainting, &plain(&operator), SHAPE, rng);
    let x = problem.upper(parameters, operator);
    let start = problem.start(&x, &batch);
    let directions = directions(22, 0, rng);
    let errors = errors_against_differences(&problem, &x, &start, &batch, &directions);
    println!("inpainting: {errors:?}");
    assert!(errors.iter().all(|error| *error < 1e-7), "{errors:?}");
}

/// The learned kernel's name, and that a known one is no variable but is kept in files.
#[test]
fn what_is_learned_has_a_name() {
    let rng = &mut ChaCha8Rng::seed_from_u64(6);
    let problem = reconstruction(Blur::default(), Tv, 0);
    let tv = || Tv.init::<Tape<B>>(&Default::default());
    let known = problem.upper(tv(), kernel(3, rng));
    let weights = ["regularizer.log_weight", "regularizer.log_smoothing"];
    assert_eq!(paths(&known), weights);
    let values = named_values(&known);
    assert!(values.contains_key("operator.weights"));
    let kernel = kernel(3, rng).learned();
    let blind = problem.upper(tv(), kernel.clone());
    assert_eq!(paths(&blind), [weights[0], weights[1], "operator.weights"]);
    let again = problem.upper(tv(), kernel.no_grad());
    assert_eq!(paths(&again), weights);
    // Denoising: what the regularizer learns, and nothing around it.
    let parameters = Denoising::new(Tv, 0).upper(tv(), NoOperator);
    assert_eq!(paths(&parameters), ["log_weight", "log_smoothing"]);
    // Off and on the tape a fixed kernel stays fixed.
    let lifted: Learned<Tape<B>, TvParameters<_>, Kernel<_>> =
        AutodiffModule::from_inner(plain(&known));
    assert_eq!(paths(&lifted), weights);
}

/// The lower Hessian nowhere bends more than the bound that solvers use.
#[test]
fn the_lower_loss_bends_no_more_than_its_bound() {
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let (regularizer, parameters) = experts::<Tape<B>>(rng);
    for_each_physics!(rng, |physics, operator| {
        let problem = reconstruction(physics, regularizer.clone(), 0);
        let batch = simulated(&physics, &plain(&operator), SHAPE, rng);
        let y = Image::new(random(SHAPE, (0.5, 0.3), rng));
        let convexity = physics.strong_convexity();
        let x = problem.upper(parameters.clone(), operator);
        let point = Point {
            problem: &problem,
            x: &x,
            y: &y,
            batch: &batch,
        };
        let objective = LowerObjective::new(point);
        let start = objective.start();
        let bound = read(LipschitzConstant::<B, _>::constant(
            &CurvatureBound,
            &objective,
            &start,
        ))[0];
        let hessian = ClosedForm.at(point);
        let mut v: Vector<B> = random(start.dims(), (0.0, 1.0), rng);
        for _ in 0..100 {
            let length = norm(&v);
            v = hessian.apply(v / length);
        }
        assert!(norm(&v) <= bound, "{physics:?}: {} > {bound}", norm(&v));

        let constants = problem.constants(&plain(&x), &batch);
        let expected = (convexity > 0.0).then_some(convexity);
        assert_eq!(constants.strong_convexity, expected, "{physics:?}");
        assert_eq!(constants.upper_smoothness, Some(2.0 / (2.0 * 8.0 * 7.0)));
    });
}

#[test]
fn reconstruction_starts_on_the_scale_of_the_data() {
    let rng = &mut ChaCha8Rng::seed_from_u64(8);
    let device = Default::default();
    let kernel = Kernel::<B>::gaussian(5, 1.0, &device).expect("odd");
    for boundary in BOUNDARIES {
        for factor in [1, 2, 3] {
            let physics = SuperResolution { factor, boundary };
            let [h, w] = physics.data_size(&kernel, [11, 12]).expect("it fits");
            let data = Tensor::<B, 4>::full([2, 3, h, w], 0.6, &device);
            let start = physics.start(&kernel, data, [11, 12]);
            assert_eq!(start.dims(), [2, 3, 11, 12]);
            // Pixels that no data saw, as the last column with Valid and factor 2, too.
            assert!(largest(start - 0.6) < 1e-12, "{physics:?}");
        }
    }
    let data = random::<B, 4>([1, 1, 8, 8], (0.5, 0.2), rng);
    let same = Blur::default().start(&kernel, data.clone(), [8, 8]);
    assert!(largest(same - data) < 1e-15);

    let mask = Mask::<B> {
        seen: Tensor::from_data([[[[1.0, 0.0], [0.0, 1.0]]]], &device),
    };
    let data = Tensor::from_data([[[[0.2, 9.0], [9.0, 0.6]]]], &device);
    let start = read(Inpainting.start(&mask, data, [2, 2]));
    for (pixel, expected) in start.iter().zip([0.2, 0.4, 0.4, 0.6]) {
        assert!((pixel - expected).abs() < 1e-15);
    }
}

// --- Mistakes -------------------------------------------------------------------------------------

#[test]
fn what_does_not_fit_is_an_error() {
    let device = Default::default();
    let gaussian = |size| Kernel::<B>::gaussian(size, 1.0, &device);
    let message =
        |result: Result<[usize; 2], bilevel_models::Error>| result.unwrap_err().to_string();
    let kernel = gaussian(9).expect("odd");
    for size in [[8, 20], [20, 8]] {
        let [h, w] = size;
        assert_eq!(
            message(Blur::default().data_size(&kernel, size)),
            format!("the kernel is 9x9, the image {h}x{w}: take a smaller kernel or larger images")
        );
    }
    assert!(Blur::default().data_size(&kernel, [9, 9]).is_ok());
    let mask = Mask::<B> {
        seen: Tensor::ones([1, 1, 8, 9], &device),
    };
    assert_eq!(
        message(Inpainting.data_size(&mask, [9, 8])),
        "the mask is [1, 1, 8, 9], images of 9x8 need [1, 1, 9, 8]: crop the mask as the images"
    );
    let nothing = SuperResolution {
        factor: 0,
        boundary: Boundary::Zero,
    };
    assert_eq!(
        message(nothing.data_size(&kernel, [9, 9])),
        "the factor of super-resolution is 0: give at least 1"
    );
    assert_eq!(
        gaussian(4).unwrap_err().to_string(),
        "a kernel must be [1, 1, k, k] with k odd, got [1, 1, 4, 4]: surround it with zeros"
    );
    assert!(gaussian(0).is_err());
    let sigma = Kernel::<B>::gaussian(3, 0.0, &device).unwrap_err();
    assert_eq!(
        sigma.to_string(),
        "sigma of the Gaussian must be finite and > 0, got 0"
    );
    let length = Kernel::<B>::motion(f64::NAN, 0.0, &device).unwrap_err();
    assert_eq!(
        length.to_string(),
        "length of the motion must be finite and > 0, got NaN"
    );
    let angle = Kernel::<B>::motion(3.0, f64::INFINITY, &device).unwrap_err();
    assert_eq!(
        angle.to_string(),
        "angle of the motion must be finite, got inf"
    );
    assert!(Kernel::<B>::from_numbers(1, &[f64::NAN], &device).is_err());
    let clean = Tensor::zeros([1, 1, 8, 8], &device);
    let simulated = ImagePairs::simulate(&Blur::default(), &kernel, clean, |shape| {
        Tensor::zeros(shape, &device)
    });
    assert!(simulated.is_err());
}

#[test]
fn a_problem_says_what_does_not_fit() {
    let device = Default::default();
    let problem = |margin| reconstruction(SuperResolution::default(), Tv, margin);
    let x = problem(0).upper(
        Tv.init::<Tape<B>>(&device),
        Kernel::gaussian(3, 1.0, &device).expect("odd"),
    );
    let zeros = |shape: [usize; 4]| Tensor::<B, 4>::zeros(shape, &device);
    let pairs = |data| ImagePairs {
        clean: zeros([2, 1, 8, 9]),
        data: zeros(data),
    };
    let message = |margin, data| {
        problem(margin)
            .check(&x, &pairs(data))
            .map_err(|e| e.to_string())
    };
    assert_eq!(message(3, [2, 1, 4, 5]), Ok(()));
    assert_eq!(
        message(4, [2, 1, 4, 5]).unwrap_err(),
        "a margin of 4 leaves no pixel of 8x9 images: make it smaller than half of them"
    );
    assert_eq!(
        message(0, [2, 1, 8, 9]).unwrap_err(),
        "data have shape [2, 1, 8, 9], the images' data have [2, 1, 4, 5]: simulate them anew"
    );
}

#[test]
#[should_panic(
    expected = "the kernel is 3x3, the image 2x9: take a smaller kernel or larger images"
)]
fn a_product_with_too_small_an_image_panics() {
    let kernel = Kernel::<B>::gaussian(3, 1.0, &Default::default()).expect("odd");
    Blur::default().apply(&kernel, Tensor::zeros([1, 1, 2, 9], &Default::default()));
}

#[test]
#[should_panic(expected = "data are [9, 9], the physics makes [7, 7]")]
fn an_adjoint_of_other_data_panics() {
    let kernel = Kernel::<B>::gaussian(3, 1.0, &Default::default()).expect("odd");
    let valid = Blur {
        boundary: Boundary::Valid,
    };
    valid.adjoint(
        &kernel,
        Tensor::zeros([1, 1, 9, 9], &Default::default()),
        [9, 9],
    );
}
