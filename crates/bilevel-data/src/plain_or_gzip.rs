//! A file that may be compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// The largest content that is read: a file of some kilobytes can unpack to all memory there is.
const MOST_BYTES: u64 = 1 << 30;

/// The content of a file, decompressed if it is gzip; the first two bytes decide, not the name.
///
/// Whoever reads to the end has the check sum checked. More than 1 GiB is an error on the way.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    const GZIP: [u8; 2] = [0x1F, 0x8B];
    let mut file = BufReader::new(File::open(path)?);
    Ok(if file.fill_buf()?.starts_with(&GZIP) {
        Box::new(Bounded::new(MultiGzDecoder::new(file), MOST_BYTES))
    } else {
        Box::new(Bounded::new(file, MOST_BYTES))
    })
}

/// A source that ends in an error where it holds more than it may.
struct Bounded<R> {
    source: R,
    /// Bytes that may still come.
    left: u64,
}

impl<R: Read> Bounded<R> {
    fn new(source: R, left: u64) -> Self {
        Self { source, left }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(bytes)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it holds more than {} MiB: leave rows out",
                MOST_BYTES >> 20
            ))
        })?;
        Ok(read)
    }
}

/// What went wrong while reading, in words.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the data end early".into(),
        _ => error.to_string(),
    }
}

/// Gzip, for tests.
#[cfg(test)]
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        open(path)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn more_than_may_come_is_an_error() {
        let read = |bytes: &[u8], most| {
            let mut content = Vec::new();
            let read = Bounded::new(bytes, most).read_to_end(&mut content);
            read.map(|_| content).map_err(|error| error.to_string())
        };
        assert_eq!(read(b"four", 4), Ok(b"four".to_vec()));
        let error = read(b"fives", 4).unwrap_err();
        assert!(error.contains("more than 1024 MiB"), "{error}");
    }

    #[test]
    fn content_decides_whether_it_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.gz");
        for content in [&b"text"[..], b"", b"\x1F"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap(), content);
            std::fs::write(&path, gzip(content)).unwrap();
            assert_eq!(read(&path).unwrap(), content);
        }
    }

    #[test]
    fn truncated_and_damaged_gzip_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.gz");
        let whole = gzip(b"some text that is long enough to be compressed, long enough");
        for length in 2..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path).expect_err(&format!("{length} bytes"));
            assert_eq!(reason(&error), "the data end early", "{length} bytes");
        }
        let check_sum = whole.len() - 8;
        let mut damaged = whole;
        damaged[check_sum] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn missing_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(&folder.path().join("missing")).is_err());
    }
}
