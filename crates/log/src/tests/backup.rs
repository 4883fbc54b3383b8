//! Backups under load: whatever was acknowledged before a backup began is in it, once and in order; and what is
//! interrupted or damaged never passes for whole.

use super::rig::{DIRECTORY, ManualClock, Model, Rig, Seeded, now, options};
use super::watched::Watched;
use crate::files::sim::{SimFiles, Unsynced};
use crate::files::{Files, SystemFiles};
use crate::medium::disk::{Disk, DiskOptions};
use crate::{Backup, Options, Repair, Restored, backup, check, restore};
use crate::{BackupError, Change, Key, Log, OpenError, RecordFlags, RunBuilder, SystemThreads, Transaction, open};
use rheos_types::ShardKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PRODUCERS: u64 = 3;
/// So many, and more on a machine that lets the producers come to little meanwhile.
const BACKUPS: usize = 6;
const MOST_BACKUPS: usize = 200;
const RECORDS: u64 = 2000;
/// Where backups on a simulated disk are.
const BACKUP: &str = "/backup";
/// Small enough for log files to be used again, and segments to be written, all the time.
const FILES: DiskOptions = DiskOptions { log_file_bytes: Some(256 << 10) };

fn open_directory(files: &Arc<dyn Files>, directory: &Path) -> Result<crate::Opened, OpenError> {
    let disk = Disk::open(files.clone(), directory, FILES, &Seeded::new(3))?;
    open(Arc::new(disk), Arc::new(ManualClock::default()), Options { tail_bytes: 256 << 10, ..options() })
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn commit(log: &Log, changes: Vec<Change>) {
    wait(log.commit(vec![Transaction { changes, ..Transaction::default() }])).expect("done")[0]
        .as_ref()
        .expect("no conflict");
}

/// Appends to shard after shard, each closed after a while, until it is told to stop. `acknowledged` counts.
fn produce(log: &Log, producer: u64, shards: &[AtomicU64], stop: &AtomicBool) {
    for (at, acknowledged) in shards.iter().enumerate() {
        let shard = ShardKey(producer * shards.len() as u64 + at as u64);
        commit(log, vec![Change::OpenShard { shard, class: 24 }]);
        let mut number = 0;
        while number < 3000 {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let mut run = RunBuilder::new(shard);
            for _ in 0..40 {
                let mut data = [shard.0, number].map(u64::to_le_bytes).concat();
                data.resize(1500, number as u8);
                run.push(None, &data, RecordFlags::NONE);
                number += 1;
            }
            if wait(log.append(vec![run.finish()])).is_ok() {
                acknowledged.store(number, Ordering::SeqCst);
            } else {
                number -= 40;
            }
        }
        let value = number.to_le_bytes().to_vec().into();
        let closed = Change::Put { key: Key::new(format!("closed/{shard}")), value };
        commit(log, vec![Change::CloseShard { shard }, closed]);
    }
}

#[test]
fn backups_under_load_have_all_that_was_acknowledged_before_they_began() {
    let home = tempfile::tempdir().expect("a directory");
    let (data, target) = (home.path().join("data"), home.path().join("backup"));
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    // What a disk of one's own has is in nobody's way.
    let own_disk = |path: &Path| std::fs::create_dir_all(path.join("lost+found")).expect("is made");
    [data.clone(), data.join("log"), data.join("objects")].iter().for_each(|path| own_disk(path));
    let opened = open_directory(&files, &data).expect("opens");
    let log = opened.start(&SystemThreads, 1, |fatal| panic!("{fatal}")).expect("starts");
    let acknowledged: Vec<Vec<AtomicU64>> =
        (0..PRODUCERS).map(|_| (0..40).map(|_| AtomicU64::new(0)).collect()).collect();
    let stop = AtomicBool::new(false);
    let counts = || -> Vec<u64> { acknowledged.iter().flatten().map(|count| count.load(Ordering::SeqCst)).collect() };
    let (mut backups, mut reused, mut copied) = (0, 0, 0);
    std::thread::scope(|scope| {
        for (producer, shards) in acknowledged.iter().enumerate() {
            let (log, stop) = (&log, &stop);
            std::thread::Builder::new()
                .spawn_scoped(scope, move || produce(log, producer as u64, shards, stop))
                .expect("a thread");
        }
        let has_moved = |reused: u64| reused > 0 && counts().iter().sum::<u64>() > RECORDS;
        while backups < BACKUPS || (!has_moved(reused) && backups < MOST_BACKUPS) {
            let before = counts();
            let taken = backup(&files, &data, &target, &["KEY"], 0, &mut |_| {}).expect("is taken");
            assert!(taken.findings.is_empty(), "{:?}", taken.findings);
            reused += taken.reused_bytes;
            copied += taken.copied_bytes;
            let restored = home.path().join(format!("restored-{backups}"));
            own_disk(&restored);
            restore(&files, &target, &restored, &Seeded::new(backups as u64), &mut |_| {}).expect("is restored");
            hold(&files, &restored, &before);
            std::fs::remove_dir_all(&restored).expect("is removed");
            backups += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    log.close();
    wait(log.closed());
    let total: u64 = counts().iter().sum();
    println!("{backups} backups of {total} records: {copied} bytes copied, {reused} had been before");
    assert!(reused > 0 && total > RECORDS, "the log hardly moved");
}

/// Opens a restored directory and holds it to what was acknowledged before its backup began.
fn hold(files: &Arc<dyn Files>, directory: &Path, before: &[u64]) {
    let opened = open_directory(files, directory).expect("opens");
    for (shard, acknowledged) in before.iter().enumerate() {
        let key = ShardKey(shard as u64);
        let next = opened.log.shard(key).map_or(0, |info| info.next);
        assert!(next >= *acknowledged, "shard {shard} has {next} of {acknowledged} records");
        let mut position = 0;
        while position < next {
            for block in now(opened.log.read(key, position, 1000, 1 << 20)).expect("no threads").expect("reads") {
                for (at, record) in block.records() {
                    assert_eq!(at, position);
                    let mut data = [shard as u64, at].map(u64::to_le_bytes).concat();
                    data.resize(1500, at as u8);
                    assert!(record.data == data, "a wrong record at {at} of shard {shard}");
                    position += 1;
                }
            }
        }
        if opened.log.shard(key).is_some_and(|info| info.closed) {
            assert!(opened.log.get(&Key::new(format!("closed/{key}"))).is_some(), "closed in one batch with its key");
        }
    }
}

/// A log with segments on a simulated disk, closed, and how many records its shards have.
fn small() -> (SimFiles, Vec<u64>) {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(3);
    for step in 0..30 {
        rig.append(&mut model, &shards, 2, 1500).expect("appends");
        if step % 4 == 0 {
            rig.housekeeper.step().expect("keeps house");
        }
    }
    rig.writer.close_batch().expect("closes");
    (rig.files.crash(Unsynced::Lost), shards.iter().map(|shard| model[&shard.0].acknowledged.len() as u64).collect())
}

fn copied(disk: &SimFiles) -> Arc<dyn Files> {
    Arc::new(disk.clone())
}

/// Takes a backup of the log into [`BACKUP`], begun at this time.
fn take(files: &Arc<dyn Files>, now_ms: u64) -> Result<Backup, BackupError> {
    backup(files, Path::new(DIRECTORY), Path::new(BACKUP), &[], now_ms, &mut |_| {})
}

/// Makes a log of what is in [`BACKUP`].
fn restore_into(files: &Arc<dyn Files>, target: &str, seed: u64) -> Result<Restored, BackupError> {
    restore(files, Path::new(BACKUP), Path::new(target), &Seeded::new(seed), &mut |_| {})
}

fn records(disk: &SimFiles, directory: &str) -> Result<Vec<u64>, OpenError> {
    let opened = open_directory(&copied(disk), Path::new(directory))?;
    Ok((0..3).map(|shard| opened.log.shard(ShardKey(shard)).map_or(0, |info| info.next)).collect())
}

#[test]
fn a_restored_log_is_another_log_and_needs_an_empty_place() {
    let (disk, expected) = small();
    let files = copied(&disk);
    take(&files, 5).expect("is taken");
    assert!(matches!(open_directory(&files, Path::new(BACKUP)).map(drop), Err(OpenError::Unfinished { .. })));
    let restored = restore_into(&files, "/restored", 1).expect("is restored");
    assert_eq!((restored.began_ms, restored.shards), (5, 3));
    assert_eq!(records(&disk, "/restored").expect("opens"), expected);
    let refused = restore_into(&files, "/restored", 2).expect_err("not over a log");
    assert!(refused.to_string().contains("not empty"), "{refused}");
    let refused = backup(&files, Path::new("/restored"), Path::new(BACKUP), &[], 6, &mut |_| {});
    assert!(matches!(refused, Err(BackupError::Refused(_))), "a backup of one log is not continued by another");
    // Log files of the original do not pass for the copy's.
    let log_file =
        |directory: &str| disk.paths_of("log").into_iter().find(|path| path.starts_with(directory)).expect("one");
    let (ours, theirs) = (log_file("/restored"), log_file(DIRECTORY));
    disk.replace(&ours, disk.contents(&theirs).expect("there"));
    assert!(records(&disk, "/restored").is_err());
}

#[test]
fn a_log_file_that_is_used_again_while_it_is_looked_through_is_not_missed() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 5, 1500).expect("appends");
    let before = model[&shards[0].0].acknowledged.len();
    let files = Watched::new(&rig.files);
    files.once_opened(".log", move || {
        for _ in 0..200 {
            rig.append(&mut model, &shards, 2, 3000).expect("appends");
            rig.housekeeper.step().expect("keeps house");
        }
    });
    let files: Arc<dyn Files> = Arc::new(files);
    take(&files, 5).expect("is taken");
    let restored = restore_into(&files, "/restored", 1).expect("is restored");
    assert!(restored.records >= before as u64, "{} of {before} records", restored.records);
}

#[test]
fn a_backup_and_an_unfinished_restore_are_no_logs_to_be_repaired() {
    let (disk, _) = small();
    take(&copied(&disk), 5).expect("is taken");
    let plan = |disk: &SimFiles, directory: &str| {
        let planned = Repair::plan(&copied(disk), Path::new(directory), &mut |_| Ok(()), &mut |_| {});
        planned.map(drop).expect_err("refused").to_string()
    };
    let before = disk.paths();
    assert!(plan(&disk, "/backup").contains("this is a backup"), "{}", plan(&disk, "/backup"));
    let checked = check(&copied(&disk), Path::new(BACKUP)).expect_err("no log").to_string();
    assert!(checked.contains("this is a backup"), "{checked}");
    assert_eq!(disk.paths(), before, "nothing is left there");
    let refused =
        backup(&copied(&disk), Path::new(BACKUP), Path::new("/other"), &[], 5, &mut |_| {}).expect_err("no log");
    assert!(refused.to_string().contains("this is a backup"), "{refused}");
    // Before there is a log file, and later.
    for at in [8, 20, 50] {
        let cut = disk.crash(Unsynced::Lost);
        cut.crash_at(cut.operations() + at);
        restore_into(&copied(&cut), "/restored", 1).expect_err("is interrupted");
        let (cut, restored) = (cut.crash(Unsynced::Kept), Path::new("/restored"));
        let refusals = [
            plan(&cut, "/restored"),
            check(&copied(&cut), restored).expect_err("refused").to_string(),
            backup(&copied(&cut), restored, Path::new("/other"), &[], 5, &mut |_| {}).expect_err("refused").to_string(),
            open_directory(&copied(&cut), restored).map(drop).expect_err("refused").to_string(),
        ];
        for refused in refusals {
            assert!(refused.contains("run `rheos restore` again"), "after {at} operations: {refused}");
        }
    }
}

#[test]
fn two_backups_into_one_place_do_not_mix() {
    let (disk, expected) = small();
    let files = copied(&disk);
    take(&files, 5).expect("is taken");
    let other = files.lock(Path::new("/backup/LOCK")).expect("works").expect("nobody has it any more");
    let refused = take(&files, 5).expect_err("refused").to_string();
    assert!(refused.contains("another backup into /backup is under way"), "{refused}");
    restore_into(&files, "/restored", 1).expect("is whole");
    assert_eq!(records(&disk, "/restored").expect("opens"), expected);
    drop(other);
    take(&files, 5).expect("is taken");
}

#[test]
fn every_damaged_byte_of_a_backup_is_found() {
    let (disk, _) = small();
    take(&copied(&disk), 5).expect("is taken");
    let paths: Vec<PathBuf> = disk.paths().into_iter().filter(|path| path.starts_with(BACKUP)).collect();
    let mut tried = 0;
    for path in &paths {
        let length = disk.contents(path).expect("there").len() as u64;
        for offset in (0..length).step_by(1 + length as usize / 12) {
            let disk = disk.crash(Unsynced::Lost);
            disk.flip(path, offset, 0x20);
            let restored = restore_into(&copied(&disk), "/restored", 1);
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            match restored {
                Err(BackupError::Damaged { file, .. }) => assert!(file.ends_with(&name), "{file}, not {name}"),
                // The format's number is in the first line.
                Err(BackupError::Refused(what)) => assert!(what.contains("BACKUP"), "{what}"),
                other => panic!("{name} at {offset}: {other:?}"),
            }
            let opened = records(&disk, "/restored");
            assert!(
                opened.as_ref().is_ok_and(|none| *none == [0, 0, 0]) || opened.is_err(),
                "nothing unfinished is opened"
            );
            tried += 1;
        }
        let disk = disk.crash(Unsynced::Lost);
        disk.remove(path).expect("removes");
        let restored = restore_into(&copied(&disk), "/restored", 1);
        assert!(restored.is_err(), "{} is missing", path.display());
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn a_power_cut_in_a_backup_or_a_restore_leaves_nothing_that_passes_for_whole() {
    let (disk, expected) = small();
    let act = |disk: &SimFiles| -> Result<(), BackupError> {
        let files = copied(disk);
        take(&files, 5)?;
        restore_into(&files, "/restored", 1).map(drop)
    };
    let uncut = disk.crash(Unsynced::Lost);
    let before = uncut.operations();
    act(&uncut).expect("works");
    let operations = uncut.operations() - before;
    let mut early = 0;
    for at in 1..=operations {
        for unsynced in [Unsynced::Lost, Unsynced::Torn(at), Unsynced::Torn(at + 1), Unsynced::Torn(at + 2)] {
            let context = format!("operation {at} of {operations}, {unsynced:?}");
            let cut = disk.crash(Unsynced::Lost);
            cut.crash_at(cut.operations() + at);
            let done = act(&cut);
            assert!(done.is_err() || at == operations, "{context}");
            let cut = cut.crash(unsynced);
            let files = copied(&cut);
            if let Ok(records) = records(&cut.crash(Unsynced::Lost), "/restored") {
                // Nothing was there, or all.
                early += u64::from(records == [0, 0, 0]);
                assert!(records == expected || records == [0, 0, 0], "{context}: {records:?}");
            }
            take(&files, 6).unwrap_or_else(|error| panic!("{context}: {error}"));
            match restore_into(&files, "/restored", 2) {
                Ok(_) => {}
                Err(BackupError::Refused(_)) => {}
                Err(error) => panic!("{context}: {error}"),
            }
            assert_eq!(records(&cut, "/restored").expect("opens"), expected, "{context}");
        }
    }
    assert!(early > 10 && early < operations * 4 - 10, "{early} of {operations}");
    let report = check(&copied(&disk), Path::new(DIRECTORY)).expect("checks");
    assert!(report.findings.is_empty(), "the source is as it was");
}
