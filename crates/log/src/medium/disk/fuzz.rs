//! Entry points for fuzzing that need to know how the disk lies: see `crate::fuzz`.

#![expect(clippy::expect_used, reason = "a target fails by panicking")]

use super::log_file;
use super::manifest::{LogFileRef, Manifest};
use super::{Medium, OpenError};
use crate::engine::root::{Root, SnapshotRef};
use crate::files::sim::{SimFiles, Unsynced};
use crate::fuzz::rig::{DIRECTORY, LOG_ID, open_disk, path, put};
use bytes::Bytes;
use std::path::Path;

/// Where the first batch of a file begins.
pub(crate) const FIRST_BATCH: u64 = log_file::FIRST_BATCH;

/// The page that begins a log file, without the zeros at its end.
pub(crate) fn name_page(log_id: u128, id: u64) -> Vec<u8> {
    let files = SimFiles::new();
    let file = put(&files, "page", b"");
    log_file::write_name(&*file, log_id, id).expect("the disk is large");
    let mut bytes = files.contents(&path("page")).expect("just written");
    bytes.truncate(64);
    bytes
}

/// Writes a manifest that lists log files by id and length.
pub(crate) fn write_manifest(files: &SimFiles, log_id: u128, generation: u64, log_files: &[(u64, u64)]) {
    let next_file_id = log_files.iter().map(|(id, _)| id + 1).max().unwrap_or(1);
    let log_files = log_files.iter().map(|(id, bytes)| LogFileRef { id: *id, bytes: *bytes }).collect();
    let manifest = Manifest { log_id, generation, next_file_id, log_files, root: None };
    manifest.store(files, Path::new(DIRECTORY)).expect("the disk is large");
}

/// A manifest, alone and with a log file beside it that it may name.
pub fn manifest(data: &[u8]) {
    read(data);
    // Without its last line, which is the checksum.
    let body = data.strip_suffix(b"\n").unwrap_or(data);
    let end = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut mended = data[..end].to_vec();
    mended.extend_from_slice(format!("crc32c {:08x}\n", crc32c::crc32c(&data[..end])).as_bytes());
    read(&mended);
}

fn read(bytes: &[u8]) {
    let directory = Path::new(DIRECTORY);
    let files = SimFiles::new();
    put(&files, "MANIFEST", bytes);
    let mut log = name_page(LOG_ID, 1);
    log.resize(8192, 0);
    put(&files, "log/0000000000000001.log", &log);
    let Ok(loaded) = Manifest::load(&files, directory) else { return };
    let manifest = loaded.expect("there is one");
    manifest.store(&files, directory).expect("the disk is large");
    let again = Manifest::load(&files, directory).expect("what was written reads back").expect("there is one");
    assert_eq!(again, manifest);
    if let Ok(root) = Root::decode(manifest.root.as_ref()) {
        let encoded = Bytes::from(root.encode().expect("a root is JSON"));
        assert_eq!(Root::decode(Some(&encoded)).expect("what was written reads back"), root);
        let _covered = root.covered_upto();
    }
    let files = files.crash(Unsynced::Kept);
    let replayed = open_disk(&files).and_then(|disk| disk.replay(0, &mut |_, _| Ok(())).and_then(|()| disk.begin()));
    assert!(!matches!(replayed, Err(OpenError::Io { .. })), "the disk works: {replayed:?}");
}

/// Manifests as the disk writes them.
#[must_use]
pub fn manifest_seeds() -> Vec<Vec<u8>> {
    let snapshot = |name: &str, batch| SnapshotRef { name: format!("{name}.snapshot"), batch };
    let root = Root {
        flushed_upto: 812,
        snapshots: vec![snapshot("0000000000000003", 813), snapshot("0000000000000001", 400)],
        segments: vec!["0000000000000002.segment".to_owned()],
        next_object: 4,
        ..Root::default()
    };
    let root = Some(Bytes::from(root.encode().expect("a root is JSON")));
    let seeds = [(None, vec![]), (None, vec![(1, 8192)]), (root, vec![(1, 8192), (2, 8192)])];
    let write = |(root, log_files): (Option<Bytes>, Vec<(u64, u64)>)| {
        let log_files = log_files.into_iter().map(|(id, bytes)| LogFileRef { id, bytes }).collect();
        let manifest = Manifest { log_id: LOG_ID, generation: 1, next_file_id: 3, log_files, root };
        let files = SimFiles::new();
        manifest.store(&files, Path::new(DIRECTORY)).expect("the disk is large");
        files.contents(&path("MANIFEST")).expect("just written")
    };
    seeds.into_iter().map(write).collect()
}
