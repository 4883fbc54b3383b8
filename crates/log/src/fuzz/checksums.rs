//! Puts the checksums of damaged bytes right, and what else would keep a decoder from looking further.

use crate::batch::{ALIGN, ENTRY, HEADER, Place};

/// The largest batch that is made of an input: enough for any path, and fast.
const MAX_BATCH: u64 = 1 << 20;

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// Writes the checksum of the `covered` bytes at `at`; nothing if either lies outside.
pub(super) fn put_crc(bytes: &mut [u8], covered: std::ops::Range<usize>, at: usize) {
    if let Some(crc) = bytes.get(covered).map(crc32c::crc32c)
        && let Some(place) = bytes.get_mut(at..at + 4)
    {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

/// What of a batch is to stay as it is. The bits stand where the format has zeros, so that they damage nothing else.
pub(super) struct Kept {
    pub(super) header: bool,
    pub(super) body: bool,
    pub(super) place: bool,
    pub(super) number: bool,
}

impl Kept {
    pub(super) fn of(batch: &[u8]) -> Self {
        let bits = batch.get(10).copied().unwrap_or(0);
        Self { header: bits & 1 != 0, body: bits & 2 != 0, place: bits & 4 != 0, number: bits & 8 != 0 }
    }
}

/// Makes the bytes a batch at `place`: as long as its header says, with its place and all checksums.
pub(super) fn batch(bytes: &mut Vec<u8>, place: Option<Place>, number: Option<u64>, kept: &Kept) {
    if bytes.len() < HEADER {
        bytes.resize(HEADER, 0);
    }
    bytes[..8].copy_from_slice(b"RHEOSBAT");
    bytes[8..12].copy_from_slice(&[1, 0, 0, 0]);
    bytes[12..16].fill(0);
    if let Some(place) = place.filter(|_| !kept.place) {
        bytes[16..32].copy_from_slice(&place.log_id.to_le_bytes());
        bytes[32..40].copy_from_slice(&place.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&place.file_id.to_le_bytes());
        bytes[48..56].copy_from_slice(&place.offset.to_le_bytes());
    }
    if let Some(number) = number.filter(|_| !kept.number) {
        bytes[56..64].copy_from_slice(&number.to_le_bytes());
    }
    let (blocks, changes) = (u32_at(bytes, 84), u32_at(bytes, 92));
    let meta = u64::from(blocks) * ENTRY as u64 + u64::from(changes);
    let content = HEADER as u64 + meta + u64::from(u32_at(bytes, 96));
    if content <= MAX_BATCH {
        let total = content.next_multiple_of(ALIGN as u64) as usize;
        bytes.truncate(content as usize);
        bytes.resize(total, 0);
        bytes[80..84].copy_from_slice(&(total as u32).to_le_bytes());
        if !kept.body {
            let meta_end = HEADER + meta as usize;
            let mut offset = meta_end;
            for block in 0..blocks as usize {
                let entry = HEADER + block * ENTRY;
                let end = offset.saturating_add(u32_at(bytes, entry + 20) as usize);
                put_crc(bytes, offset..end, entry + 24);
                offset = end;
            }
            put_crc(bytes, HEADER..meta_end, 100);
        }
    }
    if !kept.header {
        put_crc(bytes, 0..HEADER - 4, HEADER - 4);
    }
}

/// Makes the bytes a segment: head, blocks, footer and trailer with their checksums.
pub(super) fn segment(bytes: &mut [u8]) {
    const HEAD: usize = 64;
    put_crc(bytes, 0..HEAD - 4, HEAD - 4);
    let Some(trailer) = bytes.len().checked_sub(64) else { return };
    let footer = usize::try_from(u64_at(bytes, trailer + 8)).unwrap_or(usize::MAX).min(trailer);
    let mut at = HEAD;
    while at + HEAD <= footer {
        if bytes[at..].starts_with(b"RBLK") {
            let length = u32_at(bytes, at + 8 + 20) as usize;
            put_crc(bytes, at + HEAD..(at + HEAD).saturating_add(length), at + 8 + 24);
            put_crc(bytes, at..at + HEAD - 4, at + HEAD - 4);
            at = at.saturating_add(HEAD).saturating_add(length).next_multiple_of(8);
        } else {
            at += 8;
        }
    }
    put_crc(bytes, footer..trailer, trailer + 24);
    put_crc(bytes, trailer..trailer + 60, trailer + 60);
}

/// Makes the bytes a snapshot: its head with the body's length and checksum.
pub(super) fn snapshot(bytes: &mut Vec<u8>) {
    if bytes.len() < 32 {
        bytes.resize(32, 0);
    }
    bytes[..8].copy_from_slice(b"RHEOSSNP");
    bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    let body = bytes.len() - 32;
    bytes[16..24].copy_from_slice(&(body as u64).to_le_bytes());
    put_crc(bytes, 32..32 + body, 24);
    put_crc(bytes, 0..28, 28);
}
