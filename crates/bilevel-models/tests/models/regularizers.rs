//! The claims of the regularizers, in `f64`.

use bilevel_backend::Tape;
use bilevel_core::{DoubleBackward, Point, SecondOrder};
use bilevel_models::physics::{Denoising, Image, ImagePairs};
use bilevel_models::regularizer::{
    FieldsOfExperts, FieldsOfExpertsParameters, Potential, Regularizer, Tv,
};
use burn::module::Param;
use burn::tensor::{Distribution, Tensor, TensorData};
use double_precision::{B, Number};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const POTENTIALS: [Potential; 2] = [Potential::StudentT, Potential::SmoothedAbs];

fn potentials() -> impl Strategy<Value = Potential> {
    (0..2usize).prop_map(|i| POTENTIALS[i])
}

/// Normal numbers around `mean`.
fn random<const D: usize>(
    shape: [usize; D],
    (mean, deviation): (f64, f64),
    rng: &mut ChaCha8Rng,
) -> Tensor<B, D> {
    let data = TensorData::random::<f64, _, _>(shape, Distribution::Normal(mean, deviation), rng);
    Tensor::from_data(data, &Default::default())
}

/// Experts with filters, weights and smoothings far from where learning starts.
fn random_experts(
    filters: usize,
    size: usize,
    potential: Potential,
    rng: &mut ChaCha8Rng,
) -> (FieldsOfExperts, FieldsOfExpertsParameters<B>) {
    let experts = FieldsOfExperts {
        filters,
        size,
        potential,
    };
    let x = FieldsOfExpertsParameters {
        filters: Param::from_tensor(random([filters, 1, size, size], (0.5, 1.0), rng)),
        log_weights: Param::from_tensor(random([filters], (-2.0, 1.0), rng)),
        log_smoothings: Param::from_tensor(random([filters], (-1.0, 0.5), rng)),
    };
    (experts, x)
}

fn read<const D: usize>(t: Tensor<B, D>) -> Vec<f64> {
    t.into_data().iter::<f64>().collect()
}

fn norm<const D: usize>(t: Tensor<B, D>) -> f64 {
    read(t).iter().map(|t| t * t).sum::<f64>().sqrt()
}

/// The largest absolute eigenvalue of a symmetric operator, from below.
fn largest_eigenvalue(
    shape: [usize; 4],
    steps: usize,
    rng: &mut ChaCha8Rng,
    apply: impl Fn(Tensor<B, 4>) -> Tensor<B, 4>,
) -> f64 {
    let mut v = random(shape, (0.0, 1.0), rng);
    let mut eigenvalue = 0.0;
    for _ in 0..steps {
        let size = norm(v.clone());
        v = apply(v / size);
        eigenvalue = norm(v.clone());
    }
    eigenvalue
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slope_and_curvature_are_the_derivatives(potential in potentials(), t in -20.0..20.0) {
        let e = 1e-5;
        let at = |t: f64| Tensor::<B, 1>::from_data([t], &Default::default());
        let value = |t| potential.value(at(t)).number();
        let slope = |t| potential.slope(at(t)).number();
        let curvature: f64 = potential.curvature(at(t)).number();
        let [up, down]: [f64; 2] = [value(t + e), value(t - e)];
        prop_assert!((slope(t) - (up - down) / (2.0 * e)).abs() < 1e-9);
        prop_assert!((curvature - (slope(t + e) - slope(t - e)) / (2.0 * e)).abs() < 1e-9);
        prop_assert!(curvature <= potential.largest_curvature());
        prop_assert!((value(t) - value(-t)).abs() < 1e-15, "{potential:?} is even");
        prop_assert!(value(t) >= 0.0);
    }
}

#[test]
fn the_largest_curvature_is_that_at_zero() {
    for potential in POTENTIALS {
        let zero = Tensor::<B, 1>::zeros([1], &Default::default());
        let curvature: f64 = potential.curvature(zero.clone()).number();
        assert!((curvature - potential.largest_curvature()).abs() < 1e-15);
        assert!(norm(potential.value(zero)) < 1e-15);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// `R(u) = Σᵢ e^{wᵢ} Σ_p φ( (kᵢ * u)_p / e^{sᵢ} )`, written out.
    #[test]
    fn the_value_is_the_formula(
        potential in potentials(),
        filters in 1..=4usize,
        seed in any::<u64>(),
    ) {
        const SIZE: usize = 3;
        const HEIGHT: usize = 5;
        const WIDTH: usize = 6;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (experts, x) = random_experts(filters, SIZE, potential, rng);
        let u = random([2, 1, HEIGHT, WIDTH], (0.5, 0.3), rng);
        let value: f64 = experts.value(&x, u.clone()).number();

        let (c, u) = (read(x.filters.val()), read(u));
        let (w, s) = (read(x.log_weights.val()), read(x.log_smoothings.val()));
        let mut expected = 0.0;
        for i in 0..filters {
            let filter = &c[i * SIZE * SIZE..(i + 1) * SIZE * SIZE];
            let mean = filter.iter().sum::<f64>() / (SIZE * SIZE) as f64;
            for image in u.chunks(HEIGHT * WIDTH) {
                for p in 0..HEIGHT * WIDTH {
                    let mut response = 0.0;
                    for (ab, c) in filter.iter().enumerate() {
                        let row = (p / WIDTH + ab / SIZE).wrapping_sub(SIZE / 2);
                        let column = (p % WIDTH + ab % SIZE).wrapping_sub(SIZE / 2);
                        if row < HEIGHT && column < WIDTH {
                            response += (c - mean) * image[row * WIDTH + column];
                        }
                    }
                    let t = response / s[i].exp();
                    expected += w[i].exp() * match potential {
                        Potential::StudentT => (1.0 + t * t).ln(),
                        Potential::SmoothedAbs => (1.0 + t * t).sqrt() - 1.0,
                    };
                }
            }
        }
        prop_assert!((value - expected).abs() <= 1e-12 * expected, "{value} {expected}");
    }

    /// The bound holds at every image. At `u = 0`, where φ'' is largest, it is not far off either:
    /// the image is many filters wide, so that its border hardly matters.
    #[test]
    fn the_curvature_of_experts_is_bounded(
        potential in potentials(),
        filters in 1..=6usize,
        size in prop_oneof![Just(3usize), Just(5)],
        seed in any::<u64>(),
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (experts, x) = random_experts(filters, size, potential, rng);
        let bound = experts.curvature_bound(&x).expect("known");
        let shape = [1, 1, 6 * size, 6 * size];

        let zero = experts.hessian(&x, Tensor::zeros(shape, &Default::default())).expect("known");
        let at_zero = largest_eigenvalue(shape, 40, rng, zero);
        prop_assert!(at_zero <= bound, "{at_zero} > {bound}");
        prop_assert!(bound <= 2.0 * at_zero, "{bound} is no use for {at_zero}");

        let image = random(shape, (0.5, 0.5), rng);
        let elsewhere = largest_eigenvalue(shape, 20, rng, experts.hessian(&x, image).expect("known"));
        prop_assert!(elsewhere <= bound, "{elsewhere} > {bound}");
    }

    /// `R` ignores brightness: the filters sum to zero, and away from the border a constant changes
    /// nothing.
    #[test]
    fn experts_ignore_brightness(
        potential in potentials(),
        filters in 1..=6usize,
        seed in any::<u64>(),
    ) {
        const SIZE: usize = 3;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (experts, x) = random_experts(filters, SIZE, potential, rng);
        for filter in read(experts.zero_mean_filters(&x)).chunks(SIZE * SIZE) {
            prop_assert!(filter.iter().sum::<f64>().abs() < 1e-14);
        }
        let u = random([1, 1, 12, 12], (0.5, 0.3), rng);
        let interior = |u: Tensor<B, 4>| {
            let gradient = experts.gradient(&x, u).expect("a closed form");
            gradient.slice([0..1, 0..1, SIZE - 1..13 - SIZE, SIZE - 1..13 - SIZE])
        };
        let difference = interior(u.clone()) - interior(u.clone() + 0.7);
        prop_assert!(norm(difference) < 1e-12 * norm(interior(u)));
    }

    /// At a constant image, where TV bends most; and the bound holds at another.
    #[test]
    fn the_curvature_of_tv_is_bounded(w in -4.0..1.0, s in -4.0..1.0, seed in any::<u64>()) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let shape = [1, 1, 16, 16];
        let x = Tv::with::<Tape<B>>(w, s, &Default::default());
        let bound = Tv.curvature_bound(&x).expect("known");
        let problem = Denoising::new(Tv, 0);
        let flat = Tensor::full(shape, 0.4, &Default::default());
        let [constant, other] = [flat, random(shape, (0.5, 0.5), rng)].map(|u| {
            let batch = ImagePairs { clean: u.clone(), data: u.clone() };
            let y = Image::new(Tensor::from_inner(u));
            let point = Point { problem: &problem, x: &x, y: &y, batch: &batch };
            let hessian = SecondOrder::<B, Denoising<Tv>>::at(&DoubleBackward, point);
            largest_eigenvalue(shape, 60, rng, |v| {
                // The lower Hessian is I + ∇²R.
                let row = v.clone().reshape([1, 16 * 16]);
                hessian.apply(row).reshape(shape) - v
            })
        });
        prop_assert!(constant <= bound, "{constant} > {bound}");
        prop_assert!(bound <= 2.0 * constant, "{bound} is no use for {constant}");
        prop_assert!(other <= bound, "{other} > {bound}");
    }
}

/// Two by two: the differences are written out.
#[test]
fn tv_is_the_formula() {
    let device = Default::default();
    let u = Tensor::<B, 4>::from_data([[[[0.1, 0.5], [0.4, 0.9]]]], &device);
    let nu = 0.2f64;
    let x = Tv::with::<B>(0.3, nu.ln(), &device);
    let value: f64 = Tv.value(&x, u).number();
    let root = |right: f64, down: f64| (right * right + down * down + nu * nu).sqrt();
    let expected = root(0.4, 0.3) + root(0.0, 0.4) + root(0.5, 0.0) + nu;
    assert!((value - 0.3f64.exp() * expected).abs() < 1e-14);
}

#[test]
fn the_first_filters_are_orthonormal_and_sum_to_zero() {
    for (filters, size) in [(8, 3), (5, 5), (48, 7)] {
        let experts = FieldsOfExperts {
            filters,
            size,
            potential: Potential::StudentT,
        };
        let x = experts.init::<B>(&Default::default());
        let k = x.filters.val().reshape([filters, size * size]);
        let identity = Tensor::<B, 2>::eye(filters, &Default::default());
        // They are computed in f32.
        let gram = k.clone().matmul(k.clone().transpose());
        assert!(norm(gram - identity) < 1e-5, "{filters} of {size}x{size}");
        assert!(norm(k.sum_dim(1)) < 1e-5, "{filters} of {size}x{size}");
    }
}

fn init(filters: usize, size: usize) {
    let experts = FieldsOfExperts {
        filters,
        size,
        potential: Potential::StudentT,
    };
    experts.init::<B>(&Default::default());
}

#[test]
#[should_panic(expected = "the filter size must be odd, got 4")]
fn even_filters_panic() {
    init(3, 4);
}

#[test]
#[should_panic(expected = "3x3 filters: 1 to 8 of them are independent, got 9")]
fn too_many_filters_panic() {
    init(9, 3);
}

#[test]
#[should_panic(expected = "got 0")]
fn no_filter_panics() {
    init(0, 3);
}
