//! Backups: the file `BACKUP` as it is and with its checksum put right, and the batches beside it.

use super::batch::{changes, run, trimmed};
use super::checksums::{self, Kept};
use super::log_file::{MAX_LOG_BYTES, pieces};
use super::rig::{Fixed, LOG_ID, open_log, path};
use crate::backup::fuzz::{MAGIC_LINE, contents_of};
use crate::batch::{ALIGN, BatchBuilder, Place};
use crate::files::Files;
use crate::files::sim::SimFiles;
use crate::record::RecordFlags;
use crate::{BackupError, restore};
use std::path::Path;
use std::sync::Arc;

const SOURCE: &str = "/backup";

/// A backup whose `BACKUP` is the input, and one whose batches are.
pub fn backup(data: &[u8]) {
    restore_of(&[("BACKUP", data)]);
    let mut mended = MAGIC_LINE.to_vec();
    mended.extend_from_slice(data);
    mended.push(b'\n');
    let crc = crc32c::crc32c(&mended);
    mended.extend_from_slice(format!("crc32c {crc:08x}\n").as_bytes());
    restore_of(&[("BACKUP", &mended)]);

    let (mut batches, mut number) = (Vec::new(), 0);
    for piece in pieces(data, b"RHEOSBAT").into_iter().take(64) {
        let mut batch = piece.to_vec();
        let place = Place { log_id: LOG_ID, generation: 1, file_id: 1, offset: batches.len() as u64 };
        let kept = Kept::of(&batch);
        checksums::batch(&mut batch, Some(place), Some(number + 1), &kept);
        batch.resize(batch.len().next_multiple_of(ALIGN), 0);
        if batches.len() + batch.len() > MAX_LOG_BYTES {
            break;
        }
        batches.extend_from_slice(&batch);
        number += 1;
    }
    for last_batch in [number, number + 1] {
        let contents = contents_of("log/0000000000000001.batches", &batches, last_batch);
        restore_of(&[("BACKUP", &contents), ("log/0000000000000001.batches", &batches)]);
    }
}

fn restore_of(backup: &[(&str, &[u8])]) {
    let sim = SimFiles::new();
    for (name, bytes) in backup {
        let file = sim.create(&Path::new(SOURCE).join(name)).expect("a new file");
        file.write_at(bytes, 0).expect("the disk is large");
    }
    let files: Arc<dyn Files> = Arc::new(sim.clone());
    let restored = restore(&files, Path::new(SOURCE), &path(""), &Fixed, &mut |_| {});
    match restored {
        Ok(_) => drop(open_log(&sim).expect("what was restored opens")),
        Err(BackupError::Io { what, source }) => panic!("the disk works: cannot {what}: {source}"),
        Err(_) => {
            let has_begun = sim.paths().iter().any(|found| found.starts_with(path("")));
            assert!(!has_begun || open_log(&sim).is_err(), "nothing half is opened");
        }
    }
}

/// Backups as they are taken.
#[must_use]
pub fn backup_seeds() -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    for number in 1..4 {
        let mut builder = BatchBuilder::default();
        match number {
            1 => changes().iter().take(4).for_each(|change| builder.push_change(change)),
            2 => builder.push_run(run(1, &[(Some("key"), &b"data"[..], RecordFlags::NONE)]), 0),
            _ => {}
        }
        let mut batch = builder.finish(number, number - 1, 1_700_000_000_000 + number);
        let place = Place { log_id: LOG_ID, generation: 1, file_id: 1, offset: 0 };
        batches.extend_from_slice(&trimmed(batch.seal(place)));
    }
    let contents = contents_of("log/0000000000000001.batches", &batches, 3);
    let body = contents[MAGIC_LINE.len()..].split(|byte| *byte == b'\n').collect::<Vec<_>>();
    let body = body[..body.len() - 2].join(&b'\n');
    vec![batches, contents, body, contents_of("objects/1.segment", b"", 0)]
}
