//! The list of quantised tensor operations.

/// What Burn asks of every backend, and the few it has defaults for that both Flex and Autodiff
/// override. The other defaults dequantise, compute in floats and quantise again.
macro_rules! quantised_ops {
    ($inner:ty) => {
        delegate! { $inner, QTensorOps:
            fn q_from_data(data: TensorData, device: &Device<Self>) -> QuantizedTensor<Self>;
            fn quantize_dynamic(
                tensor: FloatTensor<Self>,
                scheme: &QuantScheme,
            ) -> QuantizedTensor<Self>;
            fn dequantize(tensor: QuantizedTensor<Self>, dtype: FloatDType) -> FloatTensor<Self>;
            fn q_device(tensor: &QuantizedTensor<Self>) -> Device<Self>;
            fn q_to_device(
                tensor: QuantizedTensor<Self>,
                device: &Device<Self>,
            ) -> QuantizedTensor<Self>;
            fn q_reshape(tensor: QuantizedTensor<Self>, shape: Shape) -> QuantizedTensor<Self>;
            fn q_into_data(
                tensor: QuantizedTensor<Self>,
            ) -> impl Future<Output = Result<TensorData, ExecutionError>> + Send;
            fn q_expand(tensor: QuantizedTensor<Self>, shape: Shape) -> QuantizedTensor<Self>;
            fn q_swap_dims(
                tensor: QuantizedTensor<Self>,
                dim1: usize,
                dim2: usize,
            ) -> QuantizedTensor<Self>;
            fn q_permute(tensor: QuantizedTensor<Self>, axes: &[usize]) -> QuantizedTensor<Self>;
            fn q_flip(tensor: QuantizedTensor<Self>, axes: &[usize]) -> QuantizedTensor<Self>;
            fn q_select(
                tensor: QuantizedTensor<Self>,
                dim: usize,
                indices: IntTensor<Self>,
            ) -> QuantizedTensor<Self>;
            fn q_slice(tensor: QuantizedTensor<Self>, slices: &[Slice]) -> QuantizedTensor<Self>;
            fn q_gather(
                dim: usize,
                tensor: QuantizedTensor<Self>,
                indices: IntTensor<Self>,
            ) -> QuantizedTensor<Self>;
            fn q_argmax(
                tensor: QuantizedTensor<Self>,
                dim: usize,
                out_dtype: IntDType,
            ) -> IntTensor<Self>;
            fn q_argmin(
                tensor: QuantizedTensor<Self>,
                dim: usize,
                out_dtype: IntDType,
            ) -> IntTensor<Self>;
        }

        fn quantize(
            tensor: FloatTensor<Self>,
            scheme: &QuantScheme,
            qparams: QuantizationParametersPrimitive<Self>,
        ) -> QuantizedTensor<Self> {
            let qparams = QuantizationParametersPrimitive {
                scales: qparams.scales,
            };
            <$inner as QTensorOps<$inner>>::quantize(tensor, scheme, qparams)
        }
    };
}
