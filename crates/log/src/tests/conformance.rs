//! Every medium is held to the same promises (`medium/mod.rs`).

use super::rig::{DIRECTORY, ManualClock, SMALL, Seeded};
use crate::batch::{ALIGN, BatchBuilder, HEADER};
use crate::change::{Change, Key};
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::Disk;
use crate::medium::memory::{MemoryMedium, MemoryStore};
use crate::medium::{Location, Medium};
use crate::record::{RecordFlags, RunBuilder};
use crate::{ParsedBatch, open};
use rheos_types::ShardKey;
use std::path::Path;
use std::sync::Arc;

/// Something that can be opened again and again.
trait Subject {
    /// Opens it; the medium opened before is gone as after a crash.
    fn open(&mut self) -> Arc<dyn Medium>;
}

struct OnDisk(SimFiles);

impl Subject for OnDisk {
    fn open(&mut self) -> Arc<dyn Medium> {
        self.0 = self.0.crash(Unsynced::Lost);
        Arc::new(Disk::open(Arc::new(self.0.clone()), Path::new(DIRECTORY), SMALL, &Seeded::new(1)).expect("opens"))
    }
}

struct InMemory(MemoryStore);

impl Subject for InMemory {
    fn open(&mut self) -> Arc<dyn Medium> {
        Arc::new(MemoryMedium::open(&self.0))
    }
}

fn each(test: impl Fn(&mut dyn Subject)) {
    test(&mut OnDisk(SimFiles::new()));
    test(&mut InMemory(MemoryStore::default()));
}

fn append(medium: &dyn Medium, number: u64, length: usize) -> std::io::Result<Location> {
    let mut builder = BatchBuilder::default();
    let mut run = RunBuilder::new(ShardKey(number % 3));
    run.push(None, &vec![number as u8; length], RecordFlags::NONE);
    builder.push_run(run.finish(), number);
    builder.push_change(&Change::Put { key: Key::new("n"), value: number.to_string().into() });
    medium.append(&mut builder.finish(number, number - 1, 1000 + number))
}

fn replay(medium: &dyn Medium, above: u64) -> Vec<(ParsedBatch, Location)> {
    let mut batches = Vec::new();
    medium
        .replay(above, &mut |batch, location| {
            batches.push((batch, location));
            Ok(())
        })
        .expect("replays");
    medium.begin().expect("begins");
    batches
}

#[test]
fn what_was_appended_is_replayed_in_order_at_every_opening() {
    each(|subject| {
        for opening in 0..40 {
            let medium = subject.open();
            let numbers: Vec<_> = replay(&*medium, 0).iter().map(|(batch, _)| batch.header.number).collect();
            assert_eq!(numbers, (1..=opening * 2).collect::<Vec<_>>());
            for number in opening * 2 + 1..=opening * 2 + 2 {
                append(&*medium, number, 3000).expect("appends");
            }
        }
    });
}

#[test]
fn after_sealing_the_next_batch_begins_another_file() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        let first = append(&*medium, 1, 10).expect("appends");
        medium.maintain(false).expect("prepares a file");
        assert!(medium.seal(ALIGN));
        let second = append(&*medium, 2, 10).expect("appends");
        let third = append(&*medium, 3, 10).expect("appends");
        assert_ne!(first.file_id, second.file_id);
        assert_eq!(second.file_id, third.file_id);
        drop(medium);
        let numbers: Vec<_> =
            replay(&*subject.open(), 0).iter().map(|(batch, place)| (batch.header.number, place.file_id)).collect();
        assert_eq!(numbers, [(1, first.file_id), (2, second.file_id), (3, second.file_id)]);
    });
}

#[test]
fn replay_begins_above_the_number_that_it_is_given() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        for number in 1..=20 {
            append(&*medium, number, 10).expect("appends");
        }
        drop(medium);
        let medium = subject.open();
        let numbers: Vec<_> = replay(&*medium, 13).iter().map(|(batch, _)| batch.header.number).collect();
        assert_eq!(numbers, (14..=20).collect::<Vec<_>>());
    });
}

#[test]
fn a_batch_reads_back_from_where_it_lies() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        let location = append(&*medium, 1, 500).expect("appends");
        drop(medium);
        let medium = subject.open();
        let (batch, found) = replay(&*medium, 0).remove(0);
        assert_eq!(found, location);
        let bytes = medium.read(location, 0, batch.bytes().len()).expect("reads");
        assert_eq!(bytes, *batch.bytes());
        let (entry, offset) = batch.blocks().next().expect("a block");
        assert_eq!(crc32c::crc32c(&bytes[offset..offset + entry.bytes as usize]), entry.crc);
        assert_eq!(batch.changes().expect("known").len(), 1);
    });
}

#[test]
fn an_earlier_opening_cannot_append_any_more() {
    let store = MemoryStore::default();
    let old = MemoryMedium::open(&store);
    replay(&old, 0);
    append(&old, 1, 10).expect("appends");
    let new = MemoryMedium::open(&store);
    replay(&new, 0);
    assert!(append(&old, 2, 10).is_err());
    append(&new, 2, 10).expect("appends");

    // A disk keeps the second one out instead.
    let files = SimFiles::new();
    let first = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), SMALL, &Seeded::new(1)).expect("opens");
    let second = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), SMALL, &Seeded::new(1));
    assert!(matches!(second, Err(crate::OpenError::Locked { .. })));
    drop(first);
    Disk::open(Arc::new(files), Path::new(DIRECTORY), SMALL, &Seeded::new(1)).expect("opens again");
}

#[test]
fn the_root_is_the_last_one_published_and_dropped_batches_are_gone() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        assert_eq!(medium.root(), None);
        for number in 1..=60 {
            append(&*medium, number, 5000).expect("appends");
        }
        medium.publish(b"{\"a\":1}", 0).expect("publishes");
        medium.publish(b"{\"a\":2}", 40).expect("publishes");
        medium.maintain(false).expect("maintains");
        drop(medium);
        let medium = subject.open();
        assert_eq!(medium.root().as_deref(), Some(&b"{\"a\":2}"[..]));
        let numbers: Vec<_> = replay(&*medium, 40).iter().map(|(batch, _)| batch.header.number).collect();
        assert_eq!(numbers, (41..=60).collect::<Vec<_>>());
        append(&*medium, 61, 10).expect("appends");
    });
}

#[test]
fn what_was_let_go_is_read_until_the_medium_is_maintained() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        let locations: Vec<_> = (1..=60).map(|number| append(&*medium, number, 5000).expect("appends")).collect();
        medium.publish(b"{}", 50).expect("publishes");
        for location in &locations {
            medium.read(*location, 0, HEADER).expect("readers have not been told where else to look");
        }
        for _ in 0..2 {
            medium.maintain(false).expect("maintains");
            for location in &locations[50..] {
                medium.read(*location, 0, HEADER).expect("is needed");
            }
        }
        let gone = medium.read(locations[0], 0, HEADER).expect_err("freed");
        assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn objects_are_whole_durable_and_deletable() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        let mut object = medium.create_object("one").expect("begins");
        object.write(b"hello ").expect("writes");
        object.write(b"world").expect("writes");
        object.finish().expect("finishes");
        let unfinished = medium.create_object("two").expect("begins");
        drop(unfinished);
        drop(medium);
        let medium = subject.open();
        assert_eq!(medium.list_objects().expect("lists"), ["one"]);
        assert_eq!(medium.object_len("one").expect("has a length"), 11);
        assert_eq!(&*medium.read_object("one", 6, 5).expect("reads"), b"world");
        assert_eq!(medium.read_object("one", 6, 6).expect_err("too long").kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!(medium.read_object("none", 0, 1).expect_err("absent").kind(), std::io::ErrorKind::NotFound);
        medium.delete_object("one").expect("deletes");
        medium.delete_object("one").expect("deletes what is gone");
        assert!(medium.list_objects().expect("lists").is_empty());
    });
}

#[test]
fn a_full_medium_says_so_before_anything_is_appended() {
    each(|subject| {
        let medium = subject.open();
        replay(&*medium, 0);
        medium.admit(4096, false).expect("room");
    });
    let files = SimFiles::new();
    files.set_capacity(300 << 10);
    let medium = OnDisk(files).open();
    replay(&*medium, 0);
    let mut number = 0;
    let refused = loop {
        if let Err(refused) = medium.admit(8192, false) {
            break refused;
        }
        number += 1;
        append(&*medium, number, 4000).expect("what was admitted fits");
    };
    assert!(refused.free_bytes < 300 << 10 && refused.reserve_bytes > 0);
    assert!(number >= 8, "most of the disk was used: {number}");
    medium.admit(8192, true).expect("a change that frees space uses what is kept back");
}

#[test]
fn the_engine_runs_on_every_medium() {
    each(|subject| {
        let clock: Arc<ManualClock> = Arc::default();
        for opening in 0..5u64 {
            let mut opened = open(subject.open(), clock.clone(), super::rig::options()).expect("opens");
            let put = opened.log.commit(vec![crate::Transaction {
                changes: vec![
                    Change::Put { key: Key::new("opening"), value: opening.to_string().into() },
                    Change::OpenShard { shard: ShardKey(1), class: 1 },
                ],
                ..crate::Transaction::default()
            }]);
            opened.writer.turn().expect("writes");
            super::rig::now(put).expect("answered").expect("durable")[0].as_ref().expect("no conflict");
            for _ in 0..30 {
                let mut run = RunBuilder::new(ShardKey(1));
                run.push(Some("k"), &[7; 4000], RecordFlags::NONE);
                let append = opened.log.append(vec![run.finish()]);
                opened.writer.turn().expect("writes");
                super::rig::now(append).expect("answered").expect("durable");
                opened.housekeeper.step().expect("keeps house");
            }
            assert_eq!(opened.log.shard(ShardKey(1)).expect("open").next, (opening + 1) * 30);
            let blocks = super::rig::now(opened.log.read(ShardKey(1), 0, usize::MAX, usize::MAX)).expect("no threads");
            let count: u64 = blocks.expect("readable").iter().map(|block| u64::from(block.count())).sum();
            assert_eq!(count, (opening + 1) * 30);
        }
    });
}
