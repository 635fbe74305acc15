//! The default backend: Burn's `Flex` with our own convolutions and element-wise arithmetic.

mod activation;
mod channels;
mod convolution;
mod float;
mod pooling;
mod product;
pub(crate) mod tensor;

use burn_backend::{DeviceError, get_device_settings, set_default_float_dtype};
use burn_flex::{Flex, FlexDevice, FlexQTensor, FlexTensor};

use crate::delegate::prelude::*;

/// The processor: Burn's [`Flex`] with the operations replaced that image models spend their time
/// in.
///
/// ```text
/// Cpu    convolutions in 1-d and 2-d, their adjoints; maxima over blocks; arithmetic, exponentials, masks,
///        sums: own kernels
///        everything else: Flex
/// ```
///
/// Tensors are `f32` unless made with another data type or after [`use_f64`](Self::use_f64); the
/// own kernels serve `f32` and `f64`. They use AVX-512 (in `f32`), AVX2 or NEON as found at run
/// time, and all threads of rayon's pool. Results do not depend on the number of threads. They
/// differ from Flex's by rounding only (relative, 1e-5 in `f32`, 1e-12 in `f64`); `exp`, `ln` and
/// `tanh` in `f32` are within 2 units in the last place.
///
/// ```
/// use bilevel_backend::Cpu;
/// use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};
///
/// let device = Default::default();
/// let x = Tensor::<Cpu, 4>::ones([1, 1, 4, 4], &device);
/// let w = Tensor::<Cpu, 4>::ones([2, 1, 3, 3], &device);
/// let y = conv2d(x, w, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
/// // A corner sees 4 pixels, an edge 6, the inside 9: 4 * 4 + 8 * 6 + 4 * 9 = 100, for two kernels.
/// assert_eq!(y.sum().into_scalar(), 200.0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Cpu {
    /// Makes the calling thread one of those that compute; call it first thing in `main`.
    ///
    /// Without it the calling thread hands each operation to rayon's pool and sleeps until it is
    /// done, which small tensors feel: a MAML gradient takes a quarter less time with it. Other
    /// threads may compute as before. Does nothing when rayon's global pool exists already.
    pub fn join_pool() {
        // An error says that there is a pool: it works, only not on this thread.
        let _ = rayon::ThreadPoolBuilder::new()
            .use_current_thread()
            .build_global();
    }

    /// From now on this process makes its tensors in `f64`: for checking derivatives, where `f32`
    /// would leave three digits of a difference. Call it before the first tensor.
    ///
    /// The type stays that of `f32`: `into_scalar` rounds to it, and so does Burn when it reads a
    /// record. Read numbers with `into_data`.
    ///
    /// # Errors
    /// If a tensor was made before in `f32`, for Burn fixes the float type of a device when it is
    /// first used.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use burn::tensor::{DType, Tensor};
    ///
    /// Cpu::use_f64()?;
    /// let third = Tensor::<Cpu, 1>::ones([1], &Default::default()) / 3.0;
    /// assert_eq!(third.dtype(), DType::F64);
    /// assert_eq!(third.into_data().to_vec::<f64>().unwrap(), [1.0 / 3.0]);
    /// # Ok::<(), bilevel_backend::DeviceError>(())
    /// ```
    pub fn use_f64() -> Result<(), DeviceError> {
        let device = FlexDevice;
        let set = set_default_float_dtype::<Self>(&device, FloatDType::F64);
        match get_device_settings::<Self>(&device).float_dtype {
            FloatDType::F64 => Ok(()),
            _ => set,
        }
    }
}

impl BackendTypes for Cpu {
    type Device = FlexDevice;

    type FloatTensorPrimitive = FlexTensor;
    type FloatElem = f32;

    type IntTensorPrimitive = FlexTensor;
    type IntElem = i32;

    type BoolTensorPrimitive = FlexTensor;
    type BoolElem = bool;

    type QuantizedTensorPrimitive = FlexQTensor;
}

impl Backend for Cpu {
    backend_ops!(Flex);

    fn name(_device: &Self::Device) -> String {
        "cpu".to_owned()
    }
}

impl IntTensorOps<Self> for Cpu {
    int_ops!(Flex);
    int_reduction_ops!(Flex);
}

impl BoolTensorOps<Self> for Cpu {
    bool_ops!(Flex);
}

impl QTensorOps<Self> for Cpu {
    quantised_ops!(Flex);
}

impl TransactionOps<Self> for Cpu {}
