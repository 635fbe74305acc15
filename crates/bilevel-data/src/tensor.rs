//! Images to and from Burn tensors.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::GrayImage;

/// Stacks images of one size into a tensor `[images, 1, height, width]`.
///
/// ```
/// use bilevel_data::{GrayImage, from_tensor, to_tensor};
/// use burn_ndarray::NdArray;
///
/// let images = vec![GrayImage::new(3, 2, vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5]); 4];
/// let tensor = to_tensor::<NdArray>(&images, &Default::default());
/// assert_eq!(tensor.dims(), [4, 1, 2, 3]);
/// assert_eq!(from_tensor(tensor), images);
/// ```
///
/// # Panics
///
/// If there is no image, or if the sizes differ.
pub fn to_tensor<B: Backend>(images: &[GrayImage], device: &B::Device) -> Tensor<B, 4> {
    let first = images.first().expect("a tensor needs at least one image");
    let (width, height) = (first.width(), first.height());
    let mut pixels = Vec::with_capacity(images.len() * width * height);
    for (i, image) in images.iter().enumerate() {
        assert!(
            (image.width(), image.height()) == (width, height),
            "image {i} is {}x{}, image 0 is {width}x{height}: a batch needs one size",
            image.width(),
            image.height()
        );
        pixels.extend_from_slice(image.pixels());
    }
    Tensor::from_data(
        TensorData::new(pixels, [images.len(), 1, height, width]),
        device,
    )
}

/// Splits a tensor `[images, 1, height, width]` into images; the inverse of [`to_tensor`].
///
/// Values of another float type than f32 are rounded to it. Waits for the device.
///
/// # Panics
///
/// If the tensor has other than one channel, or has images without pixels.
pub fn from_tensor<B: Backend>(tensor: Tensor<B, 4>) -> Vec<GrayImage> {
    let [images, channels, height, width] = tensor.dims();
    assert!(
        channels == 1,
        "grey images have 1 channel, the tensor [{images}, {channels}, {height}, {width}] has \
         {channels}"
    );
    let pixels: Vec<f32> = tensor
        .into_data()
        .convert::<f32>()
        .into_vec()
        .expect("data converted to f32 are f32");
    let image = |i: usize| {
        let start = i * width * height;
        GrayImage::new(
            width,
            height,
            pixels[start..start + width * height].to_vec(),
        )
    };
    (0..images).map(image).collect()
}

#[cfg(test)]
mod tests {
    use burn_ndarray::NdArray;
    use proptest::prelude::*;

    use super::*;

    fn zeros(width: usize, height: usize) -> GrayImage {
        GrayImage::new(width, height, vec![0.0; width * height])
    }

    #[test]
    fn axes_are_image_channel_row_column() {
        let image = GrayImage::new(3, 2, vec![0.0, 0.1, 0.2, 1.0, 1.1, 1.2]);
        let tensor = to_tensor::<NdArray>(&[zeros(3, 2), image], &Default::default());
        let row: Vec<f32> = tensor
            .slice([1..2, 0..1, 1..2, 0..3])
            .into_data()
            .to_vec()
            .unwrap();
        assert_eq!(row, [1.0, 1.1, 1.2]);
    }

    #[test]
    #[should_panic(expected = "image 1 is 2x3, image 0 is 3x2")]
    fn mixed_sizes_are_named() {
        to_tensor::<NdArray>(&[zeros(3, 2), zeros(2, 3)], &Default::default());
    }

    #[test]
    #[should_panic(expected = "at least one image")]
    fn no_image_is_refused() {
        to_tensor::<NdArray>(&[], &Default::default());
    }

    #[test]
    #[should_panic(expected = "the tensor [2, 3, 4, 5] has 3")]
    fn colour_is_refused() {
        from_tensor(Tensor::<NdArray, 4>::zeros(
            [2, 3, 4, 5],
            &Default::default(),
        ));
    }

    proptest! {
        #[test]
        fn round_trip_is_exact_in_f32_and_f64(
            (width, height, images) in (1usize..5, 1usize..5, 1usize..4).prop_flat_map(|(w, h, n)| {
                let pixels = prop::collection::vec(-2.0f32..2.0, w * h);
                (Just(w), Just(h), prop::collection::vec(pixels, n))
            })
        ) {
            let images: Vec<_> =
                images.into_iter().map(|pixels| GrayImage::new(width, height, pixels)).collect();
            let single = to_tensor::<NdArray<f32>>(&images, &Default::default());
            prop_assert_eq!(&from_tensor(single), &images);
            let double = to_tensor::<NdArray<f64>>(&images, &Default::default());
            prop_assert_eq!(&from_tensor(double), &images);
        }
    }
}
