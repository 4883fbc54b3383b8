//! Housekeeping that fails half way: the next step makes it good, and a power cut in between loses nothing.

use super::rig::{DIRECTORY, Model, Rig, options};
use crate::engine::backlog::REST;
use crate::files::Files as _;
use crate::files::sim::{SimFiles, Unsynced};
use crate::{Change, Options};
use std::path::Path;
use std::sync::Arc;

/// Syncs of one step of housekeeping, and some more.
const SYNCS: u64 = 18;

/// A rig with sealed log files of which some have been written to segments and recycled before.
fn with_work() -> (Rig, Model, Vec<rheos_types::ShardKey>) {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(3);
    for step in 0..36 {
        rig.append(&mut model, &shards, 1, 2000).expect("appends");
        if [12, 24].contains(&step) {
            rig.housekeeper.step().expect("keeps house");
        }
    }
    (rig, model, shards)
}

fn check_cuts(rig: &Rig, model: &Model, context: &str) {
    for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(1), Unsynced::Torn(2), Unsynced::Torn(3)] {
        let after = Rig::open(&rig.files.crash(unsynced), &rig.clock)
            .unwrap_or_else(|error| panic!("{context}, then a power cut with {unsynced:?}: {error}"));
        after.check(&mut model.clone());
    }
}

#[test]
fn a_sync_that_fails_anywhere_in_housekeeping_costs_nothing_and_the_next_step_works() {
    for first in 0..SYNCS {
        let (mut rig, mut model, shards) = with_work();
        rig.files.fail_sync_after(first);
        let failed = rig.housekeeper.step().is_err();
        rig.files.revive();
        let context = format!("sync {first} failed: {failed}");
        rig.check(&mut model);
        check_cuts(&rig, &model, &context);
        for _ in 0..3 {
            rig.append(&mut model, &shards, 3, 4000).expect("appends");
            rig.housekeeper.step().unwrap_or_else(|error| panic!("{context}: the next step fails too: {error}"));
            rig.check(&mut model);
            check_cuts(&rig, &model, &context);
        }
    }
}

#[test]
fn what_fails_behind_a_publication_leaves_the_records_of_the_log_files_readable() {
    // Several files, of which the tail has next to nothing, and no spare: so there is much to be recycled.
    for first in 0..2 * SYNCS {
        let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
        let shards = rig.open_shards(3);
        for _ in 0..32 {
            rig.append(&mut model, &shards, 1, 2000).expect("appends");
        }
        rig.files.fail_sync_after(first);
        let failed = rig.housekeeper.step().is_err();
        rig.files.revive();
        rig.check(&mut model);
        rig.housekeeper.step().unwrap_or_else(|error| panic!("sync {first} failed ({failed}), then {error}"));
        rig.check(&mut model);
        check_cuts(&rig, &model, &format!("sync {first} failed: {failed}"));
    }
}

#[test]
fn two_failed_syncs_in_a_row_leave_what_the_manifest_names() {
    for first in 0..SYNCS {
        for second in 0..SYNCS {
            let (mut rig, mut model, shards) = with_work();
            let context = format!("syncs {first} and {second} failed");
            for fails in [first, second] {
                rig.files.fail_sync_after(fails);
                drop(rig.housekeeper.step());
                rig.files.revive();
                // What goes into which segment is another the next time: by the classes of the last file that was sealed.
                rig.commit(vec![Change::SetShardClass { shard: shards[0], class: 72 }]).expect("commits");
                for _ in 0..6 {
                    rig.append(&mut model, &shards, 1, 4000).expect("appends");
                }
            }
            check_cuts(&rig, &model, &context);
            rig.check(&mut model);
        }
    }
}

#[test]
fn a_busy_log_is_spared_segments_and_one_that_rests_writes_them() {
    let busy = Options { deferred_bytes: 6 * (64 << 10), index_bytes: 1 << 20, ..options() };
    let files = SimFiles::new();
    let mut model = Model::new();
    let mut rig = Rig::open_with(&files, &Arc::default(), busy).expect("the log opens");
    let shards = rig.open_shards(3);
    let segments =
        |files: &SimFiles| names(files, "objects").into_iter().filter(|name| name.contains("segment")).count();
    let log_files = |files: &SimFiles| names(files, "log").len();
    // Seven batches of 8 KiB fill a file.
    for _ in 0..52 {
        rig.append(&mut model, &shards, 1, 2000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    assert_eq!(segments(&rig.files), 1, "of the first file, after which nothing is known yet");
    assert!(log_files(&rig.files) >= 6, "{}", log_files(&rig.files));
    rig.check(&mut model);
    check_cuts(&rig, &model, "left alone");

    for _ in 0..60 {
        rig.append(&mut model, &shards, 1, 2000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    assert!(segments(&rig.files) > 0, "what is beyond the bound is written");
    // Six left alone, the one that is written, one ready and one in between.
    assert!(log_files(&rig.files) <= 9, "{}", log_files(&rig.files));
    rig.check(&mut model);
    check_cuts(&rig, &model, "beyond the bound");

    rig.clock.advance(u64::try_from(REST.as_millis()).expect("small"));
    rig.housekeeper.step().expect("keeps house");
    assert!(rig.log.has_no_backlog());
    assert!(log_files(&rig.files) <= 4, "{}", log_files(&rig.files));
    rig.check(&mut model);
    check_cuts(&rig, &model, "at rest");
}

#[test]
fn on_a_disk_with_little_room_no_file_is_left_alone() {
    let busy = Options { deferred_bytes: u64::MAX, ..options() };
    let files = SimFiles::new();
    files.set_capacity(1 << 20);
    let mut rig = Rig::open_with(&files, &Arc::default(), busy).expect("the log opens");
    let (shards, mut model) = (rig.open_shards(1), Model::new());
    for _ in 0..150 {
        rig.append(&mut model, &shards, 1, 4000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    // 600 KB of records once, in segments, and the log's own files.
    assert!(names(&rig.files, "log").len() <= 4);
    rig.check(&mut model);
}

fn names(files: &SimFiles, folder: &str) -> Vec<String> {
    files.list(&Path::new(DIRECTORY).join(folder)).expect("lists")
}
