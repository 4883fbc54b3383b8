//! SubscribeToShard over a socket, as clients see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::time::Duration;

use base64_simd::STANDARD;
use rheos_testkit::{Events, Frame, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};

const LATEST: &str = "LATEST";
const SHARD: &str = "shardId-000000000000";

fn from(kind: &str) -> Value {
    json!({"Type": kind})
}

async fn put(server: &TestServer, stream: &str, text: &str) -> Value {
    let body = json!({"StreamName": stream, "PartitionKey": "k", "Data": STANDARD.encode_to_string(text)});
    server.ok("PutRecord", &body).await
}

async fn news(events: &mut Events) -> Frame {
    let news = tokio::time::timeout(Duration::from_secs(20), events.next_news()).await;
    news.unwrap().unwrap()
}

/// Reads until so many records have come: their texts, and the last event.
async fn records(events: &mut Events, count: usize) -> (Vec<String>, Value) {
    let mut texts = Vec::new();
    loop {
        let frame = news(events).await;
        texts.extend(frame.data());
        if texts.len() >= count {
            return (texts, frame.payload);
        }
    }
}

async fn with_consumer(profile: Profile, shards: u32) -> (TestServer, String) {
    let server = TestServer::start_with(Home::Nowhere, |config| config.limits = profile).await;
    server.create_stream("s", shards).await;
    let consumer = server.consumer("s", "c").await;
    (server, consumer)
}

#[tokio::test]
async fn records_are_pushed_in_order_and_each_event_says_how_to_continue() {
    let (server, consumer) = with_consumer(Profile::Aws, 1).await;
    let before = put(&server, "s", "before").await;
    let mut latest = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
    assert_eq!(latest.headers["content-type"], "application/vnd.amazon.eventstream");
    let first = latest.next().await.unwrap();
    assert_eq!(first.kind(), "SubscribeToShardEvent", "one comes at once, so that the reader knows where it stands");
    assert_eq!((&first.payload["Records"], &first.payload["MillisBehindLatest"]), (&json!([]), &json!(0)));
    assert!(first.payload["ContinuationSequenceNumber"].is_string() && first.payload["ChildShards"].is_null());
    let mut written = Vec::new();
    for n in 0..20 {
        written.push(put(&server, "s", &format!("r{n}")).await["SequenceNumber"].clone());
    }
    let (texts, last) = records(&mut latest, 20).await;
    assert_eq!(texts, (0..20).map(|n| format!("r{n}")).collect::<Vec<_>>());
    assert_eq!(last["ContinuationSequenceNumber"], written[19]);
    assert_eq!(last["Records"].as_array().unwrap().last().unwrap()["PartitionKey"], "k");
    let other = server.consumer("s", "other").await;
    let at = json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": before["SequenceNumber"]});
    let (texts, _) = records(&mut server.subscribe(&other, SHARD, &at).await.unwrap(), 21).await;
    assert_eq!(texts[0], "before");
}

#[tokio::test]
async fn every_continuation_can_be_continued_from() {
    let (server, consumer) = with_consumer(Profile::Open, 1).await;
    let after = |number: &Value| json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number});
    let at = |number: &Value| json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number});
    // Of an empty shard, of one that is read from its tip, and of the last record.
    for round in 0..3 {
        let mut events = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
        let mut continuation = events.next().await.unwrap().payload["ContinuationSequenceNumber"].clone();
        if round == 2 {
            put(&server, "s", "seen").await;
            continuation = records(&mut events, 1).await.1["ContinuationSequenceNumber"].clone();
        }
        drop(events);
        put(&server, "s", &format!("next{round}")).await;
        let (texts, _) = records(&mut resubscribe(&server, &consumer, &after(&continuation)).await, 1).await;
        assert_eq!(texts, [format!("next{round}")]);
        let mut events = resubscribe(&server, &consumer, &at(&continuation)).await;
        let (texts, _) = records(&mut events, if round == 0 { 1 } else { 2 }).await;
        assert_eq!(texts.last(), Some(&format!("next{round}")), "{texts:?}");
    }
}

/// Subscribes again as soon as the server knows that the one before is over.
async fn resubscribe(server: &TestServer, consumer: &str, from: &Value) -> Events {
    for _ in 0..500 {
        match server.subscribe(consumer, SHARD, from).await {
            Ok(events) => return events,
            Err(answer) => assert_eq!(answer.json()["__type"], "ResourceInUseException"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the subscription before is never over");
}

#[tokio::test]
async fn within_five_seconds_a_second_one_is_refused_and_later_it_takes_over() {
    let (server, consumer) = with_consumer(Profile::Aws, 1).await;
    let mut first = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
    // When exactly is tested with a clock that stands still, in the streams' own tests.
    server.clock.advance(1_000);
    let refused = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap_err();
    assert_eq!(refused.json()["__type"], "ResourceInUseException");
    assert!(refused.text().contains("Another active subscription exists for this consumer: 000000000000:s:c:"));
    server.clock.advance(6_000);
    let mut second = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
    let end = loop {
        let frame = first.next().await.expect("the older one is told");
        if frame.kind() != "SubscribeToShardEvent" {
            break frame;
        }
    };
    assert_eq!((end.headers[":message-type"].as_str(), end.kind()), ("exception", "ResourceInUseException"));
    assert!(first.next().await.is_none(), "and is over");
    put(&server, "s", "for the second").await;
    assert_eq!(records(&mut second, 1).await.0, ["for the second"]);
}

#[tokio::test]
async fn a_shard_that_ends_names_its_children_and_the_stream_is_over() {
    let (server, consumer) = with_consumer(Profile::Open, 1).await;
    let mut parent = server.subscribe(&consumer, SHARD, &from("TRIM_HORIZON")).await.unwrap();
    put(&server, "s", "of the parent").await;
    let half = "170141183460469231731687303715884105728";
    server.ok("SplitShard", &json!({"StreamName": "s", "ShardToSplit": SHARD, "NewStartingHashKey": half})).await;
    server.wait_until_active("s").await;
    assert_eq!(records(&mut parent, 1).await.0, ["of the parent"]);
    let end = news(&mut parent).await.payload;
    assert!(end["ContinuationSequenceNumber"].is_null(), "{end}");
    let children = end["ChildShards"].as_array().unwrap();
    assert_eq!(children.len(), 2);
    assert_eq!(children[0]["ParentShards"], json!([SHARD]));
    assert_eq!(children[1]["HashKeyRange"]["StartingHashKey"], half);
    assert!(parent.next().await.is_none());
    // Whoever comes later is told the same.
    let other = server.consumer("s", "other").await;
    let mut late = server.subscribe(&other, SHARD, &from(LATEST)).await.unwrap();
    assert_eq!(news(&mut late).await.payload["ChildShards"], end["ChildShards"]);
    put(&server, "s", "of a child").await;
    let mut texts = Vec::new();
    for child in children {
        let id = child["ShardId"].as_str().unwrap();
        let mut events = server.subscribe(&consumer, id, &from("TRIM_HORIZON")).await.unwrap();
        let event = events.next().await.unwrap();
        texts.extend(event.data());
    }
    assert_eq!(texts, ["of a child"]);
}

#[tokio::test]
async fn an_idle_subscription_gives_signs_of_life_and_ends_after_five_minutes() {
    let (server, consumer) = with_consumer(Profile::Aws, 1).await;
    let mut events = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
    events.next().await.unwrap();
    let mut last = String::new();
    for _ in 0..2 {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("a sign of life");
        let continuation = event.unwrap().payload["ContinuationSequenceNumber"].as_str().unwrap().to_owned();
        assert!(continuation >= last, "it does not go back");
        last = continuation;
    }
    server.clock.advance(300_000);
    let end = async { while events.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("a clean end");
}

#[tokio::test]
async fn what_ends_a_subscription_is_said_in_its_stream() {
    let (server, consumer) = with_consumer(Profile::Open, 2).await;
    let gone = server.consumer("s", "gone").await;
    let mut of_gone = server.subscribe(&gone, SHARD, &from(LATEST)).await.unwrap();
    let mut of_deleted = server.subscribe(&consumer, "shardId-000000000001", &from(LATEST)).await.unwrap();
    server.ok("DeregisterStreamConsumer", &json!({"ConsumerARN": gone})).await;
    let end = news(&mut of_gone).await;
    assert_eq!(end.kind(), "ResourceNotFoundException", "{:?}", end.payload);
    server.ok("DeleteStream", &json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await;
    let end = news(&mut of_deleted).await;
    assert_eq!(end.kind(), "ResourceNotFoundException", "{:?}", end.payload);
    assert!(of_deleted.next().await.is_none());
}

#[tokio::test]
async fn the_published_throughput_holds_for_each_consumer_and_not_with_open_limits() {
    for (profile, waits) in [(Profile::Aws, true), (Profile::Open, false)] {
        let server = TestServer::start_with(Home::Nowhere, |config| config.limits = profile).await;
        server.ok("CreateStream", &json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 10240})).await;
        server.wait_until_active("s").await;
        let consumer = server.consumer("s", "c").await;
        // Five seconds' worth at once: a reader that has had it waits for four.
        put(&server, "s", &"x".repeat((10 << 20) - 1)).await;
        server.clock.advance(20_000);
        put(&server, "s", "after").await;
        let mut events = server.subscribe(&consumer, SHARD, &from("TRIM_HORIZON")).await.unwrap();
        let mut next = async || tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap();
        assert_eq!(next().await.data()[0].len(), (10 << 20) - 1);
        let event = next().await;
        assert_eq!(event.data().is_empty(), waits, "a sign of life while it waits, and only then ({profile:?})");
        if waits {
            assert!(event.payload["MillisBehindLatest"].as_u64().unwrap() > 0);
            assert_eq!(next().await.data(), ["after"]);
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_its_subscriptions() {
    let (server, consumer) = with_consumer(Profile::Aws, 1).await;
    let mut events = server.subscribe(&consumer, SHARD, &from(LATEST)).await.unwrap();
    events.next().await.unwrap();
    let (cut, ()) = tokio::join!(server.stop(), async { while events.next().await.is_some() {} });
    assert_eq!(cut, 0, "none had to be cut off");
}

#[tokio::test]
async fn what_is_wrong_with_a_subscription_is_said_before_it_begins() {
    let (server, consumer) = with_consumer(Profile::Open, 1).await;
    let unknown = consumer.replace("/c:", "/other:");
    let later = json!({"Type": "AT_TIMESTAMP", "Timestamp": 99_999_999_999_u64});
    for (consumer, shard, start, code, message) in [
        (&*unknown, SHARD, from(LATEST), "ResourceNotFoundException", "other"),
        (&*consumer, "shardId-000000000007", from(LATEST), "ResourceNotFoundException", "shardId-000000000007"),
        (&*consumer, "x!", from(LATEST), "ValidationException", "shardId"),
        (&*consumer, SHARD, from("AT_SEQUENCE_NUMBER"), "InvalidArgumentException", "StartingSequenceNumber"),
        (&*consumer, SHARD, from("AT_TIMESTAMP"), "InvalidArgumentException", "timestamp"),
        (&*consumer, SHARD, later, "InvalidArgumentException", "cannot be greater"),
        (&*consumer, SHARD, from("SOMEWHERE"), "ValidationException", "enum value set"),
        ("arn:aws:kinesis:us-east-1:000000000000:stream/s", SHARD, from(LATEST), "ValidationException", "consumerARN"),
    ] {
        let refused = server.subscribe(consumer, shard, &start).await.unwrap_err();
        let body = refused.json();
        assert_eq!((refused.status, body["__type"].as_str().unwrap()), (400, code), "{body}");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
    }
    let body = json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": from(LATEST), "DryRun": true});
    let (status, answer) = server.call("SubscribeToShard", &body).await;
    assert_eq!((status, answer["__type"].as_str()), (400, Some("DryRunOperationException")));
    assert!(server.subscribe(&consumer, SHARD, &from(LATEST)).await.is_ok(), "trying has claimed nothing");
}

#[tokio::test]
async fn a_reader_at_the_tip_is_answered_when_a_record_comes() {
    let long = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        config.long_poll_ms = 20_000;
    };
    let server = TestServer::start_with(Home::Nowhere, long).await;
    server.create_stream("s", 1).await;
    let iterator = server.iterator("s", SHARD, "TRIM_HORIZON").await;
    let first = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    assert_eq!(first["Records"], json!([]), "whoever comes to the tip is told so at once");
    let body = json!({"ShardIterator": first["NextShardIterator"]});
    let (read, ()) = tokio::join!(server.ok("GetRecords", &body), async {
        put(&server, "s", "at last").await;
    });
    assert_eq!(read["Records"].as_array().unwrap().len(), 1, "it has waited for the record");
    let empty = server.ok("GetRecords", &json!({"ShardIterator": read["NextShardIterator"]})).await;
    let body = json!({"ShardIterator": empty["NextShardIterator"]});
    let waiting = server.ok("GetRecords", &body);
    let half = "170141183460469231731687303715884105728";
    let split = json!({"StreamName": "s", "ShardToSplit": SHARD, "NewStartingHashKey": half});
    let (read, _) = tokio::join!(waiting, server.ok("SplitShard", &split));
    assert_eq!(read["ChildShards"].as_array().unwrap().len(), 2, "the end of the shard is news too");
}
