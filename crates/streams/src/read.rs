//! GetRecords.
//!
//! All records of a block arrived together, so a block as a whole has expired or has not: what is too old is left out
//! by looking at the blocks that come anyway, and only a reader that stands among expired records has the log asked for
//! the place where they end.

use crate::catalog::Child;
use crate::facts::{RateExceeded, ShardNotFound};
use crate::open::Streams;
use crate::unseal::SealedRecord;
use crate::view::{ShardView, StreamView};
use rheos_log::{Block, RecordFlags};
use rheos_types::limits::{GET_RECORDS_BYTES, GET_RECORDS_COUNT};
use rheos_types::token::ShardIterator;
use rheos_types::{HashRange, SequenceNumber, ShardId};

/// Records of one shard, in the log's own blocks: nothing is copied or allocated for one record.
#[derive(Debug)]
pub struct Records<Next = String> {
    /// The shard.
    pub shard: ShardId,
    /// Its create second, for sequence numbers.
    pub shard_created_s: u64,
    /// How long after the last of these records the newest one arrived; 0 at the tip.
    pub millis_behind_latest: u64,
    /// How to go on.
    pub onward: Onward<Next>,
    blocks: Vec<Block>,
    first: u64,
    next: u64,
    bytes: usize,
}

/// How a reader goes on after an answer: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward<Next = String> {
    /// From here: a shard iterator, or the sequence number to continue after.
    Next(Next),
    /// With these shards: this one is closed and read to its end.
    Ended(Vec<ChildShard>),
}

/// A shard that takes over the hash keys of one that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildShard {
    /// Its id.
    pub id: ShardId,
    /// The hash keys that it takes.
    pub range: HashRange,
    /// The shards that it follows: one after a split, two after a merge.
    pub parents: Vec<ShardId>,
}

impl ChildShard {
    fn of(child: &Child) -> Self {
        Self { id: child.id, range: child.range, parents: child.parents.clone() }
    }
}

/// A record as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its sequence number.
    pub sequence_number: SequenceNumber,
    /// When it arrived.
    pub time_ms: u64,
    /// Its partition key.
    pub partition_key: Option<&'a str>,
    /// What it carries.
    pub data: &'a [u8],
    /// Whether it is kept sealed.
    pub sealed: bool,
}

impl<Next> Records<Next> {
    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.blocks.iter().flat_map(move |block| {
            let time_ms = block.time_ms();
            kept(block, self.first, self.next).map(move |(position, record)| Record {
                sequence_number: self.sequence_number(position, time_ms),
                time_ms,
                partition_key: record.partition_key,
                data: record.data,
                sealed: record.flags.contains(RecordFlags::SEALED),
            })
        })
    }

    fn sequence_number(&self, position: u64, time_ms: u64) -> SequenceNumber {
        SequenceNumber::of_record(self.shard, self.shard_created_s, position, time_ms / 1000)
    }

    /// No records, before position `at`.
    pub(crate) fn none(
        shard: ShardId,
        shard_created_s: u64,
        at: u64,
        millis_behind_latest: u64,
        onward: Onward<Next>,
    ) -> Self {
        let (blocks, first, next, bytes) = (Vec::new(), at, at, 0);
        Self { shard, shard_created_s, millis_behind_latest, onward, blocks, first, next, bytes }
    }

    /// The position behind the last of them.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// When the last of them arrived.
    pub(crate) fn last_time_ms(&self) -> Option<u64> {
        self.blocks.iter().rfind(|block| block.first() < self.next).map(Block::time_ms).filter(|_| self.count() > 0)
    }

    /// Whether there are none, while more may come.
    #[must_use]
    pub fn is_at_tip(&self) -> bool {
        self.count() == 0 && self.millis_behind_latest == 0 && matches!(self.onward, Onward::Next(_))
    }

    /// How many records there are.
    #[must_use]
    pub fn count(&self) -> usize {
        (self.next - self.first) as usize
    }

    /// How many bytes of data and partition keys they have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The records of a block between two positions.
fn kept(block: &Block, first: u64, next: u64) -> impl Iterator<Item = (u64, rheos_log::RecordRef<'_>)> {
    block.records().skip_while(move |(position, _)| *position < first).take_while(move |(position, _)| *position < next)
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The shard or its stream is gone.
    #[error(transparent)]
    NotFound(#[from] ShardNotFound),
    /// The shard's published limit is used up.
    #[error(transparent)]
    Throttled(#[from] RateExceeded),
    /// The log could not read it.
    #[error(transparent)]
    Read(rheos_log::ReadError),
    /// The first record there is cannot be opened.
    #[error(transparent)]
    Sealed(Box<SealedRecord>),
}

/// Why nothing was read, whoever reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Log(#[from] rheos_log::ReadError),
    #[error(transparent)]
    Sealed(#[from] Box<SealedRecord>),
}

impl Streams {
    /// Reads at most `limit` records, `most_bytes` and 10 MiB from where the iterator stands, at least one record if there is
    /// one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get_records(
        &self,
        iterator: &ShardIterator,
        limit: Option<u32>,
        most_bytes: usize,
    ) -> Result<Records, ReadError> {
        let not_found = || ShardNotFound {
            namespace: iterator.namespace.clone(),
            stream: iterator.stream.clone(),
            shard: iterator.shard,
        };
        let view = self.serving(&iterator.namespace, &iterator.stream).map_err(|_| not_found())?;
        let shard = view.shard(iterator.shard).filter(|shard| shard.record.key == iterator.shard_key);
        let shard = shard.ok_or_else(not_found)?;
        if !shard.memory.buckets.read(|bucket| bucket.take(&view.limits, self.clock.monotonic_ms())) {
            let (namespace, stream) = (view.namespace.clone(), view.name.clone());
            return Err(RateExceeded { namespace, stream, shard: shard.id }.into());
        }
        let limit = limit.map_or(GET_RECORDS_COUNT, |limit| GET_RECORDS_COUNT.min(limit as usize));
        let bound = Bound { records: limit, bytes: GET_RECORDS_BYTES.min(most_bytes) };
        let records = self.read(&view, shard, iterator.position, bound, |next, last_time_ms| {
            self.seal_iterator(&view, shard, next, last_time_ms.is_none())
        });
        let records = records.await.map_err(|error| match error {
            Unread::Log(rheos_log::ReadError::UnknownShard) => not_found().into(),
            Unread::Log(error) => ReadError::Read(error),
            Unread::Sealed(sealed) => ReadError::Sealed(sealed),
        })?;
        shard.memory.buckets.read(|bucket| bucket.gave(records.bytes as u64, &view.limits));
        Ok(records)
    }

    /// Waits until there is a record where the iterator stands, or the shard ends. May return without reason.
    pub async fn next_record(&self, iterator: &ShardIterator) {
        self.log.wait(iterator.shard_key, iterator.position).await;
    }

    /// Reads from a position on. `onward` makes what the reader goes on with, out of the next position and the time of
    /// the last record.
    pub(crate) async fn read<Next>(
        &self,
        view: &StreamView,
        shard: &ShardView,
        position: u64,
        bound: Bound,
        onward: impl FnOnce(u64, Option<u64>) -> Next,
    ) -> Result<Records<Next>, Unread> {
        let (blocks, at) = self.read_kept(view, shard, position, bound).await?;
        let Cut { first, next, bytes, last_time_ms } = cut(&blocks, at, bound);
        // Looked at after the read: a tip that moved meanwhile is one to catch up with.
        let state = self.log.shard(shard.record.key).ok_or(rheos_log::ReadError::UnknownShard)?;
        let at_tip = next >= state.next;
        let millis_behind_latest = match last_time_ms {
            Some(time_ms) if !at_tip => self.clock.wall_ms().saturating_sub(time_ms).max(1),
            _ => 0,
        };
        let onward = match children(view, shard) {
            Some(children) if at_tip && state.closed => Onward::Ended(children),
            _ => Onward::Next(onward(next, last_time_ms)),
        };
        let (shard, shard_created_s) = (shard.id, shard.record.created_s);
        Ok(Records { shard, shard_created_s, millis_behind_latest, onward, blocks, first, next, bytes })
    }

    /// Reads from a position, or from the first record that has not expired: the blocks, their data opened, and where in
    /// them to begin.
    async fn read_kept(
        &self,
        view: &StreamView,
        shard: &ShardView,
        position: u64,
        bound: Bound,
    ) -> Result<(Vec<Block>, u64), Unread> {
        let key = shard.record.key;
        let horizon_ms = self.horizon_ms(&view.record);
        let read = |from| self.log.read(key, from, bound.records, bound.bytes);
        let mut at = position;
        let mut blocks = read(at).await?;
        if blocks.first().is_some_and(|block| block.time_ms() < horizon_ms) {
            at = self.log.position_at(key, horizon_ms).await?;
            blocks = read(at).await?;
        }
        match blocks.first() {
            Some(block) => at = at.max(block.first()),
            // Nothing to read: everything up to the end has expired, or there is nothing beyond the position.
            None => at = at.max(self.log.shard(key).map_or(at, |state| state.first)),
        }
        Ok((self.unsealed(view, shard, blocks)?, at))
    }
}

/// The children that a shard names to a reader who has come to its end. `None` while it is open, and while they are not
/// open yet (a reshard that a crash has cut in two): the reader then stays.
fn children(view: &StreamView, shard: &ShardView) -> Option<Vec<ChildShard>> {
    let closed = shard.record.closed.as_ref()?;
    let opened = closed.children.iter().all(|child| child.is_open_in(&view.record));
    opened.then(|| closed.children.iter().map(ChildShard::of).collect())
}

/// How much is read at most. One record is read however large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// What of the blocks is answered.
struct Cut {
    first: u64,
    next: u64,
    bytes: usize,
    last_time_ms: Option<u64>,
}

/// Takes records from `first` on: as many as stay within the bound, but at least one.
fn cut(blocks: &[Block], first: u64, bound: Bound) -> Cut {
    let mut cut = Cut { first, next: first, bytes: 0, last_time_ms: None };
    let end = first.saturating_add(bound.records as u64);
    for block in blocks {
        let block_end = block.first() + u64::from(block.count());
        if block.first() >= first && block_end <= end && cut.bytes + block.payload_bytes() <= bound.bytes {
            cut.bytes += block.payload_bytes();
            cut.next = block_end;
            cut.last_time_ms = Some(block.time_ms());
            continue;
        }
        for (position, record) in kept(block, first, end) {
            let bytes = record.data.len() + record.partition_key.map_or(0, str::len);
            if cut.next > first && cut.bytes + bytes > bound.bytes {
                return cut;
            }
            cut.bytes += bytes;
            cut.next = position + 1;
            cut.last_time_ms = Some(block.time_ms());
        }
    }
    cut
}
