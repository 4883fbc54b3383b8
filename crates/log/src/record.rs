//! Records and runs: the bytes that a record is encoded to once and keeps from the log writer to the reader.
//!
//! A record is `flags u8 | key length u16 | data length u32 | partition key | data`, little-endian, without padding. Its
//! position is not stored: a run knows its first one and the rest follow without gaps.

use bytes::Bytes;
use rheos_types::ShardKey;

const HEADER: usize = 7;
/// The partition key is absent, which is not the same as empty.
const NO_KEY: u8 = 0b0000_0001;
/// The flags that a caller may set.
const CALLER_FLAGS: u8 = 0b1111_0000;

/// What a record's writer says of it, kept with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordFlags(u8);

impl RecordFlags {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// The data is sealed by server-side encryption.
    pub const SEALED: Self = Self(0b0001_0000);

    /// Whether all of `other` is set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One record, borrowed from the run it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The partition key; `None` if the producer gave none.
    pub partition_key: Option<&'a str>,
    /// The data.
    pub data: &'a [u8],
    /// What the writer said of it.
    pub flags: RecordFlags,
}

/// Records of one shard, encoded, in the order in which they will get their positions.
#[derive(Debug, Clone)]
pub struct Run {
    shard: ShardKey,
    count: u32,
    bytes: Bytes,
}

impl Run {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> ShardKey {
        self.shard
    }

    /// How many records.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The encoded records.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Encodes records into a [`Run`].
#[derive(Debug)]
pub struct RunBuilder {
    shard: ShardKey,
    count: u32,
    bytes: Vec<u8>,
}

impl RunBuilder {
    /// An empty run of `shard`.
    #[must_use]
    pub fn new(shard: ShardKey) -> Self {
        Self::with_capacity(shard, 0)
    }

    /// An empty run with room for `bytes` of encoded records.
    #[must_use]
    pub fn with_capacity(shard: ShardKey, bytes: usize) -> Self {
        Self { shard, count: 0, bytes: Vec::with_capacity(bytes) }
    }

    /// How many bytes a record takes.
    #[must_use]
    pub fn encoded_len(partition_key: Option<&str>, data: &[u8]) -> usize {
        HEADER + partition_key.map_or(0, str::len) + data.len()
    }

    /// Adds a record.
    ///
    /// # Panics
    /// If the key is longer than 65,535 bytes or the data than 4 GiB: callers have checked both against far lower limits.
    pub fn push(&mut self, partition_key: Option<&str>, data: &[u8], flags: RecordFlags) {
        let key = partition_key.unwrap_or("");
        let flags = flags.0 & CALLER_FLAGS | if partition_key.is_none() { NO_KEY } else { 0 };
        assert!(
            key.len() <= usize::from(u16::MAX) && data.len() <= u32::MAX as usize,
            "record over the format's bounds"
        );
        self.bytes.reserve(HEADER + key.len() + data.len());
        self.bytes.push(flags);
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(data);
        self.count += 1;
    }

    /// How many records were added.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The finished run.
    #[must_use]
    pub fn finish(self) -> Run {
        Run { shard: self.shard, count: self.count, bytes: self.bytes.into() }
    }
}

/// Takes the record at the start of `bytes` off: the record and the rest. `None` if there is no whole record.
fn split_record(bytes: &[u8]) -> Option<(RecordRef<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let key_len = usize::from(u16::from_le_bytes([header[1], header[2]]));
    let data_len = u32::from_le_bytes([header[3], header[4], header[5], header[6]]) as usize;
    let (key, rest) = rest.split_at_checked(key_len)?;
    let (data, rest) = rest.split_at_checked(data_len)?;
    let key = std::str::from_utf8(key).ok()?;
    let partition_key = (header[0] & NO_KEY == 0).then_some(key);
    Some((RecordRef { partition_key, data, flags: RecordFlags(header[0] & CALLER_FLAGS) }, rest))
}

/// How long the record at the start of `bytes` is. `None` if there is no whole record.
fn record_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER>()?;
    let key_len = usize::from(u16::from_le_bytes([header[1], header[2]]));
    let data_len = u32::from_le_bytes([header[3], header[4], header[5], header[6]]) as usize;
    let length = HEADER + key_len + data_len;
    (length <= bytes.len()).then_some(length)
}

/// Durable records of one shard that lie together: what a read returns. Shares memory with the log's tail.
#[derive(Debug, Clone)]
pub struct Block {
    first: u64,
    count: u32,
    time_ms: u64,
    bytes: Bytes,
}

impl Block {
    /// A block of bytes whose checksum has been verified.
    pub(crate) fn new(first: u64, count: u32, time_ms: u64, bytes: Bytes) -> Self {
        Self { first, count, time_ms, bytes }
    }

    /// The position of its first record.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many records it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When they arrived.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Bytes of the encoded records.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The encoded records.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records with their positions.
    pub fn records(&self) -> impl Iterator<Item = (u64, RecordRef<'_>)> {
        let mut rest: &[u8] = &self.bytes;
        (self.first..self.first + u64::from(self.count)).map_while(move |position| {
            let (record, left) = split_record(rest)?;
            rest = left;
            Some((position, record))
        })
    }

    /// The part of the block from position `from` on, at most `max_records` records and, after the first, at most
    /// `max_bytes` bytes. `None` if nothing is left or the bytes do not hold as many records as they should.
    pub(crate) fn part(&self, from: u64, max_records: usize, max_bytes: usize) -> Option<Self> {
        let skip = from.saturating_sub(self.first);
        if skip >= u64::from(self.count) {
            return None;
        }
        let available = u64::from(self.count) - skip;
        if skip == 0 && available <= max_records as u64 && self.bytes.len() <= max_bytes {
            return Some(self.clone());
        }
        let mut start = 0;
        for _ in 0..skip {
            start += record_len(&self.bytes[start..])?;
        }
        let (mut end, mut count) = (start, 0u32);
        while u64::from(count) < available && (count as usize) < max_records {
            let length = record_len(&self.bytes[end..])?;
            if count > 0 && end - start + length > max_bytes {
                break;
            }
            end += length;
            count += 1;
        }
        Some(Self { first: self.first + skip, count, time_ms: self.time_ms, bytes: self.bytes.slice(start..end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(records: &[(Option<String>, Vec<u8>)]) -> Block {
        let mut run = RunBuilder::new(ShardKey(1));
        for (key, data) in records {
            run.push(key.as_deref(), data, RecordFlags::NONE);
        }
        let run = run.finish();
        Block::new(10, run.count(), 5, run.bytes().clone())
    }

    proptest! {
        #[test]
        fn records_read_back_in_order(records in proptest::collection::vec((proptest::option::of(".{0,20}"), proptest::collection::vec(any::<u8>(), 0..50)), 1..20)) {
            let block = block(&records);
            let read: Vec<_> = block.records().map(|(p, r)| (p, r.partition_key.map(str::to_owned), r.data.to_vec())).collect();
            let expected: Vec<_> = records.iter().enumerate().map(|(i, (k, d))| (10 + i as u64, k.clone(), d.clone())).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn a_part_is_the_same_records(count in 1usize..20, from in 0u64..40, max_records in 1usize..25, max_bytes in 0usize..400) {
            let records: Vec<_> = (0..count).map(|i| (Some(format!("k{i}")), vec![i as u8; i * 3])).collect();
            let block = block(&records);
            let all: Vec<_> = block.records().filter(|(p, _)| *p >= from).collect();
            match block.part(from, max_records, max_bytes) {
                None => prop_assert!(all.is_empty()),
                Some(part) => {
                    let got: Vec<_> = part.records().collect();
                    prop_assert!(!got.is_empty() && got.len() <= max_records);
                    prop_assert!(got.len() == 1 || part.len_bytes() <= max_bytes);
                    prop_assert_eq!(&all[..got.len()], &got[..]);
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), from in 0u64..20) {
            let block = Block::new(0, 10, 0, bytes.into());
            let read = block.records().count();
            prop_assert!(read <= 10);
            prop_assert!(block.part(from, 5, 50).is_none_or(|part| part.count() <= 5 && part.len_bytes() <= 200));
        }
    }
}
