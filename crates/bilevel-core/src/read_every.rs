//! Solvers that seldom ask the device how they are doing.

use crate::{Tolerance, WithTolerance};

/// Lets an iterative solver read from the device only every `steps` steps whether it is done.
///
/// For devices with a queue: on a processor a read costs nothing. A read waits until the device has
/// done all that was asked of it, and leaves it without work until the next request arrives: on a
/// graphics processor it may cost more than a step. Between reads all scalars of the solver stay on
/// the device.
///
/// Rows of a linear system that are at their goal stand still, so that [`ConjugateGradient`] and
/// [`Minres`] return the same numbers as without, and count the same steps; [`Richardson`] and the
/// lower solvers go on until the next read, and may return a smaller residual than was asked for.
/// Costs at most `steps − 1` products or gradients that nobody needs. With 0 a solver looks before
/// its first step and after its last.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{ConjugateGradient, LinearSolver, ReadEvery, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// let solver = ConjugateGradient { max_steps: 20, tolerance: Tolerance::Relative(1e-9) };
/// let b = Vector::<Cpu>::from_data([[2.0, 4.0]], &Default::default());
/// let scale = Vector::<Cpu>::from_data([[1.0, 2.0]], &Default::default());
/// let q = ReadEvery { steps: 5, solver }.solve(&|v: Vector<Cpu>| v * scale.clone(), b, None);
/// assert_eq!(q.steps, 2);
/// assert!(q.residual < 1e-9);
/// ```
///
/// [`ConjugateGradient`]: crate::ConjugateGradient
/// [`Minres`]: crate::Minres
/// [`Richardson`]: crate::Richardson
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadEvery<S> {
    /// Steps between two reads.
    pub steps: usize,
    /// The solver.
    pub solver: S,
}

/// When a solver looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reads(usize);

impl Reads {
    /// After every step.
    pub const ALWAYS: Self = Self(1);

    /// Whether to look after so many steps.
    pub fn due(self, steps: usize) -> bool {
        steps.is_multiple_of(self.0)
    }
}

impl<S> ReadEvery<S> {
    pub(crate) fn reads(&self) -> Reads {
        Reads(self.steps)
    }
}

/// The accuracy of the solver within.
impl<S: WithTolerance> WithTolerance for ReadEvery<S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            solver: self.solver.map_tolerance(other),
            steps: self.steps,
        }
    }
}
