//! A lease, and how a row says it: wire-compatible with the KCL for Java, 2.x and 3.x.

use std::collections::BTreeSet;

use bytes::Bytes;
use rheos_types::{HashKey, HashRange};

use super::checkpoint::Checkpoint;
use super::store::{Attribute, Row};

/// Names of attributes, as Java has them.
pub(super) mod attribute {
    pub(crate) const KEY: &str = "leaseKey";
    pub(crate) const OWNER: &str = "leaseOwner";
    pub(crate) const COUNTER: &str = "leaseCounter";
    pub(crate) const SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const CHECKPOINT_SUB: &str = "checkpointSubSequenceNumber";
    pub(crate) const PENDING: &str = "pendingCheckpoint";
    pub(crate) const PENDING_SUB: &str = "pendingCheckpointSubSequenceNumber";
    pub(crate) const PENDING_STATE: &str = "pendingCheckpointState";
    pub(crate) const PARENTS: &str = "parentShardId";
    pub(crate) const CHILDREN: &str = "childShardIds";
    pub(crate) const HASH_START: &str = "startingHashKey";
    pub(crate) const HASH_END: &str = "endingHashKey";
    pub(crate) const THROUGHPUT: &str = "throughputKBps";
    pub(crate) const CHECKPOINT_OWNER: &str = "checkpointOwner";
    pub(crate) const ENTITY: &str = "entityType";
    pub(crate) const STREAM: &str = "streamName";
    pub(crate) const SHARD: &str = "shardId";
}

/// One shard's row: who processes it, and how far that has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The key of the row: the shard's id, or `account:stream:epoch:shard` where an application reads several streams.
    pub key: String,
    /// The worker that processes the shard, or is to.
    pub owner: Option<String>,
    /// Rises with every change of owner and every sign of life. Who writes with an old one is refused.
    pub counter: u64,
    /// How often the owner has changed since the last checkpoint.
    pub owner_switches_since_checkpoint: u64,
    /// How far the shard has been processed.
    pub checkpoint: Option<Checkpoint>,
    /// A checkpoint that was prepared and not committed.
    pub pending: Option<Pending>,
    /// The shards that this one came out of.
    pub parents: BTreeSet<String>,
    /// The shards that came out of this one; known at its end.
    pub children: BTreeSet<String>,
    /// Which keys fall into the shard.
    pub hash_range: Option<HashRange>,
    /// How much is read of the shard, as its owners have seen it.
    pub throughput_kbps: Option<f64>,
    /// While the lease is handed over: the old owner, who still processes the shard.
    pub checkpoint_owner: Option<String>,
    /// Which stream the shard is of, where an application reads several.
    pub stream: Option<String>,
    /// The shard, where the key says more than that.
    pub shard: Option<String>,
}

/// A checkpoint that was prepared and not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What is going to be the checkpoint.
    pub checkpoint: Checkpoint,
    /// What the application wanted to find with it.
    pub state: Option<Bytes>,
}

/// A row of the lease table that should be a lease and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row {key:?} of the lease table is no lease: {wrong}")]
pub struct InvalidLease {
    /// Which row.
    pub key: String,
    /// What about it.
    pub wrong: String,
}

impl Lease {
    /// A lease that nobody has held.
    #[must_use]
    pub fn new(key: impl Into<String>, checkpoint: Checkpoint) -> Self {
        Self {
            key: key.into(),
            owner: None,
            counter: 0,
            owner_switches_since_checkpoint: 0,
            checkpoint: Some(checkpoint),
            pending: None,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            hash_range: None,
            throughput_kbps: None,
            checkpoint_owner: None,
            stream: None,
            shard: None,
        }
    }

    /// The shard that the lease is for.
    #[must_use]
    pub fn shard_id(&self) -> &str {
        self.shard.as_deref().unwrap_or(&self.key)
    }

    /// The checkpoint for people; `-` if there is none.
    #[must_use]
    pub fn checkpoint_text(&self) -> String {
        self.checkpoint.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
    }

    /// Who processes the shard at this moment, or should: while a lease is handed over, still its old owner.
    #[must_use]
    pub fn actual_owner(&self) -> Option<&str> {
        self.checkpoint_owner.as_deref().or(self.owner.as_deref())
    }

    /// The counter after the next change. It only has to be another: one that cannot rise any more begins again.
    pub(crate) fn next_counter(&self) -> u64 {
        self.counter.wrapping_add(1)
    }

    /// Whether every record of the shard has been processed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.checkpoint == Some(Checkpoint::ShardEnd)
    }

    /// Reads a row. `None` if it is not a lease but one of the other rows that KCL 3.5 keeps in the same table.
    ///
    /// # Errors
    /// [`InvalidLease`] if a lease's attributes make no sense.
    pub fn from_row(row: &Row) -> Result<Option<Self>, InvalidLease> {
        if row.get(attribute::ENTITY).is_some_and(|entity| entity.as_text() != Some("LEASE")) {
            return Ok(None);
        }
        let key = row.get(attribute::KEY).and_then(Attribute::as_text).unwrap_or_default().to_owned();
        let reader = Reader { row, key: &key };
        let lease = Self {
            owner: reader.text(attribute::OWNER)?,
            counter: reader.number(attribute::COUNTER)?.unwrap_or(0),
            owner_switches_since_checkpoint: reader.number(attribute::SWITCHES)?.unwrap_or(0),
            checkpoint: reader.checkpoint(attribute::CHECKPOINT, attribute::CHECKPOINT_SUB)?,
            pending: reader.checkpoint(attribute::PENDING, attribute::PENDING_SUB)?.map(|checkpoint| {
                // One way of writing it in Java puts a number where the bytes belong.
                let state = match row.get(attribute::PENDING_STATE) {
                    Some(Attribute::B(bytes)) => Some(bytes.clone()),
                    _ => None,
                };
                Pending { checkpoint, state }
            }),
            parents: reader.texts(attribute::PARENTS)?,
            children: reader.texts(attribute::CHILDREN)?,
            hash_range: reader.hash_range()?,
            throughput_kbps: reader.decimal(attribute::THROUGHPUT)?,
            checkpoint_owner: reader.text(attribute::CHECKPOINT_OWNER)?,
            stream: reader.text(attribute::STREAM)?,
            shard: reader.text(attribute::SHARD)?,
            key: key.clone(),
        };
        if lease.key.is_empty() { Err(reader.wrong(attribute::KEY, "is no text")) } else { Ok(Some(lease)) }
    }

    /// The row of a lease that is to be made.
    #[must_use]
    pub fn to_row(&self) -> Row {
        let mut row = Row::new();
        let mut put = |name: &str, value: Option<Attribute>| {
            if let Some(value) = value {
                row.insert(name.to_owned(), value);
            }
        };
        put(attribute::KEY, Some(Attribute::text(&self.key)));
        put(attribute::ENTITY, Some(Attribute::text("LEASE")));
        put(attribute::OWNER, self.owner.as_ref().map(Attribute::text));
        put(attribute::COUNTER, Some(Attribute::number(self.counter)));
        put(attribute::SWITCHES, Some(Attribute::number(self.owner_switches_since_checkpoint)));
        put(attribute::CHECKPOINT, self.checkpoint.as_ref().map(|checkpoint| Attribute::text(checkpoint.text())));
        let sub = self.checkpoint.as_ref().map(Checkpoint::sub_sequence_number);
        put(attribute::CHECKPOINT_SUB, sub.map(Attribute::number));
        if let Some(pending) = &self.pending {
            put(attribute::PENDING, Some(Attribute::text(pending.checkpoint.text())));
            put(attribute::PENDING_SUB, Some(Attribute::number(pending.checkpoint.sub_sequence_number())));
            put(attribute::PENDING_STATE, pending.state.clone().map(Attribute::B));
        }
        put(attribute::PARENTS, texts(&self.parents));
        put(attribute::CHILDREN, texts(&self.children));
        put(attribute::HASH_START, self.hash_range.map(|range| Attribute::text(range.start.to_string())));
        put(attribute::HASH_END, self.hash_range.map(|range| Attribute::text(range.end.to_string())));
        put(attribute::THROUGHPUT, self.throughput_kbps.map(throughput));
        put(attribute::CHECKPOINT_OWNER, self.checkpoint_owner.as_ref().map(Attribute::text));
        put(attribute::STREAM, self.stream.as_ref().map(Attribute::text));
        put(attribute::SHARD, self.shard.as_ref().map(Attribute::text));
        row
    }
}

/// A set that DynamoDB can hold: none is absent.
pub(super) fn texts(texts: &BTreeSet<String>) -> Option<Attribute> {
    (!texts.is_empty()).then(|| Attribute::Ss(texts.clone()))
}

/// A throughput as Java writes it, with six decimals.
pub(super) fn throughput(kbps: f64) -> Attribute {
    let kbps = if kbps.is_finite() { kbps.max(0.0) } else { 0.0 };
    Attribute::N(format!("{kbps:.6}"))
}

struct Reader<'a> {
    row: &'a Row,
    key: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, name: &str, why: impl std::fmt::Display) -> InvalidLease {
        InvalidLease { key: self.key.to_owned(), wrong: format!("{name} {why}") }
    }

    fn text(&self, name: &str) -> Result<Option<String>, InvalidLease> {
        match self.row.get(name) {
            None => Ok(None),
            Some(Attribute::S(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(name, "is no text")),
        }
    }

    fn texts(&self, name: &str) -> Result<BTreeSet<String>, InvalidLease> {
        match self.row.get(name) {
            None => Ok(BTreeSet::new()),
            Some(Attribute::Ss(texts)) => Ok(texts.clone()),
            Some(_) => Err(self.wrong(name, "is no set of texts")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, InvalidLease> {
        match self.row.get(name) {
            None => Ok(None),
            Some(value) => value.as_number().map(Some).ok_or_else(|| self.wrong(name, "is no whole number")),
        }
    }

    fn decimal(&self, name: &str) -> Result<Option<f64>, InvalidLease> {
        match self.row.get(name) {
            None => Ok(None),
            Some(Attribute::N(digits)) => digits.parse().map(Some).map_err(|_| self.wrong(name, "is no number")),
            Some(_) => Err(self.wrong(name, "is no number")),
        }
    }

    fn checkpoint(&self, name: &str, sub: &str) -> Result<Option<Checkpoint>, InvalidLease> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let sub = self.number(sub)?.unwrap_or(0);
        Checkpoint::parse(&text, sub).map(Some).map_err(|error| self.wrong(name, error))
    }

    fn hash_range(&self) -> Result<Option<HashRange>, InvalidLease> {
        let key = |name| match self.text(name)? {
            None => Ok(None),
            Some(text) => HashKey::parse(&text).map(Some).map_err(|error| self.wrong(name, error)),
        };
        match (key(attribute::HASH_START)?, key(attribute::HASH_END)?) {
            (Some(start), Some(end)) if start <= end => Ok(Some(HashRange { start, end })),
            (Some(_), Some(_)) => Err(self.wrong(attribute::HASH_END, "is before the start")),
            _ => Ok(None),
        }
    }
}
