//! Messages as bytes: whole, unchanged, of this version, or refused.

use bilevel_distributed::message::{
    Answer, Directive, Floats, PlaneChange, Precision, decode, encode,
};
use proptest::prelude::*;

fn update() -> Directive {
    Directive::Update {
        iteration: 7,
        theta: Floats::Single(vec![1.5, -2.0]),
        lambda: vec![0.1, f64::MAX],
        planes: Some(PlaneChange {
            kept: vec![3, u64::MAX],
            new: vec![(9, Floats::Double(vec![f64::MIN_POSITIVE, -0.0]))],
        }),
    }
}

#[test]
fn numbers_come_back_with_their_bits() {
    let update = update();
    assert_eq!(
        decode::<Directive>(&encode(&update), 1000).expect("ours"),
        update
    );
    let nan = Answer::Round(Floats::Double(vec![f64::NAN, f64::INFINITY]));
    let Answer::Round(v) = decode(&encode(&nan), 1000).expect("ours") else {
        panic!("another message");
    };
    assert!(v.unpack()[0].is_nan());
}

#[test]
fn precision_is_what_is_sent() {
    let v = vec![0.1, 1e-300, 1e300];
    let single = Precision::Single.pack(&v);
    assert_eq!(single.len(), 3);
    assert_eq!(single.unpack(), Precision::Single.round(v.clone()));
    assert_eq!(Precision::Double.pack(&v).unpack(), v);
    let bytes = |precision: Precision| encode(&Answer::Round(precision.pack(&[1.0; 1000]))).len();
    let saved = bytes(Precision::Double) - bytes(Precision::Single);
    assert_eq!(saved, 4000);
}

#[test]
fn another_version_is_told_apart() {
    let mut bytes = encode(&update()).to_vec();
    bytes[4] += 1;
    let error = decode::<Directive>(&bytes, 1000).expect_err("another version");
    assert!(
        error
            .to_string()
            .contains("use the same program everywhere"),
        "{error}"
    );
}

/// A body that claims a vector of 2⁶⁰ numbers, under a correct checksum: no memory is taken for it.
#[test]
fn a_claimed_length_is_not_believed() {
    let honest = encode(&Answer::Round(Floats::Double(vec![1.0])));
    let mut body = honest[18..].to_vec();
    assert_eq!(body[..3], [2, 1, 1], "variant, precision, length");
    let claim = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    body.splice(2..3, claim);
    let mut bytes = honest[..18].to_vec();
    bytes[6..14].copy_from_slice(&(body.len() as u64).to_le_bytes());
    bytes[14..18].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    assert!(decode::<Answer>(&bytes, 1000).is_err());
}

proptest! {
    /// Any change of a byte, any cut and any tail is found.
    #[test]
    fn a_changed_message_is_refused(at in 0usize..70, bit in 0u8..8, cut in 0usize..70) {
        let bytes = encode(&update()).to_vec();
        let mut changed = bytes.clone();
        let at = at % bytes.len();
        changed[at] ^= 1 << bit;
        prop_assert!(decode::<Directive>(&changed, 1000).is_err());
        prop_assert!(decode::<Directive>(&bytes[..cut % bytes.len()], 1000).is_err());
        let mut longer = bytes;
        longer.push(0);
        prop_assert!(decode::<Directive>(&longer, 1000).is_err());
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode::<Answer>(&bytes, 1000).is_err());
    }
}
