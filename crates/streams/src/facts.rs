//! Facts that several verbs can answer with. They carry what the texts on the wire need; the texts are the server's.

use crate::catalog::Status;
use rheos_types::limits::Call;
use rheos_types::{ConsumerName, HashKey, Namespace, ShardId, StreamName};

/// There is no such stream, or it is not (or no longer) in service for this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stream {stream} in account {}", namespace.account)]
pub struct StreamNotFound {
    /// Where it was looked for.
    pub namespace: Namespace,
    /// What was looked for.
    pub stream: StreamName,
}

/// The text names no shard of the stream: it cannot be read as a shard id, or no shard has that id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no shard {shard:?} in stream {stream}")]
pub struct ShardIdInvalid {
    /// Where it was looked for.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard as the user wrote it, or in full where the text can be read.
    pub shard: String,
}

/// The shard or its stream does not exist, or is not in service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shard} of stream {stream} does not exist")]
pub struct ShardNotFound {
    /// Where it was looked for.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
}

/// The stream has no such consumer: none of that name, or none that was created in that second.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no consumer {consumer} of stream {stream} in account {}", namespace.account)]
pub struct ConsumerNotFound {
    /// Where the stream was looked for.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// What was looked for.
    pub consumer: ConsumerName,
}

/// The stream is in the middle of a change and takes no other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} is {}", status.as_str())]
pub struct NotActive {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// What it is in the middle of.
    pub status: Status,
}

/// The shard has ended: it was split or merged before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shard} of stream {stream} is closed")]
pub struct ShardClosed {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
}

/// The stream is on demand: its shards are not the user's to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} is on demand")]
pub struct OnDemandStream {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
}

/// The stream is provisioned: this is for streams on demand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} is provisioned")]
pub struct ProvisionedStream {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
}

/// The account has as many streams on demand as it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit} streams are on demand")]
pub struct OverOnDemandLimit {
    /// The account and region.
    pub namespace: Namespace,
    /// How many it may have.
    pub limit: u32,
}

/// The account would have more open shards than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{open} open shards and {additional} more exceed {limit}")]
pub struct OverShardLimit {
    /// The account and region.
    pub namespace: Namespace,
    /// The open shards it has.
    pub open: u32,
    /// How many it may have.
    pub limit: u32,
    /// How many more were asked for.
    pub additional: u32,
}

/// It has been done as often as it may be done in 24 hours. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has been done {limit} times to stream {stream} in 24 hours")]
pub struct TooOften {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// How often it may be done.
    pub limit: u32,
}

/// A shard's published limit is used up for now. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rate exceeded for {shard} of stream {stream}")]
pub struct RateExceeded {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
}

/// An operation is called more often than it may be, for one stream or for all of an account. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is called too often in account {}", call.name(), namespace.account)]
pub struct CallsExceeded {
    /// The account and region.
    pub namespace: Namespace,
    /// The stream that the call names, if it names one.
    pub stream: Option<StreamName>,
    /// The operation.
    pub call: Call,
}

/// Where a split may not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hash key {hash_key:?} does not split {shard} of stream {stream}: {start} + 1 < key < {end}")]
pub struct HashKeyOutOfRange {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
    /// The hash key as the user wrote it.
    pub hash_key: String,
    /// The shard's first hash key.
    pub start: HashKey,
    /// The shard's last hash key.
    pub end: HashKey,
}

/// Why a next token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made here, or not for this.
    #[error("the token was not made here, or not for this")]
    Invalid,
    /// It is older than its life.
    #[error("the token of {issued_ms} has expired by {now_ms}")]
    Expired {
        /// When it was made.
        issued_ms: u64,
        /// When it was used.
        now_ms: u64,
    },
}
