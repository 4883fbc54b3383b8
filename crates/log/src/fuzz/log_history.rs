//! Logs of histories that make sense, some of whose batches are then lost, doubled, moved or changed, through the whole of
//! recovery.
//!
//! An input is a list of decisions, a byte for each: which changes and records each batch has, which file it is in, and what
//! befalls it. So every input comes to what lies behind the checks of single batches, which changed bytes of a log seldom do.

use super::batch::{run, trimmed};
use super::log_file::recover_mended;
use super::rig::LOG_ID;
use crate::batch::{BatchBuilder, Place};
use crate::change::{Change, Key};
use crate::medium::disk::fuzz::{FIRST_BATCH, name_page};
use crate::record::RecordFlags;
use crate::state::State;
use bytes::Bytes;
use rheos_types::ShardKey;
use std::collections::BTreeSet;

const SHARDS: u8 = 4;

/// A log as the input decides.
pub fn log_history(data: &[u8]) {
    recover_mended(&History::new(data).log());
}

/// What is still to be decided, and the state that the batches so far have led to.
struct History<'a> {
    decisions: std::slice::Iter<'a, u8>,
    state: State,
    dropped: BTreeSet<ShardKey>,
}

impl<'a> History<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { decisions: data.iter(), state: State::default(), dropped: BTreeSet::new() }
    }

    /// One of so many; 0 when all is decided.
    fn pick(&mut self, of: u8) -> u8 {
        self.decisions.next().copied().unwrap_or(0) % of
    }

    fn log(mut self) -> Vec<u8> {
        let mut log = name_page(LOG_ID, 1);
        // One that comes later than it should.
        let mut late = Vec::new();
        while self.decisions.len() > 0 {
            if self.pick(6) == 0 {
                log.extend_from_slice(&name_page(LOG_ID, 1));
                continue;
            }
            let mut batch = self.batch();
            match self.pick(10) {
                0 => {}
                1 => log.extend_from_slice(&batch.repeat(2)),
                2 | 3 => {
                    log.append(&mut std::mem::replace(&mut late, batch));
                    continue;
                }
                4 => {
                    let (at, value) = (usize::from(self.pick(u8::MAX)), self.pick(u8::MAX));
                    if let Some(byte) = batch.get_mut(at) {
                        *byte = value;
                    }
                    log.extend_from_slice(&batch);
                }
                5 => log.extend_from_slice(&batch[..usize::from(self.pick(u8::MAX)).min(batch.len())]),
                _ => log.extend_from_slice(&batch),
            }
            log.append(&mut late);
        }
        log
    }

    fn batch(&mut self) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        for _ in 0..self.pick(4) {
            if let Some(change) = self.change() {
                self.state.apply(&change);
                builder.push_change(&change);
            }
        }
        let shards = self.pick(1 << SHARDS);
        for shard in (0..SHARDS).filter(|shard| shards >> shard & 1 == 1).map(|shard| u64::from(shard) + 1) {
            let records = vec![(Some("key"), &b"data"[..], RecordFlags::NONE); usize::from(self.pick(3)) + 1];
            if let Some(first) = self.state.append(ShardKey(shard), records.len() as u32, 0) {
                builder.push_run(run(shard, &records), first);
            }
        }
        // Number and place are put right.
        let mut batch = builder.finish(1, 0, 1_700_000_000_000);
        trimmed(batch.seal(Place { log_id: LOG_ID, generation: 1, file_id: 1, offset: FIRST_BATCH }))
    }

    /// `None` for what no writer does: the key of a shard that was dropped is not used again.
    fn change(&mut self) -> Option<Change> {
        let (kind, shard) = (self.pick(9), ShardKey(u64::from(self.pick(SHARDS)) + 1));
        Some(match kind {
            0 => Change::Put { key: Key::new("key"), value: Bytes::from_static(b"value") },
            1 => Change::Delete { key: Key::new("key") },
            2 => Change::CloseShard { shard },
            3 => {
                self.dropped.insert(shard);
                Change::DropShard { shard }
            }
            4 => Change::TrimShard { shard, below: u64::from(self.pick(8)) },
            5 => Change::SetShardClass { shard, class: u32::from(self.pick(2)) },
            _ if self.dropped.contains(&shard) => return None,
            _ => Change::OpenShard { shard, class: u32::from(self.pick(2)) },
        })
    }
}

/// Decisions that come to something.
#[must_use]
pub fn log_history_seeds() -> Vec<Vec<u8>> {
    let steps = |by: u8| (0..200u8).map(|at| at.wrapping_mul(by).wrapping_add(at / 16)).collect();
    [7, 29, 61, 101].map(steps).to_vec()
}
