//! Piecewise linear functions of a tensor, where a backend has a kernel for them.

use std::any::Any;

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, DType, TensorMetadata};
use burn_flex::FlexTensor;

use crate::cpu::tensor::{from_vec, slice};
use crate::kernel::element::Element;
use crate::kernel::elementwise::piecewise::piecewise_linear as kernel;

/// A piecewise linear function of every entry, another one for each channel; `None` on backends without a
/// kernel for it.
///
/// ```text
/// y[n, c, p] = a[c, j] + s[c, j] t[n, c, p],   j = ⌊t[n, c, p]⌋ + pieces/2, at least 0 and less than pieces
/// ```
///
/// `t` is `[n, channels, …]`, intercepts `a` and slopes `s` are `[channels, pieces]`. One pass over memory,
/// however many pieces there are: [`Cpu`](crate::Cpu) takes a tenth of the time of the look-ups that Burn
/// offers. Not recorded on a tape.
pub fn piecewise_linear<B: Backend>(
    t: &FloatTensor<B>,
    intercepts: &FloatTensor<B>,
    slopes: &FloatTensor<B>,
) -> Option<FloatTensor<B>> {
    // `Cpu` and Flex hold their numbers in the same tensors; no other backend does.
    let flex = |t: &FloatTensor<B>| (t as &dyn Any).downcast_ref::<FlexTensor>().cloned();
    let (t, intercepts, slopes) = (flex(t)?, flex(intercepts)?, flex(slopes)?);
    let y = match t.dtype() {
        DType::F32 => on_flex::<f32>(&t, &intercepts, &slopes)?,
        DType::F64 => on_flex::<f64>(&t, &intercepts, &slopes)?,
        _ => return None,
    };
    let y: Box<dyn Any> = Box::new(y);
    y.downcast::<FloatTensor<B>>().ok().map(|y| *y)
}

fn on_flex<E: Element>(
    t: &FlexTensor,
    intercepts: &FlexTensor,
    slopes: &FlexTensor,
) -> Option<FlexTensor> {
    let shape = t.shape();
    let (channels, inner) = (shape[1], shape[2..].iter().product());
    let pairs = slice::<E>(intercepts)?.iter().zip(slice::<E>(slopes)?);
    let tables: Vec<(E, E)> = pairs.map(|(a, s)| (*a, *s)).collect();
    let y = kernel(slice::<E>(t)?, &tables, channels, inner);
    Some(from_vec(y, shape))
}
