//! Random training crops.

use rand::RngExt;

use crate::random::{Purpose, generator};
use crate::{Error, ErrorKind, GrayImage, NamedImage};

/// Square training crops, drawn at random without keeping a generator.
///
/// A crop is a uniformly chosen image, a uniformly chosen position in it and a uniformly chosen
/// [symmetry of the square](GrayImage::symmetry). Batches are a pure function of the seed and the
/// step: a run that is resumed at step 1000 sees the batches it would have seen, and two methods
/// with the same seed are compared on the same data.
///
/// ```
/// use bilevel_data::{GrayImage, NamedImage, RandomCrops};
///
/// let image = GrayImage::new(64, 48, (0..64 * 48).map(|i| i as f32).collect());
/// let crops = RandomCrops::new(vec![NamedImage { name: "ramp".into(), image }], 32, 7)?;
///
/// let batch = crops.batch(1000, 4);
/// assert_eq!(batch.len(), 4);
/// assert_eq!((batch[0].width(), batch[0].height()), (32, 32));
/// assert_eq!(batch, crops.batch(1000, 4));
/// # Ok::<(), bilevel_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RandomCrops {
    images: Vec<NamedImage>,
    size: usize,
    seed: u64,
}

impl RandomCrops {
    /// Crops of `size` x `size` pixels from `images`.
    ///
    /// # Errors
    ///
    /// If `size` is zero, there is no image, or an image is smaller than the crops.
    pub fn new(images: Vec<NamedImage>, size: usize, seed: u64) -> Result<Self, Error> {
        if size == 0 {
            return Err(ErrorKind::CropSizeZero.into());
        }
        if images.is_empty() {
            return Err(ErrorKind::NothingToCrop.into());
        }
        for NamedImage { name, image } in &images {
            let (width, height) = (image.width(), image.height());
            if width < size || height < size {
                let name = name.clone();
                return Err(ErrorKind::CropTooLarge {
                    name,
                    width,
                    height,
                    size,
                }
                .into());
            }
        }
        Ok(Self { images, size, seed })
    }

    /// The `count` crops of step `step`; a larger `count` only appends to a smaller one.
    pub fn batch(&self, step: u64, count: usize) -> Vec<GrayImage> {
        let mut random = generator(Purpose::Crops, self.seed, step);
        let draw = |_| {
            let image = &self.images[random.random_range(0..self.images.len())].image;
            let x = random.random_range(0..=image.width() - self.size);
            let y = random.random_range(0..=image.height() - self.size);
            image
                .crop(x, y, self.size, self.size)
                .symmetry(random.random_range(0..8))
        };
        (0..count).map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Images without two equal pixels among them, so that a crop shows where it came from.
    fn numbered(sizes: &[(usize, usize)]) -> Vec<NamedImage> {
        let mut numbers = (0u16..).map(f32::from);
        let image = |(i, &(width, height)): (usize, &(usize, usize))| {
            let pixels = numbers.by_ref().take(width * height).collect();
            let image = GrayImage::new(width, height, pixels);
            NamedImage {
                name: format!("image {i}"),
                image,
            }
        };
        sizes.iter().enumerate().map(image).collect()
    }

    /// Image, position and symmetry of a crop of [`numbered`] images; `None` if it is no such crop.
    fn origin(images: &[NamedImage], crop: &GrayImage) -> Option<(usize, usize, usize, u8)> {
        let size = crop.width();
        let first = crop.pixels().iter().copied().fold(f32::MAX, f32::min);
        let matches = |image: &GrayImage, index: usize, k: u8| {
            let (x, y) = (index % image.width(), index / image.width());
            let inside = x + size <= image.width() && y + size <= image.height();
            (inside && image.crop(x, y, size, size).symmetry(k) == *crop).then_some((x, y))
        };
        images
            .iter()
            .enumerate()
            .find_map(|(i, NamedImage { image, .. })| {
                let index = image
                    .pixels()
                    .iter()
                    .position(|v| v.to_bits() == first.to_bits())?;
                (0..8).find_map(|k| matches(image, index, k).map(|(x, y)| (i, x, y, k)))
            })
    }

    proptest! {
        #[test]
        fn crops_are_windows_of_the_images(
            sizes in prop::collection::vec((5usize..12, 5usize..12), 1..4),
            size in 2usize..=5,
            seed: u64,
            step: u64,
        ) {
            let images = numbered(&sizes);
            let crops = RandomCrops::new(images.clone(), size, seed).unwrap();
            for crop in crops.batch(step, 8) {
                prop_assert!(origin(&images, &crop).is_some(), "{:?}", crop.pixels());
            }
        }

        #[test]
        fn batch_is_a_function_of_seed_and_step(seed: u64, step: u64) {
            let make = |seed| RandomCrops::new(numbered(&[(40, 40)]), 8, seed).unwrap();
            let batch = make(seed).batch(step, 8);
            prop_assert_eq!(&batch, &make(seed).batch(step, 8));
            prop_assert_eq!(&batch[..3], &make(seed).batch(step, 3)[..]);
            // 8 crops agree by chance with probability (33 * 33 * 8)^-8.
            prop_assert_ne!(&batch, &make(seed).batch(step.wrapping_add(1), 8));
            prop_assert_ne!(&batch, &make(seed.wrapping_add(1)).batch(step, 8));
        }
    }

    /// 2 images x 2 x 3 positions x 8 symmetries, each expected 200 times with standard deviation
    /// 14.
    #[test]
    fn image_position_and_symmetry_are_uniform() {
        let images = numbered(&[(5, 6), (5, 6)]);
        let crops = RandomCrops::new(images.clone(), 4, 1).unwrap();
        let mut counts = HashMap::new();
        for step in 0..1920 {
            for crop in crops.batch(step, 10) {
                *counts
                    .entry(origin(&images, &crop).unwrap())
                    .or_insert(0u32) += 1;
            }
        }
        assert_eq!(counts.len(), 96);
        assert!(
            counts.values().all(|count| count.abs_diff(200) < 5 * 14),
            "{counts:?}"
        );
    }

    /// Fails if a release of `rand` gives old seeds a new meaning: that belongs in the changelog.
    #[test]
    fn golden_batch() {
        let images = numbered(&[(50, 60), (60, 50)]);
        let crops = RandomCrops::new(images.clone(), 16, 2024).unwrap();
        let batch = crops.batch(3, 3);
        let origins: Vec<_> = batch
            .iter()
            .filter_map(|crop| origin(&images, crop))
            .collect();
        assert_eq!(origins, [(0, 0, 3, 2), (0, 25, 29, 6), (1, 34, 25, 2)]);
    }

    #[test]
    fn image_smaller_than_the_crop_is_named() {
        let error = RandomCrops::new(numbered(&[(9, 9), (9, 7)]), 8, 0).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("image image 1 is 9x7, smaller than the 8x8 crops")
        );
        assert!(RandomCrops::new(numbered(&[(8, 8)]), 8, 0).is_ok());
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let zero = RandomCrops::new(numbered(&[(8, 8)]), 0, 0).unwrap_err();
        assert!(matches!(zero.kind(), ErrorKind::CropSizeZero));
        let none = RandomCrops::new(vec![], 8, 0).unwrap_err();
        assert!(matches!(none.kind(), ErrorKind::NothingToCrop));
    }
}
