//! Every format that was ever written to a disk is opened, for ever: `formats/` has data directories of the versions that
//! introduced one, with what their own server said about them.
//!
//! A new one, when a format changes, from the version that writes it first:
//! `RHEOS_FIXTURE=NAME cargo test --package rheos-server --test formats`.

#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use rheos_log::files::{Files, SystemFiles};
use rheos_testkit::{Home, TestClock, TestServer};
use rheos_types::Clock;
use rheos_types::limits::Profile;
use serde_json::{Value, json};

/// Small, so that segments, snapshots and files that are used again come with little data.
const LOG_FILE_BYTES: u64 = 256 << 10;
const FILLER_BYTES: usize = 60_000;
const RETENTION_HOURS: u32 = 48;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

async fn start(home: &Home, clock: TestClock) -> TestServer {
    let configure = |config: &mut rheos_server::Config| config.limits = Profile::Open;
    let started = TestServer::try_start_on(home.clone(), clock, Some(LOG_FILE_BYTES), configure);
    started.await.expect("the server opens it")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_that_was_ever_written_is_opened() {
    if let Ok(name) = std::env::var("RHEOS_FIXTURE") {
        make(&name).await;
    }
    let listed = std::fs::read_dir(folder()).expect("fixtures").map(|entry| entry.expect("an entry").path());
    let archives: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|ext| ext == "tgz")).collect();
    assert!(archives.len() >= 3, "fixtures are never removed: {archives:?}");
    for archive in archives {
        let said = std::fs::read(archive.with_extension("json")).expect("what its server said");
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(directory.path()).status();
        assert!(unpacked.expect("tar runs").success());

        let files: Arc<dyn Files> = Arc::new(SystemFiles);
        let report = rheos_log::check(&files, &directory.path().join("data")).expect("a check");
        assert_eq!(report.findings, [], "{}", archive.display());

        let made_ms = said["made_ms"].as_u64().expect("a time");
        let (home, clock) = (Home::Directory(directory), TestClock::starting_at(made_ms + 60_000));
        let server = start(&home, clock.clone()).await;
        let found = describe(&server).await;
        assert_has(&found, &said["streams"], &archive.display().to_string());
        put(&server, "orders", "after", 10).await;
        server.stop().await;

        let server = start(&home, clock).await;
        let found = describe(&server).await;
        let after: Vec<&Value> = records(&found["orders"]).filter(|record| record["PartitionKey"] == "after").collect();
        assert_eq!(after.len(), 1, "it goes on: {}", archive.display());
        assert_eq!(records(&found["orders"]).count(), records(&said["streams"]["orders"]).count() + 1);
        server.stop().await;
    }
}

fn records(stream: &Value) -> impl Iterator<Item = &Value> {
    stream["records"].as_object().expect("shards").values().flat_map(|of| of.as_array().expect("records"))
}

/// Later versions say more, never anything else.
fn assert_has(found: &Value, wanted: &Value, at: &str) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for (member, wanted) in wanted {
                assert_has(found.get(member).unwrap_or(&Value::Null), wanted, &format!("{at}.{member}"));
            }
        }
        (Value::Array(found), Value::Array(wanted)) => {
            assert_eq!(found.len(), wanted.len(), "{at}");
            found.iter().zip(wanted).enumerate().for_each(|(n, (found, wanted))| {
                assert_has(found, wanted, &format!("{at}[{n}]"));
            });
        }
        _ => assert_eq!(found, wanted, "{at}"),
    }
}

/// Everything that clients see of every stream.
async fn describe(server: &TestServer) -> Value {
    let mut streams = serde_json::Map::new();
    for name in server.ok("ListStreams", &json!({})).await["StreamNames"].as_array().expect("names") {
        let by_name = json!({ "StreamName": name });
        let summary = server.ok("DescribeStreamSummary", &by_name).await["StreamDescriptionSummary"].clone();
        let by_arn = json!({ "StreamARN": summary["StreamARN"] });
        let shards = server.ok("ListShards", &by_name).await["Shards"].clone();
        let mut of_shards = serde_json::Map::new();
        for shard in shards.as_array().expect("shards") {
            let id = shard["ShardId"].as_str().expect("an id");
            of_shards.insert(id.to_owned(), read(server, name.as_str().expect("a name"), id).await);
        }
        let described = json!({
            "summary": summary,
            "shards": shards,
            "tags": server.ok("ListTagsForStream", &by_name).await["Tags"],
            "consumers": server.ok("ListStreamConsumers", &by_arn).await["Consumers"],
            "policy": server.ok("GetResourcePolicy", &json!({ "ResourceARN": summary["StreamARN"] })).await["Policy"],
            "records": of_shards,
        });
        streams.insert(name.as_str().expect("a name").to_owned(), described);
    }
    streams.into()
}

/// The records of a shard, the fill of their data as its length.
async fn read(server: &TestServer, stream: &str, shard: &str) -> Value {
    let mut records = Vec::new();
    let mut iterator = json!(server.iterator(stream, shard, "TRIM_HORIZON").await);
    while !iterator.is_null() {
        let page = server.ok("GetRecords", &json!({ "ShardIterator": iterator })).await;
        let found = page["Records"].as_array().expect("records");
        if found.is_empty() && page["MillisBehindLatest"] == 0 {
            break;
        }
        records.extend(found.iter().cloned().map(|mut record| {
            let data = STANDARD.decode_to_vec(record["Data"].as_str().expect("data")).expect("base64");
            let data = String::from_utf8(data).expect("text");
            let text = data.trim_end_matches('x');
            record["Data"] = json!([text, data.len() - text.len()]);
            record
        }));
        iterator = page["NextShardIterator"].clone();
    }
    records.into()
}

async fn put(server: &TestServer, stream: &str, key: &str, fill: usize) {
    let data = STANDARD.encode_to_string(format!("{stream} {key} {}", "x".repeat(fill)));
    server.ok("PutRecord", &json!({ "StreamName": stream, "PartitionKey": key, "Data": data })).await;
}

/// Makes a fixture of what this version writes: everything that the catalog knows, records in segments (merged ones among
/// them), in log files that have been used again, and in the last one, which was not closed.
async fn make(name: &str) {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let home = Home::Directory(directory.clone());
    let server = start(&home, TestClock::default()).await;
    for (stream, shards) in [("orders", 3), ("sealed", 1), ("given-up", 2)] {
        server.create_stream(stream, shards).await;
    }
    let by_name = |members: Value| {
        let mut body = json!({ "StreamName": "orders" });
        body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        body
    };
    let hours = json!({ "RetentionPeriodHours": RETENTION_HOURS });
    server.ok("IncreaseStreamRetentionPeriod", &by_name(hours)).await;
    server.wait_until_active("orders").await;
    server.ok("AddTagsToStream", &by_name(json!({ "Tags": { "team": "ops", "empty": "" } }))).await;
    let metrics = json!({ "ShardLevelMetrics": ["IncomingBytes"] });
    server.ok("EnableEnhancedMonitoring", &by_name(metrics)).await;
    server.wait_until_active("orders").await;
    server.consumer("orders", "reader").await;
    let summary = server.ok("DescribeStreamSummary", &by_name(json!({}))).await;
    let arn = &summary["StreamDescriptionSummary"]["StreamARN"];
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Resource": arn,
        "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kinesis:GetRecords" }] });
    server.ok("PutResourcePolicy", &json!({ "ResourceARN": arn, "Policy": policy.to_string() })).await;
    let key = json!({ "StreamName": "sealed", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis" });
    put(&server, "sealed", "in the clear", 10).await;
    server.ok("StartStreamEncryption", &key).await;
    server.wait_until_active("sealed").await;

    // Streams that are deleted fill the log files, so that what stays is a little in each segment.
    let mut rounds = 0;
    while rounds < 8 || !is_enough(directory.path()) {
        rounds += 1;
        assert!(rounds < 200, "no segments are merged");
        for number in 0..4 {
            put(&server, "orders", &format!("key-{rounds}-{number}"), number * 7).await;
        }
        put(&server, "sealed", &format!("key-{rounds}"), 5).await;
        for number in 0..4 {
            put(&server, "given-up", &format!("key-{rounds}-{number}"), FILLER_BYTES).await;
        }
        match rounds {
            3 => {
                let half = (u128::MAX / 6).to_string();
                let split = json!({ "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": half });
                server.ok("SplitShard", &by_name(split)).await;
            }
            6 => {
                let merge =
                    json!({ "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000002" });
                server.ok("MergeShards", &by_name(merge)).await;
            }
            _ => {}
        }
        server.wait_until_active("orders").await;
        // A log that rests writes its segments.
        server.clock.advance(2000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.ok("DeleteStream", &json!({ "StreamName": "given-up" })).await;
    server.stop().await;

    let server = start(&home, TestClock::default()).await;
    put(&server, "orders", "last", 100).await;
    put(&server, "sealed", "last", 100).await;
    // Whatever goes on behind the log has come to rest.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let said = json!({ "made_ms": server.clock.wall_ms(), "streams": describe(&server).await });
    std::fs::create_dir_all(folder()).expect("a folder");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--exclude=data/LOCK", "-czf"]).arg(folder().join(format!("{name}.tgz")));
    assert!(tar.arg("-C").arg(directory.path()).arg("data").status().expect("tar runs").success());
    let text = serde_json::to_string_pretty(&said).expect("JSON") + "\n";
    std::fs::write(folder().join(format!("{name}.json")), text).expect("written");
    server.stop().await;
}

/// Whether the newest root there is has been written, with a few segments in it.
fn is_enough(directory: &Path) -> bool {
    let manifest = std::fs::read_to_string(directory.join("data/MANIFEST")).unwrap_or_default();
    manifest.contains("\"format\":2") && manifest.matches(".segment").count() >= 2
}
