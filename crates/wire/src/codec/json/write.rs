//! The outputs that carry records or are sent for every record, written without an intermediate form.

use base64_simd::STANDARD;

use crate::generated::EncryptionType;
use crate::scalar::Timestamp;
use crate::text::{push_decimal, push_json_string};

/// What became of one record of PutRecords.
#[derive(Clone, Copy, Debug)]
pub enum PutOutcome<'a> {
    /// It is stored.
    Stored {
        /// Where.
        shard_id: &'a str,
        /// As what.
        sequence_number: &'a str,
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
pub fn write_put_record(out: &mut Vec<u8>, shard_id: &str, sequence_number: &str, encryption: Option<EncryptionType>) {
    out.extend_from_slice(b"{\"ShardId\":");
    push_json_string(out, shard_id);
    out.extend_from_slice(b",\"SequenceNumber\":");
    push_json_string(out, sequence_number);
    push_encryption(out, encryption);
    out.push(b'}');
}

/// Writes the output of PutRecords, record by record in the order of the request.
#[derive(Debug)]
pub struct PutRecordsWriter<'o> {
    out: &'o mut Vec<u8>,
    written: usize,
    failed: i64,
}

impl<'o> PutRecordsWriter<'o> {
    /// Begins an output of about `records` records.
    pub fn begin(out: &'o mut Vec<u8>, records: usize) -> Self {
        out.reserve(64 + records.saturating_mul(128));
        out.extend_from_slice(b"{\"Records\":[");
        Self { out, written: 0, failed: 0 }
    }

    /// Appends what became of the next record.
    pub fn push(&mut self, outcome: PutOutcome<'_>) {
        let out = &mut *self.out;
        if self.written > 0 {
            out.push(b',');
        }
        self.written += 1;
        match outcome {
            PutOutcome::Stored { shard_id, sequence_number } => {
                out.extend_from_slice(b"{\"SequenceNumber\":");
                push_json_string(out, sequence_number);
                out.extend_from_slice(b",\"ShardId\":");
                push_json_string(out, shard_id);
            }
            PutOutcome::Failed { code, message } => {
                self.failed += 1;
                out.extend_from_slice(b"{\"ErrorCode\":");
                push_json_string(out, code);
                out.extend_from_slice(b",\"ErrorMessage\":");
                push_json_string(out, message);
            }
        }
        out.push(b'}');
    }

    /// Ends the output.
    pub fn finish(self, encryption: Option<EncryptionType>) {
        self.out.extend_from_slice(b"],\"FailedRecordCount\":");
        push_decimal(self.out, self.failed);
        push_encryption(self.out, encryption);
        self.out.push(b'}');
    }
}

/// A record as it is read.
#[derive(Clone, Copy, Debug)]
pub struct RecordFields<'a> {
    /// `SequenceNumber`
    pub sequence_number: &'a str,
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
pub struct RecordsWriter<'o> {
    out: &'o mut Vec<u8>,
    written: usize,
}

impl<'o> RecordsWriter<'o> {
    /// Begins an output with about `data` bytes of data in it.
    pub fn begin(out: &'o mut Vec<u8>, data: usize) -> Self {
        out.reserve(256 + data.saturating_mul(3) / 2);
        out.extend_from_slice(b"{\"Records\":[");
        Self { out, written: 0 }
    }

    /// Appends a record.
    pub fn push(&mut self, record: &RecordFields<'_>) {
        let out = &mut *self.out;
        if self.written > 0 {
            out.push(b',');
        }
        self.written += 1;
        out.extend_from_slice(b"{\"SequenceNumber\":");
        push_json_string(out, record.sequence_number);
        out.extend_from_slice(b",\"ApproximateArrivalTimestamp\":");
        record.arrival.push_seconds(out);
        out.extend_from_slice(b",\"Data\":\"");
        STANDARD.encode_append(record.data, out);
        out.push(b'"');
        if let Some(key) = record.partition_key {
            out.extend_from_slice(b",\"PartitionKey\":");
            push_json_string(out, key);
        }
        push_encryption(out, record.encryption);
        out.push(b'}');
    }

    /// Ends the output of GetRecords. There is a next iterator if and only if there are no child shards.
    pub fn finish(self, next_iterator: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        self.end("NextShardIterator", next_iterator, millis_behind, children);
    }

    /// Ends an event of SubscribeToShard. There is a continuation if and only if there are no child shards.
    pub fn finish_event(self, continuation: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        self.end("ContinuationSequenceNumber", continuation, millis_behind, children);
    }

    fn end(self, next_name: &str, next: Option<&str>, millis_behind: i64, children: &[ChildShardRef<'_>]) {
        let out = self.out;
        out.push(b']');
        if let Some(next) = next {
            out.push(b',');
            push_json_string(out, next_name);
            out.push(b':');
            push_json_string(out, next);
        }
        out.extend_from_slice(b",\"MillisBehindLatest\":");
        push_decimal(out, millis_behind);
        if !children.is_empty() {
            out.extend_from_slice(b",\"ChildShards\":[");
            for (at, child) in children.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_child(out, child);
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

fn push_child(out: &mut Vec<u8>, child: &ChildShardRef<'_>) {
    out.extend_from_slice(b"{\"ShardId\":");
    push_json_string(out, child.shard_id);
    out.extend_from_slice(b",\"ParentShards\":[");
    for (at, parent) in child.parent_shards.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_json_string(out, parent);
    }
    out.extend_from_slice(b"],\"HashKeyRange\":{\"StartingHashKey\":");
    push_json_string(out, child.starting_hash_key);
    out.extend_from_slice(b",\"EndingHashKey\":");
    push_json_string(out, child.ending_hash_key);
    out.extend_from_slice(b"}}");
}

fn push_encryption(out: &mut Vec<u8>, encryption: Option<EncryptionType>) {
    if let Some(encryption) = encryption {
        out.extend_from_slice(b",\"EncryptionType\":");
        push_json_string(out, encryption.as_str());
    }
}
