//! Arithmetic on float tensors.

use burn_backend::{Scalar, Shape, TensorMetadata};
use burn_flex::{Flex, FlexTensor, Layout};

use super::Cpu;
use super::product::product;
use super::tensor::{expanded, from_vec, slice, slice_mut, uniform};
use crate::delegate::prelude::*;
use crate::kernel::element::Element;
use crate::kernel::elementwise::function::{
    Absolute, Add, Cube, Divide, Exponential, Flip, Function, Function2, HyperbolicTangent,
    Logarithm, Multiply, Negate, Reciprocal, Square, SquareRoot, Subtract, With,
};
use crate::kernel::elementwise::map::{fill, fill_in_place, map, map_in_place, zip, zip_in_place};
use crate::kernel::elementwise::rows::{Repeat, repeat_in_place};
use crate::kernel::elementwise::sum::{sum, sums_along};

/// Half precision, and operands whose memory is not in order, go to Flex.
impl FloatTensorOps<Self> for Cpu {
    float_ops!(Flex);
    composed_float_ops!(Flex);
    patched_float_ops!(Flex);
    product_ops!(Flex);
    reduction_ops!(Flex);

    fn float_add(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        binary(Add, lhs, rhs, Flex::float_add)
    }

    fn float_add_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        unary(With(Add, rhs.elem()), lhs, |lhs| {
            Flex::float_add_scalar(lhs, rhs)
        })
    }

    fn float_sub(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        binary(Subtract, lhs, rhs, Flex::float_sub)
    }

    fn float_sub_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        unary(With(Subtract, rhs.elem()), lhs, |lhs| {
            Flex::float_sub_scalar(lhs, rhs)
        })
    }

    fn float_mul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        binary(Multiply, lhs, rhs, Flex::float_mul)
    }

    fn float_mul_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        unary(With(Multiply, rhs.elem()), lhs, |lhs| {
            Flex::float_mul_scalar(lhs, rhs)
        })
    }

    fn float_div(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        binary(Divide, lhs, rhs, Flex::float_div)
    }

    fn float_div_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        unary(With(Divide, rhs.elem()), lhs, |lhs| {
            Flex::float_div_scalar(lhs, rhs)
        })
    }

    fn float_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        let product = match (lhs.dtype(), rhs.dtype()) {
            (DType::F32, DType::F32) => product::<f32>(&lhs, &rhs),
            (DType::F64, DType::F64) => product::<f64>(&lhs, &rhs),
            _ => None,
        };
        product.unwrap_or_else(|| Flex::float_matmul(lhs, rhs))
    }

    fn float_neg(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(Negate, tensor, Flex::float_neg)
    }

    fn float_recip(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(Reciprocal, tensor, Flex::float_recip)
    }

    fn float_exp(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(Exponential, tensor, Flex::float_exp)
    }

    fn float_log(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(Logarithm, tensor, Flex::float_log)
    }

    fn float_log1p(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        Flex::float_log1p(tensor)
    }

    fn float_tanh(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(HyperbolicTangent, tensor, Flex::float_tanh)
    }

    fn float_sqrt(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(SquareRoot, tensor, Flex::float_sqrt)
    }

    fn float_powi_scalar_impl(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        Self::float_powf_scalar_impl(lhs, rhs)
    }

    fn float_powf_scalar_impl(tensor: FloatTensor<Self>, value: Scalar) -> FloatTensor<Self> {
        match value.elem::<f64>() {
            2.0 => unary(Square, tensor, |tensor| {
                Flex::float_powf_scalar_impl(tensor, value)
            }),
            3.0 => unary(Cube, tensor, |tensor| {
                Flex::float_powf_scalar_impl(tensor, value)
            }),
            _ => Flex::float_powf_scalar_impl(tensor, value),
        }
    }

    fn float_powi_scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
        match rhs.elem::<i64>() {
            2 | 3 => Self::float_powf_scalar_impl(lhs, rhs),
            -1 => Self::float_recip(lhs),
            _ => Flex::float_powi_scalar(lhs, rhs),
        }
    }

    fn float_abs(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        unary(Absolute, tensor, Flex::float_abs)
    }

    fn float_mask_fill(
        tensor: FloatTensor<Self>,
        mask: BoolTensor<Self>,
        value: Scalar,
    ) -> FloatTensor<Self> {
        match tensor.dtype() {
            DType::F32 => filled::<f32>(tensor, mask, value),
            DType::F64 => filled::<f64>(tensor, mask, value),
            _ => Flex::float_mask_fill(tensor, mask, value),
        }
    }

    fn float_sum(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        match tensor.dtype() {
            DType::F32 => total::<f32>(&tensor),
            DType::F64 => total::<f64>(&tensor),
            _ => None,
        }
        .unwrap_or_else(|| Flex::float_sum(tensor))
    }

    fn float_sum_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self> {
        match tensor.dtype() {
            DType::F32 => sums::<f32>(&tensor, dim),
            DType::F64 => sums::<f64>(&tensor, dim),
            _ => None,
        }
        .unwrap_or_else(|| Flex::float_sum_dim(tensor, dim))
    }

    fn float_mean(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        let count = tensor.shape().num_elements() as f64;
        Self::float_div_scalar(Self::float_sum(tensor), Scalar::Float(count))
    }

    fn float_mean_dim(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self> {
        let count = tensor.shape()[dim] as f64;
        Self::float_div_scalar(Self::float_sum_dim(tensor, dim), Scalar::Float(count))
    }
}

/// `function(tensor)`: in place when nobody else holds the memory, once when it is an expanded
/// scalar.
fn unary(
    function: impl Function,
    tensor: FlexTensor,
    otherwise: impl FnOnce(FlexTensor) -> FlexTensor,
) -> FlexTensor {
    match tensor.dtype() {
        DType::F32 if in_order::<f32>(&tensor) => mapped::<f32>(function, tensor),
        DType::F64 if in_order::<f64>(&tensor) => mapped::<f64>(function, tensor),
        _ if repeats(&tensor) => {
            let shape = tensor.shape();
            repeated_to(shape, unary(function, once(tensor), otherwise))
        }
        _ => otherwise(tensor),
    }
}

/// Whether the elements stand in order in memory, or are one.
fn in_order<E: Element>(tensor: &FlexTensor) -> bool {
    slice::<E>(tensor).is_some() || uniform::<E>(tensor).is_some()
}

/// `function(tensor)` of a tensor that is [`in_order`].
fn mapped<E: Element>(function: impl Function, mut tensor: FlexTensor) -> FlexTensor {
    if let Some(x) = slice_mut::<E>(&mut tensor) {
        map_in_place(function, x);
        return tensor;
    }
    match (slice::<E>(&tensor), uniform::<E>(&tensor)) {
        (Some(x), _) => from_vec(map(function, x), tensor.shape()),
        (None, Some(value)) => expanded(E::apply(function, value), tensor.shape()),
        (None, None) => unreachable!("a tensor in order"),
    }
}

/// `value` where the mask says so and the tensor elsewhere: in place when nobody else holds the
/// memory.
fn filled<E: Element>(mut tensor: FlexTensor, mask: FlexTensor, value: Scalar) -> FlexTensor {
    let flags = mask.layout().contiguous_offsets();
    let flags = flags.map(|(start, end)| &mask.bytes()[start..end]);
    let Some(flags) = flags.filter(|_| mask.shape() == tensor.shape()) else {
        return Flex::float_mask_fill(tensor, mask, value);
    };
    let number = value.elem::<E>();
    if let Some(x) = slice_mut::<E>(&mut tensor) {
        fill_in_place(x, flags, number);
        return tensor;
    }
    match slice::<E>(&tensor) {
        Some(x) => from_vec(fill(x, flags, number), tensor.shape()),
        None => Flex::float_mask_fill(tensor, mask, value),
    }
}

/// `function(lhs, rhs)`, the smaller operand repeated along the larger one: in the memory of an
/// operand that nobody else holds.
fn binary(
    function: impl Function2,
    lhs: FlexTensor,
    rhs: FlexTensor,
    otherwise: impl FnOnce(FlexTensor, FlexTensor) -> FlexTensor,
) -> FlexTensor {
    fn run<E: Element>(
        function: impl Function2,
        lhs: FlexTensor,
        rhs: FlexTensor,
        otherwise: impl FnOnce(FlexTensor, FlexTensor) -> FlexTensor,
    ) -> FlexTensor {
        match Broadcast::<E>::of(&lhs, &rhs) {
            Some(Broadcast::Alike) => zipped::<E>(function, lhs, rhs),
            Some(Broadcast::Right(value)) => mapped::<E>(With(function, value.to_f64()), lhs),
            Some(Broadcast::Left(value)) => mapped::<E>(With(Flip(function), value.to_f64()), rhs),
            Some(Broadcast::RightRepeated(repeat)) => repeated::<E>(function, lhs, &rhs, repeat),
            Some(Broadcast::LeftRepeated(repeat)) => {
                repeated::<E>(Flip(function), rhs, &lhs, repeat)
            }
            None if repeats(&lhs) || repeats(&rhs) => {
                let shape = together(&lhs.shape(), &rhs.shape());
                repeated_to(shape, run::<E>(function, once(lhs), once(rhs), otherwise))
            }
            None => otherwise(lhs, rhs),
        }
    }
    match (lhs.dtype(), rhs.dtype()) {
        (DType::F32, DType::F32) => run::<f32>(function, lhs, rhs, otherwise),
        (DType::F64, DType::F64) => run::<f64>(function, lhs, rhs, otherwise),
        _ => otherwise(lhs, rhs),
    }
}

/// Whether [`once`] changes a tensor: a view that repeats entries, as an expanded gradient is, or
/// one that did.
fn repeats(tensor: &FlexTensor) -> bool {
    let layout = tensor.layout();
    layout.num_elements() > 0 && layout.strides() != once_layout(layout).strides()
}

/// What a view repeats: its axes of stride 0 become one entry long.
fn once(view: FlexTensor) -> FlexTensor {
    if view.layout().num_elements() == 0 {
        return view;
    }
    let once = once_layout(view.layout());
    view.with_layout(once)
}

/// The layout of what a view repeats. An axis of one entry has the stride that it would have in
/// order, which Flex asks for before it calls memory contiguous.
fn once_layout(layout: &Layout) -> Layout {
    let mut sizes = layout.shape().to_vec();
    let mut strides = layout.strides().to_vec();
    let mut in_order = 1;
    for (size, stride) in sizes.iter_mut().zip(&mut strides).rev() {
        if *size == 1 || *stride == 0 {
            (*size, *stride) = (1, in_order);
        }
        in_order = *size as isize * *stride;
    }
    Layout::new(Shape::from(sizes), strides, layout.start_offset())
}

/// A view of `shape` that repeats `tensor` along the axes in which it is one entry long.
fn repeated_to(shape: Shape, tensor: FlexTensor) -> FlexTensor {
    let layout = tensor.layout();
    if *layout.shape() == shape {
        return tensor;
    }
    let axes = layout
        .shape()
        .iter()
        .zip(layout.strides())
        .zip(shape.iter());
    let strides = axes
        .map(|((n, stride), wanted)| if n == wanted { *stride } else { 0 })
        .collect();
    let repeated = Layout::new(shape, strides, layout.start_offset());
    tensor.with_layout(repeated)
}

/// The shape of what two operands of one rank make.
fn together(lhs: &Shape, rhs: &Shape) -> Shape {
    let sizes = lhs.iter().zip(rhs.iter());
    Shape::from(
        sizes
            .map(|(l, r)| if *l == 1 { *r } else { *l })
            .collect::<Vec<_>>(),
    )
}

/// How two operands meet.
enum Broadcast<E> {
    /// Element by element, both in order.
    Alike,
    /// The left one with one number.
    Right(E),
    /// The right one with one number.
    Left(E),
    /// The right one repeated along the left one.
    RightRepeated(Repeat),
    /// The left one repeated along the right one.
    LeftRepeated(Repeat),
}

impl<E: Element> Broadcast<E> {
    /// None when the memory of an operand is not in order, or the shapes meet in another way.
    fn of(lhs: &FlexTensor, rhs: &FlexTensor) -> Option<Self> {
        let (left, right) = (lhs.shape(), rhs.shape());
        // A number takes the shape of the other operand, whose rank is that of the result.
        let fills = |number: &Shape, other: &Shape| {
            number == other || (number.num_elements() == 1 && number.num_dims() <= other.num_dims())
        };
        if fills(&right, &left)
            && in_order::<E>(lhs)
            && let Some(value) = uniform::<E>(rhs)
        {
            return Some(Self::Right(value));
        }
        if fills(&left, &right)
            && in_order::<E>(rhs)
            && let Some(value) = uniform::<E>(lhs)
        {
            return Some(Self::Left(value));
        }
        slice::<E>(lhs).and(slice::<E>(rhs))?;
        if left == right {
            return Some(Self::Alike);
        }
        let along_left = Repeat::along(&left, &right).map(Self::RightRepeated);
        along_left.or_else(|| Repeat::along(&right, &left).map(Self::LeftRepeated))
    }
}

/// Two operands of one shape, both in order.
fn zipped<E: Element>(
    function: impl Function2,
    mut lhs: FlexTensor,
    mut rhs: FlexTensor,
) -> FlexTensor {
    const ORDER: &str = "an operand in order";
    if let Some(x) = slice_mut::<E>(&mut lhs) {
        zip_in_place(function, x, slice(&rhs).expect(ORDER));
        return lhs;
    }
    if let Some(y) = slice_mut::<E>(&mut rhs) {
        zip_in_place(Flip(function), y, slice(&lhs).expect(ORDER));
        return rhs;
    }
    let (x, y) = (
        slice::<E>(&lhs).expect(ORDER),
        slice::<E>(&rhs).expect(ORDER),
    );
    from_vec(zip(function, x, y), lhs.shape())
}

/// A large operand and a small one, both in order.
fn repeated<E: Element>(
    function: impl Function2,
    mut large: FlexTensor,
    small: &FlexTensor,
    repeat: Repeat,
) -> FlexTensor {
    const ORDER: &str = "an operand in order";
    if slice_mut::<E>(&mut large).is_none() {
        large = from_vec(slice::<E>(&large).expect(ORDER).to_vec(), large.shape());
    }
    let x = slice_mut::<E>(&mut large).expect("memory of its own");
    repeat_in_place(function, x, slice(small).expect(ORDER), repeat);
    large
}

/// The sum of all elements, when they stand in order or are one.
fn total<E: Element>(tensor: &FlexTensor) -> Option<FlexTensor> {
    let total = match (slice::<E>(tensor), uniform::<E>(tensor)) {
        (Some(x), _) => sum(x),
        (None, Some(value)) => E::from_elem(value.to_f64() * tensor.shape().num_elements() as f64),
        (None, None) => return None,
    };
    Some(from_vec(vec![total], Shape::new([1])))
}

/// The sums along an axis, when the elements stand in order.
fn sums<E: Element>(tensor: &FlexTensor, dim: usize) -> Option<FlexTensor> {
    let mut shape = tensor.shape();
    let x = slice::<E>(tensor)?;
    let inner = shape[dim + 1..].iter().product();
    let sums = sums_along(x, [shape[..dim].iter().product(), shape[dim], inner]);
    shape[dim] = 1;
    Some(from_vec(sums, shape))
}
