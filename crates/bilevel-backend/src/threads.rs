//! Whether a backend computes on the threads of this process.

use std::any::{TypeId, type_name};

use burn_backend::Backend;
use burn_flex::FlexDevice;

/// Whether `B` computes on the thread that asks it to, as [`Cpu`](crate::Cpu), `NdArray` of
/// `burn-ndarray` and tapes of them do: then several threads do more than one. Any other backend is
/// taken to be a device with a queue.
///
/// ```
/// use bilevel_backend::{Cpu, Tape, computes_on_threads};
/// use burn_ndarray::NdArray;
///
/// assert!(computes_on_threads::<Cpu>() && computes_on_threads::<Tape<NdArray<f64>>>());
/// ```
pub fn computes_on_threads<B: Backend>() -> bool {
    let is_flex = TypeId::of::<B::Device>() == TypeId::of::<FlexDevice>();
    // By name, for this crate does without that one.
    is_flex || type_name::<B::Device>().starts_with("burn_ndarray::")
}
