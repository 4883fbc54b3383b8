//! Changes of everything that is not records: the catalog's keys, and which shards are open.
//!
//! A change carries all that applying it needs. Applying reads no clock, no randomness and no configuration, so that a
//! log read again gives the same state.

use crate::codec::{Reader, put_bytes, put_text};
use bytes::Bytes;
use rheos_types::ShardKey;
use std::fmt;
use std::sync::Arc;

/// The longest key, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 1024;
/// The largest value, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 20;

/// A name in the catalog, such as `stream/000000000000/us-east-1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// A key. Its length is checked where it is committed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value and when it was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Unique, and grows with each change of the catalog.
    pub version: u64,
    /// The value.
    pub value: Bytes,
}

/// One atomic change within one scope (an account, a stream or a shard). Two scopes never need the same log, so that
/// each can live on a node of its own.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// What must hold in the accepted state, or nothing of it happens.
    pub conditions: Vec<Condition>,
    /// What is then done, in order.
    pub changes: Vec<Change>,
    /// It makes room (a deletion, say) and may use the space that is kept back for that.
    pub frees_space: bool,
}

/// What a transaction expects of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The key.
    pub key: Key,
    /// The version it must have; `None`: it must be absent.
    pub version: Option<u64>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key. Removing an absent one is no error.
    Delete {
        /// The key.
        key: Key,
    },
    /// Opens a shard at position 0. Opening one that exists does nothing.
    OpenShard {
        /// The shard: a key never used before.
        shard: ShardKey,
        /// Its retention class: records of one class share files.
        class: u32,
    },
    /// Closes a shard: appends sequenced before are in, later ones are refused. Closing a closed one does nothing.
    CloseShard {
        /// The shard.
        shard: ShardKey,
    },
    /// Forgets a shard: its records are unreadable at once, its files are freed later.
    DropShard {
        /// The shard.
        shard: ShardKey,
    },
    /// Makes the records below a position unreadable. Never lowers the bound.
    TrimShard {
        /// The shard.
        shard: ShardKey,
        /// The first position that stays.
        below: u64,
    },
    /// Moves a shard's later files to another retention class.
    SetShardClass {
        /// The shard.
        shard: ShardKey,
        /// The class.
        class: u32,
    },
}

/// A condition did not hold and nothing of its transaction happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} has version {found:?}, not the expected one")]
pub struct Conflict {
    /// The key.
    pub key: Key,
    /// The version it has.
    pub found: Option<u64>,
}

// Kinds of change on disk. Kept stable: logs and snapshots hold them.
const PUT: u8 = 1;
const DELETE: u8 = 2;
const OPEN_SHARD: u8 = 3;
const CLOSE_SHARD: u8 = 4;
const DROP_SHARD: u8 = 5;
const TRIM_SHARD: u8 = 6;
const SET_SHARD_CLASS: u8 = 7;

impl Change {
    /// Appends the change's bytes.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Put { key, value } => {
                into.push(PUT);
                put_text(into, key.as_str());
                put_bytes(into, value);
            }
            Self::Delete { key } => {
                into.push(DELETE);
                put_text(into, key.as_str());
            }
            Self::OpenShard { shard, class } => shard_change(into, OPEN_SHARD, *shard, u64::from(*class)),
            Self::CloseShard { shard } => shard_change(into, CLOSE_SHARD, *shard, 0),
            Self::DropShard { shard } => shard_change(into, DROP_SHARD, *shard, 0),
            Self::TrimShard { shard, below } => shard_change(into, TRIM_SHARD, *shard, *below),
            Self::SetShardClass { shard, class } => shard_change(into, SET_SHARD_CLASS, *shard, u64::from(*class)),
        }
    }

    /// Takes one change off the reader; `None` if the bytes are not one.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.u8()?;
        if kind == PUT {
            return Some(Self::Put { key: Key::new(reader.text()?), value: Bytes::copy_from_slice(reader.bytes()?) });
        }
        if kind == DELETE {
            return Some(Self::Delete { key: Key::new(reader.text()?) });
        }
        let (shard, argument) = (ShardKey(reader.u64()?), reader.u64()?);
        Some(match kind {
            OPEN_SHARD => Self::OpenShard { shard, class: u32::try_from(argument).ok()? },
            CLOSE_SHARD => Self::CloseShard { shard },
            DROP_SHARD => Self::DropShard { shard },
            TRIM_SHARD => Self::TrimShard { shard, below: argument },
            SET_SHARD_CLASS => Self::SetShardClass { shard, class: u32::try_from(argument).ok()? },
            _ => return None,
        })
    }
}

fn shard_change(into: &mut Vec<u8>, kind: u8, shard: ShardKey, argument: u64) {
    into.push(kind);
    into.extend_from_slice(&shard.0.to_le_bytes());
    into.extend_from_slice(&argument.to_le_bytes());
}
