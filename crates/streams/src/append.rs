//! PutRecord, PutRecords: hash → open shard, limits, one run of records for each shard, one append to the log.
//!
//! # Order
//! A call decides all its routes on one view, so all its records of one key are in one run, in the order of the call. A
//! run goes in whole or, if its shard was closed by a reshard before it was sequenced, not at all. Then its records are
//! routed again, by a view that has the children, and appended again: whole runs, in order. None of them can overtake
//! an earlier one of its key, because no part of their run went in; and whoever writes after an answer writes after
//! what was answered. Within a call, once a shard's limit refuses a record, it refuses the shard's later ones too, so
//! that what went in is a beginning of what was asked and a retry of the rest keeps the order.
//!
//! A stream that spreads its records by itself (`distribution.rs`) has no order to keep but that of each shard.

use crate::catalog::Distribution;
use crate::facts::{RateExceeded, StreamNotFound};
use crate::keys::KeyUnavailable;
use crate::open::Streams;
use crate::view::{ShardView, StreamView};
use rheos_log::{LogError, RecordFlags, Run, RunBuilder};
use rheos_types::limits::PUT_RECORDS_BYTES;
use rheos_types::seal::{Binding, SEALED_OVERHEAD_BYTES, Sealing};
use rheos_types::{HashKey, Namespace, SequenceNumber, ShardId, StreamArn, StreamName};
use std::sync::Arc;

/// How often records are routed. Each further time, a whole reshard has come between looking at the view and being
/// sequenced: with transitions that take any time at all, twice is rare.
const ROUTES: usize = 16;

/// A record to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it carries.
    pub data: &'a [u8],
    /// What decides its shard, unless `explicit_hash_key` does. None is not an empty one: it is stored and read as
    /// absent, by a stream that takes records without.
    pub partition_key: Option<&'a str>,
    /// A decimal number below 2^128.
    pub explicit_hash_key: Option<&'a str>,
}

impl Entry<'_> {
    /// What counts against limits.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.map_or(0, str::len)
    }

    fn hash_key(&self) -> Result<HashKey, InvalidExplicitHashKey> {
        match self.explicit_hash_key {
            None => Ok(HashKey::of_partition_key(self.partition_key.unwrap_or_default())),
            Some(text) => HashKey::parse(text).map_err(|error| InvalidExplicitHashKey { value: error.0 }),
        }
    }
}

/// A record that is durable, and readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The shard it is in.
    pub shard: ShardId,
    /// Its place there.
    pub sequence_number: SequenceNumber,
    /// Whether its data is sealed.
    pub sealed: bool,
}

/// What became of one record of many.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is durable.
    Stored(Stored),
    /// Its shard's published limit is used up; it was not written.
    Throttled {
        /// The shard.
        shard: ShardId,
    },
    /// It was not written, or may not have been, while others of the call were.
    Failed(Failure),
}

/// Why one record of many failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The log did not take it; the error says whether it may have been written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No shard takes its hash key just now (a reshard is being finished); it was not written.
    #[error("no open shard takes the record's hash key")]
    NoOpenShard,
    /// There is no key to seal it under; it was not written.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
}

/// The explicit hash key is not a decimal number below 2^128.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no hash key")]
pub struct InvalidExplicitHashKey {
    /// What it looked like.
    pub value: String,
}

/// Why a record was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is no such stream, or it is not in service.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// It has no partition key, and the stream's records need one.
    #[error("no partition key")]
    NoPartitionKey,
    /// The explicit hash key is none.
    #[error(transparent)]
    HashKey(#[from] InvalidExplicitHashKey),
    /// The number that the record's was to exceed is none, or is of the future.
    #[error("{value:?} is no sequence number to exceed")]
    Ordering {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// What was given.
        value: String,
    },
    /// The record is larger than the stream takes.
    #[error("{bytes} bytes are more than {limit_bytes}")]
    TooLarge {
        /// Its data and partition key.
        bytes: usize,
        /// What the stream takes.
        limit_bytes: usize,
    },
    /// The shard's published limit is used up; nothing was written.
    #[error(transparent)]
    Throttled(#[from] RateExceeded),
    /// No shard takes the hash key just now; nothing was written.
    #[error("no open shard takes the record's hash key")]
    NoOpenShard,
    /// There is no key to seal it under; nothing was written.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The log did not take it; the error says whether it may have been written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why none of many records was stored (or, if the log's error says so, it is not known).
#[derive(Debug, thiserror::Error)]
pub enum PutRecordsError {
    /// There is no such stream, or it is not in service.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// A record has no partition key, and the stream's records need one.
    #[error("record {index}: no partition key")]
    NoPartitionKey {
        /// Which, counted from 0.
        index: usize,
    },
    /// An explicit hash key is none.
    #[error(transparent)]
    HashKey(#[from] InvalidExplicitHashKey),
    /// A record is larger than the stream takes.
    #[error("record {index}: {bytes} bytes are more than {limit_bytes}")]
    RecordTooLarge {
        /// Which, counted from 0.
        index: usize,
        /// Its data and partition key.
        bytes: usize,
        /// What the stream takes.
        limit_bytes: usize,
    },
    /// Together they are larger than a call may be.
    #[error("{bytes} bytes are more than {limit_bytes}")]
    TooLarge {
        /// All data and partition keys.
        bytes: usize,
        /// What a call may carry.
        limit_bytes: usize,
    },
    /// There is no key to seal them under; nothing was written.
    #[error(transparent)]
    Key(KeyUnavailable),
    /// The log took none of it; the error says whether some of it may have been written.
    #[error(transparent)]
    Log(LogError),
}

impl Streams {
    /// Appends one record, and answers when it is durable.
    ///
    /// Its sequence number exceeds `sequence_number_for_ordering`, if that is one of the stream's own.
    ///
    /// # Errors
    /// [`PutError`].
    pub async fn put_record(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        entry: Entry<'_>,
        sequence_number_for_ordering: Option<&str>,
    ) -> Result<Stored, PutError> {
        let view = self.serving(namespace, name)?;
        let spreads = view.record.distribution == Distribution::Auto;
        if entry.partition_key.is_none() && !spreads {
            return Err(PutError::NoPartitionKey);
        }
        let (bytes, limit_bytes) = (entry.bytes(), max_record_bytes(&view));
        if bytes > limit_bytes {
            return Err(PutError::TooLarge { bytes, limit_bytes });
        }
        let hash_key = if spreads { None } else { Some(entry.hash_key()?) };
        if let Some(value) = sequence_number_for_ordering.filter(|value| !self.can_be_exceeded(&view, value)) {
            let (namespace, stream) = (namespace.clone(), name.clone());
            return Err(PutError::Ordering { namespace, stream, value: value.chars().take(160).collect() });
        }
        let mut outcome = [Outcome::Failed(Failure::NoOpenShard)];
        let routes = hash_key.as_ref().map_or(Routes::Spread, |key| Routes::Keys(std::slice::from_ref(key)));
        self.append(view, std::slice::from_ref(&entry), routes, &mut outcome).await?;
        let [outcome] = outcome;
        match outcome {
            Outcome::Stored(stored) => Ok(stored),
            Outcome::Throttled { shard } => {
                Err(RateExceeded { namespace: namespace.clone(), stream: name.clone(), shard }.into())
            }
            Outcome::Failed(Failure::Log(error)) => Err(error.into()),
            Outcome::Failed(Failure::NoOpenShard) => Err(PutError::NoOpenShard),
            Outcome::Failed(Failure::Key(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Appends records, and answers when they are durable: what became of each, in their order. Records of one key keep
    /// the order of the call.
    ///
    /// # Errors
    /// [`PutRecordsError`] when none was stored.
    pub async fn put_records(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        entries: &[Entry<'_>],
    ) -> Result<Vec<Outcome>, PutRecordsError> {
        let view = self.serving(namespace, name)?;
        let spreads = view.record.distribution == Distribution::Auto;
        if let Some(index) = entries.iter().position(|entry| entry.partition_key.is_none() && !spreads) {
            return Err(PutRecordsError::NoPartitionKey { index });
        }
        check_sizes(entries, max_record_bytes(&view))?;
        let keyed = if spreads { &[] } else { entries };
        let mut hash_keys = Vec::with_capacity(keyed.len());
        for entry in keyed {
            hash_keys.push(entry.hash_key()?);
        }
        let routes = if spreads { Routes::Spread } else { Routes::Keys(&hash_keys) };
        let mut outcomes = vec![Outcome::Failed(Failure::NoOpenShard); entries.len()];
        self.append(view, entries, routes, &mut outcomes).await?;
        // A log that refuses a call refuses all of its runs together: it is then the call's failure, not a record's.
        if let Some(Outcome::Failed(Failure::Log(error))) = outcomes.first()
            && outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed(Failure::Log(_))))
        {
            return Err(PutRecordsError::Log(error.clone()));
        }
        // So is a key that cannot be had.
        if let Some(Outcome::Failed(Failure::Key(unavailable))) = outcomes.first()
            && outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed(Failure::Key(_))))
        {
            return Err(PutRecordsError::Key(unavailable.clone()));
        }
        Ok(outcomes)
    }

    /// Whether the sequence number of a record that is appended now exceeds `value`: it does if that is a number of a
    /// record that was there before. A number of a shard that the stream has is judged by the shard's records, for
    /// clocks can be set back; any other by its time.
    fn can_be_exceeded(&self, view: &StreamView, value: &str) -> bool {
        let Some(number) = SequenceNumber::parse(value) else { return false };
        let own = view.shard(number.shard).filter(|shard| shard.record.created_s == number.shard_created_s);
        match own.and_then(|shard| Some((shard, self.log.shard(shard.record.key)?))) {
            Some((shard, state)) => number.index <= state.next || shard.record.closed.is_some(),
            None => number.time_s <= self.clock.wall_ms() / 1000,
        }
    }

    /// Appends `entries` and writes what became of each into `outcomes`. The stream is not found if it goes before
    /// anything was written.
    pub(crate) async fn append(
        &self,
        mut view: Arc<StreamView>,
        entries: &[Entry<'_>],
        routes: Routes<'_>,
        outcomes: &mut [Outcome],
    ) -> Result<(), StreamNotFound> {
        let mut left: Vec<u32> = (0..entries.len() as u32).collect();
        for attempt in 0..ROUTES {
            // Records that are routed again have been held to a shard's limit before.
            let limited = (attempt == 0).then(|| self.clock.monotonic_ms());
            let batch = match routes {
                Routes::Keys(keys) => {
                    Batch::route(&view, keys, &left, outcomes).limit(entries, keys, limited, &view, outcomes)
                }
                Routes::Spread if view.open.is_empty() => Batch::default(),
                Routes::Spread => Batch::spread(&view, entries, &left, limited, outcomes),
            };
            left = self.append_batch(&view, batch, entries, outcomes).await;
            if left.is_empty() {
                return Ok(());
            }
            // What closed the shard is durable, and so in the view: a reshard, or the stream's end.
            view = match self.serving(&view.namespace, &view.name) {
                Ok(fresh) if fresh.record.uid == view.record.uid => fresh,
                _ if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Stored(_))) => return Ok(()),
                _ => return Err(view.not_found()),
            };
        }
        Ok(())
    }

    /// Appends a batch once: the records whose shards were closed before are what is left.
    async fn append_batch(
        &self,
        view: &StreamView,
        batch: Batch,
        entries: &[Entry<'_>],
        outcomes: &mut [Outcome],
    ) -> Vec<u32> {
        if batch.groups.is_empty() {
            return Vec::new();
        }
        let key = match view.keys.active() {
            Ok(key) => key,
            Err(unavailable) => {
                batch.fail(&Failure::Key(unavailable.clone()), outcomes);
                return Vec::new();
            }
        };
        let encode = |group: &Group| match key {
            Some((number, key)) => group.seal(view, entries, key.sealing(number, group.count(), &*self.random)),
            None => group.encode(view, entries),
        };
        let runs = batch.groups.iter().map(encode).collect();
        let appended = match self.log.append(runs).await {
            Ok(appended) => appended,
            Err(error) => {
                batch.fail(&Failure::Log(error), outcomes);
                return Vec::new();
            }
        };
        let mut left = Vec::new();
        for (group, first) in batch.groups.iter().zip(appended.first) {
            let Some(first) = first else {
                left.extend_from_slice(&group.records);
                continue;
            };
            let shard = &view.open[group.open];
            for (position, index) in (first..).zip(&group.records) {
                outcomes[*index as usize] = Outcome::Stored(stored(shard, position, appended.time_ms, key.is_some()));
            }
        }
        // In the order of the call again, whatever shards they were in.
        left.sort_unstable();
        left
    }
}

fn stored(shard: &ShardView, position: u64, time_ms: u64, sealed: bool) -> Stored {
    let created_s = shard.record.created_s;
    let sequence_number = SequenceNumber::of_record(shard.id, created_s, position, time_ms / 1000);
    Stored { shard: shard.id, sequence_number, sealed }
}

fn max_record_bytes(view: &StreamView) -> usize {
    view.record.max_record_kib as usize * 1024
}

fn check_sizes(entries: &[Entry<'_>], limit_bytes: usize) -> Result<(), PutRecordsError> {
    let mut total = 0;
    for (index, entry) in entries.iter().enumerate() {
        let bytes = entry.bytes();
        if bytes > limit_bytes {
            return Err(PutRecordsError::RecordTooLarge { index, bytes, limit_bytes });
        }
        total += bytes;
    }
    if total > PUT_RECORDS_BYTES {
        return Err(PutRecordsError::TooLarge { bytes: total, limit_bytes: PUT_RECORDS_BYTES });
    }
    Ok(())
}

/// What decides the shards of a call's records.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Routes<'a> {
    /// The hash key of each.
    Keys(&'a [HashKey]),
    /// Where there is room ([`Distribution::Auto`]).
    Spread,
}

/// The records of a call, by shard.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) groups: Vec<Group>,
}

/// The records of a call that one shard takes.
#[derive(Debug)]
pub(crate) struct Group {
    /// Which of the view's open shards.
    pub(crate) open: usize,
    /// Which of the call's records, in their order.
    pub(crate) records: Vec<u32>,
}

impl Batch {
    /// Routes the records `left`. Those that no shard takes are left out and have failed.
    fn route(view: &StreamView, hash_keys: &[HashKey], left: &[u32], outcomes: &mut [Outcome]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        // Which group an open shard has, plus 1. One record, the common call, does without.
        let mut group_of = vec![0u32; if left.len() > 1 { view.open.len() } else { 0 }];
        for &index in left {
            let Some(open) = view.route(hash_keys[index as usize]) else {
                outcomes[index as usize] = Outcome::Failed(Failure::NoOpenShard);
                continue;
            };
            match group_of.get(open) {
                Some(&group) if group > 0 => groups[group as usize - 1].records.push(index),
                _ => {
                    // Room for its share and half as much again: keys spread evenly, or nearly.
                    let share = left.len() / view.open.len().max(1);
                    let mut records = Vec::with_capacity((share + share / 2 + 8).min(left.len()));
                    records.push(index);
                    groups.push(Group { open, records });
                    if let Some(group) = group_of.get_mut(open) {
                        *group = groups.len() as u32;
                    }
                }
            }
        }
        Self { groups }
    }

    /// Holds the shards' published limits, and counts what goes into each, if that is asked for.
    fn limit(
        mut self,
        entries: &[Entry<'_>],
        hash_keys: &[HashKey],
        limited: Option<u64>,
        view: &StreamView,
        outcomes: &mut [Outcome],
    ) -> Self {
        let Some(now_ms) = limited else { return self };
        for group in &mut self.groups {
            let shard = &view.open[group.open];
            let taken = shard.memory.buckets.write(|bucket| {
                let takes = |index: &&u32| bucket.take(entries[**index as usize].bytes() as u64, &view.limits, now_ms);
                let taken = group.records.iter().take_while(takes).count();
                group.records[..taken].iter().for_each(|index| bucket.load.saw(hash_keys[*index as usize]));
                taken
            });
            for index in group.records.drain(taken..) {
                outcomes[index as usize] = Outcome::Throttled { shard: shard.id };
            }
        }
        self.groups.retain(|group| !group.records.is_empty());
        self
    }

    /// All of its records have failed.
    fn fail(&self, failure: &Failure, outcomes: &mut [Outcome]) {
        for index in self.groups.iter().flat_map(|group| &group.records) {
            outcomes[*index as usize] = Outcome::Failed(failure.clone());
        }
    }
}

impl Group {
    fn encode(&self, view: &StreamView, entries: &[Entry<'_>]) -> Run {
        let records = || self.records.iter().map(|index| &entries[*index as usize]);
        let encoded = records().map(|entry| RunBuilder::encoded_len(entry.partition_key, entry.data));
        let mut run = RunBuilder::with_capacity(view.open[self.open].record.key, encoded.sum());
        for entry in records() {
            run.push(entry.partition_key, entry.data, RecordFlags::NONE);
        }
        run.finish()
    }

    /// The same, each record sealed for its shard as it is copied into the run.
    fn seal(&self, view: &StreamView, entries: &[Entry<'_>], mut sealing: Sealing) -> Run {
        let shard = &view.open[self.open];
        let arn = StreamArn { namespace: view.namespace.clone(), name: view.name.clone() };
        let mut binding = Binding::new(&arn, shard.id);
        let records = || self.records.iter().map(|index| &entries[*index as usize]);
        let bytes =
            |entry: &Entry<'_>| RunBuilder::encoded_len(entry.partition_key, entry.data) + SEALED_OVERHEAD_BYTES;
        let mut run = RunBuilder::with_capacity(shard.record.key, records().map(bytes).sum());
        for entry in records() {
            let bound_to = binding.of(entry.partition_key);
            run.push_with(entry.partition_key, RecordFlags::SEALED, |buffer| {
                sealing.seal(bound_to, entry.data, buffer)
            });
        }
        run.finish()
    }

    fn count(&self) -> u32 {
        self.records.len() as u32
    }
}
