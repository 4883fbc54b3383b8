//! Set files: immutable runs of many shards, written behind the log. Drawn byte by byte in `docs/format.md`.
//!
//! ```text
//! head (64) | runs: for each shard its blocks (header 64 + records) | index | directory | trailer (64)
//! ```
//! Every block vouches for itself, so that damage makes only its own range unreadable. The directory says where each
//! shard's run lies; the index has an entry at least every 64 KiB of a run, so that a read touches little besides what it
//! returns. A damaged directory is rebuilt from the blocks. Head, blocks and trailer carry the segment's *tag*, which no
//! producer can know: so bytes of a record never pass for a block or a directory, wherever a file is cut or looked through.

use crate::batch::{ALIGN, BlockEntry};
use crate::codec::Reader;
use crate::medium::Objects;
use crate::record::Block;
use bytes::Bytes;
use rheos_types::ShardKey;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

mod write;

pub(crate) use write::SegmentBuilder;

const MAGIC: u64 = u64::from_le_bytes(*b"RHEOSSEG");
const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"RBLK");
const FORMAT: u16 = 1;
const HEAD: usize = 64;
const TRAILER: usize = 64;
const DIRECTORY_ENTRY: usize = 80;
const INDEX_ENTRY: usize = 24;
/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER: usize = 64;
/// An index entry at least every so many bytes of a run.
const INDEX_STEP_BYTES: u64 = 64 << 10;
/// Bytes that are read at a time when a run is copied.
const COPY_WINDOW_BYTES: usize = 256 << 10;
/// No block is larger than a batch.
const MAX_BLOCK_BYTES: usize = crate::batch::MAX_BATCH;

/// A segment that exists.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// One shard's run in a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRun {
    pub(crate) segment: Arc<Segment>,
    pub(crate) shard: ShardKey,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) first_time_ms: u64,
    pub(crate) last_time_ms: u64,
    offset: u64,
    pub(crate) bytes: u64,
    index_offset: u64,
    index_count: u32,
}

/// Bytes of a segment that are not as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    /// The positions that cannot be read.
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// Why a segment could not be read.
#[derive(Debug)]
pub(crate) enum SegmentError {
    Damaged(Damage),
    Io(io::Error),
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A segment's runs, and whether its directory had to be rebuilt.
pub(crate) struct Directory {
    pub(crate) runs: Vec<SegmentRun>,
    pub(crate) rebuilt: bool,
}

/// What stands where a segment's head should.
pub(crate) enum OpenedSegment {
    Read(Directory),
    Newer { format: u16 },
}

/// What the head of a segment says.
struct Head {
    format: u16,
    tag: u64,
}

/// What the end of a segment says.
struct Trailer {
    /// Where index and directory begin, and their bytes.
    start: u64,
    length: u64,
    runs: u64,
    footer_crc: u32,
    tag: u64,
}

/// The tag of a segment that is to be written, from what only this log knows and the name that only this segment has.
/// Never 0, which is that of segments from before there were tags. Readers compare it; nobody computes it again.
pub(crate) fn tag(log_id: u128, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (log_id, name).hash(&mut hasher);
    hasher.finish() | 1
}

/// A block's header in a segment.
struct BlockHeader {
    tag: u64,
    entry: BlockEntry,
    time_ms: u64,
}

impl BlockHeader {
    fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let [low, high] = [self.tag as u32, (self.tag >> 32) as u32];
        into.extend_from_slice(&BLOCK_MAGIC.to_le_bytes());
        into.extend_from_slice(&low.to_le_bytes());
        self.entry.encode(into);
        into.extend_from_slice(&self.time_ms.to_le_bytes());
        into.extend_from_slice(&high.to_le_bytes());
        let crc = crc32c::crc32c(&into[start..]);
        into.extend_from_slice(&crc.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.get(..BLOCK_HEADER)?.split_at(BLOCK_HEADER - 4);
        let mut reader = Reader(body);
        if reader.u32()? != BLOCK_MAGIC || crc32c::crc32c(body).to_le_bytes() != crc {
            return None;
        }
        let low = reader.u32()?;
        let (entry, time_ms) = (BlockEntry::decode(&mut reader)?, reader.u64()?);
        let header = Self { tag: u64::from(low) | u64::from(reader.u32()?) << 32, entry, time_ms };
        (header.entry.bytes as usize <= MAX_BLOCK_BYTES).then_some(header)
    }

    /// Where the block after this one begins, counted from this one's header.
    fn stride(&self) -> u64 {
        (BLOCK_HEADER as u64 + u64::from(self.entry.bytes)).next_multiple_of(8)
    }

    fn next(&self) -> u64 {
        self.entry.first + u64::from(self.entry.count)
    }
}

/// Reads a segment's directory; if it is damaged, rebuilds it from the blocks.
pub(crate) fn open(objects: &dyn Objects, name: &str) -> io::Result<OpenedSegment> {
    let bytes = objects.object_len(name)?;
    let segment = Arc::new(Segment { name: name.to_owned(), bytes });
    let head = objects.read_object(name, 0, HEAD + BLOCK_HEADER).or_else(|_| objects.read_object(name, 0, HEAD));
    let head = head.unwrap_or_default();
    let trailer = read_trailer(objects, &segment)?;
    let tag = match decode_head(&head) {
        Some(Head { format, .. }) if format != FORMAT => return Ok(OpenedSegment::Newer { format }),
        Some(Head { tag, .. }) => Some(tag),
        // Where the first block is no record's bytes can be. They can be at the end of a file that was cut off.
        None => {
            let first = head.get(HEAD..).and_then(BlockHeader::decode).map(|header| header.tag);
            first.or(trailer.as_ref().map(|trailer| trailer.tag))
        }
    };
    let trailer = trailer.filter(|trailer| Some(trailer.tag) == tag);
    let runs = trailer.map_or(Ok(None), |trailer| read_directory(objects, &segment, &trailer))?;
    Ok(OpenedSegment::Read(match (runs, tag) {
        (Some(runs), _) => Directory { runs, rebuilt: false },
        (None, Some(tag)) => Directory { runs: rebuild(objects, &segment, tag)?, rebuilt: true },
        // Of nothing that is found it would be sure what it is.
        (None, None) => Directory { runs: Vec::new(), rebuilt: true },
    }))
}

fn encode_head(log: &mut Vec<u8>, tag: u64) {
    log.extend_from_slice(&MAGIC.to_le_bytes());
    log.extend_from_slice(&FORMAT.to_le_bytes());
    log.extend_from_slice(&[0; 6]);
    log.extend_from_slice(&tag.to_le_bytes());
    log.resize(HEAD - 4, 0);
    let crc = crc32c::crc32c(log);
    log.extend_from_slice(&crc.to_le_bytes());
}

fn decode_head(bytes: &[u8]) -> Option<Head> {
    let (body, crc) = bytes.get(..HEAD)?.split_at(HEAD - 4);
    let mut reader = Reader(body);
    if reader.u64()? != MAGIC || crc32c::crc32c(body).to_le_bytes() != crc {
        return None;
    }
    let format = reader.u16()?;
    reader.take(6)?;
    Some(Head { format, tag: reader.u64()? })
}

/// The last bytes of a segment, if they are as they were written.
fn read_trailer(objects: &dyn Objects, segment: &Segment) -> io::Result<Option<Trailer>> {
    let Some(offset) = segment.bytes.checked_sub(TRAILER as u64) else { return Ok(None) };
    let trailer = objects.read_object(&segment.name, offset, TRAILER)?;
    let (body, crc) = trailer.split_at(TRAILER - 4);
    let decode = |mut reader: Reader<'_>| {
        (reader.u64()? == MAGIC).then_some(())?;
        let (start, runs, footer_crc) = (reader.u64()?, reader.u64()?, reader.u32()?);
        reader.u32()?;
        Some(Trailer { length: offset.checked_sub(start)?, start, runs, footer_crc, tag: reader.u64()? })
    };
    Ok(if crc32c::crc32c(body).to_le_bytes() == crc { decode(Reader(body)) } else { None })
}

/// The directory, or `None` if any byte of it or of the index is not as it was written.
fn read_directory(
    objects: &dyn Objects,
    segment: &Arc<Segment>,
    trailer: &Trailer,
) -> io::Result<Option<Vec<SegmentRun>>> {
    let Trailer { start, length, runs, footer_crc, .. } = *trailer;
    let footer = objects.read_object(&segment.name, start, length as usize)?;
    if crc32c::crc32c(&footer) != footer_crc {
        return Ok(None);
    }
    let entries = usize::try_from(runs).ok().and_then(|runs| runs.checked_mul(DIRECTORY_ENTRY));
    let Some(index) = entries.and_then(|entries| footer.len().checked_sub(entries)) else { return Ok(None) };
    let mut reader = Reader(&footer[index..]);
    let runs = (0..runs).map(|_| decode_run(&mut reader, segment).filter(|run| run.lies_in(start, index as u64)));
    Ok(runs.collect())
}

fn decode_run(reader: &mut Reader<'_>, segment: &Arc<Segment>) -> Option<SegmentRun> {
    let run = SegmentRun {
        segment: segment.clone(),
        shard: ShardKey(reader.u64()?),
        first: reader.u64()?,
        next: reader.u64()?,
        first_time_ms: reader.u64()?,
        last_time_ms: reader.u64()?,
        offset: reader.u64()?,
        bytes: reader.u64()?,
        index_offset: reader.u64()?,
        index_count: reader.u32()?,
    };
    reader.take(DIRECTORY_ENTRY - 68)?;
    Some(run)
}

/// Finds the blocks of a segment one by one. Where one does not verify, every later multiple of 8 is tried, so that the
/// rest is found again: by its `tag`, as there are records in between.
fn rebuild(objects: &dyn Objects, segment: &Arc<Segment>, tag: u64) -> io::Result<Vec<SegmentRun>> {
    let mut runs: Vec<SegmentRun> = Vec::new();
    let mut offset = HEAD as u64;
    let mut window = Window::new(objects, &segment.name, segment.bytes, COPY_WINDOW_BYTES);
    while offset + BLOCK_HEADER as u64 <= segment.bytes {
        let found = BlockHeader::decode(&window.bytes(offset, BLOCK_HEADER)?);
        let Some(block) = found.filter(|block| block.tag == tag) else {
            offset += 8;
            continue;
        };
        let end = offset + block.stride();
        // Of a file that has been cut off, the last block may be there in part.
        if offset + block.stride() > segment.bytes {
            break;
        }
        match runs.last_mut() {
            // Behind a gap another run begins, so that what cannot be read is named exactly.
            Some(run) if run.shard == block.entry.shard && run.next == block.entry.first => {
                run.next = block.next();
                run.last_time_ms = block.time_ms;
                run.bytes = end - run.offset;
            }
            _ => runs.push(SegmentRun {
                segment: segment.clone(),
                shard: block.entry.shard,
                first: block.entry.first,
                next: block.next(),
                first_time_ms: block.time_ms,
                last_time_ms: block.time_ms,
                offset,
                bytes: end - offset,
                index_offset: 0,
                index_count: 0,
            }),
        }
        offset = end;
    }
    Ok(runs)
}

/// An entry of a run's index: a block begins at `offset`, with this position and time.
#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    position: u64,
    time_ms: u64,
    offset: u64,
}

impl SegmentRun {
    /// Whether all that it says lies where it can: its blocks before the footer that begins at `footer`, its index in the
    /// footer's first `index_bytes`. So nothing is read, or made room for, that the file does not have.
    fn lies_in(&self, footer: u64, index_bytes: u64) -> bool {
        let end = self.offset.checked_add(self.bytes);
        let index = self.index_offset.checked_sub(footer);
        let index_end = index.and_then(|at| at.checked_add(u64::from(self.index_count) * INDEX_ENTRY as u64));
        self.first <= self.next
            && end.is_some_and(|end| end <= footer)
            && index_end.is_some_and(|end| end <= index_bytes)
    }

    /// Blocks from position `from` on: at least one, and then as long as both bounds hold.
    pub(crate) fn read(
        &self,
        objects: &dyn Objects,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Block>, SegmentError> {
        let start = self.seek(objects, |entry| entry.position <= from)?;
        let mut blocks = Vec::new();
        let (mut records, mut bytes, mut position) = (0usize, 0usize, from);
        let window = max_bytes.clamp(INDEX_STEP_BYTES as usize, 1 << 20);
        let mut walk = Walk::new(self, objects, start.offset, window);
        while records < max_records && bytes < max_bytes && position < self.next {
            let Some((offset, header)) = walk.header()? else {
                return self.damaged(objects, walk.offset, position, blocks);
            };
            if header.next() <= position {
                walk.skip(&header);
                continue;
            }
            if header.entry.first > position {
                return self.damaged(objects, offset, position, blocks);
            }
            // If the block is not as it was written, or holds fewer records than it says, only this block is lost: a reader
            // that starts behind it goes on.
            let damage = Damage { offset, first: position, next: header.next() };
            let content = walk.content(&header)?;
            if crc32c::crc32c(&content) != header.entry.crc {
                return damaged_unless_read(blocks, damage);
            }
            walk.skip(&header);
            let block = Block::new(header.entry.first, header.entry.count, header.time_ms, content);
            let Some(part) = block.part(position, max_records - records, max_bytes.saturating_sub(bytes).max(1)) else {
                return damaged_unless_read(blocks, damage);
            };
            // A window is as large as what is asked for, but where a block is larger.
            let part = part.apart_from(block.len_bytes());
            if bytes > 0 && bytes + part.len_bytes() > max_bytes {
                break;
            }
            records += part.count() as usize;
            bytes += part.len_bytes();
            let whole = part.first() + u64::from(part.count()) == header.next();
            position = part.first() + u64::from(part.count());
            blocks.push(part);
            if !whole {
                break;
            }
        }
        Ok(blocks)
    }

    /// Hands the blocks that end behind position `above` on, each verified, in order. `Ok(false)`: one is damaged.
    pub(crate) fn copy(
        &self,
        objects: &dyn Objects,
        above: u64,
        mut into: impl FnMut(BlockEntry, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let start = self.seek(objects, |entry| entry.position <= above)?;
        let mut walk = Walk::new(self, objects, start.offset, COPY_WINDOW_BYTES);
        let mut position = start.position;
        while position < self.next {
            let Some((_, header)) = walk.header()?.filter(|(_, header)| header.entry.first == position) else {
                return Ok(false);
            };
            position = header.next();
            if position > above {
                let content = walk.content(&header)?;
                if crc32c::crc32c(&content) != header.entry.crc {
                    return Ok(false);
                }
                into(header.entry, header.time_ms, &content)?;
            }
            walk.skip(&header);
        }
        Ok(position == self.next)
    }

    /// What a read that met something else than a block at `offset` comes to: the blocks before it, or the damage, which
    /// ends where the index finds the next block.
    fn damaged(
        &self,
        objects: &dyn Objects,
        offset: u64,
        position: u64,
        blocks: Vec<Block>,
    ) -> Result<Vec<Block>, SegmentError> {
        let index = self.index(objects)?;
        let next = index.entries().find(|entry| entry.offset > offset && entry.position > position);
        let next = next.map_or(self.next, |entry| entry.position);
        damaged_unless_read(blocks, Damage { offset, first: position, next })
    }

    /// The first position whose record arrived at or after `time_ms`; the run's end if there is none.
    pub(crate) fn position_at(&self, objects: &dyn Objects, time_ms: u64) -> Result<u64, SegmentError> {
        let start = self.seek(objects, |entry| entry.time_ms < time_ms)?;
        let mut walk = Walk::new(self, objects, start.offset, INDEX_STEP_BYTES as usize);
        let mut position = start.position;
        while position < self.next {
            let Some((_, header)) = walk.header()? else {
                return Err(SegmentError::Damaged(Damage { offset: walk.offset, first: position, next: self.next }));
            };
            if header.time_ms >= time_ms {
                return Ok(header.entry.first);
            }
            position = header.next();
            walk.skip(&header);
        }
        Ok(self.next)
    }

    /// Reads every block: the ranges of positions that can be read, and what is damaged.
    pub(crate) fn readable(&self, objects: &dyn Objects) -> (Vec<(u64, u64)>, Vec<Damage>) {
        let (mut readable, mut damages): (Vec<(u64, u64)>, _) = (Vec::new(), Vec::new());
        let mut position = self.first;
        while position < self.next {
            match self.read(objects, position, usize::MAX, 1 << 20) {
                Ok(blocks) => {
                    let Some(last) = blocks.last() else { break };
                    let next = last.first() + u64::from(last.count());
                    match readable.last_mut() {
                        Some(range) if range.1 == position => range.1 = next,
                        _ => readable.push((position, next)),
                    }
                    position = next;
                }
                Err(SegmentError::Damaged(damage)) => {
                    position = damage.next;
                    damages.push(damage);
                }
                // Bytes that the disk does not give back are damage as well; where it begins nobody says.
                Err(SegmentError::Io(_)) => {
                    damages.push(Damage { offset: self.offset, first: position, next: self.next });
                    break;
                }
            }
        }
        (readable, damages)
    }

    /// Bytes of its blocks with their headers.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.bytes
    }

    fn index(&self, objects: &dyn Objects) -> io::Result<Index> {
        let length = self.index_count as usize * INDEX_ENTRY;
        Ok(Index(if length == 0 {
            Bytes::new()
        } else {
            objects.read_object(&self.segment.name, self.index_offset, length)?
        }))
    }

    /// The last index entry for which `before` holds; the run's start if it holds for none.
    fn seek(&self, objects: &dyn Objects, before: impl Fn(&IndexEntry) -> bool) -> io::Result<IndexEntry> {
        let start = IndexEntry { position: self.first, time_ms: self.first_time_ms, offset: self.offset };
        let index = self.index(objects)?;
        let (mut low, mut high) = (0, self.index_count as usize);
        while low < high {
            let middle = usize::midpoint(low, high);
            match index.entry(middle) {
                Some(found) if before(&found) => low = middle + 1,
                _ => high = middle,
            }
        }
        // An entry that points outside its run is damage that the directory's checksum did not see: start at the front.
        let found = low.checked_sub(1).and_then(|at| index.entry(at));
        let lies_inside = |entry: &IndexEntry| {
            (self.offset..self.offset + self.bytes).contains(&entry.offset)
                && (self.first..self.next).contains(&entry.position)
        };
        Ok(found.filter(lies_inside).unwrap_or(start))
    }
}

fn damaged_unless_read(blocks: Vec<Block>, damage: Damage) -> Result<Vec<Block>, SegmentError> {
    if blocks.is_empty() { Err(SegmentError::Damaged(damage)) } else { Ok(blocks) }
}

/// A run's index as bytes.
struct Index(Bytes);

impl Index {
    fn entry(&self, at: usize) -> Option<IndexEntry> {
        let mut reader = Reader(self.0.get(at * INDEX_ENTRY..)?);
        Some(IndexEntry { position: reader.u64()?, time_ms: reader.u64()?, offset: reader.u64()? })
    }

    fn entries(&self) -> impl Iterator<Item = IndexEntry> {
        (0..).map_while(|at| self.entry(at))
    }
}

/// A part of a segment that is held while one goes through it, so that small pieces need no read of their own.
struct Window<'a> {
    objects: &'a dyn Objects,
    name: &'a str,
    /// Nothing behind it is read before it is asked for.
    end: u64,
    step_bytes: usize,
    held: Bytes,
    held_offset: u64,
}

impl<'a> Window<'a> {
    fn new(objects: &'a dyn Objects, name: &'a str, end: u64, step_bytes: usize) -> Self {
        Self { objects, name, end, step_bytes, held: Bytes::new(), held_offset: 0 }
    }

    /// `length` bytes at `offset`, from what is held or read anew.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = self.held_offset + self.held.len() as u64;
        if offset < self.held_offset || offset + length as u64 > end {
            let rest = self.end.saturating_sub(offset) as usize;
            self.held = self.objects.read_object(self.name, offset, length.max(self.step_bytes.min(rest)))?;
            self.held_offset = offset;
        }
        let start = (offset - self.held_offset) as usize;
        Ok(self.held.slice(start..start + length))
    }
}

/// Walks over the blocks of a run, reading windows of it.
struct Walk<'a> {
    run: &'a SegmentRun,
    offset: u64,
    window: Window<'a>,
}

impl<'a> Walk<'a> {
    fn new(run: &'a SegmentRun, objects: &'a dyn Objects, offset: u64, window_bytes: usize) -> Self {
        let window = Window::new(objects, &run.segment.name, run.offset + run.bytes, window_bytes);
        Self { run, offset, window }
    }

    /// The header at the walk's offset; `None` if it does not verify or the run is over.
    fn header(&mut self) -> io::Result<Option<(u64, BlockHeader)>> {
        let offset = self.offset;
        if offset + BLOCK_HEADER as u64 > self.run.offset + self.run.bytes {
            return Ok(None);
        }
        let bytes = self.window.bytes(offset, BLOCK_HEADER)?;
        let header = BlockHeader::decode(&bytes).filter(|header| {
            header.entry.shard == self.run.shard
                && header.entry.first >= self.run.first
                && header.next() <= self.run.next
                && offset + header.stride() <= self.run.offset + self.run.bytes
        });
        Ok(header.map(|header| (offset, header)))
    }

    fn content(&mut self, header: &BlockHeader) -> io::Result<Bytes> {
        self.window.bytes(self.offset + BLOCK_HEADER as u64, header.entry.bytes as usize)
    }

    fn skip(&mut self, header: &BlockHeader) {
        self.offset += header.stride();
    }
}

const _: () = assert!(ALIGN.is_multiple_of(8) && HEAD.is_multiple_of(8) && BLOCK_HEADER.is_multiple_of(8));
