//! The calls that a producer makes, as a trait: the official client of AWS, or a script of a test.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use rheos_types::HashRange;

/// Whoever carries calls to the service. One call is one try: retries are the producer's.
pub trait Transport: Send + Sync + 'static {
    /// PutRecords. One answer for each entry, in their order.
    fn put_records(
        &self,
        stream: &str,
        entries: Vec<Entry>,
    ) -> impl Future<Output = Result<Vec<Answer>, CallError>> + Send;

    /// ListShards: all shards that are open now.
    fn list_shards(&self, stream: &str) -> impl Future<Output = Result<Vec<Shard>, CallError>> + Send;
}

/// An entry of PutRecords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its partition key.
    pub partition_key: Cow<'static, str>,
    /// Its explicit hash key.
    pub explicit_hash_key: Option<String>,
    /// Its data.
    pub data: Bytes,
}

impl Entry {
    /// What counts against the limit of a call.
    pub(super) fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// What became of an entry.
pub type Answer = Result<Placed, EntryError>;

/// Where an entry was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its shard.
    pub shard_id: Arc<str>,
    /// Its sequence number.
    pub sequence_number: Arc<str>,
}

/// Why an entry was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryError {
    /// Such as `ProvisionedThroughputExceededException`.
    pub code: Arc<str>,
    /// The service's text.
    pub message: Arc<str>,
}

/// Why a whole call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// The error's code, or a word for what came instead of an answer.
    pub code: Arc<str>,
    /// The error's text.
    pub message: Arc<str>,
    /// What it means for the call.
    pub kind: CallErrorKind,
}

/// What an error means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// Nothing happened; later it may succeed.
    NotNow,
    /// Nothing happened; less would succeed.
    Throttled,
    /// Nobody knows whether it happened.
    Unknown,
    /// Nothing happened; the same call will fail again.
    Refused,
    /// As before, and the fault is that of something in the call: without that the rest would succeed.
    RefusedContent,
}

/// An open shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: Arc<str>,
    /// The hash keys that it owns.
    pub range: HashRange,
}

/// The codes by which Kinesis says that it was too much.
pub(super) fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottledException"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
    )
}
