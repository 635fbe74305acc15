//! Lower problems in a convex set: hypergradients against formulas and differences, and DMLCBO.

use bilevel_core::algorithm::goldstein;
use bilevel_core::algorithm::rule::{
    Anchor, Block, Blocks, DmlcboSettings, OracleCalls, Scaling, SecondDerivatives,
};
use bilevel_core::parameters::pack;
use bilevel_core::projection::{
    Bounds, Everywhere, L1Ball, L2Ball, NonNegative, Product, Projection, ProjectionJacobian,
};
use bilevel_core::vector::read;
use bilevel_core::{
    BilevelProblem, ConjugateGradient, ConstrainedImplicit, ConstrainedNeumann, Dmlcbo,
    DoubleBackward, FullBatch, Gmres, Hypergradient, ImplicitDifferentiation, Iterate,
    LossGradients, LowerSolver, Oracle, Point, ProblemOracle, ProjectedGradient, Run, Solution,
    Status, Tape, Tolerance, Vector,
};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{B, generator, normal};

/// `g = ½ yᵀHy + xᵀCy,   f = aᵀy + ½ ‖y − t‖² + ½ ρ ‖x − s‖²`
#[derive(Debug)]
struct Confined {
    rho: f64,
}

#[derive(Module, Debug)]
struct Row<B: Backend> {
    row: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
struct Data<B: Backend> {
    h: Tensor<B, 2>,
    c: Tensor<B, 2>,
    t: Tensor<B, 2>,
    s: Tensor<B, 2>,
}

impl BilevelProblem for Confined {
    type Upper<B: Backend> = Row<B>;
    type Lower<B: Backend> = Row<B>;
    type Batch<B: Backend> = Data<B>;

    fn upper_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, data: &Data<B>) -> Tensor<B, 1> {
        let far = (x.row.val() - data.s.clone()).square().sum() * (0.5 * self.rho);
        (y.row.val() - data.t.clone()).square().sum() * 0.5 + far
    }

    fn lower_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, data: &Data<B>) -> Tensor<B, 1> {
        let y = y.row.val();
        let curved = (y.clone().matmul(data.h.clone()) * y.clone()).sum() * 0.5;
        curved + (x.row.val().matmul(data.c.clone()) * y).sum()
    }
}

const TIGHT: Gmres = Gmres {
    max_steps: 50,
    tolerance: Tolerance::Relative(1e-14),
};

struct Setup {
    problem: Confined,
    data: Data<B>,
}

impl Setup {
    fn random(seed: u64, upper: usize, lower: usize) -> Self {
        let rng = &mut generator(seed);
        let root: Tensor<B, 2> = normal([lower, lower], rng);
        let h = root.clone().transpose().matmul(root) * 0.2
            + Tensor::<B, 2>::eye(lower, &Default::default()) * 0.5;
        let data = Data {
            h,
            c: normal([upper, lower], rng),
            t: normal([1, lower], rng),
            s: normal([1, upper], rng),
        };
        let problem = Confined { rho: 0.3 };
        Self { problem, data }
    }

    /// `g = ½ ‖y‖² − xᵀy` up to what does not depend on y: `½ ‖y − x‖²`.
    fn nearest(t: &[f64], s: &[f64], rho: f64) -> Self {
        let dim = t.len();
        let device = Default::default();
        let row = |v: &[f64]| Tensor::<B, 1>::from_data(v, &device).unsqueeze();
        let data = Data {
            h: Tensor::eye(dim, &device),
            c: Tensor::<B, 2>::eye(dim, &device).neg(),
            t: row(t),
            s: row(s),
        };
        let problem = Confined { rho };
        Self { problem, data }
    }

    fn module(row: Vector<B>) -> Row<Tape<B>> {
        Row {
            row: Param::from_tensor(Tensor::from_inner(row).require_grad()),
        }
    }

    fn at<T>(
        &self,
        x: &Vector<B>,
        y: &Vector<B>,
        look: impl FnOnce(Point<'_, B, Confined>) -> T,
    ) -> T {
        look(Point {
            problem: &self.problem,
            x: &Self::module(x.clone()),
            y: &Self::module(y.clone()),
            batch: &self.data,
        })
    }

    /// `y*(x)`, by a solver with momentum.
    fn solve(&self, set: &dyn Projection<B>, x: &Vector<B>) -> Vector<B> {
        let solver = ProjectedGradient {
            projection: set,
            step_size: 0.2,
            momentum: true,
            max_steps: 5000,
            tolerance: Tolerance::Absolute(1e-13),
        };
        let start = self.data.t.zeros_like();
        let solution: Solution<Row<Tape<B>>> = self.at(x, &start, |point| solver.solve(point));
        assert_eq!(solution.status, Status::Converged, "{}", solution.residual);
        pack(&solution.value, 1)
    }

    /// `F(x)`.
    fn value(&self, set: &dyn Projection<B>, x: &Vector<B>) -> f64 {
        let y = self.solve(set, x);
        self.at(x, &y, |point| point.upper_gradients().loss)
    }

    fn hypergradient(&self, set: &dyn Projection<B>, x: &Vector<B>, eta: f64) -> Vec<f64> {
        let y = self.solve(set, x);
        let method = ConstrainedImplicit {
            second_order: DoubleBackward,
            solver: TIGHT,
            projection: set,
            step_size: eta,
        };
        let estimate = self.at(x, &y, |point| method.estimate(point, None, 0));
        assert!(estimate.failure.is_none(), "{:?}", estimate.failure);
        read(estimate.gradient)
    }

    /// Central differences of F.
    fn differences(&self, set: &dyn Projection<B>, x: &Vector<B>) -> Vec<f64> {
        let dim = x.dims()[1];
        let h = 1e-5;
        (0..dim)
            .map(|i| {
                let mut e = vec![0.0; dim];
                e[i] = h;
                let e = Tensor::<B, 1>::from_data(e.as_slice(), &x.device()).unsqueeze();
                let there = self.value(set, &(x.clone() + e.clone()));
                (there - self.value(set, &(x.clone() - e))) / (2.0 * h)
            })
            .collect()
    }
}

fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() < tolerance, "{found:?}, not {expected:?}");
    }
}

/// Where the bounds hold, `∂y/∂x` is zero; elsewhere it is `−H_FF⁻¹ C_Fᵀ`. For every η, and as
/// differences say.
#[test]
fn a_box_frees_a_block() {
    let setup = Setup::random(5, 3, 6);
    let x: Vector<B> = normal([1, 3], &mut generator(6));
    let set = Bounds::all(-0.4, 0.5).unwrap();
    let y = read(setup.solve(&set, &x));
    let free: Vec<usize> = (0..6)
        .filter(|i| y[*i] > -0.4 + 1e-9 && y[*i] < 0.5 - 1e-9)
        .collect();
    assert!(
        !free.is_empty() && free.len() < 6,
        "{y:?}: some hold, some do not"
    );
    let [h, c] = [&setup.data.h, &setup.data.c].map(|m| read(m.clone()));
    let (t, s, x_entries) = (
        read(setup.data.t.clone()),
        read(setup.data.s.clone()),
        read(x.clone()),
    );
    let block = DMatrix::from_fn(free.len(), free.len(), |i, j| h[free[i] * 6 + free[j]]);
    let right = DVector::from_fn(free.len(), |i, _| y[free[i]] - t[free[i]]);
    let q = block.lu().solve(&right).expect("positive definite");
    let expected: Vec<f64> = (0..3)
        .map(|k| {
            let cross: f64 = free
                .iter()
                .zip(q.iter())
                .map(|(f, q)| c[k * 6 + f] * q)
                .sum();
            0.3 * (x_entries[k] - s[k]) - cross
        })
        .collect();
    for eta in [0.05, 0.1, 0.3, 0.6] {
        near(&setup.hypergradient(&set, &x, eta), &expected, 1e-11);
    }
    near(&setup.differences(&set, &x), &expected, 1e-7);
}

/// For each kind of set, where differences of the solved problem are what to compare with.
#[test]
fn hypergradients_are_differences() {
    let sets: [(&str, Box<dyn Projection<B>>); 4] = [
        ("L1 ball", Box::new(L1Ball::new(0.8).unwrap())),
        ("L2 ball", Box::new(L2Ball::new(0.8).unwrap())),
        ("non-negative", Box::new(NonNegative)),
        (
            "simplex",
            Box::new(bilevel_core::projection::Simplex::new(1.0).unwrap()),
        ),
    ];
    for seed in 0..3 {
        let setup = Setup::random(seed, 3, 6);
        let x: Vector<B> = normal([1, 3], &mut generator(100 + seed));
        for (name, set) in &sets {
            let found = setup.hypergradient(&**set, &x, 0.2);
            let expected = setup.differences(&**set, &x);
            for (f, e) in found.iter().zip(&expected) {
                assert!(
                    (f - e).abs() < 1e-6,
                    "{name}, seed {seed}: {found:?}, not {expected:?}"
                );
            }
        }
    }
}

/// `g = ½ ‖y − x‖²`, x outside the ball: `∂y/∂x = (r/‖x‖)(I − xxᵀ/‖x‖²)`, whatever η is.
#[test]
fn a_ball_for_every_step_size() {
    let setup = Setup::nearest(&[0.2, -1.0, 0.7], &[0.0; 3], 0.0);
    let x = [1.5, -2.0, 0.5];
    let set = L2Ball::new(0.8).unwrap();
    let size = x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let y: Vec<f64> = x.iter().map(|v| v * 0.8 / size).collect();
    let r: Vec<f64> = y.iter().zip([0.2, -1.0, 0.7]).map(|(y, t)| y - t).collect();
    let along: f64 = r.iter().zip(x).map(|(r, x)| r * x / size).sum();
    let expected: Vec<f64> = r
        .iter()
        .zip(x)
        .map(|(r, x)| 0.8 / size * (r - along * x / size))
        .collect();
    let x = Tensor::<B, 1>::from_data(x, &Default::default()).unsqueeze();
    for eta in [0.1, 0.5, 1.0] {
        near(&setup.hypergradient(&set, &x, eta), &expected, 1e-9);
    }
}

/// Without a constraint it is implicit differentiation.
#[test]
fn everywhere_is_unconstrained() {
    let setup = Setup::random(9, 3, 5);
    let x: Vector<B> = normal([1, 3], &mut generator(10));
    let y = setup.solve(&Everywhere, &x);
    let plain = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-14),
        },
    };
    let expected = setup.at(&x, &y, |point| plain.estimate(point, None, 0).gradient);
    near(
        &setup.hypergradient(&Everywhere, &x, 0.3),
        &read(expected),
        1e-10,
    );
}

/// Every start leads to the same solution, every value lies in the set, with and without momentum.
#[test]
fn projected_gradients_end_in_the_set() {
    let setup = Setup::random(2, 3, 6);
    let x: Vector<B> = normal([1, 3], &mut generator(3));
    let set = L1Ball::new(0.8).unwrap();
    let expected = read(setup.solve(&set, &x));
    for momentum in [false, true] {
        for steps in [0, 1, 3, 5000] {
            let solver = ProjectedGradient {
                projection: set,
                step_size: 0.2,
                momentum,
                max_steps: steps,
                tolerance: Tolerance::Absolute(1e-12),
            };
            let far = Tensor::full([1, 6], 7.0, &Default::default());
            let found = setup.at(&x, &far, |point| solver.solve(point));
            let y = read(pack(&found.value, 1));
            assert!(y.iter().map(|v| v.abs()).sum::<f64>() < 0.8 + 1e-9, "{y:?}");
            if steps == 5000 {
                near(&y, &expected, 1e-9);
                assert_eq!(found.status, Status::Converged);
            } else {
                assert_eq!(found.status, Status::MaxSteps);
                assert!(found.steps <= steps);
            }
        }
    }
}

/// `y* = clip(x)`, `f = ½ (y − 2)² + 0.05 x²`: at the kink `x = 1` the exact Jacobian gives one
/// side, the smoothed ones `0.1 − ηD/(1 − (1 − η) D)` with `D = ½`.
#[test]
fn a_kink_by_one_side_or_by_both() {
    let setup = Setup::nearest(&[2.0], &[0.0], 0.1);
    let set = Bounds::all(-1.0, 1.0).unwrap();
    let one = Vector::<B>::ones([1, 1], &Default::default());
    near(&setup.hypergradient(&set, &one, 0.5), &[0.1], 1e-12);
    for (jacobian, count) in [
        (ProjectionJacobian::Gaussian(0.02), 20_000),
        (ProjectionJacobian::Sphere(0.02), 4_000),
    ] {
        let method = ConstrainedNeumann {
            second_order: DoubleBackward,
            projection: set.clone(),
            jacobian,
            step_size: 0.5,
            // What is left out is (1/4)⁶ of the series.
            terms: 6,
        };
        let values: Vec<f64> = (0..count)
            .map(|seed| {
                let estimate = setup.at(&one, &one, |point| method.estimate(point, None, seed));
                read(estimate.gradient)[0]
            })
            .collect();
        let count = count as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let error = (spread / count).sqrt();
        assert!(error < 0.03, "{error}");
        assert!(
            (mean + 0.2333).abs() < 4.0 * error,
            "{jacobian:?}: {mean} ± {error}"
        );
    }
    // No gradient is small within 0.05 of the kink, and yet it is stationary.
    let kink = goldstein(&one, 0.05, 20, 1, |x| {
        let gradient = setup.hypergradient(&set, &x, 0.5);
        Tensor::<B, 1>::from_data(gradient.as_slice(), &x.device()).unsqueeze()
    });
    assert!(kink < 1e-6, "{kink}");
}

/// `H = diag(0.5, 1, 2)`, `η = 0.4`, ten terms: the mean of the random term is the truncated
/// series.
#[test]
fn a_random_term_has_the_mean_of_the_series() {
    let mut setup = Setup::nearest(&[-1.0; 3], &[0.0; 3], 0.0);
    let device = Default::default();
    setup.data.h =
        Tensor::from_floats([[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]], &device);
    let zero = Vector::<B>::zeros([1, 3], &device);
    let method = ConstrainedNeumann {
        second_order: DoubleBackward,
        projection: Everywhere,
        jacobian: ProjectionJacobian::Exact,
        step_size: 0.4,
        terms: 10,
    };
    // ∇y f = 1 at y = 0, and C = −I: the gradient is the term.
    let count = 4000;
    let mut mean = [0.0; 3];
    for seed in 0..count {
        let estimate = setup.at(&zero, &zero, |point| method.estimate(point, None, seed));
        for (mean, value) in mean.iter_mut().zip(read(estimate.gradient)) {
            *mean += value / count as f64;
        }
    }
    // 4 standard errors: the terms lie between 0 and 4.
    near(&mean, &[1.785_252, 0.993_953, 0.500_000], 0.1);
    let bias: f64 = 1.0 / 0.5 - 0.4 * (0..10).map(|k| 0.8f64.powi(k)).sum::<f64>();
    assert!((bias - 0.214_748_364_8).abs() < 1e-9);
}

/// `f = ½ (y − t)² + ½ ρ (x − s)²`, `y* = clip(x)`: descent ends where a grid of F has its least
/// value, whether the constraint holds there or not.
#[test]
fn interior_and_active_solutions() {
    let set = Bounds::all(-1.0, 1.0).unwrap();
    for (t, s) in [(0.3, 0.8), (2.0, 1.7), (-3.0, -0.5)] {
        let setup = Setup::nearest(&[t], &[s], 0.4);
        let value = |x: f64| 0.5 * (x.clamp(-1.0, 1.0) - t).powi(2) + 0.2 * (x - s).powi(2);
        let grid = (-300..=300).map(|i| f64::from(i) / 100.0);
        let best = grid.min_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap();
        let mut x = Vector::<B>::zeros([1, 1], &Default::default());
        for _ in 0..300 {
            let gradient = setup.hypergradient(&set, &x, 0.5);
            x = x - gradient[0] * 0.2;
        }
        let found = read(x)[0];
        assert!((found - best).abs() < 0.011, "t = {t}: {found}, not {best}");
    }
}

/// `f = −x y`, `g = x y + ½ m y²` on `[−1, 1]`: `y* = −clip(x/m)`, so that `∇F = 2x/m` inside and
/// `sign(x)` outside. A missing sign in the implicit term gives zero inside.
#[test]
fn the_sign_of_the_implicit_term() {
    #[derive(Debug)]
    struct Sign;
    impl BilevelProblem for Sign {
        type Upper<B: Backend> = Row<B>;
        type Lower<B: Backend> = Row<B>;
        type Batch<B: Backend> = Data<B>;
        fn upper_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, _: &Data<B>) -> Tensor<B, 1> {
            (x.row.val() * y.row.val()).sum().neg()
        }
        fn lower_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, _: &Data<B>) -> Tensor<B, 1> {
            let y = y.row.val();
            (x.row.val() * y.clone() + y.square() * 0.25).sum()
        }
    }
    let data = Setup::nearest(&[0.0], &[0.0], 0.0).data;
    for (x, y, expected) in [
        (0.2, -0.4, 0.8),
        (-0.3, 0.6, -1.2),
        (2.0, -1.0, 1.0),
        (-0.7, 1.0, -1.0),
    ] {
        let row = |v: f64| Setup::module(Vector::from_data([[v]], &Default::default()));
        let method = ConstrainedImplicit {
            second_order: DoubleBackward,
            solver: TIGHT,
            projection: Bounds::all(-1.0, 1.0).unwrap(),
            step_size: 0.7,
        };
        let estimate = method.estimate(
            Point {
                problem: &Sign,
                x: &row(x),
                y: &row(y),
                batch: &data,
            },
            None,
            0,
        );
        near(&read(estimate.gradient), &[expected], 1e-12);
    }
}

/// `g = ½ (y − x)²`, `f = ½ (y − 2)² + 0.05 x²` with noise of 0.1 in every first derivative.
struct Noisy(std::cell::RefCell<ChaCha8Rng>);

impl Noisy {
    fn noise(&self) -> f64 {
        // Twelve uniform numbers are as good as normal here.
        let rng = &mut self.0.borrow_mut();
        let sum: f64 = (0..12)
            .map(|_| rng.next_u32() as f64 / f64::from(u32::MAX))
            .sum();
        0.1 * (sum - 6.0)
    }
}

impl Oracle<B> for Noisy {
    fn blocks(&self) -> Blocks {
        Blocks { lower: 1, upper: 1 }
    }
    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B> {
        let noise = if on == Block::All { 0.0 } else { self.noise() };
        at.y.clone() - at.x.clone() + noise
    }
    fn lower_gradients(&self, _: Block, _: &Iterate<B>) -> LossGradients<B> {
        unreachable!("DMLCBO does not ask for ∇x g")
    }
    fn upper_gradients(&self, _: Block, at: &Iterate<B>) -> LossGradients<B> {
        LossGradients {
            loss: f64::NAN,
            x: at.x.clone() * 0.1 + self.noise(),
            y: at.y.clone() - 2.0 + self.noise(),
        }
    }
    fn hessian(&self, _: Block, _: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        v.clone()
    }
    fn cross(&self, _: Block, _: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        v.clone().neg()
    }
    fn second(&self, _: Block, _: &Iterate<B>, _: &Vector<B>) -> SecondDerivatives<B> {
        unreachable!("DMLCBO asks for products one by one")
    }
    fn calls(&self) -> OracleCalls {
        OracleCalls::default()
    }
    fn project(&self, at: Iterate<B>) -> Iterate<B> {
        at
    }
}

/// The minimiser is the kink `x = 1`, where `y = 1`; from −1, with noise, the mean of the last
/// tenth of x.
#[test]
fn dmlcbo_finds_the_kink() {
    let sphere = ProjectionJacobian::Sphere(0.02);
    for (jacobian, anchor, tolerance) in [
        (ProjectionJacobian::Exact, Anchor::AllSamples, 0.08),
        (sphere, Anchor::AllSamples, 0.08),
        (ProjectionJacobian::Gaussian(0.02), Anchor::AllSamples, 0.25),
        (sphere, Anchor::Momentum, 0.3),
    ] {
        let settings = DmlcboSettings {
            jacobian,
            anchor,
            step_size: 0.5,
            terms: 20,
            upper_step_size: 0.05,
            lower_step_size: 0.2,
            upper_momentum: 0.1,
            lower_momentum: 0.1,
            regularizer: 0.1,
            scaling: Scaling::Norm,
            share: 500f64.sqrt(),
            offset: 500.0,
        };
        let set = Bounds::all(-1.0, 1.0).unwrap();
        let oracle = Noisy(ChaCha8Rng::seed_from_u64(1).into());
        let run = Run::new(Dmlcbo::new(set, settings).unwrap(), &oracle, 2);
        let at = |v: f64| Vector::<B>::from_data([[v]], &Default::default());
        let start = run.start(Iterate {
            x: at(-1.0),
            y: at(0.0),
        });
        let (steps, mut sum, mut count) = (20_000, 0.0, 0);
        let (state, failure) = run.run(start, steps, &mut |state| {
            let y = read(state.at.y.clone())[0];
            assert!((-1.0..=1.0).contains(&y), "step {}: y = {y}", state.step);
            if state.step > steps - steps / 10 {
                sum += read(state.at.x.clone())[0];
                count += 1;
            }
        });
        assert!(failure.is_none());
        let mean = sum / f64::from(count);
        println!("{jacobian:?}, {anchor:?}: x {mean:.3}");
        assert!((mean - 1.0).abs() < tolerance, "{jacobian:?}: {mean}");
        assert!(read(state.at.y)[0] > 0.95);
    }
}

/// One gradient of each loss, fewer Hessian products than terms, one cross product; the same bits
/// after a break; a start outside is projected, and the run says how far it was.
#[test]
fn a_step_of_dmlcbo_costs_what_it_says() {
    let Setup { problem, data } = Setup::random(4, 3, 6);
    let module = |dim: usize| Setup::module(Vector::full([1, dim], 5.0, &Default::default()));
    let oracle = ProblemOracle::<B, _, _, _>::new(
        problem,
        DoubleBackward,
        FullBatch(data),
        module(3),
        module(6),
    );
    let set = L1Ball::new(0.8).unwrap();
    for scaling in [Scaling::Norm, Scaling::Entries(0.9)] {
        let settings = DmlcboSettings {
            scaling,
            terms: 4,
            ..DmlcboSettings::default()
        };
        let run = Run::new(Dmlcbo::new(set, settings).unwrap(), &oracle, 7);
        let start = run.start(oracle.first());
        // Six entries of 5 in a ball of 0.8: each goes to 0.8/6.
        let way = 6f64.sqrt() * (5.0 - 0.8 / 6.0);
        assert!((run.outside(&oracle.first()) - way).abs() < 1e-12);
        near(&read(start.at.y.clone()), &[0.8 / 6.0; 6], 1e-12);
        assert!(run.outside(&start.at) < 1e-12);
        let (one, _) = run.step(start);
        let before = oracle.calls();
        let mut calls = before;
        let mut feasible = |y: &Vector<B>| {
            let size = read(y.clone().abs().sum_dim(1))[0];
            assert!(size < 0.8 + 1e-12, "{size}");
            let now = oracle.calls();
            assert_eq!(now.upper_gradients - calls.upper_gradients, 1);
            assert_eq!(now.lower_gradients - calls.lower_gradients, 1);
            assert_eq!(now.cross_products - calls.cross_products, 1);
            assert!(now.hessian_products - calls.hessian_products < 4);
            calls = now;
        };
        let (whole, failure) = run.run(one.clone(), 60, &mut |state| feasible(&state.at.y));
        assert!(failure.is_none());
        let (half, _) = run.run(one, 30, &mut |_| ());
        let (rest, _) = run.run(half, 60, &mut |_| ());
        assert_eq!(read(rest.at.x), read(whole.at.x));
        assert_eq!(read(rest.at.y), read(whole.at.y));
    }
    let wrong = |change: fn(&mut DmlcboSettings)| {
        let mut settings = DmlcboSettings::default();
        change(&mut settings);
        Dmlcbo::new(Everywhere, settings).unwrap_err().to_string()
    };
    assert_eq!(
        wrong(|s| s.jacobian = ProjectionJacobian::Sphere(0.0)),
        "smoothing radius must be finite and > 0, got 0"
    );
    assert_eq!(
        wrong(|s| s.share = 30.0),
        "share / √offset must be in (0, 1], got 1.3416407864998738"
    );
}

/// A set for a parameter by its path; the others are free.
#[test]
fn a_product_over_a_module() {
    #[derive(Module, Debug)]
    struct Layer<B: Backend> {
        weight: Param<Tensor<B, 2>>,
        bias: Param<Tensor<B, 1>>,
    }
    let device = Default::default();
    let layer = Layer::<Tape<B>> {
        weight: Param::from_tensor(Tensor::full([2, 3], 2.0, &device)),
        bias: Param::from_tensor(Tensor::full([3], 5.0, &device)),
    };
    let set = Product::over(&layer, |path| {
        let ball = L1Ball::new(3.0).expect("a radius above zero");
        (path == "weight").then(|| Box::new(ball) as Box<dyn Projection<B>>)
    })
    .expect("a ball has any length");
    let y = read(set.project(pack(&layer, 1)));
    near(&y, &[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 5.0, 5.0, 5.0], 1e-12);
    assert!(Projection::<B>::check(&set, 8).is_err());
}
