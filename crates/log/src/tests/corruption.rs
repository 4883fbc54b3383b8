//! Rule 3: rot is told from a torn tail, is named, and never serves a wrong record.

use super::rig::{DIRECTORY, Model, Rig, now};
use crate::files::Files;
use crate::files::sim::{SimFiles, Unsynced};
use crate::{OpenError, ReadError, check};
use rheos_types::ShardKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FIRST_FILE: &str = "log/0000000000000001.log";

/// A closed log of a few batches in one file, and where the last batch begins and all end.
fn small_log() -> (SimFiles, Model, usize, usize) {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    for _ in 0..4 {
        rig.append(&mut model, &shards, 2, 200).expect("appends");
    }
    rig.writer.close_batch().expect("closes");
    let files = rig.files.crash(Unsynced::Lost);
    // The shards, four appends, the closer: six batches of one page each behind the naming page.
    (files, model, 6 * 4096, 7 * 4096)
}

fn opened(files: &SimFiles) -> Result<Rig, OpenError> {
    Rig::open(files, &Arc::default())
}

#[test]
fn rule_3_every_flipped_byte_below_the_durable_mark_is_refused_with_its_place() {
    let (files, _, closer, _) = small_log();
    let path = Path::new(DIRECTORY).join(FIRST_FILE);
    for offset in 4096..closer as u64 {
        let disk = files.crash(Unsynced::Lost);
        disk.flip(&path, offset, 0x10);
        match opened(&disk).map(drop) {
            Err(OpenError::Corrupt { file, offset: at, .. }) => {
                assert!(file.contains("0000000000000001.log"));
                assert_eq!(at, offset / 4096 * 4096, "the batch is named");
            }
            other => panic!("offset {offset}: {other:?}"),
        }
        let report = check(&(Arc::new(disk) as Arc<dyn Files>), Path::new(DIRECTORY)).expect("checks");
        assert!(!report.findings.is_empty(), "the check finds it too");
    }
}

#[test]
fn rule_3_a_torn_tail_is_dropped() {
    let (files, mut model, closer, end) = small_log();
    let path = Path::new(DIRECTORY).join(FIRST_FILE);
    // The closer is the last batch: any damage to it is a tear, and nothing acknowledged is lost.
    for offset in (closer..end).step_by(61) {
        let disk = files.crash(Unsynced::Lost);
        disk.flip(&path, offset as u64, 0x10);
        let mut rig = opened(&disk).expect("opens");
        rig.check(&mut model.clone());
        rig.append(&mut model.clone(), &[ShardKey(0)], 1, 10).expect("goes on");
    }
    let rig = opened(&files).expect("opens");
    rig.check(&mut model);
}

#[test]
fn rule_3_a_truncated_file_is_refused() {
    let (files, _, _, end) = small_log();
    let path = Path::new(DIRECTORY).join(FIRST_FILE);
    let contents = files.contents(&path).expect("there");
    // Its length was durable before the first batch: a shorter file has lost what nobody can tell.
    for length in (0..end).step_by(509).chain([contents.len() - 1]) {
        let disk = files.crash(Unsynced::Lost);
        disk.replace(&path, contents[..length].to_vec());
        assert!(matches!(opened(&disk).map(drop), Err(OpenError::Corrupt { .. })), "length {length}");
    }
}

/// A log with segments, and the path of one.
fn log_with_segments() -> (SimFiles, Model, PathBuf) {
    let mut model = Model::new();
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(3);
    for _ in 0..60 {
        rig.append(&mut model, &shards, 2, 1500).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    let files = rig.files.crash(Unsynced::Lost);
    let mut segments: Vec<_> =
        files.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "segment")).collect();
    segments.sort();
    (files, model, segments.swap_remove(0))
}

#[test]
fn rule_3_damage_to_a_segment_makes_only_its_range_unreadable() {
    let (files, model, segment) = log_with_segments();
    let length = files.contents(&segment).expect("there").len();
    let mut damaged = 0;
    for offset in (0..length).step_by(97) {
        let disk = files.crash(Unsynced::Lost);
        disk.flip(&segment, offset as u64, 0x04);
        let rig = opened(&disk).expect("a damaged segment does not stop the log");
        for (key, expected) in &model {
            let mut position = 0;
            let next = rig.log.shard(ShardKey(*key)).expect("known").next;
            while position < next {
                match now(rig.log.read(ShardKey(*key), position, 100, 100_000)).expect("no threads") {
                    Ok(blocks) => {
                        for (at, record) in blocks.iter().flat_map(|block| block.records()) {
                            let id = u64::from_le_bytes(record.data[..8].try_into().expect("eight"));
                            assert_eq!(id, expected.acknowledged[at as usize], "a wrong record at {at}");
                            position = at + 1;
                        }
                    }
                    Err(ReadError::Damaged { file, first, next, .. }) => {
                        assert!(file.contains("segment"), "{file}");
                        assert!(first == position && next > first && next - first < 60, "{first} to {next}");
                        position = next;
                        damaged += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    assert!(damaged > 100, "flips in records are noticed: {damaged}");
}

#[test]
fn a_newer_format_is_refused_with_advice_and_left_alone() {
    let (files, ..) = small_log();
    let manifest = Path::new(DIRECTORY).join("MANIFEST");
    let text = String::from_utf8(files.contents(&manifest).expect("there")).expect("text");
    files.replace(&manifest, text.replacen("rheos-manifest 1", "rheos-manifest 2", 1).into_bytes());
    let before: Vec<_> = files.paths().iter().map(|path| files.contents(path)).collect();
    let error = opened(&files).map(drop).expect_err("refused").to_string();
    assert!(error.contains("newer version") && error.contains("format 2"), "{error}");
    let after: Vec<_> = files.paths().iter().map(|path| files.contents(path)).collect();
    assert!(before == after, "nothing was changed");
}

#[test]
fn a_batch_of_a_newer_format_is_refused() {
    let (files, ..) = small_log();
    let path = Path::new(DIRECTORY).join(FIRST_FILE);
    let mut contents = files.contents(&path).expect("there");
    contents[4096 + 8] = 9;
    let crc = crc32c::crc32c(&contents[4096..4096 + 124]);
    contents[4096 + 124..4096 + 128].copy_from_slice(&crc.to_le_bytes());
    files.replace(&path, contents);
    assert!(matches!(opened(&files).map(drop), Err(OpenError::Newer { format: 9, .. })));
}

#[test]
fn a_lost_manifest_is_not_taken_for_a_new_directory() {
    let (files, ..) = small_log();
    files.remove(&Path::new(DIRECTORY).join("MANIFEST")).expect("removes");
    assert!(matches!(opened(&files).map(drop), Err(OpenError::Missing { .. })));
}

#[test]
fn a_sound_log_checks_clean() {
    let (files, _, _) = log_with_segments();
    let report = check(&(Arc::new(files.clone()) as Arc<dyn Files>), Path::new(DIRECTORY)).expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.segments > 0 && report.snapshots == 2 && report.batches > 0);
    let rig = opened(&files).expect("opens");
    let busy = check(&(Arc::new(files.clone()) as Arc<dyn Files>), Path::new(DIRECTORY));
    assert!(matches!(busy, Err(OpenError::Locked { .. })), "not under a running server");
    drop(rig);
}
