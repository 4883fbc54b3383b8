//! Reading aggregated records.

use md5::{Digest, Md5};

use super::varint::{Broken, Fields, Value};
use super::{DIGEST_BYTES, MAGIC, Tag, UserRecord, hash_key_of};

/// What the data of a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents<'a> {
    /// One user record: the record itself. It has no magic, is too short for an aggregated record, or its digest is not that of its
    /// message, so that nobody meant it to be one.
    Plain,
    /// User records, each at its sub-sequence number. None, if somebody packed none.
    Aggregated(Vec<UserRecord<'a>>),
    /// Somebody meant it to be an aggregated record and made it wrong. It is delivered as one user record, so that nothing is lost;
    /// whoever delivers it should say so.
    Malformed(Malformed),
}

/// Why the message of an aggregated record, whose digest is right, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is malformed: {why}")]
pub struct Malformed {
    what: &'static str,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("a text is not UTF-8")]
    Text,
    #[error("its {0} is missing")]
    Missing(&'static str),
    #[error("it names {what} {index}, and the table has {count}")]
    Index { what: &'static str, index: u64, count: usize },
    #[error("an explicit hash key is no number from 0 to 2^128-1")]
    HashKey,
}

/// Finds out what the data of a record is, and what is in it.
///
/// Whatever the bytes are, this takes time and memory in proportion to their number.
#[must_use]
pub fn unpack(data: &[u8]) -> Contents<'_> {
    let Some(rest) = data.strip_prefix(&MAGIC) else { return Contents::Plain };
    let Some((message, digest)) = rest.split_last_chunk::<DIGEST_BYTES>() else { return Contents::Plain };
    if message.is_empty() || Md5::digest(message)[..] != digest[..] {
        return Contents::Plain;
    }
    match records(message) {
        Ok(records) => Contents::Aggregated(records),
        Err(malformed) => Contents::Malformed(malformed),
    }
}

/// The user records of a message. Tables may come after the records that name them, so they are gathered first.
pub(super) fn records(message: &[u8]) -> Result<Vec<UserRecord<'_>>, Malformed> {
    let wrong = |why: Why| Malformed { what: "the aggregated record", why };
    let (mut keys, mut hash_keys, mut count) = (Vec::new(), Vec::new(), 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next().map_err(|broken| wrong(broken.into()))? {
        match field {
            (1, Value::Bytes(key)) => keys.push(text(key).map_err(wrong)?),
            (2, Value::Bytes(key)) => hash_keys.push(text(key).map_err(wrong)?),
            (3, Value::Bytes(_)) => count += 1,
            // Fields that are not known are skipped, as protobuf wants it.
            _ => {}
        }
    }
    let mut records = Vec::with_capacity(count);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next().map_err(|broken| wrong(broken.into()))? {
        if let (3, Value::Bytes(bytes)) = field {
            let record = record(bytes, &keys, &hash_keys);
            records.push(record.map_err(|why| Malformed { what: "a record in the aggregated record", why })?);
        }
    }
    Ok(records)
}

fn record<'a>(message: &'a [u8], keys: &[&'a str], hash_keys: &[&'a str]) -> Result<UserRecord<'a>, Why> {
    let (mut key, mut hash_key, mut data, mut tags) = (None, None, None, Vec::new());
    let mut fields = Fields::new(message);
    // Of a field that comes twice the last counts.
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(index)) => key = Some(index),
            (2, Value::Varint(index)) => hash_key = Some(index),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            (4, Value::Bytes(bytes)) => tags.push(tag(bytes)?),
            _ => {}
        }
    }
    let explicit_hash_key = hash_key.map(|index| at(hash_keys, index, "explicit hash key")).transpose()?;
    if let Some(text) = explicit_hash_key {
        hash_key_of(text).map_err(|_| Why::HashKey)?;
    }
    Ok(UserRecord {
        partition_key: at(keys, key.ok_or(Why::Missing("partition key"))?, "partition key")?,
        explicit_hash_key,
        data: data.ok_or(Why::Missing("data"))?,
        tags,
    })
}

fn tag(message: &[u8]) -> Result<Tag<'_>, Why> {
    let (mut key, mut value) = (None, None);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => key = Some(text(bytes)?),
            (2, Value::Bytes(bytes)) => value = Some(text(bytes)?),
            _ => {}
        }
    }
    Ok(Tag { key: key.ok_or(Why::Missing("key of a tag"))?, value })
}

fn at<'a>(table: &[&'a str], index: u64, what: &'static str) -> Result<&'a str, Why> {
    let found = usize::try_from(index).ok().and_then(|index| table.get(index));
    found.copied().ok_or(Why::Index { what, index, count: table.len() })
}

fn text(bytes: &[u8]) -> Result<&str, Why> {
    std::str::from_utf8(bytes).map_err(|_| Why::Text)
}
