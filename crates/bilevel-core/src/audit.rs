//! Is a hypergradient right? Compares it with differences of the solved problem.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::parameters::{pack, unpack};
use crate::random::unit;
use crate::vector::{epsilon, largest, norm, norms, read};
use crate::{
    CentralDifference, Certificate, DoubleBackward, Estimate, Failure, Hypergradient, LowerSolver,
    Outcome, Point, SecondOrder, Status, Tape, TwiceDifferentiable, Unreached, Vector,
};

/// How an audit is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Random directions in x.
    pub directions: usize,
    /// Length of the differences relative to `1 + ‖x‖`.
    pub step: f64,
    /// Relative error up to which two derivatives agree.
    pub max_error: f64,
    /// Estimates averaged, each with another seed: more than one for estimators that draw.
    pub draws: usize,
    /// Seed of the directions and the draws.
    pub seed: u64,
}

impl Default for Settings {
    /// For `f64`: 4 directions, differences of 1e-3, agreement to 1e-4, one draw.
    fn default() -> Self {
        Self {
            directions: 4,
            step: 1e-3,
            max_error: 1e-4,
            draws: 1,
            seed: 0,
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// How the lower solve at x ended.
    pub lower: Outcome,
    /// The estimate against differences, direction by direction.
    pub slopes: Vec<Slope>,
    /// `‖estimated − measured‖` over the directions, relative to `‖measured‖` or, where that is
    /// smaller, to how much the slopes change over a difference.
    pub error: f64,
    /// Largest relative error of the losses' first derivatives against differences of values.
    pub first_order_error: f64,
    /// Relative errors of `∇²yy g · v` and `∇²xy g · v` by double backward against differences of
    /// gradients.
    pub second_order_error: [f64; 2],
    /// Parameters that the losses do not see.
    pub unreached: Unreached,
    /// The estimate's own account, of the first draw.
    pub certificate: Certificate,
    /// What is wrong; nothing if all is well.
    pub findings: Vec<Finding>,
}

/// The derivative of `F` along one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// By the estimator.
    pub estimated: f64,
    /// By differences of the solved problem.
    pub measured: f64,
    /// How far `measured` may be off.
    pub uncertainty: f64,
}

/// A reason not to trust a hypergradient.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Finding {
    /// A loss draws random numbers, as dropout does: it has no derivative to compare with, and
    /// nothing else was judged.
    #[error(
        "the loss is random: two evaluations at one point differ by {0:.1e}; give it a fixed mask"
    )]
    Random(f64),
    /// The lower problem is not solved: all that follows is about another y.
    #[error("the lower solve ended with {}, ‖∇y g‖ = {:.1e}: {}", .0.status, .0.residual, .0.status.advice())]
    NotConverged(Outcome),
    /// The estimator says itself that its numbers are of no use.
    #[error("the estimate failed: {0}")]
    Failed(Failure),
    /// Neither loss sees these parameters of x.
    #[error("structurally zero: no loss depends on {}", quoted(.0))]
    StructurallyZero(Vec<String>),
    /// The lower solver returned the y that it was given at every x: what it stops at is larger
    /// than the lower gradients there, and the differences are those of `f` at a fixed y.
    #[error(
        "no lower solve moved y: its tolerance is above every ‖∇y g‖ it met, {0:.1e} at first; lower it"
    )]
    Unmoved(f64),
    /// The lower loss does not see any of x: `y*` does not depend on it, and the hypergradient is
    /// the direct gradient of `f`.
    #[error("x does not enter the lower loss: no bilevel problem")]
    NoCoupling,
    /// The lower loss does not see these parameters of y, so nothing determines them.
    #[error("the lower loss does not depend on {} of y: freeze them", quoted(.0))]
    Undetermined(Vec<String>),
    /// A first derivative by the tape is not that of the loss: an operation without gradient, a
    /// `detach`, or values that differ between two calls.
    #[error(
        "first derivatives differ from differences of the losses by {0:.1e}: is something detached?"
    )]
    FirstOrderCut(f64),
    /// A second derivative by the tape is not that of the gradient: the lower loss has an operation
    /// whose backward pass is not recorded.
    #[error(
        "second derivatives differ from differences of gradients by {0:.1e}: an operation of the lower loss is not recorded twice"
    )]
    SecondOrderCut(f64),
    /// The differences themselves are too uncertain to judge by.
    #[error(
        "differences of the solved problem are uncertain to {0:.1e}: lower the lower solver's tolerance, or change the step"
    )]
    Inconclusive(f64),
    /// The estimate is not the derivative of the solved problem.
    #[error("the estimate is off by {error:.1e}, more than {max_error:.1e}")]
    Inconsistent {
        /// Relative error over the directions.
        error: f64,
        /// What was allowed.
        max_error: f64,
    },
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Audit {
    /// Whether nothing speaks against the estimate.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Compares an estimator with central differences of the solved problem along random directions.
///
/// ```text
/// dF/dx · u  ≈  R(h/2),    R(h) = (4 D(h/2) − D(h)) / 3,    D(h) = (F(x + h u) − F(x − h u)) / 2h,    F(x) = f(x, y*(x))
/// ```
///
/// where `lower` solves for `y*(x)` from the point's `y`, and for the others from there. Before
/// that it asks what can go wrong on the way: does the lower solver converge, do both losses see
/// all parameters, are the tape's first and second derivatives those of the losses? Run it in `f64`
/// and with a tight lower tolerance: in `f32` the differences drown in rounding. `|R(h/2) − R(h)|`
/// is their uncertainty. Costs `6 directions + 1` lower solves.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// let lower = GradientDescent { step_size: 0.5, max_steps: 50, tolerance: Tolerance::Absolute(1e-12) };
///
/// let exact = ImplicitDifferentiation {
///     second_order: DoubleBackward,
///     solver: ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(1e-10) },
/// };
/// let at = scalar(1.0, 0.0);
/// assert!(audit(at.point(), &lower, &exact, &AuditSettings::default()).is_sound());
///
/// let rough = JacobianFree { second_order: DoubleBackward, step_size: 0.1 };
/// let audit = audit(at.point(), &lower, &rough, &AuditSettings::default());
/// assert_eq!(audit.findings[0].to_string(), "the estimate is off by 8.0e-1, more than 1.0e-4");
/// ```
pub fn audit<B, P, L, H>(
    point: Point<'_, B, P>,
    lower: &L,
    estimator: &H,
    settings: &Settings,
) -> Audit
where
    B: Backend,
    P: TwiceDifferentiable<B>,
    L: LowerSolver<B, P>,
    H: Hypergradient<B, P> + ?Sized,
{
    let rng = &mut ChaCha8Rng::seed_from_u64(settings.seed);
    let randomness = randomness(point);
    let solution = lower.solve(point);
    let at = Point {
        y: &solution.value,
        ..point
    };
    let estimates: Vec<Estimate<B>> = (0..settings.draws.max(1) as u64)
        .map(|draw| estimator.estimate(at, None, settings.seed ^ (draw << 32)))
        .collect();
    let count = estimates.len() as f64;
    let mean = |sum: Vector<B>, e: &Estimate<B>| sum + e.gradient.clone() / count;
    let zero = estimates[0].gradient.zeros_like();
    let gradient = estimates.iter().fold(zero, mean);

    let x = pack(point.x, 1);
    let size = settings.step * (1.0 + norms(x.clone())[0]);
    let mut unsolved = None;
    let start = read(pack(point.y, point.systems()));
    let moves = |y: &P::Lower<Tape<B>>| read(pack(y, point.systems())) != start;
    let mut moved_y = moves(&solution.value);
    let mut value = |moved: Vector<B>| {
        let x = unpack(point.x.clone(), moved);
        let there = Point { x: &x, ..at };
        let solution = lower.solve(there);
        if solution.status != Status::Converged {
            unsolved = Some(solution.outcome());
        }
        moved_y |= moves(&solution.value);
        Point {
            y: &solution.value,
            ..there
        }
        .upper_gradients()
        .loss
    };
    let mut scales = Vec::new();
    let slopes: Vec<Slope> = (0..settings.directions)
        .map(|_| {
            let u = unit(&x, rng);
            // D(h), and F(x + h u) + F(x − h u).
            let mut difference = |h: f64| {
                let hu = u.clone() * h;
                let (plus, minus) = (value(x.clone() + hu.clone()), value(x.clone() - hu));
                ((plus - minus) / (2.0 * h), plus + minus)
            };
            let [(d, far), (d_2, near), (d_4, _)] =
                [1.0, 0.5, 0.25].map(|part| difference(part * size));
            // ¾ h F″, which is not zero where the slope is, and what rounding leaves of a difference.
            let rounding = 2.0 * epsilon(&x) * near.abs();
            scales.push(((far - near).abs() + rounding) / size);
            let (coarse, fine) = (extrapolated(d, d_2), extrapolated(d_2, d_4));
            Slope {
                estimated: read((u * gradient.clone()).sum_dim(1))[0],
                measured: fine,
                uncertainty: (fine - coarse).abs(),
            }
        })
        .collect();
    let length =
        |what: fn(&Slope) -> f64| slopes.iter().map(what).map(|v| v * v).sum::<f64>().sqrt();
    let least = scales.iter().map(|v| v * v).sum::<f64>().sqrt();
    let scale = largest(&[length(|s| s.measured), least]);
    let relative = |error: f64| ratio(error, scale);
    let error = relative(length(|s| s.estimated - s.measured));
    let uncertainty = relative(length(|s| s.uncertainty));

    // Away from the solution, where no gradient is zero by chance.
    let aside = y_aside(at, settings.step, rng);
    let aside = Point { y: &aside, ..at };
    let first_order_error = first_order_error(aside, settings.step, rng);
    let second_order_error = second_order_error(aside, rng);
    let unreached = at.unreached();
    let certificate = estimates[0].certificate.clone();

    let mut findings = Vec::new();
    let unsolved = unsolved.or((solution.status != Status::Converged).then(|| solution.outcome()));
    findings.extend(unsolved.map(Finding::NotConverged));
    let failures = estimates.iter().find_map(|e| e.failure.clone());
    findings.extend(failures.map(Finding::Failed));
    let zero = unreached.without_hypergradient();
    if !zero.is_empty() {
        findings.push(Finding::StructurallyZero(zero));
    }
    let coupled = unreached.lower_loss_in_x != crate::parameters::paths(point.x);
    if !coupled {
        findings.push(Finding::NoCoupling);
    }
    if coupled && !moved_y && solution.residual > 0.0 {
        findings.push(Finding::Unmoved(solution.residual));
    }
    if !unreached.lower_loss_in_y.is_empty() {
        findings.push(Finding::Undetermined(unreached.lower_loss_in_y.clone()));
    }
    let worse = |error: f64| error.is_nan() || error > settings.max_error;
    if worse(first_order_error) {
        findings.push(Finding::FirstOrderCut(first_order_error));
    }
    let second = largest(&second_order_error);
    if worse(second) {
        findings.push(Finding::SecondOrderCut(second));
    }
    if worse(uncertainty) {
        findings.push(Finding::Inconclusive(uncertainty));
    }
    if worse(error) {
        findings.push(Finding::Inconsistent {
            error,
            max_error: settings.max_error,
        });
    }
    if randomness > 0.0 {
        findings = vec![Finding::Random(randomness)];
    }
    Audit {
        lower: solution.outcome(),
        slopes,
        error,
        first_order_error,
        second_order_error,
        unreached,
        certificate,
        findings,
    }
}

/// How much two evaluations of the losses at one point differ. Sums in another order would differ
/// by rounding.
fn randomness<B: Backend, P: TwiceDifferentiable<B>>(point: Point<'_, B, P>) -> f64 {
    let losses = || [point.upper_gradients().loss, point.lower_gradients().loss];
    let rounding = 64.0 * epsilon(&pack(point.x, 1));
    let difference = |(a, b): (f64, f64)| match (a - b).abs() {
        off if off > rounding * a.abs() => off,
        _ => 0.0,
    };
    let (first, second) = (losses(), losses());
    largest(&[0, 1].map(|k| difference((first[k], second[k]))))
}

/// The limit of differences whose error is `O(h²)`, from those of h and h/2.
fn extrapolated(coarse: f64, fine: f64) -> f64 {
    (4.0 * fine - coarse) / 3.0
}

/// `a / b`, zero if both are.
fn ratio(a: f64, b: f64) -> f64 {
    if a.abs() > 0.0 || a.is_nan() {
        a / b
    } else {
        0.0
    }
}

/// A random direction as long as `like` and 1.
fn proportionate<B: Backend>(like: &Vector<B>, rng: &mut ChaCha8Rng) -> Vector<B> {
    unit(like, rng) * (norm(like.clone()) + 1.0)
}

fn y_aside<B: Backend, P: TwiceDifferentiable<B>>(
    point: Point<'_, B, P>,
    step: f64,
    rng: &mut ChaCha8Rng,
) -> P::Lower<Tape<B>> {
    let y = pack(point.y, point.systems());
    let moved = y.clone() + proportionate(&y, rng) * step;
    unpack(point.y.clone(), moved)
}

/// First derivatives of both losses in both variables, along a random direction.
fn first_order_error<B: Backend, P: TwiceDifferentiable<B>>(
    point: Point<'_, B, P>,
    step: f64,
    rng: &mut ChaCha8Rng,
) -> f64 {
    let x = pack(point.x, 1);
    let y = pack(point.y, point.systems());
    let (u, v) = (proportionate(&x, rng), proportionate(&y, rng));
    // Both losses at (x + a u, y + b v).
    let values = |a: f64, b: f64| {
        let x = unpack(point.x.clone(), x.clone() + u.clone() * a);
        let y = unpack(point.y.clone(), y.clone() + v.clone() * b);
        let there = Point {
            x: &x,
            y: &y,
            ..point
        };
        [there.upper_gradients().loss, there.lower_gradients().loss]
    };
    let (f, g) = (point.upper_gradients(), point.lower_gradients());
    let along = |gradient: &Vector<B>, d: &Vector<B>| -> f64 {
        read((gradient.clone() * d.clone()).sum_dim(1)).iter().sum()
    };
    let recorded = [
        [along(&f.x, &u), along(&g.x, &u)],
        [along(&f.y, &v), along(&g.y, &v)],
    ];
    let sizes = [
        [&f.x, &g.x].map(|gradient| product_of_norms(gradient, &u)),
        [&f.y, &g.y].map(|gradient| product_of_norms(gradient, &v)),
    ];
    let mut worst = 0.0f64;
    for (i, (a, b)) in [(1.0, 0.0), (0.0, 1.0)].into_iter().enumerate() {
        let difference = |h: f64| {
            let (plus, minus) = (values(a * h, b * h), values(-a * h, -b * h));
            [0, 1].map(|k| (plus[k] - minus[k]) / (2.0 * h))
        };
        let (coarse, fine) = (difference(step), difference(0.5 * step));
        for k in 0..2 {
            let measured = extrapolated(coarse[k], fine[k]);
            let error = (recorded[i][k] - measured).abs();
            // Relative to the largest slope there is: along one direction the slope may be zero.
            let scale = sizes[i][k].max(measured.abs());
            worst = largest(&[worst, ratio(error, scale)]);
        }
    }
    worst
}

/// The most that `a · b` can be.
fn product_of_norms<B: Backend>(a: &Vector<B>, b: &Vector<B>) -> f64 {
    read(norm(a.clone()) * norm(b.clone())).iter().sum()
}

/// Second derivatives by the tape against differences of gradients.
fn second_order_error<B: Backend, P: TwiceDifferentiable<B>>(
    point: Point<'_, B, P>,
    rng: &mut ChaCha8Rng,
) -> [f64; 2] {
    let v = unit(&pack(point.y, point.systems()), rng);
    let differences = CentralDifference::for_precision_of::<B>(&v.device());
    let exact = DoubleBackward.at(point).both(v.clone());
    let (product, cross) = differences.at(point).both(v);
    let size = |v: Vector<B>| norms(v).iter().sum::<f64>();
    let error = |a: Vector<B>, b: Vector<B>| {
        let difference = size(a.clone() - b.clone());
        let scale = size(a).max(size(b));
        ratio(difference, scale)
    };
    [error(exact.0, product), error(exact.1, cross)]
}
