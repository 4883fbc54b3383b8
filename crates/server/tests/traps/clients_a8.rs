//! What the Kinesis Client Library needs of a server, each from its source code (`reference/clients.md` A8).

use std::collections::BTreeSet;

use rheos_testkit::{Home, TestServer};
use rheos_types::Clock;
use serde_json::{Value, json};

use super::{HALF, SHARD, arn, assert_covers, data, frame, ids, merge, news, open, put, read, refused, shards, split};

/// What KCL checks of whatever it reads, an answer or an event: it goes on, or it names children; never both, never neither.
/// Each child has an id, parents and a range.
fn assert_goes_on_or_names_children(answer: &Value, next: &str) {
    let children = answer["ChildShards"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(answer[next].is_null(), !children.is_empty(), "{answer}");
    for child in children {
        assert!(child["ShardId"].is_string() && child["HashKeyRange"]["EndingHashKey"].is_string(), "{child}");
        assert!(!child["ParentShards"].as_array().unwrap().is_empty(), "{child}");
    }
}

/// No next iterator, or no continuation, if and only if there are children; otherwise KCL reads the shard for ever.
#[tokio::test]
async fn clients_a8_01_no_next_iterator_if_and_only_if_there_are_children() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    for text in ["a", "b", "c"] {
        put(&server, "s", text).await;
    }
    let horizon = json!({"Type": "TRIM_HORIZON"});
    let mut events = server.subscribe(&consumer, SHARD, &horizon).await.unwrap();
    assert_goes_on_or_names_children(&news(&mut events).await.payload, "ContinuationSequenceNumber");
    split(&server, "s", "0", HALF).await;
    // One record at a time: the last of them is not the end if the shard has not been seen to end.
    let mut iterator = json!(server.iterator("s", SHARD, "TRIM_HORIZON").await);
    let mut texts = Vec::new();
    let end = loop {
        let answer = server.ok("GetRecords", &json!({"ShardIterator": iterator, "Limit": 1})).await;
        assert_goes_on_or_names_children(&answer, "NextShardIterator");
        texts.extend(data(&answer));
        if answer["NextShardIterator"].is_null() {
            break answer;
        }
        iterator = answer["NextShardIterator"].clone();
    };
    assert_eq!(texts, ["a", "b", "c"]);
    assert_eq!(ids(end["ChildShards"].as_array().unwrap()), ["shardId-000000000001", "shardId-000000000002"]);
    let mut last = None;
    while let Some(event) = frame(&mut events).await {
        assert_goes_on_or_names_children(&event.payload, "ContinuationSequenceNumber");
        last = Some(event.payload);
    }
    assert_eq!(last.unwrap()["ChildShards"], end["ChildShards"]);
    merge(&server, "s", "1", "2").await;
    let end = read(&server, &server.iterator("s", "1", "TRIM_HORIZON").await).await;
    assert_goes_on_or_names_children(&end, "NextShardIterator");
    assert_eq!(end["ChildShards"][0]["ParentShards"], json!(["shardId-000000000001", "shardId-000000000002"]));
    server.stop().await;
}

/// A shard that is closed and read to its end still gives iterators, LATEST too, and they lead to its children.
#[tokio::test]
async fn clients_a8_02_a_closed_shard_still_has_iterators() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let only = put(&server, "s", "only").await["SequenceNumber"].clone();
    split(&server, "s", "0", HALF).await;
    let after = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                       "StartingSequenceNumber": only});
    let after = server.ok("GetShardIterator", &after).await["ShardIterator"].as_str().unwrap().to_owned();
    for iterator in [server.iterator("s", SHARD, "LATEST").await, after] {
        let end = read(&server, &iterator).await;
        assert_eq!((data(&end).len(), end.get("NextShardIterator")), (0, None));
        assert_eq!(end["ChildShards"].as_array().unwrap().len(), 2);
    }
    server.stop().await;
}

/// KCL takes ResourceNotFoundException for the end of a shard: while a stream changes no read may have one.
#[tokio::test]
async fn clients_a8_03_nothing_is_missing_in_between() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let mut iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": HALF});
    server.ok("SplitShard", &split).await;
    let mut reads = 0;
    // From UPDATING to the end of the shard; `read` and `ok` fail on any error.
    let children = loop {
        reads += 1;
        assert!(reads < 10_000, "the split never ends");
        let answer = read(&server, &iterator).await;
        server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
        server.iterator("s", SHARD, "LATEST").await;
        assert_covers(&shards(&server, "s", json!({"Type": "AT_LATEST"})).await);
        match answer["NextShardIterator"].as_str() {
            Some(next) => next.clone_into(&mut iterator),
            None => break answer["ChildShards"].as_array().unwrap().clone(),
        }
    };
    for child in ids(&children) {
        read(&server, &server.iterator("s", child, "TRIM_HORIZON").await).await;
    }
    server.stop().await;
}

/// An iterator that is too old, or none, has the errors that make KCL get another; one read too many, the one to wait for.
#[tokio::test]
async fn clients_a8_04_iterators_fail_by_the_codes_that_are_waited_for() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    let put = put(&server, "s", "seen").await;
    let old = server.iterator("s", SHARD, "LATEST").await;
    server.clock.advance(300_001);
    let get = |iterator: &str| json!({"ShardIterator": iterator});
    assert_eq!(refused(&server, "GetRecords", &get(&old)).await.0, "ExpiredIteratorException");
    assert_eq!(refused(&server, "GetRecords", &get("AAAA")).await.0, "InvalidArgumentException");
    server.clock.stop();
    server.clock.advance(1000);
    let again = json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "AT_SEQUENCE_NUMBER",
                       "StartingSequenceNumber": put["SequenceNumber"]});
    let again = server.ok("GetShardIterator", &again).await["ShardIterator"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        assert_eq!(data(&read(&server, &again).await), ["seen"]);
    }
    let sixth = refused(&server, "GetRecords", &get(&again)).await;
    assert_eq!(sixth.0, "ProvisionedThroughputExceededException");
    server.clock.advance(1000);
    read(&server, &again).await;
    server.stop().await;
}

/// The first leases: what a filter lets through covers every hash key once. A next page is asked for by its token alone.
#[tokio::test]
async fn clients_a8_05_filtered_shards_cover_everything_and_pages_go_by_token() {
    let server = open().await;
    server.create_stream("s", 3).await;
    split(&server, "s", "1", HALF).await;
    server.clock.advance(5_000);
    let now = server.clock.wall_ms() / 1000;
    merge(&server, "s", "0", "3").await;
    for filter in [
        json!({"Type": "AT_LATEST"}),
        json!({"Type": "AT_TRIM_HORIZON"}),
        json!({"Type": "AT_TIMESTAMP", "Timestamp": now}),
    ] {
        assert_covers(&shards(&server, "s", filter).await);
    }
    let mut page = server.ok("ListShards", &json!({"StreamName": "s", "MaxResults": 2})).await;
    let mut seen = BTreeSet::new();
    loop {
        seen.extend(ids(page["Shards"].as_array().unwrap()).into_iter().map(str::to_owned));
        let Some(token) = page["NextToken"].as_str() else { break };
        page = server.ok("ListShards", &json!({"NextToken": token, "MaxResults": 2})).await;
    }
    assert_eq!(seen.len(), 6);
    server.stop().await;
}

/// Its first calls for enhanced fan-out: a consumer that is there already is ResourceInUse and then described; a
/// subscription that is over goes on after its last continuation.
#[tokio::test]
async fn clients_a8_06_consumers_are_found_again_and_go_on() {
    let server = open().await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "application").await;
    let named = json!({"StreamARN": arn("s"), "ConsumerName": "application"});
    assert_eq!(refused(&server, "RegisterStreamConsumer", &named).await.0, "ResourceInUseException");
    let described = server.ok("DescribeStreamConsumer", &named).await;
    let described = &described["ConsumerDescription"];
    assert_eq!((&described["ConsumerARN"], &described["ConsumerStatus"]), (&json!(consumer), &json!("ACTIVE")));
    let first = put(&server, "s", "first").await["SequenceNumber"].clone();
    let at = json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": first});
    let mut events = server.subscribe(&consumer, SHARD, &at).await.unwrap();
    let event = news(&mut events).await;
    assert_eq!(event.data(), ["first"]);
    let mut continuation = event.payload["ContinuationSequenceNumber"].clone();
    server.clock.advance(300_000);
    while let Some(event) = frame(&mut events).await {
        continuation = event.payload["ContinuationSequenceNumber"].clone();
    }
    put(&server, "s", "second").await;
    let after = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": continuation});
    let mut events = server.subscribe(&consumer, SHARD, &after).await.unwrap();
    assert_eq!(news(&mut events).await.data(), ["second"]);
    server.stop().await;
}

/// Newer versions send StreamARN with GetRecords, and may send StreamId.
#[tokio::test]
async fn clients_a8_07_reads_may_name_their_stream() {
    let server = TestServer::start_with(Home::Nowhere, |config| config.stream_ids = true).await;
    server.create_stream("s", 1).await;
    put(&server, "s", "x").await;
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    let id = &summary["StreamDescriptionSummary"]["StreamId"];
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    for more in
        [json!({"StreamARN": arn("s")}), json!({"StreamId": id}), json!({"StreamARN": arn("s"), "StreamId": id})]
    {
        let mut body = more;
        body["ShardIterator"] = json!(iterator);
        assert_eq!(data(&server.ok("GetRecords", &body).await), ["x"]);
    }
    let body = json!({"ShardIterator": iterator, "StreamARN": arn("another")});
    assert_eq!(refused(&server, "GetRecords", &body).await.0, "InvalidArgumentException");
    server.stop().await;
}

/// It polls for 10,000 records, five times a second at most, and that has to pass.
#[tokio::test]
async fn clients_a8_08_ten_thousand_records_five_times_a_second() {
    let server = TestServer::start().await;
    server.create_stream("s", 1).await;
    server.clock.stop();
    let mut put = 0;
    for _ in 0..21 {
        let records = vec![json!({"Data": "YQ==", "PartitionKey": "k"}); 500];
        server.ok("PutRecords", &json!({"StreamName": "s", "Records": records})).await;
        server.clock.advance(1000);
        put += 500;
    }
    let mut iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    let mut counts = Vec::new();
    for _ in 0..5 {
        let answer = server.ok("GetRecords", &json!({"ShardIterator": iterator, "Limit": 10_000})).await;
        counts.push(answer["Records"].as_array().unwrap().len());
        answer["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
    }
    assert_eq!(counts, [10_000, put - 10_000, 0, 0, 0]);
    server.stop().await;
}
