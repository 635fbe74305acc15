//! The problem of the reference iterates.

use bilevel_core::algorithm::rule::{Block, Blocks};
use bilevel_core::{BilevelProblem, Constants, DoubleBackward, Minibatches, ProblemOracle};
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::{numbers, table};
use crate::B;
use crate::problems::{Shift, shift};

/// Polynomials whose second derivatives depend on where they are taken.
///
/// ```text
/// g_i = ½ yᵀA_i y − yᵀB_i x + ½ σ ‖x‖² ‖y‖² + κ/12 Σ y⁴
/// f_j = ½ ‖y − c_j‖² + ½ r_j ‖x‖² + ½ ν ‖x‖² ‖y‖²
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Quartic {
    sigma: f64,
    kappa: f64,
    nu: f64,
    constants: Constants,
}

#[derive(Module, Debug)]
pub struct Coefficients<B: Backend> {
    a: Tensor<B, 2>,
    b: Tensor<B, 2>,
    c: Tensor<B, 1>,
    r: Tensor<B, 1>,
}

impl BilevelProblem for Quartic {
    type Upper<B: Backend> = Shift<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Coefficients<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &Shift<B>,
        y: &Shift<B>,
        data: &Coefficients<B>,
    ) -> Tensor<B, 1> {
        let (x, y) = (x.x.val().square().sum(), y.x.val());
        let coupled = x.clone() * y.clone().square().sum() * (self.nu / 2.0);
        let distance = (y - data.c.clone()).square().sum();
        (distance + x * data.r.clone()) * 0.5 + coupled
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Shift<B>,
        y: &Shift<B>,
        data: &Coefficients<B>,
    ) -> Tensor<B, 1> {
        let (x, y) = (x.x.val(), y.x.val());
        let coupled = x.clone().square().sum() * y.clone().square().sum() * (self.sigma / 2.0);
        let quartic = y.clone().powi_scalar(4).sum() * (self.kappa / 12.0);
        let y = y.unsqueeze_dim::<2>(1);
        let ay = data.a.clone().matmul(y.clone());
        let bx = data.b.clone().matmul(x.unsqueeze_dim::<2>(1));
        (y * (ay * 0.5 - bx)).sum() + coupled + quartic
    }

    fn constants<B: Backend>(&self, _: &Shift<B>, _: &Coefficients<B>) -> Constants {
        self.constants
    }
}

/// The numbers of the table, and the problem without its quartic terms if `quadratic`.
pub struct Setup {
    pub problem: Quartic,
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    lower: Vec<(Tensor<B, 2>, Tensor<B, 2>)>,
    upper: Vec<(Tensor<B, 1>, Tensor<B, 1>)>,
}

impl Setup {
    pub fn read() -> Self {
        let rows = table("problem.tsv");
        let row = |name: &str| {
            let row = rows.iter().find(|row| row[0] == name);
            numbers(&row.expect("a row of that name")[1])
        };
        let matrix = |name: String, width: usize| -> Tensor<B, 2> {
            let data = TensorData::new(row(&name), [4, width]);
            Tensor::from_data(data, &Default::default())
        };
        let vector = |name: String| -> Tensor<B, 1> {
            Tensor::from_data(row(&name).as_slice(), &Default::default())
        };
        let couplings = row("couplings");
        Self {
            problem: Quartic {
                sigma: couplings[0],
                kappa: couplings[1],
                nu: couplings[2],
                constants: Constants::default(),
            },
            x: row("x"),
            y: row("y"),
            lower: (0..3)
                .map(|i| (matrix(format!("A{i}"), 4), matrix(format!("B{i}"), 3)))
                .collect(),
            upper: (0..2)
                .map(|j| (vector(format!("c{j}")), vector(format!("r{j}"))))
                .collect(),
        }
    }

    /// Without what is not quadratic, with the constants `μ` and `J`.
    pub fn quadratic(self, strong_convexity: f64, cross_norm: f64) -> Self {
        let problem = Quartic {
            sigma: 0.0,
            kappa: 0.0,
            nu: 0.0,
            constants: Constants {
                strong_convexity: Some(strong_convexity),
                upper_smoothness: Some(1.0),
                cross_norm: Some(cross_norm),
                cross_lipschitz: Some(0.0),
                hessian_lipschitz: Some(0.0),
                direct_lipschitz: Some(0.0),
            },
        };
        Self { problem, ..self }
    }

    /// The means as single blocks.
    pub fn whole(self) -> Self {
        let Coefficients { a, b, c, r } = self.batch(Block::All, Block::All);
        Self {
            lower: vec![(a, b)],
            upper: vec![(c, r)],
            ..self
        }
    }

    pub fn oracle(self) -> ProblemOracle<B, Quartic, DoubleBackward, Self> {
        let (x, y) = (shift(&self.x), shift(&self.y));
        ProblemOracle::new(self.problem, DoubleBackward, self, x, y)
    }
}

impl Minibatches<B, Quartic> for Setup {
    fn blocks(&self) -> Blocks {
        Blocks {
            lower: self.lower.len(),
            upper: self.upper.len(),
        }
    }

    fn batch(&self, lower: Block, upper: Block) -> Coefficients<B> {
        let (a, b) = pick(&self.lower, lower);
        let (c, r) = pick(&self.upper, upper);
        Coefficients { a, b, c, r }
    }
}

/// The pair of a block, or the mean of all.
fn pick<const D: usize>(
    pairs: &[(Tensor<B, D>, Tensor<B, D>)],
    on: Block,
) -> (Tensor<B, D>, Tensor<B, D>) {
    match on {
        Block::One(i) => pairs[i].clone(),
        Block::All => {
            let sum = pairs
                .iter()
                .cloned()
                .reduce(|(a, b), (c, d)| (a + c, b + d));
            let (a, b) = sum.expect("a block");
            let n = pairs.len() as f64;
            (a / n, b / n)
        }
    }
}
