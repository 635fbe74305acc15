//! Counter-based random numbers, separate for each purpose.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are drawn for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Crops,
    Halves,
    Corruption,
    Noise,
    Episodes,
}

/// The generator for one `(seed, stream)`, the same on every machine and in every run.
///
/// ChaCha8 keyed by `seed` has 2⁶⁴ streams of 2⁶⁸ words each. Crops read a stream from word 0,
/// halves of a set from word 2⁶⁵, corrupted labels from word 2⁶⁶, a quarter of a stream further on,
/// noise from word 2⁶⁷, half a stream further on, episodes from three quarters: no draw is long
/// enough to get from one to the next, so no two purposes share a random number even where they are
/// given the same seed and stream.
pub(crate) fn generator(purpose: Purpose, seed: u64, stream: u64) -> ChaCha8Rng {
    let first_word = match purpose {
        Purpose::Crops => 0,
        Purpose::Halves => 1 << 65,
        Purpose::Corruption => 1 << 66,
        Purpose::Noise => 1 << 67,
        Purpose::Episodes => (1 << 66) + (1 << 67),
    };
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator.set_word_pos(first_word);
    generator
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::Rng;

    use super::*;

    /// Among this many 64-bit numbers two agree by chance with probability 10⁻¹⁰.
    #[test]
    fn purposes_seeds_and_streams_share_no_numbers() {
        let mut seen = HashSet::new();
        for purpose in [
            Purpose::Crops,
            Purpose::Halves,
            Purpose::Corruption,
            Purpose::Noise,
            Purpose::Episodes,
        ] {
            for (seed, stream) in [(0, 0), (0, 1), (1, 0), (1, 1), (0, u64::MAX), (u64::MAX, 0)] {
                let mut generator = generator(purpose, seed, stream);
                for _ in 0..5000 {
                    assert!(seen.insert(generator.next_u64()));
                }
            }
        }
    }

    #[test]
    fn purposes_start_at_least_an_eighth_of_a_stream_apart() {
        let position = |purpose| generator(purpose, 3, 4).get_word_pos();
        assert_eq!(position(Purpose::Crops), 0);
        assert_eq!(position(Purpose::Halves), 1 << 65);
        assert_eq!(position(Purpose::Corruption), 1 << 66);
        assert_eq!(position(Purpose::Noise), 1 << 67);
        assert_eq!(position(Purpose::Episodes), 3 << 66);
    }
}
