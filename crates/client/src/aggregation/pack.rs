//! Writing aggregated records.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::varint::{bytes_len, put_bytes, put_varint, varint_len};
use super::{DIGEST_BYTES, MAGIC, UserRecord};

/// Tags of the fields: the number times 8, plus 2 for bytes and 0 for a number.
const PARTITION_KEY: u8 = 0x0a;
const EXPLICIT_HASH_KEY: u8 = 0x12;
const RECORD: u8 = 0x1a;
const PARTITION_KEY_INDEX: u8 = 0x08;
const EXPLICIT_HASH_KEY_INDEX: u8 = 0x10;
const DATA: u8 = 0x1a;
const RECORD_TAG: u8 = 0x22;
const TAG_KEY: u8 = 0x0a;
const TAG_VALUE: u8 = 0x12;

/// What a record without tags adds at most beyond its own texts and bytes: four tags with lengths, and two tags with indexes, of at most
/// ten bytes each.
const MOST_FRAMING_BYTES: usize = 6 * 11;

/// The partition key of an aggregated record: the KPL's. It decides nothing, as there is an explicit hash key.
const OUTER_PARTITION_KEY: &str = "a";

/// User records on their way into one record.
///
/// Data is copied once when it is pushed and once into the record.
#[derive(Debug, Default)]
pub struct Packer {
    partition_keys: Table,
    explicit_hash_keys: Table,
    /// The records, encoded.
    records: Vec<u8>,
    count: usize,
    /// Where the data of the first record lies in `records`; a record that stays alone is written as it is.
    first_data: std::ops::Range<usize>,
    /// The explicit hash key of the whole, which is where the first record falls.
    hash_key: Option<rheos_types::HashKey>,
}

/// What becomes an entry of PutRecords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its partition key.
    pub partition_key: Cow<'static, str>,
    /// Its explicit hash key: where the first of its user records falls.
    pub explicit_hash_key: String,
    /// Its data: one user record as it is, or an aggregated record.
    pub data: Bytes,
}

impl Packer {
    /// Nothing, yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many user records there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes the data of [`Self::take`] has, exactly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self.count {
            0 => 0,
            1 => self.first_data.len(),
            _ => MAGIC.len() + self.message_bytes() + DIGEST_BYTES,
        }
    }

    /// How many it has, exactly, if `record` is pushed first.
    #[must_use]
    pub fn bytes_with(&self, record: &UserRecord<'_>) -> usize {
        if self.is_empty() {
            return record.data.len();
        }
        let (key, key_bytes) = self.partition_keys.find(record.partition_key);
        let (hash_key, hash_key_bytes) = match record.explicit_hash_key {
            Some(text) => {
                let (index, bytes) = self.explicit_hash_keys.find(text);
                (Some(index), bytes)
            }
            None => (None, 0),
        };
        let body = body_bytes(record, key, hash_key);
        MAGIC.len() + self.message_bytes() + key_bytes + hash_key_bytes + bytes_len(body) + DIGEST_BYTES
    }

    /// Whether [`Self::bytes_with`] of `record` is at most `limit`. Cheaper to ask, as it counts exactly only where that matters.
    #[must_use]
    pub fn fits(&self, record: &UserRecord<'_>, limit: usize) -> bool {
        let texts = record.partition_key.len() + record.explicit_hash_key.map_or(0, str::len);
        let at_most =
            MAGIC.len() + self.message_bytes() + texts + record.data.len() + MOST_FRAMING_BYTES + DIGEST_BYTES;
        (at_most <= limit && record.tags.is_empty()) || self.bytes_with(record) <= limit
    }

    fn message_bytes(&self) -> usize {
        self.partition_keys.encoded.len() + self.explicit_hash_keys.encoded.len() + self.records.len()
    }

    /// Adds a record, whose sub-sequence number is the count before. Whether it belongs to the same shard as the others is the
    /// caller's business.
    pub fn push(&mut self, record: &UserRecord<'_>) {
        let key = self.partition_keys.index_of(PARTITION_KEY, record.partition_key);
        let hash_key = record.explicit_hash_key.map(|text| self.explicit_hash_keys.index_of(EXPLICIT_HASH_KEY, text));
        let out = &mut self.records;
        out.push(RECORD);
        put_varint(out, body_bytes(record, key, hash_key) as u64);
        out.push(PARTITION_KEY_INDEX);
        put_varint(out, key);
        if let Some(index) = hash_key {
            out.push(EXPLICIT_HASH_KEY_INDEX);
            put_varint(out, index);
        }
        put_bytes(out, DATA, record.data);
        if self.count == 0 {
            self.first_data = out.len() - record.data.len()..out.len();
            self.hash_key = Some(record.hash_key());
        }
        for tag in &record.tags {
            out.push(RECORD_TAG);
            put_varint(out, tag_bytes(tag) as u64);
            put_bytes(out, TAG_KEY, tag.key.as_bytes());
            if let Some(value) = tag.value {
                put_bytes(out, TAG_VALUE, value.as_bytes());
            }
        }
        self.count += 1;
    }

    /// The record, with which the packer is empty again; nothing if it was empty. One user record alone is written as it is, without
    /// its tags, as the KPL does.
    pub fn take(&mut self) -> Option<Packed> {
        let hash_key = self.hash_key?;
        let packed = std::mem::take(self);
        let (partition_key, data) = if packed.count == 1 {
            let data = Bytes::from(packed.records).slice(packed.first_data);
            (Cow::Owned(packed.partition_keys.first), data)
        } else {
            (Cow::Borrowed(OUTER_PARTITION_KEY), packed.aggregated())
        };
        Some(Packed { partition_key, explicit_hash_key: hash_key.to_string(), data })
    }

    fn aggregated(&self) -> Bytes {
        let mut data = Vec::with_capacity(self.bytes());
        data.extend_from_slice(&MAGIC);
        data.extend_from_slice(&self.partition_keys.encoded);
        data.extend_from_slice(&self.explicit_hash_keys.encoded);
        data.extend_from_slice(&self.records);
        let digest = Md5::digest(&data[MAGIC.len()..]);
        data.extend_from_slice(&digest);
        Bytes::from(data)
    }
}

fn body_bytes(record: &UserRecord<'_>, key: u64, hash_key: Option<u64>) -> usize {
    let tags: usize = record.tags.iter().map(|tag| bytes_len(tag_bytes(tag))).sum();
    1 + varint_len(key) + hash_key.map_or(0, |index| 1 + varint_len(index)) + bytes_len(record.data.len()) + tags
}

fn tag_bytes(tag: &super::Tag<'_>) -> usize {
    bytes_len(tag.key.len()) + tag.value.map_or(0, |value| bytes_len(value.len()))
}

/// A table of texts, each once, encoded as they are first met.
#[derive(Debug, Default)]
struct Table {
    encoded: Vec<u8>,
    index: HashMap<Box<str>, u64>,
    first: String,
}

impl Table {
    /// The index that a text has or would have, and by how much the table would grow.
    fn find(&self, text: &str) -> (u64, usize) {
        match self.index.get(text) {
            Some(index) => (*index, 0),
            None => (self.index.len() as u64, bytes_len(text.len())),
        }
    }

    fn index_of(&mut self, tag: u8, text: &str) -> u64 {
        if let Some(index) = self.index.get(text) {
            return *index;
        }
        let index = self.index.len() as u64;
        if index == 0 {
            text.clone_into(&mut self.first);
        }
        self.index.insert(text.into(), index);
        put_bytes(&mut self.encoded, tag, text.as_bytes());
        index
    }
}
