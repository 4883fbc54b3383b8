//! How many shards a stream has, and who decides about them, over real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use rheos_testkit::{Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};

async fn open_shards(server: &TestServer, stream: &str) -> Vec<Value> {
    let filter = json!({"StreamName": stream, "ShardFilter": {"Type": "AT_LATEST"}});
    server.ok("ListShards", &filter).await["Shards"].as_array().unwrap().clone()
}

fn scaling(target: u32) -> Value {
    json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
}

#[tokio::test]
async fn a_stream_gets_as_many_shards_as_are_wanted_and_keeps_its_records() {
    let server = TestServer::start().await;
    server.create_stream("s", 2).await;
    for key in 0..50 {
        server.ok("PutRecord", &json!({"StreamName": "s", "Data": "YQ==", "PartitionKey": key.to_string()})).await;
    }
    let answer = server.ok("UpdateShardCount", &scaling(3)).await;
    assert_eq!(
        answer,
        json!({"StreamName": "s", "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
               "CurrentShardCount": 2, "TargetShardCount": 3})
    );
    server.wait_until_active("s").await;
    let open = open_shards(&server, "s").await;
    let starts: Vec<_> = open.iter().map(|shard| shard["HashKeyRange"]["StartingHashKey"].as_str().unwrap()).collect();
    let mut starts: Vec<u128> = starts.iter().map(|start| start.parse().unwrap()).collect();
    starts.sort_unstable();
    assert_eq!(starts, [0, u128::MAX / 3, u128::MAX / 3 * 2]);

    // From the first shards on, by what each leads to.
    let (mut left, mut read) = (vec!["shardId-000000000000".to_owned(), "shardId-000000000001".to_owned()], 0);
    let mut seen = Vec::new();
    while let Some(shard) = left.pop() {
        if seen.contains(&shard) {
            continue;
        }
        let iterator = server.iterator("s", &shard, "TRIM_HORIZON").await;
        let answer = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
        read += answer["Records"].as_array().unwrap().len();
        let children = answer["ChildShards"].as_array().cloned().unwrap_or_default();
        assert_eq!(children.is_empty(), answer.get("NextShardIterator").is_some());
        left.extend(children.iter().map(|child| child["ShardId"].as_str().unwrap().to_owned()));
        seen.push(shard);
    }
    assert_eq!(read, 50);
    server.stop().await;
}

#[tokio::test]
async fn the_same_count_is_accepted_and_changes_nothing() {
    let server = TestServer::start().await;
    server.create_stream("s", 2).await;
    for _ in 0..20 {
        let answer = server.ok("UpdateShardCount", &scaling(2)).await;
        assert_eq!((&answer["CurrentShardCount"], &answer["TargetShardCount"]), (&json!(2), &json!(2)));
    }
    let status = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    assert_eq!(status["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE");
    server.stop().await;
}

#[tokio::test]
async fn ten_changes_in_a_day() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    for n in 0..10 {
        server.ok("UpdateShardCount", &scaling(2 - n % 2)).await;
        server.wait_until_active("s").await;
    }
    let (status, error) = server.call("UpdateShardCount", &scaling(2)).await;
    assert_eq!((status, &error["__type"]), (400, &json!("LimitExceededException")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("UpdateShardCount can be called 10 times") && message.contains("Stream s"), "{message}");
    server.clock.advance(24 * 3_600_000);
    server.ok("UpdateShardCount", &scaling(2)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_count_is_finished_by_the_next_start() {
    let home = Home::directory();
    let server = TestServer::start_with(home.clone(), |config| config.limits = Profile::Open).await;
    server.create_stream("s", 3).await;
    server.ok("UpdateShardCount", &scaling(700)).await;
    server.stop().await;
    let server = TestServer::start_with(home, |config| config.limits = Profile::Open).await;
    server.wait_until_active("s").await;
    assert_eq!(open_shards(&server, "s").await.len(), 700);
    server.stop().await;
}
