//! Rates of calls over HTTP: the call beyond its operation's rate gets the error that the model declares, the next
//! second passes; and who may set them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

use std::sync::Arc;

use rheos_testkit::{Answer, Call, Connection, Home, TestServer};
use rheos_types::limits::{Call as Rated, Profile, Scope};
use serde_json::{Value, json};

/// A server with the limits as they come, and `set` over them; its streams are created before its time stops.
async fn server(streams: &[&str], set: &[&str]) -> TestServer {
    let set: Vec<_> = set.iter().map(|one| one.parse().unwrap()).collect();
    let server = TestServer::start_with(Home::default(), |config| config.overrides = set).await;
    for stream in streams {
        server.create_stream(stream, 1).await;
    }
    server.clock.stop();
    server.clock.advance(1000);
    server
}

async fn send(server: &TestServer, connection: &mut Connection, operation: &str, body: &Value) -> Answer {
    server.try_send_on(connection, &Call::new(operation, body)).await.expect("an answer")
}

/// A body that reaches the operation's verb; what the verb then says does not matter.
fn body(call: Rated) -> Value {
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let consumer = format!("{arn}/consumer/c:1");
    match call {
        Rated::AddTagsToStream => json!({"StreamName": "s", "Tags": {"k": "v"}}),
        Rated::CreateStream => json!({"StreamName": "s", "ShardCount": 1}),
        Rated::DecreaseStreamRetentionPeriod | Rated::IncreaseStreamRetentionPeriod => {
            json!({"StreamName": "s", "RetentionPeriodHours": 24})
        }
        Rated::DeleteStream => json!({"StreamName": "gone"}),
        Rated::DeregisterStreamConsumer | Rated::DescribeStreamConsumer => json!({"ConsumerARN": consumer}),
        Rated::DescribeAccountSettings | Rated::DescribeLimits | Rated::ListStreams => json!({}),
        Rated::DescribeStream | Rated::DescribeStreamSummary | Rated::ListTagsForStream => json!({"StreamARN": arn}),
        Rated::DisableEnhancedMonitoring | Rated::EnableEnhancedMonitoring => {
            json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})
        }
        Rated::GetShardIterator => json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"}),
        Rated::ListShards => json!({"StreamName": "s"}),
        Rated::ListStreamConsumers => json!({"StreamARN": arn}),
        Rated::MergeShards => json!({"StreamName": "s", "ShardToMerge": "0", "AdjacentShardToMerge": "1"}),
        Rated::DeleteResourcePolicy | Rated::GetResourcePolicy | Rated::ListTagsForResource => {
            json!({"ResourceARN": arn})
        }
        Rated::PutResourcePolicy => json!({"ResourceARN": arn, "Policy": "{}"}),
        Rated::RegisterStreamConsumer => json!({"StreamARN": arn, "ConsumerName": "c"}),
        Rated::RemoveTagsFromStream => json!({"StreamName": "s", "TagKeys": ["k"]}),
        Rated::SplitShard => json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "0"}),
        Rated::SubscribeToShard => {
            json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}})
        }
        Rated::TagResource => json!({"ResourceARN": arn, "Tags": {"k": "v"}}),
        Rated::UntagResource => json!({"ResourceARN": arn, "TagKeys": ["k"]}),
        Rated::UpdateAccountSettings => json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}}),
        Rated::UpdateShardCount => {
            json!({"StreamName": "s", "TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"})
        }
        Rated::UpdateStreamWarmThroughput => json!({"StreamName": "s", "WarmThroughputMiBps": 1}),
    }
}

/// What an exceeded rate says.
fn exceeded(call: Rated, answer: &Answer) -> bool {
    let stream = if call == Rated::DeleteStream { "gone" } else { "s" };
    let (code, message) = match call {
        Rated::GetShardIterator => (
            "ProvisionedThroughputExceededException",
            "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.".to_owned(),
        ),
        Rated::CreateStream
        | Rated::DescribeAccountSettings
        | Rated::DescribeLimits
        | Rated::ListStreams
        | Rated::UpdateAccountSettings => {
            ("LimitExceededException", "Rate exceeded for account 000000000000.".to_owned())
        }
        _ => ("LimitExceededException", format!("Rate exceeded for stream {stream} under account 000000000000.")),
    };
    answer.status == 400 && answer.json() == json!({"__type": code, "message": message})
}

#[tokio::test]
async fn the_call_beyond_the_rate_is_refused_and_the_next_second_passes() {
    let server = server(&["s", "gone"], &[]).await;
    let mut connection = server.connect().await;
    let rates = Profile::Aws.limits().calls_per_s;
    let mut held = Vec::new();
    // A consumer's are counted by its verb, which has a test of its own.
    for call in Rated::ALL.iter().copied().filter(|call| call.scope() != Scope::ConsumerShard) {
        server.clock.advance(1000);
        let body = body(call);
        for number in 0..rates.of(call).unwrap() {
            let answer = send(&server, &mut connection, call.name(), &body).await;
            assert!(!answer.text().contains("Rate exceeded"), "{call:?} {number}: {}", answer.text());
        }
        let beyond = send(&server, &mut connection, call.name(), &body).await;
        if beyond.text().contains("does not implement") {
            continue;
        }
        assert!(exceeded(call, &beyond), "{call:?}: {}", beyond.text());
        server.clock.advance(1000);
        let later = send(&server, &mut connection, call.name(), &body).await;
        assert!(!later.text().contains("Rate exceeded"), "{call:?}: {}", later.text());
        held.push(call);
    }
    assert!(held.len() >= 15, "{held:?}");
    server.stop().await;
}

#[tokio::test]
async fn calls_at_the_same_time_pass_as_often_as_they_may() {
    let server = Arc::new(server(&["s"], &[]).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let server = server.clone();
        tasks.spawn(async move { server.call("DescribeStreamSummary", &json!({"StreamName": "s"})).await.0 });
    }
    let passed = tasks.join_all().await.into_iter().filter(|status| *status == 200).count();
    assert_eq!(passed, 20);
}

#[tokio::test]
async fn what_is_malformed_or_about_nothing_is_not_counted() {
    let server = server(&["s"], &[]).await;
    let mut connection = server.connect().await;
    for body in [json!({"StreamName": "no such"}), json!({"StreamName": "nobody"}), json!({}), json!({"StreamName": 1})]
    {
        for _ in 0..12 {
            let answer = send(&server, &mut connection, "DescribeStream", &body).await;
            assert!(answer.status == 400 && !answer.text().contains("Rate exceeded"), "{body}: {}", answer.text());
        }
    }
    server.ok("DescribeStream", &json!({"StreamName": "s"})).await;
    server.stop().await;
}

#[tokio::test]
async fn the_server_and_a_streams_tag_set_limits() {
    let set = ["calls_per_s.DescribeStream=none", "calls_per_s.AddTagsToStream=none", "shards_per_account=7"];
    let server = server(&["s"], &set).await;
    let mut connection = server.connect().await;
    for _ in 0..30 {
        let answer = send(&server, &mut connection, "DescribeStream", &json!({"StreamName": "s"})).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(server.ok("DescribeLimits", &json!({})).await["ShardLimit"], 7);
    let passes = async |connection: &mut Connection, tag: &str| {
        server.ok("AddTagsToStream", &json!({"StreamName": "s", "Tags": {"rheos:limits": tag}})).await;
        server.clock.advance(100_000);
        let mut passed = 0;
        for _ in 0..12 {
            let answer = send(&server, connection, "ListTagsForStream", &json!({"StreamName": "s"})).await;
            passed += u32::from(answer.status == 200);
        }
        passed
    };
    assert_eq!(passes(&mut connection, "open").await, 12);
    assert_eq!(passes(&mut connection, "aws").await, 5);
    assert_eq!(passes(&mut connection, "open calls_per_s.ListTagsForStream=2").await, 2);
    assert_eq!(passes(&mut connection, "aws calls_per_s.DescribeStream=2").await, 5, "an unreadable tag is only a tag");
    server.stop().await;
}

#[tokio::test]
async fn open_has_no_rates() {
    let server = TestServer::start_with(Home::default(), |config| {
        config.limits = Profile::Open;
        config.overrides.clear();
    });
    let server = server.await;
    server.create_stream("s", 1).await;
    let mut connection = server.connect().await;
    for call in Rated::ALL.iter().copied().filter(|call| call.scope() != Scope::ConsumerShard) {
        for _ in 0..40 {
            let answer = send(&server, &mut connection, call.name(), &body(call)).await;
            assert!(!answer.text().contains("Rate exceeded"), "{call:?}: {}", answer.text());
        }
    }
    assert_eq!(server.ok("DescribeLimits", &json!({})).await["ShardLimit"], 1_000_000);
    server.stop().await;
}

/// The table of `docs/extensions.md`.
fn table() -> String {
    use rheos_types::limits::Limits;
    let aws = Profile::Aws.limits();
    let mut rows = "| Name | In `aws` | Counted for | What |\n| --- | --- | --- | --- |\n".to_owned();
    for named in Limits::NAMED {
        let value = aws.get(named.name).unwrap().unwrap();
        rows += &format!("| `{}` | {value} | {} | {} |\n", named.name, named.scope.as_str(), named.what);
    }
    for call in Rated::ALL {
        let value = aws.calls_per_s.of(*call).unwrap();
        let (name, scope) = (call.name(), call.scope().as_str());
        rows += &format!("| `calls_per_s.{name}` | {value} | {scope} | Calls of {name} a second. |\n");
    }
    rows
}

#[test]
fn the_manual_has_every_limit() {
    let manual = include_str!("../../../docs/extensions.md");
    assert!(manual.contains(&table()), "docs/extensions.md should have this table:\n{}", table());
}
