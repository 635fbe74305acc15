//! The lists of activation functions.

/// What every decorator forwards.
macro_rules! activation_ops {
    ($inner:ty) => {
        delegate! { $inner, ActivationOps:
            fn leaky_relu(tensor: FloatTensor<Self>, negative_slope: Scalar) -> FloatTensor<Self>;
            fn relu(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
            fn relu_backward(
                output: FloatTensor<Self>,
                grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn prelu(tensor: FloatTensor<Self>, alpha: FloatTensor<Self>) -> FloatTensor<Self>;
            fn sigmoid_backward(
                output: FloatTensor<Self>,
                grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
            fn log_sigmoid(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
            fn softmax(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
            fn log_softmax(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
            fn softmin(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
            fn log_sigmoid_backward(
                x: FloatTensor<Self>,
                grad: FloatTensor<Self>,
            ) -> FloatTensor<Self>;
        }
    };
}

/// What a tape composes of other operations, because burn-autodiff approximates it (`gelu`) or
/// leaves the precision of `f64` (`sigmoid`, `hard_sigmoid`).
macro_rules! composed_activation_ops {
    ($inner:ty) => {
        delegate! { $inner, ActivationOps:
            fn gelu(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
            fn gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;
            fn sigmoid(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
            fn hard_sigmoid(
                tensor: FloatTensor<Self>,
                alpha: Scalar,
                beta: Scalar,
            ) -> FloatTensor<Self>;
        }
    };
}
