//! A producer decides what the bytes of its records are. They may look like a part of a segment, or like a batch, with every
//! checksum right: whatever rots around them, wherever the file is cut off, and whatever the file is used for later, they are
//! never served as records of somebody else, nor keep anybody from starting.

use super::rig::{DIRECTORY, Rig, now};
use crate::batch::{BatchBuilder, BlockEntry, ENTRY, HEADER, Header, HeaderAt, Place};
use crate::engine::segment::SegmentBuilder;
use crate::files::Files;
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::Objects;
use crate::medium::memory::{MemoryMedium, MemoryStore};
use crate::{ReadError, RecordFlags, Run, RunBuilder, backup, check};
use rheos_types::ShardKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const VICTIM: ShardKey = ShardKey(0);
const PRODUCER: ShardKey = ShardKey(1);
const HONEST: &[u8] = b"what was put";
const HEAD: usize = 64;

/// One record without a partition key.
fn run(shard: ShardKey, data: &[u8]) -> Run {
    let mut run = RunBuilder::new(shard);
    run.push(None, data, RecordFlags::NONE);
    run.finish()
}

fn put(rig: &mut Rig, runs: Vec<Run>) {
    let answer = rig.log.append(runs);
    rig.writer.turn().expect("writes");
    now(answer).expect("answered").expect("done");
    rig.housekeeper.step().expect("keeps house");
}

/// A log whose first segment holds a record of one shard and, behind it, one with this data of another. With its path.
fn log_with(data: &[u8]) -> (SimFiles, PathBuf) {
    let mut rig = Rig::new(&SimFiles::new());
    assert_eq!(rig.open_shards(2), [VICTIM, PRODUCER]);
    let filler = vec![b'.'; 20_000];
    for (of_victim, of_producer) in [(HONEST, data), (&filler, &filler), (&filler, &filler), (&filler, &filler)] {
        put(&mut rig, vec![run(VICTIM, of_victim), run(PRODUCER, of_producer)]);
    }
    let files = rig.files.crash(Unsynced::Lost);
    let segment = files.paths_of("segment").into_iter().min().expect("one");
    (files, segment)
}

fn find(contents: &[u8], what: &[u8]) -> usize {
    contents.windows(what.len()).position(|window| window == what).expect("is there")
}

/// What a segment has behind its head, with a record of the victim that nobody put, as it would stand at `offset` of a file.
fn forged_at(offset: usize) -> Vec<u8> {
    let medium = MemoryMedium::open(&MemoryStore::default());
    let mut builder = SegmentBuilder::create(&medium, "forged").expect("memory");
    let run = run(VICTIM, b"forged");
    let (bytes, crc) = (run.bytes().len() as u32, crc32c::crc32c(run.bytes()));
    builder.push(BlockEntry { shard: VICTIM, first: 0, count: 1, bytes, crc }, 1, run.bytes()).expect("memory");
    builder.finish().expect("memory");
    let length = medium.object_len("forged").expect("memory") as usize;
    let mut bytes = medium.read_object("forged", 0, length).expect("memory").to_vec();
    // Its only index entry, directory entry and trailer say where things are.
    let trailer = length - 64;
    let (directory, index) = (trailer - 80, trailer - 80 - 24);
    for at in [index + 16, directory + 40, directory + 56, trailer + 8] {
        let place = bytes[at..].first_chunk_mut().expect("eight");
        *place = (u64::from_le_bytes(*place) + (offset - HEAD) as u64).to_le_bytes();
    }
    for (covered, at) in [(index..trailer, trailer + 24), (trailer..trailer + 60, trailer + 60)] {
        let crc = crc32c::crc32c(&bytes[covered]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
    bytes.split_off(HEAD)
}

/// A log with a forged part of a segment in a record: its files, the segment, and where in it the forged part lies.
fn attacked() -> (SimFiles, PathBuf, usize, usize) {
    let length = forged_at(HEAD).len();
    // Where it will lie is the same for data of the same length.
    let (files, segment) = log_with(&vec![b'x'; length + 8]);
    let begins = find(&files.contents(&segment).expect("there"), &vec![b'x'; length + 8]);
    let offset = begins.next_multiple_of(8);
    let mut data = vec![b'x'; offset - begins];
    data.extend_from_slice(&forged_at(offset));
    data.resize(length + 8, b'x');
    let (files, segment) = log_with(&data);
    assert_eq!(find(&files.contents(&segment).expect("there"), &data), begins);
    (files, segment, offset, length)
}

/// What a read of the victim's first record comes to on these contents of the segment.
fn read(files: &SimFiles, segment: &Path, contents: Vec<u8>) -> Result<Vec<u8>, ReadError> {
    let disk = files.crash(Unsynced::Lost);
    disk.replace(segment, contents);
    let report = check(&(Arc::new(disk.clone()) as Arc<dyn Files>), Path::new(DIRECTORY)).expect("checks");
    assert!(!report.findings.is_empty(), "damage is found");
    let rig = Rig::open(&disk, &Arc::default()).expect("opens");
    let blocks = now(rig.log.read(VICTIM, 0, 1, 1000)).expect("no threads")?;
    Ok(blocks[0].records().next().expect("one").1.data.to_vec())
}

#[test]
fn a_record_does_not_pass_for_a_block_when_the_blocks_are_looked_for() {
    let (files, segment, offset, _) = attacked();
    let mut contents = files.contents(&segment).expect("there");
    // The directory, and everything from the first block to the forged one.
    *contents.last_mut().expect("some") ^= 1;
    contents[HEAD..offset].fill(0);
    let read = read(&files, &segment, contents);
    assert!(matches!(read, Err(ReadError::Damaged { first: 0, .. })), "{read:?}");
}

#[test]
fn a_record_does_not_pass_for_the_end_of_a_file_that_was_cut_off() {
    let (files, segment, offset, length) = attacked();
    let mut contents = files.contents(&segment).expect("there");
    contents.truncate(offset + length);
    assert_eq!(read(&files, &segment, contents.clone()).expect("is found without the directory"), HONEST);
    // Without the head the first block says what is this segment's.
    contents[..HEAD].fill(0);
    assert_eq!(read(&files, &segment, contents).expect("is found without the head"), HONEST);
}

/// Nothing is damaged here: log files are used again, and what was in them stands behind the end of the log.
#[test]
fn a_record_does_not_pass_for_a_batch_of_a_newer_version() {
    let place = Place { log_id: 1, generation: 1, file_id: 1, offset: 8192 };
    let mut newer = BatchBuilder::default().finish(9, 9, 1).seal(place)[..HEADER].to_vec();
    newer[8] = 9;
    let crc = crc32c::crc32c(&newer[..HEADER - 4]);
    newer[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(Header::decode(&newer), HeaderAt::Newer { format: 9, .. }));
    // One at every 4 KiB of a batch that holds this record alone and fills a file.
    let before = HEADER + ENTRY + 7;
    let mut data = vec![b'x'; before.next_multiple_of(HEADER) - before];
    data.extend_from_slice(&newer.repeat(478));

    let mut rig = Rig::new(&SimFiles::new());
    let shard = rig.open_shards(1)[0];
    (0..12).for_each(|_| put(&mut rig, vec![run(shard, &data)]));
    put(&mut rig, vec![run(shard, HONEST)]);
    let files = rig.files.crash(Unsynced::Lost);
    let is_used_again = |path: &PathBuf| {
        let contents = files.contents(path).expect("there");
        let batch = &contents[4096..8192];
        batch.windows(HONEST.len()).any(|window| window == HONEST) && contents[8192..].starts_with(&newer)
    };
    assert!(files.paths_of("log").iter().any(is_used_again), "the log ends in a file that is used again");

    let disk: Arc<dyn Files> = Arc::new(files.crash(Unsynced::Lost));
    let report = check(&disk, Path::new(DIRECTORY)).expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    backup(&disk, Path::new(DIRECTORY), Path::new("/backup"), &[], 5, &mut |_| {}).expect("is taken");
    let rig = Rig::open(&files, &Arc::default()).expect("opens");
    let blocks = now(rig.log.read(shard, 12, 1, 1000)).expect("no threads").expect("reads");
    assert_eq!(blocks[0].records().next().expect("one").1.data, HONEST);
}
