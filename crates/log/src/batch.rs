//! The batch: what one log write makes durable. Drawn byte by byte in `docs/format.md`.
//!
//! ```text
//! header (128) | directory (40 a block) | changes | blocks | zeros up to the next 4 KiB boundary
//! ```
//! The header has a checksum of its own, so that its lengths can be trusted before the rest is read; it holds the
//! checksum of directory and changes; the directory holds each block's. Header fields name the log, the file, the
//! offset and the generation: bytes left from another life of a recycled file never pass for a batch.

use crate::change::Change;
use crate::codec::Reader;
use crate::record::Run;
use bytes::Bytes;
use rheos_types::ShardKey;

/// Batches start at multiples of this.
pub const ALIGN: usize = 4096;
/// Bytes of a batch's header.
pub(crate) const HEADER: usize = 128;
/// Bytes of a block's entry in the directory.
pub(crate) const ENTRY: usize = 40;
/// The largest batch that is believed. Larger lengths in a header are damage.
pub(crate) const MAX_BATCH: usize = 64 << 20;
const MAGIC: u64 = u64::from_le_bytes(*b"RHEOSBAT");
/// The format that this code writes and the newest that it reads.
pub const FORMAT: u16 = 1;
/// Feature bits that this code understands.
pub(crate) const KNOWN_FEATURES: u32 = 0;

/// Who wrote a batch and where it lies: what a medium knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The log, by a random number.
    pub log_id: u128,
    /// The how-manieth opening of the log.
    pub generation: u64,
    /// The file.
    pub file_id: u64,
    /// The offset in the file.
    pub offset: u64,
}

/// A block's entry in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) shard: ShardKey,
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// Bytes of its records.
    pub(crate) bytes: u32,
    /// CRC-32C of its records.
    pub(crate) crc: u32,
}

impl BlockEntry {
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.shard.0.to_le_bytes());
        into.extend_from_slice(&self.first.to_le_bytes());
        into.extend_from_slice(&self.count.to_le_bytes());
        into.extend_from_slice(&self.bytes.to_le_bytes());
        into.extend_from_slice(&self.crc.to_le_bytes());
        // Codec and key id: 0 is "as it is". Then room.
        into.extend_from_slice(&[0; 12]);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let entry = Self {
            shard: ShardKey(reader.u64()?),
            first: reader.u64()?,
            count: reader.u32()?,
            bytes: reader.u32()?,
            crc: reader.u32()?,
        };
        // A shard that counted so far would have no position left for the next record.
        let counts = entry.first.checked_add(u64::from(entry.count)).is_some();
        (reader.take(12)? == [0; 12] && counts).then_some(entry)
    }
}

/// A batch under construction.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    /// Runs with their first positions, in the order in which they were sequenced.
    runs: Vec<(Run, u64)>,
    changes: Vec<u8>,
    change_count: u32,
}

impl BatchBuilder {
    pub(crate) fn push_run(&mut self, run: Run, first: u64) {
        self.runs.push((run, first));
    }

    pub(crate) fn push_change(&mut self, change: &Change) {
        change.encode(&mut self.changes);
        self.change_count += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.change_count == 0
    }

    /// Lays the batch out, with the runs of a shard joined into one block, and clears the builder. The medium fills in
    /// the [`Place`].
    pub(crate) fn finish(&mut self, number: u64, durable_upto: u64, time_ms: u64) -> Batch {
        // A stable sort keeps the order of each shard's runs, which is that of their positions.
        self.runs.sort_by_key(|(run, _)| run.shard());
        let blocks: Vec<&[(Run, u64)]> = self.runs.chunk_by(|a, b| a.0.shard() == b.0.shard()).collect();
        let data_len: usize = self.runs.iter().map(|(run, _)| run.bytes().len()).sum();
        let meta_len = blocks.len() * ENTRY + self.changes.len();
        let total = (HEADER + meta_len + data_len).next_multiple_of(ALIGN);

        let mut bytes = Vec::with_capacity(total);
        bytes.resize(HEADER, 0);
        let mut entries = Vec::with_capacity(blocks.len());
        for runs in &blocks {
            let crc = runs.iter().fold(0, |crc, (run, _)| crc32c::crc32c_append(crc, run.bytes()));
            let entry = BlockEntry {
                shard: runs[0].0.shard(),
                first: runs[0].1,
                count: runs.iter().map(|(run, _)| run.count()).sum(),
                bytes: runs.iter().map(|(run, _)| run.bytes().len() as u32).sum(),
                crc,
            };
            entry.encode(&mut bytes);
            entries.push(entry);
        }
        bytes.extend_from_slice(&self.changes);
        let meta_crc = crc32c::crc32c(&bytes[HEADER..]);
        for (run, _) in &self.runs {
            bytes.extend_from_slice(run.bytes());
        }
        bytes.resize(total, 0);
        let header = Header {
            place: Place { log_id: 0, generation: 0, file_id: 0, offset: 0 },
            features: 0,
            number,
            durable_upto,
            time_ms,
            total: total as u32,
            blocks: blocks.len() as u32,
            changes: self.change_count,
            changes_bytes: self.changes.len() as u32,
            data_bytes: data_len as u32,
            meta_crc,
        };
        self.runs.clear();
        self.changes.clear();
        self.change_count = 0;
        Batch { header, entries, bytes }
    }
}

/// A batch laid out, to be given its place and written.
#[derive(Debug)]
pub struct Batch {
    header: Header,
    entries: Vec<BlockEntry>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Its number: one more than the batch before.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// How many blocks are in it.
    pub(crate) fn block_count(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes it takes, a multiple of [`ALIGN`].
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the place into the header: the bytes to write.
    pub fn seal(&mut self, place: Place) -> &[u8] {
        self.header.place = place;
        let header = self.header.encode();
        self.bytes[..HEADER].copy_from_slice(&header);
        &self.bytes
    }

    /// The batch as a reader would find it.
    pub(crate) fn into_parsed(self) -> ParsedBatch {
        ParsedBatch { header: self.header, entries: self.entries, bytes: self.bytes.into() }
    }
}

/// A batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who wrote it and where.
    pub place: Place,
    /// What a reader has to understand.
    pub features: u32,
    /// One more than the batch before.
    pub number: u64,
    /// The highest batch known to be durable when this one was written.
    pub durable_upto: u64,
    /// When its records arrived.
    pub time_ms: u64,
    /// Bytes of the whole batch.
    pub total: u32,
    blocks: u32,
    changes: u32,
    changes_bytes: u32,
    data_bytes: u32,
    meta_crc: u32,
}

/// What stands where a header should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderAt {
    /// A header that its checksum vouches for.
    Valid(Header),
    /// Not a header, or a damaged one.
    Invalid,
    /// A header of a newer format, or with features that this code does not know; or, in another place than it says, what
    /// a producer has put into a record.
    Newer {
        /// Who wrote it and where: every format says so in the same bytes.
        place: Place,
        /// The format it is written in.
        format: u16,
        /// The feature bits that are not known.
        features: u32,
    },
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.features.to_le_bytes());
        bytes.extend_from_slice(&self.place.log_id.to_le_bytes());
        for number in
            [self.place.generation, self.place.file_id, self.place.offset, self.number, self.durable_upto, self.time_ms]
        {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.total, self.blocks, self.changes, self.changes_bytes, self.data_bytes, self.meta_crc] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(HEADER - 4, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; HEADER];
        header.copy_from_slice(&bytes);
        header
    }

    /// How many blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks as usize
    }

    /// How many changes.
    pub(crate) fn changes(&self) -> usize {
        self.changes as usize
    }

    pub(crate) fn changes_bytes(&self) -> usize {
        self.changes_bytes as usize
    }

    /// CRC-32C of directory and changes.
    pub(crate) fn meta_crc(&self) -> u32 {
        self.meta_crc
    }

    /// Reads a header from the first 128 of `bytes`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> HeaderAt {
        Self::decode_checked(bytes).unwrap_or(HeaderAt::Invalid)
    }

    fn decode_checked(bytes: &[u8]) -> Option<HeaderAt> {
        let bytes = bytes.get(..HEADER)?;
        let mut reader = Reader(bytes);
        if reader.u64()? != MAGIC {
            return None;
        }
        let format = reader.u16()?;
        let (body, crc) = bytes.split_at(HEADER - 4);
        if crc32c::crc32c(body).to_le_bytes() != crc {
            return None;
        }
        reader.u16()?;
        let features = reader.u32()?;
        let place =
            Place { log_id: reader.u128()?, generation: reader.u64()?, file_id: reader.u64()?, offset: reader.u64()? };
        if format != FORMAT || features & !KNOWN_FEATURES != 0 {
            return Some(HeaderAt::Newer { place, format, features: features & !KNOWN_FEATURES });
        }
        let header = Self {
            place,
            features,
            number: reader.u64()?,
            durable_upto: reader.u64()?,
            time_ms: reader.u64()?,
            total: reader.u32()?,
            blocks: reader.u32()?,
            changes: reader.u32()?,
            changes_bytes: reader.u32()?,
            data_bytes: reader.u32()?,
            meta_crc: reader.u32()?,
        };
        let content = HEADER as u64
            + u64::from(header.blocks) * ENTRY as u64
            + u64::from(header.changes_bytes)
            + u64::from(header.data_bytes);
        let fits = header.total as usize <= MAX_BATCH
            && content <= u64::from(header.total)
            && u64::from(header.total) == content.next_multiple_of(ALIGN as u64);
        fits.then_some(HeaderAt::Valid(header))
    }
}

/// A batch whose every checksum has been verified.
#[derive(Debug, Clone)]
pub struct ParsedBatch {
    /// The header.
    pub header: Header,
    pub(crate) entries: Vec<BlockEntry>,
    bytes: Bytes,
}

impl ParsedBatch {
    /// Verifies the whole batch that `header` begins; `None` if any byte of it is not as it was written.
    #[must_use]
    pub fn parse(header: Header, bytes: Bytes) -> Option<Self> {
        if bytes.len() != header.total as usize || Header::decode(&bytes) != HeaderAt::Valid(header) {
            return None;
        }
        let meta_end = HEADER + header.blocks as usize * ENTRY + header.changes_bytes as usize;
        let data_end = meta_end + header.data_bytes as usize;
        if crc32c::crc32c(&bytes[HEADER..meta_end]) != header.meta_crc {
            return None;
        }
        if bytes[data_end..].iter().any(|byte| *byte != 0) {
            return None;
        }
        let mut reader = Reader(&bytes[HEADER..meta_end]);
        let mut entries = Vec::with_capacity(header.blocks as usize);
        let mut offset = meta_end;
        for _ in 0..header.blocks {
            let entry = BlockEntry::decode(&mut reader)?;
            let end = offset.checked_add(entry.bytes as usize).filter(|end| *end <= data_end)?;
            if crc32c::crc32c(&bytes[offset..end]) != entry.crc {
                return None;
            }
            offset = end;
            entries.push(entry);
        }
        (offset == data_end).then_some(Self { header, entries, bytes })
    }

    /// All its bytes as they would lie elsewhere. Only the header says where that is.
    pub(crate) fn bytes_at(&self, place: Place) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        bytes[..HEADER].copy_from_slice(&Header { place, ..self.header }.encode());
        bytes
    }

    /// All its bytes, as they lie in the log.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The blocks with the offset of their records in the batch.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (BlockEntry, usize)> {
        let start = HEADER + self.header.blocks as usize * ENTRY + self.header.changes_bytes as usize;
        self.entries.iter().scan(start, |offset, entry| {
            let at = *offset;
            *offset += entry.bytes as usize;
            Some((*entry, at))
        })
    }

    /// The changes, in order; `None` if one is of a kind that this code does not know.
    pub(crate) fn changes(&self) -> Option<Vec<Change>> {
        let start = HEADER + self.header.blocks as usize * ENTRY;
        let mut reader = Reader(&self.bytes[start..start + self.header.changes_bytes as usize]);
        let changes: Option<Vec<_>> = (0..self.header.changes).map(|_| Change::decode(&mut reader)).collect();
        changes.filter(|_| reader.is_empty())
    }
}
