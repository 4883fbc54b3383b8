//! Rot of a real data directory, any of its files: a start either refuses and names the file, or serves nothing but true
//! records and says where others are missing; `rheos log check` finds it, `rheos log repair` says first what would be
//! lost, keeps the old bytes, and leaves a directory that is whole.
//!
//! `RHEOS_ROT_SEED` and `RHEOS_ROT_SEEDS` choose the damages. Those of the log alone are counted in thousands in
//! `rheos-log`, `tests/rot.rs`.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    reason = "a real process is tested with real time and files"
)]

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use server::{Caller, Server, wait_active};

const SEEDS: u64 = 24;
const STREAMS: [&str; 2] = ["plain", "sealed"];

/// Of each stream, the data of each record by its sequence number.
type Truth = BTreeMap<&'static str, BTreeMap<String, String>>;

#[test]
fn damage_is_named_and_repaired_and_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    let truth = make(&whole);
    let files = files_of(&whole);
    let first = variable("RHEOS_ROT_SEED").unwrap_or(0);
    let seeds = variable("RHEOS_ROT_SEEDS").unwrap_or(SEEDS);
    let (mut refused, mut served, mut repaired) = (0, 0, 0);
    for seed in first..first + seeds {
        let data = directory.path().join("data");
        copy(&whole, &data);
        // Each file has its turn, however small it is.
        let name = &files[seed as usize % files.len()];
        let how = wound(&data.join(name), seed);
        let context = format!("RHEOS_ROT_SEED={seed} {} {how}", name.display());
        let started = serve(&data);
        match &started {
            Ok(server) => {
                served += 1;
                for stream in STREAMS {
                    let (found, error) = read(&mut server.connect(), stream);
                    let of_stream = &truth[stream];
                    assert!(
                        found.iter().all(|(number, data)| of_stream.get(number) == Some(data)),
                        "{context}: {stream}"
                    );
                    let file = error.as_deref().unwrap_or_default();
                    assert!(
                        found.len() == of_stream.len() || file.contains("objects/"),
                        "{context}: {stream} {error:?}"
                    );
                }
            }
            Err(said) => {
                refused += 1;
                let name = name.file_stem().unwrap().to_str().unwrap();
                assert!(said.contains(name) || said.contains("the log"), "{context}: {said}");
            }
        }
        drop(started);
        let is_of_log = name.starts_with("log") || name.starts_with("objects") || name.ends_with("MANIFEST");
        if !is_of_log {
            // What the log does not know is repaired by nobody: it comes from a backup.
            let _ = std::fs::remove_dir_all(&data);
            continue;
        }

        // As if nobody had started it.
        copy(&whole, &data);
        wound(&data.join(name), seed);
        let check = rheos(&["log", "check", "--data-dir"], &data);
        let is_clean = check.status.success();
        let findings: Value = serde_json::from_slice(&check.stdout).unwrap();
        assert_eq!(is_clean, findings["findings"].as_array().unwrap().is_empty(), "{context}");
        let before = state_of(&data);
        let told = rheos(&["log", "repair", "--dry-run", "--data-dir"], &data);
        assert!(told.status.success(), "{context}: {}", String::from_utf8_lossy(&told.stderr));
        let unasked = rheos(&["log", "repair", "--data-dir"], &data);
        assert_eq!(unasked.status.code(), Some(if is_clean { 0 } else { 2 }), "{context}: nobody can be asked");
        assert!(before == state_of(&data), "{context}: nothing is changed unasked");
        let repair = rheos(&["log", "repair", "--yes", "--data-dir"], &data);
        assert!(repair.status.success(), "{context}: {}", String::from_utf8_lossy(&repair.stderr));
        let check = rheos(&["log", "check", "--data-dir"], &data);
        assert!(check.status.success(), "{context}: {}", String::from_utf8_lossy(&check.stdout));
        if is_clean {
            assert!(before == state_of(&data), "{context}: a healthy directory is left alone");
            continue;
        }
        repaired += 1;
        let plan: Value = serde_json::from_slice(&told.stdout).unwrap();
        let lost = plan["lost"].as_array().unwrap();
        let server = serve(&data).unwrap_or_else(|said| panic!("{context}: repaired, and {said}"));
        for stream in STREAMS {
            let (found, error) = read(&mut server.connect(), stream);
            assert!(found.iter().all(|(number, data)| truth[stream].get(number) == Some(data)), "{context}: {stream}");
            let is_named = lost.iter().any(|lost| lost["shard"].as_str().is_some_and(|name| name.starts_with(stream)));
            assert!(found.len() == truth[stream].len() || is_named, "{context}: {stream} {error:?} {plan}");
        }
        put(&mut server.connect(), "plain", "afterwards", 10);
        server.kill();
        let kept = files_of(&data).into_iter().filter(|kept| kept.to_str().unwrap().starts_with("repaired-"));
        let aside = kept.filter(|path| path.file_name() == name.file_name()).count();
        assert!(aside == 1 || data.join(name).exists() || how == "removed", "{context}: the old bytes are kept");
        let _ = std::fs::remove_dir_all(&data);
    }
    println!(
        "{seeds} damages: {refused} refused by a start, {served} served without a wrong record; {repaired} repaired"
    );
    assert!(seeds < SEEDS || (refused > 3 && served > 3 && repaired > 3));
}

/// A directory with a segment, snapshots, log files, keys and sealed records. The last batches have nothing that is looked
/// for: rot of the very last one cannot be told from a write that a crash cut off.
fn make(data: &Path) -> Truth {
    let server = Server::spawn(command(data), &data.with_extension("log"));
    let mut caller = server.connect();
    for stream in STREAMS.into_iter().chain(["end"]) {
        caller.call("CreateStream", &json!({ "StreamName": stream, "ShardCount": 1 })).unwrap().ok();
        wait_active(&mut caller, stream);
    }
    let key = json!({ "StreamName": "sealed", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis" });
    caller.call("StartStreamEncryption", &key).unwrap().ok();
    wait_active(&mut caller, "sealed");
    for number in 0..50 {
        put(&mut caller, "sealed", &format!("{number}"), 100);
        put(&mut caller, "plain", &format!("{number}"), 90_000);
    }
    let begun = Instant::now();
    while !files_of(data).iter().any(|path| path.extension().is_some_and(|extension| extension == "segment")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no segment is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    for number in 50..90 {
        put(&mut caller, "sealed", &format!("{number}"), 100);
        put(&mut caller, "plain", &format!("{number}"), 1000);
    }
    let truth = STREAMS.into_iter().map(|stream| (stream, read(&mut caller, stream).0)).collect();
    for number in 0..5 {
        put(&mut caller, "end", &format!("{number}"), 10);
    }
    server.kill();
    // Zeros that were never written to: a large file to copy, with nothing in it.
    for spare in files_of(data).into_iter().filter(|path| path.starts_with("log") && path.extension().is_none()) {
        std::fs::remove_file(data.join(spare)).unwrap();
    }
    truth
}

fn put(caller: &mut Caller, stream: &str, text: &str, fill: usize) {
    let data = base64_simd::STANDARD.encode_to_string(format!("{stream} {text} {}", "x".repeat(fill)));
    caller.call("PutRecord", &json!({ "StreamName": stream, "PartitionKey": text, "Data": data })).unwrap().ok();
}

/// All records of a stream's only shard, up to an error.
fn read(caller: &mut Caller, stream: &str) -> (BTreeMap<String, String>, Option<String>) {
    let start = json!({ "StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = caller.call("GetShardIterator", &start).unwrap().ok()["ShardIterator"].clone();
    let mut found = BTreeMap::new();
    loop {
        let page = caller.call("GetRecords", &json!({ "ShardIterator": iterator })).unwrap();
        if page.status != 200 {
            return (found, Some(page.body.to_string()));
        }
        for record in page.body["Records"].as_array().unwrap() {
            if record["PartitionKey"] != "afterwards" {
                let text = |member: &str| record[member].as_str().unwrap().to_owned();
                found.insert(text("SequenceNumber"), text("Data"));
            }
        }
        if page.body["MillisBehindLatest"] == 0 {
            return (found, None);
        }
        iterator = page.body["NextShardIterator"].clone();
    }
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rheos"));
    command.args(["serve", "--limits", "open", "--dev", "--transition-ms", "1", "--listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data);
    command
}

/// Starts a server: or what it says when it refuses.
fn serve(data: &Path) -> Result<Server, String> {
    Server::try_spawn(command(data), &data.with_extension("log"))
}

fn rheos(arguments: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rheos")).args(arguments).arg(data).stdin(Stdio::null()).output().unwrap()
}

/// Flips a bit, zeroes a stretch, cuts the end off or removes the file: what was done.
fn wound(path: &Path, seed: u64) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    // Where something is: log files end in zeros.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = (mixed >> 8) as usize % end;
    let what = match mixed % 6 {
        0..3 => {
            bytes[at] ^= 1 << (mixed % 8);
            format!("flipped at {at}")
        }
        3 => {
            let to = end.min(at + 5000);
            bytes[at..to].fill(0);
            format!("zeroed from {at} to {to}")
        }
        4 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        _ => {
            std::fs::remove_file(path).unwrap();
            return "removed".to_owned();
        }
    };
    std::fs::write(path, bytes).unwrap();
    what
}

/// Every file below a directory, in order, but the lock.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(directory.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false if entry.file_name() != "LOCK" => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// When each file was written last, and its length.
fn state_of(directory: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let files = files_of(directory).into_iter().map(|path| {
        let metadata = std::fs::metadata(directory.join(&path)).unwrap();
        (path, metadata.len(), metadata.modified().unwrap())
    });
    files.collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for file in files_of(from) {
        std::fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}
