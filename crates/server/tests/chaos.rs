//! Faults on purpose, and a producer that loses nothing to them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use rheos_testkit::{Answer, Call, Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};

async fn server(chaos: &str) -> TestServer {
    TestServer::start_with(Home::default(), |config| {
        config.limits = Profile::Open;
        config.chaos = Some(chaos.parse().unwrap());
        config.streams = vec!["s:2".parse().unwrap()];
    })
    .await
}

/// What a call was answered with: the mark of chaos, and the status; 0 is no answer.
async fn met(server: &TestServer, operation: &str, body: &Value) -> (String, u16) {
    let answer = server.try_send(&Call::new(operation, body)).await;
    answer.map_or((String::new(), 0), |answer| (answer.header("x-rheos-chaos").to_owned(), answer.status))
}

#[tokio::test]
async fn the_same_seed_meets_the_same_calls() {
    let chaos = "seed=3,throttle=0.2,error=0.2,unknown=0.1,drop=0.1";
    let (one, other) = (server(chaos).await, server(chaos).await);
    let mut kinds = BTreeMap::new();
    for _ in 0..200 {
        let body = json!({"StreamName": "s"});
        let kind = met(&one, "DescribeStreamSummary", &body).await;
        assert_eq!(kind, met(&other, "DescribeStreamSummary", &body).await);
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let count = |mark: &str, status| *kinds.get(&(mark.to_owned(), status)).unwrap_or(&0);
    assert!(
        count("", 200) > 40 && count("throttle", 400) > 20 && count("unknown", 500) > 5 && count("", 0) > 5,
        "{kinds:?}"
    );
    assert!(count("error", 500) > 5 && count("error", 503) > 5, "{kinds:?}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn throttles_are_the_operations_own_and_health_is_left_alone() {
    let server = server("throttle=1").await;
    for (operation, code) in [
        ("PutRecord", "ProvisionedThroughputExceededException"),
        ("GetRecords", "ProvisionedThroughputExceededException"),
        ("ListShards", "LimitExceededException"),
        ("CreateStream", "LimitExceededException"),
    ] {
        let answer = server.send(&Call::new(operation, &json!({}))).await;
        assert_eq!((answer.status, answer.header("x-rheos-chaos")), (400, "throttle"));
        assert_eq!(answer.json()["__type"], code);
    }
    let health = server.send(&Call::raw("", "").method("GET").path("/health/ready").unsigned()).await;
    assert_eq!((health.status, health.header("x-rheos-chaos")), (200, ""));
    let refused = server.send(&Call::new("ListShards", &json!({})).secret("wrong")).await;
    assert_eq!(refused.json()["__type"], "InvalidSignatureException", "that is real");
    server.stop().await;
}

#[tokio::test]
async fn before_means_that_nothing_was_done_and_unknown_that_it_was() {
    let tags = async |chaos: &str| {
        let home = Home::memory();
        let server = TestServer::start_with(home.clone(), |config| {
            config.streams = vec!["s:1".parse().unwrap()];
            config.chaos = Some(chaos.parse().unwrap());
        });
        let server = server.await;
        let kind = met(&server, "AddTagsToStream", &json!({"StreamName": "s", "Tags": {"k": "v"}})).await;
        server.stop().await;
        let server = TestServer::start_with(home, |_| {}).await;
        let tags = server.ok("ListTagsForStream", &json!({"StreamName": "s"})).await;
        server.stop().await;
        (kind, tags["Tags"].as_array().unwrap().len())
    };
    for (chaos, mark, done) in [("error=1", "error", 0), ("throttle=1", "throttle", 0), ("unknown=1", "unknown", 1)] {
        let ((marked, _), tags) = tags(chaos).await;
        assert_eq!((marked.as_str(), tags), (mark, done), "{chaos}");
    }
}

/// Sends until there is an answer, as SDKs do: again after a throttle, a 5xx and a broken connection.
async fn persist(server: &TestServer, operation: &str, body: &Value) -> Answer {
    for _ in 0..100 {
        match server.try_send(&Call::new(operation, body)).await {
            Some(answer) if answer.status == 200 => return answer,
            Some(answer) => assert!(!answer.header("x-rheos-chaos").is_empty(), "{}", answer.text()),
            None => {}
        }
    }
    panic!("{operation} fails for good");
}

#[tokio::test]
async fn a_producer_that_tries_again_loses_nothing() {
    let server = server("seed=11,throttle=0.2,error=0.1,unknown=0.1,drop=0.1,latency_ms=0..2").await;
    let (mut partial, mut sent) = (0, BTreeMap::new());
    for call in 0..40 {
        let mut left: Vec<String> = (0..25).map(|record| format!("{call}-{record}")).collect();
        sent.extend(left.iter().map(|text| (text.clone(), 0)));
        while !left.is_empty() {
            let record = |text: &String| json!({"Data": STANDARD.encode_to_string(text), "PartitionKey": text});
            let body = json!({"StreamName": "s", "Records": left.iter().map(record).collect::<Vec<_>>()});
            let answer = persist(&server, "PutRecords", &body).await;
            let results = answer.json()["Records"].as_array().unwrap().clone();
            assert_eq!(results.len(), left.len());
            let failed: Vec<bool> = results.iter().map(|result| result["ErrorCode"].is_string()).collect();
            assert_eq!(answer.json()["FailedRecordCount"], failed.iter().filter(|failed| **failed).count());
            if failed.contains(&true) {
                assert_eq!(answer.header("x-rheos-chaos"), "entries");
                partial += 1;
            }
            let mut failed = failed.iter();
            left.retain(|_| *failed.next().unwrap());
        }
    }
    assert!(partial > 3, "{partial} calls were stored in part");
    for shard in ["0", "1"] {
        let body = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = persist(&server, "GetShardIterator", &body).await.json()["ShardIterator"].clone();
        loop {
            let answer = persist(&server, "GetRecords", &json!({"ShardIterator": iterator})).await.json();
            for record in answer["Records"].as_array().unwrap() {
                let data = STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap();
                *sent.get_mut(&String::from_utf8(data).unwrap()).expect("what was sent") += 1;
            }
            if answer["MillisBehindLatest"] == 0 {
                break;
            }
            iterator = answer["NextShardIterator"].clone();
        }
    }
    assert!(sent.values().all(|times| *times > 0), "lost: {:?}", sent.iter().find(|(_, times)| **times == 0));
    assert!(sent.values().any(|times| *times > 1), "what may have happened and is sent again is there twice");
    server.stop().await;
}
