//! Housekeeping that fails half way: the next step makes it good, and a power cut in between loses nothing.

use super::rig::{Model, Rig};
use crate::Change;
use crate::files::sim::{SimFiles, Unsynced};

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
