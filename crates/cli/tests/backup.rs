//! `rheos backup` of a server that is written to as fast as it takes, while its stream is split and merged: everything
//! that was acknowledged before a backup began is readable on a server that is started on what `rheos restore` made of it.
//!
//! `RHEOS_BACKUPS` takes so many. The seed of the writers is that of `history`.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a real process is tested with real time, threads and files"
)]

mod history;
mod server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{
    Dice, Id, Known, STREAM, WRITERS, check_directory, check_everything, check_lineage, reshard, shards, start,
    variable, write,
};
use serde_json::{Value, json};
use server::{Caller, wait_active};

const BACKUPS: u64 = 5;
/// Records that are written between two of them: log files get full, and are used again.
const MORE: usize = 3000;
const SEALED: &str = "sealed";

/// A backup that was restored, and what had been acknowledged before it began.
struct Taken {
    restored: PathBuf,
    before: HashMap<Id, Known>,
}

#[test]
fn a_backup_under_load_has_everything_acknowledged_before_it_began() {
    let backups = variable("RHEOS_BACKUPS").unwrap_or(BACKUPS);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data, &["--transition-ms", "100"]);
    let mut caller = server.connect();
    caller.call("CreateStream", &json!({ "StreamName": STREAM, "ShardCount": 2 })).unwrap().ok();
    wait_active(&mut caller, STREAM);
    put_sealed(&mut caller);

    let sent: Mutex<HashMap<Id, Known>> = Mutex::default();
    let killed = AtomicBool::new(false);
    let mut dice = Dice(7);
    let mut taken = Vec::new();
    let mut reused_bytes = 0;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (address, killed, sent) = (server.address.clone(), &killed, &sent);
            let dice = Dice(writer);
            scope.spawn(move || {
                write(&address, killed, writer, 0, dice, |id, known| {
                    sent.lock().unwrap().insert(id, known);
                });
            });
        }
        for number in 0..backups {
            wait_active(&mut caller, STREAM);
            let written = || sent.lock().unwrap().len();
            let enough = written() + MORE;
            while written() < enough {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(reshard(&mut caller, &mut dice), "a split or a merge is under way in every backup");
            let before = sent.lock().unwrap().clone();
            // Every other one into the place of the first, which has most of it already.
            let place =
                directory.path().join(if number % 2 == 0 { "backup".to_owned() } else { format!("backup-{number}") });
            let said = rheos(&[Path::new("backup"), &data, &place]);
            reused_bytes += said["reused_bytes"].as_u64().unwrap();
            let restored = directory.path().join(format!("restored-{number}"));
            rheos(&[Path::new("restore"), &place, &restored]);
            taken.push(Taken { restored, before });
        }
        killed.store(true, Ordering::SeqCst);
        server.kill();
    });
    assert!(backups < 3 || reused_bytes > 0, "a second backup into one place copies only what is new");

    let sent = sent.into_inner().unwrap();
    let mut of_all = Vec::new();
    for Taken { restored, before } in &taken {
        check_directory(restored);
        let server = start(restored, &["--transition-ms", "1"]);
        // What was acknowledged later may be there or not.
        let known = sent.keys().map(|id| (*id, before.get(id).cloned().unwrap_or(Known::Unknown))).collect();
        let found = check_everything(&server, &known);
        let mut caller = server.connect();
        assert_eq!(read_sealed(&mut caller), "a secret");
        // It is a server like any other.
        let record = json!({ "StreamName": SEALED, "PartitionKey": "k", "Data": "bW9yZQ==" });
        caller.call("PutRecord", &record).unwrap().ok();
        check_lineage(&shards(&mut caller));
        server.kill();
        let acknowledged = before.values().filter(|known| matches!(known, Known::Stored { .. })).count();
        assert!(found >= acknowledged);
        of_all.push((acknowledged, found));
    }
    println!("acknowledged before, and found in the restored directory: {of_all:?}");
    assert!(of_all.windows(2).all(|pair| pair[0].0 < pair[1].0), "writers write while backups are taken: {of_all:?}");
}

/// What a backup or a restore says in a pipe.
fn rheos(arguments: &[&Path]) -> Value {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_rheos")).args(arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).unwrap()
}

/// A stream that can only be read with the key that lies beside the log.
fn put_sealed(caller: &mut Caller) {
    caller.call("CreateStream", &json!({ "StreamName": SEALED, "ShardCount": 1 })).unwrap().ok();
    wait_active(caller, SEALED);
    let key = json!({ "StreamName": SEALED, "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis" });
    caller.call("StartStreamEncryption", &key).unwrap().ok();
    wait_active(caller, SEALED);
    let data = base64_simd::STANDARD.encode_to_string("a secret");
    let record = json!({ "StreamName": SEALED, "PartitionKey": "k", "Data": data });
    caller.call("PutRecord", &record).unwrap().ok();
}

fn read_sealed(caller: &mut Caller) -> String {
    let start = json!({ "StreamName": SEALED, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = caller.call("GetShardIterator", &start).unwrap().ok()["ShardIterator"].clone();
    let page = caller.call("GetRecords", &json!({ "ShardIterator": iterator })).unwrap().ok();
    assert_eq!(page["Records"][0]["EncryptionType"], "KMS");
    let data = page["Records"][0]["Data"].as_str().unwrap();
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(data).unwrap()).unwrap()
}
