//! What was done to a simulated disk, and doing it again up to any sync.

use super::CrashPoint;
use super::disk::{Disk, Operation};

/// Everything that was done to a disk since [`super::SimFiles::record`], with the bytes.
#[derive(Debug, Clone)]
pub struct Record {
    pub(super) base: Disk,
    pub(super) capacity: u64,
    pub(super) operations: Vec<Operation>,
}

impl Record {
    /// How many operations it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Plays it back from the beginning.
    #[must_use]
    pub fn replay(&self) -> Replay<'_> {
        Replay { record: self, disk: self.base.clone(), next: 0, has_begun: false }
    }
}

/// A record being played back.
pub struct Replay<'a> {
    record: &'a Record,
    disk: Disk,
    next: usize,
    has_begun: bool,
}

impl Replay<'_> {
    fn step(&mut self) {
        if let Some(operation) = self.record.operations.get(self.next) {
            self.disk.apply(operation);
            self.next += 1;
        }
    }

    /// Goes on to the moment before the next sync or power cut, or to the end: how many operations came before. `None`
    /// after the end. What a power cut can leave at any other moment it can leave at one of these too.
    pub fn next_sync(&mut self) -> Option<usize> {
        if self.has_begun {
            if self.next >= self.record.len() {
                return None;
            }
            self.step();
        }
        self.has_begun = true;
        let is_cut = |operation: &Operation| operation.is_sync() || matches!(operation, Operation::PowerCut(_));
        while self.record.operations.get(self.next).is_some_and(|operation| !is_cut(operation)) {
            self.step();
        }
        Some(self.next)
    }

    /// Goes on until so many operations have been made.
    pub fn advance_to(&mut self, operations: usize) {
        while self.next < operations.min(self.record.len()) {
            self.step();
        }
    }

    /// What a power cut could leave now. With much unsynced there are too many images for making them all: then `samples`
    /// is how many are drawn at random, from `seed`.
    #[must_use]
    pub fn crash_point(&self, samples: usize, seed: u64) -> CrashPoint {
        CrashPoint::new(self.disk.clone(), self.record.capacity, samples, seed)
    }
}
