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
        self.bytes.reserve(HEADER + partition_key.map_or(0, str::len) + data.len());
        self.push_with(partition_key, flags, |bytes| bytes.extend_from_slice(data));
    }

    /// Adds a record whose data `write` appends to the run's bytes; what is there before, it leaves alone.
    ///
    /// # Panics
    /// As [`Self::push`], and if `write` takes bytes away.
    pub fn push_with(&mut self, partition_key: Option<&str>, flags: RecordFlags, write: impl FnOnce(&mut Vec<u8>)) {
        let key = partition_key.unwrap_or("");
        let flags = flags.0 & CALLER_FLAGS | if partition_key.is_none() { NO_KEY } else { 0 };
        self.bytes.push(flags);
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(key.as_bytes());
        let data_at = self.bytes.len();
        write(&mut self.bytes);
        assert!(self.bytes.len() >= data_at, "data takes nothing away");
        let data_len = self.bytes.len() - data_at;
        assert!(key.len() <= usize::from(u16::MAX) && data_len <= u32::MAX as usize, "record over the format's bounds");
        self.bytes[length_at..data_at][..4].copy_from_slice(&(data_len as u32).to_le_bytes());
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

/// The flags of the record at the start of `bytes`.
fn record_flags(bytes: &[u8]) -> RecordFlags {
    RecordFlags(bytes.first().map_or(0, |flags| flags & CALLER_FLAGS))
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

    /// Bytes of all partition keys and data.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.count as usize * HEADER)
    }

    /// The same in memory of its own, if it is less than half of the buffer of `length` bytes that it lies in: so that a few
    /// records do not keep a large buffer.
    pub(crate) fn apart_from(self, length: usize) -> Self {
        if self.bytes.len() * 2 >= length {
            return self;
        }
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
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

    /// Whether any of its records has all of `flags`. Looks at no more than the records' headers.
    #[must_use]
    pub fn has_any(&self, flags: RecordFlags) -> bool {
        let mut rest: &[u8] = &self.bytes;
        while let Some(length) = record_len(rest) {
            if record_flags(rest).contains(flags) {
                return true;
            }
            rest = &rest[length..];
        }
        false
    }

    /// The same records, keys, flags and positions, with the data that `write` appends for each. The first error of
    /// `write` ends it: what comes back are the records before.
    pub fn rewrite<E>(
        &self,
        mut write: impl FnMut(u64, RecordRef<'_>, &mut Vec<u8>) -> Result<(), E>,
    ) -> (Self, Result<(), E>) {
        // Which shard it is makes no difference to the bytes.
        let mut run = RunBuilder::with_capacity(ShardKey(0), self.bytes.len());
        let mut written = Ok(());
        for (position, record) in self.records() {
            let before = run.bytes.len();
            run.push_with(record.partition_key, record.flags, |bytes| written = write(position, record, bytes));
            if written.is_err() {
                run.bytes.truncate(before);
                run.count -= 1;
                break;
            }
        }
        let Run { count, bytes, .. } = run.finish();
        (Self { first: self.first, count, time_ms: self.time_ms, bytes }, written)
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
        fn rewritten_records_keep_all_but_their_data(count in 1usize..20, odd in 0usize..20, limit in 0u64..30) {
            let mut run = RunBuilder::new(ShardKey(1));
            for i in 0..count {
                let flags = if i == odd { RecordFlags::SEALED } else { RecordFlags::NONE };
                run.push_with((i != 3).then_some("key"), flags, |bytes| bytes.resize(bytes.len() + i, 7));
            }
            let run = run.finish();
            let block = Block::new(10, run.count(), 5, run.bytes().clone());
            prop_assert_eq!(block.has_any(RecordFlags::SEALED), odd < count);
            let twice = |position: u64, record: RecordRef<'_>, bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(&[record.data, record.data].concat());
                if position - 10 < limit { Ok(()) } else { Err(position) }
            };
            let (rewritten, written) = block.rewrite(twice);
            prop_assert_eq!(written, if limit < count as u64 { Err(10 + limit) } else { Ok(()) });
            let kept = (count as u64).min(limit);
            prop_assert_eq!((rewritten.first(), rewritten.count(), rewritten.time_ms()), (10, kept as u32, 5));
            prop_assert_eq!(rewritten.records().count() as u64, kept);
            for ((a, before), (b, after)) in block.records().zip(rewritten.records()) {
                prop_assert_eq!((a, before.partition_key, before.flags), (b, after.partition_key, after.flags));
                prop_assert_eq!([before.data, before.data].concat(), after.data);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), from in 0u64..20) {
            let block = Block::new(0, 10, 0, bytes.into());
            let read = block.records().count();
            prop_assert!(read <= 10);
            let _any = block.has_any(RecordFlags::SEALED);
            prop_assert!(block.part(from, 5, 50).is_none_or(|part| part.count() <= 5 && part.len_bytes() <= 200));
        }
    }
}
