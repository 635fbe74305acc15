//! The few bytes that are said beside the messages.

use crate::communicator::Incarnation;

/// What questions carry beside the answer.
pub(super) fn attach(incarnation: Incarnation, seq: u64) -> Vec<u8> {
    [incarnation.0.to_le_bytes(), seq.to_le_bytes()].concat()
}

pub(super) fn detach(bytes: &[u8]) -> Option<(Incarnation, u64)> {
    let (incarnation, seq) = two_numbers(bytes)?;
    Some((Incarnation(incarnation), seq))
}

/// What a worker is told when it is let in.
pub(super) struct Admission {
    pub most_bytes: u64,
    /// Lives are numbered here, so that clocks of other machines do not count.
    pub incarnation: Incarnation,
}

impl Admission {
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self {
            most_bytes,
            incarnation,
        } = self;
        [most_bytes.to_le_bytes(), incarnation.0.to_le_bytes()].concat()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (most_bytes, incarnation) = two_numbers(bytes)?;
        Some(Self {
            most_bytes,
            incarnation: Incarnation(incarnation),
        })
    }
}

fn two_numbers(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    Some((number(first)?, number(second)?))
}
