//! The rules of the log, one test each (the failures that they answer are listed in `docs/durability.md`).

use super::rig::{Model, Rig, now, record};
use crate::files::sim::{SimFiles, Unsynced};
use crate::{Change, Condition, Conflict, Key, LogError, Observer, RecordFlags, RunBuilder, Transaction, Versioned};
use rheos_types::ShardKey;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn put(key: &str, value: &str) -> Change {
    Change::Put { key: Key::new(key), value: value.as_bytes().to_vec().into() }
}

fn one(changes: Vec<Change>, conditions: Vec<Condition>) -> Vec<Transaction> {
    vec![Transaction { conditions, changes, frees_space: false }]
}

/// Fills and seals some log files, with housekeeping behind.
fn fill(rig: &mut Rig, model: &mut Model, shards: &[ShardKey], appends: u32) {
    for _ in 0..appends {
        rig.append(model, shards, 2, 3000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
}

#[test]
fn rule_2_a_listed_file_that_is_missing_is_refused() {
    let mut rig = Rig::new(&SimFiles::new());
    rig.open_shards(1);
    let files = rig.files.crash(Unsynced::Lost);
    drop(rig);
    let path = files.paths_of("log").swap_remove(0);
    crate::files::Files::remove(&files, &path).expect("removes");
    let error = Rig::open(&files, &Arc::default()).map(drop).expect_err("refused").to_string();
    assert!(error.contains(&path.display().to_string()) && error.contains("missing"), "{error}");
}

#[test]
fn rule_4_log_files_are_recycled_only_when_segments_and_snapshots_cover_them() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(3);
    fill(&mut rig, &mut model, &shards, 100);
    let log_files = rig.files.paths_of("log").len();
    assert!(log_files <= 6, "files are recycled: {log_files}");
    for unsynced in [Unsynced::Lost, Unsynced::Kept] {
        rig = rig.power_cut(unsynced).expect("opens");
        rig.check(&mut model);
    }
}

#[test]
fn rule_4_an_unreadable_snapshot_leaves_the_one_before_and_the_log_since() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(3);
    for round in 0..40 {
        rig.put("round", &round.to_string()).expect("puts");
        fill(&mut rig, &mut model, &shards, 2);
    }
    let files = rig.files.crash(Unsynced::Kept);
    drop(rig);
    let mut snapshots = files.paths_of("snapshot");
    snapshots.sort();
    assert_eq!(snapshots.len(), 2, "two are kept");
    files.flip(&snapshots[1], 100, 1);
    let rig = Rig::open(&files, &Arc::default()).expect("opens from the one before");
    rig.check(&mut model);
    assert_eq!(rig.log.get(&Key::new("round")).expect("there").value, "39");
    drop(rig);
    files.flip(&snapshots[0], 100, 1);
    let error = Rig::open(&files, &Arc::default()).map(drop).expect_err("nothing to start from").to_string();
    assert!(error.contains("snapshot") && error.contains("log check"), "{error}");
}

#[test]
fn rule_5_a_close_is_ordered_with_the_appends_around_it() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    let (_, before) = rig.queue(&shards[..1], 3, 10);
    let close = rig.log.commit(one(vec![Change::CloseShard { shard: shards[0] }, put("child", "1")], vec![]));
    let (_, after) = rig.queue(&shards, 2, 10);
    rig.writer.turn().expect("writes");
    assert_eq!(now(before).expect("answered").expect("in").first, [Some(0)]);
    assert!(now(close).expect("answered").expect("durable")[0].is_ok());
    assert_eq!(now(after).expect("answered").expect("in part").first, [None, Some(0)]);
    assert!(rig.log.get(&Key::new("child")).is_some(), "whoever is refused finds what closed the shard");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    let info = rig.log.shard(shards[0]).expect("known");
    assert!(info.closed);
    assert_eq!((info.first, info.next), (0, 3));
}

#[test]
fn rule_5_of_two_conditions_on_one_version_one_holds() {
    let mut rig = Rig::new(&SimFiles::new());
    let absent = || vec![Condition { key: Key::new("lock"), version: None }];
    let first = rig.log.commit(one(vec![put("lock", "a")], absent()));
    let second = rig.log.commit(one(vec![put("lock", "b"), put("other", "b")], absent()));
    rig.writer.turn().expect("writes");
    let version = *now(first).expect("answered").expect("durable")[0].as_ref().expect("first come");
    let second = now(second).expect("answered").expect("durable").remove(0);
    assert_eq!(second, Err(Conflict { key: Key::new("lock"), found: Some(version) }));
    assert_eq!(rig.log.get(&Key::new("other")), None, "nothing of a refused transaction happened");
    assert_eq!(rig.log.get(&Key::new("lock")).expect("there").value, "a");
}

#[test]
fn rule_5_readers_see_nothing_before_it_is_durable() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    let (_, append) = rig.queue(&shards, 1, 10);
    assert_eq!(rig.log.shard(shards[0]).expect("open").next, 0);
    assert!(rig.read_all(shards[0]).is_empty());
    rig.files.fail_syncs(true);
    rig.writer.turn().expect_err("the sync failed");
    assert!(rig.read_all(shards[0]).is_empty(), "written is not durable");
    assert_eq!(now(append), Some(Err(LogError::Unknown)), "and was not acknowledged");
}

#[test]
fn rule_7_trickling_shards_share_files() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(300);
    for _ in 0..20 {
        rig.append(&mut model, &shards, 1, 20).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    let segments = rig.files.paths_of("segment").len();
    assert!((1..=10).contains(&segments), "{segments} files for 300 shards");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
}

#[test]
fn rule_8_records_are_readable_while_they_move_from_memory_to_log_to_segment() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    for step in 0..60 {
        rig.append(&mut model, &shards, 2, 3000).expect("appends");
        // Without housekeeping for a while: evicted from the tail and not in a segment yet.
        if step % 7 == 0 {
            rig.housekeeper.step().expect("keeps house");
        }
        rig.check(&mut model);
    }
}

#[test]
fn rule_8_a_backlog_that_cannot_be_worked_off_turns_appends_away() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.log.stall_housekeeping();
    let refused = (0..400).find_map(|_| {
        let (_, append) = rig.queue(&shards, 1, 8000);
        rig.writer.turn().expect("writes");
        now(append).expect("answered").err()
    });
    assert_eq!(refused, Some(LogError::Overloaded));
    rig.put("still", "possible").expect("changes of the catalog go on");
    rig.housekeeper.step().expect("keeps house");
    let (_, append) = rig.queue(&shards, 1, 8000);
    rig.writer.turn().expect("writes");
    now(append).expect("answered").expect("and so do appends, once segments are written");
}

#[test]
fn rule_9_the_tail_keeps_to_its_budget() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(50);
    let mut model = Model::new();
    for shard in &shards {
        rig.append(&mut model, &[*shard], 1, 10).expect("appends");
        rig.append(&mut model, &shards[..1], 1, 10_000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    // 50 idle shards with one small record each do not keep 50 large batches in memory: most were evicted.
    let held: usize = rig.writer.tail_bytes();
    assert!(held <= super::rig::options().tail_bytes, "{held}");
}

#[test]
fn rule_10_opening_children_twice_is_harmless() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 4, 10).expect("appends");
    rig.commit(vec![Change::OpenShard { shard: shards[0], class: 48 }]).expect("commits");
    rig.append(&mut model, &shards, 4, 10).expect("appends");
    rig.check(&mut model);
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
}

#[test]
fn rule_11_the_trim_horizon_only_rises() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 10, 10).expect("appends");
    for (below, first) in [(4, 4), (2, 4), (99, 10)] {
        rig.commit(vec![Change::TrimShard { shard: shards[0], below }]).expect("trims");
        assert_eq!(rig.log.shard(shards[0]).expect("open").first, first);
        rig = rig.power_cut(Unsynced::Lost).expect("opens");
        assert_eq!(rig.log.shard(shards[0]).expect("open").first, first);
    }
    rig.append(&mut model, &shards, 1, 10).expect("appends");
    assert_eq!(rig.read_all(shards[0]).len(), 1, "a record that comes later is not below an old horizon");
}

#[test]
fn rule_11_a_trim_in_the_batch_of_the_append_it_trims_replays_the_same() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    let (_, append) = rig.queue(&shards, 5, 10);
    let trim = rig.log.commit(one(vec![Change::TrimShard { shard: shards[0], below: 3 }], vec![]));
    let (_, more) = rig.queue(&shards, 5, 10);
    rig.writer.turn().expect("writes");
    drop((now(append), now(trim), now(more)));
    let before = rig.log.shard(shards[0]).expect("open");
    let records = rig.read_all(shards[0]);
    assert_eq!((before.first, before.next, records.len()), (3, 10, 7));
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    assert_eq!(rig.log.shard(shards[0]).expect("open"), before);
    assert_eq!(rig.read_all(shards[0]), records);
}

#[test]
fn rule_11_dropped_shards_free_their_files_and_new_ones_inherit_nothing() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    fill(&mut rig, &mut model, &shards, 60);
    let used = |rig: &Rig| rig.files.paths_of("segment").len();
    assert!(used(&rig) > 0);
    rig.commit(shards.iter().map(|shard| Change::DropShard { shard: *shard }).collect()).expect("drops");
    assert!(rig.log.shard(shards[0]).is_none(), "unreadable at once");
    rig.housekeeper.step().expect("keeps house");
    assert_eq!(used(&rig), 0, "and the files are gone");
    let again = rig.open_shards(2);
    assert!(again.iter().all(|key| !shards.contains(key)), "keys are never used twice");
    assert!(rig.read_all(again[0]).is_empty());
    let mut rig = rig.power_cut(Unsynced::Lost).expect("opens");
    let later = rig.open_shards(1);
    assert!(!again.contains(&later[0]) && !shards.contains(&later[0]), "not even after a restart");
}

#[test]
fn rule_14_a_file_of_another_log_is_refused() {
    let mut rig = Rig::new(&SimFiles::new());
    rig.open_shards(1);
    let files = rig.files.crash(Unsynced::Lost);
    drop(rig);
    let path = Path::new(super::rig::DIRECTORY).join("log/0000000000000001.log");
    let mut contents = files.contents(&path).expect("the first file");
    // The page that names the file, as another log would have written it.
    contents[16] ^= 1;
    let crc = crc32c::crc32c(&contents[..60]);
    contents[60..64].copy_from_slice(&crc.to_le_bytes());
    files.replace(&path, contents);
    let error = Rig::open(&files, &Arc::default()).map(drop).expect_err("refused").to_string();
    assert!(error.contains("another log"), "{error}");
}

#[test]
fn observers_hear_of_durable_changes_in_order() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<(String, Option<String>)>>);
    impl Observer for Heard {
        fn applied(&self, changes: &[(Key, Option<Versioned>)]) {
            let mut heard = self.0.lock().expect("not poisoned");
            for (key, value) in changes {
                let value = value.as_ref().map(|value| String::from_utf8_lossy(&value.value).into_owned());
                heard.push((key.to_string(), value));
            }
        }
    }
    let mut rig = Rig::new(&SimFiles::new());
    let heard = Arc::new(Heard::default());
    rig.log.observe(heard.clone());
    rig.put("a", "1").expect("puts");
    rig.put("b", "2").expect("puts");
    rig.commit(vec![Change::Delete { key: Key::new("a") }]).expect("deletes");
    let expected = [("a", Some("1")), ("b", Some("2")), ("a", None)];
    let heard = heard.0.lock().expect("not poisoned");
    assert_eq!(*heard, expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))));
    assert_eq!(rig.log.scan("").len(), 1);
    assert_eq!(rig.log.scan("b")[0].1.value, "2");
}

#[test]
fn positions_are_found_by_time_in_memory_in_the_log_and_in_segments() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    let start = rheos_types::Clock::wall_ms(&*rig.clock);
    let mut model = Model::new();
    for _ in 0..80 {
        rig.append(&mut model, &shards, 2, 2000).expect("appends");
        rig.clock.advance(1000);
        rig.housekeeper.step().expect("keeps house");
    }
    let at = |rig: &Rig, ms: u64| now(rig.log.position_at(shards[0], start + ms)).expect("no threads").expect("found");
    for _ in 0..2 {
        for second in 0..80 {
            assert_eq!(at(&rig, second * 1000), second * 2, "second {second}");
            assert_eq!(at(&rig, second * 1000 + 1), second * 2 + 2, "just after second {second}");
        }
        assert_eq!(at(&rig, 10_000_000), 160);
        rig = rig.power_cut(Unsynced::Lost).expect("opens");
    }
    rig.commit(vec![Change::TrimShard { shard: shards[0], below: 11 }]).expect("trims");
    assert_eq!(at(&rig, 0), 11);
}

#[test]
fn an_absent_key_is_not_an_empty_one_and_flags_are_kept() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    let mut run = RunBuilder::new(shards[0]);
    run.push(None, b"a", RecordFlags::NONE);
    run.push(Some(""), b"", RecordFlags::SEALED);
    let append = rig.log.append(vec![run.finish()]);
    rig.writer.turn().expect("writes");
    drop(now(append));
    let blocks = now(rig.log.read(shards[0], 0, 10, 1000)).expect("no threads").expect("readable");
    let records: Vec<_> = blocks.iter().flat_map(|block| block.records()).map(|(_, record)| record).collect();
    assert_eq!((records[0].partition_key, records[1].partition_key), (None, Some("")));
    assert!(records[1].flags.contains(RecordFlags::SEALED) && !records[0].flags.contains(RecordFlags::SEALED));
    assert_eq!(record(1, 0).len(), 8);
}

#[test]
fn what_breaks_a_bound_is_refused_and_changes_nothing() {
    let rig = Rig::new(&SimFiles::new());
    let long = rig.log.commit(one(vec![put(&"k".repeat(1025), "v")], vec![]));
    assert!(matches!(now(long), Some(Err(LogError::Invalid(_)))));
    let value = |bytes| Change::Put { key: Key::new("k"), value: vec![0; bytes].into() };
    let large = rig.log.commit(one(vec![value((1 << 20) + 1)], vec![]));
    assert!(matches!(now(large), Some(Err(LogError::Invalid(_)))));
    // A batch of them would be more than recovery believes.
    let many = rig.log.commit((0..65).flat_map(|_| one(vec![value(1 << 20)], vec![])).collect());
    assert!(matches!(now(many), Some(Err(LogError::Invalid(_)))));
    assert!(matches!(now(rig.log.append(vec![])), Some(Err(LogError::Invalid(_)))));
    rig.log.close();
    assert_eq!(now(rig.log.commit(one(vec![put("k", "v")], vec![]))), Some(Err(LogError::Stopped)));
}
