//! Rules 6 and 13: a disk that fills up refuses records early, goes on reading and deleting, and takes records again.

use super::rig::{DIRECTORY, Model, Rig, Seeded, now};
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::Medium;
use crate::medium::disk::{Disk, DiskOptions};
use crate::{Change, LogError, Transaction};
use std::path::Path;
use std::sync::Arc;

fn fill_until_refused(rig: &mut Rig, model: &mut Model, shards: &[rheos_types::ShardKey]) -> LogError {
    for _ in 0..2000 {
        // Space may run out under the housekeeper: records then wait in the log files.
        drop(rig.housekeeper.step());
        let (numbers, append) = rig.queue(shards, 1, 3000);
        rig.writer.turn().expect("what is admitted fits");
        match now(append).expect("answered") {
            Ok(_) => {
                for (shard, ids) in numbers {
                    model.entry(shard.0).or_default().acknowledged.extend(ids);
                }
            }
            Err(error) => return error,
        }
    }
    panic!("the disk never filled up");
}

#[test]
fn rule_6_a_full_disk_refuses_records_but_reads_and_deletes_go_on() {
    let files = SimFiles::new();
    files.set_capacity(1 << 20);
    let mut model = Model::new();
    let mut rig = Rig::new(&files);
    let shards = rig.open_shards(2);
    let other = rig.open_shards(1);
    rig.append(&mut model, &other, 3, 100).expect("appends");
    let refused = fill_until_refused(&mut rig, &mut model, &shards);
    assert!(matches!(refused, LogError::Full { .. } | LogError::Overloaded), "{refused:?}");
    rig.check(&mut model);

    let drops = shards.iter().map(|shard| Change::DropShard { shard: *shard }).collect();
    let delete = rig.log.commit(vec![Transaction { changes: drops, frees_space: true, ..Transaction::default() }]);
    rig.writer.turn().expect("writes");
    now(delete).expect("answered").expect("a deletion has room").remove(0).expect("no conflict");
    shards.iter().for_each(|shard| drop(model.remove(&shard.0)));
    for _ in 0..3 {
        rig.housekeeper.step().expect("there is room again");
    }
    rig.append(&mut model, &other, 3, 3000).expect("writes");
    assert_eq!(model[&other[0].0].acknowledged.len(), 6, "records are taken again");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
}

#[test]
fn rule_6_a_restart_on_a_full_disk_works() {
    let files = SimFiles::new();
    files.set_capacity(1 << 20);
    let mut model = Model::new();
    let mut rig = Rig::new(&files);
    let shards = rig.open_shards(2);
    fill_until_refused(&mut rig, &mut model, &shards);
    for _ in 0..3 {
        rig = rig.power_cut(Unsynced::Lost).expect("opens");
        rig.check(&mut model);
    }
}

#[test]
fn a_file_is_not_left_for_one_that_the_next_batch_does_not_fit() {
    let files = SimFiles::new();
    let large = DiskOptions { log_file_bytes: Some(256 << 10) };
    let disk = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), large, &Seeded::new(7)).expect("opens");
    disk.begin().expect("makes a large file");
    drop(disk);
    let mut model = Model::new();
    let mut rig = Rig::new(&files);
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 1, 100).expect("appends");
    rig.housekeeper.step().expect("prepares a small file");
    // What is kept back is free, and no more: not the room of this batch.
    rig.files.set_capacity(rig.files.used() + (128 << 10));
    rig.clock.advance(3000);
    rig.append(&mut model, &shards, 1, 200 << 10).expect("the large file has room, though it is old");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
}

#[test]
fn rule_13_running_out_of_space_inside_a_file_is_fatal_and_recovered_from() {
    // The space of a file is there before a batch enters it, so only a lying disk does this.
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(1);
    rig.append(&mut model, &shards, 2, 100).expect("appends");
    let at = rig.files.operations() + 1;
    rig.files.crash_at(at);
    rig.append(&mut model, &shards, 2, 100).expect_err("fatal");
    let rig = rig.power_cut(Unsynced::Lost).expect("opens");
    rig.check(&mut model);
    assert_eq!(rig.read_all(shards[0]).len(), 2);
}
