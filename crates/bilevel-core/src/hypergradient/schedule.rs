//! Which states to keep when not all of them fit.

/// Reverses a chain of steps with few stored states by recomputing the others.
///
/// ```text
/// t(l, s) = r l − C(s + r, s + 1),   the smallest r with C(s + r, s) ≥ l
/// ```
///
/// is the fewest forward steps in which `l` steps can be reversed with `s` stored states, the first
/// included; no step is made more than `r` times. 1000 steps need 2 forward passes with 44 states, 3
/// with 17.
///
/// # References
/// Griewank, Walther (2000), "Algorithm 799: revolve", ACM Trans. Math. Softw. 26(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Steps `l` to reverse.
    pub steps: usize,
    /// States `s` that may be stored, at least 1, the first included.
    pub states: usize,
}

impl Schedule {
    /// `t(l, s)`: forward steps, those that only lead to stored states included. Keeping every state
    /// costs `l − 1`.
    pub fn forward_steps(self) -> usize {
        forward_steps(self.steps, self.states)
    }

    /// How far to advance before the next state is stored: 0 if nothing is left to advance.
    ///
    /// With one state left there is no room for another: the last step's state is reached without
    /// storing it.
    pub fn advance(self) -> usize {
        let Self {
            steps: l,
            states: s,
        } = self;
        if l <= 1 {
            return 0;
        }
        if s <= 1 {
            return l - 1;
        }
        if s + 1 >= l {
            return 1;
        }
        let cost = |m: &usize| m + forward_steps(l - m, s - 1) + forward_steps(*m, s);
        // Convex in m: bisect on its slope.
        let (mut low, mut high) = (1, l - 1);
        while low < high {
            let middle = (low + high) / 2;
            if cost(&middle) <= cost(&(middle + 1)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

fn forward_steps(l: usize, s: usize) -> usize {
    if l <= 1 {
        return 0;
    }
    let s = s.max(1);
    // C(s + r, s) and C(s + r, s + 1), r from 1.
    let (mut r, mut reach, mut spared) = (1, s + 1, 1);
    while reach < l {
        r += 1;
        // C(s+r, s+1) = C(s+r−1, s+1) + C(s+r−1, s)
        spared += reach;
        reach = reach * (s + r) / r;
    }
    r * l - spared
}
