//! Aggregated records: many user records in one record of Kinesis, as the Kinesis Producer Library packs them and the Kinesis Client
//! Library unpacks them.
//!
//! ```text
//! F3 89 9A C2 | AggregatedRecord, a protobuf message | its MD5, 16 bytes
//!
//! message AggregatedRecord {
//!   repeated string partition_key_table     = 1;
//!   repeated string explicit_hash_key_table = 2;
//!   repeated Record records                 = 3;
//! }
//! message Record {
//!   required uint64 partition_key_index     = 1;    // into the tables, from 0
//!   optional uint64 explicit_hash_key_index = 2;
//!   required bytes  data                    = 3;
//!   repeated Tag    tags                    = 4;    // { required string key = 1; optional string value = 2; }
//! }
//! ```
//!
//! [`Packer`] writes the bytes that the KPL would write; [`unpack()`] reads what anybody has written. A user record is identified by the
//! sequence number of the record that it came in and its *sub-sequence number*, its place in there from 0.
//!
//! The message is read and written by hand: it is one, it never changes, and user records are borrowed from the bytes that came.

mod pack;
mod unpack;
mod varint;

#[cfg(test)]
mod tests;

use rheos_types::HashKey;

pub use pack::{Packed, Packer};
pub use unpack::{Contents, Malformed, unpack};

/// What an aggregated record begins with. No text in UTF-8 does.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// The bytes of the digest at the end.
const DIGEST_BYTES: usize = 16;

/// A record as an application knows it, whether it travels alone or with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The key that decides its shard, unless there is an explicit hash key.
    pub partition_key: &'a str,
    /// The point in the space of hash keys that decides its shard, in decimal, as it was given.
    pub explicit_hash_key: Option<&'a str>,
    /// What it is about.
    pub data: &'a [u8],
    /// Part of the format, and in no record that the KPL or this library writes.
    pub tags: Vec<Tag<'a>>,
}

/// A note on a user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its text.
    pub value: Option<&'a str>,
}

impl UserRecord<'_> {
    /// Where the record falls: its explicit hash key, or the hash of its partition key. A shard that does not own this point should not
    /// have got the record: it was packed for shards as they were before a split or a merge.
    ///
    /// An explicit hash key that is no number below 2^128 counts as none. [`unpack()`] gives no such record.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        let explicit = self.explicit_hash_key.and_then(|text| hash_key_of(text).ok());
        explicit.unwrap_or_else(|| HashKey::of_partition_key(self.partition_key))
    }
}

/// Reads an explicit hash key as Amazon's libraries do: leading zeros and a plus are fine.
fn hash_key_of(text: &str) -> Result<HashKey, std::num::ParseIntError> {
    text.parse().map(HashKey)
}
