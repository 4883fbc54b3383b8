//! A full disk: a small tmpfs in a mount namespace of its own. Writes are refused with a clear error, reads, DeleteStream
//! and shorter retention go on, and writes resume when there is room. Skipped, by name, where namespaces are not allowed.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    reason = "a real process is tested with real time and files"
)]

mod server;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::{Answer, Caller, Server, wait_active};

const DISK: &str = "96m";
/// What can be written before the disk is full is less than its size.
const DISK_BYTES: usize = 96 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    if !namespaces_are_allowed(directory.path()) {
        println!("skipped: a tmpfs cannot be mounted here (`unshare -Urm`)");
        return;
    }
    let server = server_on_small_disk(directory.path());
    let mut caller = server.connect();
    for stream in ["kept", "given-up"] {
        caller.call("CreateStream", &json!({ "StreamName": stream, "ShardCount": 1 })).unwrap().ok();
        wait_active(&mut caller, stream);
    }
    retention(&mut caller, "Increase", 72).ok();
    wait_active(&mut caller, "kept");
    // Half of the disk belongs to a stream that will be deleted.
    let mut written = 0;
    while written < DISK_BYTES / 4 {
        written += put(&mut caller, "given-up").expect("there is room for a quarter");
    }
    let (kept, refusal) = fill(&mut caller, "kept");
    assert!(written + kept < DISK_BYTES);
    check_full(&refusal);
    // Down to the last page of the log file, so that nothing has room by chance.
    let small = json!({ "StreamName": "kept", "PartitionKey": "k", "Data": "eA==" });
    while caller.call("PutRecord", &small).unwrap().status == 200 {}

    // Reads go on, and give all that was acknowledged.
    assert_eq!(read(&mut caller, "kept"), kept);
    caller.call("ListStreams", &json!({})).unwrap().ok();

    // So does what may free space, and what does not is refused.
    check_full(&retention(&mut caller, "Increase", 96));
    for hours in [48, 24] {
        retention(&mut caller, "Decrease", hours).ok();
        wait_active(&mut caller, "kept");
    }
    // What frees space goes on, and frees it.
    caller.call("DeleteStream", &json!({ "StreamName": "given-up" })).unwrap().ok();
    let begun = Instant::now();
    let more = loop {
        match put(&mut caller, "kept") {
            Ok(bytes) => break bytes,
            Err(refusal) => assert!(begun.elapsed() < PATIENCE, "writes do not resume: {refusal:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    println!("full after {} MiB; writes resumed after {:?}", (written + kept) >> 20, begun.elapsed());
    assert_eq!(read(&mut caller, "kept"), kept + more);
    server.kill();
}

/// Whether a user may mount a tmpfs in a namespace of its own.
fn namespaces_are_allowed(directory: &Path) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(directory);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The namespace, and the disk in it, end with the server.
fn server_on_small_disk(directory: &Path) -> Server {
    let disk = directory.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && exec \"$3\" serve --dev --limits open \
                  --transition-ms 1 --memory 128MiB --listen 127.0.0.1:0 --data-dir \"$2/data\"";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script, "sh", DISK]).arg(&disk).arg(env!("CARGO_BIN_EXE_rheos"));
    Server::spawn(command, &directory.join("server.log"))
}

fn check_full(refusal: &Answer) {
    let message = refusal.body["message"].as_str().unwrap_or("");
    assert!(refusal.status == 500 && refusal.body["__type"] == "InternalFailureException", "{refusal:?}");
    assert!(message.starts_with("The disk is full:") && message.contains("Nothing was written"), "{message}");
}

/// Asks for another retention of the stream that is kept.
fn retention(caller: &mut Caller, what: &str, hours: u32) -> Answer {
    let request = json!({ "StreamName": "kept", "RetentionPeriodHours": hours });
    caller.call(&format!("{what}StreamRetentionPeriod"), &request).unwrap()
}

/// Writes a few records: their bytes, or the refusal.
fn put(caller: &mut Caller, stream: &str) -> Result<usize, Answer> {
    const RECORD: usize = 100_000;
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; RECORD]);
    let records: Vec<Value> = (0..5).map(|i| json!({ "PartitionKey": format!("{i}"), "Data": data })).collect();
    let answer = caller.call("PutRecords", &json!({ "StreamName": stream, "Records": records })).unwrap();
    if answer.status != 200 {
        return Err(answer);
    }
    assert_eq!(answer.body["FailedRecordCount"], 0, "{}", answer.body);
    Ok(5 * RECORD)
}

/// Writes until the service refuses for good: the bytes written, and the refusal.
fn fill(caller: &mut Caller, stream: &str) -> (usize, Answer) {
    let mut written = 0;
    loop {
        match put(caller, stream) {
            Ok(bytes) => written += bytes,
            // Throttled: files wait for their segments. The disk may still take them.
            Err(refusal) if refusal.status == 400 => std::thread::sleep(Duration::from_millis(20)),
            Err(refusal) => return (written, refusal),
        }
        assert!(written < DISK_BYTES, "more was taken than there is room for");
    }
}

/// Bytes of all records of the stream's only shard.
fn read(caller: &mut Caller, stream: &str) -> usize {
    let start = json!({ "StreamName": stream, "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = caller.call("GetShardIterator", &start).unwrap().ok()["ShardIterator"].clone();
    let mut bytes = 0;
    loop {
        let page = caller.call("GetRecords", &json!({ "ShardIterator": iterator })).unwrap().ok();
        let records = page["Records"].as_array().unwrap();
        bytes += records.iter().map(|record| record["Data"].as_str().unwrap().len() / 4 * 3).sum::<usize>();
        if records.is_empty() && page["MillisBehindLatest"] == 0 {
            // Base64 of 100,000 bytes has two of padding.
            return bytes / 100_002 * 100_000;
        }
        iterator = page["NextShardIterator"].clone();
    }
}
