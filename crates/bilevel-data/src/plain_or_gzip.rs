//! A file that may be compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// The content of a file, decompressed if it is gzip; the first two bytes decide, not the name.
///
/// Whoever reads to the end has the check sum checked.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    const GZIP: [u8; 2] = [0x1F, 0x8B];
    let mut file = BufReader::new(File::open(path)?);
    Ok(if file.fill_buf()?.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
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
