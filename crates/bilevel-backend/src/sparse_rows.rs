//! Matrices of few non-zero entries, where a backend has kernels for them.

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, DType, Shape, TensorMetadata};
use burn_flex::FlexTensor;

use crate::cpu::tensor::{flex, from_vec, slice, unflex};
use crate::kernel::element::Element;
use crate::kernel::sparse::{Rows, is_narrow, product, transposed_product};

/// A constant matrix `A`, `[m, k]`, by its non-zero entries: for products with matrices of a few
/// columns, as a linear classifier makes them of pictures that are mostly black.
///
/// [`Cpu`](crate::Cpu) has kernels for it, other backends do not. Takes 8 bytes an entry in `f32`.
/// Products take the time of the entries that are not zero. Not recorded on a tape.
///
/// # Example
///
/// ```
/// use bilevel_backend::{Cpu, SparseRows};
/// use burn::tensor::{Tensor, TensorPrimitive};
///
/// let device = Default::default();
/// let a = Tensor::<Cpu, 2>::from_data([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]], &device);
/// let w = Tensor::<Cpu, 2>::from_data([[1.0], [2.0], [3.0], [4.0]], &device);
/// let rows = SparseRows::new::<Cpu>(&a.into_primitive().tensor()).unwrap();
/// let y = rows.product::<Cpu>(&w.into_primitive().tensor()).unwrap();
/// let y = Tensor::<Cpu, 2>::from_primitive(TensorPrimitive::Float(y));
/// assert_eq!(y.into_data().to_vec::<f32>().unwrap(), [4.0, 12.0]);
/// ```
#[derive(Debug, Clone)]
pub struct SparseRows(Stored);

#[derive(Debug, Clone)]
enum Stored {
    Single(Rows<f32>),
    Double(Rows<f64>),
}

/// With more than one entry in so many not zero, kernels that do not look at the entries are
/// faster.
const SPARSE: usize = 3;

impl SparseRows {
    /// The entries of `dense`; `None` on backends without kernels for them, and if more than a
    /// third are not zero.
    pub fn new<B: Backend>(dense: &FloatTensor<B>) -> Option<Self> {
        let dense = flex::<B>(dense)?;
        let width = *dense.shape().last()?;
        fn rows<E: Element + PartialEq>(dense: &FlexTensor, width: usize) -> Option<Rows<E>> {
            let dense = slice::<E>(dense)?;
            Rows::new(dense, width, dense.len() / SPARSE)
        }
        Some(Self(match dense.dtype() {
            DType::F32 => Stored::Single(rows(&dense, width)?),
            DType::F64 => Stored::Double(rows(&dense, width)?),
            _ => return None,
        }))
    }

    /// `A b`: `[k, n]` to `[m, n]`; `None` if `b` is too wide, of another precision or backend, or
    /// not in order in memory.
    ///
    /// # Panics
    /// If `b` has not k rows.
    pub fn product<B: Backend>(&self, b: &FloatTensor<B>) -> Option<FloatTensor<B>> {
        let b = flex::<B>(b)?;
        let y = match &self.0 {
            Stored::Single(a) => multiplied(a, &b, a.width(), a.height(), product)?,
            Stored::Double(a) => multiplied(a, &b, a.width(), a.height(), product)?,
        };
        unflex::<B>(y)
    }

    /// `Aᵀ g`: `[m, n]` to `[k, n]`; `None` as for [`product`](SparseRows::product).
    ///
    /// # Panics
    /// If `g` has not m rows.
    pub fn transposed_product<B: Backend>(&self, g: &FloatTensor<B>) -> Option<FloatTensor<B>> {
        let g = flex::<B>(g)?;
        let y = match &self.0 {
            Stored::Single(a) => multiplied(a, &g, a.height(), a.width(), transposed_product)?,
            Stored::Double(a) => multiplied(a, &g, a.height(), a.width(), transposed_product)?,
        };
        unflex::<B>(y)
    }
}

fn multiplied<E: Element>(
    a: &Rows<E>,
    b: &FlexTensor,
    rows: usize,
    height: usize,
    multiply: fn(&Rows<E>, &[E], usize) -> Vec<E>,
) -> Option<FlexTensor> {
    let [given, n] = b.shape().dims();
    assert_eq!(
        given, rows,
        "a matrix of {rows} rows is multiplied, got {given} of them"
    );
    if b.dtype() != E::dtype() || !is_narrow::<E>(n) {
        return None;
    }
    let y = multiply(a, slice::<E>(b)?, n);
    Some(from_vec(y, Shape::new([height, n])))
}
