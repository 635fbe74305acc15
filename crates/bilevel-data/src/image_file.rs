//! Images from and to PNG and JPEG files.

use std::io::{Cursor, Write};
use std::panic::catch_unwind;
use std::path::Path;

use image::{DynamicImage, GrayImage as GrayBuffer, ImageFormat, ImageReader, RgbImage};

use crate::{Error, ErrorKind, GrayImage};

impl GrayImage {
    /// Reads a PNG or JPEG file; the content decides which, not the name.
    ///
    /// A value v of an 8- or 16-bit file becomes v / 255 or v / 65535. Grey files are read exactly;
    /// colour becomes luma, on the gamma-coded values as in ITU-R BT.601:
    ///
    /// ```text
    /// Y = 0.299 R + 0.587 G + 0.114 B
    /// ```
    ///
    /// Alpha, colour profiles and the EXIF orientation are ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ImageUnreadable`] if the file cannot be opened, is truncated or is no such
    /// image.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(luma(&decode(path.as_ref())?))
    }

    /// Writes an 8-bit grey PNG: intensities are clamped to [0, 1] and rounded to the nearest of
    /// 256 levels (NaN becomes 0).
    ///
    /// The file appears complete or not at all: it is written under a temporary name in the same
    /// folder and then renamed, which replaces an older file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ImageUnwritable`] if the folder is missing or cannot be written to.
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        save_channels(std::slice::from_ref(self), path)
    }
}

/// Reads a PNG or JPEG file without losing its colour: one image if it is grey, else the red, the
/// green and the blue one. Values are as in [`GrayImage::load`].
///
/// # Errors
///
/// As [`GrayImage::load`].
pub fn load_channels(path: impl AsRef<Path>) -> Result<Vec<GrayImage>, Error> {
    let decoded = decode(path.as_ref())?;
    if !decoded.color().has_color() {
        return Ok(vec![luma(&decoded)]);
    }
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let colour = decoded.to_rgb32f();
    let channel = |c: usize| colour.pixels().map(|pixel| pixel[c]).collect();
    Ok((0..3)
        .map(|c| GrayImage::new(width, height, channel(c)))
        .collect())
}

/// Writes an 8-bit PNG: grey from one channel, colour from three. Otherwise as
/// [`GrayImage::save_png`].
///
/// # Errors
///
/// [`ErrorKind::ImageUnwritable`] if the folder is missing or cannot be written to.
///
/// # Panics
///
/// If there are not one or three channels, or their sizes differ.
pub fn save_channels(channels: &[GrayImage], path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let unwritable = |reason: String| ErrorKind::ImageUnwritable {
        path: path.into(),
        reason,
    };
    let png = encode_png(channels).map_err(unwritable)?;
    replace_file(path, &png).map_err(|e| unwritable(e.to_string()))?;
    Ok(())
}

fn decode(path: &Path) -> Result<DynamicImage, Error> {
    let unreadable = |reason: String| ErrorKind::ImageUnreadable {
        path: path.into(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let format = image::guess_format(&bytes)
        .ok()
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
        .ok_or_else(|| unreadable("neither PNG nor JPEG".into()))?;
    match format {
        ImageFormat::Jpeg if !jpeg_is_complete(&bytes) => {
            return Err(unreadable("the JPEG data end early".into()).into());
        }
        ImageFormat::Png if !png_palette_is_whole(&bytes) => {
            return Err(unreadable("the palette is no list of colours".into()).into());
        }
        _ => {}
    }
    let reader = || ImageReader::with_format(Cursor::new(&bytes), format);
    let decode = || {
        let size = reader().into_dimensions();
        let (width, height) = size.map_err(|e| e.to_string())?;
        check_size(format, width, height, bytes.len())?;
        reader().decode().map_err(|e| e.to_string())
    };
    // What decoders do with damaged files is theirs: a panic in one of them is a damaged file.
    let decoded = catch_unwind(decode).unwrap_or_else(|_| Err("the decoder failed".into()));
    Ok(decoded.map_err(unreadable)?)
}

/// The most pixels of an image: three times those of a large camera.
const MOST_PIXELS: u64 = 1 << 28;

/// Whether `bytes` bytes can be an image of this size, and it is not too large.
///
/// JPEG has one bit a block of 8×8 pixels at least, deflate makes one byte of 1032 at most and a
/// pixel of PNG has one bit at least.
fn check_size(format: ImageFormat, width: u32, height: u32, bytes: usize) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS {
        return Err(format!(
            "it is {width}x{height}, {MOST_PIXELS} pixels are the most"
        ));
    }
    let possible = match format {
        ImageFormat::Jpeg => 8 * 64,
        _ => 8 * 1032,
    };
    if pixels / possible > bytes as u64 {
        return Err(format!(
            "it claims to be {width}x{height}, its {bytes} bytes cannot hold that"
        ));
    }
    Ok(())
}

fn luma(decoded: &DynamicImage) -> GrayImage {
    let pixels = if decoded.color().has_color() {
        let luma = |rgb: &image::Rgb<f32>| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        decoded.to_rgb32f().pixels().map(luma).collect()
    } else {
        decoded.to_luma32f().into_raw()
    };
    GrayImage::new(decoded.width() as usize, decoded.height() as usize, pixels)
}

fn encode_png(channels: &[GrayImage]) -> Result<Vec<u8>, String> {
    let (width, height) = (channels[0].width(), channels[0].height());
    for channel in channels {
        let size = (channel.width(), channel.height());
        assert_eq!(
            size,
            (width, height),
            "the channels of an image have one size"
        );
    }
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(format!("{width}x{height} is too large for PNG"));
    };
    let level = |intensity: f32| (255.0 * intensity.clamp(0.0, 1.0)).round() as u8;
    let levels: Vec<u8> = (0..width * height)
        .flat_map(|pixel| {
            channels
                .iter()
                .map(move |channel| level(channel.pixels()[pixel]))
        })
        .collect();
    let whole = "one level per pixel and channel";
    let buffer: DynamicImage = match channels.len() {
        1 => GrayBuffer::from_raw(columns, rows, levels)
            .expect(whole)
            .into(),
        3 => RgbImage::from_raw(columns, rows, levels)
            .expect(whole)
            .into(),
        n => panic!("an image has 1 or 3 channels, not {n}"),
    };
    let mut png = Cursor::new(Vec::new());
    buffer
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| e.to_string())?;
    Ok(png.into_inner())
}

fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unfinished-");
    // A temporary file is private by default; an image is an ordinary file, subject to the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Whether the data reach the end-of-image marker of the outermost image.
///
/// The decoder reports success for a truncated JPEG and makes up the missing part, so this is
/// checked first. Markers are FF xx (ITU-T T.81, section B.1.1.2); segments say their length, which
/// skips a thumbnail with its own end; in the coded data between segments only FF 00 (a data byte)
/// and FF D0 to FF D7 (restart) occur, and FF FF is filling.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    let is_marker =
        |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0x01 | 0xD0..=0xD8 | 0xFF);
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(is_marker) {
        if rest[at + 1] == END_OF_IMAGE {
            return true;
        }
        let Some(&[high, low]) = rest.get(at + 2..at + 4) else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(after) = rest.get(at + 2 + length..) else {
            return false;
        };
        rest = after;
    }
    false
}

/// Whether the palettes of a PNG file, if it has any, consist of whole colours: three bytes each.
///
/// The decoder panics where they do not (png 0.18.1). A chunk is its length, its name of four
/// letters, its data and a checksum (PNG specification, section 5.3).
fn png_palette_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some(([a, b, c, d], chunk)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if chunk.starts_with(b"PLTE") && !length.is_multiple_of(3) {
            return false;
        }
        rest = chunk.get(length.saturating_add(8)..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, Rgb, Rgba};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn colour_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colour.png");
        let channel = |c: usize| {
            let level = |i: usize| ((i * 7 + c * 50) % 256) as f32 / 255.0;
            GrayImage::new(5, 4, (0..20).map(level).collect())
        };
        let channels: Vec<GrayImage> = (0..3).map(channel).collect();
        save_channels(&channels, &path).unwrap();
        assert_eq!(load_channels(&path).unwrap(), channels);

        let expected = |i: usize| {
            let [r, g, b] = [0, 1, 2].map(|c: usize| channels[c].pixels()[i]);
            0.299 * r + 0.587 * g + 0.114 * b
        };
        let luma = GrayImage::load(&path).unwrap();
        for (i, y) in luma.pixels().iter().enumerate() {
            assert!((y - expected(i)).abs() < 1e-6);
        }

        channels[0].save_png(&path).unwrap();
        assert_eq!(load_channels(&path).unwrap(), channels[..1]);
    }

    fn assert_close(image: &GrayImage, expected: &[f32]) {
        for (a, b) in image.pixels().iter().zip(expected) {
            assert!(
                (a - b).abs() < 1e-6,
                "{:?} is not {expected:?}",
                image.pixels()
            );
        }
    }

    #[test]
    fn eight_bit_round_trip_is_exact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("levels.png");
        let levels = GrayImage::new(32, 8, (0..=255u8).map(|v| f32::from(v) / 255.0).collect());
        levels.save_png(&path).unwrap();
        assert_eq!(GrayImage::load(&path).unwrap(), levels);
    }

    #[test]
    fn save_clamps_rounds_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        GrayImage::new(1, 1, vec![1.0]).save_png(&path).unwrap();
        let wild = vec![
            -0.5,
            1.5,
            f32::NAN,
            f32::INFINITY,
            10.4 / 255.0,
            10.6 / 255.0,
        ];
        GrayImage::new(3, 2, wild).save_png(&path).unwrap();
        let expected = [0, 255, 0, 255, 10, 11].map(|v: u8| f32::from(v) / 255.0);
        assert_eq!(
            GrayImage::load(&path).unwrap(),
            GrayImage::new(3, 2, expected.to_vec())
        );
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "a temporary file was left behind");
    }

    #[cfg(unix)]
    #[test]
    fn saved_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, png) = (folder.path().join("plain"), folder.path().join("image.png"));
        std::fs::write(&plain, b"").unwrap();
        GrayImage::new(1, 1, vec![1.0]).save_png(&png).unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&png), mode(&plain));
    }

    #[test]
    fn save_into_a_missing_folder_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("image.png");
        let error = GrayImage::new(1, 1, vec![1.0]).save_png(&path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ImageUnwritable { .. }));
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn colour_becomes_luma() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colour.png");
        let expected = [
            0.299,
            0.587,
            0.114,
            (0.299 * 51.0 + 0.587 * 102.0 + 0.114 * 204.0) / 255.0,
        ];

        let eight = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [51, 102, 204]];
        ImageBuffer::from_fn(4, 1, |x, _| Rgb::<u8>(eight[x as usize]))
            .save(&path)
            .unwrap();
        assert_close(&GrayImage::load(&path).unwrap(), &expected);

        let sixteen = eight.map(|rgb| rgb.map(|v: u8| 257 * u16::from(v)));
        ImageBuffer::from_fn(4, 1, |x, _| Rgb::<u16>(sixteen[x as usize]))
            .save(&path)
            .unwrap();
        assert_close(&GrayImage::load(&path).unwrap(), &expected);

        let [r, g, b] = eight[3];
        ImageBuffer::from_fn(2, 1, |x, _| Rgba([r, g, b, [0, 255][x as usize]]))
            .save(&path)
            .unwrap();
        assert_close(&GrayImage::load(&path).unwrap(), &[expected[3]; 2]);
    }

    #[test]
    fn sixteen_bit_grey_keeps_its_precision() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep.png");
        ImageBuffer::from_fn(2, 1, |x, _| Luma([[1u16, 40_000][x as usize]]))
            .save(&path)
            .unwrap();
        let expected = vec![1.0 / 65535.0, 40_000.0 / 65535.0];
        assert_eq!(
            GrayImage::load(&path).unwrap(),
            GrayImage::new(2, 1, expected)
        );
    }

    /// A 32x32 texture, saved by the image crate in the format its name asks for.
    fn save_texture(path: &Path) {
        let texture = |x: u32, y: u32| Luma([((x * 37 + y * 91 + x * y * 7) % 256) as u8]);
        ImageBuffer::from_fn(32, 32, texture).save(path).unwrap();
    }

    #[test]
    fn truncated_files_are_one_line_errors_wherever_they_end() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["whole.png", "whole.jpg"] {
            let whole = folder.path().join(name);
            save_texture(&whole);
            let image = GrayImage::load(&whole).unwrap();
            assert_eq!((image.width(), image.height()), (32, 32));

            let bytes = std::fs::read(&whole).unwrap();
            // Behind the pixel data a PNG has 12 bytes that say "end" and nothing else.
            let needed = if name.ends_with("png") {
                bytes.len() - 12
            } else {
                bytes.len()
            };
            let cut = folder.path().join(format!("cut-{name}"));
            for length in 0..needed {
                std::fs::write(&cut, &bytes[..length]).unwrap();
                let error = GrayImage::load(&cut).expect_err(&format!("{length} bytes of {name}"));
                assert!(matches!(error.kind(), ErrorKind::ImageUnreadable { .. }));
                let message = error.to_string();
                assert_eq!(message.lines().count(), 1, "{message}");
                assert!(message.contains(cut.to_str().unwrap()), "{message}");
            }
        }
    }

    /// A PNG file of these chunks, with right checksums.
    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, data) in chunks {
            file.extend((data.len() as u32).to_be_bytes());
            let mut sum = flate2::Crc::new();
            for part in [&name[..], data] {
                file.extend(part);
                sum.update(part);
            }
            file.extend(sum.sum().to_be_bytes());
        }
        file
    }

    #[test]
    fn a_palette_of_part_of_a_colour_is_a_one_line_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("palette.png");
        // One pixel, 8 bits, a palette, and its one byte uncompressed.
        let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0];
        let pixel = [0x78, 1, 1, 2, 0, 0xFD, 0xFF, 0, 0, 0, 2, 0, 1];
        for length in 0..9 {
            let palette = vec![200; length];
            let chunks: [(&[u8; 4], &[u8]); 4] = [
                (b"IHDR", &header),
                (b"PLTE", &palette),
                (b"IDAT", &pixel),
                (b"IEND", &[]),
            ];
            std::fs::write(&path, png(&chunks)).unwrap();
            match GrayImage::load(&path) {
                Ok(_) => assert!(length % 3 == 0 && length > 0, "{length}"),
                Err(error) => {
                    assert!(length % 3 != 0 || length == 0, "{length}: {error}");
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_the_bytes_cannot_hold_are_refused_before_memory_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claim.jpg");
        save_texture(&path);
        let mut bytes = std::fs::read(&path).unwrap();
        // The frame header: FF C0, length, 8 bits, height, width.
        let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0x22, 0x86, 0x4C, 0x18]);
        std::fs::write(&path, &bytes).unwrap();
        let error = GrayImage::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("19480x8838") && error.contains("cannot hold"),
            "{error}"
        );

        let path = folder.path().join("claim.png");
        let header = [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 0, 0, 0, 0];
        std::fs::write(
            &path,
            png(&[(b"IHDR", &header), (b"IDAT", &[]), (b"IEND", &[])]),
        )
        .unwrap();
        let error = GrayImage::load(&path).unwrap_err().to_string();
        assert!(error.contains("60000x60000"), "{error}");
    }

    /// Bytes that are changed at random are an image or a one-line error, and never a panic.
    #[test]
    fn damaged_images_never_panic() {
        let count = std::env::var("DAMAGED").ok();
        let count: usize = count.map_or(300, |text| text.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for name in ["whole.png", "whole.jpg", "palette.png"] {
            let whole = folder.path().join(name);
            if name == "palette.png" {
                let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0];
                let pixel = [0x78, 1, 1, 2, 0, 0xFD, 0xFF, 0, 0, 0, 2, 0, 1];
                let chunks: [(&[u8; 4], &[u8]); 4] = [
                    (b"IHDR", &header),
                    (b"PLTE", &[1, 2, 3]),
                    (b"IDAT", &pixel),
                    (b"IEND", &[]),
                ];
                std::fs::write(&whole, png(&chunks)).unwrap();
            } else {
                save_texture(&whole);
            }
            let whole = std::fs::read(&whole).unwrap();
            let path = folder.path().join("damaged");
            for _ in 0..count {
                let mut bytes = whole.clone();
                for _ in 0..rng.random_range(1..4) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
                std::fs::write(&path, &bytes).unwrap();
                if let Err(error) = load_channels(&path) {
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                }
            }
        }
    }

    #[test]
    fn jpeg_thumbnail_does_not_end_the_image() {
        let thumbnail = [0xFF, 0xE1, 0x00, 0x06, 0xFF, 0xD8, 0xFF, 0xD9];
        let start = [&[0xFF, 0xD8][..], &thumbnail].concat();
        assert!(!jpeg_is_complete(&start));
        assert!(jpeg_is_complete(
            &[&start[..], &[0x12, 0xFF, 0x00, 0xFF, 0xFF, 0xD9]].concat()
        ));
    }

    #[test]
    fn content_decides_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let (jpeg, misnamed) = (folder.path().join("a.jpg"), folder.path().join("a.png"));
        save_texture(&jpeg);
        std::fs::copy(&jpeg, &misnamed).unwrap();
        assert_eq!(
            GrayImage::load(&misnamed).unwrap(),
            GrayImage::load(&jpeg).unwrap()
        );
    }

    #[test]
    fn missing_and_foreign_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.png");
        let text = folder.path().join("text.png");
        std::fs::write(&text, "not an image").unwrap();
        for path in [missing.as_path(), text.as_path(), folder.path()] {
            let error = GrayImage::load(path).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::ImageUnreadable { .. }));
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
        }
    }
}
