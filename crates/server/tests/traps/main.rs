//! What others have got wrong: each item of three lists has a test here that is named after it. Where a test elsewhere
//! shows the same, and better, `docs/traps.md` names that one; `cargo xtask tidy` checks that every test it names exists.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

mod api_14;
mod clients_a8;
mod users_3;

use std::time::Duration;

use base64_simd::STANDARD;
use rheos_testkit::{Events, Frame, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};

/// The first hash key of the upper half.
const HALF: &str = "170141183460469231731687303715884105728";
const SHARD: &str = "shardId-000000000000";

/// A server without artificial limits, which does not wait for records.
async fn open() -> TestServer {
    open_on(Home::Nowhere).await
}

async fn open_on(home: Home) -> TestServer {
    let configure = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        config.long_poll_ms = 0;
    };
    TestServer::start_with(home, configure).await
}

fn arn(stream: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}")
}

async fn put(server: &TestServer, stream: &str, text: &str) -> Value {
    let body = json!({"StreamName": stream, "PartitionKey": "k", "Data": STANDARD.encode_to_string(text)});
    server.ok("PutRecord", &body).await
}

/// Reads once.
async fn read(server: &TestServer, iterator: &str) -> Value {
    server.ok("GetRecords", &json!({"ShardIterator": iterator})).await
}

/// The data of an answer's records, as texts.
fn data(answer: &Value) -> Vec<String> {
    let text = |record: &Value| {
        let data = STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap();
        String::from_utf8(data).unwrap()
    };
    answer["Records"].as_array().unwrap().iter().map(text).collect()
}

async fn split(server: &TestServer, stream: &str, shard: &str, at: &str) {
    let body = json!({"StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": at});
    server.ok("SplitShard", &body).await;
    server.wait_until_active(stream).await;
}

async fn merge(server: &TestServer, stream: &str, first: &str, second: &str) {
    let body = json!({"StreamName": stream, "ShardToMerge": first, "AdjacentShardToMerge": second});
    server.ok("MergeShards", &body).await;
    server.wait_until_active(stream).await;
}

/// The shards that a filter lets through.
async fn shards(server: &TestServer, stream: &str, filter: Value) -> Vec<Value> {
    let body = json!({"StreamName": stream, "ShardFilter": filter});
    server.ok("ListShards", &body).await["Shards"].as_array().unwrap().clone()
}

fn ids(shards: &[Value]) -> Vec<&str> {
    shards.iter().map(|shard| shard["ShardId"].as_str().unwrap()).collect()
}

/// Asserts that shards cover every hash key exactly once.
fn assert_covers(shards: &[Value]) {
    let bound = |shard: &Value, end: &str| -> u128 { shard["HashKeyRange"][end].as_str().unwrap().parse().unwrap() };
    let mut ranges: Vec<_> =
        shards.iter().map(|shard| (bound(shard, "StartingHashKey"), bound(shard, "EndingHashKey"))).collect();
    ranges.sort_unstable();
    assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX), "{shards:?}");
    assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{shards:?}");
}

/// The code and the message of a call that is refused.
async fn refused(server: &TestServer, operation: &str, body: &Value) -> (String, String) {
    let (status, answer) = server.call(operation, body).await;
    assert_eq!(status, 400, "{operation} {body}: {answer}");
    let text = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
    (text("__type"), text("message"))
}

/// The next frame with something in it.
async fn news(events: &mut Events) -> Frame {
    tokio::time::timeout(Duration::from_secs(20), events.next_news()).await.expect("no news in time").unwrap()
}

/// The next frame of any kind.
async fn frame(events: &mut Events) -> Option<Frame> {
    tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("no frame in time")
}
