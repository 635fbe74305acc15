//! Forwarding a whole backend to another one.
//!
//! Burn's `Backend` is some 370 functions. A decorator changes a few of them and passes the rest
//! on, so each trait has its signatures written down once, in lists that are split by who overrides
//! what:
//!
//! | list | `Tape<B>` over `Autodiff<B>` | `Cpu` over `Flex` | `Wgpu` over Burn's |
//! |---|---|---|---|
//! | `backend_ops!`, `int_ops!`, `bool_ops!`, `quantised_ops!` | forwards | forwards | forwards |
//! | `float_ops!`, `module_ops!` | forwards | forwards | forwards |
//! | `activation_ops!` | forwards | forwards | leaves to Burn's compositions |
//! | `arithmetic_ops!`, `convolution_ops!`, `pooling_ops!` | forwards | writes | forwards |
//! | `transposed_convolution_ops!` | forwards | writes | writes |
//! | `patched_float_ops!`, `patched_module_ops!` | forwards | forwards | writes |
//! | `reduction_ops!`, `int_reduction_ops!` | forwards | forwards | forwards, in order |
//! | `composed_float_ops!`, `backward_ops!` | writes | forwards | forwards |
//! | `composed_activation_ops!` | writes | forwards | leaves to Burn's compositions |
//! | `patched_backward_ops!` | writes | forwards | writes |
//! | `product_ops!` | writes | forwards | forwards, in order |
//! | the gradients of 1-d and 2-d convolutions; `float_div_scalar`, sums, means, `exp`, `tanh` | writes | writes | writes |
//!
//! A list is used inside the implementation, for a decorator whose tensors are those of the inner
//! backend; the names of its types come from the [`prelude`]:
//!
//! ```text
//! impl FloatTensorOps<Self> for Cpu {
//!     float_ops!(Flex);
//!     composed_float_ops!(Flex);
//!     fn float_add(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> { ... }
//! }
//! ```

/// `fn name(argument: Type, ..) -> Type;` becomes a function that calls the inner backend's.
macro_rules! delegate {
    ($inner:ty, $trait:ident: $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        $(
            fn $name($($arg: $ty),*) $(-> $ret)? {
                <$inner as $trait<$inner>>::$name($($arg),*)
            }
        )*
    };
}

/// The same, with something done to the first tensor before: for lists of what only decorators over
/// a wrong backend change.
macro_rules! delegate_after {
    ($inner:ty, $trait:ident, $before:path:
        $(fn $name:ident($tensor:ident: $whose:ty $(, $arg:ident: $ty:ty)* $(,)?) -> $ret:ty;)*
    ) => {
        $(
            fn $name($tensor: $whose $(, $arg: $ty)*) -> $ret {
                <$inner as $trait<$inner>>::$name($before($tensor) $(, $arg)*)
            }
        )*
    };
}

/// What a backend says about its devices, except its name and whether it records.
macro_rules! backend_ops {
    ($inner:ty) => {
        fn memory_persistent_allocations<
            Output: Send,
            Input: Send,
            Func: Fn(Input) -> Output + Send,
        >(
            device: &Self::Device,
            input: Input,
            func: Func,
        ) -> Output {
            <$inner as Backend>::memory_persistent_allocations(device, input, func)
        }

        fn memory_cleanup(device: &Self::Device) {
            <$inner as Backend>::memory_cleanup(device)
        }

        fn seed(device: &Self::Device, seed: u64) {
            <$inner as Backend>::seed(device, seed)
        }

        fn sync(device: &Self::Device) -> Result<(), ExecutionError> {
            <$inner as Backend>::sync(device)
        }

        fn staging<'a, Iter>(data: Iter, device: &Self::Device)
        where
            Iter: Iterator<Item = &'a mut TensorData>,
        {
            <$inner as Backend>::staging(data, device)
        }

        fn supports_dtype(device: &Self::Device, dtype: DType) -> bool {
            <$inner as Backend>::supports_dtype(device, dtype)
        }

        fn dtype_usage(device: &Self::Device, dtype: DType) -> DTypeUsageSet {
            <$inner as Backend>::dtype_usage(device, dtype)
        }

        fn device_count(type_id: u16) -> usize {
            <$inner as Backend>::device_count(type_id)
        }
    };
}

#[macro_use]
mod activation;
#[macro_use]
mod boolean;
#[macro_use]
mod float;
#[macro_use]
mod int;
#[macro_use]
mod module;
#[macro_use]
mod quantised;

/// Every name that the lists mention.
pub(crate) mod prelude {
    pub(crate) use core::future::Future;
    pub(crate) use core::ops::Range;

    pub(crate) use burn_backend::backend::{Backend, BackendTypes, DTypeUsageSet, ExecutionError};
    pub(crate) use burn_backend::ops::{
        ActivationOps, AttentionModuleOptions, BoolTensorOps, ConvOptions, ConvTransposeOptions,
        DeformConv2dBackward, DeformConvOptions, FloatTensorOps, GridSampleOptions, IntTensorOps,
        InterpolateOptions, MaxPool1dBackward, MaxPool1dWithIndices, MaxPool2dBackward,
        MaxPool2dWithIndices, ModuleOps, QTensorOps, TransactionOps, UnfoldOptions,
    };
    pub(crate) use burn_backend::quantization::{QuantScheme, QuantizationParametersPrimitive};
    pub(crate) use burn_backend::tensor::{
        BoolTensor, Device, FloatTensor, IndexingUpdateOp, IntTensor, QuantizedTensor,
    };
    pub(crate) use burn_backend::{
        BoolDType, DType, Distribution, FloatDType, IntDType, Scalar, Shape, Slice, TensorData,
    };
}
