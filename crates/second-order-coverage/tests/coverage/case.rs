//! A function to differentiate, generic over the backend, and where its inputs come from.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The cases of one backend, in the order of the table.
pub struct Cases<B: Backend> {
    section: &'static str,
    pub list: Vec<Case<B>>,
}

/// One line of the table: a scalar function of one vector.
pub struct Case<B: Backend> {
    pub section: &'static str,
    pub name: &'static str,
    /// Of the differences that judge.
    pub step: f64,
    output: Output<B>,
}

type Output<B> = Box<dyn Fn(&mut Inputs<B>) -> Tensor<B, 1>>;

impl<B: Backend> Cases<B> {
    pub fn new() -> Self {
        Self {
            section: "",
            list: Vec::new(),
        }
    }

    pub fn section(&mut self, title: &'static str) {
        self.section = title;
    }

    /// A function of any tensors to one tensor, which is made a scalar by [`probe`].
    pub fn add<const D: usize>(
        &mut self,
        name: &'static str,
        output: fn(&mut Inputs<B>) -> Tensor<B, D>,
    ) {
        self.list.push(Case {
            section: self.section,
            name,
            step: 3e-4,
            output: Box::new(move |inputs| probe(output(inputs), inputs)),
        });
    }

    /// A function that is computed in `f32` even in `f64`: longer steps drown its noise.
    pub fn add_single<const D: usize>(
        &mut self,
        name: &'static str,
        output: fn(&mut Inputs<B>) -> Tensor<B, D>,
    ) {
        self.add(name, output);
        if let Some(case) = self.list.last_mut() {
            case.step = 2e-2;
        }
    }
}

impl<B: Backend> Case<B> {
    /// A random point, another one for each `draw`.
    pub fn point(&self, draw: u64) -> Vec<f64> {
        let mut inputs = Inputs::new(self.name, None);
        inputs.random.set_stream(draw);
        (self.output)(&mut inputs);
        inputs.drawn
    }

    pub fn loss(&self, x: Tensor<B, 1>) -> Tensor<B, 1> {
        (self.output)(&mut Inputs::new(self.name, Some(x)))
    }
}

/// `Σ r (y + y²/2)` with random weights: its Hessian sees first and second derivatives of `y`.
fn probe<B: Backend, const D: usize>(y: Tensor<B, D>, inputs: &mut Inputs<B>) -> Tensor<B, 1> {
    let r = inputs.constant(y.dims());
    (r * (y.clone() + y.powi_scalar(2) * 0.5)).sum()
}

/// Hands out the inputs of a case: pieces of one vector, or random numbers while there is none yet.
pub struct Inputs<B: Backend> {
    vector: Option<Tensor<B, 1>>,
    used: usize,
    drawn: Vec<f64>,
    random: ChaCha8Rng,
    constants: ChaCha8Rng,
    pub device: B::Device,
}

impl<B: Backend> Inputs<B> {
    fn new(name: &str, vector: Option<Tensor<B, 1>>) -> Self {
        let seed = name
            .bytes()
            .fold(0, |h: u64, b| h.wrapping_mul(31) + u64::from(b));
        Self {
            vector,
            used: 0,
            drawn: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            constants: ChaCha8Rng::seed_from_u64(!seed),
            device: B::Device::default(),
        }
    }

    /// A tensor to differentiate in: normal entries.
    pub fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        let size = shape.iter().product();
        let from = self.used;
        self.used += size;
        match &self.vector {
            Some(vector) => vector.clone().slice(from..from + size).reshape(shape),
            None => {
                let values = normal(&mut self.random, size);
                self.drawn.extend(&values);
                Tensor::from_data(TensorData::new(values, shape), &self.device)
            }
        }
    }

    /// Zeros to differentiate at.
    pub fn zeros<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        let x = self.tensor(shape);
        if self.vector.is_some() {
            return x;
        }
        let from = self.drawn.len() - shape.iter().product::<usize>();
        self.drawn[from..].fill(0.0);
        x.zeros_like()
    }

    /// Entries above 1/2.
    pub fn positive<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        self.tensor(shape).powi_scalar(2) + 0.5
    }

    /// Entries between 0.1 and 0.9.
    pub fn fraction<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        self.tensor(shape).tanh() * 0.4 + 0.5
    }

    /// Entries between -0.8 and 0.8.
    pub fn unit<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        self.tensor(shape).tanh() * 0.8
    }

    /// A tensor that is not differentiated in, the same for every call.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        let values = normal(&mut self.constants, shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    pub fn ints<const D: usize>(&self, values: &[i32], shape: [usize; D]) -> Tensor<B, D, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device)
    }

    /// The module with all its parameters replaced by inputs.
    pub fn module<M: Module<B>>(&mut self, module: M) -> M {
        module.map(&mut Parameters(self))
    }
}

struct Parameters<'a, B: Backend>(&'a mut Inputs<B>);

impl<B: Backend> ModuleMapper<B> for Parameters<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        // What requires no gradient is state (the running statistics of BatchNorm).
        if !param.val().is_require_grad() {
            return param;
        }
        let (id, value, mapper) = param.consume();
        Param::from_mapped_value(id, self.0.tensor(value.dims()), mapper)
    }
}

pub fn normal(random: &mut ChaCha8Rng, size: usize) -> Vec<f64> {
    (0..size).map(|_| StandardNormal.sample(random)).collect()
}
