//! The bridge between modules and vectors.
//!
//! Outside the tape a module's parameters are one [`Vector`]; inside it they are separate leaves.
//! These are the only visitors and mappers of the workspace, but for one that reads an optimizer's
//! state.
//!
//! **What counts as a parameter:** a float `Param` that requires a gradient on its tape, in the
//! order in which the module visits them. A frozen parameter (`no_grad`) keeps its value and has no
//! entry in any vector. Modules therefore live on a tape between steps, as in Burn's own training
//! loops: on a plain backend Burn forgets which parameters are frozen.
//!
//! **A shared parameter** is one `Param` in several places of a module: clones have one identity,
//! its [`ParamId`]. It has one place in a vector, that of its first visit; its gradient is the sum
//! over all places, and what gives values to a module gives all places the same leaf. x and y are
//! two vectors whatever their parameters are called: a y that begins as a copy of x is a variable
//! of its own.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

use crate::error::ErrorKind;
use crate::vector::read;
use crate::{Error, Vector};

/// The values of a module's parameters: `[systems, dim / systems]`.
///
/// # Panics
/// If the module has no parameter, or the first axis of one of them cannot be divided into
/// `systems` parts.
pub fn pack<B: Backend, M: Module<Tape<B>>>(module: &M, systems: usize) -> Vector<B> {
    let mut rows = Rows::new(systems);
    module.visit(&mut Values {
        rows: &mut rows,
        seen: Seen::default(),
    });
    rows.into_vector()
}

/// The gradients that a backward pass left for a module's parameters, in the shape of [`pack`].
///
/// A parameter that the loss does not reach has gradient zero.
pub fn pack_gradients<B: Backend, M: Module<Tape<B>>>(
    module: &M,
    gradients: &<Tape<B> as AutodiffBackend>::Gradients,
    systems: usize,
) -> Vector<B> {
    let mut rows = Rows::new(systems);
    module.visit(&mut Gradients {
        gradients,
        rows: &mut rows,
        seen: Seen::default(),
    });
    rows.into_vector()
}

/// The module with the values of its parameters replaced by those of `vector`, as fresh leaves.
///
/// # Panics
/// If the number of entries differs, with both numbers.
pub fn unpack<B: Backend, M: Module<Tape<B>>>(module: M, vector: Vector<B>) -> M {
    let mut mapper = Unpack::<Tape<B>> {
        pieces: Pieces::new(vector),
        shared: Shared::default(),
    };
    let module = module.map(&mut mapper);
    mapper.pieces.finish();
    module
}

/// The module with its parameters as leaves that nothing was recorded on yet; no value is copied.
///
/// Ties what an optimizer of Burn left apart: it moves a shared parameter in its first place alone.
pub fn fresh_leaves<B: Backend, M: Module<Tape<B>>>(module: M) -> M {
    module.map(&mut Fresh(Shared::default()))
}

/// The module with `times` copies of every float parameter, frozen ones too, behind each other
/// along its first axis, as fresh leaves.
///
/// [`pack`]ed as so many systems it is so many rows, each of which is what the module itself packs
/// to.
pub fn repeated<B: Backend, M: Module<Tape<B>>>(module: M, times: usize) -> M {
    module.map(&mut Repeat {
        times,
        shared: Shared::default(),
    })
}

/// The module with the values of its parameters replaced by those of `values`, as fresh leaves.
///
/// `values` is the same module on the plain backend, with other numbers. What is frozen keeps its
/// value.
///
/// # Panics
/// If a parameter has another shape, with both shapes.
pub fn assign<B: Backend, M: AutodiffModule<Tape<B>>>(module: M, values: &M::InnerModule) -> M {
    let mut flat = Flat::default();
    values.visit(&mut flat);
    module.map(&mut Assign::<Tape<B>> {
        values: flat.values.into_iter(),
        shared: Shared::default(),
    })
}

/// The entries of `vector` as gradients for any Burn optimizer.
///
/// # Panics
/// If the number of entries differs, with both numbers.
pub fn unpack_gradients<B: Backend, M: Module<Tape<B>>>(
    module: &M,
    vector: Vector<B>,
) -> GradientsParams {
    let mut visitor = Register::<Tape<B>> {
        pieces: Pieces::new(vector),
        gradients: GradientsParams::new(),
        seen: Seen::default(),
    };
    module.visit(&mut visitor);
    visitor.pieces.finish();
    visitor.gradients
}

/// Path of the first parameter with a NaN or infinity in `vector` (laid out as by [`pack`]).
///
/// Reads the vector back from the device.
pub fn non_finite_parameter<B: Backend, M: Module<Tape<B>>>(
    module: &M,
    vector: Vector<B>,
) -> Option<String> {
    let [systems, dim] = vector.dims();
    let entries = read(vector);
    let column = entries.iter().position(|v| !v.is_finite())? % dim;
    let mut locate = Locate {
        path: Path::default(),
        systems,
        column,
        before: 0,
        found: None,
        seen: Seen::default(),
    };
    module.visit(&mut locate);
    locate.found
}

/// Paths of the parameters that a backward pass left no gradient for: the loss does not depend on
/// them.
pub fn unreached<B: Backend, M: Module<Tape<B>>>(
    module: &M,
    gradients: &<Tape<B> as AutodiffBackend>::Gradients,
) -> Vec<String> {
    let mut visitor = Unreached::<Tape<B>> {
        path: Path::default(),
        gradients,
        found: Vec::new(),
        seen: Seen::default(),
    };
    module.visit(&mut visitor);
    visitor.found
}

/// Paths of a module's parameters, in the order of [`pack`].
pub fn paths<B: Backend, M: Module<Tape<B>>>(module: &M) -> Vec<String> {
    let sizes = sizes::<B, M>(module);
    sizes.into_iter().map(|(path, _)| path).collect()
}

/// Paths of a module's parameters with the number of their entries, in the order of [`pack`].
pub fn sizes<B: Backend, M: Module<Tape<B>>>(module: &M) -> Vec<(String, usize)> {
    let mut sizes = Sizes {
        path: Path::default(),
        sizes: Vec::new(),
        seen: Seen::default(),
    };
    module.visit(&mut sizes);
    sizes.sizes
}

/// The path of every float parameter of a module by its identity, frozen ones too.
pub fn paths_by_id<B: Backend, M: Module<B>>(module: &M) -> HashMap<ParamId, String> {
    let mut paths = PathsById(Path::default(), HashMap::new());
    module.visit(&mut paths);
    paths.1
}

/// `Σ (aᵢ − bᵢ)²` over the float parameters of two modules of one architecture: one number,
/// recorded where they are.
///
/// # Panics
/// If the shapes of a parameter differ.
pub fn squared_distance<B: Backend, M: Module<B>>(a: &M, b: &M) -> Tensor<B, 1> {
    let flat = |module: &M| {
        let mut flat = Flat::default();
        module.visit(&mut flat);
        flat.values
    };
    let parts = flat(a)
        .into_iter()
        .zip(flat(b))
        .map(|((shape, a), (other, b))| {
            assert_eq!(shape, other, "a parameter of two modules has two shapes");
            (a - b).square().sum()
        });
    parts
        .reduce(|sum, part| sum + part)
        .expect("a module has parameters")
}

/// Every float parameter of a module with its path, frozen ones too: what a file holds.
pub fn named_values<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, TensorData> {
    let mut values = BTreeMap::new();
    module.visit(&mut Named {
        path: Path::default(),
        values: &mut values,
    });
    values
}

/// The module with every float parameter replaced by the value of its path.
///
/// What requires a gradient stays so. Values that the module has no parameter for are left alone; a
/// shared parameter has the value of its first path in all places.
///
/// # Errors
/// If a parameter is missing, or has another shape.
pub fn load_values<B: Backend, M: Module<B>>(
    module: M,
    values: &BTreeMap<String, TensorData>,
) -> Result<M, Error> {
    let mut mapper = Load {
        path: Path::default(),
        values,
        error: None,
        shared: Shared::default(),
    };
    let module = module.map(&mut mapper);
    match mapper.error {
        Some(kind) => Err(kind.into()),
        None => Ok(module),
    }
}

/// Where a visitor is in the module: `layers.0.weight`.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    /// A module that is itself one `Param` has no field to be named after.
    fn text(&self) -> String {
        if self.0.is_empty() {
            "value".to_owned()
        } else {
            self.0.join(".")
        }
    }
}

/// Which parameters were visited already.
#[derive(Default)]
struct Seen(HashSet<ParamId>);

impl Seen {
    /// Whether this is the first visit.
    fn first(&mut self, id: ParamId) -> bool {
        self.0.insert(id)
    }
}

/// The new value of each parameter that was mapped already: all its places get the same leaf.
#[derive(Default)]
struct Shared(HashMap<ParamId, Box<dyn Any>>);

impl Shared {
    /// The value that `id` has, `new` on its first visit.
    fn value<B: Backend, const D: usize>(
        &mut self,
        id: ParamId,
        new: impl FnOnce() -> Tensor<B, D>,
    ) -> Tensor<B, D> {
        let value = self.0.entry(id).or_insert_with(|| Box::new(new()));
        let value = value.downcast_ref::<Tensor<B, D>>();
        value.expect("one parameter has one rank").clone()
    }
}

/// Parameters as rows, side by side.
struct Rows<B: Backend> {
    systems: usize,
    parts: Vec<Vector<B>>,
}

impl<B: Backend> Rows<B> {
    fn new(systems: usize) -> Self {
        Self {
            systems,
            parts: Vec::new(),
        }
    }

    fn push<const D: usize>(&mut self, value: Tensor<B, D>) {
        let shape = value.dims();
        assert!(
            shape[0].is_multiple_of(self.systems),
            "the problem has {} systems, a parameter has shape {shape:?}: its first axis must be a multiple of that",
            self.systems
        );
        let entries = shape.iter().product::<usize>();
        self.parts
            .push(value.reshape([self.systems, entries / self.systems]));
    }

    fn into_vector(mut self) -> Vector<B> {
        match self.parts.len() {
            0 => panic!("the module has no parameter that requires a gradient"),
            1 => self.parts.remove(0),
            _ => Tensor::cat(self.parts, 1),
        }
    }
}

/// A vector cut into parameters again.
struct Pieces<B: Backend> {
    vector: Vector<B>,
    taken: usize,
}

impl<B: Backend> Pieces<B> {
    fn new(vector: Vector<B>) -> Self {
        Self { vector, taken: 0 }
    }

    fn take<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        let [systems, dim] = self.vector.dims();
        let width = shape.iter().product::<usize>() / systems;
        let (from, to) = (self.taken, self.taken + width);
        self.taken = to;
        assert!(
            to <= dim,
            "the vector has {dim} entries a row, the module more than {to}"
        );
        if width == dim {
            self.vector.clone().reshape(shape)
        } else {
            self.vector
                .clone()
                .slice([0..systems, from..to])
                .reshape(shape)
        }
    }

    fn finish(self) {
        let dim = self.vector.dims()[1];
        assert_eq!(
            dim, self.taken,
            "the vector and the module differ in entries a row"
        );
    }
}

struct Values<'a, B: AutodiffBackend> {
    rows: &'a mut Rows<B::InnerBackend>,
    seen: Seen,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Values<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() && self.seen.first(param.id) {
            self.rows.push(param.val().inner());
        }
    }
}

struct Gradients<'a, B: AutodiffBackend> {
    gradients: &'a B::Gradients,
    rows: &'a mut Rows<B::InnerBackend>,
    seen: Seen,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() && self.seen.first(param.id) {
            let value = param.val();
            let gradient = value.grad(self.gradients);
            self.rows
                .push(gradient.unwrap_or_else(|| value.inner().zeros_like()));
        }
    }
}

struct Unpack<B: AutodiffBackend> {
    pieces: Pieces<B::InnerBackend>,
    shared: Shared,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Unpack<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, value, mapper) = param.consume();
        let value = if value.is_require_grad() {
            let pieces = &mut self.pieces;
            let new = || Tensor::from_inner(pieces.take(value.dims())).require_grad();
            self.shared.value(id, new)
        } else {
            value
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Fresh(Shared);

impl<B: AutodiffBackend> ModuleMapper<B> for Fresh {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, value, mapper) = param.consume();
        let value = if value.is_require_grad() {
            let new = || Tensor::from_inner(value.inner()).require_grad();
            self.0.value(id, new)
        } else {
            value
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Repeat {
    times: usize,
    shared: Shared,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Repeat {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, value, mapper) = param.consume();
        let learned = value.is_require_grad();
        let new = || {
            let copies = value.inner().repeat_dim(0, self.times);
            Tensor::from_inner(copies).set_require_grad(learned)
        };
        let copies = self.shared.value(id, new);
        Param::from_mapped_value(id, copies, mapper)
    }
}

/// The values of all float parameters, with their shapes.
struct Flat<B: Backend> {
    values: Vec<(Vec<usize>, Tensor<B, 1>)>,
    seen: Seen,
}

// By hand: a derived one would ask for `B: Default`.
impl<B: Backend> Default for Flat<B> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            seen: Seen::default(),
        }
    }
}

impl<B: Backend> ModuleVisitor<B> for Flat<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if !self.seen.first(param.id) {
            return;
        }
        let value = param.val();
        let entries = value.shape().num_elements();
        self.values
            .push((value.dims().to_vec(), value.reshape([entries])));
    }
}

struct Assign<B: AutodiffBackend> {
    values: std::vec::IntoIter<(Vec<usize>, Tensor<B::InnerBackend, 1>)>,
    shared: Shared,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Assign<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, value, mapper) = param.consume();
        let values = &mut self.values;
        let new = || {
            let (shape, new) = values.next().expect("the same module twice");
            let expected = value.dims();
            assert_eq!(
                shape, expected,
                "a parameter of shape {expected:?} was given shape {shape:?}"
            );
            if value.is_require_grad() {
                Tensor::from_inner(new.reshape(expected)).require_grad()
            } else {
                value
            }
        };
        let value = self.shared.value(id, new);
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Register<B: AutodiffBackend> {
    pieces: Pieces<B::InnerBackend>,
    gradients: GradientsParams,
    seen: Seen,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Register<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() && self.seen.first(param.id) {
            let piece = self.pieces.take(param.dims());
            self.gradients
                .register::<B::InnerBackend, D>(param.id, piece);
        }
    }
}

struct Locate {
    path: Path,
    systems: usize,
    column: usize,
    before: usize,
    found: Option<String>,
    seen: Seen,
}

impl<B: Backend> ModuleVisitor<B> for Locate {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() && self.seen.first(param.id) {
            self.before += param.shape().num_elements() / self.systems;
            if self.found.is_none() && self.column < self.before {
                self.found = Some(self.path.text());
            }
        }
    }
}

struct Unreached<'a, B: AutodiffBackend> {
    path: Path,
    gradients: &'a B::Gradients,
    found: Vec<String>,
    seen: Seen,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Unreached<'_, B> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let first = param.is_require_grad() && self.seen.first(param.id);
        if first && param.val().grad(self.gradients).is_none() {
            self.found.push(self.path.text());
        }
    }
}

struct Sizes {
    path: Path,
    sizes: Vec<(String, usize)>,
    seen: Seen,
}

impl<B: Backend> ModuleVisitor<B> for Sizes {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() && self.seen.first(param.id) {
            let size = param.dims().iter().product();
            self.sizes.push((self.path.text(), size));
        }
    }
}

struct PathsById(Path, HashMap<ParamId, String>);

impl<B: Backend> ModuleVisitor<B> for PathsById {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.1.entry(param.id).or_insert_with(|| self.0.text());
    }
}

struct Named<'a> {
    path: Path,
    values: &'a mut BTreeMap<String, TensorData>,
}

impl<B: Backend> ModuleVisitor<B> for Named<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.values
            .insert(self.path.text(), param.val().into_data());
    }
}

struct Load<'a> {
    path: Path,
    values: &'a BTreeMap<String, TensorData>,
    error: Option<ErrorKind>,
    shared: Shared,
}

impl<B: Backend> ModuleMapper<B> for Load<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let path = self.path.text();
        let (id, value, mapper) = param.consume();
        let loaded = match self.values.get(&path) {
            None => Err(ErrorKind::MissingParameter { path }),
            Some(data) if *data.shape != value.dims() => Err(ErrorKind::ParameterShape {
                path,
                expected: value.dims().to_vec(),
                found: data.shape.to_vec(),
            }),
            Some(data) => Ok(Tensor::from_data(data.clone(), &value.device())
                .set_require_grad(value.is_require_grad())),
        };
        let value = loaded.unwrap_or_else(|kind| {
            self.error.get_or_insert(kind);
            value
        });
        let value = self.shared.value(id, || value);
        Param::from_mapped_value(id, value, mapper)
    }
}
