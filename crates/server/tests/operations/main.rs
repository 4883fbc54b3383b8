//! Each operation over real HTTP, as a user of it would.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

mod accounts;
mod consumers;
mod ids;
mod members;
mod resources;
mod settings;

use rheos_testkit::{Call, Home, TestServer};
use serde_json::{Value, json};

fn texts<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_stream_from_its_creation_to_its_end() {
    let server = TestServer::start().await;
    let answer = server.send(&Call::new("CreateStream", &json!({"StreamName": "s", "ShardCount": 2}))).await;
    assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (200, 0, "0"));
    server.wait_until_active("s").await;
    let described = server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    let stream = &described["StreamDescription"];
    assert_eq!(stream["StreamARN"], "arn:aws:kinesis:us-east-1:000000000000:stream/s");
    assert_eq!(texts(&stream["Shards"], "ShardId"), ["shardId-000000000000", "shardId-000000000001"]);
    assert_eq!(stream["EncryptionType"], "NONE");
    assert_eq!(stream["EnhancedMonitoring"], json!([{"ShardLevelMetrics": []}]));
    assert_eq!((&stream["HasMoreShards"], &stream["RetentionPeriodHours"]), (&json!(false), &json!(24)));
    assert!(stream["StreamCreationTimestamp"].is_u64(), "seconds: {stream}");
    assert_eq!(stream["Shards"][0]["SequenceNumberRange"].get("EndingSequenceNumber"), None);
    let page = json!({"StreamName": "s", "Limit": 1, "ExclusiveStartShardId": "shardId-000000000000"});
    let page = server.ok("DescribeStream", &page).await;
    assert_eq!(texts(&page["StreamDescription"]["Shards"], "ShardId"), ["shardId-000000000001"]);

    let summary = server.ok("DescribeStreamSummary", &json!({"StreamARN": stream["StreamARN"]})).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["OpenShardCount"], &summary["MaxRecordSizeInKiB"]), (&json!(2), &json!(1024)));
    let limits = server.ok("DescribeLimits", &json!({})).await;
    assert_eq!((&limits["OpenShardCount"], &limits["OnDemandStreamCount"]), (&json!(2), &json!(0)));

    let answer = server.send(&Call::new("DeleteStream", &json!({"StreamName": "s"}))).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let (_, error) = server.call("PutRecord", &json!({"StreamName": "s", "Data": "", "PartitionKey": "k"})).await;
    assert_eq!(error["__type"], "ResourceNotFoundException");
    server.stop().await;
}

#[tokio::test]
async fn streams_are_listed_in_pages_and_each_region_has_its_own() {
    let server = TestServer::start().await;
    for name in ["c", "a", "b"] {
        server.create_stream(name, 1).await;
    }
    let page = server.ok("ListStreams", &json!({"Limit": 2})).await;
    assert_eq!((&page["StreamNames"], &page["HasMoreStreams"]), (&json!(["a", "b"]), &json!(true)));
    assert_eq!(page["StreamSummaries"][0]["StreamStatus"], "ACTIVE");
    let rest = server.ok("ListStreams", &json!({"NextToken": page["NextToken"]})).await;
    assert_eq!((&rest["StreamNames"], rest.get("NextToken")), (&json!(["c"]), None));
    let rest = server.ok("ListStreams", &json!({"ExclusiveStartStreamName": "b"})).await;
    assert_eq!(rest["StreamNames"], json!(["c"]));
    let elsewhere = server.send(&Call::new("ListStreams", &json!({})).region("eu-central-1")).await;
    assert_eq!(elsewhere.json()["StreamNames"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn records_come_back_as_they_were_put() {
    let server = TestServer::start_with(Home::directory(), |_| {}).await;
    server.create_stream("s", 1).await;
    let put = json!({"StreamName": "s", "Data": "aGVsbG8=", "PartitionKey": "k\"ey\u{e9}"});
    let put = server.ok("PutRecord", &put).await;
    assert_eq!(put["ShardId"], "shardId-000000000000");
    assert_eq!(put.get("EncryptionType"), None);
    let records: Vec<_> = (0..500).map(|n| json!({"Data": "AAECAw==", "PartitionKey": n.to_string()})).collect();
    let many = server.ok("PutRecords", &json!({"StreamName": "s", "Records": records})).await;
    assert_eq!((&many["FailedRecordCount"], many["Records"].as_array().unwrap().len()), (&json!(0), 500));

    let iterator = server.iterator("s", "shardId-000000000000", "TRIM_HORIZON").await;
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator, "Limit": 3})).await;
    let first = &read["Records"][0];
    assert_eq!((&first["Data"], &first["PartitionKey"]), (&json!("aGVsbG8="), &json!("k\"ey\u{e9}")));
    assert_eq!(first["SequenceNumber"], put["SequenceNumber"]);
    assert!(first["ApproximateArrivalTimestamp"].as_f64().unwrap() > 1.7e9);
    assert_eq!(read["Records"].as_array().unwrap().len(), 3);
    let rest = server.ok("GetRecords", &json!({"ShardIterator": read["NextShardIterator"]})).await;
    assert_eq!(rest["Records"].as_array().unwrap().len(), 498);
    assert_eq!(rest["MillisBehindLatest"], 0);
    let last = rest["Records"][497]["SequenceNumber"].as_str().unwrap();

    for (kind, number, expected) in
        [("AT_SEQUENCE_NUMBER", put["SequenceNumber"].as_str().unwrap(), 501), ("AFTER_SEQUENCE_NUMBER", last, 0)]
    {
        let body =
            json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": kind, "StartingSequenceNumber": number});
        let iterator = server.ok("GetShardIterator", &body).await["ShardIterator"].clone();
        let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
        assert_eq!(read["Records"].as_array().unwrap().len(), expected, "{kind}");
    }
    server.stop().await;
}

#[tokio::test]
async fn iterators_by_time_and_at_the_tip() {
    let server =
        TestServer::start_with(Home::default(), |config| config.limits = rheos_types::limits::Profile::Open).await;
    server.create_stream("s", 1).await;
    let latest = server.iterator("s", "0", "LATEST").await;
    server.ok("PutRecord", &json!({"StreamName": "s", "Data": "YQ==", "PartitionKey": "k"})).await;
    let read = server.ok("GetRecords", &json!({"ShardIterator": latest})).await;
    assert_eq!(read["Records"][0]["Data"], "YQ==");
    let at =
        |time: f64| json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time});
    let arrived = read["Records"][0]["ApproximateArrivalTimestamp"].as_f64().unwrap();
    let iterator = server.ok("GetShardIterator", &at(arrived)).await["ShardIterator"].clone();
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(read["Records"].as_array().unwrap().len(), 1);
    // Nothing at or after the time: an iterator all the same.
    server.clock.advance(2000);
    let iterator = server.ok("GetShardIterator", &at(arrived + 1.0)).await["ShardIterator"].clone();
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(read["Records"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn shards_split_and_merge_and_readers_are_led_on() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let half = "170141183460469231731687303715884105728";
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": half});
    server.ok("SplitShard", &split).await;
    server.wait_until_active("s").await;
    let all = server.ok("ListShards", &json!({"StreamName": "s"})).await;
    assert_eq!(all["Shards"].as_array().unwrap().len(), 3);
    assert_eq!(all["Shards"][1]["ParentShardId"], "shardId-000000000000");
    let parent = server.iterator("s", "shardId-000000000000", "TRIM_HORIZON").await;
    let end = server.ok("GetRecords", &json!({"ShardIterator": parent})).await;
    assert_eq!(end.get("NextShardIterator"), None);
    assert_eq!(texts(&end["ChildShards"], "ShardId"), ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(end["ChildShards"][1]["HashKeyRange"]["StartingHashKey"], half);
    assert_eq!(end["ChildShards"][0]["ParentShards"], json!(["shardId-000000000000"]));

    let merge = json!({"StreamName": "s", "ShardToMerge": "shardId-000000000001",
                       "AdjacentShardToMerge": "shardId-000000000002"});
    server.ok("MergeShards", &merge).await;
    server.wait_until_active("s").await;
    let filter = |kind: &str| json!({"StreamName": "s", "ShardFilter": {"Type": kind}});
    let open = server.ok("ListShards", &filter("AT_LATEST")).await;
    assert_eq!(texts(&open["Shards"], "ShardId"), ["shardId-000000000003"]);
    assert_eq!(open["Shards"][0]["AdjacentParentShardId"], "shardId-000000000002");
    let after =
        json!({"StreamName": "s", "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}});
    let after = server.ok("ListShards", &after).await;
    assert_eq!(texts(&after["Shards"], "ShardId"), ["shardId-000000000002", "shardId-000000000003"]);
    let page = server.ok("ListShards", &json!({"StreamName": "s", "MaxResults": 3})).await;
    let rest = server.ok("ListShards", &json!({"NextToken": page["NextToken"]})).await;
    assert_eq!(texts(&rest["Shards"], "ShardId"), ["shardId-000000000003"]);
    assert_eq!(rest.get("NextToken"), None);
    server.stop().await;
}

#[tokio::test]
async fn tags_and_retention() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    server.ok("AddTagsToStream", &json!({"StreamName": "s", "Tags": {"b": "2", "a": "1", "c": ""}})).await;
    let page = server.ok("ListTagsForStream", &json!({"StreamName": "s", "Limit": 2})).await;
    assert_eq!(page, json!({"HasMoreTags": true, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}));
    server.ok("RemoveTagsFromStream", &json!({"StreamName": "s", "TagKeys": ["a", "nobody"]})).await;
    let rest = server.ok("ListTagsForStream", &json!({"StreamName": "s", "ExclusiveStartTagKey": "b"})).await;
    assert_eq!(rest, json!({"HasMoreTags": false, "Tags": [{"Key": "c", "Value": ""}]}));

    let hours = |hours: u32| json!({"StreamName": "s", "RetentionPeriodHours": hours});
    server.ok("IncreaseStreamRetentionPeriod", &hours(48)).await;
    server.wait_until_active("s").await;
    server.ok("DecreaseStreamRetentionPeriod", &hours(30)).await;
    server.wait_until_active("s").await;
    let described = server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    assert_eq!(described["StreamDescription"]["RetentionPeriodHours"], 30);
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_have_happened_and_does_nothing() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let put = json!({"StreamName": "s", "Data": "YQ==", "PartitionKey": "k", "DryRun": true});
    let (status, error) = server.call("PutRecord", &put).await;
    assert_eq!((status, &error["__type"]), (400, &json!("DryRunOperationException")));
    let records = json!({"StreamName": "s", "DryRun": true, "Records": [{"Data": "YQ==", "PartitionKey": "k"}]});
    assert_eq!(server.call("PutRecords", &records).await.1["__type"], "DryRunOperationException");
    let put = json!({"StreamName": "nobody", "Data": "YQ==", "PartitionKey": "k", "DryRun": true});
    assert_eq!(server.call("PutRecord", &put).await.1["__type"], "ResourceNotFoundException");
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    let read = json!({"ShardIterator": iterator, "DryRun": true});
    assert_eq!(server.call("GetRecords", &read).await.1["__type"], "DryRunOperationException");
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(read["Records"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_shards_limit_is_told_record_by_record() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let data = "A".repeat(400 << 10);
    let record = json!({"Data": data, "PartitionKey": "k"});
    let put = json!({"StreamName": "s", "Records": [record, record, record, record, record, record]});
    let answer = server.ok("PutRecords", &put).await;
    let failed = answer["FailedRecordCount"].as_u64().unwrap();
    assert!((1..6).contains(&failed), "{failed}");
    let last = &answer["Records"][5];
    assert_eq!(last["ErrorCode"], "ProvisionedThroughputExceededException");
    assert_eq!(
        last["ErrorMessage"],
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
    );
    assert_eq!((last.get("ShardId"), last.get("SequenceNumber")), (None, None));
    server.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_and_handed_out_survives_a_restart() {
    let home = Home::directory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    server.create_stream("s", 1).await;
    let put = server.ok("PutRecord", &json!({"StreamName": "s", "Data": "YQ==", "PartitionKey": "k"})).await;
    let iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    server.stop().await;
    let server = TestServer::start_with(home, |_| {}).await;
    let read = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(read["Records"][0]["SequenceNumber"], put["SequenceNumber"]);
    server.stop().await;
}
