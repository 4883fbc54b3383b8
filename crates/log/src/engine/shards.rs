//! What readers see of each shard: where its durable records lie, oldest first, in segments and then in the log.

use super::segment::SegmentRun;
use crate::batch::BlockEntry;
use crate::medium::Location;
use crate::record::Block;
use bytes::Bytes;
use rheos_types::ShardKey;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Notify;

/// A durable batch: its bytes while they are in the tail, and where they lie for ever after.
#[derive(Debug)]
pub(crate) struct LiveBatch {
    pub(crate) location: Location,
    pub(crate) time_ms: u64,
    bytes: Mutex<Option<Bytes>>,
}

impl LiveBatch {
    pub(crate) fn new(location: Location, time_ms: u64, bytes: Option<Bytes>) -> Arc<Self> {
        Arc::new(Self { location, time_ms, bytes: Mutex::new(bytes) })
    }

    /// Lets go of the bytes: readers fetch them from the log from now on.
    fn evict(&self) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn slice(&self, offset: u32, length: u32) -> Option<Bytes> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.as_ref().map(|bytes| bytes.slice(offset as usize..offset as usize + length as usize))
    }
}

/// The newest batches in memory: a ring of whole batches, the oldest evicted first. What is accounted is the buffers, so
/// that a small record cannot keep a large batch alive unseen.
#[derive(Debug)]
pub(crate) struct Tail {
    budget_bytes: usize,
    used_bytes: usize,
    ring: VecDeque<(Arc<LiveBatch>, usize)>,
}

impl Tail {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self { budget_bytes, used_bytes: 0, ring: VecDeque::new() }
    }

    /// Bytes of batches that are really still held, counted anew.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.ring.iter().filter(|(batch, _)| batch.slice(0, 0).is_some()).map(|(_, length)| length).sum()
    }

    pub(crate) fn push(&mut self, batch: Arc<LiveBatch>, length: usize) {
        self.ring.push_back((batch, length));
        self.used_bytes += length;
        while self.used_bytes > self.budget_bytes
            && let Some((oldest, length)) = self.ring.pop_front()
        {
            oldest.evict();
            self.used_bytes -= length;
        }
    }
}

/// A block of a shard in the log.
#[derive(Debug, Clone)]
pub(crate) struct LiveRun {
    pub(crate) entry: BlockEntry,
    /// Where its records begin in the batch.
    offset: u32,
    pub(crate) batch: Arc<LiveBatch>,
}

impl LiveRun {
    pub(crate) fn new(entry: BlockEntry, offset: usize, batch: Arc<LiveBatch>) -> Self {
        Self { entry, offset: offset as u32, batch }
    }

    pub(crate) fn next(&self) -> u64 {
        self.entry.first + u64::from(self.entry.count)
    }

    /// The block, if its batch is still in memory.
    pub(crate) fn in_memory(&self) -> Option<Block> {
        let bytes = self.batch.slice(self.offset, self.entry.bytes)?;
        Some(Block::new(self.entry.first, self.entry.count, self.batch.time_ms, bytes))
    }

    /// The block, read from the log. `None` if the bytes there are not its own.
    pub(crate) fn read_log(&self, medium: &dyn crate::medium::Medium) -> std::io::Result<Option<Block>> {
        let bytes = medium.read(self.batch.location, self.offset as usize, self.entry.bytes as usize)?;
        let intact = crc32c::crc32c(&bytes) == self.entry.crc;
        Ok(intact.then(|| Block::new(self.entry.first, self.entry.count, self.batch.time_ms, bytes)))
    }
}

/// What the index of one block takes in memory, and of one batch: the structures, and the room that growing deques keep.
pub(crate) const BLOCK_INDEX_BYTES: usize = 80;
pub(crate) const BATCH_INDEX_BYTES: usize = 160;

/// What the records of one log file take in memory to be found, and since when they are there.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct FileLoad {
    pub(crate) index_bytes: usize,
    /// When the first record in it arrived.
    pub(crate) first_ms: Option<u64>,
}

impl FileLoad {
    /// A batch of so many blocks has come to the file.
    pub(crate) fn add(&mut self, blocks: usize, time_ms: u64) {
        if blocks > 0 {
            self.index_bytes += BATCH_INDEX_BYTES + blocks * BLOCK_INDEX_BYTES;
            self.first_ms.get_or_insert(time_ms);
        }
    }
}

/// What is durable of a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardIndex {
    /// The first position that may be read.
    pub(crate) first: u64,
    /// The position behind the last durable record.
    pub(crate) next: u64,
    pub(crate) closed: bool,
    /// The retention class of its next files.
    pub(crate) class: u32,
    pub(crate) last_time_ms: u64,
    pub(crate) segments: VecDeque<SegmentRun>,
    pub(crate) live: VecDeque<LiveRun>,
}

/// Where a read finds its next records.
pub(crate) enum Stage {
    /// Nothing durable is left.
    End,
    /// Blocks from memory.
    Memory(Vec<Block>),
    /// The block has to be read from the log.
    Log(LiveRun),
    /// The run has to be read from a segment.
    Segment(SegmentRun),
    /// No file holds the position, though it should be readable.
    Hole { next: u64 },
}

impl ShardIndex {
    /// The next stage of a read that has come to position `from`.
    pub(crate) fn stage(&self, from: u64, max_records: usize, max_bytes: usize) -> Stage {
        if from >= self.next {
            return Stage::End;
        }
        let at = self.live.partition_point(|run| run.next() <= from);
        if let Some(run) = self.live.get(at).filter(|run| run.entry.first <= from) {
            let blocks = self.memory_blocks(at, from, max_records, max_bytes);
            return if blocks.is_empty() { Stage::Log(run.clone()) } else { Stage::Memory(blocks) };
        }
        let at = self.segments.partition_point(|run| run.next <= from);
        match self.segments.get(at) {
            Some(run) if run.first <= from => Stage::Segment(run.clone()),
            Some(run) => Stage::Hole { next: run.first },
            None => Stage::Hole { next: self.live.front().map_or(self.next, |run| run.entry.first) },
        }
    }

    fn memory_blocks(&self, at: usize, from: u64, max_records: usize, max_bytes: usize) -> Vec<Block> {
        let mut blocks = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        for run in self.live.range(at..) {
            if records >= max_records || (bytes > 0 && bytes >= max_bytes) {
                break;
            }
            let Some(block) = run.in_memory() else { break };
            let Some(part) = block.part(from, max_records - records, max_bytes.saturating_sub(bytes).max(1)) else {
                break;
            };
            if bytes > 0 && bytes + part.len_bytes() > max_bytes {
                break;
            }
            let whole = part.first() + u64::from(part.count()) == run.next();
            records += part.count() as usize;
            bytes += part.len_bytes();
            blocks.push(part);
            if !whole {
                break;
            }
        }
        blocks
    }

    /// Forgets what lies wholly below the first readable position.
    pub(crate) fn forget_trimmed(&mut self) {
        while self.segments.front().is_some_and(|run| run.next <= self.first) {
            self.segments.pop_front();
        }
        while self.live.front().is_some_and(|run| run.next() <= self.first) {
            self.live.pop_front();
        }
    }
}

/// A shard's index under its own lock, held for moments, and those who wait for it to change.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    index: Mutex<ShardIndex>,
    changed: Notify,
}

impl Shard {
    pub(crate) fn index(&self) -> MutexGuard<'_, ShardIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for records, or for the shard's end. Next to nothing where nobody does.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Waits for a change that comes after this was called, unless `is_enough` says that none is needed.
    pub(crate) async fn wait(&self, is_enough: impl FnOnce(&ShardIndex) -> bool) {
        let mut changed = std::pin::pin!(self.changed.notified());
        // Counted among those who wait before looking, so that no change falls between.
        changed.as_mut().enable();
        if !is_enough(&self.index()) {
            changed.await;
        }
    }
}

/// All shards.
#[derive(Debug, Default)]
pub(crate) struct Shards(RwLock<HashMap<u64, Arc<Shard>>>);

impl Shards {
    pub(crate) fn get(&self, shard: ShardKey) -> Option<Arc<Shard>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&shard.0).cloned()
    }

    pub(crate) fn open(&self, shard: ShardKey) -> Arc<Shard> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(shard.0).or_default().clone()
    }

    /// Forgets a shard, and returns what was known of it.
    pub(crate) fn drop_shard(&self, shard: ShardKey) -> Option<Arc<Shard>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&shard.0)
    }

    /// Every shard, in order of the keys.
    pub(crate) fn all(&self) -> Vec<(ShardKey, Arc<Shard>)> {
        let shards = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = shards.iter().map(|(key, shard)| (ShardKey(*key), shard.clone())).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }
}
