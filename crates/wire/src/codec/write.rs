//! The outputs that carry records or are sent for every record, written without an intermediate form.

use std::marker::PhantomData;

use std::ops::Range;

use rheos_types::Digits;

use crate::generated::EncryptionType;
use crate::scalar::Timestamp;

/// How values are spelled. What is written, and in which order, is said once, in the writers below; they are compiled once
/// for each format, so that a format costs the other nothing.
pub trait Format {
    /// Begins a map with its first member, whose value has to follow.
    fn first(out: &mut Vec<u8>, key: Key);
    /// Goes on with another member, whose value has to follow.
    fn next(out: &mut Vec<u8>, key: Key);
    /// Ends a map.
    fn end_map(out: &mut Vec<u8>);
    /// Begins a list.
    fn begin_list(out: &mut Vec<u8>);
    /// Goes on with an element, which has to follow.
    fn item(out: &mut Vec<u8>, is_first: bool);
    /// Ends a list.
    fn end_list(out: &mut Vec<u8>);
    /// Appends a text.
    fn text(out: &mut Vec<u8>, text: &str);
    /// Appends a text of digits.
    fn digits(out: &mut Vec<u8>, digits: &Digits);
    /// Appends a number.
    fn number(out: &mut Vec<u8>, number: i64);
    /// Appends a point in time.
    fn timestamp(out: &mut Vec<u8>, timestamp: Timestamp);
    /// Appends bytes.
    fn blob(out: &mut Vec<u8>, bytes: &[u8]);
    /// About how many bytes a blob of so many takes.
    fn blob_bytes(bytes: usize) -> usize;
}

/// The name of a member, with what formats put around it: constants, so that a name is one copy of known length.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `{"Name":`
    pub(super) json_first: &'static str,
    /// `,"Name":`
    pub(super) json_next: &'static str,
    /// `Name`
    pub(super) name: &'static str,
}

macro_rules! key {
    ($name:literal) => {
        Key { json_first: concat!("{\"", $name, "\":"), json_next: concat!(",\"", $name, "\":"), name: $name }
    };
}

/// What became of one record of PutRecords.
#[derive(Clone, Copy, Debug)]
pub enum PutOutcome<'a> {
    /// It is stored.
    Stored {
        /// Where.
        shard_id: &'a str,
        /// As what.
        sequence_number: &'a Digits,
    },
    /// It is not.
    Failed {
        /// Why, for programs.
        code: &'a str,
        /// Why, for people.
        message: &'a str,
    },
}

/// Appends the output of PutRecord.
pub fn write_put_record<F: Format>(
    out: &mut Vec<u8>,
    shard_id: &str,
    sequence_number: &Digits,
    encryption: Option<EncryptionType>,
) {
    F::first(out, key!("ShardId"));
    F::text(out, shard_id);
    F::next(out, key!("SequenceNumber"));
    F::digits(out, sequence_number);
    push_encryption::<F>(out, encryption);
    F::end_map(out);
}

/// Writes the output of PutRecords, record by record in the order of the request.
#[derive(Debug)]
pub struct PutRecordsWriter<'o, F> {
    out: &'o mut Vec<u8>,
    written: usize,
    failed: i64,
    format: PhantomData<F>,
}

impl<'o, F: Format> PutRecordsWriter<'o, F> {
    /// Begins an output of about `records` records.
    pub fn begin(out: &'o mut Vec<u8>, records: usize) -> Self {
        out.reserve(64 + records.saturating_mul(128));
        F::first(out, key!("Records"));
        F::begin_list(out);
        Self { out, written: 0, failed: 0, format: PhantomData }
    }

    /// Appends what became of the next record.
    pub fn push(&mut self, outcome: PutOutcome<'_>) {
        let out = &mut *self.out;
        F::item(out, self.written == 0);
        self.written += 1;
        match outcome {
            PutOutcome::Stored { shard_id, sequence_number } => {
                F::first(out, key!("SequenceNumber"));
                F::digits(out, sequence_number);
                F::next(out, key!("ShardId"));
                F::text(out, shard_id);
            }
            PutOutcome::Failed { code, message } => {
                self.failed += 1;
                F::first(out, key!("ErrorCode"));
                F::text(out, code);
                F::next(out, key!("ErrorMessage"));
                F::text(out, message);
            }
        }
        F::end_map(out);
    }

    /// Ends the output.
    pub fn finish(self, encryption: Option<EncryptionType>) {
        let out = self.out;
        F::end_list(out);
        F::next(out, key!("FailedRecordCount"));
        F::number(out, self.failed);
        push_encryption::<F>(out, encryption);
        F::end_map(out);
    }
}

/// A record as it is read.
#[derive(Clone, Copy, Debug)]
pub struct RecordFields<'a> {
    /// `SequenceNumber`
    pub sequence_number: &'a Digits,
    /// `ApproximateArrivalTimestamp`
    pub arrival: Timestamp,
    /// `Data`, as bytes.
    pub data: &'a [u8],
    /// `PartitionKey`
    pub partition_key: Option<&'a str>,
    /// `EncryptionType`, left out unless there is encryption.
    pub encryption: Option<EncryptionType>,
}

/// A shard that continues one which has ended.
#[derive(Clone, Copy, Debug)]
pub struct ChildShardRef<'a> {
    /// `ShardId`
    pub shard_id: &'a str,
    /// `ParentShards`
    pub parent_shards: &'a [&'a str],
    /// `HashKeyRange.StartingHashKey`
    pub starting_hash_key: &'a str,
    /// `HashKeyRange.EndingHashKey`
    pub ending_hash_key: &'a str,
}

/// Writes what GetRecords answers and what SubscribeToShard sends, record by record.
#[derive(Debug)]
pub struct RecordsWriter<'o, F> {
    out: &'o mut Vec<u8>,
    written: usize,
    /// The last arrival and where it is written: records that lie together arrived together.
    arrival: Option<(Timestamp, Range<usize>)>,
    format: PhantomData<F>,
}

impl<'o, F: Format> RecordsWriter<'o, F> {
    /// Begins an output with about `data` bytes of data in it, or of anything else that takes no more than data does.
    pub fn begin(out: &'o mut Vec<u8>, data: usize) -> Self {
        out.reserve(F::blob_bytes(data) + 256);
        F::first(out, key!("Records"));
        F::begin_list(out);
        Self { out, written: 0, arrival: None, format: PhantomData }
    }

    /// Appends a record.
    pub fn push(&mut self, record: &RecordFields<'_>) {
        let out = &mut *self.out;
        F::item(out, self.written == 0);
        self.written += 1;
        F::first(out, key!("SequenceNumber"));
        F::digits(out, record.sequence_number);
        F::next(out, key!("ApproximateArrivalTimestamp"));
        match &self.arrival {
            Some((before, written)) if *before == record.arrival => out.extend_from_within(written.clone()),
            _ => {
                let start = out.len();
                F::timestamp(out, record.arrival);
                self.arrival = Some((record.arrival, start..out.len()));
            }
        }
        F::next(out, key!("Data"));
        F::blob(out, record.data);
        if let Some(key) = record.partition_key {
            F::next(out, key!("PartitionKey"));
            F::text(out, key);
        }
        push_encryption::<F>(out, record.encryption);
        F::end_map(out);
    }

    /// Ends the output of GetRecords. There is a next iterator if and only if there are no child shards.
    pub fn finish(self, next_iterator: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        self.end(key!("NextShardIterator"), next_iterator, millis_behind, children);
    }

    /// Ends an event of SubscribeToShard. There is a continuation if and only if there are no child shards.
    pub fn finish_event(self, continuation: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        self.end(key!("ContinuationSequenceNumber"), continuation, millis_behind, children);
    }

    fn end(self, next_key: Key, next: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        let out = self.out;
        F::end_list(out);
        if let Some(next) = next {
            F::next(out, next_key);
            F::text(out, next);
        }
        F::next(out, key!("MillisBehindLatest"));
        F::number(out, millis_behind);
        if !children.is_empty() {
            F::next(out, key!("ChildShards"));
            F::begin_list(out);
            for (at, child) in children.iter().enumerate() {
                F::item(out, at == 0);
                push_child::<F>(out, child);
            }
            F::end_list(out);
        }
        F::end_map(out);
    }
}

fn push_child<F: Format>(out: &mut Vec<u8>, child: &ChildShardRef<'_>) {
    F::first(out, key!("ShardId"));
    F::text(out, child.shard_id);
    F::next(out, key!("ParentShards"));
    F::begin_list(out);
    for (at, parent) in child.parent_shards.iter().enumerate() {
        F::item(out, at == 0);
        F::text(out, parent);
    }
    F::end_list(out);
    F::next(out, key!("HashKeyRange"));
    F::first(out, key!("StartingHashKey"));
    F::text(out, child.starting_hash_key);
    F::next(out, key!("EndingHashKey"));
    F::text(out, child.ending_hash_key);
    F::end_map(out);
    F::end_map(out);
}

fn push_encryption<F: Format>(out: &mut Vec<u8>, encryption: Option<EncryptionType>) {
    if let Some(encryption) = encryption {
        F::next(out, key!("EncryptionType"));
        F::text(out, encryption.as_str());
    }
}
