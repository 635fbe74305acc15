//! Which states to keep when not all of them fit.

use std::ops::Range;

/// Reverses a chain of steps with few stored states by recomputing the others.
///
/// ```text
/// t(l, s) = r l − C(s + r, s + 1),   the smallest r with C(s + r, s) ≥ l
/// ```
///
/// is the fewest forward steps in which `l` steps can be reversed with `s` stored states, the first
/// included; no step is made more than `r` times. 1000 steps need 2 forward passes with 44 states,
/// 3 with 17.
///
/// # References
/// Griewank, Walther (2000), "Algorithm 799: revolve", ACM Trans. Math. Softw. 26(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointSchedule {
    /// Steps `l` to reverse.
    pub steps: usize,
    /// States `s` that may be stored, at least 1, the first included.
    pub states: usize,
}

impl CheckpointSchedule {
    /// `t(l, s)`: forward steps, those that only lead to stored states included. Keeping every
    /// state costs `l − 1`.
    pub fn forward_steps(self) -> usize {
        forward_steps(self.steps, self.states)
    }

    /// Reverses the steps `first..first + l` from the state `start` before the first of them:
    /// `back(k, state)` is called for the last step first, with the state before step `k`.
    /// `advance(state, range)` makes the steps of a range.
    ///
    /// Returns the largest number of states that were held at once.
    ///
    /// ```
    /// use bilevel_core::hypergradient::CheckpointSchedule;
    ///
    /// // Steps that count: the state before step k is k.
    /// let mut reversed = Vec::new();
    /// let schedule = CheckpointSchedule { steps: 5, states: 2 };
    /// schedule.reverse(0, 0, |at, steps| at + steps.len(), |k, at| reversed.push((k, *at)));
    /// assert_eq!(reversed, [(4, 4), (3, 3), (2, 2), (1, 1), (0, 0)]);
    /// ```
    pub fn reverse<S: Clone>(
        self,
        first: usize,
        start: S,
        mut advance: impl FnMut(S, Range<usize>) -> S,
        mut back: impl FnMut(usize, &S),
    ) -> usize {
        let mut peak = 0;
        let mut stack = vec![(first, start)];
        let mut last = first + self.steps;
        while last > first {
            let (at, state) = stack.last().expect("the first state stays to the end");
            let ahead = Self {
                steps: last - at,
                states: self.states + 1 - stack.len(),
            };
            let to = at + ahead.advance();
            let state = advance(state.clone(), *at..to);
            peak = peak.max(stack.len() + usize::from(to > *at));
            if to + 1 < last {
                stack.push((to, state));
                continue;
            }
            back(to, &state);
            last = to;
            if stack.len() > 1 && stack.last().is_some_and(|(at, _)| *at == to) {
                stack.pop();
            }
        }
        peak
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
