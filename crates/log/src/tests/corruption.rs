//! Rule 3: rot is told from a torn tail, is named, and never serves a wrong record.

use super::rig::{DIRECTORY, Model, Rig, now};
use crate::files::Files;
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::manifest::Manifest;
use crate::{LogError, OpenError, ReadError, backup, check};
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
    let mut segments = files.paths_of("segment");
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
fn rot_in_a_log_file_of_a_running_server_is_named_and_the_file_is_kept() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(2);
    // More than the tail holds.
    (0..30).for_each(|_| rig.append(&mut model, &shards, 2, 3000).expect("appends"));
    let path = Path::new(DIRECTORY).join(FIRST_FILE);
    rig.files.flip(&path, 2 * 4096 + 500, 1);
    let mut refused = None;
    for _ in 0..200 {
        let error = rig.housekeeper.step().expect_err("the records are nowhere else").to_string();
        assert!(error.contains("log file 0000000000000001 is damaged at offset 8192: positions 0 to 1 of"), "{error}");
        let (_, answer) = rig.queue(&shards, 2, 3000);
        rig.writer.turn().expect("writes");
        refused = now(answer).expect("answered").err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(LogError::Overloaded)), "what waits has a bound: {refused:?}");
    for (shard, damaged) in [(shards[0], true), (shards[1], false)] {
        let first = now(rig.log.read(shard, 0, 1, 1)).expect("no threads");
        assert_eq!(matches!(first, Err(ReadError::Damaged { first: 0, next: 2, .. })), damaged, "{first:?}");
        assert!(now(rig.log.read(shard, 2, 1, 1)).expect("no threads").is_ok_and(|blocks| !blocks.is_empty()));
    }
    assert!(rig.files.contents(&path).is_some(), "whoever can repair it finds it");
}

/// Changes the `u16` at `at` and puts the checksum of everything before it, from `from` on, at `crc_at`.
fn raise_format(files: &SimFiles, path: &Path, from: usize, at: usize, crc_at: usize) {
    let mut contents = files.contents(path).expect("there");
    contents[from + at] = 9;
    let crc = crc32c::crc32c(&contents[from..from + crc_at]);
    contents[from + crc_at..from + crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    files.replace(path, contents);
}

/// Replaces a text in the manifest and puts its checksum right.
fn edit_manifest(files: &SimFiles, old: &str, new: &str) {
    let path = Path::new(DIRECTORY).join("MANIFEST");
    let text = String::from_utf8(files.contents(&path).expect("there")).expect("text");
    let (body, _) = text.split_once("crc32c").expect("a checksum");
    assert!(body.contains(old), "{body}");
    let body = body.replacen(old, new, 1);
    let crc = crc32c::crc32c(body.as_bytes());
    files.replace(&path, format!("{body}crc32c {crc:08x}\n").into_bytes());
}

/// Finds the newest file whose name ends so.
fn newest(files: &SimFiles, end: &str) -> PathBuf {
    files.paths_of(end).into_iter().max().expect("one")
}

/// A kind of file, and what makes one of a newer format of it.
type Raise = (&'static str, fn(&SimFiles));

#[test]
fn a_newer_format_of_anything_is_refused_with_advice_and_left_alone() {
    let kinds: [Raise; 6] = [
        ("manifest", |files| edit_manifest(files, "rheos-manifest 1", "rheos-manifest 9")),
        ("root", |files| edit_manifest(files, "{\"format\":", "{\"format\":9")),
        ("log file", |files| raise_format(files, &newest(files, "log"), 0, 8, 60)),
        ("batch", |files| {
            // One of this life of its file: the first page and the batch name the same id.
            let begins = |path: &PathBuf| {
                let bytes = files.contents(path).expect("there");
                bytes[4096..].starts_with(b"RHEOSBAT") && bytes[32..40] == bytes[4096 + 40..4096 + 48]
            };
            let path = files.paths_of("log").into_iter().filter(begins).max();
            raise_format(files, &path.expect("one"), 4096, 8, 124);
        }),
        ("segment", |files| raise_format(files, &newest(files, "segment"), 0, 8, 60)),
        ("snapshot", |files| raise_format(files, &newest(files, "snapshot"), 0, 8, 28)),
    ];
    for (kind, raise) in kinds {
        let (files, ..) = log_with_segments();
        let files = files.crash(Unsynced::Kept);
        raise(&files);
        // Left by a crash before the upgrade: tidied up at a start, but not before it is one.
        let left = Path::new(DIRECTORY).join("objects/ffffffffffffffff.segment.tmp");
        files.create(&left).and_then(|file| file.write_at(&[1], 0)).expect("writes");
        let before: Vec<_> = files.paths().iter().map(|path| files.contents(path)).collect();
        let error = opened(&files).map(drop).expect_err(kind).to_string();
        assert!(error.contains("newer version") && error.contains("format 9"), "{kind}: {error}");
        let copying: Arc<dyn Files> = Arc::new(files.crash(Unsynced::Kept));
        let refused =
            backup(&copying, Path::new(DIRECTORY), Path::new("/backup"), &[], 0, &mut |_| {}).expect_err(kind);
        assert!(refused.to_string().contains("format 9"), "{kind}: {refused}");
        let after: Vec<_> = files.paths().iter().map(|path| files.contents(path)).collect();
        assert!(before == after, "{kind}: something was changed");
    }
}

#[test]
fn a_log_of_which_only_segments_are_left_is_not_taken_for_an_empty_one() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(2);
    while rig.files.paths_of("snapshot").is_empty() {
        rig.append(&mut model, &shards, 2, 3000).expect("appends");
        rig.housekeeper.step().expect("keeps house");
    }
    assert_eq!(rig.files.paths_of("snapshot").len(), 1, "the log goes back to its beginning");
    let files = rig.files.crash(Unsynced::Kept);
    let segments = files.paths_of("segment");
    for (end, keep) in [("snapshot", 0), ("log", 4096)] {
        for path in files.paths_of(end) {
            let mut contents = files.contents(&path).expect("there");
            contents[keep..].fill(0);
            files.replace(&path, contents);
        }
    }
    let error = opened(&files).map(drop).expect_err("refused").to_string();
    assert!(error.contains("the segments have batch"), "{error}");
    assert_eq!(files.paths_of("segment"), segments);
}

#[test]
fn a_manifest_that_no_start_would_read_is_not_written() {
    let (files, ..) = small_log();
    let load = || Manifest::load(&files, Path::new(DIRECTORY)).expect("loads").expect("is there");
    let before = load();
    let too_large = Manifest { root: Some(vec![b' '; 64 << 20].into()), ..before.clone() };
    let error = too_large.store(&files, Path::new(DIRECTORY)).expect_err("too large");
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert_eq!(load(), before);
}

#[test]
fn a_lost_manifest_is_not_taken_for_a_new_directory() {
    let (files, ..) = small_log();
    files.remove(&Path::new(DIRECTORY).join("MANIFEST")).expect("removes");
    assert!(matches!(opened(&files).map(drop), Err(OpenError::NoManifest { .. })));
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
