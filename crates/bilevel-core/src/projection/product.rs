//! Sets side by side.

use bilevel_backend::Tape;
use burn::module::Module;
use burn::tensor::backend::Backend;

use super::{Everywhere, Projection};
use crate::parameters::sizes;
use crate::{Error, Vector};

/// Each block of entries in a set of its own: `Y₁ × Y₂ × …`.
pub struct Product<B: Backend> {
    parts: Vec<(usize, Box<dyn Projection<B>>)>,
}

impl<B: Backend> Product<B> {
    /// Blocks in order, each with its number of entries.
    ///
    /// # Errors
    /// If a set does not consist of vectors of its block's length.
    pub fn new(parts: Vec<(usize, Box<dyn Projection<B>>)>) -> Result<Self, Error> {
        for (entries, set) in &parts {
            set.check(*entries)?;
        }
        Ok(Self { parts })
    }

    /// A set for each parameter of a module that belongs to one system, chosen by its path; a
    /// parameter without a set is free.
    ///
    /// # Errors
    /// If a set does not consist of vectors of its parameter's length.
    pub fn over<M: Module<Tape<B>>>(
        module: &M,
        mut choose: impl FnMut(&str) -> Option<Box<dyn Projection<B>>>,
    ) -> Result<Self, Error> {
        let parameters = sizes(module).into_iter();
        let parts = parameters.map(|(path, entries)| {
            let set = choose(&path).unwrap_or_else(|| Box::new(Everywhere));
            (entries, set)
        });
        Self::new(parts.collect())
    }

    /// `work(set, block)` for each block of columns.
    fn each<const N: usize>(
        &self,
        vectors: [&Vector<B>; N],
        work: impl Fn(&dyn Projection<B>, [Vector<B>; N]) -> Vector<B>,
    ) -> Vector<B> {
        let dim = self.entries();
        assert_eq!(
            vectors[0].dims()[1],
            dim,
            "a set of vectors of one length, vectors of another"
        );
        let mut at = 0;
        let blocks = self.parts.iter().map(|(entries, set)| {
            let block = vectors.map(|vector| vector.clone().narrow(1, at, *entries));
            at += entries;
            work(&**set, block)
        });
        Vector::cat(blocks.collect(), 1)
    }

    fn entries(&self) -> usize {
        self.parts.iter().map(|(entries, _)| entries).sum()
    }
}

impl<B: Backend> Projection<B> for Product<B> {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        self.each([&z], |set, [z]| set.project(z))
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        self.each([z, &v], |set, [z, v]| set.jacobian(&z, v))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.entries())
    }
}
