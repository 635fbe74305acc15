//! Checksums of what a run goes on from: damage and other data must not go unnoticed.

use bilevel_data::{Labelled, NamedImage};
use crc32fast::Hasher;

/// A CRC-32 of parts, each with its length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checksum(Hasher);

impl Checksum {
    /// With one more part.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// With one more part, number by number.
    pub fn add_numbers(&mut self, numbers: &[f32]) {
        self.0.update(&(numbers.len() as u64).to_le_bytes());
        for number in numbers {
            self.0.update(&number.to_le_bytes());
        }
    }

    /// With names, sizes and pixels.
    pub fn add_images(&mut self, images: &[NamedImage]) {
        for NamedImage { name, image } in images {
            self.add(name.as_bytes());
            self.0.update(&(image.width() as u64).to_le_bytes());
            self.add_numbers(image.pixels());
        }
    }

    /// With features, labels and classes.
    pub fn add_samples(&mut self, samples: &Labelled) {
        self.add_numbers(samples.features());
        for label in samples.labels() {
            self.0.update(&(*label as u64).to_le_bytes());
        }
        for class in samples.classes() {
            self.add(class.as_bytes());
        }
    }

    /// The sum.
    pub fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}
