//! What is set on a stream, and everything that a description of it has.

use rheos_testkit::{Home, TestServer};
use serde_json::json;

#[tokio::test]
async fn metrics_of_shards_are_set_and_shown() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 1).await;
    let set = |metrics: &[&str]| json!({"StreamName": "s", "ShardLevelMetrics": metrics});
    let enabled = server.ok("EnableEnhancedMonitoring", &set(&["OutgoingBytes", "IncomingBytes"])).await;
    assert_eq!(
        enabled,
        json!({"StreamName": "s", "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
               "CurrentShardLevelMetrics": [], "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"]})
    );
    let all = server.ok("EnableEnhancedMonitoring", &set(&["ALL"])).await;
    assert_eq!(all["CurrentShardLevelMetrics"], json!(["IncomingBytes", "OutgoingBytes"]));
    assert_eq!(all["DesiredShardLevelMetrics"].as_array().unwrap().len(), 7);
    let rest = ["IncomingRecords", "OutgoingRecords", "WriteProvisionedThroughputExceeded", "OutgoingBytes"];
    server.ok("DisableEnhancedMonitoring", &set(&rest)).await;
    server.stop().await;
    let server = TestServer::start_with(home, |_| {}).await;
    let left = json!([{"ShardLevelMetrics":
                       ["IncomingBytes", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds"]}]);
    let described = server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    assert_eq!(described["StreamDescription"]["EnhancedMonitoring"], left);
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["EnhancedMonitoring"], left);
    let none = server.ok("DisableEnhancedMonitoring", &set(&["ALL"])).await;
    assert_eq!(none["DesiredShardLevelMetrics"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_takes_larger_records_once_it_is_told_to() {
    let server =
        TestServer::start_with(Home::default(), |config| config.limits = rheos_types::limits::Profile::Open).await;
    server.create_stream("s", 1).await;
    let put = json!({"StreamName": "s", "Data": "A".repeat(2 << 20), "PartitionKey": "k"});
    assert_eq!(server.call("PutRecord", &put).await.1["__type"], "ValidationException");
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    server.ok("UpdateMaxRecordSize", &json!({"StreamARN": arn, "MaxRecordSizeInKiB": 2048})).await;
    server.wait_until_active("s").await;
    server.ok("PutRecord", &put).await;
    server.ok("UpdateMaxRecordSize", &json!({"StreamARN": arn, "MaxRecordSizeInKiB": 2048})).await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["MaxRecordSizeInKiB"], &summary["StreamStatus"]), (&json!(2048), &json!("ACTIVE")));
    for (member, value) in [
        ("ChannelCount", json!(0)),
        ("QueueCount", json!(0)),
        ("ConsumerCount", json!(0)),
        ("EncryptionType", json!("NONE")),
    ] {
        assert_eq!(summary[member], value, "{member}");
    }
    let limits = server.ok("DescribeLimits", &json!({})).await;
    for member in [
        "ShardLimit",
        "OpenShardCount",
        "OnDemandStreamCount",
        "OnDemandStreamCountLimit",
        "ChannelCount",
        "ChannelCountLimit",
    ] {
        assert!(limits[member].is_u64(), "{member}: {limits}");
    }
    server.stop().await;
}
