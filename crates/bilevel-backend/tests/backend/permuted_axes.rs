//! On `Wgpu`, functions of tensors whose axes were exchanged are those of their entries.
#![cfg(feature = "wgpu")]

use bilevel_backend::Wgpu;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};
use burn_flex::Flex;

/// Short axes last, among others: there Burn's reductions went wrong.
const SHAPES: [[usize; 4]; 6] = [
    [2, 2, 2, 12],
    [2, 1, 4, 36],
    [1, 2, 2, 12],
    [3, 2, 4, 5],
    [4, 4, 4, 4],
    [2, 3, 5, 8],
];

/// What was computed, and its numbers.
type Results = Vec<(String, Vec<f32>)>;

fn reductions<B: Backend>() -> Results {
    let mut results = Vec::new();
    let axes = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b)));
    for (shape, (a, b)) in SHAPES
        .into_iter()
        .flat_map(|shape| axes.clone().map(move |axes| (shape, axes)))
    {
        let numbers = (0..shape.iter().product::<usize>()).map(|i| (i * 7919 % 1009) as f32);
        let data = TensorData::new(numbers.map(|n| n / 1009.0 - 0.5).collect(), shape);
        let plain = Tensor::<B, 4>::from_data(data.clone(), &Default::default());
        // Distinct, so that there is one place of the largest.
        let ints = (plain.clone() * 1009.0).round().int().swap_dims(a, b);
        let above = plain.clone().greater_elem(0.3).swap_dims(a, b);
        let x = plain.swap_dims(a, b);
        // Nobody else holds its memory, so that operations may write into it.
        let own = || Tensor::<B, 4>::from_data(data.clone(), &Default::default()).swap_dims(a, b);
        // Factors near one.
        let near = x.clone() * 0.2 + x.clone().sign();
        let mut add = |name: &str, value: TensorData| {
            let name = format!("{name} of {shape:?} with axes {a} and {b} exchanged");
            results.push((name, value.iter::<f32>().collect()));
        };
        add("sum", x.clone().sum().into_data());
        add("mean", x.clone().mean().into_data());
        add("product", near.clone().prod().into_data());
        add("largest size", x.clone().max_abs().into_data());
        add("sum of integers", ints.clone().sum().into_data());
        add("bias of a linear map", bias_gradient(x.clone()).into_data());
        add("maximum", x.clone().max().into_data());
        add("minimum", x.clone().min().into_data());
        add("layer norm", layer_norm(x.clone()).into_data());
        for dim in 0..4 {
            let mut along = |name: &str, value: TensorData| add(&format!("{name} {dim}"), value);
            along("sum", x.clone().sum_dim(dim).into_data());
            along("mean", x.clone().mean_dim(dim).into_data());
            along("product", near.clone().prod_dim(dim).into_data());
            along("maximum", x.clone().max_dim(dim).into_data());
            along("minimum", x.clone().min_dim(dim).into_data());
            along("largest size", x.clone().max_abs_dim(dim).into_data());
            along("place of maximum", x.clone().argmax(dim).into_data());
            along("place of minimum", x.clone().argmin(dim).into_data());
            let (value, place) = x.clone().max_dim_with_indices(dim);
            along("maximum with place", value.into_data());
            along("place with maximum", place.into_data());
            along("running sum", x.clone().cumsum(dim).into_data());
            along("sorted", x.clone().sort(dim).into_data());
            let (value, place) = x.clone().min_dim_with_indices(dim);
            along("minimum with place", value.into_data());
            along("place with minimum", place.into_data());
            if x.dims()[dim] > 1 {
                along("largest", x.clone().topk(1, dim).into_data());
            }
            along("softmax", softmax(own(), dim).into_data());
            along("any", above.clone().any_dim(dim).float().into_data());
            along("all", above.clone().all_dim(dim).float().into_data());
            integers(&ints, dim, &mut along);
        }
    }
    results
}

fn integers<B: Backend>(
    x: &Tensor<B, 4, Int>,
    dim: usize,
    along: &mut impl FnMut(&str, TensorData),
) {
    along("sum of integers", x.clone().sum_dim(dim).into_data());
    along("maximum of integers", x.clone().max_dim(dim).into_data());
    along("minimum of integers", x.clone().min_dim(dim).into_data());
    along("mean of integers", x.clone().mean_dim(dim).into_data());
    along("size of integers", x.clone().max_abs_dim(dim).into_data());
    along("place among integers", x.clone().argmax(dim).into_data());
    along(
        "last place among integers",
        x.clone().argmin(dim).into_data(),
    );
    let signs = x.clone().clamp(-1, 1);
    along("product of integers", signs.prod_dim(dim).into_data());
}

/// The sum over all axes but the last, as the gradient of a linear map's bias.
fn bias_gradient<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 1> {
    let gradient = B::linear_bias_backward(x.into_primitive().tensor());
    Tensor::from_primitive(TensorPrimitive::Float(gradient))
}

fn layer_norm<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let width = x.dims()[3];
    let scale = Tensor::<B, 1>::ones([width], &x.device()) * 1.5;
    let [x, scale] = [x.into_primitive().tensor(), scale.into_primitive().tensor()];
    let y = B::layer_norm(x, scale.clone(), Some(scale), 1e-5);
    Tensor::from_primitive(TensorPrimitive::Float(y))
}

#[test]
fn are_computed_as_on_a_processor() {
    let right = reductions::<Flex>();
    for ((name, right), (_, found)) in right.into_iter().zip(reductions::<Wgpu>()) {
        assert_eq!(right.len(), found.len(), "{name}");
        for (right, found) in right.into_iter().zip(found) {
            let near = (right - found).abs() < 1e-4 * (1.0 + right.abs());
            assert!(near, "{name}: {found} instead of {right}");
        }
    }
}
