//! Which tasks a stochastic step sees.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::random::below;

/// How batches are drawn. They depend on the seed and the step's number alone: a run that goes on
/// after a break sees the batches it would have seen.
///
/// ```
/// use bilevel_core::Sampling;
///
/// // Five tasks in batches of two: an epoch has three steps and sees every task once.
/// let epoch = [0, 1, 2].map(|step| Sampling::Shuffled.batch(5, 2, step, 7));
/// let mut seen = epoch.concat();
/// seen.sort();
/// assert_eq!(seen, [0, 1, 2, 3, 4]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Every task of a batch from all tasks, independently, so that one may come twice: the case
    /// that theorems are about.
    Independent,
    /// All tasks in a new random order every epoch, batch by batch. The last batch of an epoch is
    /// smaller if the tasks do not come out even.
    Shuffled,
}

impl Sampling {
    /// Indices below `tasks` for the batch of `step` (from 0), `size` of them.
    ///
    /// # Panics
    /// If there is no task, or `size` is 0.
    pub fn batch(self, tasks: usize, size: usize, step: usize, seed: u64) -> Vec<usize> {
        assert!(tasks > 0, "an upper step needs at least one task");
        assert!(size > 0, "a batch needs at least one task");
        let generator = |stream: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream as u64);
            rng
        };
        match self {
            Sampling::Independent => {
                let mut rng = generator(step);
                (0..size).map(|_| below(tasks, &mut rng)).collect()
            }
            Sampling::Shuffled => {
                let batches = tasks.div_ceil(size);
                let mut rng = generator(step / batches);
                let mut order: Vec<usize> = (0..tasks).collect();
                for last in (1..tasks).rev() {
                    order.swap(last, below(last + 1, &mut rng));
                }
                let first = step % batches * size;
                order[first..tasks.min(first + size)].to_vec()
            }
        }
    }
}
