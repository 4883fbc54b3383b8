//! What grows, and what must not: counts and bytes, never times.

use super::rig::{DIRECTORY, ManualClock, Model, Rig, SMALL, Seeded, now, options, record};
use super::watched::Watched;
use crate::engine::root::encode_snapshot;
use crate::engine::segment::SegmentRun;
use crate::engine::shards::{BATCH_INDEX_BYTES, BLOCK_INDEX_BYTES, LiveBatch, LiveRun};
use crate::files::Files;
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::Disk;
use crate::state::State;
use crate::{Change, Key, Opened, RecordFlags, RunBuilder, Transaction, check};
use rheos_types::ShardKey;
use std::path::Path;
use std::sync::Arc;

fn segments(rig: &Rig) -> usize {
    rig.files.paths_of("segment").len()
}

fn segment_bytes(rig: &Rig) -> usize {
    rig.files
        .paths_of("segment")
        .iter()
        .filter_map(|path| rig.files.contents(path))
        .map(|contents| contents.len())
        .sum()
}

/// Appends a few small records to every shard, again and again, with the housekeeper doing all there is to do each time.
fn trickle(rig: &mut Rig, model: &mut Model, shards: &[ShardKey], rounds: usize) {
    for _ in 0..rounds {
        rig.append(model, shards, 1, 100).expect("appends");
        rig.clock.advance(100);
        for _ in 0..4 {
            rig.housekeeper.step().expect("keeps house");
        }
    }
}

#[test]
fn a_trickle_does_not_make_ever_more_segments_and_runs() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(20);
    let mut model = Model::new();
    // Each round is a batch of 8 KiB of a log file of 64 KiB: 100 log files' worth.
    trickle(&mut rig, &mut model, &shards, 800);
    let written = rig.log.written_bytes() / (64 << 10);
    assert!(written >= 50, "{written} log files");
    assert!(segments(&rig) <= 24, "{} segments", segments(&rig));
    assert!(rig.log.runs(shards[0]).expect("a shard") <= 24);
    rig.check(&mut model);
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
    assert!(rig.log.runs(shards[0]).expect("a shard") <= 24);
}

#[test]
fn a_power_cut_at_any_operation_of_a_merge_loses_nothing() {
    // Up to the first step that merges: the same each time, as nothing here is random.
    let prepare = || {
        let mut rig = Rig::new(&SimFiles::new());
        let shards = rig.open_shards(8);
        let mut model = Model::new();
        while segments(&rig) < 7 {
            rig.append(&mut model, &shards, 1, 100).expect("appends");
            rig.housekeeper.step().expect("keeps house");
        }
        // A log file for the eighth.
        for _ in 0..16 {
            rig.append(&mut model, &shards, 1, 100).expect("appends");
        }
        (rig, model)
    };
    let (mut rig, _) = prepare();
    let (first, before) = (rig.files.operations(), segments(&rig));
    for _ in 0..3 {
        rig.housekeeper.step().expect("keeps house");
    }
    assert_eq!((before, segments(&rig)), (7, 1), "eight segments become one");
    let last = rig.files.operations();
    assert!(last - first > 10);
    for crash_at in first..=last {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(crash_at)] {
            let (mut rig, mut model) = prepare();
            rig.files.crash_at(crash_at);
            while rig.housekeeper.step().is_ok() && rig.files.operations() < crash_at {}
            let mut rig = rig.power_cut(unsynced).expect("opens");
            rig.check(&mut model);
            for _ in 0..3 {
                rig.housekeeper.step().expect("merges again, if it has to");
            }
            assert_eq!(segments(&rig), 1, "{unsynced:?} at {crash_at}");
            rig.check(&mut model);
            rig.power_cut(Unsynced::Lost).expect("opens").check(&mut model);
        }
    }
}

#[test]
fn merging_leaves_out_what_has_expired_and_what_was_dropped() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(4);
    let mut model = Model::new();
    trickle(&mut rig, &mut model, &shards, 200);
    let before = segment_bytes(&rig);
    rig.commit(vec![Change::DropShard { shard: shards[0] }, Change::DropShard { shard: shards[1] }]).expect("drops");
    model.remove(&shards[0].0);
    model.remove(&shards[1].0);
    for shard in &shards[2..] {
        let below = model[&shard.0].acknowledged.len() as u64 - 3;
        rig.commit(vec![Change::TrimShard { shard: *shard, below }]).expect("trims");
        model.get_mut(&shard.0).expect("known").first = below;
    }
    rig.housekeeper.step().expect("keeps house");
    assert!(segment_bytes(&rig) < before / 4, "whole files are freed: {} of {before} bytes", segment_bytes(&rig));
    trickle(&mut rig, &mut model, &shards[2..], 200);
    rig.check(&mut model);
    rig.power_cut(Unsynced::Lost).expect("opens").check(&mut model);
}

#[test]
fn a_shard_that_has_a_file_of_its_own_in_between_is_merged_around_it() {
    let has_own: [fn(u64) -> bool; 2] = [|_| true, |round| round == 4];
    for has_own in has_own {
        let mut rig = Rig::new(&SimFiles::new());
        let shards = rig.open_shards(6);
        let mut model = Model::new();
        for round in 0..12 {
            trickle(&mut rig, &mut model, &shards, 10);
            // More than a file of one shard begins at.
            for _ in 0..if has_own(round) { 5 } else { 0 } {
                rig.append(&mut model, &shards[3..4], 1, 1 << 20).expect("appends");
            }
            for _ in 0..4 {
                rig.housekeeper.step().expect("keeps house");
            }
        }
        rig.check(&mut model);
        let files: Arc<dyn Files> = Arc::new(rig.files.crash(Unsynced::Kept));
        assert_eq!(check(&files, Path::new(DIRECTORY)).expect("a check").findings, []);
        rig.power_cut(Unsynced::Lost).expect("opens").check(&mut model);
    }
}

#[test]
fn a_damaged_segment_is_not_merged_and_the_rest_goes_on() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(4);
    let mut model = Model::new();
    trickle(&mut rig, &mut model, &shards, 40);
    let path = rig.files.paths_of("segment").swap_remove(0);
    let mut contents = rig.files.contents(&path).expect("readable");
    contents[200] ^= 1;
    rig.files.replace(&path, contents);
    trickle(&mut rig, &mut model, &shards, 400);
    assert!(rig.files.paths().contains(&path), "what is damaged stays for whoever can repair it");
    assert!(segments(&rig) <= 24, "{} segments", segments(&rig));
}

#[test]
fn the_index_of_the_log_in_memory_is_bounded_however_small_the_blocks() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(100);
    let mut model = Model::new();
    // A file of 64 KiB would have eight such batches; with 100 blocks in each, it takes no more after three.
    for _ in 0..4 {
        rig.append(&mut model, &shards, 1, 1).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    assert!(segments(&rig) > 0, "the file was sealed long before it was full");
    rig.check(&mut model);
    let rig = rig.kill().expect("opens");
    rig.check(&mut model);
    // What is counted for a block and a batch is what they take, with the room that deques keep when they grow.
    assert!(BLOCK_INDEX_BYTES >= size_of::<LiveRun>() * 3 / 2);
    assert!(BATCH_INDEX_BYTES >= size_of::<LiveBatch>() + 32);
    // Documented in docs/operations.md.
    assert_eq!(size_of::<SegmentRun>(), 80);
}

#[test]
fn a_file_with_old_records_is_sealed_though_nothing_is_written_any_more() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    let mut model = Model::new();
    rig.append(&mut model, &shards, 3, 10).expect("appends");
    rig.writer.close_batch().expect("closes");
    let closed = rig.log.written_bytes();
    rig.clock.advance(3000);
    rig.writer.close_batch().expect("closes");
    assert_eq!(rig.log.written_bytes(), closed, "while no file is ready there is nothing to write");
    rig.housekeeper.step().expect("prepares a file");
    assert_eq!(segments(&rig), 0);
    rig.writer.close_batch().expect("closes");
    rig.housekeeper.step().expect("keeps house");
    assert_eq!(segments(&rig), 1);
    let written = rig.log.written_bytes();
    rig.clock.advance(3_000_000);
    rig.writer.close_batch().expect("closes");
    assert_eq!(rig.log.written_bytes(), written, "a file without records does not age");
    rig.check(&mut model);
    rig.commit(vec![Change::TrimShard { shard: shards[0], below: 3 }]).expect("trims");
    rig.housekeeper.step().expect("keeps house");
    assert_eq!(segments(&rig), 0, "what has expired is freed");
    rig.power_cut(Unsynced::Lost).expect("opens");
}

fn start(files: &Watched, clock: &Arc<ManualClock>) -> Opened {
    let disk = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), SMALL, &Seeded::new(7)).expect("opens");
    crate::open(Arc::new(disk), clock.clone(), options()).expect("opens")
}

#[test]
fn a_long_shard_is_read_and_opened_with_few_bytes_and_few_open_files() {
    let files = Watched::new(&SimFiles::new());
    let clock = Arc::new(ManualClock::default());
    let mut opened = start(&files, &clock);
    let shard = opened.log.new_shard_keys(1).next().expect("a key");
    let change = Change::OpenShard { shard, class: 24 };
    let commit = opened.log.commit(vec![Transaction { changes: vec![change], ..Transaction::default() }]);
    opened.writer.turn().expect("writes");
    drop(now(commit));
    let mut costs = Vec::new();
    for _ in 0..4 {
        for _ in 0..500 {
            let mut run = RunBuilder::new(shard);
            for id in 0..20 {
                run.push(Some("key"), &record(id, 100), RecordFlags::NONE);
            }
            let append = opened.log.append(vec![run.finish()]);
            opened.writer.turn().expect("writes");
            drop(now(append));
            opened.housekeeper.step().expect("keeps house");
        }
        let records = opened.log.shard(shard).expect("open").next;
        assert!(files.open_files() < 10, "{} open files", files.open_files());
        for position in [0, records / 3, records - records / 10] {
            let before = files.read_bytes();
            let blocks = now(opened.log.read(shard, position, 10, 10_000)).expect("no threads").expect("reads");
            assert!(blocks[0].first() == position, "a read begins where it is asked to");
            let read = files.read_bytes() - before;
            assert!(read <= 200 << 10, "{read} bytes at {position}");
        }
        drop(opened);
        let before = files.read_bytes();
        opened = start(&files, &clock);
        costs.push(files.read_bytes() - before);
    }
    let grown = costs[3].saturating_sub(costs[0]);
    assert!(grown < 200 << 10, "a start reads log files and directories, not records: {costs:?}");
}

#[test]
fn a_segment_of_which_nothing_is_left_costs_a_start_few_reads() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(1);
    while segments(&rig) == 0 {
        rig.append(&mut model, &shards, 3, 10_000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    let path = rig.files.paths_of("segment").swap_remove(0);
    let length = rig.files.contents(&path).expect("readable").len();
    let reads_of_start = |files: &SimFiles| {
        let files = Watched::new(files);
        drop(start(&files, &Arc::default()));
        files.reads()
    };
    let whole = reads_of_start(&rig.files.crash(Unsynced::Kept));
    let damaged = rig.files.crash(Unsynced::Kept);
    damaged.replace(&path, vec![0; length]);
    let reads = reads_of_start(&damaged);
    assert!(reads <= whole + 2, "{reads} reads, {whole} while it was whole, for {length} bytes");
}

#[test]
fn a_snapshot_takes_the_memory_of_its_bytes_once() {
    let mut state = State::default();
    for number in 0..100u64 {
        let value = vec![1; 40 * number as usize].into();
        state.apply(&Change::Put { key: Key::new(format!("key/{number}")), value });
        state.apply(&Change::OpenShard { shard: ShardKey(number), class: 24 });
    }
    let snapshot = encode_snapshot(&state);
    assert_eq!(snapshot.capacity(), snapshot.len());
}
