//! Poisoning: its derivatives against differences, and where the pictures stay.

use bilevel_backend::Tape;
use bilevel_core::parameters::pack;
use bilevel_core::vector::read;
use bilevel_core::{
    AuditSettings, BilevelProblem, ConjugateGradient, DoubleBackward, GradientDescent,
    ImplicitDifferentiation, Point, Tolerance, audit,
};
use bilevel_models::classification::{Classifier, Cnn, CnnParameters, Dataset, TrainValidation};
use bilevel_models::poisoning::{Perturbation, Poisoning};
use burn::module::Param;
use burn::tensor::Tensor;
use double_precision::B;

const CNN: Cnn = Cnn {
    picture: [5, 6],
    channels: [2, 3],
    hidden: 4,
    classes: 3,
};

/// Pictures with pixels in [0, 1], some at their ends.
fn set(samples: usize) -> Dataset<B> {
    let pixel = |p: usize| ((p * 31 + p / 30 * 7) % 11) as f32 / 10.0;
    let rows: Vec<f32> = (0..samples * 30).map(pixel).collect();
    let labels: Vec<usize> = (0..samples).map(|i| i % 3).collect();
    Dataset::new(&rows, 30, &labels, 3, samples, &Default::default()).expect("it fits")
}

/// First and second derivatives of both losses, through two convolutions, are those of differences.
#[test]
fn a_poisoned_network_is_differentiated() {
    let device = Default::default();
    let data = TrainValidation {
        training: set(9),
        validation: set(5),
    }
    .whole();
    let problem = Poisoning::new(CNN, 0.02).expect("positive");
    let pictures = Tensor::from_inner(data.training.features.clone());
    let x = Perturbation::<Tape<B>>::none(&pictures, 0.1).expect("positive");
    let learned = pack(&x, 1).dims();
    assert_eq!(learned, [1, 9 * 30], "only the values are learned");
    let y: CnnParameters<Tape<B>> = CNN.init(5, &device);
    let point = Point {
        problem: &problem,
        x: &x,
        y: &y,
        batch: &data,
    };
    // Where training stands after a few steps: its end is at a kink of the relus more often than not.
    let lower = GradientDescent {
        step_size: 0.05,
        max_steps: 3,
        tolerance: Tolerance::Absolute(0.0),
    };
    let implicit = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 300,
            tolerance: Tolerance::Relative(1e-10),
        },
    };
    let settings = AuditSettings {
        step: 1e-5,
        ..AuditSettings::default()
    };
    let audit = audit(point, &lower, &implicit, &settings);
    let errors = (audit.first_order_error, audit.second_order_error);
    assert!(
        errors.0 < 1e-6 && errors.1[0] < 1e-6 && errors.1[1] < 1e-6,
        "{errors:?}"
    );
}

/// Pictures stay pictures and near to what they were, and nothing else is done to a perturbation.
#[test]
fn a_perturbation_is_projected() {
    let pictures = Tensor::<B, 2>::from_data([[0.0, 0.05, 0.5, 0.95, 1.0]], &Default::default());
    let project = |values: [f64; 5]| {
        let mut x = Perturbation::none(&pictures, 0.1).expect("positive");
        x.values = Param::from_tensor(Tensor::from_data([values], &Default::default()));
        read(
            Poisoning::new(CNN, 0.1)
                .expect("positive")
                .project(x)
                .values
                .val(),
        )
    };
    assert_eq!(project([-1.0; 5]), [0.0, -0.05, -0.1, -0.1, -0.1]);
    let up = project([1.0; 5]);
    let expected = [0.1, 0.1, 0.1, 0.05, 0.0];
    assert!(
        up.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15),
        "{up:?}"
    );
    let within = [0.05, 0.0, -0.07, 0.01, -0.03];
    assert_eq!(project(within), within);

    assert_eq!(
        Perturbation::none(&pictures, 0.0).unwrap_err().to_string(),
        "bound must be finite and > 0, got 0"
    );
}
