//! Maxima over windows.

use burn_backend::{DType, Shape, TensorMetadata};
use burn_flex::FlexTensor;

use super::tensor::{from_vec, slice};
use crate::kernel::element::Element;
use crate::kernel::pooling::{largest_of_blocks, spread};

/// A window and how it moves.
pub struct Window {
    pub size: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub ceil_mode: bool,
}

impl Window {
    /// Whether windows stand side by side, nothing between them and nothing around.
    fn tiles(&self) -> bool {
        self.size == self.stride
            && self.padding == [0, 0]
            && self.dilation == [1, 1]
            && !self.ceil_mode
            && self.size.iter().all(|n| *n > 0)
    }
}

/// Maxima and where they are, for windows that tile a tensor in order; None for others.
pub fn maxima(x: &FlexTensor, window: &Window) -> Option<[FlexTensor; 2]> {
    if !window.tiles() {
        return None;
    }
    match x.dtype() {
        DType::F32 => maxima_of::<f32>(x, window.size),
        DType::F64 => maxima_of::<f64>(x, window.size),
        _ => None,
    }
}

fn maxima_of<E: Element + PartialOrd>(x: &FlexTensor, size: [usize; 2]) -> Option<[FlexTensor; 2]> {
    let [n, channels, height, width] = x.shape().dims();
    let (values, places) = largest_of_blocks(slice::<E>(x)?, [height, width], size);
    let shape = Shape::new([n, channels, height / size[0], width / size[1]]);
    let places = FlexTensor::new(
        burn_backend::Bytes::from_elems(places),
        burn_flex::Layout::contiguous(shape.clone()),
        DType::I64,
    );
    Some([from_vec(values, shape), places])
}

/// What came back from the maxima, where they are in tensors of `shape`; zeros elsewhere. None for
/// half precision, and for places of another type than [`maxima`] gives.
pub fn at_maxima(grad: &FlexTensor, places: &FlexTensor, shape: Shape) -> Option<FlexTensor> {
    if places.dtype() != DType::I64 {
        return None;
    }
    match grad.dtype() {
        DType::F32 => at_maxima_of::<f32>(grad, places, shape),
        DType::F64 => at_maxima_of::<f64>(grad, places, shape),
        _ => None,
    }
}

fn at_maxima_of<E: Element>(
    grad: &FlexTensor,
    places: &FlexTensor,
    shape: Shape,
) -> Option<FlexTensor> {
    let [_, _, height, width] = shape.dims();
    let [_, _, down, right] = grad.shape().dims();
    let (grad, places) = (grad.to_contiguous(), places.to_contiguous());
    let [blocks, plane] = [down * right, height * width];
    let values = spread(slice::<E>(&grad)?, places.as_slice()?, blocks, plane);
    Some(from_vec(values, shape))
}
