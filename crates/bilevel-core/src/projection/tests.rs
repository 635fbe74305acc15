//! Every projection against what defines it.

use burn::tensor::TensorData;
use double_precision::B;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::vector::{dot, read};

const DIM: usize = 5;

fn vector(rows: &[Vec<f64>]) -> Vector<B> {
    let dims = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), dims), &Default::default())
}

/// One of each kind, on vectors of five entries.
fn sets() -> Vec<(&'static str, Box<dyn Projection<B>>)> {
    let low = vec![-1.0, f64::NEG_INFINITY, 0.0, -0.5, 1.0];
    let high = vec![1.0, 0.0, 0.5, f64::INFINITY, 1.0];
    let equations = [
        vec![1.0, 1.0, 0.0, 0.0, 2.0],
        vec![0.0, 1.0, -1.0, 3.0, 0.0],
    ];
    let parts: Vec<(usize, Box<dyn Projection<B>>)> = vec![
        (2, Box::new(L2Ball::new(0.7).unwrap())),
        (3, Box::new(Simplex::new(1.5).unwrap())),
    ];
    vec![
        ("everywhere", Box::new(Everywhere)),
        ("non-negative", Box::new(NonNegative)),
        ("bounds", Box::new(Bounds::all(-0.4, 0.9).unwrap())),
        ("bounds of each", Box::new(Bounds::each(low, high).unwrap())),
        ("L2 ball", Box::new(L2Ball::new(1.3).unwrap())),
        ("L1 ball", Box::new(L1Ball::new(1.3).unwrap())),
        ("simplex", Box::new(Simplex::new(2.0).unwrap())),
        (
            "half-space",
            Box::new(HalfSpace::new(&[1.0, -2.0, 0.5, 0.0, 1.0], 0.3).unwrap()),
        ),
        (
            "affine",
            Box::new(Affine::new(&equations, &[1.0, -0.5]).unwrap()),
        ),
        ("product", Box::new(Product::new(parts).unwrap())),
    ]
}

proptest! {
    /// `⟨z − P(z), q − P(z)⟩ ≤ 0` for every q of the set, which is what makes P(z) the nearest
    /// point; rows by themselves.
    #[test]
    fn the_nearest_point_of_the_set(
        z in prop::collection::vec(prop::collection::vec(-3.0..3.0f64, DIM), 2),
        q in prop::collection::vec(prop::collection::vec(-3.0..3.0f64, DIM), 2),
    ) {
        for (name, set) in sets() {
            let (z, q) = (vector(&z), set.project(vector(&q)));
            let p = set.project(z.clone());
            let products = dot(z.clone() - p.clone(), q - p.clone());
            prop_assert!(read(products).iter().all(|v| *v < 1e-9), "{}", name);
            let again = set.project(p.clone()) - p.clone();
            prop_assert!(read(again.abs()).iter().all(|v| *v < 1e-9), "{}: twice", name);
            let rows: Vec<f64> = (0..2)
                .flat_map(|i| read(set.project(z.clone().narrow(0, i, 1))))
                .collect();
            for (alone, together) in rows.iter().zip(read(p)) {
                prop_assert!((alone - together).abs() < 1e-12, "{}: rows", name);
            }
        }
    }

    /// The Jacobian is the derivative wherever two differences of steps of both signs agree,
    /// symmetric, and between 0 and I.
    #[test]
    fn the_jacobian_is_the_derivative(
        z in prop::collection::vec(-3.0..3.0f64, DIM),
        u in prop::collection::vec(-1.0..1.0f64, DIM),
        v in prop::collection::vec(-1.0..1.0f64, DIM),
    ) {
        let [z, u, v] = [z, u, v].map(|row| vector(&[row]));
        let h = 1e-6;
        for (name, set) in sets() {
            let slope = |h: f64| (set.project(z.clone() + v.clone() * h) - set.project(z.clone())) / h;
            let [there, back] = [slope(h), slope(-h)];
            let dv = set.jacobian(&z, v.clone());
            let size = |t: Vector<B>| read(t.abs()).into_iter().fold(0.0, f64::max);
            if size(there.clone() - back.clone()) < 1e-5 {
                let error = size((there + back) * 0.5 - dv.clone());
                prop_assert!(error < 1e-5, "{}: {}", name, error);
            }
            let du = set.jacobian(&z, u.clone());
            let [udv, vdu, vdv, vv] = [
                dot(u.clone(), dv.clone()),
                dot(v.clone(), du),
                dot(v.clone(), dv),
                dot(v.clone(), v.clone()),
            ]
            .map(|t| read(t)[0]);
            prop_assert!((udv - vdu).abs() < 1e-12, "{}: symmetric", name);
            prop_assert!(vdv > -1e-12 && vdv < vv + 1e-12, "{}: {} of {}", name, vdv, vv);
        }
    }
}

/// Written out, for the sets whose formula is short.
#[test]
fn by_hand() {
    let z = vector(&[vec![3.0, -1.0, 0.5, 0.0, -0.2]]);
    let near = |set: &dyn Projection<B>, expected: [f64; DIM]| {
        let found = read(set.project(z.clone()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
    };
    near(&L1Ball::new(1.0).unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    near(&L1Ball::new(3.0).unwrap(), [2.5, -0.5, 0.0, 0.0, 0.0]);
    near(&Simplex::new(1.0).unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    // θ = −0.5 on all but the second.
    near(&Simplex::new(5.3).unwrap(), [3.5, 0.0, 1.0, 0.5, 0.3]);
    near(&L2Ball::new(20.0).unwrap(), [3.0, -1.0, 0.5, 0.0, -0.2]);
}

/// What does not exist is said when it is asked for.
#[test]
fn empty_and_unfit_sets_are_errors() {
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(L1Ball::new(0.0).map(|_| ())),
        "radius must be finite and > 0, got 0"
    );
    assert_eq!(
        message(L2Ball::new(f64::NAN).map(|_| ())),
        "radius must be finite and > 0, got NaN"
    );
    assert!(Simplex::new(-1.0).is_err());
    let bounds = Bounds::each(vec![0.0, 2.0], vec![1.0, 1.0]).map(|_| ());
    assert_eq!(
        message(bounds),
        "the constraint set is empty: entry 1 is to be at least 2 and at most 1"
    );
    assert!(HalfSpace::new(&[0.0, 0.0], 1.0).is_err());
    let lines = Affine::new(&[vec![1.0, 1.0], vec![2.0, 2.0]], &[1.0, 3.0]).map(|_| ());
    assert!(message(lines).starts_with("the constraint set is empty: no vector solves"));
    let plane = HalfSpace::new(&[1.0, 0.0], 1.0).unwrap();
    let fits = Projection::<B>::check(&plane, 3);
    assert_eq!(message(fits), "a constraint on 2 entries was given 3");
    let parts: Vec<(usize, Box<dyn Projection<B>>)> = vec![(3, Box::new(plane))];
    assert!(Product::new(parts).is_err());
}

/// The means of the random Jacobians at `[−1, 1]`, whose closed forms are differences of normal
/// probabilities and of lengths.
#[test]
fn smoothed_jacobians_have_their_means() {
    let set = Bounds::all(-1.0, 1.0).unwrap();
    let delta = 0.1;
    let mean = |jacobian: ProjectionJacobian, z: f64| {
        let z = vector(&[vec![z]]);
        let one = vector(&[vec![1.0]]);
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let count = 20_000;
        let values: Vec<f64> = (0..count)
            .map(|_| read(jacobian.transposed(&set, &z, one.clone(), rng))[0])
            .collect();
        let mean = values.iter().sum::<f64>() / f64::from(count);
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(count);
        (mean, (spread / f64::from(count)).sqrt())
    };
    let gaussian = [(0.0, 1.0), (0.9, 0.841_345), (1.0, 0.5), (1.1, 0.158_655)];
    for (z, expected) in gaussian {
        let (found, error) = mean(ProjectionJacobian::Gaussian(delta), z);
        assert!(
            (found - expected).abs() < 4.0 * error + 1e-6,
            "{z}: {found} ± {error}"
        );
    }
    for (z, expected) in [(0.9, 1.0), (1.0, 0.5), (1.1, 0.0)] {
        let (found, error) = mean(ProjectionJacobian::Sphere(delta), z);
        assert!(
            (found - expected).abs() < 4.0 * error + 1e-12,
            "{z}: {found} ± {error}"
        );
    }
}
