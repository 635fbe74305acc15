//! Deformable convolution out of operations that can be recorded.

use burn_backend::{TensorMetadata, get_device_settings};

use crate::delegate::prelude::*;

/// A convolution that looks beside its grid, where the offsets say.
///
/// ```text
/// y_o(p) = b_o + Σ_{c, t} W_{o c t} m_t(p) x_c(s p − P + d t + Δ_t(p))        t over the taps of the kernel, c over the weight group of o
/// ```
///
/// `x_c` between pixels is bilinear, and zero outside. Stride `s`, padding `P`, dilation `d`;
/// offsets `Δ`, for each group of channels its own: `[images, offset groups · taps · 2, rows,
/// columns]`, y before x; masks `m`: `[images, offset groups · taps, rows, columns]`. Costs four
/// look-ups for every channel, tap and pixel, and one matrix product.
///
/// # Panics
/// If the offsets do not have the height and width of the output.
pub(super) fn convolution<K: Backend>(
    x: FloatTensor<K>,
    offset: FloatTensor<K>,
    weight: FloatTensor<K>,
    mask: Option<FloatTensor<K>>,
    bias: Option<FloatTensor<K>>,
    options: DeformConvOptions<2>,
) -> FloatTensor<K> {
    let [images, channels, height, width]: [usize; 4] = x.shape().dims();
    let [outputs, inputs, kernel_height, kernel_width]: [usize; 4] = weight.shape().dims();
    let [_, _, rows, columns]: [usize; 4] = offset.shape().dims();
    let (taps, pixels) = (kernel_height * kernel_width, rows * columns);
    let expected = [0, 1].map(|axis| {
        let reach = options.dilation[axis] * ([kernel_height, kernel_width][axis] - 1) + 1;
        let length = [height, width][axis] + 2 * options.padding[axis];
        (length - reach) / options.stride[axis] + 1
    });
    assert_eq!(
        [rows, columns],
        expected,
        "offsets have {rows}x{columns} places, the output has {expected:?}"
    );
    let offset_groups = options.offset_groups;
    let looks = taps * pixels;

    let offsets = K::float_reshape(offset, Shape::new([images, offset_groups, taps, 2, pixels]));
    let [y, x_axis] = [(0, height), (1, width)].map(|(axis, length)| {
        let whole = [images, offset_groups, taps].map(|n| Slice::from(0..n));
        let [direction, all] = [axis..axis + 1, 0..pixels].map(Slice::from);
        let ranges: Vec<Slice> = whole.into_iter().chain([direction, all]).collect();
        let offset = K::float_slice(offsets.clone(), &ranges);
        let offset = K::float_reshape(offset, Shape::new([images, offset_groups, looks]));
        let grid = grid::<K>(
            axis,
            [kernel_height, kernel_width],
            [rows, columns],
            &options,
            &offset,
        );
        neighbours::<K>(K::float_add(offset, grid), length)
    });

    let each = channels / offset_groups;
    let all = Shape::new([images, offset_groups, each, looks]);
    let spread = |one: FloatTensor<K>| {
        let one = K::float_reshape(one, Shape::new([images, offset_groups, 1, looks]));
        K::float_expand(one, all.clone())
    };
    let maps = K::float_reshape(x, Shape::new([images, offset_groups, each, height * width]));
    let corner = |y: &Neighbour<K>, x: &Neighbour<K>| {
        let row = K::int_mul_scalar(y.index.clone(), (width as i64).into());
        let index = K::int_add(row, x.index.clone());
        let index = K::int_reshape(index, Shape::new([images, offset_groups, 1, looks]));
        let seen = K::float_gather(3, maps.clone(), K::int_expand(index, all.clone()));
        K::float_mul(
            seen,
            spread(K::float_mul(y.weight.clone(), x.weight.clone())),
        )
    };
    let corners = y.iter().flat_map(|y| x_axis.iter().map(move |x| (y, x)));
    let sampled = corners.map(|(y, x)| corner(y, x)).reduce(K::float_add);
    let mut sampled = sampled.expect("there are four corners");
    if let Some(mask) = mask {
        sampled = K::float_mul(sampled, spread(mask));
    }

    let weight_groups = options.weight_groups;
    let sampled = K::float_reshape(
        sampled,
        Shape::new([images, weight_groups, inputs * taps, pixels]),
    );
    let weight = K::float_reshape(
        weight,
        Shape::new([1, weight_groups, outputs / weight_groups, inputs * taps]),
    );
    let weight = K::float_expand(
        weight,
        Shape::new([
            images,
            weight_groups,
            outputs / weight_groups,
            inputs * taps,
        ]),
    );
    let shape = Shape::new([images, outputs, rows, columns]);
    let y = K::float_reshape(K::float_matmul(weight, sampled), shape.clone());
    match bias {
        Some(bias) => {
            let bias = K::float_reshape(bias, Shape::new([1, outputs, 1, 1]));
            K::float_add(y, K::float_expand(bias, shape))
        }
        None => y,
    }
}

/// Where each tap would look along an axis without an offset: `s p − P + d t`, in the shape and
/// type of the offsets.
fn grid<K: Backend>(
    axis: usize,
    kernel: [usize; 2],
    output: [usize; 2],
    options: &DeformConvOptions<2>,
    offset: &FloatTensor<K>,
) -> FloatTensor<K> {
    let [_, taps_in_row] = kernel;
    let [rows, columns] = output;
    let place = |tap: usize, pixel: usize| {
        let tap = [tap / taps_in_row, tap % taps_in_row][axis];
        let pixel = [pixel / columns, pixel % columns][axis];
        let seen = pixel * options.stride[axis] + tap * options.dilation[axis];
        seen as f32 - options.padding[axis] as f32
    };
    let taps = 0..kernel.iter().product();
    let places: Vec<f32> = taps
        .flat_map(|tap| (0..rows * columns).map(move |pixel| place(tap, pixel)))
        .collect();
    let length = places.len();
    let data = TensorData::new(places, [1, 1, length]).convert_dtype(offset.dtype());
    let grid = K::float_from_data(data, &K::float_device(offset));
    K::float_expand(grid, offset.shape())
}

/// A pixel beside a place on an axis, and its part in the value there.
struct Neighbour<K: Backend> {
    index: IntTensor<K>,
    weight: FloatTensor<K>,
}

/// The pixels before and behind, those outside with weight zero.
fn neighbours<K: Backend>(place: FloatTensor<K>, length: usize) -> [Neighbour<K>; 2] {
    let settings = get_device_settings::<K>(&K::float_device(&place));
    let floor = K::float_floor(place.clone());
    let behind = K::float_sub(place, floor.clone());
    let before = K::float_add_scalar(K::float_neg(behind.clone()), 1.0.into());
    let first = K::float_into_int(floor, settings.int_dtype);
    let neighbour = |steps: i64, weight| {
        let index = K::int_add_scalar(first.clone(), steps.into());
        let last = length as i64 - 1;
        let inside = K::int_clamp(index.clone(), 0i64.into(), last.into());
        let outside = K::int_not_equal(index, inside.clone(), settings.bool_dtype);
        Neighbour {
            index: inside,
            weight: K::float_mask_fill(weight, outside, 0.0.into()),
        }
    };
    [neighbour(0, before), neighbour(1, behind)]
}
