//! Every differentiable operation of Burn's `FloatTensorOps`.

use burn::tensor::backend::Backend;
use burn::tensor::ops::{GridSampleOptions, GridSamplePaddingMode, InterpolateMode, PadMode};
use burn::tensor::{DType, Tensor, TensorPrimitive, s};
use burn_backend::tensor::IndexingUpdateOp;

use crate::case::{Cases, Inputs};

pub fn add<B: Backend>(c: &mut Cases<B>) {
    arithmetic(c);
    elementary(c);
    rounding(c);
    reductions(c);
    order(c);
    shapes(c);
    indexing(c);
    sampling(c);
}

fn arithmetic<B: Backend>(c: &mut Cases<B>) {
    c.section("Arithmetic");
    c.add("add", |i| i.tensor([3, 4]) + i.tensor([3, 1]));
    c.add("add_scalar", |i| i.tensor([3, 4]) + 0.7);
    c.add("sub", |i| i.tensor([3, 4]) - i.tensor([1, 4]));
    c.add("sub_scalar", |i| i.tensor([3, 4]) - 0.7);
    c.add("mul", |i| i.tensor([3, 4]) * i.tensor([3, 4]));
    c.add("mul, broadcast", |i| i.tensor([3, 1]) * i.tensor([1, 4]));
    c.add("mul_scalar", |i| i.tensor([3, 4]) * 0.7);
    c.add("div", |i| i.tensor([3, 4]) / i.positive([3, 4]));
    c.add("div, broadcast", |i| i.tensor([3, 1]) / i.positive([1, 4]));
    c.add("div_scalar", |i| i.tensor([3, 4]) / 0.7);
    c.add("remainder", |i| {
        i.tensor([3, 4]).remainder(i.positive([3, 4]))
    });
    c.add("remainder_scalar", |i| {
        i.tensor([3, 4]).remainder_scalar(0.7)
    });
    c.add("neg", |i| -i.tensor([3, 4]));
    c.add("recip", |i| i.positive([3, 4]).recip());
    c.add("matmul", |i| {
        i.tensor([2, 3, 4]).matmul(i.tensor([2, 4, 2]))
    });
    c.add("matmul, broadcast", |i| {
        i.tensor([2, 3, 4]).matmul(i.tensor([1, 4, 2]))
    });
    c.add("cross", |i| i.tensor([4, 3]).cross(i.tensor([4, 3]), 1));
    c.add("cast", |i| {
        let x: Tensor<B, 2> = i.tensor([3, 4]);
        let dtype = x.dtype();
        x.cast(DType::F64).powi_scalar(2).cast(dtype)
    });
}

fn elementary<B: Backend>(c: &mut Cases<B>) {
    c.section("Elementary functions");
    c.add("exp", |i| i.tensor([3, 4]).exp());
    c.add("log", |i| i.positive([3, 4]).log());
    c.add("log1p", |i| i.positive([3, 4]).log1p());
    c.add("sqrt", |i| i.positive([3, 4]).sqrt());
    c.add("abs", |i| i.tensor([3, 4]).abs());
    c.add("erf", |i| i.tensor([3, 4]).erf());
    c.add("powf", |i| i.positive([3, 4]).powf(i.tensor([3, 4])));
    c.add("powf_scalar 2.5", |i| i.positive([3, 4]).powf_scalar(2.5));
    c.add("powf_scalar -0.5", |i| i.positive([3, 4]).powf_scalar(-0.5));
    c.add("powi", |i| {
        let exponents = i.ints(&[1, 2, 3, -1], [1, 4]);
        let x = i.positive([3, 4]).into_primitive().tensor();
        let exponents = exponents.repeat_dim(0, 3).into_primitive();
        Tensor::<B, 2>::from_primitive(TensorPrimitive::Float(B::float_powi(x, exponents)))
    });
    c.add("powi_scalar 2", |i| i.tensor([3, 4]).powi_scalar(2));
    c.add("powi_scalar 3", |i| i.tensor([3, 4]).powi_scalar(3));
    c.add("powi_scalar -1", |i| i.positive([3, 4]).powi_scalar(-1));
    c.add("powi_scalar -2", |i| i.positive([3, 4]).powi_scalar(-2));
    c.add("sin", |i| i.tensor([3, 4]).sin());
    c.add("cos", |i| i.tensor([3, 4]).cos());
    c.add("tan", |i| i.unit([3, 4]).tan());
    c.add("sinh", |i| i.tensor([3, 4]).sinh());
    c.add("cosh", |i| i.tensor([3, 4]).cosh());
    c.add("tanh", |i| i.tensor([3, 4]).tanh());
    c.add("asin", |i| i.unit([3, 4]).asin());
    c.add("acos", |i| i.unit([3, 4]).acos());
    c.add("atan", |i| i.tensor([3, 4]).atan());
    c.add("asinh", |i| i.tensor([3, 4]).asinh());
    c.add("acosh", |i| (i.positive([3, 4]) + 1.0).acosh());
    c.add("atanh", |i| i.unit([3, 4]).atanh());
    c.add("atan2", |i| i.tensor([3, 4]).atan2(i.positive([3, 4])));
}

/// Their derivative is zero, which a product with the input makes visible.
fn rounding<B: Backend>(c: &mut Cases<B>) {
    c.section("Rounding (derivative zero)");
    fn times<B: Backend>(
        i: &mut Inputs<B>,
        step: fn(Tensor<B, 2>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let x = i.tensor([3, 4]);
        step(x.clone() * 3.0) * x
    }
    c.add("round", |i| times(i, Tensor::round));
    c.add("floor", |i| times(i, Tensor::floor));
    c.add("ceil", |i| times(i, Tensor::ceil));
    c.add("trunc", |i| times(i, Tensor::trunc));
    c.add("sign", |i| times(i, Tensor::sign));
}

fn reductions<B: Backend>(c: &mut Cases<B>) {
    c.section("Reductions");
    c.add("sum", |i| i.tensor([3, 4]).powi_scalar(3).sum());
    c.add("sum_dim", |i| i.tensor([3, 4]).powi_scalar(3).sum_dim(1));
    c.add("mean", |i| i.tensor([3, 4]).powi_scalar(3).mean());
    c.add("mean_dim", |i| i.tensor([3, 4]).powi_scalar(3).mean_dim(0));
    c.add("var", |i| i.tensor([3, 4]).var(1));
    c.add("prod", |i| i.tensor([2, 3]).prod());
    c.add("prod_dim", |i| i.tensor([5, 2]).prod_dim(0));
    c.add("prod_dim, with a zero", |i| {
        Tensor::cat(vec![i.tensor([2, 3]), i.zeros([2, 1]), i.tensor([2, 2])], 1).prod_dim(1)
    });
    c.add("cumsum", |i| i.tensor([3, 4]).cumsum(1));
    c.add("cumprod", |i| i.tensor([3, 4]).cumprod(1));
    c.add("cummin", |i| i.tensor([3, 4]).cummin(1));
    c.add("cummax", |i| i.tensor([3, 4]).cummax(1));
}

fn order<B: Backend>(c: &mut Cases<B>) {
    c.section("Order");
    c.add("max", |i| i.tensor([3, 4]).powi_scalar(3).max());
    c.add("min", |i| i.tensor([3, 4]).powi_scalar(3).min());
    c.add("max_dim", |i| i.tensor([3, 4]).powi_scalar(3).max_dim(1));
    c.add("min_dim", |i| i.tensor([3, 4]).powi_scalar(3).min_dim(0));
    c.add("max_dim_with_indices", |i| {
        i.tensor([3, 4]).max_dim_with_indices(1).0
    });
    c.add("min_dim_with_indices", |i| {
        i.tensor([3, 4]).min_dim_with_indices(1).0
    });
    c.add("max_abs", |i| i.tensor([3, 4]).max_abs());
    c.add("max_abs_dim", |i| i.tensor([3, 4]).max_abs_dim(1));
    c.add("max_pair", |i| i.tensor([3, 4]).max_pair(i.tensor([3, 4])));
    c.add("clamp", |i| i.tensor([3, 4]).clamp(-0.5, 0.7));
    c.add("clamp_min", |i| i.tensor([3, 4]).clamp_min(-0.5));
    c.add("clamp_max", |i| i.tensor([3, 4]).clamp_max(0.7));
    c.add("sort", |i| i.tensor([3, 4]).sort(1));
    c.add("sort_descending", |i| i.tensor([3, 4]).sort_descending(0));
    c.add("sort_with_indices", |i| {
        i.tensor([3, 4]).sort_with_indices(1).0
    });
    c.add("topk", |i| i.tensor([3, 4]).topk(2, 1));
    c.add("median", |i| i.tensor([3, 5]).median(1));
}

fn shapes<B: Backend>(c: &mut Cases<B>) {
    c.section("Shapes");
    c.add("reshape", |i| i.tensor([3, 4]).reshape([2, 6]));
    c.add("transpose", |i| i.tensor([3, 4]).transpose());
    c.add("swap_dims", |i| i.tensor([2, 3, 4]).swap_dims(0, 2));
    c.add("permute", |i| i.tensor([2, 3, 4]).permute([1, 2, 0]));
    c.add("flip", |i| i.tensor([3, 4]).flip([0, 1]));
    c.add("expand", |i| i.tensor([3, 1]).expand([2, 3, 4]));
    c.add("repeat_dim", |i| i.tensor([3, 1]).repeat_dim(1, 3));
    c.add("repeat_dim of several", |i| {
        i.tensor([3, 2]).repeat_dim(0, 2)
    });
    c.add("cat", |i| {
        Tensor::cat(vec![i.tensor([3, 2]), i.tensor([3, 1])], 1)
    });
    c.add("pad, constant", |i| i.tensor([3, 4]).pad((1, 2, 0, 1), 0.5));
    c.add("pad, reflect", |i| {
        i.tensor([3, 4]).pad((1, 2, 0, 1), PadMode::Reflect)
    });
    c.add("pad, edge", |i| {
        i.tensor([3, 4]).pad((1, 2, 0, 1), PadMode::Edge)
    });
    c.add("unfold", |i| i.tensor([2, 7]).unfold::<3, _>(1, 3, 2));
    c.add("to_device", |i| {
        let device = i.device.clone();
        i.tensor([3, 4]).to_device(&device)
    });
}

fn indexing<B: Backend>(c: &mut Cases<B>) {
    c.section("Indexing");
    c.add("slice", |i| i.tensor([3, 4]).slice([0..2, 1..4]));
    c.add("slice with steps", |i| {
        i.tensor([4, 7]).slice(s![..;-1, 1..;2])
    });
    c.add("slice_assign", |i| {
        i.tensor([3, 4])
            .slice_assign([0..2, 1..3], i.tensor([2, 2]))
    });
    c.add("select", |i| {
        let indices = i.ints(&[0, 2, 2], [3]);
        i.tensor([3, 4]).select(0, indices)
    });
    c.add("select_add", |i| {
        let indices = i.ints(&[0, 2, 2], [3]);
        i.tensor([3, 4])
            .select_assign(0, indices, i.tensor([3, 4]), IndexingUpdateOp::Add)
    });
    c.add("gather", |i| {
        let indices = i.ints(&[0, 0, 3, 1, 2, 2], [3, 2]);
        i.tensor([3, 4]).gather(1, indices)
    });
    c.add("scatter_add", |i| {
        let indices = i.ints(&[0, 0, 3, 1, 2, 2], [3, 2]);
        i.tensor([3, 4])
            .scatter(1, indices, i.tensor([3, 2]), IndexingUpdateOp::Add)
    });
    c.add("gather_nd, rows by two axes of three", |i| {
        let indices = Tensor::from_data([[[1, 0], [0, 2]], [[1, 0], [1, 1]]], &Default::default());
        i.tensor([2, 3, 4]).gather_nd::<3, 3>(indices)
    });
    c.add("gather_nd", |i| {
        let indices = i.ints(&[0, 1, 2, 3, 0, 1], [3, 2]);
        i.tensor([3, 4]).gather_nd::<2, 1>(indices)
    });
    c.add("scatter_nd, add", |i| scatter_nd(i, IndexingUpdateOp::Add));
    c.add("scatter_nd, assign", |i| {
        scatter_nd(i, IndexingUpdateOp::Assign)
    });
    c.add("scatter_nd, mul", |i| scatter_nd(i, IndexingUpdateOp::Mul));
    c.add("scatter_nd, min", |i| scatter_nd(i, IndexingUpdateOp::Min));
    c.add("scatter_nd, max", |i| scatter_nd(i, IndexingUpdateOp::Max));
    c.add("mask_where", |i| {
        let mask = i.constant([3, 4]).greater_elem(0.0);
        i.tensor([3, 4]).mask_where(mask, i.tensor([3, 4]))
    });
    c.add("mask_fill", |i| {
        let mask = i.constant([3, 4]).greater_elem(0.0);
        i.tensor([3, 4]).mask_fill(mask, 0.5)
    });
}

fn scatter_nd<B: Backend>(i: &mut Inputs<B>, update: IndexingUpdateOp) -> Tensor<B, 2> {
    let indices = i.ints(&[0, 1, 2, 3, 1, 0], [3, 2]);
    i.tensor([3, 4])
        .scatter_nd::<2, 1>(indices, i.tensor([3]), update)
}

fn sampling<B: Backend>(c: &mut Cases<B>) {
    c.section("Sampling on a grid (in the image and in the grid)");
    c.add("grid_sample_2d, zeros", |i| {
        grid_sample(i, GridSamplePaddingMode::Zeros)
    });
    c.add("grid_sample_2d, border", |i| {
        grid_sample(i, GridSamplePaddingMode::Border)
    });
    c.add("grid_sample_2d, reflection", |i| {
        grid_sample(i, GridSamplePaddingMode::Reflection)
    });
}

fn grid_sample<B: Backend>(i: &mut Inputs<B>, padding: GridSamplePaddingMode) -> Tensor<B, 4> {
    let options = GridSampleOptions::new(InterpolateMode::Bilinear).with_padding_mode(padding);
    i.tensor([1, 2, 5, 4])
        .grid_sample_2d(i.tensor([1, 3, 3, 2]), options)
}
