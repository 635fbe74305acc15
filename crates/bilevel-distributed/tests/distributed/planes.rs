//! T2: planes keep what they must, and cut what they were made at.

use bilevel_distributed::{EstimateSettings, Lower, Plane, Planes, Prune, Relaxation};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::problems::{PAIR, normals};

/// Rounds on quadratics are affine in v, so `h` is convex.
const SETTINGS: EstimateSettings = EstimateSettings {
    rounds: 20,
    lower_step: 0.1,
    consensus_step: 0.1,
    multiplier_step: 0.1,
    penalty: 1.0,
};

fn random(rng: &mut ChaCha8Rng) -> (Vec<f64>, Lower) {
    let numbers = normals(4, 1, rng);
    let lower = Lower {
        y: numbers[1..3].to_vec(),
        z: numbers[3].clone(),
    };
    (numbers[0].clone(), lower)
}

#[test]
fn no_plane_cuts_a_point_of_the_set() {
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let epsilon = 1e-2;
    let start = random(rng).1;
    let h = |v: &[f64], at: &Lower| Relaxation::of(&SETTINGS, &PAIR, v, at, start.clone());
    let planes: Vec<Plane> = (0..20)
        .map(|id| {
            let (v, at) = random(rng);
            let relaxation = h(&v, &at);
            assert!(relaxation.value > epsilon);
            let excess = relaxation.value - epsilon;
            let plane = Plane::new(id, relaxation, epsilon, &v, &at);
            let value = plane.value(&v, &at);
            assert!(
                (value - excess).abs() < 1e-12 * (1.0 + excess),
                "{value} is not {excess}"
            );
            plane
        })
        .collect();
    let mut tight: f64 = f64::NEG_INFINITY;
    for _ in 0..10_000 {
        let (v, mut at) = random(rng);
        // On the border of the set: from the estimate by √ε in a random direction.
        let zero = Lower {
            y: vec![vec![0.0]; 2],
            z: vec![0.0],
        };
        let estimate = h(&v, &zero).lower;
        let length = at.y[0][0].hypot(at.y[1][0]).hypot(at.z[0]) / epsilon.sqrt();
        for i in 0..2 {
            at.y[i][0] = -estimate.y[i][0] / 2.0 + at.y[i][0] / length;
        }
        at.z[0] = -estimate.z[0] / 2.0 + at.z[0] / length;
        assert!((h(&v, &at).value - epsilon).abs() < 1e-12);
        for plane in &planes {
            let value = plane.value(&v, &at);
            assert!(value <= 1e-12, "cut by {value}");
            tight = tight.max(value);
        }
    }
    // Planes that touch nothing would pass as well.
    assert!(tight > -0.5, "{tight}");
}

fn relaxation(slope: f64) -> Relaxation {
    let lower = Lower {
        y: vec![vec![slope]],
        z: vec![0.0],
    };
    Relaxation {
        value: slope,
        v: vec![0.0],
        lower,
    }
}

#[test]
fn the_smallest_multiplier_makes_room() {
    let at = Lower {
        y: vec![vec![0.0]],
        z: vec![0.0],
    };
    let mut planes = Planes::default();
    for slope in [2.0, 1.0, 3.0] {
        planes.add(relaxation(slope), 0.0, &[0.0], &at, 3);
    }
    planes.ascend(1.0, 0.0, f64::INFINITY, &[0.0], &[0.0]);
    assert_eq!(planes.lambda(), [2.0, 1.0, 3.0]);
    planes.add(relaxation(4.0), 0.0, &[0.0], &at, 3);
    let ids: Vec<u64> = planes.as_slice().iter().map(|plane| plane.id).collect();
    assert_eq!(ids, [0, 2, 3]);
}

#[test]
fn a_plane_goes_after_two_idle_iterations() {
    let at = Lower {
        y: vec![vec![0.0]],
        z: vec![0.0],
    };
    let mut planes = Planes::default();
    // Satisfied by 1: its multiplier stays 0.
    planes.add(relaxation(0.0), 1.0, &[0.0], &at, 3);
    planes.add(relaxation(1.0), 0.0, &[0.0], &at, 3);
    planes.ascend(1.0, 0.0, 0.5, &[0.0], &[0.0]);
    assert!(planes.prune(Prune::IdleTwice).is_empty());
    planes.ascend(1.0, 0.0, 0.5, &[0.0], &[0.0]);
    assert!(planes.clone().prune(Prune::Never).is_empty());
    assert_eq!(planes.prune(Prune::IdleTwice), [0]);
    // The bound of the multipliers holds.
    assert_eq!(planes.lambda(), [0.5]);
}
