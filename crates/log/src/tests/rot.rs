//! Rot of every kind, over a whole data directory that a real log on real files has made: bits that flip, ranges of zeros,
//! of garbage and of other sectors, files that are cut off, missing, or in each other's place. Whatever it is: nothing
//! panics, no wrong record is served, what is damaged is named, and a repair loses no more than it has said.
//!
//! `RHEOS_ROT_SEEDS` sets how many seeds are run and `RHEOS_ROT_SEED` the first of them.

use super::rig::{DIRECTORY, ManualClock, Seeded, now, options, record};
use crate::files::sim::{SimFiles, Unsynced};
use crate::files::{Files, SystemFiles};
use crate::medium::disk::{Disk, DiskOptions};
use crate::{
    Change, Key, Lost, OpenError, Opened, ReadError, RecordFlags, Repair, RepairError, RunBuilder, Transaction, check,
    open,
};
use rheos_types::ShardKey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEEDS: u64 = 400;
const SECTOR: usize = 512;
const TINY: DiskOptions = DiskOptions { log_file_bytes: Some(40 << 10) };

/// What every shard holds: the records by position, and the first that can be read.
type Records = BTreeMap<u64, (u64, Vec<u64>)>;

/// What a directory must hold.
struct Truth {
    records: Records,
    catalog: BTreeMap<String, Vec<u8>>,
    /// The file that the log ends in, and where its last batch, which is empty, begins.
    end: (PathBuf, u64),
}

fn open_on(files: &Arc<dyn Files>, directory: &Path) -> Result<Opened, OpenError> {
    let disk = Disk::open(files.clone(), directory, TINY, &Seeded::new(9))?;
    open(Arc::new(disk), Arc::new(ManualClock::default()), options())
}

fn commit(opened: &mut Opened, changes: Vec<Change>) {
    let answer = opened.log.commit(vec![Transaction { changes, ..Transaction::default() }]);
    opened.writer.turn().expect("writes");
    now(answer).expect("answered").expect("done")[0].as_ref().expect("no conflict");
}

fn put(key: String, value: Vec<u8>) -> Change {
    Change::Put { key: Key::new(key), value: value.into() }
}

/// A log of several openings: open, closed, trimmed and dropped shards, segments, two snapshots, and log files that no
/// segment covers.
fn make(directory: &Path) -> Truth {
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let dice = Seeded::new(4711);
    let mut truth = Truth { records: Records::new(), catalog: BTreeMap::new(), end: (PathBuf::new(), 0) };
    let mut closed = Vec::new();
    let mut id = 0;
    for opening in 0..4u64 {
        let mut opened = open_on(&files, directory).expect("opens");
        let new: Vec<ShardKey> = opened.log.new_shard_keys(3).collect();
        commit(
            &mut opened,
            new.iter().map(|shard| Change::OpenShard { shard: *shard, class: 24 * (1 + shard.0 as u32 % 3) }).collect(),
        );
        truth.records.extend(new.iter().map(|shard| (shard.0, (0, Vec::new()))));
        for step in 0..40 {
            let mut runs = Vec::new();
            let open: Vec<u64> = truth.records.keys().copied().filter(|key| !closed.contains(key)).collect();
            for key in open.into_iter().filter(|_| dice.below(3) > 0) {
                let mut run = RunBuilder::new(ShardKey(key));
                for _ in 0..=dice.below(3) {
                    id += 1;
                    run.push(Some(&format!("key-{id}")), &record(id, dice.below(250) as usize), RecordFlags::NONE);
                    truth.records.get_mut(&key).expect("there").1.push(id);
                }
                runs.push(run.finish());
            }
            if !runs.is_empty() {
                let answer = opened.log.append(runs);
                opened.writer.turn().expect("writes");
                now(answer).expect("answered").expect("stored");
            }
            if step % 9 == 4 {
                let (key, value) = (format!("key/{opening}/{step}"), record(id, 40));
                truth.catalog.insert(key.clone(), value.clone());
                commit(&mut opened, vec![put(key, value)]);
            }
            // The last opening leaves its records to the log.
            if step % 3 == 0 && (opening < 3 || step < 6) {
                opened.housekeeper.step().expect("keeps house");
            }
        }
        let (first, second) = (new[0].0, new[1].0);
        closed.push(first);
        let below = truth.records[&second].1.len() as u64 / 3;
        truth.records.get_mut(&second).expect("there").0 = below;
        let mut changes =
            vec![Change::CloseShard { shard: ShardKey(first) }, Change::TrimShard { shard: ShardKey(second), below }];
        if opening == 2 {
            let dropped = *truth.records.keys().next().expect("there");
            truth.records.remove(&dropped);
            changes.push(Change::DropShard { shard: ShardKey(dropped) });
        }
        commit(&mut opened, changes);
        opened.writer.close_batch().expect("closes");
    }
    let report = check(&files, directory).expect("checks");
    assert!(report.findings.is_empty() && report.snapshots == 2 && report.segments > 1, "{report:?}");
    assert!(report.batches > 30 && report.generation == 4, "{report:?}");
    truth.end = end_of_log(&load(directory));
    truth
}

/// Where the last batch begins: the one with the highest number.
fn end_of_log(files: &SimFiles) -> (PathBuf, u64) {
    let mut end = (0, PathBuf::new(), 0);
    for path in files.paths_of("log") {
        let contents = files.contents(&path).expect("there");
        for (page, bytes) in contents.chunks_exact(4096).enumerate() {
            if let crate::HeaderAt::Valid(header) = crate::Header::decode(bytes)
                && header.number > end.0
            {
                end = (header.number, path.clone(), page as u64 * 4096);
            }
        }
    }
    (end.1, end.2)
}

/// The directory as a simulated disk.
fn load(directory: &Path) -> SimFiles {
    let (system, sim) = (SystemFiles, SimFiles::new());
    for folder in ["", "log", "objects"] {
        for name in system.list(&directory.join(folder)).expect("lists") {
            let from = directory.join(folder).join(&name);
            if ["log", "objects", "LOCK"].contains(&&*name) {
                continue;
            }
            let source = system.open(&from).expect("opens");
            let bytes = crate::files::read_exact_at(&*source, 0, source.len_bytes().expect("measures") as usize);
            add(&sim, &Path::new(DIRECTORY).join(folder).join(&name), &bytes.expect("reads"));
        }
    }
    sim.crash(Unsynced::Lost)
}

fn add(sim: &SimFiles, path: &Path, bytes: &[u8]) {
    let file = sim.create(path).expect("creates");
    file.write_at(bytes, 0).expect("writes");
    file.sync_data().expect("syncs");
    sim.sync_dir(path.parent().expect("has one")).expect("syncs");
}

/// What was done to a file, and from where to where.
#[derive(Debug)]
struct Wound {
    path: PathBuf,
    from: usize,
    to: usize,
}

fn wound(sim: &SimFiles, dice: &Seeded) -> (String, Vec<Wound>) {
    let paths: Vec<PathBuf> = sim.paths().into_iter().filter(|path| !path.ends_with("LOCK")).collect();
    let logs = sim.paths_of("log");
    let pick = |dice: &Seeded| {
        // Log files are few and the most delicate.
        let among = if dice.below(2) == 0 { &logs } else { &paths };
        among[dice.below(among.len() as u64) as usize].clone()
    };
    let path = pick(dice);
    let contents = sim.contents(&path).expect("there");
    let length = contents.len();
    let from = dice.below(length as u64) as usize;
    let range = |dice: &Seeded| {
        let sectors = 1 + dice.below(if dice.below(4) == 0 { 40 } else { 4 }) as usize;
        let start = from / SECTOR * SECTOR;
        (start, (start + sectors * SECTOR).min(length))
    };
    let put = |contents: Vec<u8>| sim.replace(&path, contents);
    match dice.below(8) {
        0 | 1 => {
            let mut changed = contents;
            let mut wounds = Vec::new();
            for _ in 0..=dice.below(3) {
                let at = dice.below(length as u64) as usize;
                changed[at] ^= 1 << dice.below(8);
                wounds.push(Wound { path: path.clone(), from: at, to: at + 1 });
            }
            put(changed);
            ("flipped".to_owned(), wounds)
        }
        2 => {
            let (from, to) = range(dice);
            let mut changed = contents;
            changed[from..to].fill(0);
            put(changed);
            ("zeroed".to_owned(), vec![Wound { path: path.clone(), from, to }])
        }
        3 => {
            let (from, to) = range(dice);
            let mut changed = contents;
            changed[from..to].iter_mut().for_each(|byte| *byte = dice.next() as u8);
            put(changed);
            ("garbage".to_owned(), vec![Wound { path: path.clone(), from, to }])
        }
        4 => {
            // Sectors that were meant for elsewhere, of the same file or of another.
            let (from, to) = range(dice);
            let other = sim.contents(&pick(dice)).expect("there");
            let start = dice.below(other.len() as u64) as usize / SECTOR * SECTOR;
            let mut changed = contents;
            let theirs = other.iter().copied().skip(start).chain(std::iter::repeat(0));
            changed[from..to].iter_mut().zip(theirs).for_each(|(byte, other)| *byte = other);
            put(changed);
            ("misdirected".to_owned(), vec![Wound { path: path.clone(), from, to }])
        }
        5 => {
            put(contents[..from].to_vec());
            ("cut off".to_owned(), vec![Wound { path: path.clone(), from, to: length }])
        }
        6 => {
            sim.remove(&path).expect("removes");
            sim.sync_dir(path.parent().expect("has one")).expect("syncs");
            ("removed".to_owned(), vec![Wound { path: path.clone(), from: 0, to: length }])
        }
        _ => {
            let other = pick(dice);
            let theirs = sim.contents(&other).expect("there");
            let to = theirs.len();
            put(theirs);
            sim.replace(&other, contents);
            let wounds = vec![Wound { path: path.clone(), from: 0, to: length }, Wound { path: other, from: 0, to }];
            ("swapped".to_owned(), wounds)
        }
    }
}

/// What is not served of each shard: positions, and the errors that named them.
struct Served {
    missing: Vec<(u64, u64)>,
    errors: Vec<String>,
}

/// Reads everything and holds each record to the truth. A wrong one panics.
fn read_all(opened: &Opened, truth: &Truth, context: &str) -> Served {
    let mut served = Served { missing: Vec::new(), errors: Vec::new() };
    for (key, (first, ids)) in &truth.records {
        let Some(info) = opened.log.shard(ShardKey(*key)) else {
            served.missing.extend((*first..ids.len() as u64).map(|position| (*key, position)));
            continue;
        };
        assert!(info.first <= *first, "{context}: shard {key} is trimmed to {}", info.first);
        let mut position = *first;
        while position < info.next {
            match now(opened.log.read(ShardKey(*key), position, 20, 20_000)).expect("no threads") {
                Ok(blocks) => {
                    assert!(!blocks.is_empty(), "{context}: nothing at {position} of shard {key}");
                    for (at, found) in blocks.iter().flat_map(|block| block.records()) {
                        assert_eq!(at, position, "{context}: shard {key} skips");
                        let id = u64::from_le_bytes(found.data[..8].try_into().expect("eight"));
                        assert_eq!(Some(&id), ids.get(at as usize), "{context}: a wrong record at {at} of shard {key}");
                        assert_eq!(found.partition_key, Some(&*format!("key-{id}")), "{context}");
                        assert!(found.data[8..].iter().all(|byte| *byte == id as u8), "{context}: wrong bytes");
                        position = at + 1;
                    }
                }
                Err(ReadError::Damaged { file, first, next, .. }) => {
                    assert!(first == position && next > first, "{context}: {first} to {next} at {position}");
                    let known = next.min(ids.len() as u64);
                    served.missing.extend((first..known).map(|position| (*key, position)));
                    served.errors.push(file);
                    position = next;
                }
                Err(error) => {
                    // A segment that is gone or cut off: the operating system's words. It lasts to the end.
                    served.errors.push(error.to_string());
                    served.missing.extend((position..ids.len() as u64).map(|position| (*key, position)));
                    break;
                }
            }
        }
        // Cut off at the end.
        served.missing.extend((position.max(*first)..ids.len() as u64).map(|position| (*key, position)));
    }
    served
}

fn catalog_of(opened: &Opened) -> BTreeMap<String, Vec<u8>> {
    opened.log.scan("").into_iter().map(|(key, value)| (key.as_str().to_owned(), value.value.to_vec())).collect()
}

fn covers(lost: &[Lost], shard: u64, position: u64) -> bool {
    lost.iter().any(|lost| lost.shard == shard && (lost.first..lost.next).contains(&position))
}

fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told which seeds to run")]
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn rot_is_named_and_repaired_and_never_served() {
    let home = tempfile::tempdir().expect("a directory");
    let truth = make(home.path());
    let whole = load(home.path());
    let start = variable("RHEOS_ROT_SEED").unwrap_or(1);
    let seeds = variable("RHEOS_ROT_SEEDS").unwrap_or(SEEDS);
    let (mut refused, mut lossless, mut lossy, mut cuts, mut hopeless) = (0, 0, 0, 0, 0);
    for seed in start..start + seeds {
        let dice = Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let sim = whole.crash(Unsynced::Lost);
        let mut wounds = Vec::new();
        let mut context = format!("RHEOS_ROT_SEED={seed}");
        for _ in 0..=(dice.below(4) / 3) {
            let (how, more) = wound(&sim, &dice);
            context = format!("{context} {how} {more:?}");
            wounds.extend(more);
        }
        let files: Arc<dyn Files> = Arc::new(sim.clone());
        let directory = Path::new(DIRECTORY);
        let end_wounded = wounds.iter().any(|wound| {
            wound.path == truth.end.0 && wound.from < truth.end.1 as usize + 4096 && wound.to > truth.end.1 as usize
        });

        // A check reads what a start would, and more.
        let found = check(&files, directory);
        let is_clean = found.as_ref().is_ok_and(|report| report.findings.is_empty());
        let healthy_disk = sim.crash(Unsynced::Lost);
        match open_on(&(Arc::new(healthy_disk) as Arc<dyn Files>), directory) {
            Ok(opened) => {
                let served = read_all(&opened, &truth, &context);
                assert!(catalog_of(&opened) == truth.catalog, "{context}: the catalog");
                let silent = served.errors.is_empty() && !served.missing.is_empty();
                assert!(!silent || end_wounded, "{context}: {:?} are missing in silence", served.missing);
                assert!(!is_clean || served.errors.is_empty(), "{context}: checked clean, and {:?}", served.errors);
            }
            Err(error) => {
                refused += 1;
                assert!(!is_clean, "{context}: checked clean, and refused: {error}");
                let said = error.to_string();
                let names = wounds.iter().any(|wound| said.contains(wound.path.file_name().unwrap().to_str().unwrap()));
                assert!(names || said.contains("the log") || said.contains("the root"), "{context}: {said}");
            }
        }

        let plan = match Repair::plan(&files, directory, &mut |_| Ok(()), &mut |_| {}) {
            Ok(plan) => plan,
            Err(RepairError::Hopeless { .. }) => {
                assert!(wounds.len() > 1, "{context}: nothing single is without hope");
                hopeless += 1;
                continue;
            }
            Err(RepairError::Open(error)) => {
                // Swapped with a file that is no such file: refused with its name.
                panic!("{context}: {error}");
            }
            Err(error) => panic!("{context}: {error}"),
        };
        assert_eq!(plan.is_needed().expect("reads"), !is_clean, "{context}: {:?}", plan.what().findings());
        if is_clean {
            continue;
        }
        let (lost, cut) = (plan.what().lost_now(), plan.what().cut().cloned());
        let changes_lost = !plan.what().changes_lost().is_empty();
        plan.apply("repaired-1", &mut |_| {}).unwrap_or_else(|error| panic!("{context}: {error}"));
        let disk: Arc<dyn Files> = Arc::new(sim.crash(Unsynced::Lost));
        let mut opened = open_on(&disk, directory).unwrap_or_else(|error| panic!("{context}: repaired, and {error}"));
        let served = read_all(&opened, &truth, &context);
        for (shard, position) in &served.missing {
            assert!(
                covers(&lost, *shard, *position) || end_wounded || cut.is_some() || changes_lost,
                "{context}: {position} of shard {shard} is lost, and nobody said so: {lost:?}"
            );
        }
        if !end_wounded && cut.is_none() && !changes_lost {
            assert_eq!(catalog_of(&opened), truth.catalog, "{context}: the catalog");
        }
        if served.missing.is_empty() {
            lossless += 1
        } else {
            lossy += 1
        }
        cuts += u64::from(cut.is_some());
        // It goes on.
        commit(&mut opened, vec![put("after".to_owned(), vec![1])]);
        opened.housekeeper.step().expect("keeps house");
        drop(opened);
        open_on(&disk, directory).unwrap_or_else(|error| panic!("{context}: went on, and {error}"));
    }
    println!(
        "{seeds} seeds: {refused} refused by a start; repaired: {lossless} without loss, {lossy} with a loss that was named ({cuts} cut); {hopeless} without hope"
    );
}

/// A repair that a power cut ends at any of its operations is finished by the next one, with the same outcome, and nobody
/// opens the directory meanwhile as if it were whole.
#[test]
fn a_repair_survives_a_power_cut_at_any_operation() {
    let home = tempfile::tempdir().expect("a directory");
    let truth = make(home.path());
    let whole = load(home.path());
    let directory = Path::new(DIRECTORY);
    // A batch in the middle of the log, a segment and the manifest: everything is written anew.
    let mut logs = whole.paths_of("log");
    logs.sort();
    let before_last = logs.iter().rev().find(|path| **path < truth.end.0).expect("several");
    whole.flip(before_last, 4 * 4096 + 300, 1);
    let segment = whole.paths_of("segment").into_iter().max().expect("one");
    whole.flip(&segment, whole.contents(&segment).expect("there").len() as u64 / 2, 1);
    whole.flip(&directory.join("MANIFEST"), 30, 1);
    let repair = |sim: &SimFiles| {
        let files: Arc<dyn Files> = Arc::new(sim.clone());
        let plan = Repair::plan(&files, directory, &mut |_| Ok(()), &mut |_| {})?;
        let lost = plan.what().lost_now();
        plan.apply("repaired-1", &mut |_| {}).map(|repaired| (repaired, lost))
    };
    let uncut = whole.crash(Unsynced::Lost);
    let before = uncut.operations();
    let (_, lost) = repair(&uncut).expect("repairs");
    let operations = uncut.operations() - before;
    let manifest = String::from_utf8(uncut.contents(&directory.join("MANIFEST")).expect("there")).expect("text");
    assert!(manifest.contains("{\"format\":2"), "what stays and what is new stand in no order: {manifest}");
    let opened = open_on(&(Arc::new(uncut.crash(Unsynced::Lost)) as Arc<dyn Files>), directory).expect("opens");
    let missing = read_all(&opened, &truth, "uncut").missing;
    assert!(operations > 30 && !missing.is_empty() && !lost.is_empty(), "{operations} {missing:?}");
    for at in 1..=operations {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(at)] {
            let context = format!("operation {at}, {unsynced:?}");
            let disk = whole.crash(Unsynced::Lost);
            disk.crash_at(disk.operations() + at);
            assert!(repair(&disk).is_err(), "{context}: the power was cut");
            let disk = disk.crash(unsynced);
            let opened = open_on(&(Arc::new(disk.crash(Unsynced::Lost)) as Arc<dyn Files>), directory);
            assert!(opened.is_err() || at == operations, "{context}: opened in the middle");
            let again =
                Repair::plan(&(Arc::new(disk.clone()) as Arc<dyn Files>), directory, &mut |_| Ok(()), &mut |_| {});
            let again = again.unwrap_or_else(|error| panic!("{context}: {error}"));
            if again.is_needed().expect("reads") {
                again.apply("repaired-2", &mut |_| {}).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            let disk = disk.crash(Unsynced::Lost);
            let opened = open_on(&(Arc::new(disk.clone()) as Arc<dyn Files>), directory);
            let opened = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(read_all(&opened, &truth, &context).missing, missing, "{context}");
            if unsynced != Unsynced::Torn(at) {
                // The old bytes are kept, under the name that the first attempt gave them if it came that far.
                let kept = disk.paths().into_iter().filter(|path| path.ends_with(logs[0].file_name().expect("one")));
                assert_eq!(kept.count(), 1, "{context}: {:?}", disk.paths());
            }
        }
    }
}
