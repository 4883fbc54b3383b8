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

fn on_demand(name: &str, members: Value) -> Value {
    let mut body = json!({"StreamName": name, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

async fn summary(server: &TestServer, stream: &str) -> Value {
    server.ok("DescribeStreamSummary", &json!({"StreamName": stream})).await["StreamDescriptionSummary"].clone()
}

#[tokio::test]
async fn records_without_keys_are_spread_and_come_back_without() {
    let server = TestServer::start().await;
    server.ok("CreateStream", &on_demand("d", json!({"RecordDistributionStrategy": "AUTO"}))).await;
    server.wait_until_active("d").await;
    assert_eq!(summary(&server, "d").await["RecordDistributionStrategy"], "AUTO");
    let put = json!({"StreamName": "d", "Data": "YQ=="});
    let mut shards = Vec::new();
    for _ in 0..8 {
        shards.push(server.ok("PutRecord", &put).await["ShardId"].as_str().unwrap().to_owned());
    }
    shards.sort();
    assert!(shards.chunks(2).all(|pair| pair[0] == pair[1]) && shards[0] != shards[2], "{shards:?}");
    let too_high = "340282366920938463463374607431768211456";
    let mixed = json!({"StreamName": "d", "Records": [
        {"Data": "YQ==", "PartitionKey": "k", "ExplicitHashKey": too_high}, {"Data": "YQ=="}]});
    assert_eq!(server.ok("PutRecords", &mixed).await["FailedRecordCount"], 0);
    let (_, error) = server.call("PutRecord", &json!({"StreamName": "d", "Data": "YQ==", "DryRun": true})).await;
    assert_eq!(error["__type"], "DryRunOperationException");
    let mut keys = 0;
    for shard in 0..4 {
        let iterator = server.iterator("d", &shard.to_string(), "TRIM_HORIZON").await;
        let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
        keys +=
            read["Records"].as_array().unwrap().iter().filter(|record| record.get("PartitionKey").is_some()).count();
    }
    assert_eq!(keys, 1);

    let strategy = |strategy: &str| json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/d", "RecordDistributionStrategy": strategy});
    server.ok("UpdateStreamRecordDistributionStrategy", &strategy("USER_PARTITION_KEY")).await;
    server.wait_until_active("d").await;
    assert_eq!(summary(&server, "d").await["RecordDistributionStrategy"], "USER_PARTITION_KEY");
    let (_, error) = server.call("PutRecord", &put).await;
    assert_eq!(error["__type"], "ValidationException");
    server.stop().await;
}

#[tokio::test]
async fn the_mode_is_switched_and_the_shards_stay() {
    let server = TestServer::start().await;
    server.create_stream("s", 3).await;
    assert_eq!(summary(&server, "s").await.get("RecordDistributionStrategy"), None);
    let switch = |mode: &str| json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "StreamModeDetails": {"StreamMode": mode}});
    for mode in ["PROVISIONED", "ON_DEMAND", "ON_DEMAND", "PROVISIONED"] {
        server.ok("UpdateStreamMode", &switch(mode)).await;
        server.wait_until_active("s").await;
        let stream = summary(&server, "s").await;
        assert_eq!((&stream["StreamModeDetails"]["StreamMode"], &stream["OpenShardCount"]), (&json!(mode), &json!(3)));
    }
    let (_, error) = server.call("UpdateStreamMode", &switch("ON_DEMAND")).await;
    assert_eq!(error["__type"], "LimitExceededException");
    assert!(error["message"].as_str().unwrap().starts_with("UpdateStreamMode can be called 2 times"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn a_throughput_is_kept_ready() {
    let server = TestServer::start_with(Home::memory(), |config| config.limits = Profile::Open).await;
    server.ok("CreateStream", &on_demand("d", json!({"WarmThroughputMiBps": 6}))).await;
    server.wait_until_active("d").await;
    let warm = |target: u32, current: u32| json!({"TargetMiBps": target, "CurrentMiBps": current});
    let stream = summary(&server, "d").await;
    assert_eq!((&stream["OpenShardCount"], &stream["WarmThroughput"]), (&json!(6), &warm(6, 6)));
    let update = json!({"StreamName": "d", "WarmThroughputMiBps": 9});
    let answer = server.ok("UpdateStreamWarmThroughput", &update).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/d";
    assert_eq!(answer, json!({"StreamName": "d", "StreamARN": arn, "WarmThroughput": warm(9, 6)}));
    server.wait_until_active("d").await;
    assert_eq!(summary(&server, "d").await["WarmThroughput"], warm(9, 9));
    assert_eq!(open_shards(&server, "d").await.len(), 9);
    server.stop().await;
}
