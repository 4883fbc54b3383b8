//! The state that the log's changes and appends add up to. It exists once as *accepted* (the sequencer's) and once as
//! *durable* (what readers see), and is written whole as a snapshot.

use crate::change::{Change, Key, Versioned};
use crate::codec::{Reader, put_bytes, put_text};
use bytes::Bytes;
use rheos_types::ShardKey;
use rpds::RedBlackTreeMapSync;

/// Keys and values. Cloning is cheap and shares memory.
pub(crate) type Catalog = RedBlackTreeMapSync<Key, Versioned>;

/// What the log knows of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardState {
    /// The first position that may be read.
    pub(crate) first: u64,
    /// The position that the next record gets.
    pub(crate) next: u64,
    /// No record comes any more.
    pub(crate) closed: bool,
    /// The retention class of its next files.
    pub(crate) class: u32,
    /// When its last record arrived.
    pub(crate) last_time_ms: u64,
}

/// The state after some batch. Cloning is cheap and shares memory: a snapshot never stops the sequencer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// The last batch that went in.
    pub(crate) batch: u64,
    /// The last batch's time.
    pub(crate) time_ms: u64,
    /// The version that the next change of the catalog gets.
    pub(crate) next_version: u64,
    /// The lowest shard key never opened.
    pub(crate) next_shard_key: u64,
    /// The catalog.
    pub(crate) catalog: Catalog,
    /// Shards by key.
    pub(crate) shards: RedBlackTreeMapSync<u64, ShardState>,
}

impl State {
    /// Applies one change. Every change applies to every state: what must hold was checked before it was accepted.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { key, value } => {
                self.next_version += 1;
                let value = Versioned { version: self.next_version, value: value.clone() };
                self.catalog.insert_mut(key.clone(), value);
            }
            Change::Delete { key } => {
                self.next_version += 1;
                self.catalog.remove_mut(key);
            }
            Change::OpenShard { shard, class } => {
                self.next_shard_key = self.next_shard_key.max(shard.0.saturating_add(1));
                if !self.shards.contains_key(&shard.0) {
                    let opened = ShardState { first: 0, next: 0, closed: false, class: *class, last_time_ms: 0 };
                    self.shards.insert_mut(shard.0, opened);
                }
            }
            Change::CloseShard { shard } => self.with_shard(*shard, |shard| shard.closed = true),
            Change::DropShard { shard } => {
                self.shards.remove_mut(&shard.0);
            }
            Change::TrimShard { shard, below } => {
                self.with_shard(*shard, |shard| shard.first = shard.first.max(*below));
            }
            Change::SetShardClass { shard, class } => self.with_shard(*shard, |shard| shard.class = *class),
        }
    }

    /// Gives `count` records of an open shard their positions: the first one. `None` if the shard takes none.
    pub(crate) fn append(&mut self, shard: ShardKey, count: u32, time_ms: u64) -> Option<u64> {
        let shard = self.shards.get_mut(&shard.0)?;
        if shard.closed {
            return None;
        }
        let first = shard.next;
        shard.next += u64::from(count);
        shard.last_time_ms = time_ms;
        Some(first)
    }

    fn with_shard(&mut self, shard: ShardKey, change: impl FnOnce(&mut ShardState)) {
        if let Some(shard) = self.shards.get_mut(&shard.0) {
            change(shard);
        }
    }

    /// Appends the state as bytes: what a snapshot holds (`docs/format.md`). Takes the memory of these bytes and no more.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let values = self.catalog.iter().map(|(key, stored)| 4 + key.as_str().len() + 8 + 4 + stored.value.len());
        into.reserve_exact(6 * 8 + values.sum::<usize>() + self.shards.size() * (4 * 8 + 4 + 1));
        for number in [
            self.batch,
            self.time_ms,
            self.next_version,
            self.next_shard_key,
            self.catalog.size() as u64,
            self.shards.size() as u64,
        ] {
            into.extend_from_slice(&number.to_le_bytes());
        }
        for (key, Versioned { version, value }) in &self.catalog {
            put_text(into, key.as_str());
            into.extend_from_slice(&version.to_le_bytes());
            put_bytes(into, value);
        }
        for (key, shard) in &self.shards {
            for number in [*key, shard.first, shard.next, shard.last_time_ms] {
                into.extend_from_slice(&number.to_le_bytes());
            }
            into.extend_from_slice(&shard.class.to_le_bytes());
            into.push(u8::from(shard.closed));
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` if the bytes are anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut state = Self {
            batch: reader.u64()?,
            time_ms: reader.u64()?,
            next_version: reader.u64()?,
            next_shard_key: reader.u64()?,
            ..Self::default()
        };
        let (keys, shards) = (reader.u64()?, reader.u64()?);
        for _ in 0..keys {
            let key = Key::new(reader.text()?);
            let version = reader.u64()?;
            let value = Bytes::copy_from_slice(reader.bytes()?);
            state.catalog.insert_mut(key, Versioned { version, value });
        }
        for _ in 0..shards {
            let key = reader.u64()?;
            let (first, next, last_time_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
            let class = reader.u32()?;
            let closed = match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            state.shards.insert_mut(key, ShardState { first, next, closed, class, last_time_ms });
        }
        reader.is_empty().then_some(state)
    }
}
