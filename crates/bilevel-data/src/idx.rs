//! The IDX format.

use std::io::{self, Read};
use std::path::Path;

use crate::plain_or_gzip::{self, open};
use crate::{Error, ErrorKind};

/// The sizes and the bytes of an IDX file of `D` dimensions, plain or compressed by gzip.
///
/// ```text
/// 00 00 08 D   size_1 ... size_D (32 bits each, the highest byte first)   size_1 ··· size_D bytes
/// ```
///
/// 08 is the type, unsigned bytes; other types are not read. The last dimension varies fastest.
///
/// # References
///
/// LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats for
/// the MNIST database".
pub(crate) fn read_idx<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>), Error> {
    let unreadable = |reason: String| ErrorKind::IdxUnreadable {
        path: path.into(),
        reason,
    };
    let source = open(path).map_err(|e| unreadable(plain_or_gzip::reason(&e)))?;
    Ok(read(source).map_err(unreadable)?)
}

fn read<const D: usize>(mut source: impl Read) -> Result<([usize; D], Vec<u8>), String> {
    let reason = |error: io::Error| plain_or_gzip::reason(&error);
    let mut four_bytes = || {
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes).map(|()| bytes)
    };

    match four_bytes().map_err(reason)? {
        [0, 0, 0x08, dimensions] if usize::from(dimensions) == D => {}
        [0, 0, 0x08, dimensions] => {
            return Err(format!("its number of dimensions is {dimensions}, not {D}"));
        }
        [0, 0, kind @ (0x09 | 0x0B..=0x0E), _] => {
            return Err(format!(
                "its numbers are of type {kind:#04x}, not unsigned bytes"
            ));
        }
        [a, b, c, d] => {
            return Err(format!(
                "it starts with the bytes {a:02x} {b:02x} {c:02x} {d:02x}, an IDX file of unsigned \
                 bytes with 00 00 08"
            ));
        }
    }

    let mut sizes = [0; D];
    for size in &mut sizes {
        *size = u32::from_be_bytes(four_bytes().map_err(reason)?) as usize;
    }
    let shape = sizes.map(|size| size.to_string()).join(" x ");
    let promised = sizes
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| format!("it promises {shape} numbers, more than there can be"))?;
    if promised == 0 {
        return Err(format!("it holds {shape} numbers, none at all"));
    }

    // Grows with the data that are there, whatever the header promises; one byte more than promised
    // shows data in excess, and at the end of the file gzip checks its sum.
    let mut bytes = Vec::new();
    let limit = (promised as u64).saturating_add(1);
    source.take(limit).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() < promised {
        return Err(format!(
            "it promises {shape} numbers and holds only {}",
            bytes.len()
        ));
    }
    if bytes.len() > promised {
        return Err(format!(
            "it holds more than the {shape} numbers it promises"
        ));
    }
    Ok((sizes, bytes))
}

/// An IDX file, for tests.
#[cfg(test)]
pub(crate) fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    file.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    file.extend(bytes);
    file
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plain_or_gzip::gzip;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            (sizes, bytes) in [1u32..5, 1u32..5, 1u32..5].prop_flat_map(|sizes| {
                let count = sizes.iter().product::<u32>() as usize;
                (Just(sizes), prop::collection::vec(any::<u8>(), count))
            }),
        ) {
            let file = idx(&sizes, &bytes);
            let expected = (sizes.map(|size| size as usize), bytes);
            prop_assert_eq!(read(&file[..]), Ok(expected));
        }

        #[test]
        fn damaged_files_are_read_or_refused_in_one_line(
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut file = idx(&[3, 2, 2], &[7; 12]);
            for (place, byte) in places {
                let place = place.index(file.len());
                file[place] = byte;
            }
            match read::<3>(&file[..]) {
                Ok((sizes, bytes)) => prop_assert_eq!(sizes.iter().product::<usize>(), bytes.len()),
                Err(reason) => prop_assert_eq!(reason.lines().count(), 1),
            }
        }
    }

    #[test]
    fn truncated_files_are_one_line_errors_wherever_they_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        let plain = idx(
            &[3, 2, 2],
            &[0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110],
        );
        for whole in [gzip(&plain), plain] {
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(read_idx(&path).unwrap().0, [3, 2, 2]);
            for length in 0..whole.len() {
                std::fs::write(&path, &whole[..length]).unwrap();
                let error = read_idx::<3>(&path).expect_err(&format!("{length} bytes"));
                assert!(matches!(error.kind(), ErrorKind::IdxUnreadable { .. }));
                let message = error.to_string();
                assert_eq!(message.lines().count(), 1, "{message}");
                assert!(message.contains(path.to_str().unwrap()), "{message}");
            }
        }
    }

    fn assert_reason(file: &[u8], reason: &str) {
        assert_eq!(read::<3>(file), Err(reason.into()));
    }

    #[test]
    fn beginning_of_another_format() {
        assert_reason(
            b"PK\x03\x04 a zip file",
            "it starts with the bytes 50 4b 03 04, an IDX file of unsigned bytes with 00 00 08",
        );
        assert_reason(
            &[0, 0, 0x0D, 3, 0, 0, 0, 1],
            "its numbers are of type 0x0d, not unsigned bytes",
        );
        assert_reason(&idx(&[1], &[7]), "its number of dimensions is 1, not 3");
    }

    #[test]
    fn sizes_that_do_not_fit_the_data() {
        assert_reason(
            &idx(&[2, 2, 2], &[1; 7]),
            "it promises 2 x 2 x 2 numbers and holds only 7",
        );
        assert_reason(
            &idx(&[2, 2, 2], &[1; 9]),
            "it holds more than the 2 x 2 x 2 numbers it promises",
        );
        assert_reason(
            &idx(&[0, 28, 28], &[]),
            "it holds 0 x 28 x 28 numbers, none at all",
        );
        assert_reason(
            &idx(&[2, 2], &[1; 4])[..9],
            "its number of dimensions is 2, not 3",
        );
    }

    /// Would abort the process if the promise were believed.
    #[test]
    fn promise_is_not_allocated() {
        assert_reason(
            &idx(&[u32::MAX, u32::MAX, 1], &[1]),
            "it promises 4294967295 x 4294967295 x 1 numbers and holds only 1",
        );
        assert_reason(
            &idx(&[u32::MAX; 3], &[1]),
            "it promises 4294967295 x 4294967295 x 4294967295 numbers, more than there can be",
        );
    }
}
