//! Floats in JSON, bit by bit: what is not finite is a word.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(String),
}

/// A number, or `inf`, `-inf`, `NaN`.
pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value.is_finite() {
        true => Number::Finite(*value),
        false => Number::Word(value.to_string()),
    }
    .serialize(serializer)
}

/// What [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Finite(value) => Ok(value),
        Number::Word(word) => word.parse().map_err(D::Error::custom),
    }
}

/// The same for what may not be known.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Known(#[serde(with = "super")] f64);

    /// A number or a word, or `null`.
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Known).serialize(serializer)
    }

    /// What [`serialize`] wrote.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let known = Option::<Known>::deserialize(deserializer)?;
        Ok(known.map(|Known(value)| value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] f64);

    fn there_and_back(value: f64) -> f64 {
        let text = serde_json::to_string(&Holder(value)).expect("written");
        let Holder(back) = serde_json::from_str(&text).expect("read");
        back
    }

    #[test]
    fn what_is_not_finite_comes_back() {
        for value in [
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            f64::MIN_POSITIVE,
            f64::MAX,
        ] {
            assert_eq!(there_and_back(value).to_bits(), value.to_bits());
        }
        assert!(there_and_back(f64::NAN).is_nan());
        // A number that parsers which do not round correctly miss by one bit.
        assert_eq!(
            there_and_back(25.269262360261937).to_bits(),
            25.269262360261937f64.to_bits()
        );
    }

    proptest! {
        #[test]
        fn every_finite_number_comes_back_bit_by_bit(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(there_and_back(value).to_bits(), bits);
        }
    }
}
