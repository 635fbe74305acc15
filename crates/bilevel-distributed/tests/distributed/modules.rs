//! Burn modules as local problems, against formulas.

use bilevel_core::{BilevelProblem, CentralDifference, DoubleBackward, SecondOrder, Tape};
use bilevel_distributed::{LocalProblem, ModuleProblem};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use double_precision::B;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::problems::{Bent, normals};

/// What [`Bent`] says, as losses.
struct BentLosses;

#[derive(Module, Debug)]
struct Row<B: Backend> {
    row: Param<Tensor<B, 2>>,
}

#[derive(Module, Debug)]
struct Data<B: Backend> {
    h: Tensor<B, 2>,
    c: Tensor<B, 2>,
    t: Tensor<B, 2>,
}

impl BilevelProblem for BentLosses {
    type Upper<B: Backend> = Row<B>;
    type Lower<B: Backend> = Row<B>;
    type Batch<B: Backend> = Data<B>;

    fn upper_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, data: &Data<B>) -> Tensor<B, 1> {
        let far = (y.row.val() - data.t.clone()).square().sum() * 0.5;
        far + x.row.val().square().sum() * 0.25
    }

    fn lower_loss<B: Backend>(&self, x: &Row<B>, y: &Row<B>, data: &Data<B>) -> Tensor<B, 1> {
        let y = y.row.val();
        let curved = (y.clone().matmul(data.h.clone()) * y.clone()).sum() * 0.5;
        curved + (y.sin() * x.row.val().matmul(data.c.clone().transpose())).sum()
    }
}

fn matrix(rows: &[Vec<f64>]) -> Tensor<B, 2> {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    Tensor::from_data(data, &Default::default())
}

fn module(row: &[f64]) -> Row<Tape<B>> {
    let row = Tensor::from_inner(matrix(&[row.to_vec()]));
    Row {
        row: Param::from_tensor(row.require_grad()),
    }
}

fn compare<D: SecondOrder<B, BentLosses>>(second_order: D, tolerance: f64) {
    let formula = Bent::several(1, 3, 4, 31).remove(0);
    let data = Data {
        h: matrix(&formula.h),
        c: matrix(&formula.c),
        t: matrix(std::slice::from_ref(&formula.t)),
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(32);
    let [x, y, w] = [3, 4, 4].map(|dim| normals(1, dim, rng).remove(0));
    let start = (vec![0.5; 3], vec![0.25; 4]);
    let problem = ModuleProblem::<B, _, _>::new(
        BentLosses,
        second_order,
        data,
        module(&start.0),
        module(&start.1),
    );
    assert_eq!(problem.start(), start);
    assert_eq!((problem.upper_dim(), problem.lower_dim()), (3, 4));
    let near = |a: &[f64], b: &[f64], tolerance: f64| {
        assert_eq!(a.len(), b.len());
        let far = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        assert!(far.fold(0.0, f64::max) < tolerance, "{a:?} is not {b:?}");
    };
    let (found, exact) = (
        problem.upper_gradients(&x, &y),
        formula.upper_gradients(&x, &y),
    );
    near(&[found.loss], &[exact.loss], 1e-12);
    near(&found.x, &exact.x, 1e-12);
    near(&found.y, &exact.y, 1e-12);
    near(
        &problem.lower_gradient(&x, &y),
        &formula.lower_gradient(&x, &y),
        1e-12,
    );
    let (found, exact) = (
        problem.lower_products(&x, &y, &w),
        formula.lower_products(&x, &y, &w),
    );
    near(&found.hessian, &exact.hessian, tolerance);
    near(&found.cross, &exact.cross, tolerance);
}

#[test]
fn modules_give_the_numbers_of_formulas() {
    compare(DoubleBackward, 1e-12);
    compare(
        CentralDifference::for_precision_of::<B>(&Default::default()),
        1e-6,
    );
}
