//! Crashes: a power cut at any operation, with what was not synced lost, kept or torn.

use super::rig::{DIRECTORY, Model, Rig, Seeded};
use crate::Change;
use crate::batch::ALIGN;
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::log_file;
use rheos_types::ShardKey;
use std::path::Path;
use std::sync::Arc;

/// One history of appends, changes, closings, trims and housekeeping, up to a power cut at the given operation.
/// Returns the disk, what must be on it and the last value known to be put.
fn history(files: &SimFiles, seed: u64, crash_at: u64) -> (Model, u64, Option<u64>) {
    let dice = Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut model = Model::new();
    let (mut put, mut unknown_put) = (0, None);
    let Ok(mut rig) = Rig::open(files, &Arc::default()) else { return (model, 0, None) };
    files.crash_at(crash_at);
    let keys: Vec<ShardKey> = rig.log.new_shard_keys(4).collect();
    if rig.commit(keys.iter().map(|shard| Change::OpenShard { shard: *shard, class: 24 }).collect()).is_err() {
        return (model, 0, None);
    }
    for shard in &keys {
        model.entry(shard.0).or_default();
    }
    for step in 1..400 {
        rig.clock.advance(dice.below(50));
        let shard = keys[dice.below(keys.len() as u64) as usize];
        match dice.below(12) {
            0 => {
                if rig.put("counter", &step.to_string()).is_err() {
                    unknown_put = Some(step);
                    break;
                }
                put = step;
            }
            1 => {
                let expected = model.entry(shard.0).or_default();
                let below = expected.first + dice.below(4);
                let below = below.min(expected.acknowledged.len() as u64);
                if rig.commit(vec![Change::TrimShard { shard, below }]).is_err() {
                    // Whether it is trimmed is unknown: let the check look at what both outcomes share.
                    model.remove(&shard.0);
                    break;
                }
                model.entry(shard.0).or_default().first = below;
            }
            2 if step > 300 => {
                if rig.commit(vec![Change::CloseShard { shard }]).is_err() {
                    break;
                }
                model.entry(shard.0).or_default().closed = true;
            }
            3..=5 => {
                if rig.housekeeper.step().is_err() && files.operations() >= crash_at {
                    break;
                }
            }
            6 => {
                if rig.writer.close_batch().is_err() {
                    break;
                }
            }
            _ => {
                let count = 1 + dice.below(3);
                let length = [10, 700, 4000][dice.below(3) as usize];
                let shards = if dice.below(2) == 0 { vec![shard] } else { keys.clone() };
                if rig.append(&mut model, &shards, count, length).is_err() {
                    break;
                }
            }
        }
    }
    (model, put, unknown_put)
}

fn counter(rig: &Rig) -> u64 {
    let value = rig.log.get(&crate::Key::new("counter"));
    value.map_or(0, |value| String::from_utf8_lossy(&value.value).parse().expect("a number"))
}

/// Opens what the crash left, holds it to the model, writes on, crashes again, and holds that to the model too.
fn recover_and_check(
    files: &SimFiles,
    unsynced: Unsynced,
    model: &Model,
    put: u64,
    unknown: Option<u64>,
    context: &str,
) {
    let disk = files.crash(unsynced);
    let mut model = model.clone();
    let mut rig = Rig::open(&disk, &Arc::default()).unwrap_or_else(|error| panic!("{context}: {error}"));
    rig.check(&mut model);
    let found = counter(&rig);
    assert!(found == put || Some(found) == unknown, "{context}: the counter is {found}, put was {put}");
    let seen = rig.clock.clone();
    let shards: Vec<_> = model.keys().map(|key| ShardKey(*key)).collect();
    if !shards.is_empty() {
        for _ in 0..3 {
            for (key, expected) in &mut model {
                expected.closed = rig.log.shard(ShardKey(*key)).expect("known").closed;
            }
            rig.append(&mut model, &shards, 2, 100).expect("writes go on");
            rig.housekeeper.step().expect("housekeeping goes on");
        }
    }
    // What recovery served was durable: losing everything unsynced now loses nothing.
    let again =
        Rig::open(&rig.files.crash(Unsynced::Lost), &seen).unwrap_or_else(|error| panic!("{context}, again: {error}"));
    again.check(&mut model);
    assert_eq!(counter(&again), found, "{context}");
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let quiet = SimFiles::new();
    history(&quiet, 1, u64::MAX);
    let operations = quiet.operations();
    assert!(operations > 800, "the history is long enough to roll and recycle files: {operations}");
    for crash_at in (20..operations).step_by(9) {
        let files = SimFiles::new();
        let (model, put, unknown) = history(&files, 1, crash_at);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(crash_at), Unsynced::Torn(crash_at * 31 + 7)] {
            recover_and_check(&files, unsynced, &model, put, unknown, &format!("crash at {crash_at}, {unsynced:?}"));
        }
    }
}

#[test]
fn many_histories_survive_a_power_cut() {
    for seed in 2..150 {
        let files = SimFiles::new();
        let crash_at = 20 + Seeded::new(seed * 77).below(1200);
        let (model, put, unknown) = history(&files, seed, crash_at);
        for unsynced in [Unsynced::Lost, Unsynced::Torn(seed)] {
            recover_and_check(&files, unsynced, &model, put, unknown, &format!("seed {seed}, crash at {crash_at}"));
        }
    }
}

/// The tests above would notice a missing `fdatasync`: with syncs that do nothing, records are lost.
#[test]
fn without_fdatasync_the_crash_tests_fail() {
    let mut lost = 0;
    for crash_at in (100..900).step_by(50) {
        let files = SimFiles::new();
        files.ignore_syncs(true);
        let (model, ..) = history(&files, 1, crash_at);
        let mut model = model;
        let disk = files.crash(Unsynced::Lost);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Rig::open(&disk, &Arc::default()).map(|rig| rig.check(&mut model))
        }));
        lost += u32::from(!matches!(outcome, Ok(Ok(()))));
    }
    assert!(lost >= 15, "only {lost} of 16 crashes without syncs were noticed");
}

#[test]
fn a_power_cut_at_any_operation_of_the_first_start_leaves_a_directory_that_starts() {
    for crash_at in 1..14 {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(crash_at)] {
            let files = SimFiles::new();
            files.crash_at(crash_at);
            drop(Rig::open(&files, &Arc::default()));
            let mut rig = Rig::open(&files.crash(unsynced), &Arc::default())
                .unwrap_or_else(|error| panic!("crash at {crash_at}, {unsynced:?}: {error}"));
            rig.put("a", "b").expect("and works");
        }
    }
}

/// Rule 1: after a failed sync the batch reads well from the page cache though the disk never had it. Recovery writes it
/// again and syncs before it serves it.
#[test]
fn a_batch_that_recovery_serves_is_durable_though_its_sync_failed() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    rig.append(&mut model, &shards, 3, 100).expect("appends");
    rig.files.fail_syncs(true);
    rig.append(&mut model, &shards, 3, 100).expect_err("a failed sync is fatal");
    assert!(!model[&shards[0].0].unknown.is_empty(), "the append was not acknowledged");
    rig.files.fail_syncs(false);

    let rig = rig.kill().expect("opens");
    rig.check(&mut model);
    assert_eq!(model[&shards[0].0].acknowledged.len(), 6, "the page cache had it, so it is served");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
    assert_eq!(rig.read_all(shards[0]).len(), 6, "what was served is still there");
}

/// Whether the last sector of a log file's page has arrived: what did, has not, and the other way round.
fn flip_last_sector(rig: &Rig, file: u64, page: u64) {
    rig.files.flip(&log_file::path(Path::new(DIRECTORY), file), (page + 1) * ALIGN as u64 - 512, 1);
}

/// The next batch is written over an unfinished one. If its power fails as well, what has arrived of it may be just what the
/// unfinished one was in want of.
#[test]
fn an_unfinished_batch_that_was_dropped_never_comes_back() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 2, 100).expect("appends");
    let mut acknowledged = model.clone();
    rig.append(&mut model, &shards, 1, 100).expect("appends");
    // Behind the name, the shard and the first append.
    flip_last_sector(&rig, 1, 3);

    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    assert_eq!(rig.read_all(shards[0]).len(), 2);
    flip_last_sector(&rig, 1, 3);
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut acknowledged);
    assert_eq!(rig.read_all(shards[0]).len(), 2, "it was dropped");
}

/// The unfinished batch was the first in a file; the next one, which is smaller, fits into the file before.
#[test]
fn an_unfinished_batch_in_the_next_file_is_in_nobodys_way() {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 1, 20_000).expect("appends");
    let mut acknowledged = model.clone();
    rig.append(&mut model, &shards, 3, 20_000).expect("appends");
    flip_last_sector(&rig, 2, 1);

    let mut rig = rig.power_cut(Unsynced::Lost).expect("opens");
    assert_eq!(rig.read_all(shards[0]).len(), 1);
    rig.append(&mut acknowledged, &shards, 1, 100).expect("appends");
    flip_last_sector(&rig, 2, 1);
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut acknowledged);
    assert_eq!(rig.read_all(shards[0]).len(), 2);
}

/// Rule 12: the writer reads nothing but its inputs, so that the same history leaves the same bytes.
#[test]
fn the_same_history_leaves_the_same_disk() {
    let disks: Vec<_> = (0..2)
        .map(|_| {
            let files = SimFiles::new();
            history(&files, 5, u64::MAX);
            let mut contents: Vec<_> = files.paths().into_iter().map(|path| (files.contents(&path), path)).collect();
            contents.sort_by(|a, b| a.1.cmp(&b.1));
            contents
        })
        .collect();
    assert!(disks[0] == disks[1]);
}
