use bilevel_distributed::{LocalProblem, LowerProducts, UpperGradients};

/// `G = ½ (y − t)² + ¼ x²,   g = ½ (y − a v)²`
#[derive(Debug, Clone, Copy)]
pub struct Scalar {
    pub a: f64,
    pub t: f64,
}

impl LocalProblem for Scalar {
    fn upper_dim(&self) -> usize {
        1
    }

    fn lower_dim(&self) -> usize {
        1
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let residual = y[0] - self.t;
        UpperGradients {
            loss: residual * residual / 2.0 + x[0] * x[0] / 4.0,
            x: vec![x[0] / 2.0],
            y: vec![residual],
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        vec![y[0] - self.a * v[0]]
    }

    fn lower_products(&self, _: &[f64], _: &[f64], w: &[f64]) -> LowerProducts {
        LowerProducts {
            hessian: vec![w[0]],
            cross: vec![-self.a * w[0]],
        }
    }
}
