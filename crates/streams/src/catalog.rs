//! What is kept in the log's catalog, and under which keys. Values are JSON: they are few, and a person may read them.
//!
//! | key | value |
//! | --- | --- |
//! | `stream/{account}/{region}/{name}` | [`StreamRecord`] |
//! | `shard/{stream uid, 16 hex digits}/{shard number, 10 digits}` | [`ShardRecord`] |
//! | `consumer/{stream uid, 16 hex digits}/{name}` | [`ConsumerRecord`] |
//! | `account/{account}/{region}` | [`AccountRecord`] |
//! | `retired/{account}/{region}/{name}` | [`Retired`]: the last create second of a deleted stream, for about an hour |
//! | `retired-floor` | [`Retired`]: the highest of those that have been forgotten |
//! | `token-key` | the 32 random bytes that seal iterators and next tokens |
//!
//! A field is added with `#[serde(default)]`; one is never renamed or given another meaning.

use crate::history::History;
use crate::monitoring::ShardMetric;
use bytes::Bytes;
use rheos_log::{Change, Condition, Key};
use rheos_types::{
    AccountId, ConsumerName, HashKey, HashRange, KeyId, Namespace, Region, SequenceNumber, ShardId, ShardKey,
    StreamName,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) const STREAMS: &str = "stream/";
pub(crate) const SHARDS: &str = "shard/";
pub(crate) const CONSUMERS: &str = "consumer/";
pub(crate) const ACCOUNTS: &str = "account/";
pub(crate) const RETIRED: &str = "retired/";
pub(crate) const RETIRED_FLOOR: &str = "retired-floor";
pub(crate) const TOKEN_KEY: &str = "token-key";

/// Tells a stream from every other, those of the same name before and after it included. It is the key of the first
/// shard that the stream was created with, and shard keys are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StreamUid(pub(crate) u64);

impl fmt::Display for StreamUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Being made: it has no shards to see and takes no records.
    Creating,
    /// In service.
    Active,
    /// In service, while a change of the stream is under way.
    Updating,
    /// Its records are gone; the name is not free yet.
    Deleting,
}

impl Status {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }

    /// Whether records can be written and read.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Active | Self::Updating)
    }
}

/// Who decides how many shards a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// The user.
    Provisioned,
    /// The service.
    OnDemand,
}

impl Mode {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

/// What decides the shard of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Distribution {
    /// Its partition key, or its explicit hash key.
    #[default]
    UserPartitionKey,
    /// The service: records are spread evenly over the open shards. Only of streams on demand.
    Auto,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) uid: StreamUid,
    pub(crate) status: Status,
    pub(crate) mode: Mode,
    pub(crate) retention_hours: u32,
    pub(crate) created_ms: u64,
    /// The highest create second of any of its shards so far.
    pub(crate) last_shard_second: u64,
    /// The number that its next shard gets.
    pub(crate) next_shard: u32,
    pub(crate) max_record_kib: u32,
    pub(crate) tags: BTreeMap<String, String>,
    /// Records that arrived before this are gone for good, however long the retention is made. It only rises.
    pub(crate) horizon_ms: u64,
    #[serde(default)]
    pub(crate) encryption: Encryption,
    /// What is under way.
    pub(crate) pending: Option<Pending>,
    /// When its number of shards was changed lately.
    #[serde(default)]
    pub(crate) shard_count_updates: History,
    /// The highest create second of any consumer that is gone: those to come exceed it.
    #[serde(default)]
    pub(crate) last_consumer_second: u64,
    /// Its resource policy, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) distribution: Distribution,
    /// The write throughput in MiB/s that it is kept ready for, if that was asked for; only of a stream on demand.
    #[serde(default)]
    pub(crate) warm_mibps: Option<u32>,
    /// When its mode was switched lately.
    #[serde(default)]
    pub(crate) mode_switches: History,
    /// Which metrics of its shards it has.
    #[serde(default)]
    pub(crate) shard_metrics: BTreeSet<ShardMetric>,
}

impl StreamRecord {
    /// The record with a change under way that is due at `due_ms`; until then the stream is UPDATING.
    pub(crate) fn updating(&self, due_ms: u64, intent: Intent) -> Self {
        Self { status: Status::Updating, pending: Some(Pending { due_ms, intent }), ..self.clone() }
    }
}

/// Whether a stream's new records are sealed, and the keys of those that are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// The number of the data key that new records are sealed under; `None`: they are not sealed.
    pub(crate) active: Option<u32>,
    /// All that records of the stream can be sealed under: at most one for each key of the key service.
    pub(crate) keys: Vec<StoredKey>,
    /// When encryption was started, or another key chosen.
    pub(crate) starts: History,
    /// When it was stopped.
    pub(crate) stops: History,
}

/// A data key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    /// What sealed records call it. Never used twice in a stream.
    pub(crate) number: u32,
    /// The key of the key service that it was made under, as the user named it.
    pub(crate) key_id: String,
    /// The key itself, wrapped.
    pub(crate) wrapped: String,
}

impl Encryption {
    /// The key of the key service under which new records are sealed.
    pub(crate) fn key_id(&self) -> Option<&str> {
        let number = self.active?;
        self.keys.iter().find(|stored| stored.number == number).map(|stored| stored.key_id.as_str())
    }
}

impl StoredKey {
    /// Whether it was made under this key.
    pub(crate) fn is(&self, key_id: &KeyId, namespace: &Namespace) -> bool {
        KeyId::parse(&self.key_id).is_ok_and(|own| own.is_same(key_id, namespace))
    }
}

/// A change that takes time: what is to be done when it is due. Whatever it is, doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) due_ms: u64,
    pub(crate) intent: Intent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Intent {
    /// Let the stream be ACTIVE: all else is done (creation, retention).
    Settle,
    /// Close `shard`; open one child up to `at` and one from there.
    Split { shard: ShardId, at: HashKey },
    /// Close `shard` and the `adjacent` one above it; open one child for both ranges.
    Merge { shard: ShardId, adjacent: ShardId },
    /// Split and merge until there are so many shards, all of one size.
    Scale { shards: u32 },
    /// Split the hot shards of a stream on demand. It is not UPDATING meanwhile.
    Grow { splits: Vec<Split> },
    /// Free the name.
    Remove,
}

/// A shard to be split, and with which hash key the second child begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Split {
    pub(crate) shard: ShardId,
    pub(crate) at: HashKey,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardRecord {
    pub(crate) key: ShardKey,
    pub(crate) range: HashRange,
    /// One after a split, two after a merge (the shard merged, then the adjacent one), none at creation. A parent that
    /// is long expired may name a shard that is no longer there.
    pub(crate) parents: Vec<ShardId>,
    /// Its create second, as its sequence numbers carry it. Distinct from `opened_ms`: it may lie ahead of the clock to
    /// exceed the parents'.
    pub(crate) created_s: u64,
    pub(crate) opened_ms: u64,
    pub(crate) closed: Option<Closed>,
}

/// How a shard ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) at_ms: u64,
    pub(crate) children: Vec<Child>,
}

/// A child as it was intended when its parent was closed. It has no shard key yet: a key is safe from being given twice
/// only once its shard is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) id: ShardId,
    pub(crate) range: HashRange,
    pub(crate) parents: Vec<ShardId>,
    pub(crate) created_s: u64,
}

impl Child {
    /// Whether it has been opened, in the stream of `record`: a number that is used is never used again.
    pub(crate) fn is_open_in(&self, record: &StreamRecord) -> bool {
        self.id.0 < record.next_shard
    }
}

impl ShardRecord {
    pub(crate) fn starting(&self, id: ShardId) -> SequenceNumber {
        SequenceNumber::shard_start(id, self.created_s)
    }

    pub(crate) fn ending(&self, id: ShardId) -> Option<SequenceNumber> {
        // A shard that was closed within the second that its create second runs ahead by ends no earlier than it began.
        let closed = self.closed.as_ref()?;
        Some(SequenceNumber::shard_end(id, self.created_s, (closed.at_ms / 1000).max(self.created_s)))
    }
}

/// Where a consumer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConsumerStatus {
    /// Being registered: it can be seen, and does not read yet.
    Creating,
    /// In service.
    Active,
    /// It reads nothing any more; its name is not free yet.
    Deleting,
}

impl ConsumerStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}

/// A consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerRecord {
    /// When it was registered. It may lie ahead of the clock, to exceed those of consumers that are gone.
    pub(crate) created_ms: u64,
    pub(crate) status: ConsumerStatus,
    pub(crate) tags: BTreeMap<String, String>,
    /// When CREATING or DELETING is over.
    pub(crate) due_ms: Option<u64>,
    /// Its resource policy, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
}

/// The settings of an account in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    /// The last commitment to a minimum throughput, which may have ended.
    #[serde(default)]
    pub(crate) commitment: Option<Commitment>,
}

/// A commitment to a minimum throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commitment {
    pub(crate) started_ms: u64,
    /// When it was asked to end. It does so then, or once it has lasted for its term.
    pub(crate) end_asked_ms: Option<u64>,
}

/// A create second that is not to be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retired {
    pub(crate) second: u64,
}

pub(crate) fn stream_key(namespace: &Namespace, name: &StreamName) -> Key {
    Key::new(format!("{STREAMS}{}/{}/{name}", namespace.account, namespace.region))
}

pub(crate) fn shard_key(uid: StreamUid, shard: ShardId) -> Key {
    Key::new(format!("{SHARDS}{uid}/{:010}", shard.0))
}

pub(crate) fn consumer_key(uid: StreamUid, name: &ConsumerName) -> Key {
    Key::new(format!("{CONSUMERS}{uid}/{name}"))
}

pub(crate) fn account_key(namespace: &Namespace) -> Key {
    Key::new(format!("{ACCOUNTS}{}/{}", namespace.account, namespace.region))
}

pub(crate) fn retired_key(namespace: &Namespace, name: &StreamName) -> Key {
    Key::new(format!("{RETIRED}{}/{}/{name}", namespace.account, namespace.region))
}

/// Reads what [`stream_key`] made.
pub(crate) fn parse_stream_key(key: &Key) -> Option<(Namespace, StreamName)> {
    let mut parts = key.as_str().strip_prefix(STREAMS)?.splitn(3, '/');
    let namespace =
        Namespace { account: AccountId::new(parts.next()?).ok()?, region: Region::new(parts.next()?).ok()? };
    Some((namespace, StreamName::new(parts.next()?).ok()?))
}

/// Reads what [`shard_key`] made.
pub(crate) fn parse_shard_key(key: &Key) -> Option<(StreamUid, ShardId)> {
    let (uid, shard) = key.as_str().strip_prefix(SHARDS)?.split_once('/')?;
    Some((StreamUid(u64::from_str_radix(uid, 16).ok()?), ShardId(shard.parse().ok()?)))
}

/// Reads what [`consumer_key`] made.
pub(crate) fn parse_consumer_key(key: &Key) -> Option<(StreamUid, ConsumerName)> {
    let (uid, name) = key.as_str().strip_prefix(CONSUMERS)?.split_once('/')?;
    Some((StreamUid(u64::from_str_radix(uid, 16).ok()?), ConsumerName::new(name).ok()?))
}

#[expect(clippy::expect_used, reason = "these are plain structs with text keys: serde_json has nothing to refuse")]
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a record of the catalog is JSON").into()
}

pub(crate) fn decode<T: DeserializeOwned>(value: &Bytes) -> Option<T> {
    serde_json::from_slice(value).ok()
}

pub(crate) fn put(key: Key, value: &impl Serialize) -> Change {
    Change::Put { key, value: encode(value) }
}

pub(crate) fn expect(key: Key, version: Option<u64>) -> Condition {
    Condition { key, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let namespace =
            Namespace { account: AccountId::new("123456789012").unwrap(), region: Region::new("eu-west-3").unwrap() };
        let name = StreamName::new("a.b_c-d").unwrap();
        assert_eq!(parse_stream_key(&stream_key(&namespace, &name)), Some((namespace, name)));
        let (uid, shard) = (StreamUid(0xfedc_ba98_7654_3210), ShardId(7));
        assert_eq!(parse_shard_key(&shard_key(uid, shard)), Some((uid, shard)));
        assert_eq!(parse_shard_key(&Key::new("shard/xyz/1")), None);
        let consumer = ConsumerName::new("a.b_c-d").unwrap();
        assert_eq!(parse_consumer_key(&consumer_key(uid, &consumer)), Some((uid, consumer)));
        assert_eq!(parse_consumer_key(&Key::new("consumer/1/a/b")), None);
        assert_eq!(parse_stream_key(&Key::new("stream/1/2/3")), None);
    }

    #[test]
    fn records_read_back() {
        let record = ShardRecord {
            key: ShardKey(9),
            range: HashRange::ALL,
            parents: vec![ShardId(0), ShardId(1)],
            created_s: 1_700_000_000,
            opened_ms: 1_700_000_000_123,
            closed: Some(Closed {
                at_ms: 1_700_000_000_500,
                children: vec![Child {
                    id: ShardId(3),
                    range: HashRange::ALL,
                    parents: vec![ShardId(2)],
                    created_s: 1_700_000_001,
                }],
            }),
        };
        assert_eq!(decode(&encode(&record)), Some(record));
    }
}
