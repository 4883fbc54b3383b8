//! What brings each error about.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rheos_log::files::sim::SimFiles;
use rheos_testkit::{Answer, Call, Home, TestServer};
use rheos_types::limits::Profile;
use rheos_wire::{ErrorCode, Operation};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{arn, body, declaring, expect, none_is_wrong};

const HOUR_MS: u64 = 3_600_000;
const ARNS: [&str; 3] = ["StreamARN", "ResourceARN", "ConsumerARN"];

async fn open(home: Home) -> TestServer {
    TestServer::start_with(home, |config| config.limits = Profile::Open).await
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (server, error, mut wrong) = (open(Home::Nowhere).await, ErrorCode::ResourceNotFound, Vec::new());
    server.create_stream("gone", 1).await;
    let iterator = server.iterator("gone", "0", "LATEST").await;
    server.ok("DeleteStream", &json!({"StreamName": "gone"})).await;
    for operation in declaring(error) {
        let body = match operation {
            Operation::GetRecords => json!({"ShardIterator": iterator}),
            _ => body(operation, "nobody"),
        };
        expect(&server, operation, &body, error, &mut wrong).await;
    }
    none_is_wrong(error, &wrong);
    server.stop().await;
}

#[tokio::test]
async fn an_argument_that_the_model_allows_may_be_invalid() {
    let (server, error, mut wrong) = (open(Home::Nowhere).await, ErrorCode::InvalidArgument, Vec::new());
    for operation in declaring(error) {
        // There is nothing to be wrong with: its one member has two values, and the model knows both.
        if operation == Operation::UpdateAccountSettings {
            continue;
        }
        let mut body = body(operation, "s");
        match operation {
            Operation::ListStreams => body["NextToken"] = json!("x"),
            Operation::CreateStream => body["RecordDistributionStrategy"] = json!("AUTO"),
            _ => elsewhere(&mut body),
        }
        expect(&server, operation, &body, error, &mut wrong).await;
    }
    none_is_wrong(error, &wrong);
    server.stop().await;
}

/// Names the same in another region than the call is signed for.
fn elsewhere(body: &mut Value) {
    let member = ARNS.into_iter().find(|member| !body[*member].is_null()).expect("it names something");
    body[member] = json!(body[member].as_str().unwrap().replace("us-east-1", "eu-west-1"));
}

#[tokio::test]
async fn what_the_model_does_not_allow_is_not_valid() {
    let (server, error, mut wrong) = (open(Home::Nowhere).await, ErrorCode::Validation, Vec::new());
    for operation in declaring(error) {
        let mut body = body(operation, "s");
        match operation {
            Operation::CreateStream => body["StreamName"] = json!("a b"),
            Operation::UpdateAccountSettings => {
                body["MinimumThroughputBillingCommitment"]["Status"] = json!("PERHAPS");
            }
            _ => {
                let member = ARNS.into_iter().find(|member| !body[*member].is_null()).unwrap();
                body[member] = json!("x");
            }
        }
        expect(&server, operation, &body, error, &mut wrong).await;
    }
    none_is_wrong(error, &wrong);
    server.stop().await;
}

/// Streams, and for an hour: `creating` is CREATING; `busy` and `flex`, which is on demand, are UPDATING; `used` is ACTIVE,
/// and its consumer CREATING.
async fn server_under_change() -> (TestServer, String) {
    let home = Home::memory();
    let server = open(home.clone()).await;
    for name in ["busy", "used"] {
        server.create_stream(name, 2).await;
    }
    let on_demand = json!({"StreamName": "flex", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    server.ok("CreateStream", &on_demand).await;
    server.wait_until_active("flex").await;
    // Something to take away, too.
    server.ok("EnableEnhancedMonitoring", &json!({"StreamName": "busy", "ShardLevelMetrics": ["OutgoingBytes"]})).await;
    server.wait_until_active("busy").await;
    let key = json!({"StreamName": "busy", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    server.ok("StartStreamEncryption", &key).await;
    server.wait_until_active("busy").await;
    server.ok("UpdateAccountSettings", &body(Operation::UpdateAccountSettings, "")).await;
    server.stop().await;

    let slow = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        config.transition_ms = HOUR_MS;
    };
    let server = TestServer::start_with(home, slow).await;
    server.ok("CreateStream", &json!({"StreamName": "creating", "ShardCount": 2})).await;
    server.ok("IncreaseStreamRetentionPeriod", &json!({"StreamName": "busy", "RetentionPeriodHours": 48})).await;
    server.ok("UpdateMaxRecordSize", &json!({"StreamARN": arn("flex"), "MaxRecordSizeInKiB": 4096})).await;
    let consumer = json!({"StreamARN": arn("used"), "ConsumerName": "c"});
    let consumer = server.ok("RegisterStreamConsumer", &consumer).await;
    (server, consumer["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_under_change_is_in_use() {
    use Operation as O;
    let (server, consumer) = server_under_change().await;
    let (error, mut wrong) = (ErrorCode::ResourceInUse, Vec::new());
    for operation in declaring(error) {
        let stream = match operation {
            // Of a stream that changes these are as of any; it is one that is not there yet that has none of it.
            O::AddTagsToStream
            | O::RemoveTagsFromStream
            | O::ListShards
            | O::ListStreamConsumers
            | O::RegisterStreamConsumer
            | O::DeleteResourcePolicy
            | O::GetResourcePolicy
            | O::ListTagsForResource
            | O::PutResourcePolicy
            | O::TagResource
            | O::UntagResource => "creating",
            O::UpdateStreamMode | O::UpdateStreamRecordDistributionStrategy | O::UpdateStreamWarmThroughput => "flex",
            O::CreateStream | O::DeleteStream => "used",
            _ => "busy",
        };
        let mut body = body(operation, stream);
        if operation == O::SubscribeToShard {
            body["ConsumerARN"] = json!(consumer);
        }
        expect(&server, operation, &body, error, &mut wrong).await;
    }
    none_is_wrong(error, &wrong);
    server.stop().await;
}

#[tokio::test]
async fn tokens_and_iterators_expire() {
    let server = open(Home::Nowhere).await;
    for name in ["s", "t"] {
        server.create_stream(name, 2).await;
    }
    server.consumer("s", "c").await;
    server.consumer("s", "d").await;
    let iterator = server.iterator("s", "0", "LATEST").await;
    let pages = [
        (Operation::ListShards, json!({}), json!({"StreamName": "s", "MaxResults": 1})),
        (Operation::ListStreams, json!({}), json!({"Limit": 1})),
        (
            Operation::ListStreamConsumers,
            json!({"StreamARN": arn("s")}),
            json!({"StreamARN": arn("s"), "MaxResults": 1}),
        ),
    ];
    let mut late = Vec::new();
    for (operation, mut next, first) in pages {
        next["NextToken"] = server.ok(operation.name(), &first).await["NextToken"].clone();
        assert!(next["NextToken"].is_string());
        late.push((operation, next));
    }
    server.clock.advance(300_001);
    let mut wrong = Vec::new();
    assert_eq!(declaring(ErrorCode::ExpiredNextToken).len(), late.len());
    for (operation, body) in late {
        expect(&server, operation, &body, ErrorCode::ExpiredNextToken, &mut wrong).await;
    }
    none_is_wrong(ErrorCode::ExpiredNextToken, &wrong);
    let body = json!({"ShardIterator": iterator});
    expect(&server, Operation::GetRecords, &body, ErrorCode::ExpiredIterator, &mut wrong).await;
    none_is_wrong(ErrorCode::ExpiredIterator, &wrong);
    server.stop().await;
}

/// Limits that are no rates; the rates have a test of their own (`limits.rs`).
#[tokio::test]
async fn as_often_as_allowed_and_once_more() {
    let once = |config: &mut rheos_server::Config| {
        config.overrides.push("encryption_changes_per_day=1".parse().unwrap());
    };
    let server = TestServer::start_with(Home::Nowhere, once).await;
    server.create_stream("s", 1).await;
    let key = |alias: &str| json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": alias});
    let (error, mut wrong) = (ErrorCode::LimitExceeded, Vec::new());
    let done = async |operation: &str, alias: &str| {
        server.ok(operation, &key(alias)).await;
        server.wait_until_active("s").await;
    };
    done("StartStreamEncryption", "alias/one").await;
    expect(&server, Operation::StartStreamEncryption, &key("alias/two"), error, &mut wrong).await;
    server.clock.advance(12 * HOUR_MS);
    done("StopStreamEncryption", "alias/one").await;
    server.clock.advance(12 * HOUR_MS);
    // The start is a day ago, the stop is not.
    done("StartStreamEncryption", "alias/two").await;
    expect(&server, Operation::StopStreamEncryption, &key("alias/two"), error, &mut wrong).await;
    none_is_wrong(error, &wrong);
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_subscribes_once_a_second() {
    // The test kit's servers have no rates unless they are told to.
    let server = TestServer::start_with(Home::Nowhere, |config| config.overrides.clear()).await;
    server.create_stream("s", 1).await;
    let consumer = server.consumer("s", "c").await;
    server.clock.stop();
    let latest = json!({"Type": "LATEST"});
    let _held = server.subscribe(&consumer, "0", &latest).await.unwrap();
    server.clock.advance(1000);
    // In the first five seconds it is in use; after that nobody may ask twice in one.
    for (ms, code) in [(3_500, "ResourceInUseException"), (600, "LimitExceededException")] {
        server.clock.advance(ms);
        let refused = server.subscribe(&consumer, "0", &latest).await.expect_err(code);
        assert_eq!(refused.header("x-amzn-errortype"), code, "{}", refused.text());
    }
    server.stop().await;
}

/// A server on which every call meets this fault.
async fn unlucky(chaos: &str) -> TestServer {
    let configure = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        config.chaos = Some(chaos.parse().unwrap());
        config.streams = vec!["s:2".parse().unwrap()];
    };
    TestServer::start_with(Home::Nowhere, configure).await
}

/// Two operations have no rate of their own that the service has published. That they are throttled can be had on purpose.
#[tokio::test]
async fn operations_without_a_rate_are_throttled_on_purpose() {
    let (server, error, mut wrong) = (unlucky("throttle=1").await, ErrorCode::LimitExceeded, Vec::new());
    for operation in [Operation::UpdateMaxRecordSize, Operation::UpdateStreamRecordDistributionStrategy] {
        expect(&server, operation, &body(operation, "s"), error, &mut wrong).await;
    }
    none_is_wrong(error, &wrong);
    server.stop().await;
}

/// What never fails by itself fails on purpose.
#[tokio::test]
async fn every_operation_that_may_fail_can_be_made_to() {
    let server = unlucky("error=1").await;
    for operation in declaring(ErrorCode::InternalFailureException) {
        let call = Call::new(operation.name(), &body(operation, "s"));
        let mut codes = BTreeSet::new();
        // Two codes take turns by chance.
        for _ in 0..40 {
            let answer = server.send(&call).await;
            assert_eq!(answer.header("x-rheos-chaos"), "error");
            codes.insert((answer.status, answer.json()["__type"].as_str().unwrap().to_owned()));
        }
        let expected = [(500, "InternalFailureException"), (503, "ServiceUnavailable")];
        assert!(codes.iter().map(|(status, code)| (*status, code.as_str())).eq(expected), "{codes:?}");
    }
    server.stop().await;
}

/// A full disk is a failure for whoever writes, by any operation, and says so; nothing was done.
#[tokio::test]
async fn a_full_disk_is_an_internal_failure() {
    let files = SimFiles::new();
    files.set_capacity(64 << 20);
    let server = open(Home::Simulated(files, Arc::new(TempDir::new().unwrap()))).await;
    server.create_stream("s", 2).await;
    // Smaller and smaller, until the last byte that may be written is.
    for base64_bytes in [900 << 10, 64 << 10, 4 << 10, 256, 0] {
        let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": "A".repeat(base64_bytes)});
        let mut left = 1000;
        while server.call("PutRecord", &put).await.0 == 200 {
            left -= 1;
            assert!(left > 0, "the disk never filled up");
        }
    }
    for operation in [Operation::PutRecord, Operation::PutRecords, Operation::PutResourcePolicy, Operation::TagResource]
    {
        let answer = server.send(&Call::new(operation.name(), &body(operation, "s"))).await;
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (500, "InternalFailureException"));
        assert!(answer.text().contains("The disk is full"), "{}", answer.text());
    }
    let policy = server.ok("GetResourcePolicy", &json!({"ResourceARN": arn("s")})).await;
    assert_eq!(policy["Policy"], "{}");
    server.stop().await;
}

/// Records that rot on the disk are never served: whoever reads them is told which file it is.
#[tokio::test]
async fn damaged_records_are_an_internal_failure() {
    let files = SimFiles::new();
    files.set_capacity(256 << 20);
    let home = Home::Simulated(files.clone(), Arc::new(TempDir::new().unwrap()));
    let little = |config: &mut rheos_server::Config| {
        config.limits = Profile::Open;
        // So little that records are soon read from the disk.
        config.memory = 1 << 20;
    };
    let server = TestServer::start_with(home, little).await;
    server.create_stream("s", 1).await;
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "segment");
    let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": "A".repeat(1 << 20)});
    let mut written = Vec::new();
    for _ in 0..120 {
        server.ok("PutRecord", &put).await;
        written = files.paths().into_iter().filter(is_segment).collect();
        if !written.is_empty() {
            break;
        }
    }
    assert!(!written.is_empty(), "no record has left the log files");
    for path in &written {
        let length = files.contents(path).unwrap().len() as u64;
        files.flip(path, length / 2, 0x10);
    }
    // Records are read from the log files until the segment that holds them counts.
    let mut failure = None;
    for _ in 0..500 {
        failure = first_failure(&server).await;
        if failure.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let failure = failure.expect("what is damaged was served");
    assert_eq!((failure.status, failure.header("x-amzn-errortype")), (500, "InternalFailureException"));
    assert!(failure.text().contains("is damaged at offset"), "{}", failure.text());
    server.stop().await;
}

/// Reads a shard from its beginning, record by record: the first answer that is none, if there is one before the tip.
async fn first_failure(server: &TestServer) -> Option<Answer> {
    let mut iterator = server.iterator("s", "0", "TRIM_HORIZON").await;
    loop {
        let answer = server.send(&Call::new("GetRecords", &json!({"ShardIterator": iterator, "Limit": 1}))).await;
        if answer.status != 200 {
            return Some(answer);
        }
        let read = answer.json();
        if read["Records"].as_array().unwrap().is_empty() {
            return None;
        }
        read["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
    }
}
