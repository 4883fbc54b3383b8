//! Log files through the whole of recovery: scanning, replay, and what a start does afterwards.
//!
//! In an input a file begins at each `RHEOSLOG` and a batch at each `RHEOSBAT`; zeros fill up to the pages at which they
//! stand in a log. So inputs are short, and a changed byte moves nothing else.

use super::batch::{changes, run, trimmed};
use super::checksums::{self, Kept};
use super::rig::{LOG_ID, now, open_log, path, put};
use crate::batch::{ALIGN, BatchBuilder, Place};
use crate::change::{Change, Key, Transaction};
use crate::files::Files;
use crate::files::sim::{SimFiles, Unsynced};
use crate::medium::disk::fuzz::{FIRST_BATCH, name_page, write_manifest};
use crate::record::RecordFlags;
use crate::{Log, OpenError, Opened, Repair, RepairError, check};
use bytes::Bytes;
use rheos_types::ShardKey;
use std::sync::Arc;

const MAX_FILES: usize = 3;
/// More than this is not made of an input: what is read of it takes a few times as much memory.
pub(super) const MAX_LOG_BYTES: usize = 1 << 20;
/// The opening that all batches are of.
const GENERATION: u64 = 1;

/// A log of up to three files.
pub fn log_file(data: &[u8]) {
    recover(&build(data, false));
    recover_mended(data);
}

/// A log of up to three files, with names, places, numbers and checksums put right.
pub(super) fn recover_mended(data: &[u8]) {
    recover(&build(data, true));
}

/// Cuts before each place where `mark` stands. What is before the first is the first piece.
pub(super) fn pieces<'a>(data: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let is_mark = |at: &usize| data[*at] == mark[0] && data[*at..].starts_with(mark);
    let mut cuts: Vec<usize> = (1..data.len()).filter(is_mark).collect();
    cuts.insert(0, 0);
    cuts.push(data.len());
    cuts.windows(2).map(|ends| &data[ends[0]..ends[1]]).collect()
}

/// The disk with the log that the input stands for: as it is, or with names, places, numbers and checksums put right.
fn build(data: &[u8], mends: bool) -> SimFiles {
    let disk = SimFiles::new();
    let mut listed = Vec::new();
    let mut number = 0;
    for (index, file) in pieces(data, b"RHEOSLOG").into_iter().take(MAX_FILES).enumerate() {
        let id = index as u64 + 1;
        let batches = pieces(file, b"RHEOSBAT");
        let (name, batches) =
            if file.starts_with(b"RHEOSBAT") { (&[][..], &batches[..]) } else { (batches[0], &batches[1..]) };
        let mut bytes = if mends { name_page(LOG_ID, id) } else { name.to_vec() };
        bytes.resize(FIRST_BATCH as usize, 0);
        for batch in batches {
            let mut batch = batch.to_vec();
            if mends {
                let place = Place { log_id: LOG_ID, generation: GENERATION, file_id: id, offset: bytes.len() as u64 };
                number += 1;
                let kept = Kept::of(&batch);
                checksums::batch(&mut batch, Some(place), Some(number), &kept);
            }
            batch.resize(batch.len().next_multiple_of(ALIGN), 0);
            if bytes.len() + batch.len() > MAX_LOG_BYTES {
                break;
            }
            bytes.extend_from_slice(&batch);
        }
        bytes.resize(bytes.len() + ALIGN, 0);
        listed.push((id, bytes.len() as u64));
        put(&disk, &format!("log/{id:016x}.log"), &bytes);
    }
    write_manifest(&disk, LOG_ID, GENERATION, &listed);
    disk.crash(Unsynced::Kept)
}

/// What a log holds, as its users see it.
#[derive(Debug, PartialEq)]
struct Contents {
    catalog: Vec<(Key, Bytes)>,
    shards: Vec<(ShardKey, u64, u64, bool, Vec<Held>)>,
}

/// A record, or positions at which there is none to read.
#[derive(Debug, PartialEq)]
enum Held {
    Record(u64, Option<String>, Vec<u8>),
    Nothing(u64, u64),
}

fn contents(log: &Log) -> Contents {
    let catalog = log.scan("").into_iter().map(|(key, value)| (key, value.value)).collect();
    let keys = log.shared.shards.all().into_iter().map(|(key, _)| key);
    let shards = keys.map(|key| {
        let info = log.shard(key).expect("it is there");
        (key, info.first, info.next, info.closed, held(log, key, info.first, info.next))
    });
    Contents { catalog, shards: shards.collect() }
}

fn held(log: &Log, shard: ShardKey, first: u64, next: u64) -> Vec<Held> {
    let mut all = Vec::new();
    let mut position = first;
    while position < next {
        let before = position;
        match now(log.read(shard, position, 1000, 1 << 20)) {
            Ok(blocks) => {
                for block in &blocks {
                    for (at, record) in block.records() {
                        assert!((position..next).contains(&at), "records come in order, each once");
                        let key = record.partition_key.map(str::to_owned);
                        all.push(Held::Record(at, key, record.data.to_vec()));
                        position = at + 1;
                    }
                    position = position.max(block.first() + u64::from(block.count()));
                }
                assert!(position > before, "a read below the end returns something");
            }
            Err(crate::ReadError::Damaged { next: behind, .. }) => {
                assert!(behind > position, "a reader goes on behind damage");
                all.push(Held::Nothing(position, behind));
                position = behind;
            }
            Err(error) => panic!("shard {shard}: {error}"),
        }
    }
    all
}

fn recover(disk: &SimFiles) {
    let files: Arc<dyn Files> = Arc::new(disk.clone());
    let checked = check(&files, &path(""));
    match open_log(disk) {
        Ok(opened) => {
            let report = checked.expect("what opens can be checked");
            // Blocks whose checksum is right and whose records are none, or whose positions are others' as well, do not keep a
            // log from opening. No writer writes them, and nothing is promised of what a check makes of them. Where a shard
            // has been trimmed, the record that is none may be one that nobody reads any more.
            let is_whole = |(_, first, next, _, held): &(_, u64, u64, _, Vec<Held>)| {
                let records = held.iter().filter(|held| matches!(held, Held::Record(..))).count();
                *first == 0 && records as u64 == next.saturating_sub(*first)
            };
            let all_is_read = contents(&opened.log).shards.iter().all(is_whole);
            assert!(
                !all_is_read || report.findings.is_empty(),
                "what opens and reads checks clean: {:?}",
                report.findings
            );
            go_on(disk, opened);
        }
        Err(error) => {
            assert!(
                checked.is_err() || checked.is_ok_and(|report| !report.findings.is_empty()),
                "the check finds: {error}"
            );
            assert!(matches!(error, OpenError::Corrupt { .. } | OpenError::Newer { .. }), "{error}");
            assert!(open_log(disk).is_err(), "a refused log stays refused");
            repair(disk);
        }
    }
}

/// A repair of a refused log is one that opens and needs no other, or it says why there is none.
fn repair(disk: &SimFiles) {
    let files: Arc<dyn Files> = Arc::new(disk.clone());
    let plan = || Repair::plan(&files, &path(""), &mut |_| Ok(()), &mut |_| {});
    let planned = match plan() {
        Ok(planned) => planned,
        Err(RepairError::Hopeless { .. } | RepairError::Open(OpenError::Newer { .. })) => return,
        Err(error) => panic!("the disk works: {error:?}"),
    };
    match planned.apply("aside", &mut |_| {}) {
        Ok(_) => {
            assert!(!plan().expect("repaired").is_needed().expect("the disk works"), "one repair is enough");
            drop(open_log(disk).expect("what was repaired opens"));
        }
        // Of bytes that no writer writes.
        Err(RepairError::Unsound { .. }) => {}
        Err(error) => panic!("the disk works: {error:?}"),
    }
}

/// Opens again, writes, moves everything to segments, and opens once more: nothing but what was written changes.
fn go_on(disk: &SimFiles, opened: Opened) {
    let before = contents(&opened.log);
    drop(opened);
    let Opened { log, mut writer, mut housekeeper } = open_log(disk).expect("a second opening");
    assert_eq!(contents(&log), before, "a second recovery gives the same");
    let open = before.shards.iter().find(|(_, _, next, closed, _)| !closed && *next < 1 << 40).map(|shard| shard.0);
    let shard = open.unwrap_or(ShardKey(1 << 50));
    let mut changes = vec![Change::Put { key: Key::new("~"), value: Bytes::from_static(b"v") }];
    changes.extend(open.is_none().then_some(Change::OpenShard { shard, class: 24 }));
    let commit = log.commit(vec![Transaction { changes, ..Transaction::default() }]);
    writer.turn().expect("the disk works");
    now(commit).expect("committed").pop().expect("an outcome").expect("no condition");
    for at in 0..4u8 {
        let append = log.append(vec![run(shard.0, &[(Some("k"), &[at; 6000], RecordFlags::NONE)])]);
        writer.turn().expect("the disk works");
        let first = now(append).expect("appended").first[0].expect("the shard is open");
        assert!(first < u64::MAX);
    }
    // What is damaged is not copied; the log files stay then.
    drop(housekeeper.step());
    let after = contents(&log);
    assert_eq!(after.catalog.len(), before.catalog.iter().filter(|(key, _)| key.as_str() != "~").count() + 1);
    for old in &before.shards {
        let new = after.shards.iter().find(|new| new.0 == old.0).expect("no shard goes away");
        assert!(new.4.starts_with(&old.4), "what was there is there");
        assert_eq!(new.2, old.2 + if old.0 == shard { 4 } else { 0 });
    }
    drop((log, writer, housekeeper));
    let again = open_log(disk).expect("what was written opens");
    assert_eq!(contents(&again.log), after, "and reads the same");
}

/// Logs as the engine writes them.
#[must_use]
pub fn log_file_seeds() -> Vec<Vec<u8>> {
    let records = [(Some("key-1"), &b"data of one"[..], RecordFlags::NONE), (None, b"d", RecordFlags::SEALED)];
    let mut number = 0;
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut offset = FIRST_BATCH;
    let mut logs = Vec::new();
    let mut batch = |files: &mut Vec<Vec<u8>>, fill: &dyn Fn(&mut BatchBuilder)| {
        let file_id = files.len() as u64;
        let mut builder = BatchBuilder::default();
        fill(&mut builder);
        number += 1;
        let mut batch = builder.finish(number, number - 1, 1_700_000_000_000 + number);
        let place = Place { log_id: LOG_ID, generation: GENERATION, file_id, offset };
        let bytes = trimmed(batch.seal(place));
        offset += batch.len_bytes() as u64;
        files.last_mut().expect("a file").extend_from_slice(&bytes);
    };
    files.push(name_page(LOG_ID, 1));
    batch(&mut files, &|builder| changes().iter().take(4).for_each(|change| builder.push_change(change)));
    batch(&mut files, &|builder| {
        builder.push_run(run(1, &records), 0);
        builder.push_run(run(2, &records[..1]), 0);
    });
    batch(&mut files, &|_| {});
    logs.push(files.concat());
    batch(&mut files, &|builder| {
        builder.push_run(run(1, &records[..1]), 2);
        changes().iter().for_each(|change| builder.push_change(change));
    });
    logs.push(files.concat());
    // As batches of further files: the places are put right.
    files.push(name_page(LOG_ID, 2));
    batch(&mut files, &|builder| builder.push_run(run(1, &records), 3));
    batch(&mut files, &|builder| builder.push_change(&Change::DropShard { shard: ShardKey(1) }));
    logs.push(files.concat());
    files.push(name_page(LOG_ID, 3));
    logs.push(files.concat());
    logs.push(files[..1].concat().iter().take(64).copied().collect());
    logs
}
