//! The records of a block.

use super::batch::run;
use crate::record::{Block, RecordFlags, RecordRef};
use bytes::Bytes;

/// The first three bytes: how many records there should be, and from where on a part is taken; then the records.
pub fn records(data: &[u8]) {
    let (head, bytes) = data.split_at(data.len().min(3));
    let byte = |at: usize| head.get(at).copied().unwrap_or(0);
    let block = Block::new(10, u32::from(byte(0)), 5, Bytes::copy_from_slice(bytes));
    use_block(&block);
    let (from, max_bytes) = (u64::from(byte(1)), usize::from(byte(2)));
    for max_records in [1, 3, usize::MAX] {
        use_part(&block, from, max_records, max_bytes);
    }
}

/// Reads a block in every way there is.
pub(super) fn use_block(block: &Block) {
    let read = block.records().count();
    assert!(read <= block.count() as usize);
    let has_any = block.has_any(RecordFlags::SEALED);
    let whole = read == block.count() as usize;
    assert!(!whole || has_any >= block.records().any(|(_, record)| record.flags.contains(RecordFlags::SEALED)));
    let same = |_: u64, record: RecordRef<'_>, into: &mut Vec<u8>| -> Result<(), ()> {
        into.extend_from_slice(record.data);
        Ok(())
    };
    let (rewritten, done) = block.rewrite(same);
    assert!(done.is_ok() && rewritten.records().eq(block.records()), "what is rewritten as it is stays as it is");
    for from in [0, block.first(), block.first() + u64::from(block.count()) / 2] {
        use_part(block, from, 2, 40);
    }
}

fn use_part(block: &Block, from: u64, max_records: usize, max_bytes: usize) {
    let Some(part) = block.part(from, max_records, max_bytes) else { return };
    assert!(part.count() as usize <= max_records || part.count() == 0);
    assert!(part.count() <= 1 || part.len_bytes() <= max_bytes.max(1), "more than one record stays within the bound");
    assert!(part.first() >= from.max(block.first()));
    // A part is found by lengths alone; records whose key is no text end a reading and not a part.
    let read = block.records().skip_while(|(position, _)| *position < part.first());
    assert!(part.records().zip(read).all(|(a, b)| a == b), "a part is the same records");
}

/// Blocks as writers make them.
#[must_use]
pub fn records_seeds() -> Vec<Vec<u8>> {
    let one = (Some("key-1"), &b"data"[..], RecordFlags::NONE);
    let sealed = (None, &b"sealed"[..], RecordFlags::SEALED);
    let empty = (Some(""), &b""[..], RecordFlags::NONE);
    let block = |records: &[_], from: u8, bytes: u8| {
        let run = run(1, records);
        [&[records.len() as u8, from, bytes], &run.bytes()[..]].concat()
    };
    vec![block(&[one], 0, 255), block(&[one, sealed, empty, one], 11, 20), block(&[empty, sealed], 12, 0)]
}
