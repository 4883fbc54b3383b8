//! Immutable objects: segments and snapshots.

use super::batch::{changes, run, trimmed};
use super::checksums::{self, u64_at};
use super::rig::put;
use crate::batch::BlockEntry;
use crate::engine::root::{SnapshotRef, encode_snapshot, load_snapshot};
use crate::engine::segment::{self, OpenedSegment, SegmentBuilder, SegmentError, SegmentRun};
use crate::files::sim::SimFiles;
use crate::medium::disk::DiskObjects;
use crate::medium::memory::{MemoryMedium, MemoryStore};
use crate::medium::{Objects, OpenError};
use crate::record::RecordFlags;
use crate::state::State;
use rheos_types::ShardKey;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "0000000000000001.object";

/// The bytes as an object on a disk, so that reads cost there what they cost in the product.
fn object(bytes: &[u8]) -> DiskObjects {
    let files = SimFiles::new();
    put(&files, &format!("objects/{NAME}"), bytes);
    DiskObjects::new(Arc::new(files), Path::new(super::rig::DIRECTORY))
}

/// A whole segment.
pub fn segment(data: &[u8]) {
    open_segment(data);
    let mut bytes = data.to_vec();
    checksums::segment(&mut bytes);
    if bytes != data {
        open_segment(&bytes);
    }
}

fn open_segment(bytes: &[u8]) {
    let objects = object(bytes);
    let OpenedSegment::Read(directory) = segment::open(&objects, NAME).expect("the disk works") else { return };
    let runs = &directory.runs;
    assert!(runs.len() <= bytes.len(), "no more runs than bytes");
    for run in runs.iter().take(16) {
        read_run(run, &objects);
    }
}

fn read_run(run: &SegmentRun, objects: &dyn Objects) {
    let middle = run.first + run.next.saturating_sub(run.first) / 2;
    for from in [run.first, middle, run.next.saturating_sub(1), run.next] {
        for (max_records, max_bytes) in [(1, usize::MAX), (3, 40), (usize::MAX, 1 << 16)] {
            match run.read(objects, from, max_records, max_bytes) {
                Ok(blocks) => {
                    let mut position = from;
                    for block in &blocks {
                        assert_eq!(block.first(), position, "blocks follow each other without gaps");
                        position += u64::from(block.count());
                        assert!(block.records().all(|(at, _)| at >= from));
                    }
                    let records: usize = blocks.iter().map(|block| block.count() as usize).sum();
                    assert!(records <= max_records);
                }
                Err(SegmentError::Damaged(damage)) => {
                    assert!(damage.first <= damage.next, "damage has an extent: {damage:?}");
                    assert!(from >= run.next || damage.next > from, "a reader goes on behind damage: {damage:?}");
                }
                Err(SegmentError::Io(error)) => panic!("the disk works: {error}"),
            }
        }
    }
    for time_ms in [0, run.first_time_ms, run.last_time_ms, run.last_time_ms.saturating_add(1), u64::MAX] {
        match run.position_at(objects, time_ms) {
            Ok(position) => assert!((run.first..=run.next).contains(&position), "a position of the run: {position}"),
            Err(SegmentError::Damaged(_)) => {}
            Err(SegmentError::Io(error)) => panic!("the disk works: {error}"),
        }
    }
    for above in [0, run.first, middle, u64::MAX] {
        let mut at = None;
        let copied = run.copy(objects, above, |entry, _, records| {
            assert!(at.is_none_or(|next| next == entry.first), "what is copied has no gaps");
            assert_eq!(crc32c::crc32c(records), entry.crc, "what is copied is what was written");
            at = Some(entry.first + u64::from(entry.count));
            Ok(())
        });
        copied.expect("the disk works");
    }
    let (readable, damages) = run.readable(objects);
    assert!(readable.is_sorted_by(|a, b| a.1 <= b.0), "one after the other: {readable:?}");
    assert!(damages.iter().all(|damage| damage.first < damage.next), "{damages:?}");
    assert!(damages.is_sorted_by(|a, b| a.next <= b.first), "one after the other: {damages:?}");
}

/// Segments as the housekeeper writes them.
#[must_use]
pub fn segment_seeds() -> Vec<Vec<u8>> {
    let records = [(Some("key"), &b"data"[..], RecordFlags::NONE), (None, &b"d"[..], RecordFlags::SEALED)];
    let build = |blocks: &[(u64, u64, u64)]| {
        let medium = MemoryMedium::open(&MemoryStore::default());
        let mut builder = SegmentBuilder::create(&medium, NAME).expect("memory");
        for (shard, first, time_ms) in blocks {
            let run = run(*shard, &records);
            let (count, bytes) = (run.count(), run.bytes().len() as u32);
            let crc = crc32c::crc32c(run.bytes());
            let entry = BlockEntry { shard: ShardKey(*shard), first: *first, count, bytes, crc };
            builder.push(entry, *time_ms, run.bytes()).expect("memory");
        }
        builder.finish().expect("memory");
        let length = medium.object_len(NAME).expect("memory");
        medium.read_object(NAME, 0, length as usize).expect("memory").to_vec()
    };
    vec![build(&[]), build(&[(1, 0, 5)]), build(&[(1, 0, 5), (1, 2, 6), (1, 4, 9), (2, 7, 5), (3, 0, 5), (3, 2, 5)])]
}

/// A whole snapshot.
pub fn snapshot(data: &[u8]) {
    open_snapshot(data);
    let mut bytes = data.to_vec();
    checksums::snapshot(&mut bytes);
    open_snapshot(&bytes);
}

fn open_snapshot(bytes: &[u8]) {
    // The root says which batch it is of: the one that it says itself.
    let snapshot = SnapshotRef { name: NAME.to_owned(), batch: u64_at(bytes, 32) };
    match load_snapshot(&object(bytes), &snapshot) {
        Ok(state) => {
            let encoded = encode_snapshot(&state);
            let again = load_snapshot(&object(&encoded), &snapshot).expect("what was written reads back");
            assert_eq!(again, state);
            assert!(encoded.len() <= bytes.len(), "a snapshot is no longer than what it was read from");
        }
        Err(OpenError::Corrupt { .. } | OpenError::Newer { .. } | OpenError::Io { .. }) => {}
        Err(error) => panic!("not an error of a snapshot: {error}"),
    }
}

/// Snapshots of states.
#[must_use]
pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    let mut state = State::default();
    let empty = encode_snapshot(&state);
    changes().iter().take(6).for_each(|change| state.apply(change));
    state.append(ShardKey(1), 5, 1_700_000_000_000);
    (state.batch, state.time_ms) = (9, 1_700_000_000_000);
    let small = encode_snapshot(&state);
    changes().iter().for_each(|change| state.apply(change));
    vec![empty, small, encode_snapshot(&state), trimmed(&encode_snapshot(&state))]
}
