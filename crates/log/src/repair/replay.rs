//! The state that the readable batches add up to.
//!
//! Records are told from changes: records of a lost batch are a gap in the positions of their shards, and nothing else
//! depends on them. A lost change may be missed by all that follows. Whether there was one is known where the header of
//! the batch can be read (it has their number), where only records are damaged, and where a later snapshot has them all.

use super::survey::Survey;
use crate::batch::BlockEntry;
use crate::change::Change;
use crate::state::{ShardState, State};
use std::collections::BTreeMap;

/// A block of a batch that verifies.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogBlock {
    pub(super) entry: BlockEntry,
    pub(super) batch: u64,
    pub(super) time_ms: u64,
    /// Where its records begin in the batch.
    pub(super) offset: usize,
}

/// A state, and what is known about how it came to be.
pub(super) struct Replayed {
    pub(super) state: State,
    pub(super) blocks: Vec<LogBlock>,
    /// Batches that may have held changes that are not in the state: first and last number.
    pub(super) changes_lost: Vec<(u64, u64)>,
    /// Batches of which nobody knows what shards they had records of, and how many bytes these had at most.
    unknown: Vec<(u64, u64)>,
    /// The last batch in which each shard has records.
    last_batch: BTreeMap<u64, u64>,
    /// The batch that closed each shard which was open before.
    closed_in: BTreeMap<u64, u64>,
    /// What does not fit, of a state with lost changes.
    pub(super) unfit: Option<String>,
}

/// Adds batches up to `limit` to the newest snapshot.
pub(super) fn replay(survey: &mut Survey, limit: u64) -> Replayed {
    let mut state = survey.snapshot.as_ref().map(|(_, state)| state.clone()).unwrap_or_default();
    let snapshot_batch = state.batch;
    let mut replayed = Replayed {
        state: State::default(),
        blocks: Vec::new(),
        changes_lost: Vec::new(),
        unknown: Vec::new(),
        last_batch: BTreeMap::new(),
        closed_in: BTreeMap::new(),
        unfit: None,
    };
    let batches: Vec<_> = survey.batches.range(..=limit).map(|(_, found)| found.clone()).collect();
    for found in batches {
        let number = found.header.number;
        let content = survey.content(&found);
        let is_new = number > snapshot_batch;
        if is_new {
            if number > state.batch + 1 {
                replayed.changes_lost.push((state.batch + 1, number - 1));
                replayed.unknown.push((number - 1, survey.bytes_between(state.batch, number)));
            }
            match &content.changes {
                Some(changes) => {
                    for change in changes {
                        replayed.note_unknown_shard(&state, change, number);
                        if let Change::CloseShard { shard } = change {
                            replayed.closed_in.insert(shard.0, number);
                        }
                        state.apply(change);
                    }
                }
                None => replayed.changes_lost.push((number, number)),
            }
            state.batch = number;
            state.time_ms = state.time_ms.max(found.header.time_ms);
        }
        if content.blocks.is_none() && is_new {
            replayed.unknown.push((number, u64::from(found.header.total)));
        }
        for (entry, offset, verifies) in content.blocks.iter().flatten() {
            replayed.last_batch.insert(entry.shard.0, number);
            if is_new {
                replayed.note_records(&mut state, entry, found.header.time_ms, number);
            }
            if *verifies {
                let time_ms = found.header.time_ms;
                replayed.blocks.push(LogBlock { entry: *entry, batch: number, time_ms, offset: *offset });
            }
        }
    }
    replayed.state = state;
    replayed
}

impl Replayed {
    /// A change of a shard that nobody opened: the batch that did is lost.
    fn note_unknown_shard(&mut self, state: &State, change: &Change, number: u64) {
        let (Change::CloseShard { shard } | Change::TrimShard { shard, .. } | Change::SetShardClass { shard, .. }) =
            change
        else {
            return;
        };
        if !self.changes_lost.is_empty() && shard.0 >= state.next_shard_key {
            self.unfit.get_or_insert_with(|| format!("batch {number} changes shard {shard}, whose opening is lost"));
        }
    }

    fn note_records(&mut self, state: &mut State, entry: &BlockEntry, time_ms: u64, number: u64) {
        let next_shard_key = state.next_shard_key;
        let Some(shard) = state.shards.get_mut(&entry.shard.0) else {
            // One with a lower key was dropped; its records are not wanted.
            if entry.shard.0 >= next_shard_key {
                let what = || format!("batch {number} has records of shard {}, whose opening is lost", entry.shard);
                self.unfit.get_or_insert_with(what);
            }
            return;
        };
        if entry.first < shard.next {
            let what = || format!("batch {number} gives positions of shard {} a second time", entry.shard);
            self.unfit.get_or_insert_with(what);
        }
        shard.next = shard.next.max(entry.first + u64::from(entry.count));
        shard.last_time_ms = time_ms;
    }

    /// How many bytes of records of a shard may have followed its last known one, in batches that cannot be read. A shard
    /// that was closed already when the newest snapshot was made has all of its positions in it.
    pub(super) fn unknown_bytes(&self, key: u64, shard: &ShardState) -> u64 {
        let last = self.last_batch.get(&key).copied().unwrap_or(0);
        let closed_in = self.closed_in.get(&key).copied().unwrap_or(if shard.closed { 0 } else { u64::MAX });
        let unknown = self.unknown.iter().filter(|(number, _)| *number > last && *number <= closed_in);
        unknown.map(|(_, bytes)| bytes).sum()
    }

    /// The positions behind the last record of each shard, in batches above `limit`.
    pub(super) fn highest(&self, limit: u64) -> BTreeMap<u64, u64> {
        let mut highest = BTreeMap::new();
        for block in self.blocks.iter().filter(|block| block.batch > limit) {
            let next = block.entry.first + u64::from(block.entry.count);
            let known = highest.entry(block.entry.shard.0).or_insert(next);
            *known = next.max(*known);
        }
        highest
    }
}
