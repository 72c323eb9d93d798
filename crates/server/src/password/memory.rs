//! The memory that passwords are hashed in, handed from one hash to the next.
//!
//! Allocated for each hash, it would come from the heap of whatever thread hashes, and stay there: a gigabyte after a busy
//! minute. So there is as much of it as there are workers, and it is kept.

use std::sync::{Mutex, PoisonError};

use argon2::{Block, Params};

/// What one hash is computed in.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// As much as these parameters ask for. What stands in it is of no account: the first pass writes over it.
    pub(super) fn of(&mut self, params: &Params) -> &mut [Block] {
        let count = params.block_count();
        if self.0.len() < count {
            self.0 = Vec::new(); // Growing would keep both for a moment.
            self.0.resize(count, Block::default());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }
}

/// Where it waits for the next hash.
pub(super) struct Shelf {
    kept: Mutex<Vec<Memory>>,
    /// A hash that was imported may need more than this; that much is not kept.
    most: usize,
}

impl Shelf {
    /// A shelf for hashes of these parameters.
    pub(super) fn new(params: &Params) -> Self {
        Self { kept: Mutex::default(), most: params.block_count() }
    }

    /// Does something with memory that nobody else uses meanwhile.
    pub(super) fn lend<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = kept().pop().unwrap_or_default();
        let done = work(&mut memory);
        if memory.0.len() <= self.most {
            kept().push(memory);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_hash_used_is_used_by_the_next() {
        let (usual, imported) = (Params::new(64, 1, 1, None).unwrap(), Params::new(256, 1, 1, None).unwrap());
        let shelf = Shelf::new(&usual);
        let place = |memory: &mut Memory| memory.of(&usual).as_ptr() as usize;
        let first = shelf.lend(place);
        assert_eq!(shelf.lend(place), first);
        shelf.lend(|one| shelf.lend(|other| assert_ne!(place(one), place(other), "nobody shares it")));
        assert_eq!(shelf.kept.lock().unwrap().len(), 2);
        shelf.lend(|memory| assert_eq!(memory.of(&imported).len(), 256));
        assert_eq!(shelf.kept.lock().unwrap().len(), 1, "what an imported hash needed is not kept");
    }
}
