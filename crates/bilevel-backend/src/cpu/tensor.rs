//! Reading and writing the memory of a tensor.

use std::any::Any;

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, Bytes, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::kernel::element::Element;

/// The tensor as Flex holds it, on the backends that do: `Cpu` and Flex.
pub fn flex<B: Backend>(tensor: &FloatTensor<B>) -> Option<FlexTensor> {
    (tensor as &dyn Any).downcast_ref::<FlexTensor>().cloned()
}

/// A Flex tensor as one of `B`, where [`flex`] gives one.
pub fn unflex<B: Backend>(tensor: FlexTensor) -> Option<FloatTensor<B>> {
    let tensor: Box<dyn Any> = Box::new(tensor);
    tensor
        .downcast::<FloatTensor<B>>()
        .ok()
        .map(|tensor| *tensor)
}

/// A tensor of `shape` that owns `values`.
pub fn from_vec<E: Element>(values: Vec<E>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape),
        E::dtype(),
    )
}

/// The elements of a tensor in order, when they stand so in memory.
pub fn slice<E: Element>(tensor: &FlexTensor) -> Option<&[E]> {
    tensor.as_slice()
}

/// The elements in order, to be overwritten, when nobody else holds the memory.
pub fn slice_mut<E: Element>(tensor: &mut FlexTensor) -> Option<&mut [E]> {
    let (start, end) = tensor.layout().contiguous_offsets()?;
    Some(&mut tensor.try_storage_mut()?[start..end])
}

/// The one value that every element of a tensor has, when the tensor is an expanded scalar.
pub fn uniform<E: Element>(tensor: &FlexTensor) -> Option<E> {
    let layout = tensor.layout();
    let repeated = layout
        .shape()
        .iter()
        .zip(layout.strides())
        .all(|(n, s)| *n == 1 || *s == 0);
    (repeated && layout.num_elements() > 0).then(|| tensor.storage::<E>()[layout.start_offset()])
}

/// An expanded scalar: every element is `value`, held once.
pub fn expanded<E: Element>(value: E, shape: Shape) -> FlexTensor {
    let strides = vec![0; shape.num_dims()];
    FlexTensor::new(
        Bytes::from_elems(vec![value]),
        Layout::new(shape, strides, 0),
        E::dtype(),
    )
}
