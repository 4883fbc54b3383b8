//! Writing a segment.

use super::{
    BLOCK_HEADER, BlockHeader, DIRECTORY_ENTRY, HEAD, INDEX_STEP_BYTES, IndexEntry, MAGIC, Segment, SegmentRun,
    TRAILER, encode_head, tag,
};
use crate::batch::BlockEntry;
use crate::medium::{Medium, ObjectWriter};
use std::io;
use std::sync::Arc;

/// Bytes gathered before they are handed to the medium.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes one segment: shards in order of their keys, each shard's blocks in order of their positions.
pub(crate) struct SegmentBuilder {
    object: Box<dyn ObjectWriter>,
    segment: String,
    tag: u64,
    buffer: Vec<u8>,
    offset: u64,
    runs: Vec<(SegmentRun, Vec<IndexEntry>)>,
    placeholder: Arc<Segment>,
}

impl SegmentBuilder {
    pub(crate) fn create(medium: &dyn Medium, name: &str) -> io::Result<Self> {
        Ok(Self::into_object(medium.create_object(name)?, name, medium.log_id()))
    }

    /// The same, into an object that has been begun, of the log with this id.
    pub(crate) fn into_object(object: Box<dyn ObjectWriter>, name: &str, log_id: u128) -> Self {
        let tag = tag(log_id, name);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + BLOCK_HEADER);
        encode_head(&mut buffer, tag);
        Self {
            object,
            segment: name.to_owned(),
            tag,
            buffer,
            offset: HEAD as u64,
            runs: Vec::new(),
            placeholder: Arc::new(Segment { name: name.to_owned(), bytes: 0 }),
        }
    }

    /// Adds a block. Its records have been verified against `entry.crc`, or come from memory.
    pub(crate) fn push(&mut self, entry: BlockEntry, time_ms: u64, records: &[u8]) -> io::Result<()> {
        let header = BlockHeader { tag: self.tag, entry, time_ms };
        let at = IndexEntry { position: entry.first, time_ms, offset: self.offset };
        match self.runs.last_mut() {
            // A run has no gaps: behind one, which only a repair leaves, another run begins.
            Some((run, index)) if run.shard == entry.shard && run.next == entry.first => {
                run.next = header.next();
                run.last_time_ms = time_ms;
                run.bytes += header.stride();
                if index.last().is_none_or(|last| at.offset - last.offset >= INDEX_STEP_BYTES) {
                    index.push(at);
                }
            }
            _ => self.runs.push((
                SegmentRun {
                    segment: self.placeholder.clone(),
                    shard: entry.shard,
                    first: entry.first,
                    next: header.next(),
                    first_time_ms: time_ms,
                    last_time_ms: time_ms,
                    offset: self.offset,
                    bytes: header.stride(),
                    index_offset: 0,
                    index_count: 0,
                },
                vec![at],
            )),
        }
        header.encode(&mut self.buffer);
        self.buffer.extend_from_slice(records);
        let padding = header.stride() as usize - BLOCK_HEADER - records.len();
        self.buffer.resize(self.buffer.len() + padding, 0);
        self.offset += header.stride();
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.object.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes index, directory and trailer and makes the segment durable: its runs.
    pub(crate) fn finish(mut self) -> io::Result<Vec<SegmentRun>> {
        self.flush()?;
        let footer_offset = self.offset;
        let mut footer = Vec::new();
        for (run, index) in &mut self.runs {
            run.index_offset = footer_offset + footer.len() as u64;
            run.index_count = index.len() as u32;
            for entry in index {
                for number in [entry.position, entry.time_ms, entry.offset] {
                    footer.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        for (run, _) in &self.runs {
            let start = footer.len();
            for number in [
                run.shard.0,
                run.first,
                run.next,
                run.first_time_ms,
                run.last_time_ms,
                run.offset,
                run.bytes,
                run.index_offset,
            ] {
                footer.extend_from_slice(&number.to_le_bytes());
            }
            footer.extend_from_slice(&run.index_count.to_le_bytes());
            footer.resize(start + DIRECTORY_ENTRY, 0);
        }
        let mut trailer = Vec::with_capacity(TRAILER);
        for number in [MAGIC, footer_offset, self.runs.len() as u64] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        trailer.extend_from_slice(&crc32c::crc32c(&footer).to_le_bytes());
        trailer.extend_from_slice(&[0; 4]);
        trailer.extend_from_slice(&self.tag.to_le_bytes());
        trailer.resize(TRAILER - 4, 0);
        let crc = crc32c::crc32c(&trailer);
        trailer.extend_from_slice(&crc.to_le_bytes());
        let bytes = footer_offset + footer.len() as u64 + TRAILER as u64;
        self.object.write(&footer)?;
        self.object.write(&trailer)?;
        self.object.finish()?;
        let segment = Arc::new(Segment { name: self.segment, bytes });
        Ok(self.runs.into_iter().map(|(run, _)| SegmentRun { segment: segment.clone(), ..run }).collect())
    }
}
