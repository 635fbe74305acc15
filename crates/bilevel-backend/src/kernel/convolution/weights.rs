//! Kernels as a sum over channels and taps reads them.

/// The kernels `w [groups, outputs, inputs, taps]`, by the channel that a sum writes and the one
/// that it reads.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, E> {
    pub w: &'a [E],
    /// Entries from one group to the next.
    pub group: usize,
    /// Entries from one channel written to the next.
    pub written: usize,
    /// Entries from one channel read to the next.
    pub read: usize,
    pub taps: usize,
    /// Whether the kernel is turned by 180 degrees.
    pub turned: bool,
}

impl<E: Copy> Weights<'_, E> {
    /// The weight of tap `k` from channel `read` to channel `written` of a group.
    #[inline(always)]
    pub fn at(&self, group: usize, written: usize, read: usize, k: usize) -> E {
        let tap = if self.turned { self.taps - 1 - k } else { k };
        self.w[group * self.group + written * self.written + read * self.read + tap]
    }
}
