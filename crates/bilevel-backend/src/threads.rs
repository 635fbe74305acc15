//! Whether a backend computes on the threads of this process.

use std::any::TypeId;

use burn_backend::Backend;
use burn_flex::FlexDevice;
use burn_ndarray::NdArrayDevice;

/// Whether `B` computes on the thread that asks it to, as [`Cpu`](crate::Cpu), [`NdArray`](crate::NdArray) and tapes of
/// them do: then several threads do more than one. Any other backend is taken to be a device with a queue.
///
/// ```
/// use bilevel_backend::{Cpu, NdArray, Tape, computes_on_threads};
///
/// assert!(computes_on_threads::<Cpu>() && computes_on_threads::<Tape<NdArray<f64>>>());
/// ```
pub fn computes_on_threads<B: Backend>() -> bool {
    let device = TypeId::of::<B::Device>();
    device == TypeId::of::<FlexDevice>() || device == TypeId::of::<NdArrayDevice>()
}
