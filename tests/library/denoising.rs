//! Learning to denoise: hypergradients against differences of the whole solved problem, and the
//! closed forms against the tape.

use bilevel::backend::Tape;
use bilevel::burn::module::AutodiffModule;
use bilevel::burn::tensor::backend::Backend;
use bilevel::burn::tensor::{Distribution, Tensor, TensorData};
use bilevel::hypergradient::Descent;
use bilevel::models::physics::{ClosedForm, CurvatureBound, Denoising, ImagePairs};
use bilevel::models::regularizer::{FieldsOfExperts, Potential, Regularizer, Tv};
use bilevel::parameters::{pack, unpack};
use bilevel::vector::{norm, read};
use bilevel::{
    Accelerated, Checkpointing, ConjugateGradient, DoubleBackward, Hypergradient,
    ImplicitDifferentiation, LowerObjective, LowerSolver, Point, SecondOrder, Status, Tolerance,
    TwiceDifferentiable, Unrolled, Vector,
};
use double_precision::{B, in_single_precision};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Random numbers of the test's own: a backend's generator is shared by all tests that run at once.
fn random<B: Backend, const D: usize>(
    shape: [usize; D],
    distribution: Distribution,
    seed: u64,
) -> Tensor<B, D> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let data = TensorData::random::<f64, _, _>(shape, distribution, rng);
    Tensor::from_data(data, &Default::default())
}

fn pairs<B: Backend>(images: usize, size: usize, seed: u64) -> ImagePairs<B> {
    let shape = [images, 1, size, size];
    let clean: Tensor<B, 4> = random(shape, Distribution::Uniform(0.0, 1.0), seed);
    let noise = random(shape, Distribution::Normal(0.0, 0.1), seed + 100);
    ImagePairs {
        data: clean.clone() + noise,
        clean,
    }
}

fn experts(potential: Potential) -> FieldsOfExperts {
    FieldsOfExperts {
        filters: 8,
        size: 3,
        potential,
    }
}

/// Relative error of the directional derivative of F against a central difference of F itself.
fn error_against_differences<R>(
    regularizer: R,
    x: R::Parameters<Tape<B>>,
    seed: u64,
    second_order: impl SecondOrder<B, Denoising<R>>,
) -> f64
where
    R: Regularizer,
    R::Parameters<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = R::Parameters<B>>,
{
    let problem = Denoising::new(regularizer, 1);
    let batch = pairs::<B>(2, 10, seed);
    let solve = |x: &R::Parameters<Tape<B>>| {
        let start = batch.start();
        let lower = Accelerated {
            smoothness: CurvatureBound,
            strong_convexity: 0.0,
            max_steps: 50_000,
            tolerance: Tolerance::Absolute(1e-11),
        };
        let y = lower.solve(Point {
            problem: &problem,
            x,
            y: &start,
            batch: &batch,
        });
        assert_eq!(y.status, Status::Converged, "residual {:.1e}", y.residual);
        y.value
    };
    let y = solve(&x);
    let point = Point {
        problem: &problem,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let solver = ConjugateGradient {
        max_steps: 1000,
        tolerance: Tolerance::Relative(1e-12),
    };
    let gradient = ImplicitDifferentiation {
        second_order,
        solver,
    }
    .estimate(point, None, 0)
    .gradient;

    let at = pack(&x, 1);
    let direction: Vector<B> = random(at.dims(), Distribution::Normal(0.0, 1.0), seed + 200);
    let value = |e: f64| {
        let x = unpack(x.clone(), at.clone() + direction.clone() * e);
        Point {
            problem: &problem,
            x: &x,
            y: &solve(&x),
            batch: &batch,
        }
        .upper_gradients()
        .loss
    };
    let e = 1e-5;
    let difference = (value(e) - value(-e)) / (2.0 * e);
    let estimate = read((gradient * direction).sum_dim(1))[0];
    ((estimate - difference) / difference).abs()
}

#[test]
fn hypergradients_agree_with_differences_of_the_solved_problem() {
    for seed in [1, 2, 3] {
        for potential in [Potential::StudentT, Potential::SmoothedAbs] {
            let regularizer = experts(potential);
            let x = regularizer.init_for::<Tape<B>>(0.1, &Default::default());
            let error = error_against_differences(regularizer, x, seed, ClosedForm);
            assert!(error < 1e-5, "{potential:?}, seed {seed}: {error:.1e}");
        }
        let x = Tv::with::<Tape<B>>(-2.5, -2.5, &Default::default());
        let error = error_against_differences(Tv, x, seed, DoubleBackward);
        assert!(error < 1e-5, "TV, seed {seed}: {error:.1e}");
    }
}

/// Relative errors of the closed forms against the tape: gradient, Hessian product, cross term.
fn errors_against_the_tape<B: Backend>(potential: Potential) -> [f64; 3]
where
    Denoising<FieldsOfExperts>: TwiceDifferentiable<B>,
{
    let regularizer = experts(potential);
    let x = regularizer.init_for::<Tape<B>>(0.1, &Default::default());
    let problem = Denoising::new(regularizer, 0);
    let batch = pairs::<B>(3, 12, 5);
    let y = batch.start();
    let point = Point {
        problem: &problem,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let objective = LowerObjective::new(point);
    let v: Vector<B> = random([3, 144], Distribution::Normal(0.0, 1.0), 6);
    let (closed, taped) = (ClosedForm.at(point), DoubleBackward.at(point));
    [
        (
            objective.gradient(objective.start()),
            point.lower_gradients().y,
        ),
        (closed.apply(v.clone()), taped.apply(v.clone())),
        (closed.cross(v.clone()), taped.cross(v)),
    ]
    .map(|(a, b)| {
        let errors = read(norm(a - b.clone()));
        let sizes = read(norm(b));
        errors
            .iter()
            .zip(sizes)
            .map(|(error, size)| error / size)
            .fold(0.0, f64::max)
    })
}

#[test]
fn closed_forms_are_what_the_tape_computes() {
    closed_forms_agree(1e-10);
}

#[test]
fn closed_forms_are_what_the_tape_computes_in_single_precision() {
    in_single_precision(|| closed_forms_agree(1e-5));
}

fn closed_forms_agree(tolerance: f64) {
    for potential in [Potential::StudentT, Potential::SmoothedAbs] {
        for error in errors_against_the_tape::<B>(potential) {
            assert!(error < tolerance, "{potential:?}: {error:.1e}");
        }
    }
}

/// 1,000 lower steps with 4 MiB of iterates: what storing 8.8 MiB of them gives, to the last digit.
#[test]
fn a_thousand_steps_fit_in_a_budget() {
    const BUDGET: usize = 4 << 20;
    let regularizer = FieldsOfExperts {
        filters: 2,
        size: 3,
        potential: Potential::SmoothedAbs,
    };
    let x = regularizer.init_for::<Tape<B>>(0.1, &Default::default());
    let step_size = 1.0 / (1.0 + regularizer.curvature_bound(&x.valid()).expect("known"));
    let problem = Denoising::new(regularizer, 2);
    let batch = pairs::<B>(2, 24, 9);
    let y = batch.start();
    let point = Point {
        problem: &problem,
        x: &x,
        y: &y,
        batch: &batch,
    };
    let unrolled = |keep| Unrolled {
        second_order: ClosedForm,
        map: Descent,
        step_size,
        steps: 1000,
        keep,
    };
    let plan = unrolled(Checkpointing::Bytes(BUDGET))
        .plan(point)
        .expect("a budget");
    let short = unrolled(Checkpointing::Bytes(BUDGET)).estimate(point, None, 0);
    let full = unrolled(Checkpointing::All).estimate(point, None, 0);

    let difference = read(norm(short.gradient.clone() - full.gradient.clone()))[0];
    assert!(difference <= 1e-12 * read(norm(full.gradient.clone()))[0]);
    let memory = short.certificate.memory;
    assert!(
        memory.planned <= BUDGET && memory.actual <= memory.planned,
        "{memory:?}"
    );
    assert_eq!(plan.bytes, memory.planned);
    assert_eq!(short.certificate.gradients, plan.gradients);
    assert!(full.certificate.memory.actual > 2 * BUDGET);

    // It is the hypergradient: 1,000 steps reach the solution.
    let solver = ConjugateGradient {
        max_steps: 500,
        tolerance: Tolerance::Relative(1e-12),
    };
    let solved = unpack(y.clone(), full.y.clone());
    let implicit = ImplicitDifferentiation {
        second_order: ClosedForm,
        solver,
    };
    let exact = implicit.estimate(
        Point {
            y: &solved,
            ..point
        },
        None,
        0,
    );
    let error = read(norm(full.gradient - exact.gradient.clone()))[0];
    assert!(error < 1e-6 * read(norm(exact.gradient))[0], "{error:.1e}");
}

/// The transpose of the closed form's cross term, which double backward lends it.
#[test]
fn the_closed_form_has_its_transpose() {
    let regularizer = experts(Potential::StudentT);
    let x = regularizer.init_for::<Tape<B>>(0.1, &Default::default());
    let problem = Denoising::new(regularizer, 0);
    let batch = pairs::<B>(2, 8, 5);
    let y = batch.start();
    let h = ClosedForm.at(Point {
        problem: &problem,
        x: &x,
        y: &y,
        batch: &batch,
    });
    let v: Vector<B> = random([2, 64], Distribution::Normal(0.0, 1.0), 6);
    let cross = h.cross(v.clone());
    let u: Vector<B> = random(cross.dims(), Distribution::Normal(0.0, 1.0), 7);
    let inner = |a: Vector<B>, b: Vector<B>| read((a * b).sum_dim(1)).iter().sum::<f64>();
    let (left, right) = (inner(cross, u.clone()), inner(v, h.cross_transposed(u)));
    assert!((left - right).abs() < 1e-11 * left.abs(), "{left} {right}");
}
